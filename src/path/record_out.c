// SPDX-License-Identifier: BSD-3-Clause
//
// Records leave the corridor here: a ring of 64-byte cells, one producer (the worker), one consumer (the shipper).
// The record is copied in once, and handed over by one store.
//
// In replay a full ring waits for its reader (nothing may be lost); live the record is counted as lost.
// Rejected: a ring of pointers (something would have to be allocated), records built in place in the ring (a record's
// length is known only at its end), and rte_ring's zero-copy calls (100 instructions a record, for cases we have not).
#include "record_out.h"

#include <errno.h>
#include <immintrin.h>
#include <stdatomic.h>
#include <string.h>

#include <rte_common.h>

#include "base/eal.h"
#include "record_ring.h"

struct cell {
	__m256i half[RECORD_CELL / 32];
};

// Cells are counted from the start, without end; where one lies is its number modulo the ring's size.
struct record_out {
	struct cell *cells;
	size_t bytes;
	uint64_t size; // cells, a power of two
	uint32_t seq;
	uint64_t room; // the worker's: cells up to this number are known to be free
	_Atomic uint64_t written __rte_aligned(64);
	_Atomic uint64_t read __rte_aligned(64);
	// the record being put together, and the far end's copy of one that lies over the ring's end
	uint8_t build[RECORD_MAX] __rte_aligned(64);
	uint8_t seen[RECORD_MAX] __rte_aligned(64);
};

int record_out_init(struct worker *w)
{
	struct record_out *o = mem_take(sizeof(*o));
	if (!o)
		return -ENOMEM;
	w->records = o;
	o->size = o->room = rte_align64pow2(RTE_MAX(w->config->record_cells, 2u * RECORD_MAX / RECORD_CELL));
	o->bytes = o->size * sizeof(struct cell);
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

struct record *record_begin(struct worker *w, enum record_kind kind)
{
	struct record *r = (struct record *)w->records->build;
	memset(r, 0, sizeof(*r));
	r->len = sizeof(*r);
	r->kind = kind;
	r->packet = w->frame;
	r->time_ns = w->now_ns;
	return r;
}

struct fact *record_add_cut(struct record *r, uint32_t room, enum fact_field field, const void *value, uint32_t len,
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

void record_fact(struct worker *w, enum fact_field f, const void *value, uint32_t len, struct origin o)
{
	const struct fact *added = record_add((struct record *)w->records->build, RECORD_MAX, f, value, len, o);
	if (unlikely(!added || added->len < len))
		count(w, COUNTER_RECORDS_CUT);
}

void record_num(struct worker *w, enum fact_field f, uint64_t value, struct origin o)
{
	if (unlikely(!record_add((struct record *)w->records->build, RECORD_MAX, f, &value, sizeof(value), o)))
		count(w, COUNTER_RECORDS_CUT);
}

void record_write(struct worker *w)
{
	record_put(w, (struct record *)w->records->build);
}

static unsigned cells_of(const struct record *r)
{
	return (r->len + RECORD_CELL - 1) / RECORD_CELL;
}

// Cells up to number `end` are to be written: has the reader left them?
static bool room_until(struct worker *w, struct record_out *o, uint64_t end)
{
	while (unlikely(end > o->room)) {
		o->room = atomic_load_explicit(&o->read, memory_order_acquire) + o->size;
		if (end <= o->room)
			break;
		if (!w->wait)
			return false;
		w->wait(w);
	}
	return true;
}

// Whole cells: the last may bring what lies behind the record.
static inline void write_cells(struct record_out *o, uint64_t at, uint64_t end, const struct record *r)
{
	const __m256i *from = (const __m256i *)r;
	struct cell *cells = o->cells;
	uint64_t mask = o->size - 1;
	for (; at < end; at++, from += 2) {
		struct cell *c = &cells[at & mask];
		_mm256_store_si256(&c->half[0], _mm256_loadu_si256(from));
		_mm256_store_si256(&c->half[1], _mm256_loadu_si256(from + 1));
	}
}

static void shift_times(struct record *r, uint64_t by_ns)
{
	r->time_ns += by_ns;
	r->start_ns += r->start_ns ? by_ns : 0;
	r->end_ns += r->end_ns ? by_ns : 0;
}

void record_put(struct worker *w, struct record *r)
{
	struct record_out *o = w->records;
	uint64_t at = atomic_load_explicit(&o->written, memory_order_relaxed), end = at + cells_of(r);
	r->order = w->order;
	r->seq = o->seq;
	o->seq += r->kind != RECORD_FLOW_START; // which is shown to nobody: what is shown has no holes
	r->worker = w->id;
	if (!room_until(w, o, end)) {
		count(w, COUNTER_RECORDS_LOST);
		return;
	}
	if (unlikely(w->wall_ns)) {
		shift_times(r, w->wall_ns);
		write_cells(o, at, end, r);
		shift_times(r, -w->wall_ns); // it may go on under construction
	} else {
		write_cells(o, at, end, r);
	}
	atomic_store_explicit(&o->written, end, memory_order_release);
	count(w, COUNTER_RECORDS);
}

const struct record *record_peek(struct record_out *o)
{
	uint64_t read = atomic_load_explicit(&o->read, memory_order_relaxed), at = read & (o->size - 1);
	if (atomic_load_explicit(&o->written, memory_order_acquire) == read)
		return NULL;
	const struct record *r = (const struct record *)&o->cells[at];
	if (at + cells_of(r) <= o->size)
		return r;
	size_t first = (o->size - at) * RECORD_CELL; // the head's first cell has the length
	memcpy(o->seen, r, first);
	memcpy(o->seen + first, o->cells, r->len - first);
	return (const struct record *)o->seen;
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
