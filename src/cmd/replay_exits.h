// SPDX-License-Identifier: BSD-3-Clause
//
// What -w and --trace are made of: the ends of frames, put back into the order in which the frames came.
#pragma once

#include <stdio.h>

#include "base/capture_out.h"

struct exits;

// trace: lines go here, NULL: none. NULL returned: no memory.
struct exits *exits_new(FILE *trace);
void exits_free(struct exits *x);
// A ring of struct exit to be polled; made here, freed with x. NULL: no memory.
struct rte_ring *exits_ring(struct exits *x);
// Where frames go from now on; NULL: nowhere. The writer stays the caller's.
void exits_write_to(struct exits *x, struct capture_out *out);
// First error of writing the trace, as errno; 0: none.
// With --trace: frames are of these captures, joined; kept, not copied.
void exits_joined(struct exits *x, char *const *captures, unsigned n);
// Whose rules the trace names, by version from 1.
struct policy_names;
void exits_policies(struct exits *x, const struct policy_names *const *names, unsigned n);
int exits_trace_error(const struct exits *x);

// One end, as other verbs hear of it (replayed.h).
struct exits_end {
	uint64_t order, frame, flow, left; // as in struct exit
	uint16_t door, reason;
	uint32_t rule;           // by which it was dropped; RULE_NONE
	uint32_t policy, unused; // version of that
};
// Ends go to this file too, in order; behind those of a capture one of order 0.
void exits_ends_to(struct exits *x, FILE *ends);

// Takes what the rings have. limit: everybody was done with all frames up to this one, before the call. True: there was
// something.
bool exits_poll(struct exits *x, uint64_t limit);
// End of a capture: everything is out, numbers start anew.
void exits_flush(struct exits *x);
