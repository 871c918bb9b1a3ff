// SPDX-License-Identifier: BSD-3-Clause
//
// The index: from a hash to a flow, for one worker, on its thread. A flow may stand in one of two buckets of eight,
// in the second only where the first is full. There are two index slots a flow, so a bucket holds four on average,
// and one packet in a hundred has to look at the second; where both are full, one of the sixteen neighbours that can
// is moved to its other bucket. It was tried to put a flow into the emptier of the two: fuller tables would be
// possible, but half of all packets look twice.
//
//   bucket: | 8 tags of 16 bits | 8 flow numbers of 32 bits | away | unused |      64 bytes, one cache line
//
// `away` counts the flows that stand in their second bucket for want of room in this one: where there is none, a look
// at the first says that a flow is new, and the second, which nobody asked for in time, is not touched.
//
// What must never happen here: a loop without bound, memory after start, a division (buckets are chosen by a
// multiplication, so that any number of them will do). Rejected: chaining (a chain is as long as a sender likes,
// and each step a miss), robin hood and linear probing (deletion moves others), DPDK's rte_hash (stores keys a
// second time: 48 bytes a flow), a power of two of buckets (between 8 and 16 bytes a flow are lost or missed).
#include "flow_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/eal.h"

static uint32_t buckets_of(uint32_t size)
{
	return size / 4 + 1;
} // 4 flows a bucket of 8

size_t flow_table_bytes(uint32_t size)
{
	return (size_t)size * sizeof(struct flow) + (size_t)buckets_of(size) * sizeof(struct flow_bucket);
}

int flow_table_init(struct flow_table *t, uint32_t size, const struct steer_key *key)
{
	t->key = *key;
	t->size = size;
	t->nbuckets = buckets_of(size);
	t->free = TABLE_NONE;
	t->flows = mem_take((size_t)size * sizeof(struct flow));
	t->buckets = mem_take((size_t)t->nbuckets * sizeof(struct flow_bucket));
	for (unsigned i = 0; i < RINGS; i++)
		ring_clear(t, i);
	return t->flows && t->buckets ? 0 : -ENOMEM;
}

void flow_table_fini(struct flow_table *t)
{
	mem_give(t->flows, (size_t)t->size * sizeof(struct flow));
	mem_give(t->buckets, (size_t)t->nbuckets * sizeof(struct flow_bucket));
}

static_assert(offsetof(struct flow_key, aport_be) == 40 && offsetof(struct flow_key, a) == 8 &&
		      offsetof(struct flow_key, b) == offsetof(struct flow_key, a) + 16,
	      "the key ends as struct tuple does, and its ends lie like those of an IPv6 header");

uint32_t flow_table_hash(const struct flow_table *t, const struct flow_key *key)
{
	struct tuple tuple = {.tail = steer_load64((const uint8_t *)&key->aport_be)};
	if (key->version == 4)
		tuple.addrs = steer_load32(key->a) | (uint64_t)steer_load32(key->b) << 32;
	return steer_hash(&t->key, key->tenant, &tuple, (const uint8_t *)key, false);
}

struct flow *flow_table_find(struct flow_table *t, const struct flow_place *at, const struct flow_key *key)
{
	for (unsigned i = 0; i < 2; i++) {
		const struct flow_bucket *b = &t->buckets[at->bucket[i]];
		for (unsigned hits = flow_table_tags(b, at->tag); hits; hits &= hits - 1) {
			struct flow *f = &t->flows[b->flow[__builtin_ctz(hits)] - 1];
			if (key_equal(&f->key, key))
				return f;
		}
		if (likely(b->away == 0))
			return NULL;
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
		struct flow_place at = flow_table_place(t, flow_table_hash(t, &t->flows[b->flow[slot] - 1].key));
		struct flow_bucket *other = &t->buckets[at.bucket[at.bucket[0] == from]];
		unsigned room = flow_table_tags(other, 0);
		if (other == b || !room)
			continue;
		if (at.bucket[0] == from)
			b->away++;
		else
			other->away--;
		fill(other, __builtin_ctz(room), at.tag, b->flow[slot]);
		fill(b, slot, 0, 0);
		return (int)slot;
	}
	return -1;
}

static bool index_add(struct flow_table *t, uint32_t hash, uint32_t number)
{
	struct flow_place at = flow_table_place(t, hash);
	for (unsigned i = 0; i < 2; i++) {
		unsigned room = flow_table_tags(&t->buckets[at.bucket[i]], 0);
		if (room) {
			fill(&t->buckets[at.bucket[i]], __builtin_ctz(room), at.tag, number + 1);
			t->buckets[at.bucket[0]].away += i;
			return true;
		}
	}
	for (unsigned i = 0; i < 2; i++) {
		int slot = make_room(t, at.bucket[i]);
		if (slot >= 0) {
			fill(&t->buckets[at.bucket[i]], (unsigned)slot, at.tag, number + 1);
			t->buckets[at.bucket[0]].away += i;
			return true;
		}
	}
	return false;
}

struct flow *flow_table_add(struct flow_table *t, const struct flow_key *key, uint32_t hash)
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
	return f;
}

void flow_table_remove(struct flow_table *t, struct flow *f)
{
	struct flow_place at = flow_table_place(t, flow_table_hash(t, &f->key));
	uint32_t n = flow_table_number(t, f);
	for (unsigned i = 0; i < 2; i++) {
		struct flow_bucket *b = &t->buckets[at.bucket[i]];
		for (unsigned hits = flow_table_tags(b, at.tag); hits; hits &= hits - 1) {
			unsigned slot = __builtin_ctz(hits);
			if (b->flow[slot] == n + 1) {
				fill(b, slot, 0, 0);
				t->buckets[at.bucket[0]].away -= i;
				f->key.version = 0; // whoever guesses it sees that it is free
				f->link.newer = t->free;
				t->free = n;
				t->used--;
				return;
			}
		}
	}
	abort(); // a bug of ours: no input can do it
}
