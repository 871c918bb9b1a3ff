// SPDX-License-Identifier: BSD-3-Clause
//
// Copies of mirror rules, live. Workers hand frames over by rings (path/mirror.c); here they are written to the
// config's sinks of type `pcapng` (live/mirrors.c), on one thread for all of these: a slow disk costs copies, which are
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
#define TICK_NS 200000000ull
#define NAP_NS 5000000 // a ring of 1,024 lasts so long at 200,000 copies a second

struct copies {
	struct mirror_to to[CONFIG_SINKS];
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
			mirrors_tick(c->mirrors);
			ticked = now;
		}
		if (!mirrors_poll(c->mirrors, UINT64_MAX))
			nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
	}
	return NULL;
}

unsigned copies_sinks(const struct config *c, struct mirror_to *to)
{
	unsigned n = 0;
	for (unsigned i = 0; i < c->nsinks; i++) {
		const struct sink_config *s = &c->sinks[i];
		if (sink_of_frames(s))
			to[n++] = (struct mirror_to){s->name, strlen(s->name), s->others, s->path, s};
	}
	return n;
}

static int join(struct appliance *a, struct copies *c)
{
	struct mirrors_config files = {.to = c->to,
				       .nto = copies_sinks(a->config, c->to),
				       .names = standing_names(a->standing),
				       .nnames = STANDING_VERSIONS,
				       .live = true};
	c->mirrors = mirrors_new(&files);
	for (unsigned i = 0; c->mirrors && i < a->nworkers; i++)
		if (!(a->polls[i]->w.copies = mirrors_ring(c->mirrors)))
			return -ENOMEM;
	return c->mirrors ? 0 : -ENOMEM;
}

int copies_open(struct appliance *a)
{
	if (!a->path.copies)
		return 0;
	struct copies *c = a->copies = calloc(1, sizeof(*c));
	int rc = c ? join(a, c) : -ENOMEM;
	if (rc == 0 && mirrors_open(c->mirrors, LINKTYPE_ETHERNET))
		rc = -errno;
	if (rc < 0) {
		log_say(LOG_ERROR, "ship", "no memory for sinks of type pcapng");
		return rc;
	}
	for (unsigned i = 0; i < a->config->nsinks; i++)
		if (sink_of_frames(&a->config->sinks[i]))
			privilege_give(a->config, a->config->sinks[i].path);
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
			log_say(LOG_ERROR, "ship", "not all is written sink=%s: %s", file, strerror(error));
	}
	if (c)
		mirrors_free(c->mirrors);
	free(c);
	a->copies = NULL;
}

void copies_reopen(const struct appliance *a)
{
	if (a->copies)
		mirrors_reopen(a->copies->mirrors);
}

bool copies_counts(const struct appliance *a, const char *sink, struct sink_counts *to)
{
	return a->copies && mirrors_counts(a->copies->mirrors, sink, to);
}

void copies_check(const struct config *c, const struct policy *p, struct complaints *to)
{
	struct mirror_to sinks[CONFIG_SINKS];
	unsigned n = copies_sinks(c, sinks);
	for (uint32_t i = 0; i < p->nrules; i++) {
		const struct rule *r = &p->rules[i];
		bool taken = r->action != ACTION_MIRROR || r->disabled;
		for (unsigned k = 0; k < n && !taken; k++)
			taken = sinks[k].others || mirrors_is_of(&sinks[k], r->sink);
		if (!taken)
			complaints_add(to, true, &r->place,
				       "rule %s: nobody takes its copies: the configuration has no sink of type "
				       "pcapng with the name \"%s\"",
				       r->id, r->sink);
	}
}
