// SPDX-License-Identifier: BSD-3-Clause
//
// Where the flows of one worker live: an array of struct flow, an index over it, and the rings of the ageing wheel.
// All of it is taken at start; nothing here grows.
#pragma once

#include <immintrin.h>
#include <string.h>

#include <rte_prefetch.h>

#include "flow.h"
#include "steer.h"

#define TABLE_NONE UINT32_MAX

// One cache line: 8 tags that are compared at once, and the flow each stands for.
struct flow_bucket {
	uint16_t tag[8];
	uint32_t flow[8]; // number + 1; 0: free
	uint32_t away;    // flows that would stand here, but for room, and stand in their second bucket
	uint32_t pad[3];
};
static_assert(sizeof(struct flow_bucket) == 64, "a bucket is a cache line");

// Slots of the two wheels, in units of AGE_SHIFT: longer than the longest timeout of the classes in them.
#define AGE_SHORT 64
#define AGE_LONG 4096
// rings that are no slot: being looked at, found due
enum { RING_LOOK = AGE_SHORT + AGE_LONG, RING_DUE, RINGS };

struct flow_table {
	struct flow *flows;
	struct flow_bucket *buckets;
	uint32_t size, used; // flows
	uint32_t nbuckets;
	uint32_t fresh; // flows[fresh...] were never used
	struct steer_key key;
	uint32_t free; // ring of freed ones, linked by link.newer; TABLE_NONE: none
	// flow_age.c
	uint64_t age_unit; // the wheel was turned up to here
	bool age_begun;
	bool due_sorted;
	struct flow_link ring[RINGS];
	// flow.c
	struct burst rest;
};

int flow_table_init(struct flow_table *t, uint32_t size, const struct steer_key *key);
// pkt->hash of a flow's packets, out of its key: rarely asked for, so it is not kept.
uint32_t flow_table_hash(const struct flow_table *t, const struct flow_key *key);
void flow_table_fini(struct flow_table *t);
// Bytes that a table of this size takes for flows and index.
size_t flow_table_bytes(uint32_t size);

// The two buckets where a hash may be, and the tag it has there.
struct flow_place {
	uint32_t bucket[2];
	uint16_t tag;
};

// The hash's upper bits also choose the worker, so they are the same for all flows here: multiplied first.
static inline uint64_t flow_table_spread(uint32_t hash)
{
	return (hash + 1ull) * 0x9e3779b97f4a7c15;
}
static inline uint32_t flow_table_first(const struct flow_table *t, uint64_t spread)
{
	return (uint32_t)((spread >> 32) * t->nbuckets >> 32);
}
static inline uint16_t flow_table_tag(uint64_t spread)
{
	return (uint16_t)(spread >> 16) | 1;
} // 0: free

static inline struct flow_place flow_table_place(const struct flow_table *t, uint32_t hash)
{
	uint64_t x = flow_table_spread(hash), y = (x ^ x >> 29) * 0xbf58476d1ce4e5b9;
	return (struct flow_place){.bucket = {flow_table_first(t, x), flow_table_first(t, y)},
				   .tag = flow_table_tag(x)};
}

// A packet of this hash comes soon: its bucket is asked for.
static inline void flow_table_ask(const struct flow_table *t, uint32_t hash)
{
	rte_prefetch0(&t->buckets[flow_table_first(t, flow_table_spread(hash))]);
}

// One bit for each slot of a bucket whose tag is this one.
static inline unsigned flow_table_tags(const struct flow_bucket *b, uint16_t tag)
{
	__m128i eq = _mm_cmpeq_epi16(_mm_load_si128((const __m128i *)b->tag), _mm_set1_epi16((short)tag));
	return (unsigned)_mm_movemask_epi8(_mm_packs_epi16(eq, _mm_setzero_si128()));
}

// No flow of this tag has this bucket for its first: one look says that it is new.
static inline bool flow_table_new(const struct flow_bucket *first, uint16_t tag)
{
	return first->away == 0 && flow_table_tags(first, tag) == 0;
}

// The flow of a key, or NULL.
struct flow *flow_table_find(struct flow_table *t, const struct flow_place *at, const struct flow_key *key);
// Takes a flow for the key, which must not be in the table and has this hash: zeroed but for the key. NULL: no room.
struct flow *flow_table_add(struct flow_table *t, const struct flow_key *key, uint32_t hash);
void flow_table_remove(struct flow_table *t, struct flow *f);

static inline bool flow_table_full(const struct flow_table *t)
{
	return t->used == t->size;
}
static inline uint32_t flow_table_number(const struct flow_table *t, const struct flow *f)
{
	return (uint32_t)(f - t->flows);
}

static_assert(sizeof(struct flow_key) == 48, "key_equal compares six words");
static inline bool key_equal(const struct flow_key *a, const struct flow_key *b)
{
	uint64_t x[6], y[6];
	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]) | (x[4] ^ y[4]) | (x[5] ^ y[5])) == 0;
}

// Addresses and ports as the initiator sends: without a branch, since either order is as likely.
struct flow_ends {
	const uint8_t *src, *dst;
	uint16_t sport, dport;
};
static_assert(offsetof(struct flow_key, b) == offsetof(struct flow_key, a) + 16 &&
		      offsetof(struct flow_key, bport_be) == offsetof(struct flow_key, aport_be) + 2,
	      "the ends of a key lie side by side");
static inline struct flow_ends flow_ends(const struct flow *f)
{
	unsigned swapped = f->flags / FLOW_SWAPPED & 1;
	const uint8_t *a = (const uint8_t *)&f->key + offsetof(struct flow_key, a);
	uint32_t ports = steer_load32((const uint8_t *)&f->key + offsetof(struct flow_key, aport_be));
	ports = rte_be_to_cpu_32(swapped ? ports << 16 | ports >> 16 : ports);
	return (struct flow_ends){
		.src = a + 16 * swapped, .dst = a + 16 - 16 * swapped, .sport = ports >> 16, .dport = (uint16_t)ports};
}

// As records have them: where a layer stands, 0 the innermost; by which port the first packet came.
static inline uint8_t flow_layer(const struct flow *f)
{
	return f->key.outer ? (uint8_t)(1 + (f->id & 7)) : 0;
}
static inline uint8_t flow_port(const struct worker *w, const struct flow *f)
{
	return w->came ? w->came[flow_table_number(w->flows, f)] : 0;
}

// Rings. Flows are numbered from 0, ring heads from table size on.
static inline struct flow_link *ring_link(struct flow_table *t, uint32_t n)
{
	return n < t->size ? &t->flows[n].link : &t->ring[n - t->size];
}
static inline bool ring_empty(struct flow_table *t, unsigned ring)
{
	return t->ring[ring].newer == t->size + ring;
}
static inline void ring_clear(struct flow_table *t, unsigned ring)
{
	t->ring[ring] = (struct flow_link){t->size + ring, t->size + ring};
}
static inline void ring_append(struct flow_table *t, unsigned ring, struct flow *f)
{
	struct flow_link *head = &t->ring[ring];
	uint32_t n = flow_table_number(t, f);
	f->link = (struct flow_link){.older = head->older, .newer = t->size + ring};
	ring_link(t, head->older)->newer = n;
	head->older = n;
}
static inline void ring_unlink(struct flow_table *t, struct flow *f)
{
	ring_link(t, f->link.older)->newer = f->link.newer;
	ring_link(t, f->link.newer)->older = f->link.older;
}
