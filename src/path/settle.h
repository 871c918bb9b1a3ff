// SPDX-License-Identifier: BSD-3-Clause
//
// Flows of which nothing more is to be learned leave the corridor: the fast path drops or forwards their frames where
// they come in (corridor.md 5, 8). See settle.c. Worker's thread, but for settle_new and settle_free.
#pragma once

#include "egress.h"
#include "flow.h"

struct rte_ring;
struct segment;

struct settle_config {
	struct rte_ring *ops, *counts; // struct fastpath_op to the helper thread, struct fastpath_count from it
	int16_t link[EGRESS_PORTS];    // by port: its number in the fast path; -1: it has none
	const _Atomic bool *across[EGRESS_PORTS]; // by port: whether frames can go across now; NULL: never
	uint32_t flows;                           // of the worker's table
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
// Numbers of the flow may have moved where we do not see: they are those of this segment. Before it is tracked.
void settle_resume(struct worker *w, struct flow *f, unsigned dir, const struct segment *s);
// Another policy has judged the flow, or it ends: entries that no longer say its verdict are taken back.
void settle_again(struct worker *w, struct flow *f);
void settle_end(struct worker *w, struct flow *f);
