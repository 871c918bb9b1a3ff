// SPDX-License-Identifier: BSD-3-Clause
//
// Records leave the corridor here: a ring of 64-byte cells, one producer (the worker), one consumer (the shipper).
// rte_ring's zero-copy calls reserve the cells, the record is copied in once, and handed over by one store.
//
// In replay a full ring waits for its reader (nothing may be lost); live the record is counted as lost.
// Rejected: a ring of pointers (something would have to be allocated), and records built in place in the ring
// (a record's length is known only at its end).
#include "record_out.h"

#include <errno.h>
#include <string.h>

#include <rte_common.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>
#include <rte_ring_peek_zc.h>

#include "base/eal.h"
#include "record_ring.h"

struct record_out {
	struct rte_ring *ring;
	size_t ring_bytes, bytes;
	uint32_t seq;
	bool open; // the far end holds a record of record_peek
	// the record being put together, and the far end's copy of the one it looks at
	uint8_t build[RECORD_MAX] __rte_aligned(64);
	uint8_t seen[RECORD_MAX] __rte_aligned(64);
};

int record_out_init(struct worker *w)
{
	struct record_out *o = mem_take(sizeof(*o));
	if (!o)
		return -ENOMEM;
	w->records = o;
	o->ring_bytes = (size_t)rte_ring_get_memsize_elem(RECORD_CELL, w->config->record_cells);
	o->ring = mem_take(o->ring_bytes);
	if (!o->ring || rte_ring_init(o->ring, "records", w->config->record_cells, RING_F_SP_ENQ | RING_F_SC_DEQ) != 0)
		return -ENOMEM;
	return 0;
}

void record_out_fini(struct worker *w)
{
	struct record_out *o = w->records;
	if (!o)
		return;
	mem_give(o->ring, o->ring_bytes);
	mem_give(o, sizeof(*o));
	w->records = NULL;
}

struct record *record_begin(struct worker *w, enum record_kind kind)
{
	struct record *r = (struct record *)w->records->build;
	memset(r, 0, sizeof(*r));
	r->len = sizeof(*r);
	r->kind = kind;
	r->frame = w->frame;
	r->time_ns = w->now_ns;
	return r;
}

void record_add(struct record *r, uint32_t room, enum fact_field field, const void *value, uint32_t len,
		struct origin o)
{
	uint32_t kept = RTE_MIN(len, (uint32_t)FACT_VALUE_MAX);
	if (r->len + FACT_SIZE(kept) > room) {
		if (r->len + FACT_SIZE(0) + 8 > room)
			return;
		kept = (room - r->len - FACT_SIZE(0)) & ~7u;
	}
	struct fact *f = (struct fact *)((uint8_t *)r + r->len);
	f->field = field;
	f->flags = kept < len ? FACT_CUT : 0;
	f->len = kept;
	f->origin = o;
	memcpy(f->value, value, kept);
	r->len += FACT_SIZE(kept);
	r->nfacts++;
}

void *record_reserve(struct record *r, uint32_t room, enum fact_field field, uint32_t len, struct origin o)
{
	if (r->len + FACT_SIZE(len) > room)
		return NULL;
	struct fact *f = (struct fact *)((uint8_t *)r + r->len);
	*f = (struct fact){.field = field, .len = len, .origin = o};
	r->len += FACT_SIZE(len);
	r->nfacts++;
	return f->value;
}

void record_fact(struct worker *w, enum fact_field f, const void *value, uint32_t len, struct origin o)
{
	struct record *r = (struct record *)w->records->build;
	uint32_t before = r->len;
	record_add(r, RECORD_MAX, f, value, len, o);
	if (unlikely(r->len - before < FACT_SIZE(len)))
		count(w, COUNTER_RECORDS_CUT);
}

void record_num(struct worker *w, enum fact_field f, uint64_t value, struct origin o)
{
	record_fact(w, f, &value, sizeof(value), o);
}

void record_write(struct worker *w)
{
	record_put(w, (struct record *)w->records->build);
}

void record_put(struct worker *w, struct record *r)
{
	struct record_out *o = w->records;
	unsigned cells = (r->len + RECORD_CELL - 1) / RECORD_CELL;
	struct rte_ring_zc_data zc;
	r->seq = o->seq++;
	r->worker = w->id;
	while (rte_ring_enqueue_zc_bulk_elem_start(o->ring, RECORD_CELL, cells, &zc, NULL) == 0) {
		if (!w->wait) {
			count(w, COUNTER_RECORDS_LOST);
			return;
		}
		w->wait(w);
	}
	uint32_t first = RTE_MIN((uint32_t)zc.n1 * RECORD_CELL, r->len);
	memcpy(zc.ptr1, r, first);
	if (first < r->len)
		memcpy(zc.ptr2, (const uint8_t *)r + first, r->len - first);
	rte_ring_enqueue_zc_elem_finish(o->ring, cells);
	count(w, COUNTER_RECORDS);
}

const struct record *record_peek(struct record_out *o)
{
	struct rte_ring_zc_data zc;
	struct record *r = (struct record *)o->seen;
	if (o->open)
		return r;
	if (rte_ring_dequeue_zc_bulk_elem_start(o->ring, RECORD_CELL, 1, &zc, NULL) == 0)
		return NULL;
	memcpy(r, zc.ptr1, RECORD_CELL); // the head's first cell has the length
	rte_ring_dequeue_zc_elem_finish(o->ring, 0);
	unsigned cells = (r->len + RECORD_CELL - 1) / RECORD_CELL;
	rte_ring_dequeue_zc_bulk_elem_start(o->ring, RECORD_CELL, cells, &zc, NULL);
	uint32_t first = RTE_MIN((uint32_t)zc.n1 * RECORD_CELL, r->len);
	memcpy(o->seen, zc.ptr1, first);
	if (first < r->len)
		memcpy(o->seen + first, zc.ptr2, r->len - first);
	rte_ring_dequeue_zc_elem_finish(o->ring, cells);
	o->open = true;
	return r;
}

void record_done(struct record_out *o, const struct record *r)
{
	(void)r;
	o->open = false;
}
