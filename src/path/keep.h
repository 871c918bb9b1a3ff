// SPDX-License-Identifier: BSD-3-Clause
//
// Facts of live flows, kept for the day on which another policy comes into force (policy.md 6). Worker's thread. See
// keep.c.
#pragma once

#include "judge_facts.h"
#include "worker.h"

// What is remembered of a flow beside the flow table, found by its number there.
enum kept_what {
	KEPT_NOTHING, // no transaction of it was judged
	KEPT_ABSENT,  // it was judged as one that shows no names
	KEPT_EVICTED, // what was kept gave way to others
	KEPT_BLOCK,   // and above: number of the facts' place in the arena
};
enum kept_flag {
	KEPT_REJUDGED = 1 << 0,
	KEPT_DENIED = 1 << 1,  // by a policy that came into force under way: it was read until then
	KEPT_SETTLED = 1 << 2, // and nothing more of it was to be read
	KEPT_COUNTED = 1 << 3, // the rule that refuses it has its hit; else at the flow's end
};
struct kept {
	uint32_t at;
	uint16_t version; // of the policy that flow->rule belongs to; 0: none has looked at it
	uint8_t flags;    // enum kept_flag
	uint8_t edit;     // judge.edit when it was last judged for that
};
static_assert(sizeof(struct kept) == 8, "for each flow of the table");

// bytes: of the arena. wanted: bits of enum field that some policy of this start asks for. NULL: no memory.
struct keep *keep_new(uint32_t flows, uint32_t bytes, uint64_t wanted);
void keep_free(struct keep *k);

struct kept *keep_of(const struct keep *k, uint32_t flow);
// The transaction that was judged last, in place of what was kept before. headers: which header lines were looked for.
void keep_record(struct worker *w, uint32_t flow, const struct record *r, uint32_t headers);
// The same of one that has ended: only if none was judged since.
void keep_ended(struct worker *w, uint32_t flow, const struct record *r, uint32_t headers);
// A name alone, as FACT_HOST of a record without a kind.
void keep_name(struct worker *w, uint32_t flow, const uint8_t *name, uint32_t len);
void keep_absent(struct worker *w, uint32_t flow);
// The flow ends, or is read anew.
void keep_forget(struct worker *w, uint32_t flow);

// What is kept of a flow, as the record that it came from, in the worker's scratch. NULL: nothing is.
const struct record *keep_read(struct worker *w, uint32_t flow, uint32_t *headers);

struct keep_sums {
	uint64_t bytes, used, most; // of the arena; in use now, and at most so far
};
// All 0 where no other policy could come into force.
void keep_sums(const struct worker *w, struct keep_sums *s);
