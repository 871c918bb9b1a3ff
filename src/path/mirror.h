// SPDX-License-Identifier: BSD-3-Clause
//
// Copies of frames for rules of ACTION_MIRROR: one crossing out of the corridor. Worker's thread; the far end of the
// ring is the program's. See mirror.c.
#pragma once

#include "flow.h"

#define MIRROR_RULES 4 // that one copy is for

enum mirrored_flag {
	MIRRORED_BEFORE = 1 << 0, // came before the rule was true
	MIRRORED_HELD = 1 << 1,   // was held for a verdict
	MIRRORED_OPEN = 1 << 2,   // its flow was not judged yet
};

// A frame as it came in, and what was known of its flow then.
struct mirrored {
	struct rte_mbuf *m; // the reader's to free
	uint64_t order;     // place in the walk of the packet for whose sake it is handed over
	uint64_t flow;      // id; what has the same order stands by it, and then by n
	uint64_t tenant;    // the flow's
	uint64_t n;
	uint32_t rule[MIRROR_RULES]; // that want it
	uint16_t nrules, policy;     // policy: version, whose rules they are
	uint16_t decided_policy;     // the same of `decided`, by which the flow stands
	uint16_t reason;             // by which the frame leaves; REASON_NONE: it does not, or was held first
	uint32_t decided;
	uint8_t action; // of the flow's verdict
	uint8_t flags;  // enum mirrored_flag
	uint16_t pad;
};
static_assert(sizeof(struct mirrored) % 4 == 0, "an element of a ring");

// Frames, and of these longer ones than ordinary, that a worker remembers at most: what its pools must have beyond.
uint32_t mirror_frames(const struct path_config *c);
uint32_t mirror_giants(const struct path_config *c);

// Memory is taken where config->copies says that somebody wants copies, for earlier frames where config->before says
// how many.
int mirror_init(struct worker *w);
void mirror_fini(struct worker *w);
// The end of a capture: no frame is remembered.
void mirror_drain(struct worker *w);
// Another policy is in force. mirrors: some rule of it copies; before: the most frames that one wants from before.
void mirror_use(struct worker *w, bool mirrors, uint32_t before);

// A packet is about to be changed: it is copied as it came.
void mirror_keep(struct worker *w, struct rte_mbuf *m);
// A flow is about to stand by another rule: packets of the burst before the one in work will be said to be by this.
void mirror_note(struct worker *w, const struct flow *f);
// A packet of p->flow, after all that the verdict does to it was done: copies are handed over, or it is remembered.
void mirror_packet(struct worker *w, struct rte_mbuf *m);
// The same of a flow of a layer outside the innermost.
void mirror_layer(struct worker *w, struct rte_mbuf *m, struct flow *f);
// The burst is over.
void mirror_burst_end(struct worker *w);
// The flow ends: of a rule that became true after its last packet what came before is handed over.
void mirror_flow_end(struct worker *w, struct flow *f);
