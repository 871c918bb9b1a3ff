// SPDX-License-Identifier: BSD-3-Clause
//
// What was in force goes to the history (live/history.h), by a thread of its own: it syncs to disk, reads what is
// there, and may take a second on a busy machine, for which the next edit must not wait. In: policies as text, with
// their names; out: entries. Bounded: where the disk is far behind, the oldest of those that wait is left out, and
// said.
//
// People's versions have an entry each. Of what machines wrote over a version (N.m) the newest alone is kept, some
// seconds later (rules.c), so that a feed which writes each second pushes no version of people's out, and a start
// without Kafka still has its rules.
#include "decide/rules_in.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "live/history.h"

#define WAITING 16

struct rules_kept {
	struct rules_kept *next;
	char version[48], author[128], why[512];
	uint32_t machines;
	struct policy as; // hash and number of rules alone
	char *text;
	size_t len;
};

static void kept_free(struct rules_kept *k)
{
	free(k->text);
	free(k);
}

static void write_one(const struct rules *r, const struct rules_kept *k)
{
	struct history_draft d;
	history_begin(&d, r->config.history);
	d.version = k->version;
	d.author = k->author;
	d.why = k->why;
	d.machines = k->machines;
	history_read(&d, "", k->text, k->len);
	int rc = history_end(&d, r->config.history_keep, &k->as, RULES_TOPIC);
	if (rc < 0)
		log_say(LOG_WARNING, "rules", "version %s is not kept in %s: %s", k->version, r->config.history,
			strerror(-rc));
}

// With the lock.
static struct rules_kept *take(struct rules *r)
{
	struct rules_kept *k = r->kept;
	r->kept = k->next;
	r->kept_end = r->kept ? r->kept_end : &r->kept;
	r->nkept--;
	return k;
}

static void *writes(void *arg)
{
	struct rules *r = arg;
	pthread_setname_np(pthread_self(), "rules-keep");
	if (r->config.thread)
		r->config.thread();
	pthread_mutex_lock(&r->lock);
	while (r->kept || !r->keep_ends) {
		if (!r->kept) {
			pthread_cond_wait(&r->keeps, &r->lock);
			continue;
		}
		struct rules_kept *k = take(r);
		pthread_mutex_unlock(&r->lock);
		write_one(r, k);
		kept_free(k);
		pthread_mutex_lock(&r->lock);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

bool rules_keep_start(struct rules *r)
{
	r->kept_end = &r->kept;
	if (pthread_create(&r->keeper, NULL, writes, r) == 0)
		return true;
	r->keeper = 0;
	return false;
}

void rules_keep_stop(struct rules *r)
{
	pthread_mutex_lock(&r->lock);
	r->keep_ends = true;
	pthread_cond_signal(&r->keeps);
	pthread_mutex_unlock(&r->lock);
	if (r->keeper)
		pthread_join(r->keeper, NULL);
}

void rules_keep(struct rules *r, uint64_t version, uint64_t minor, const struct rules_sum *sum)
{
	struct rules_kept *k = *r->config.history ? calloc(1, sizeof(*k)) : NULL, *late = NULL;
	if (!k)
		return;
	snprintf(k->version, sizeof(k->version), "%" PRIu64 ".%" PRIu64, version, minor);
	snprintf(k->author, sizeof(k->author), "%s", minor ? "machines" : r->commit.author);
	if (minor)
		snprintf(k->why, sizeof(k->why), "%u machine-written rules over %" PRIu64 ".0", sum->autos, version);
	else
		snprintf(k->why, sizeof(k->why), "%s", r->commit.why);
	k->machines = sum->autos;
	k->as.nrules = sum->rules + sum->autos;
	memcpy(k->as.hash, sum->all, sizeof(k->as.hash));
	k->text = rules_table_policy(r->table, true, true, &k->len);
	pthread_mutex_lock(&r->lock);
	if (r->nkept == WAITING)
		late = take(r);
	*r->kept_end = k;
	r->kept_end = &k->next;
	r->nkept++;
	pthread_cond_signal(&r->keeps);
	pthread_mutex_unlock(&r->lock);
	if (late) {
		log_say(LOG_WARNING, "rules", "version %s is not kept in %s: the disk is %u versions behind",
			late->version, r->config.history, WAITING);
		kept_free(late);
	}
}
