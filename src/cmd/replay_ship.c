// SPDX-License-Identifier: BSD-3-Clause
//
// A replay that ships: the same spool and the same sinks as the appliance's, offline. It waits for them (nothing is
// lost to a slow one), and at the end until all has arrived; a signal ends the waiting, and what is left goes out with
// the next replay or start that has this spool. Where the spool is full or its disk is, the replay itself waits: there
// a signal ends both, and what found no room is lost and said. Its sinks of type `pcapng` stand beside --mirror's files
// (mirrors.c). Program's thread.
//
// Each replay is a start of its node (boot: the time), so that whoever reads the records tells two of them apart.
#include "replay_ship.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/capture_file.h"
#include "base/clock.h"
#include "cmd.h"
#include "ctl/copies.h"
#include "option.h"
#include "record.h"
#include "replay_options.h"
#include "ship/deliver.h"
#include "ship/spool.h"

#define LOOK_US 50000
#define SAY_NS 5000000000ull

int replay_ship_read(struct replay_ship *s, struct options *o)
{
	struct complaints c = {0};
	int rc = config_read(&s->config, o->config, o->sets, o->nsets, false, &c);
	if (rc < 0) // what `run` would warn of is no matter here
		complaints_print(&c, stderr);
	complaints_clear(&c);
	if (rc < 0)
		return rc == -EINVAL ? EXIT_FINDINGS : EXIT_ENVIRONMENT;
	if (!s->config.nsinks) {
		fprintf(stderr, "sluice: %s: it has no sinks: nothing to ship to\n", o->config);
		return EXIT_FINDINGS;
	}
	if (!o->policy && *s->config.policy.file)
		o->policy = s->config.policy.file;
	o->nsinks = copies_sinks(&s->config, o->mirrors + o->nmirrors);
	for (unsigned i = 0; i < o->nsinks; i++)
		if (options_is_input(o, o->mirrors[o->nmirrors + i].file))
			return option_mistake("replay", "a sink of %s would put away the capture %s", o->config,
					      o->mirrors[o->nmirrors + i].file);
	o->nmirrors += o->nsinks;
	for (unsigned i = 0; i < s->config.policy.nguard; i++)
		guard_add(&o->guard, s->config.policy.guard[i]);
	return -1;
}

// ---- what a crash left -------------------------------------------------------------------------------------------

struct note {
	struct record head;
	uint8_t facts[4 * FACT_SIZE(64)];
};

static void say(struct note *n, const char *format, ...)
{
	struct fact *f = (struct fact *)((uint8_t *)n + n->head.len);
	va_list args;
	va_start(args, format);
	f->field = FACT_STATE;
	f->len = (uint32_t)vsnprintf((char *)f->value, 64, format, args);
	va_end(args);
	n->head.len += FACT_SIZE(f->len);
	n->head.nfacts++;
}

static void note_write(struct spool *spool, struct note *n)
{
	spool_append(spool, SPOOL_STATE, &n->head);
	n->head.seq++;
	n->head.nfacts = 0;
	n->head.len = sizeof(n->head);
	memset(n->facts, 0, sizeof(n->facts));
}

// As a start of the appliance says it: of it nothing may be left when that comes. By the worker behind the last.
static void say_recovered(struct spool *spool, uint16_t worker)
{
	unsigned n;
	const struct spool_left *left = spool_recovered(spool, &n);
	struct note note = {.head = {.len = sizeof(note.head),
				     .kind = RECORD_STATE,
				     .worker = worker,
				     .time_ns = clock_ns(CLOCK_REALTIME)}};
	for (unsigned i = 0; i < n; i++) {
		if (left[i].clean)
			continue; // it lacks nothing
		say(&note, "event=recovered");
		say(&note, "of_boot:%lu", left[i].boot);
		say(&note, "of_worker:%u", left[i].worker);
		say(&note, "last_seq:%u", left[i].seq);
		say(&note, "end=crashed");
		note_write(spool, &note);
	}
}

// ---- life --------------------------------------------------------------------------------------------------------

bool replay_ship_open(struct replay_ship *s, unsigned workers, struct ship_config *ship)
{
	s->boot = clock_ns(CLOCK_REALTIME) / 1000000;
	const struct records_writer by = {.boot = s->boot, .workers = workers + 1, .wait = true, .stop = &capture_stop};
	if (records_open(&s->records, &s->config, &by) < 0)
		return false;
	if (s->records.spool)
		say_recovered(s->records.spool, (uint16_t)workers);
	ship->spool = s->records.spool;
	ship->starts = records_starts(&s->config);
	ship->node = s->config.node;
	ship->boot = s->boot;
	return true;
}

// Bytes that some sink has not acknowledged; *which: the one that has most, *error: why it is down, "": it is not.
static uint64_t behind(const struct replay_ship *s, struct sink_counts *which)
{
	uint64_t most = 0;
	for (unsigned i = 0; i < s->config.nsinks; i++) {
		struct sink_counts n;
		if (!deliver_counts(s->records.deliver, s->config.sinks[i].name, &n) || n.behind_bytes <= most)
			continue;
		most = n.behind_bytes;
		*which = n;
	}
	return most;
}

static void say_left(const struct replay_ship *s)
{
	struct spool_look l;
	struct sink_counts which;
	uint64_t most = behind(s, &which);
	spool_look(s->records.spool, &l);
	if (l.waits)
		fprintf(stderr, "sluice: %lu KiB wait for the spool's disk%s%s; Ctrl-C gives them up\n", l.waits >> 10,
			l.failing ? ": " : "", l.failing ? strerror(l.error) : "");
	if (most)
		fprintf(stderr, "sluice: %lu KiB are left for sink=%s%s%s; Ctrl-C leaves them in the spool\n",
			most >> 10, which.name, which.up ? "" : ": ", which.up ? "" : which.error);
}

// Until all that was appended is durable and has been handed on, or a signal.
static void wait_for_all(const struct replay_ship *s, bool progress)
{
	uint64_t said_ns = clock_ns(CLOCK_MONOTONIC);
	bool flushed = false, done = false;
	while (!done && !capture_stop) {
		if (flushed)
			usleep(LOOK_US);
		else if ((flushed = spool_flush_wait(s->records.spool, LOOK_US / 1000) == 0))
			deliver_drain(s->records.deliver, UINT64_MAX);
		done = flushed && deliver_done(s->records.deliver);
		if (done || !progress || clock_ns(CLOCK_MONOTONIC) - said_ns < SAY_NS)
			continue;
		said_ns = clock_ns(CLOCK_MONOTONIC);
		say_left(s);
	}
}

bool replay_ship_close(struct replay_ship *s, bool progress)
{
	if (!s->records.spool)
		return true;
	uint64_t lost = records_lost(&s->records);
	if (lost)
		fprintf(stderr, "sluice: %lu records found no room in the spool and are lost: it was full at the end\n",
			lost);
	struct sigaction sa = {.sa_handler = capture_interrupt, .sa_flags = (int)SA_RESETHAND};
	progress |= capture_stop; // who ended it by a signal is told that another ends the waiting
	if (!lost)                // then it has ended the waiting
		capture_stop = 0;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	wait_for_all(s, progress);
	return records_close(&s->records, clock_ns(CLOCK_MONOTONIC));
}
