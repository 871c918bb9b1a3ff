// SPDX-License-Identifier: BSD-3-Clause
//
// Records leave the corridor here: a ring of 64-byte cells, one producer (the worker), one consumer (the shipper).
// A record is put together where the reader will find it, and handed over by one store; what is put together elsewhere
// (a transaction in the arena, a flood's sum, and what others may overtake) is copied in once. Behind the ring's last
// cell lies room for a whole record, so that none is ever cut: one that begins before the end goes on there, and the
// cells at the ring's beginning that have the numbers of its rest stay as they are.
//
//   | cell 0 | 1 | ...  size - 1 | room for RECORD_MAX |
//                      ^ a record of 5 cells    ^       the next one begins at cell 3
//
// In replay a full ring waits for its reader (nothing may be lost); live the record is counted as lost.
// Rejected: a ring of pointers (something would have to be allocated), and rte_ring's zero-copy calls (100 instructions
// a record, for cases we have not).
#include "record_out.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include <rte_common.h>

#include "base/eal.h"
#include "record_ring.h"

struct cell {
	uint8_t bytes[RECORD_CELL];
};

#define AHEAD 24                                                     // cells: four records
#define BEFORE_SHORT (RECORD_MAX - (int32_t)FACT_SIZE(RECORD_SHORT)) // bytes of a record

// Cells are counted from the start, without end; where one lies is its number modulo the ring's size. Lines by who
// writes them, so that neither end waits for the other's.
struct record_out {
	struct cell *cells;
	size_t bytes;
	uint64_t mask; // cells, a power of two, less one
	// the worker's
	uint64_t at __rte_aligned(64); // written, as it knows
	uint64_t room;                 // cells up to this number are known to be free
	struct record *now;            // being put together: in the ring, or aside
	uint32_t seq;
	_Atomic uint64_t written __rte_aligned(64);
	// the reader's
	_Atomic uint64_t read __rte_aligned(64);
	uint64_t there; // written, as it was looked at last
	uint8_t aside[RECORD_MAX] __rte_aligned(64);
};

int record_out_init(struct worker *w)
{
	struct record_out *o = mem_take(sizeof(*o));
	if (!o)
		return -ENOMEM;
	w->records = o;
	o->room = rte_align64pow2(RTE_MAX(w->config->record_cells, 2u * RECORD_MAX / RECORD_CELL));
	o->mask = o->room - 1;
	o->bytes = o->room * sizeof(struct cell) + RECORD_MAX;
	o->cells = mem_take(o->bytes);
	return o->cells ? 0 : -ENOMEM;
}

void record_out_fini(struct worker *w)
{
	struct record_out *o = w->records;
	if (!o)
		return;
	mem_give(o->cells, o->bytes);
	mem_give(o, sizeof(*o));
	w->records = NULL;
}

struct record *record_begin_aside(struct worker *w, enum record_kind kind)
{
	struct record *r = w->records->now = (struct record *)w->records->aside;
	record_clear(w, r, kind);
	return r;
}

struct record *record_begin(struct worker *w, enum record_kind kind)
{
	struct record_out *o = w->records;
	if (unlikely(o->at + RECORD_MAX / RECORD_CELL > o->room))
		return record_begin_aside(w, kind);
	o->now = (struct record *)&o->cells[o->at & o->mask];
	record_clear(w, o->now, kind);
	return o->now;
}

// As much of a value as a fact may have, and the record has room for; or nothing. NULL: nothing.
static struct fact *add_cut(struct record *r, uint32_t room, enum fact_field field, const void *value, uint32_t len,
			    struct origin o)
{
	uint32_t kept = RTE_MIN(len, (uint32_t)FACT_VALUE_MAX);
	if (r->len + FACT_SIZE(kept) > room) {
		if (r->len + FACT_SIZE(0) + 8 > room)
			return NULL;
		kept = (room - r->len - FACT_SIZE(0)) & ~7u;
	}
	struct fact *f = record_place(r, field, kept, o);
	f->flags = FACT_CUT;
	memcpy(f->value, value, kept);
	return f;
}

struct fact *record_add(struct record *r, uint32_t room, enum fact_field field, const void *value, uint32_t len,
			struct origin o)
{
	if (len > FACT_VALUE_MAX || r->len + FACT_SIZE(len) > room)
		return add_cut(r, room, field, value, len, o);
	struct fact *f = record_place(r, field, len, o);
	memcpy(f->value, value, len);
	return f;
}

static __rte_noinline void add_any(struct worker *w, enum fact_field f, const void *value, uint32_t len,
				   struct origin o)
{
	const struct fact *added = record_add(w->records->now, RECORD_MAX, f, value, len, o);
	if (unlikely(!added || added->len < len))
		count(w, COUNTER_RECORDS_CUT);
}

void record_fact(struct worker *w, enum fact_field f, const void *value, uint32_t len, struct origin o)
{
	if (unlikely(!record_add_short(w->records->now, BEFORE_SHORT, f, value, len, o)))
		add_any(w, f, value, len, o);
}

void record_num(struct worker *w, enum fact_field f, uint64_t value, struct origin o)
{
	if (unlikely(!record_add_short(w->records->now, BEFORE_SHORT, f, &value, sizeof(value), o)))
		add_any(w, f, &value, sizeof(value), o);
}

// What is shown to nobody has the number of the next one: what is shown has no holes.
static inline bool is_numbered(const struct record *r)
{
	return r->kind != RECORD_FLOW_START;
}

static inline uint32_t cells_of(const struct record *r)
{
	return (r->len + RECORD_CELL - 1) / RECORD_CELL;
}

// The reader had them last: as many as were written are asked for before they are.
static inline void ask_ahead(const struct cell *from, uint32_t n)
{
#define ASK(cell) __asm__ volatile("prefetchw %0" ::"m"(from[AHEAD + (cell)]))
	ASK(0);
	ASK(1);
	ASK(2);
	for (uint32_t i = 3; unlikely(i < n); i++)
		ASK(i);
#undef ASK
}

// The ring is full, as far as is known: has the reader left so many cells?
static __rte_noinline void put_late(struct worker *w, const struct record *r)
{
	struct record_out *o = w->records;
	for (;;) {
		o->room = atomic_load_explicit(&o->read, memory_order_acquire) + o->mask + 1;
		if (o->at + cells_of(r) <= o->room)
			break;
		if (!w->wait) {
			count(w, COUNTER_RECORDS_LOST);
			o->seq += is_numbered(r);
			return;
		}
		w->wait(w);
	}
	record_put(w, r);
}

void record_put(struct worker *w, const struct record *r)
{
	struct record_out *o = w->records;
	uint32_t n = cells_of(r);
	if (unlikely(o->at + n > o->room)) {
		put_late(w, r);
		return;
	}
	struct cell *to = &o->cells[o->at & o->mask];
	struct record *out = (struct record *)to;
	for (uint32_t i = 0; r != out && i < n; i++) // the last may bring what lies behind the record
		to[i] = ((const struct cell *)r)[i];
	// time of day, where the worker has its own
	out->time_ns += w->wall_ns;
	out->start_ns += out->start_ns ? w->wall_ns : 0;
	out->end_ns += out->end_ns ? w->wall_ns : 0;
	out->order = w->order;
	out->seq = o->seq;
	out->worker = w->id;
	o->seq += is_numbered(out);
	o->at += n;
	atomic_store_explicit(&o->written, o->at, memory_order_release);
	count(w, COUNTER_RECORDS);
	ask_ahead(to, n);
}

void record_write(struct worker *w)
{
	record_put(w, w->records->now);
}

const struct record *record_peek(struct record_out *o)
{
	uint64_t read = atomic_load_explicit(&o->read, memory_order_relaxed);
	if (read == o->there)
		o->there = atomic_load_explicit(&o->written, memory_order_acquire);
	return read == o->there ? NULL : (const struct record *)&o->cells[read & o->mask];
}

void record_done(struct record_out *o, const struct record *r)
{
	uint64_t read = atomic_load_explicit(&o->read, memory_order_relaxed);
	atomic_store_explicit(&o->read, read + cells_of(r), memory_order_release);
}

uint32_t record_next(const struct record_out *o)
{
	return o->seq;
}
