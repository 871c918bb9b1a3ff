// SPDX-License-Identifier: BSD-3-Clause
//
// Transactions in the making: a hello waits for its answer, a request for its response. Each is a record under
// construction in the worker's arena; ending it copies it to the record ring.
//
//   | block | block (ended) | block | ...        a ring of bytes; tail = oldest, head = next free
//
// The arena is bounded. When it is full the oldest block gives way: if it is still open its record is written as
// it stands (counter facts_evicted). So a fact is never lost, only its answer may be. A handle is the block's
// position since start + 1, never reused: one whose block is gone is seen as such and ignored.
// Rejected: a free list of fixed blocks (a URI can be 8 KiB, most are 30 bytes).
#include "app.h"

#include <string.h>

#include <rte_common.h>

#include "../inspect.h"
#include "../judge.h"
#include "../record_out.h"
#include "base/eal.h"

#define BLOCK_ALIGN 64

struct block {
	uint64_t at;   // position since start: block address = at modulo the arena
	uint32_t size; // of the whole block
	uint32_t open; // 0: ended, or filler at the end of the ring
	struct record record;
};

struct arena {
	uint64_t head, tail;
	uint64_t size; // a power of two
	size_t bytes;
	uint8_t data[] __rte_aligned(64);
};

struct arena *txn_arena_new(uint32_t bytes)
{
	uint32_t size = rte_align32pow2(RTE_MAX(bytes, 2u * RECORD_MAX));
	struct arena *a = mem_take(sizeof(*a) + size + RECORD_CELL); // record_put reads whole cells
	if (!a)
		return NULL;
	a->size = size;
	a->bytes = sizeof(*a) + size + RECORD_CELL;
	return a;
}

void txn_arena_free(struct arena *a)
{
	if (a)
		mem_give(a, a->bytes);
}

static inline struct block *block_at(struct arena *a, uint64_t at)
{
	return (struct block *)(a->data + (at & (a->size - 1)));
}

static void write_out(struct worker *w, struct block *b)
{
	b->open = 0;
	if (unlikely(w->rules) && !judge_said(w, &b->record))
		return;
	record_put(w, &b->record);
}

static void give_way(struct worker *w, struct arena *a)
{
	struct block *b = block_at(a, a->tail);
	if (b->open) {
		count(w, COUNTER_FACTS_EVICTED);
		write_out(w, b);
	}
	a->tail += b->size;
}

static struct block *take(struct worker *w, uint32_t size)
{
	struct arena *a = w->inspect->arena;
	uint32_t to_end = a->size - (a->head & (a->size - 1));
	uint32_t filler = to_end < size ? to_end : 0;
	// ended blocks at the tail cost nothing to let go
	while (a->tail < a->head && (!block_at(a, a->tail)->open || a->head + filler + size - a->tail > a->size))
		give_way(w, a);
	if (filler) {
		struct block *f = block_at(a, a->head);
		f->at = UINT64_MAX;
		f->size = filler;
		f->open = 0;
		a->head += filler;
	}
	struct block *b = block_at(a, a->head);
	b->at = a->head;
	b->size = size;
	b->open = 1;
	a->head += size;
	return b;
}

static inline struct block *find(const struct app_in *in, txn_t t)
{
	struct arena *a = in->w->inspect->arena;
	if (t - 1 < a->tail || t - 1 >= a->head || t < in->since) // 0, too
		return NULL;
	struct block *b = block_at(a, t - 1);
	return b->at == t - 1 && b->open ? b : NULL;
}

static inline uint32_t room_of(const struct block *b)
{
	return b->size - offsetof(struct block, record);
}

static void pen_set(const struct app_in *in, struct block *b)
{
	// what it remembers is no part of what a parser was given
	struct txn_pen *pen = (struct txn_pen *)(uintptr_t)&in->pen;
	*pen = b ? (struct txn_pen){b->at + 1, &b->record, room_of(b)} : (struct txn_pen){0};
}

txn_t txn_begin(const struct app_in *in, enum record_kind kind, uint32_t max_bytes)
{
	uint32_t room = RTE_MIN(RTE_ALIGN_CEIL(max_bytes, 8u), (uint32_t)(RECORD_MAX - sizeof(struct record)));
	struct block *b = take(in->w, RTE_ALIGN_CEIL((uint32_t)sizeof(struct block) + room, BLOCK_ALIGN));
	struct record *r = &b->record;
	record_clear(in->w, r, kind);
	flow_record(in->w, in->f, r);
	r->dir = in->dir;
	r->tx_id = in->f->tx_count;
	if (in->f->tx_count < UINT16_MAX)
		in->f->tx_count++;
	pen_set(in, b);
	return b->at + 1;
}

static __rte_noinline void add_any(const struct app_in *in, txn_t t, enum fact_field f, const void *value, uint32_t len,
				   struct origin o)
{
	struct block *b = find(in, t);
	pen_set(in, b);
	if (unlikely(!b))
		return;
	struct fact *added = record_add(&b->record, room_of(b), f, value, len, o);
	if (unlikely(!added || added->len < len))
		count(in->w, COUNTER_RECORDS_CUT);
	else if (unlikely(in->after_gap))
		added->flags |= FACT_AFTER_GAP;
}

// The common case, without a call: a short value, of the transaction that had the one before.
static inline void add(const struct app_in *in, txn_t t, enum fact_field f, const void *value, uint32_t len,
		       struct origin o)
{
	const struct txn_pen *pen = &in->pen;
	int32_t before = (int32_t)(pen->room - (uint32_t)FACT_SIZE(len));
	if (unlikely(!t || t != pen->t || in->after_gap || !record_add_short(pen->record, before, f, value, len, o)))
		add_any(in, t, f, value, len, o);
}

void txn_str(const struct app_in *in, txn_t t, enum fact_field f, const void *p, uint32_t len)
{
	add(in, t, f, p, len, app_origin(in, p, len));
}

void txn_str_from(const struct app_in *in, txn_t t, enum fact_field f, const void *value, uint32_t len, struct origin o)
{
	add(in, t, f, value, len, o);
}

void txn_num(const struct app_in *in, txn_t t, enum fact_field f, uint64_t value, struct origin o)
{
	add(in, t, f, &value, sizeof(value), o);
}

void *txn_reserve(const struct app_in *in, txn_t t, enum fact_field f, uint32_t len, struct origin o)
{
	struct block *b = find(in, t);
	if (unlikely(!b))
		return NULL;
	if (unlikely(b->record.len + FACT_SIZE(len) > room_of(b))) {
		count(in->w, COUNTER_RECORDS_CUT);
		return NULL;
	}
	struct fact *added = record_place(&b->record, f, len, o);
	if (unlikely(in->after_gap))
		added->flags |= FACT_AFTER_GAP;
	return added->value;
}

void txn_kind(const struct app_in *in, txn_t t, uint8_t tx_kind)
{
	struct block *b = find(in, t);
	if (b)
		b->record.tx_kind = tx_kind;
}

struct record *txn_record(const struct app_in *in, txn_t t)
{
	struct block *b = find(in, t);
	return b ? &b->record : NULL;
}

void txn_end(const struct app_in *in, txn_t t)
{
	struct block *b = find(in, t);
	pen_set(in, NULL);
	if (b && !in->since) {
		b->record.app = in->f->app;
		if (unlikely(in->w->rules))
			judge_ended(in->w, in->f, &b->record);
		write_out(in->w, b);
	}
}

txn_t txn_next(const struct worker *w)
{
	return w->inspect->arena->head + 1;
}

void txn_forget(struct worker *w, txn_t since)
{
	struct arena *a = w->inspect->arena;
	for (uint64_t at = RTE_MAX(since - 1, a->tail); at < a->head; at += block_at(a, at)->size)
		block_at(a, at)->open = 0;
}

void app_anomaly_from(const struct app_in *in, enum anomaly a, const void *value, uint32_t len, struct origin o)
{
	if (unlikely(in->since))
		return;
	struct record *r = record_begin(in->w, RECORD_ANOMALY);
	flow_record(in->w, in->f, r);
	r->anomaly = a;
	r->dir = in->dir;
	in->w->anomalies[a]++;
	record_fact(in->w, FACT_ANOMALY, value ? value : "", value ? len : 0, o);
	record_write(in->w);
}

void app_anomaly(const struct app_in *in, enum anomaly a, const void *p, uint32_t len)
{
	bool inside = in->data && (const uint8_t *)p >= in->data && (const uint8_t *)p < in->data + in->len;
	app_anomaly_from(in, a, p, len, inside ? app_origin(in, p, len) : (struct origin){in->w->frame, 0, 0});
}
