// SPDX-License-Identifier: BSD-3-Clause
//
// What the judge of a replay was told and said of one flow: heard where the replay runs, in a process of its own, and
// read here when it is over.
#pragma once

#include <stdio.h>

#include "path/judge.h"
#include "path/judge_facts.h"
#include "policy/arena.h"

struct packet_query;

enum heard_kind {
	HEARD_JUDGED,
	HEARD_HELD,    // a frame waits from here on
	HEARD_LEFT,    // it does not any more
	HEARD_SHOWS,   // a transaction or flow shows what is asked for
	HEARD_REFUSED, // the frame asked for, for a flow of an outer layer
};

struct heard {
	uint64_t number;         // of its kind, from 0
	uint64_t order, time_ns; // when it was
	uint64_t frame;          // HELD, LEFT: of the frame itself
	uint64_t since_ns;       // the same: when it came
	uint64_t flow_id;
	uint32_t tx_id;
	uint16_t record;  // kind of what it is about; 0: the flow itself
	uint16_t reason;  // LEFT
	uint16_t version; // of the policy in force; 0: none
	struct verdict verdict;
	uint64_t wanted; // bits of enum field: facts that were made
	uint8_t kind, cause, app, proto;
	bool again, stands;
	bool overflow;   // there was more than is looked at
	bool by_packet;  // LEFT: not because time went by
	uint32_t nfacts; // bytes that follow
};

// Is it what the record stands by?
static inline bool heard_says(const struct heard *h, const struct record *r)
{
	return h->version == r->policy && h->verdict.rule == r->rule && h->verdict.action == r->action;
}

struct heard_list {
	struct heard *list;
	const uint8_t **facts; // of each; NULL: none were kept
	uint32_t n;
	struct arena arena;
};

// An ear for the replay that is about to be forked: writes to out what the query asks for. only: number of the
// judgement whose facts are wanted; UINT64_MAX: of all, as long as there is room.
struct judge_ear *heard_ear(const struct packet_query *q, uint64_t only, FILE *out);
// All that it wrote. heard_free it.
void heard_read(struct heard_list *l, FILE *in);
void heard_free(struct heard_list *l);
// The facts of the i-th, as they were judged; false: they are not there. Values are the list's.
bool heard_facts(const struct heard_list *l, uint32_t i, struct judge_facts *out);
