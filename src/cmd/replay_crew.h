// SPDX-License-Identifier: BSD-3-Clause
//
// The threads of a replay: one worker that is this thread, or a front on this thread and N workers behind it.
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "path/publish.h"
#include "replay_moved.h"
#include "ship/ship.h"

#define CREW_MAX 32

struct mirrors;
struct exits;
struct replay_fast;

// One message to a worker. Packets, and marks between them.
enum crew_mark { CREW_PACKET, CREW_DONE, CREW_TICK, CREW_SWAP, CREW_DRAIN, CREW_STOP };

struct member {
	struct worker w;
	struct publish *publish;
	_Atomic uint64_t done; // watermark: every record of frames up to this is in the ring
	_Atomic uint64_t turn; // packets up to this ask no bucket any more
	const struct crew *crew;
	// the rest only where it is a thread
	struct rte_ring *in;
	pthread_t thread;
	bool running;
	_Atomic unsigned rests; // drains finished
};

// Where in the walk: before the packet of this place.
struct crew_place {
	uint64_t order, frame, time_ns;
};

// Policies that come into force under way: when the first does, in a capture that begins at first_ns; and to put the
// one that is due into force (crew_publish), which returns when the next is. UINT64_MAX: never.
struct crew_swaps {
	void *arg;
	uint64_t (*begin)(void *arg, uint64_t first_ns);
	uint64_t (*swap)(void *arg, const struct crew_place *at);
};

struct crew {
	unsigned n; // threads behind the front; 0: the front does it all
	struct path_config front_config, config;
	struct member *front, *members[CREW_MAX];
	struct exits *exits;      // NULL: nobody looks at the ends
	struct mirrors *mirrors;  // NULL: nobody takes copies
	struct replay_fast *fast; // NULL: everything walks
	struct rte_mempool *frames, *giants;
	uint64_t next_tick_ns, next_swap_ns;
	struct publish publish;
	const struct crew_swaps *swaps; // NULL: none
	struct limits *limits;
	uint64_t last_order, last_frame, last_ns; // handed out so far
	unsigned drains;
	struct moved moved;
	struct ship_source sources[CREW_MAX + 1];
	unsigned nsources;
};

// Takes pools and workers' memory and starts the threads. workers 1: none. 0 or -errno.
int crew_start(struct crew *c, const struct path_config *config, unsigned workers, struct exits *exits,
	       struct mirrors *mirrors);
void crew_stop(struct crew *c);

// A capture begins: clock and watermarks start anew. Everybody is at rest.
void crew_begin(struct crew *c);
// What workers judge by from this place on. What was in force before is nobody's any more when it returns.
void crew_publish(struct crew *c, struct published *p, const struct crew_place *at);
// The same while everybody is at rest.
void crew_publish_rest(struct crew *c, struct published *p);
// Walks a burst; consumes it.
void crew_burst(struct crew *c, struct burst *b);
// The capture is over: timers run out, flows end, everybody is at rest afterwards.
void crew_drain(struct crew *c);
// Something is full or empty: lets others go on.
void crew_wait(struct crew *c);

// i-th worker whose counters make the ledger, front first; NULL: no more.
const struct worker *crew_worker(const struct crew *c, unsigned i);
unsigned crew_mbufs_in_use(const struct crew *c);
// Megabytes of DPDK memory that crew_start will want.
unsigned crew_mem_mb(const struct path_config *config, unsigned workers);
