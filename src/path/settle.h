// SPDX-License-Identifier: BSD-3-Clause
//
// Flows of which nothing more is to be learned leave the corridor: the fast path drops or forwards their frames where
// they come in (corridor.md 5, 8). See settle.c. Worker's thread, but for settle_new and settle_free.
#pragma once

#include "egress.h"
#include "flow.h"

struct fastpath_slot;
struct rte_ring;

// Where a direction of a flow stands. X(symbol, what a rule does that keeps it here, else words)
#define SETTLE_NOS(X)                                                                                                  \
	X(ALLOWED, NULL, "nothing more of it is judged")                                                               \
	X(DENIED, NULL, "denied, nothing more of it is judged")                                                        \
	X(OUTER, NULL, "what is encapsulated always comes up")                                                         \
	X(SWAP, NULL, "another policy is coming into force")                                                           \
	X(ENDING, NULL, "denied, and that is being said")                                                              \
	X(UNJUDGED, NULL, "nothing of it was judged")                                                                  \
	X(ACTS, "looks at each of its packets", "each of its packets is counted or copied")                            \
	X(HELD, NULL, "frames of it wait for a verdict")                                                               \
	X(READ, "looks at ", " is read")                                                                               \
	X(REFUSED, NULL, "what was dropped of it must not come again")                                                 \
	X(PAYLOAD, "looks at its payload", "its payload is searched")                                                  \
	X(MOVES, NULL, "its connection is beginning or ending")

enum settle_no {
#define X(symbol, rule, words) SETTLE_NO_##symbol,
	SETTLE_NOS(X)
#undef X
};
// Of a direction, with or without a fast path, by the policy that judged the flow last: never SWAP.
enum settle_no settle_no(const struct worker *w, const struct flow *f, unsigned dir);
// The same in words, cut to size: "rule api looks at each http request". True: it is settled. The worker's thread,
// between bursts; it asks every rule. settle_why.c
bool settle_why(struct worker *w, const struct flow *f, unsigned dir, char *out, size_t size);

#define SETTLE_LEAST 32 // shorter flows end before it pays

struct settle_config {
	struct rte_ring *ops, *counts; // struct fastpath_op to the helper thread, struct fastpath_count from it
	struct fastpath_slot *slots;   // shared with the program
	int16_t link[EGRESS_PORTS];    // by port: its number in the fast path; -1: it has none
	const _Atomic bool *across[EGRESS_PORTS]; // by port: whether frames can go across now; NULL: never
	uint32_t flows;                           // of the worker's table
	uint32_t least;                           // packets of a direction before it is asked for
};
// NULL: no memory.
struct settle *settle_new(const struct settle_config *config);
void settle_free(struct settle *s);
// Control thread: nothing is asked for from here on. What the worker is about to ask may still come.
void settle_no_more(struct settle *s);

struct settle_sums {
	uint64_t asked, refused, ended;           // entries
	uint64_t packets, bytes, dropped_packets; // that the fast path let pass, or dropped, in the flows' records
};
void settle_sums(const struct settle *s, struct settle_sums *sums);

// A frame leaves by tx, or is dropped by its flow's verdict: may the rest of its direction go without us?
void settle_packet(struct worker *w, struct rte_mbuf *m);
// What the fast path did for flows since the last call: into their counters. Each turn.
unsigned settle_take(struct worker *w);
// A segment of the direction came up. True: others may go by. ends: it opens or ends the flow, whose counters are
// wanted soon, so its entries are taken back.
bool settle_goes_by(struct worker *w, struct flow *f, unsigned dir, bool ends);
// Another policy has judged the flow, or it ends: entries that no longer say its verdict are taken back, before
// anything else comes. One that ends has every frame in its counters.
void settle_again(struct worker *w, struct flow *f);
void settle_end(struct worker *w, struct flow *f);
