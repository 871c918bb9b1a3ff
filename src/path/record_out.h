// SPDX-License-Identifier: BSD-3-Clause
//
// The worker's end of the record ring: one crossing out of the corridor. The far end is record_ring.h.
#pragma once

#include <string.h>

#include "ruleset.h"
#include "worker.h"

int record_out_init(struct worker *w);
void record_out_fini(struct worker *w);

// A record being put together outside the arena: begin, add facts, write; or begin the next, and it never was. It
// grows in the ring: nothing else may leave before it, nor is it there any more once something else has left.
struct record *record_begin(struct worker *w, enum record_kind kind);
// One that others may overtake (its alerts), or that is read on: in the worker's scratch.
struct record *record_begin_aside(struct worker *w, enum record_kind kind);
// The same in memory of the caller's: without facts, about the packet in work, judged by nobody.
static inline void record_clear(const struct worker *w, struct record *r, enum record_kind kind)
{
	memset(r, 0, 128); // in one, it would be a loop
	memset((uint8_t *)r + 128, 0, sizeof(*r) - 128);
	uint64_t sums = sizeof(*r) | (uint64_t)kind << 32; // one store, as record_place reads them
	memcpy(r, &sums, sizeof(sums));
	r->rule = r->would = RULE_NONE;
	r->packet = w->frame;
	r->time_ns = w->now_ns;
}
void record_fact(struct worker *w, enum fact_field f, const void *value, uint32_t len, struct origin o);
void record_num(struct worker *w, enum fact_field f, uint64_t value, struct origin o);
void record_write(struct worker *w);
// Writes a finished record from anywhere (the arena), whose memory can be read up to a whole number of cells; what is
// written has order, seq and worker, too. Waits (replay) or counts when full.
void record_put(struct worker *w, const struct record *r);

// Makes room for a fact in any record under construction that has room bytes in all, at least FACT_SIZE(len) left.
static inline struct fact *record_place(struct record *r, enum fact_field field, uint32_t len, struct origin o)
{
	struct fact *f = (struct fact *)((uint8_t *)r + r->len);
	uint32_t head = field; // and no flags
	uint64_t sums;         // its length and its number are added at once
	memcpy(f, &head, sizeof(head));
	f->len = len;
	f->origin = o;
	memcpy(&sums, r, sizeof(sums));
	sums += (uint32_t)FACT_SIZE(len) | 1ull << 48;
	memcpy(r, &sums, sizeof(sums));
	return f;
}
static_assert(offsetof(struct fact, flags) == 2 && offsetof(struct record, nfacts) == 6, "as record_place writes them");

// A value into its place: most are shorter than a call of memcpy is long.
#define RECORD_SHORT 256
static inline void record_copy(uint8_t *to, const uint8_t *from, uint32_t len)
{
#define ENDS(n) (memcpy(to, from, n), memcpy(to + len - (n), from + len - (n), n))
	if (len < 16) {
		if (len >= 8) {
			ENDS(8);
		} else if (len >= 4) {
			ENDS(4);
		} else if (len) {
			to[len / 2] = from[len / 2];
			ENDS(1);
		}
	} else if (len <= 32) {
		ENDS(16);
	} else {
		for (uint32_t at = 32; at < len; at += 32)
			memcpy(to + at - 32, from + at - 32, 32);
		memcpy(to + len - 32, from + len - 32, 32);
	}
#undef ENDS
}

// Appends a fact; shortens or leaves out what does not fit. What was added (whole, if its len is as given), or NULL.
struct fact *record_add(struct record *r, uint32_t room, enum fact_field field, const void *value, uint32_t len,
			struct origin o);
// The usual one: a short value, into a record that may have so many bytes before it. False: nothing was done.
static inline bool record_add_short(struct record *r, int32_t before, enum fact_field field, const void *value,
				    uint32_t len, struct origin o)
{
	if (unlikely(len > RECORD_SHORT || (int32_t)r->len > before))
		return false;
	record_copy(record_place(r, field, len, o)->value, value, len);
	return true;
}
