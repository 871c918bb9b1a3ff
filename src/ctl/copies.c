// SPDX-License-Identifier: BSD-3-Clause
//
// Copies of mirror rules, live. Workers hand frames over by rings (path/mirror.c); here they are written to the files
// that `mirrors` of the config names (live/mirrors.c), on a thread of their own: a slow disk costs copies, which are
// counted, and neither frames nor records. Opened and closed by the control thread.
#include "ctl/copies.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "ctl/privilege.h"
#include "live/standing.h"
#include "policy/policy.h"

#define LINKTYPE_ETHERNET 1
#define TICK_NS 1000000000ull
#define NAP_NS 5000000 // a ring of 1,024 lasts so long at 200,000 copies a second

struct copies {
	struct mirror_to to[CONFIG_MIRRORS];
	struct mirrors *mirrors;
	pthread_t thread;
	_Atomic bool stop;
};

static void *write_copies(void *arg)
{
	struct copies *c = arg;
	uint64_t ticked = 0;
	pthread_setname_np(pthread_self(), "mirror");
	while (!c->stop) {
		uint64_t now = clock_ns(CLOCK_MONOTONIC);
		if (now - ticked >= TICK_NS) {
			mirrors_tick(c->mirrors, LINKTYPE_ETHERNET);
			ticked = now;
		}
		if (!mirrors_poll(c->mirrors, UINT64_MAX))
			nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
	}
	return NULL;
}

static struct mirror_to file_of(const struct config_mirror *m)
{
	return (struct mirror_to){.sink = *m->sink ? m->sink : NULL,
				  .sink_len = strlen(m->sink),
				  .file = m->path,
				  .rotate_bytes = (uint64_t)m->rotate_mb << 20,
				  .keep = m->keep};
}

static int join(struct appliance *a, struct copies *c)
{
	const struct config *config = a->config;
	struct mirrors_config files = {.to = c->to,
				       .nto = config->nmirrors,
				       .names = standing_names(a->standing),
				       .nnames = STANDING_VERSIONS,
				       .live = true};
	for (unsigned i = 0; i < config->nmirrors; i++)
		c->to[i] = file_of(&config->mirrors[i]);
	c->mirrors = mirrors_new(&files);
	for (unsigned i = 0; c->mirrors && i < a->nworkers; i++)
		if (!(a->polls[i]->w.copies = mirrors_ring(c->mirrors)))
			return -ENOMEM;
	return c->mirrors ? 0 : -ENOMEM;
}

int copies_open(struct appliance *a)
{
	if (!a->config->nmirrors)
		return 0;
	struct copies *c = a->copies = calloc(1, sizeof(*c));
	int rc = c ? join(a, c) : -ENOMEM;
	if (rc < 0) {
		log_say(LOG_ERROR, "ship", "no memory for mirrors");
		return rc;
	}
	const char *file = mirrors_open(c->mirrors, LINKTYPE_ETHERNET);
	if (file) {
		rc = -errno;
		log_say(LOG_ERROR, "ship", "cannot write mirror=%s: %s", file, strerror(-rc));
		return rc;
	}
	for (unsigned i = 0; i < a->config->nmirrors; i++)
		privilege_give(a->config, c->to[i].file);
	return -pthread_create(&c->thread, NULL, write_copies, c);
}

void copies_close(struct appliance *a)
{
	int error = 0;
	struct copies *c = a->copies;
	if (c && c->thread) {
		c->stop = true;
		pthread_join(c->thread, NULL);
		mirrors_flush(c->mirrors);
		const char *file = mirrors_close(c->mirrors, &error);
		if (file)
			log_say(LOG_ERROR, "ship", "not all is written mirror=%s: %s", file, strerror(error));
	}
	if (c)
		mirrors_free(c->mirrors);
	free(c);
	a->copies = NULL;
}

void copies_counts(const struct appliance *a, unsigned i, struct mirror_counts *to)
{
	mirrors_counts(a->copies->mirrors, i, to);
}

void copies_check(const struct config *c, const struct policy *p, struct complaints *to)
{
	for (uint32_t i = 0; i < p->nrules; i++) {
		const struct rule *r = &p->rules[i];
		bool taken = r->action != ACTION_MIRROR || r->disabled;
		for (unsigned k = 0; k < c->nmirrors && !taken; k++)
			taken = !*c->mirrors[k].sink || !strcmp(c->mirrors[k].sink, r->sink);
		if (!taken)
			complaints_add(to, true, &r->place,
				       "rule %s: nobody takes its copies: the configuration has no mirrors with sink "
				       "\"%s\"",
				       r->id, r->sink);
	}
}
