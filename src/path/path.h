// SPDX-License-Identifier: BSD-3-Clause
//
// The corridor as a whole. Two halves, so that several workers can share a capture or a port:
//
//   front:  decap -> parse -> defrag -> (flows of outer layers) -> steer
//   back:   flow -> admit -> stream -> inspect -> policy -> tx
//
// With one worker the same thread walks both. Outer layers are tracked where the frame came in (RSS puts an
// outer flow on one queue), the innermost where its tuple is owned; hence no flow is ever shared.
#pragma once

#include "worker.h"

// Takes all memory of a worker. 0 or -ENOMEM.
int path_init(struct worker *w, const struct path_config *config);
void path_fini(struct worker *w);

// The rooms in the order of the walk; the first PATH_BACK of them are the front.
struct path_room {
	const char *name;
	void (*burst)(struct worker *w, struct burst *b);
};
#define PATH_ROOMS 11
#define PATH_BACK 5
extern const struct path_room path_rooms[PATH_ROOMS];

// All rooms, front to back. Consumes the burst.
void path_burst(struct worker *w, struct burst *b);
// The two halves. path_front leaves in the burst what goes on to path_back (virtual datagrams included, so up to
// BURST_SIZE), in order; what it dropped it has accounted.
void path_front(struct worker *w, struct burst *b);
void path_back(struct worker *w, struct burst *b);
// Only the rooms that read headers and put fragments together, for the first pass over a capture (senders_pass).
void path_look(struct worker *w, struct burst *b);

// The capture clock reached time_ns at frame: runs timers that are due (fragments, flows). Returns true while
// work is left over that the bound of one call did not allow; replay calls again until false.
bool path_age(struct worker *w, uint64_t time_ns, uint64_t frame);
// When a live worker calls it again: what one call does is bounded so that the packets that come meanwhile do not wait
// (64 flows that end at once were 30 us), and what is due beyond comes soon.
#define PATH_AGE_NS 1000000ull
#define PATH_AGE_SOON_NS 10000ull

// End of a capture, or drain: all timers run out, every flow ends, held is 0 afterwards.
void path_drain(struct worker *w);
