// SPDX-License-Identifier: BSD-3-Clause
//
// What a sink says of itself, whatever it takes: written by its thread, shown by `show sinks` and the metrics. Whoever
// has one has a lock for it, too.
#pragma once

#include "sink_config.h"

struct sink_counts {
	char name[SINK_NAME];
	uint64_t units, bytes; // records, of pcapng frames, handed to its place; bytes that went
	uint64_t lost;         // that it never got: of the spool's bound, or for want of room on their way
	uint64_t refused, errors;
	uint64_t behind_bytes,
		oldest_ns; // has not arrived; when the oldest of these was written, 0: none, or not known
	uint64_t since_ns; // CLOCK_REALTIME: up or down since
	bool up;
	char error[SINK_TEXT]; // the last one; "": none
};

// It begins, and is up.
void sink_counts_begin(struct sink_counts *c, const char *name);
// Its place takes nothing, takes again. True: that is news, to be said.
bool sink_counts_fails(struct sink_counts *c, const char *why);
bool sink_counts_works(struct sink_counts *c);
// Something went wrong that its place takes all the same.
void sink_counts_troubled(struct sink_counts *c, const char *why);
// How long to wait after one more failure: 0.1 s, doubled up to 10 s, by chance down to half of that, so that a fleet
// does not come back at once. *pause_ns: 0 when it works.
uint64_t sink_counts_pause(uint64_t *pause_ns);
