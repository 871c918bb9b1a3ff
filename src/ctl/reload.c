// SPDX-License-Identifier: BSD-3-Clause
//
// Loads take as long as Hyperscan does, so they have a thread of their own: the control thread answers meanwhile, and
// workers never notice. One at a time; who comes second is told so, and tries again, or
// asks to be called (reload_after).
#include "ctl/reload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/copies.h"
#include "ctl/from_kafka.h"
#include "ctl/privilege.h"
#include "base/log.h"
#include "ctl/loop.h"
#include "ctl/state.h"
#include "live/history.h"

struct job {
	struct reload reload;
	struct appliance *a;
	struct loop *loop;
	reload_done *done;
	void *arg;
	char *said, *file, *shadow;
};

static void job_free(struct job *j)
{
	free(j->said);
	free(j->file);
	free(j->shadow);
	free(j);
}

static void told(void *arg)
{
	struct job *j = arg;
	struct appliance *a = j->a;
	pthread_join(a->reloading, NULL);
	a->reload_runs = false;
	if (j->reload.rc == 0) {
		a->last_good = false;
		const struct standing_done *d = &j->reload.done;
		atomic_store(&j->a->enforcing, true);
		STATE_SAY(j->a, "policy", STATE_NUMBER("version", d->version), STATE_TEXT("hash", d->hash),
			  STATE_TEXT("file", j->file), STATE_NUMBER("rules", d->rules), STATE_NUMBER("sets", d->sets),
			  STATE_NUMBER("workers", d->workers));
	}
	j->reload.said = j->said ? j->said : "";
	j->done(j->arg, &j->reload);
	job_free(j);
	void (*next)(void *) = a->reload_runs ? NULL : a->reload_next; // it tried another
	if (next) {
		a->reload_next = NULL;
		next(a->reload_next_arg);
	}
}

void reload_after(struct appliance *a, void (*call)(void *arg), void *arg)
{
	a->reload_next = call;
	a->reload_next_arg = arg;
}

// What came into force is the way back of what comes later.
static void keep(const struct job *j, struct history_draft *d, FILE *say)
{
	const struct config_policy *c = &j->a->config->policy;
	struct complaints warn = {0};
	const struct standing_view *v = standing_look(j->a->standing);
	const struct policy *p = v ? v->policy : NULL;
	standing_let_go(j->a->standing); // it stays: nobody else loads
	if (p)
		copies_check(j->a->config, p, &warn);
	complaints_print(&warn, say);
	complaints_clear(&warn);
	int rc = d ? history_end(d, c->history_keep, p, j->file) : 0;
	if (rc < 0)
		log_say(LOG_WARNING, "policy", "not kept in %s: %s; sluice doctor says more", c->history,
			strerror(-rc));
}

// Back to what Kafka brought before, by its own name.
static int load_kept(struct job *j, FILE *say)
{
	size_t len;
	char hash[65], *text = from_kafka_kept(j->a, j->file, &len, hash);
	struct complaints c = {0};
	const struct standing_text to = {
		.name = j->file, .text = text, .len = len, .sets = true, .hash = hash, .compares = true};
	int rc = text ? standing_apply(j->a->standing, &to, j->shadow, &j->reload.done, &c, say) : -ENOENT;
	complaints_print(&c, say);
	complaints_clear(&c);
	free(text);
	return rc;
}

static void *load(void *arg)
{
	struct job *j = arg;
	size_t size;
	FILE *say = open_memstream(&j->said, &size);
	pthread_setname_np(pthread_self(), "policy");
	privilege_reader();
	bool keeps = *j->a->config->policy.history && !j->a->config->policy.kafka; // its own thread does
	struct history_draft draft, *d = keeps ? &draft : NULL;
	if (d)
		history_begin(d, j->a->config->policy.history);
	const struct policy_ear ear = {history_read, d};
	j->reload.rc = !say                         ? -ENOMEM
		       : j->a->config->policy.kafka ? load_kept(j, say)
						    : standing_load(j->a->standing, j->file, j->shadow, d ? &ear : NULL,
								    &j->reload.done, say);
	if (say && j->reload.rc == 0)
		keep(j, d, say);
	else if (d)
		history_end(d, 0, NULL, NULL);
	if (say)
		fclose(say);
	if (loop_post(j->loop, told, j) < 0)
		abort(); // some bytes: without them nobody would ever hear of it
	return NULL;
}

int reload_begin(struct appliance *a, struct loop *loop, const char *file, reload_done *done, void *arg)
{
	if (a->reload_runs)
		return -EBUSY;
	struct job *j = calloc(1, sizeof(*j));
	if (!j)
		return -ENOMEM;
	*j = (struct job){.a = a,
			  .loop = loop,
			  .done = done,
			  .arg = arg,
			  .file = strdup(file),
			  .shadow = strdup(a->config->policy.shadow)};
	j->reload.file = j->file;
	if (!j->file || !j->shadow || pthread_create(&a->reloading, NULL, load, j) != 0) {
		job_free(j);
		return -ENOMEM;
	}
	a->reload_runs = true;
	return 0;
}

bool reload_ended(struct appliance *a)
{
	if (a->reload_runs && pthread_tryjoin_np(a->reloading, NULL) == 0)
		a->reload_runs = false;
	if (a->compares && pthread_tryjoin_np(a->comparing, NULL) == 0)
		a->compares = false;
	return !a->reload_runs && !a->compares;
}
