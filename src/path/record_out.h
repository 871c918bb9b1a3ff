// SPDX-License-Identifier: BSD-3-Clause
//
// The worker's end of the record ring: one crossing out of the corridor. The far end is record_ring.h.
#pragma once

#include <string.h>

#include "worker.h"

int record_out_init(struct worker *w);
void record_out_fini(struct worker *w);

// A record being put together outside the arena, in the worker's scratch: begin, add facts, write.
struct record *record_begin(struct worker *w, enum record_kind kind);
void record_fact(struct worker *w, enum fact_field f, const void *value, uint32_t len, struct origin o);
void record_num(struct worker *w, enum fact_field f, uint64_t value, struct origin o);
void record_write(struct worker *w);
// Writes a finished record from anywhere (the arena), whose memory can be read up to a whole number of cells. Sets seq
// and worker. Waits (replay) or counts when full.
void record_put(struct worker *w, struct record *r);

// Makes room for a fact in any record under construction that has room bytes in all, at least FACT_SIZE(len) left.
static inline struct fact *record_place(struct record *r, enum fact_field field, uint32_t len, struct origin o)
{
	struct fact *f = (struct fact *)((uint8_t *)r + r->len);
	*f = (struct fact){.field = field, .len = len, .origin = o};
	r->len += FACT_SIZE(len);
	r->nfacts++;
	return f;
}
// As much of a value as a fact may have, and the record has room for; or nothing. NULL: nothing.
struct fact *record_add_cut(struct record *r, uint32_t room, enum fact_field field, const void *value, uint32_t len,
			    struct origin o);

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
static inline struct fact *record_add(struct record *r, uint32_t room, enum fact_field field, const void *value,
				      uint32_t len, struct origin o)
{
	if (unlikely(len > FACT_VALUE_MAX || r->len + FACT_SIZE(len) > room))
		return record_add_cut(r, room, field, value, len, o);
	struct fact *f = record_place(r, field, len, o);
	if (likely(len <= RECORD_SHORT))
		record_copy(f->value, value, len);
	else
		memcpy(f->value, value, len);
	return f;
}
