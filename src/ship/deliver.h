// SPDX-License-Identifier: BSD-3-Clause
//
// The far end of the spool: a thread a sink reads it at its own pace, renders, and hands on. See deliver.c.
#pragma once

#include "base/sink_counts.h"

struct deliver;
struct spool;

struct deliver_config {
	struct spool *spool;
	const struct sink_config *const *sinks; // of records; they stay
	unsigned nsinks;
};
// Starts the threads. NULL: errno, after it was said.
struct deliver *deliver_start(const struct deliver_config *config);
// Names of files may be others' now (logrotate); each sink hears it within SINK_IDLE_MS.
void deliver_reopen(struct deliver *d);
// From here on each thread ends when it has handed on all that was flushed by now, or when the deadline
// (CLOCK_MONOTONIC, 0: at once) comes, which a later call may move. Returns at once.
void deliver_drain(struct deliver *d, uint64_t deadline_ns);
bool deliver_done(const struct deliver *d); // all have ended
// The same, and waits for them. What was flushed is handed on until the deadline (CLOCK_MONOTONIC); what is not
// acknowledged by then stays in the spool for the next start. True: nothing stays.
bool deliver_stop(struct deliver *d, uint64_t deadline_ns);

// Of the sink of this name. False: it is none of these.
bool deliver_counts(const struct deliver *d, const char *sink, struct sink_counts *to);
