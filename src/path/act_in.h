// SPDX-License-Identifier: BSD-3-Clause
//
// What the act_* files of this folder share.
#pragma once

#include "act.h"
#include "answer.h"
#include "rules.h"

#define ACT_QUERY_MAX 512 // bytes of a DNS message that are kept for its answer

// A flow, or one query of it, was denied while `m` was read.
struct denial {
	struct flow *f;
	struct rte_mbuf *m;
	uint32_t tx_id, rule;
	uint16_t query_len;
	uint8_t dir; // who said what is denied
	uint8_t response;
	bool head; // of a HEAD request
	bool reached;
	uint8_t query[ACT_QUERY_MAX];
};

// What was said of a denied flow, for packets that come after.
struct said {
	uint64_t flow_id;  // 0: free
	uint64_t at_ns[2]; // last to each end, by the direction that it sends; in replay the first is of both
	uint32_t ack[2];   // what it asked for then
	uint16_t moves[2]; // answers to what asked for more than before
	uint32_t rule, tx_id;
	uint16_t version;  // of the policy that it is a rule of
	uint32_t seq, end; // TCP, of what was said to the client: first and behind the last, FIN counted
	uint8_t response;
	uint8_t dir; // the client's
	uint8_t times[2];
	uint8_t heard; // directions of which a packet came since; << dir
	bool head;
};
#define ACT_SAID_SETS 1024 // a power of two; found by the flow's id
#define ACT_SAID_WAYS 8    // in a set the newest stands first

// Rules that act on a flow: limits and mirrors.
#define ACTING_RULES 4 // of a flow
struct acting_rule {
	uint64_t key;    // limit: its bucket
	uint64_t since;  // order of the packet at which it became true
	uint64_t bytes;  // limit: of frames beyond it that no record has told of
	uint32_t frames; // and how many
	uint32_t said_s; // when it was last told; 0: never
	uint32_t rule;
	uint8_t action; // enum action
	uint8_t said;   // enum rule_said
	bool begun;     // mirror: what came before was handed over
};
struct acting {
	uint64_t flow_id; // 0: nobody's
	uint16_t version; // of the policy whose rules these are
	uint16_t n;
	struct acting_rule of[ACTING_RULES];
};

struct act {
	struct denial denial[BURST_SIZE];
	unsigned ndenials;
	unsigned done;        // of the burst in work, the first packets: they were acted on
	const uint8_t *query; // of the transaction in work; NULL: none was shown
	uint32_t query_len;
	struct said said[ACT_SAID_SETS][ACT_SAID_WAYS];
	struct acting *acting; // by flow; NULL: no policy of this start has such rules
};

// ---- act_answer.c
// Tells the ends of a flow what was decided, by d->response.
void act_answer(struct worker *w, const struct denial *d);
// A packet of a flow whose denial was said. False: it has to be said anew.
bool act_answer_again(struct worker *w, struct rte_mbuf *m);
// Whoever has not understood by now will not: nothing was to be said, or it was said often enough.
bool act_answered(const struct worker *w, const struct flow *f, unsigned dir);
// RST to both ends.
void act_reset(struct worker *w, const struct denial *d);
// How to answer: what the rule says, or what suits what is denied.
uint8_t act_response(const struct ruleset *rs, const struct flow *f, uint32_t rule, unsigned dir);

// HTTP: a request was denied; its page waits for the responses before it. The denial, put together again for m; false:
// forgotten.
void act_ending_begins(struct worker *w, const struct denial *d);
bool act_ending(struct worker *w, struct rte_mbuf *m, struct denial *d);

// ---- act_on.c
// What acts on a flow by the policy in force; NULL: nothing.
struct acting *act_acting(const struct worker *w, const struct flow *f);
// A packet that leaves, of a flow that rules act on.
void act_on(struct worker *w, struct rte_mbuf *m);

// ---- act_left.c: how far each direction of a TCP flow has left
// A packet of an open flow leaves.
void act_left(struct worker *w, struct rte_mbuf *m);
void act_left_at(struct worker *w, struct flow *f, unsigned dir, uint32_t end);
// The place behind the last byte of a direction that left. False: not known.
bool act_left_to(const struct worker *w, const struct flow *f, unsigned dir, uint32_t *seq);
