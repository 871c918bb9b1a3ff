// SPDX-License-Identifier: BSD-3-Clause
//
// Shipper -> spool -> sinks: opened from the back, so that nobody writes to what is not there, and closed from the
// front, so that nothing is left on the way.
#include "ctl/records.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "ctl/config.h"
#include "ctl/privilege.h"
#include "ship/deliver.h"
#include "ship/ship.h"
#include "ship/spool.h"
#ifdef HAVE_KAFKA
#include "remote/kafka.h"
#endif

#define ROOM "ship"
#define FLUSH_MS 5000

// The spool's folder and what is in it are the user's that the process becomes, whoever had it before: files of it are
// opened again, and the process may start itself again.
static void give_folder(const struct config *c)
{
	char path[CONFIG_FILE + NAME_MAX + 2];
	const struct passwd *who = *c->user ? getpwnam(c->user) : NULL;
	DIR *d = who && *c->spool.path ? opendir(c->spool.path) : NULL;
	if (d && fchown(dirfd(d), who->pw_uid, who->pw_gid) < 0)
		log_say(LOG_ERROR, ROOM, "spool.path=%s cannot be given to %s: %s", c->spool.path, c->user,
			strerror(errno));
	for (struct dirent *e; d && (e = readdir(d));) {
		snprintf(path, sizeof(path), "%s/%s", c->spool.path, e->d_name);
		privilege_give(c, path);
	}
	if (d)
		closedir(d);
}

static int open_spool(struct records *r, const struct config *c, const struct deliver_config *d,
		      const struct records_writer *by)
{
	const struct config_spool *s = &c->spool;
	char error[SPOOL_ERROR];
	const char *names[CONFIG_SINKS];
	for (unsigned i = 0; i < d->nsinks; i++)
		names[i] = d->sinks[i]->name;
	if (*s->path)
		privilege_folder(c, s->path); // what is wrong with it, spool_open says
	give_folder(c);
	struct spool_config config = {.path = s->path,
				      .max_bytes = (uint64_t)s->max_mb << 20,
				      .segment_bytes = (uint64_t)s->segment_mb << 20,
				      .tail_bytes = (uint64_t)s->memory_mb << 20,
				      .flush_bytes = (uint64_t)s->flush_kb << 10,
				      .flush_ms = s->flush_ms,
				      .node = c->node,
				      .boot = by->boot,
				      .sinks = names,
				      .nsinks = d->nsinks,
				      .workers = by->workers,
				      .wait = by->wait,
				      .stop = by->stop};
	r->spool = spool_open(&config, error);
	if (r->spool)
		return 0;
	log_say(LOG_ERROR, ROOM, "no spool: %s; mend it, or say --set spool.path=FOLDER", error);
	return -EIO;
}

bool records_starts(const struct config *c)
{
	for (unsigned i = 0; i < c->nsinks; i++)
		if (c->sinks[i].format == SHIP_FACTS)
			return true;
	return false;
}

int records_open(struct records *r, const struct config *c, const struct records_writer *by)
{
	*r = (struct records){0};
#ifdef HAVE_KAFKA
	kafka_use(&c->kafka.pairs, c->node);
#endif
	const struct sink_config *sinks[CONFIG_SINKS];
	struct deliver_config config = {.sinks = sinks};
	for (unsigned i = 0; i < c->nsinks; i++)
		if (!sink_of_frames(&c->sinks[i]))
			sinks[config.nsinks++] = &c->sinks[i];
	int rc = config.nsinks ? open_spool(r, c, &config, by) : 0;
	if (rc < 0 || !config.nsinks)
		return rc;
	config.spool = r->spool;
	r->deliver = deliver_start(&config);
	if (!r->deliver)
		return -errno;
	for (unsigned i = 0; i < c->nsinks; i++)
		if (c->sinks[i].type == SINK_FILE)
			privilege_give(c, c->sinks[i].path);
	return 0;
}

uint64_t records_lost(const struct records *r)
{
	struct spool_look l;
	uint64_t n = 0;
	if (!r->spool)
		return 0;
	spool_look(r->spool, &l);
	for (unsigned c = 0; c < SPOOL_LOSABLE; c++)
		n += l.lost[SPOOL_LOSS_BOUND][c] + l.lost[SPOOL_LOSS_MEMORY][c];
	return n;
}

unsigned records_aside(const struct records *r)
{
	struct spool_look l = {0};
	if (r->spool)
		spool_look(r->spool, &l);
	return (unsigned)l.aside;
}

bool records_close(struct records *r, uint64_t deadline_ns)
{
	if (!r->spool)
		return true;
	uint64_t now = clock_ns(CLOCK_MONOTONIC), left_ms = deadline_ns > now ? (deadline_ns - now) / 1000000 : 0;
	spool_flush_wait(r->spool, left_ms < FLUSH_MS ? FLUSH_MS : (unsigned)left_ms);
	bool all = !r->deliver || deliver_stop(r->deliver, deadline_ns);
	spool_close(r->spool);
	*r = (struct records){0};
	return all;
}
