// SPDX-License-Identifier: BSD-3-Clause
//
// A replay that ships: the same spool and the same sinks as the appliance's, offline. It waits for them (nothing is
// lost to a slow one), and at the end until all has arrived; a signal ends the waiting, and what is left goes out with
// the next replay or start that has this spool. Its sinks of type `pcapng` stand beside --mirror's files (mirrors.c).
// Program's thread.
//
// Each replay is a start of its node (boot: the time), so that whoever reads the records tells two of them apart.
#include "replay_ship.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/capture_file.h"
#include "base/clock.h"
#include "cmd.h"
#include "ctl/copies.h"
#include "option.h"
#include "replay_options.h"
#include "ship/deliver.h"
#include "ship/spool.h"

#define LOOK_US 50000
#define SAY_NS 5000000000ull

int replay_ship_read(struct replay_ship *s, struct options *o)
{
	struct complaints c = {0};
	int rc = config_read(&s->config, o->config, NULL, 0, false, &c);
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

bool replay_ship_open(struct replay_ship *s, unsigned workers, struct ship_config *ship)
{
	s->boot = clock_ns(CLOCK_REALTIME) / 1000000;
	const struct records_writer by = {.boot = s->boot, .workers = workers, .wait = true};
	if (records_open(&s->records, &s->config, &by) < 0)
		return false;
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

bool replay_ship_close(struct replay_ship *s, bool progress)
{
	uint64_t said_ns = clock_ns(CLOCK_MONOTONIC), most;
	struct sink_counts which;
	if (!s->records.spool)
		return true;
	struct sigaction sa = {.sa_handler = capture_interrupt, .sa_flags = (int)SA_RESETHAND};
	capture_stop = 0; // a signal has ended the replay, another ends the waiting
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	spool_flush_wait(s->records.spool, UINT_MAX);
	deliver_drain(s->records.deliver, UINT64_MAX);
	while (!deliver_done(s->records.deliver) && !capture_stop) {
		usleep(LOOK_US);
		most = behind(s, &which);
		if (!progress || !most || clock_ns(CLOCK_MONOTONIC) - said_ns < SAY_NS)
			continue;
		said_ns = clock_ns(CLOCK_MONOTONIC);
		fprintf(stderr, "sluice: %lu KiB are left for sink=%s%s%s; Ctrl-C leaves them in the spool\n",
			most >> 10, which.name, which.up ? "" : ": ", which.up ? "" : which.error);
	}
	return records_close(&s->records, clock_ns(CLOCK_MONOTONIC));
}
