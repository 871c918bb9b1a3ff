// SPDX-License-Identifier: BSD-3-Clause
//
// Records leave the corridor here: a ring of 64-byte cells, one producer (the worker), one consumer (the shipper).
// The record is copied in once, and handed over by one store. Behind the ring's last cell lies room for a whole
// record, so that none is ever cut: one that begins before the end goes on there, and the cells at the ring's beginning
// that have the numbers of its rest stay as they are.
//
//   | cell 0 | 1 | ...  size - 1 | room for RECORD_MAX |
//                      ^ a record of 5 cells    ^       the next one begins at cell 3
//
// In replay a full ring waits for its reader (nothing may be lost); live the record is counted as lost.
// Rejected: a ring of pointers (something would have to be allocated), records built in place in the ring (while one is
// under construction its alerts leave, and they are records), and rte_ring's zero-copy calls (100 instructions a
// record, for cases we have not).
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

#define AHEAD 24                                                             // cells: four records
#define HEAD_CELLS ((sizeof(struct record) + RECORD_CELL - 1) / RECORD_CELL) // of the shortest record

// Cells are counted from the start, without end; where one lies is its number modulo the ring's size. Lines by who
// writes them, so that neither end waits for the other's.
struct record_out {
	struct cell *cells;
	size_t bytes;
	uint64_t mask; // cells, a power of two, less one
	// the worker's
	uint64_t at __rte_aligned(64); // written, as it knows
	uint64_t room;                 // cells up to this number are known to be free
	uint32_t seq;
	_Atomic uint64_t written __rte_aligned(64);
	// the reader's
	_Atomic uint64_t read __rte_aligned(64);
	uint64_t there; // written, as it was looked at last
	// the record being put together
	uint8_t build[RECORD_MAX] __rte_aligned(64);
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

struct record *record_begin(struct worker *w, enum record_kind kind)
{
	struct record *r = (struct record *)w->records->build;
	record_clear(w, r, kind);
	return r;
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
	if (unlikely(len > FACT_VALUE_MAX || r->len + FACT_SIZE(len) > room))
		return add_cut(r, room, field, value, len, o);
	struct fact *f = record_place(r, field, len, o);
	memcpy(f->value, value, len);
	return f;
}

static __rte_noinline void add_any(struct worker *w, enum fact_field f, const void *value, uint32_t len,
				   struct origin o)
{
	const struct fact *added = record_add((struct record *)w->records->build, RECORD_MAX, f, value, len, o);
	if (unlikely(!added || added->len < len))
		count(w, COUNTER_RECORDS_CUT);
}

void record_fact(struct worker *w, enum fact_field f, const void *value, uint32_t len, struct origin o)
{
	if (unlikely(!record_add_short((struct record *)w->records->build, RECORD_MAX, f, value, len, o)))
		add_any(w, f, value, len, o);
}

void record_num(struct worker *w, enum fact_field f, uint64_t value, struct origin o)
{
	if (unlikely(!record_add_short((struct record *)w->records->build, RECORD_MAX, f, &value, sizeof(value), o)))
		add_any(w, f, &value, sizeof(value), o);
}

void record_write(struct worker *w)
{
	record_put(w, (struct record *)w->records->build);
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

// Whole cells: the last may bring what lies behind the record. Those behind them are asked for, since the reader had
// them last.
static inline void write_cells(struct cell *to, const struct record *r, uint32_t n)
{
	const __m256i *from = (const __m256i *)r;
	uint32_t i = 0;
#define CELL                                                                                                           \
	_mm256_store_si256(&to[i].half[0], _mm256_loadu_si256(&from[2 * i]));                                          \
	_mm256_store_si256(&to[i].half[1], _mm256_loadu_si256(&from[2 * i + 1]));                                      \
	__asm__ volatile("prefetchw %0" ::"m"(to[i + AHEAD]))
	for (; i < HEAD_CELLS; i++) {
		CELL;
	}
	for (; i < n; i++) {
		CELL;
	}
#undef CELL
}

// Time of day, where the ring's record has the worker's.
static inline void shift_times(struct record *r, const struct record *from, uint64_t by_ns)
{
	r->time_ns = from->time_ns + by_ns;
	r->start_ns = from->start_ns ? from->start_ns + by_ns : 0;
	r->end_ns = from->end_ns ? from->end_ns + by_ns : 0;
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
	uint64_t end = o->at + n;
	if (unlikely(end > o->room)) {
		put_late(w, r);
		return;
	}
	struct cell *to = &o->cells[o->at & o->mask];
	struct record *out = (struct record *)to;
	write_cells(to, r, n);
	shift_times(out, r, w->wall_ns);
	out->order = w->order;
	out->seq = o->seq;
	out->worker = w->id;
	o->seq += is_numbered(r);
	o->at = end;
	atomic_store_explicit(&o->written, end, memory_order_release);
	count(w, COUNTER_RECORDS);
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
