// SPDX-License-Identifier: BSD-3-Clause
//
// The arena of kept facts. In comes the record of a transaction as it is judged; what rules of some policy of this
// start may ask of it is copied, one block a flow: that of its last transaction. Out it comes as a record again, when
// another policy is to judge the flow. Worker's thread; all memory is taken at start; nothing of this is there where no
// policy can follow another.
//
//   kept (by number of the flow) -> | block | block (nobody's) | block | ...    a ring; tail = oldest, head = next free
//   block: | whose, kind, ... | field, length, value | field, length, value | ...   in units of 16 bytes
//
// The arena is bounded: the oldest gives way, counted, and its flow knows (KEPT_EVICTED), so that no reference to a
// block outlives it. A flow that is judged again and again stays in its place while that is in the younger half of the
// ring: the ring would else be written from end to end by a few busy connections.
//
// Rejected: to keep fields as rules compare them (normalised, fingerprints made): smaller, but what the next policy
// asks may not have been made; to leave records in the arena of txn.c (they have origins, which nobody asks here, and 8
// KiB of answers).
#include "keep.h"

#include <string.h>

#include <rte_common.h>

#include "base/eal.h"
#include "judge_in.h"
#include "record_out.h"

#define UNIT 16

struct block {
	uint32_t units; // of the whole
	uint32_t whose; // number of the flow + 1; 0: nobody's
	uint32_t tx_id; // of the transaction
	uint32_t headers;
	uint16_t nfacts;
	uint8_t kind, app, tx_kind, pad[3];
};

struct value {
	uint16_t field, flags;
	uint32_t len;
};
#define VALUE_SIZE(len) ((sizeof(struct value) + (len) + 7) & ~7u)

struct keep {
	struct kept *of;
	uint8_t *arena;
	uint32_t flows, units;
	uint64_t head, tail; // units since start
	uint64_t used, most; // units that are somebody's
	bool wanted[FACT_COUNT];
};

struct keep *keep_new(uint32_t flows, uint32_t bytes, uint64_t wanted)
{
	struct keep *k = mem_take(sizeof(*k));
	if (!k)
		return NULL;
	k->flows = flows;
	k->units = RTE_MAX(bytes / UNIT, 4u);
	k->of = mem_take(flows * sizeof(struct kept));
	k->arena = mem_take((size_t)k->units * UNIT);
	for (unsigned i = 0; i < FACT_COUNT; i++)
		k->wanted[i] = judge_facts_asked(i, wanted);
	if (k->of && k->arena)
		return k;
	keep_free(k);
	return NULL;
}

void keep_free(struct keep *k)
{
	if (!k)
		return;
	mem_give(k->of, k->flows * sizeof(struct kept));
	mem_give(k->arena, (size_t)k->units * UNIT);
	mem_give(k, sizeof(*k));
}

struct kept *keep_of(const struct keep *k, uint32_t flow)
{
	return &k->of[flow];
}

static struct block *block_at(const struct keep *k, uint64_t unit)
{
	return (struct block *)(k->arena + unit % k->units * UNIT);
}

static struct block *block_of(const struct keep *k, uint32_t flow)
{
	uint32_t at = k->of[flow].at;
	return at >= KEPT_BLOCK ? block_at(k, at - KEPT_BLOCK) : NULL;
}

static void disown(struct keep *k, struct block *b)
{
	k->used -= b->units;
	b->whose = 0;
}

static void give_way(struct worker *w, struct keep *k)
{
	struct block *b = block_at(k, k->tail);
	k->tail += b->units;
	if (!b->whose)
		return;
	k->of[b->whose - 1].at = KEPT_EVICTED;
	count(w, COUNTER_KEPT_EVICTED);
	disown(k, b);
}

// A block lies in one piece. NULL: the arena is too small for it.
static struct block *take(struct worker *w, struct keep *k, uint32_t flow, uint32_t units)
{
	uint32_t to_end = k->units - (uint32_t)(k->head % k->units), filler = to_end < units ? to_end : 0;
	struct block *b;
	if (units > k->units / 2)
		return NULL;
	while (k->head + filler + units - k->tail > k->units)
		give_way(w, k);
	if (filler) {
		b = block_at(k, k->head);
		b->units = filler;
		b->whose = 0;
		k->head += filler;
	}
	b = block_at(k, k->head);
	k->of[flow].at = (uint32_t)(k->head % k->units) + KEPT_BLOCK;
	k->head += units;
	b->units = units;
	b->whose = flow + 1;
	k->used += units;
	k->most = RTE_MAX(k->most, k->used);
	return b;
}

// Where the facts of a flow go: where its last ones stood, if they fit and it is not soon time for that place to give
// way.
static struct block *place(struct worker *w, struct keep *k, uint32_t flow, uint32_t units)
{
	struct block *b = block_of(k, flow);
	if (b) {
		uint64_t age = (k->head + k->units - 1 - (k->of[flow].at - KEPT_BLOCK)) % k->units;
		if (b->units >= units && age < k->units / 2)
			return b;
		disown(k, b);
	}
	k->of[flow].at = KEPT_EVICTED;
	b = take(w, k, flow, units);
	if (!b)
		count(w, COUNTER_KEPT_EVICTED);
	return b;
}
static_assert(offsetof(struct block, whose) + sizeof(uint32_t) <= UNIT, "a filler of one unit has these");

void keep_record(struct worker *w, uint32_t flow, const struct record *r, uint32_t headers)
{
	struct keep *k = w->judge->keep;
	uint32_t bytes = sizeof(struct block), n = 0;
	const struct fact *f = record_first(r);
	for (unsigned i = 0; i < r->nfacts; i++, f = fact_next(f))
		if (k->wanted[f->field])
			bytes += VALUE_SIZE(f->len);
	struct block *b = place(w, k, flow, (bytes + UNIT - 1) / UNIT);
	if (!b)
		return;
	uint8_t *at = (uint8_t *)(b + 1);
	f = record_first(r);
	for (unsigned i = 0; i < r->nfacts; i++, f = fact_next(f)) {
		if (!k->wanted[f->field])
			continue;
		struct value *v = (struct value *)at;
		*v = (struct value){f->field, f->flags, f->len};
		memcpy(v + 1, f->value, f->len);
		at += VALUE_SIZE(f->len);
		n++;
	}
	b->tx_id = r->tx_id;
	b->headers = headers;
	b->nfacts = (uint16_t)n;
	b->kind = (uint8_t)r->kind;
	b->app = r->app;
	b->tx_kind = r->tx_kind;
}

void keep_ended(struct worker *w, uint32_t flow, const struct record *r, uint32_t headers)
{
	const struct block *b = block_of(w->judge->keep, flow);
	if (b && b->kind == r->kind && b->tx_id == r->tx_id)
		keep_record(w, flow, r, headers);
}

void keep_name(struct worker *w, uint32_t flow, const uint8_t *name, uint32_t len)
{
	union {
		struct record record;
		uint8_t room[sizeof(struct record) + FACT_SIZE(UINT8_MAX)];
	} one;
	memset(&one.record, 0, sizeof(one.record));
	one.record.len = sizeof(one.record);
	record_add(&one.record, sizeof(one), FACT_HOST, name, len, (struct origin){0});
	keep_record(w, flow, &one.record, 0);
}

void keep_absent(struct worker *w, uint32_t flow)
{
	keep_forget(w, flow);
	w->judge->keep->of[flow].at = KEPT_ABSENT;
}

void keep_forget(struct worker *w, uint32_t flow)
{
	struct block *b = block_of(w->judge->keep, flow);
	if (b)
		disown(w->judge->keep, b);
	w->judge->keep->of[flow].at = KEPT_NOTHING;
}

const struct record *keep_read(struct worker *w, uint32_t flow, uint32_t *headers)
{
	const struct block *b = block_of(w->judge->keep, flow);
	if (!b)
		return NULL;
	struct record *r = record_begin_aside(w, b->kind);
	r->app = b->app;
	r->tx_kind = b->tx_kind;
	*headers = b->headers;
	const uint8_t *at = (const uint8_t *)(b + 1);
	for (unsigned i = 0; i < b->nfacts; i++) {
		const struct value *v = (const struct value *)at;
		struct fact *added = (struct fact *)((uint8_t *)r + r->len);
		record_fact(w, v->field, v + 1, v->len, (struct origin){0});
		added->flags |= v->flags;
		at += VALUE_SIZE(v->len);
	}
	return r;
}

void keep_sums(const struct worker *w, struct keep_sums *s)
{
	const struct keep *k = w->judge->keep;
	*s = (struct keep_sums){0};
	if (k)
		*s = (struct keep_sums){(uint64_t)k->units * UNIT, k->used * UNIT, k->most * UNIT};
}
