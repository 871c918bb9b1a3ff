// SPDX-License-Identifier: BSD-3-Clause
//
// The index: from a hash to a flow, for one worker, on its thread. A flow may stand in one of two buckets of eight;
// a new one goes into the emptier. There are two index slots a flow, so a bucket holds four on average and eight
// hardly ever in both; where it happens, one of the sixteen neighbours that can is moved to its other bucket.
//
//   bucket: | 8 tags of 16 bits | 8 flow numbers of 32 bits | unused |      64 bytes, one cache line
//
// What must never happen here: a loop without bound, memory after start, a division (buckets are chosen by a
// multiplication, so that any number of them will do). Rejected: chaining (a chain is as long as a sender likes,
// and each step a miss), robin hood and linear probing (deletion moves others), DPDK's rte_hash (stores keys a
// second time: 48 bytes a flow), a power of two of buckets (between 8 and 16 bytes a flow are lost or missed).
#include "flow_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <immintrin.h>

#include "base/eal.h"

static uint32_t buckets_of(uint32_t size)
{
	return size / 4 + 1;
} // 4 flows a bucket of 8

size_t table_bytes(uint32_t size)
{
	return (size_t)size * sizeof(struct flow) + (size_t)buckets_of(size) * sizeof(struct flow_bucket);
}

int table_init(struct flow_table *t, uint32_t size)
{
	t->size = size;
	t->nbuckets = buckets_of(size);
	t->free = TABLE_NONE;
	t->flows = mem_take((size_t)size * sizeof(struct flow));
	t->buckets = mem_take((size_t)t->nbuckets * sizeof(struct flow_bucket));
	for (unsigned i = 0; i < RINGS; i++)
		ring_clear(t, i);
	return t->flows && t->buckets ? 0 : -ENOMEM;
}

void table_fini(struct flow_table *t)
{
	mem_give(t->flows, (size_t)t->size * sizeof(struct flow));
	mem_give(t->buckets, (size_t)t->nbuckets * sizeof(struct flow_bucket));
}

// One bit for each slot whose tag is this one.
static inline unsigned tags_equal(const struct flow_bucket *b, uint16_t tag)
{
	__m128i eq = _mm_cmpeq_epi16(_mm_load_si128((const __m128i *)b->tag), _mm_set1_epi16((short)tag));
	return (unsigned)_mm_movemask_epi8(_mm_packs_epi16(eq, _mm_setzero_si128()));
}

uint32_t table_guess(const struct flow_table *t, const struct flow_place *at)
{
	for (unsigned i = 0; i < 2; i++) {
		const struct flow_bucket *b = &t->buckets[at->bucket[i]];
		unsigned hits = tags_equal(b, at->tag);
		if (hits)
			return b->flow[__builtin_ctz(hits)] - 1;
	}
	return TABLE_NONE;
}

struct flow *table_find(struct flow_table *t, const struct flow_place *at, const struct flow_key *key)
{
	for (unsigned i = 0; i < 2; i++) {
		const struct flow_bucket *b = &t->buckets[at->bucket[i]];
		for (unsigned hits = tags_equal(b, at->tag); hits; hits &= hits - 1) {
			struct flow *f = &t->flows[b->flow[__builtin_ctz(hits)] - 1];
			if (key_equal(&f->key, key))
				return f;
		}
	}
	return NULL;
}

static void fill(struct flow_bucket *b, unsigned slot, uint16_t tag, uint32_t flow)
{
	b->tag[slot] = tag;
	b->flow[slot] = flow;
}

// Moves one flow of bucket `from` to its other bucket; the slot that became free, or -1.
static int make_room(struct flow_table *t, uint32_t from)
{
	struct flow_bucket *b = &t->buckets[from];
	for (unsigned slot = 0; slot < 8; slot++) {
		struct flow_place at = table_place(t, t->flows[b->flow[slot] - 1].hash);
		struct flow_bucket *other = &t->buckets[at.bucket[at.bucket[0] == from]];
		unsigned room = tags_equal(other, 0);
		if (other == b || !room)
			continue;
		fill(other, __builtin_ctz(room), at.tag, b->flow[slot]);
		fill(b, slot, 0, 0);
		return (int)slot;
	}
	return -1;
}

static bool index_add(struct flow_table *t, uint32_t hash, uint32_t number)
{
	struct flow_place at = table_place(t, hash);
	unsigned room[2];
	for (unsigned i = 0; i < 2; i++)
		room[i] = tags_equal(&t->buckets[at.bucket[i]], 0);
	unsigned to = __builtin_popcount(room[1]) > __builtin_popcount(room[0]);
	if (likely(room[to])) {
		fill(&t->buckets[at.bucket[to]], __builtin_ctz(room[to]), at.tag, number + 1);
		return true;
	}
	for (unsigned i = 0; i < 2; i++) {
		int slot = make_room(t, at.bucket[i]);
		if (slot >= 0) {
			fill(&t->buckets[at.bucket[i]], (unsigned)slot, at.tag, number + 1);
			return true;
		}
	}
	return false;
}

struct flow *table_add(struct flow_table *t, const struct flow_key *key, uint32_t hash)
{
	uint32_t n = t->free != TABLE_NONE ? t->free : t->fresh;
	if (n == t->size || !index_add(t, hash, n))
		return NULL;
	struct flow *f = &t->flows[n];
	if (n == t->free)
		t->free = f->link.newer;
	else
		t->fresh++;
	t->used++;
	memset(f, 0, sizeof(*f));
	f->key = *key;
	f->hash = hash;
	return f;
}

void table_remove(struct flow_table *t, struct flow *f)
{
	struct flow_place at = table_place(t, f->hash);
	uint32_t n = table_number(t, f);
	for (unsigned i = 0; i < 2; i++) {
		struct flow_bucket *b = &t->buckets[at.bucket[i]];
		for (unsigned hits = tags_equal(b, at.tag); hits; hits &= hits - 1) {
			unsigned slot = __builtin_ctz(hits);
			if (b->flow[slot] == n + 1) {
				fill(b, slot, 0, 0);
				f->id = 0;
				f->link.newer = t->free;
				t->free = n;
				t->used--;
				return;
			}
		}
	}
	abort(); // a bug of ours: no input can do it
}
