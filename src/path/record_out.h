// SPDX-License-Identifier: BSD-3-Clause
//
// The worker's end of the record ring: one crossing out of the corridor. The far end is record_ring.h.
#pragma once

#include <string.h>

#include "ruleset.h"
#include "worker.h"

int record_out_init(struct worker *w);
void record_out_fini(struct worker *w);

// A record being put together outside the arena, in the worker's scratch: begin, add facts, write.
struct record *record_begin(struct worker *w, enum record_kind kind);
// The same in memory of the caller's: without facts, about the packet in work, judged by nobody.
static inline void record_clear(const struct worker *w, struct record *r, enum record_kind kind)
{
	static const struct record blank = {.len = sizeof(blank), .rule = RULE_NONE, .would = RULE_NONE};
	*r = blank;
	r->kind = kind;
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
	f->field = field;
	f->flags = 0;
	f->len = len;
	f->origin = o;
	r->len += FACT_SIZE(len);
	r->nfacts++;
	return f;
}

// A value of at most RECORD_SHORT bytes into its place: most are shorter than a call of memcpy is long.
#define RECORD_SHORT 64
static inline void record_copy(uint8_t *to, const uint8_t *from, uint32_t len)
{
	if (len >= 16) {
		for (uint32_t at = 0; at < len - 16; at += 16)
			memcpy(to + at, from + at, 16);
		memcpy(to + len - 16, from + len - 16, 16);
	} else if (len >= 8) {
		memcpy(to, from, 8);
		memcpy(to + len - 8, from + len - 8, 8);
	} else if (len >= 4) {
		memcpy(to, from, 4);
		memcpy(to + len - 4, from + len - 4, 4);
	} else if (len) {
		to[0] = from[0];
		to[len / 2] = from[len / 2];
		to[len - 1] = from[len - 1];
	}
}

// Appends a fact; shortens or leaves out what does not fit. What was added (whole, if its len is as given), or NULL.
struct fact *record_add(struct record *r, uint32_t room, enum fact_field field, const void *value, uint32_t len,
			struct origin o);
// The usual one: a short value, and room for it. False: nothing was done.
static inline bool record_add_short(struct record *r, uint32_t room, enum fact_field field, const void *value,
				    uint32_t len, struct origin o)
{
	if (unlikely(len > RECORD_SHORT || r->len + FACT_SIZE(RECORD_SHORT) > room))
		return false;
	record_copy(record_place(r, field, len, o)->value, value, len);
	return true;
}
