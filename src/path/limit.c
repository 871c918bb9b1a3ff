// SPDX-License-Identifier: BSD-3-Clause
//
// Token buckets (RFC 2697's, with one colour): what a rule lets pass in a second, and how much of it at once. In
// integers, by the clock of the packets, so that the same frames pass each time. A bucket that nobody asked of for so
// long that it is full again is as good as none: such ones give way first.
//
// Shared by the workers: in replay they ask in the order of the walk (worker's `turn`), so that what passes does not
// depend on their number. Live they ask as they come, and a set of buckets is one worker's for the thirty instructions
// that this takes; who finds it taken tries again, some thousand times at most (its owner lost its core), and then lets
// the frame pass. Rejected: slices that workers borrow, which are inexact by what lies unused with others, always.
// Clocks of workers differ by a turn: a bucket's never goes back.
#include "limit.h"

#include <stdatomic.h>
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_pause.h>

#include "base/eal.h"
#include "steer.h"

#define SETS 8192 // a power of two
#define WAYS 8
#define NS 1000000000ull

// `left` is in billionths of a bit, or of a packet: what comes in a nanosecond at one a second.
struct bucket {
	uint64_t key; // 0: free
	uint64_t left, at_ns;
	uint64_t full_ns; // when it is full again
};

struct limits {
	struct steer_key seed;
	struct bucket bucket[SETS][WAYS];
	_Atomic uint8_t taken[SETS];
};

#define TRIES 4096

static bool take_set(struct limits *l, uint64_t key)
{
	_Atomic uint8_t *taken = &l->taken[key & (SETS - 1)];
	for (unsigned i = 0; i < TRIES; i++) {
		uint8_t no = 0;
		if (atomic_compare_exchange_weak_explicit(taken, &no, 1, memory_order_acquire, memory_order_relaxed))
			return true;
		rte_pause();
	}
	return false;
}

static void give_set(struct limits *l, uint64_t key)
{
	atomic_store_explicit(&l->taken[key & (SETS - 1)], 0, memory_order_release);
}

struct limits *limits_new(uint64_t seed)
{
	struct limits *l = mem_take(sizeof(*l));
	if (l)
		l->seed = steer_key(seed);
	return l;
}

void limits_free(struct limits *l)
{
	mem_give(l, sizeof(*l));
}

void limits_clear(struct limits *l)
{
	memset(l->bucket, 0, sizeof(l->bucket));
}

static uint64_t hash(uint64_t h, const uint8_t *p, uint32_t len, uint64_t k)
{
	for (; len >= 8; p += 8, len -= 8)
		h = steer_mix(h ^ steer_load64(p), k);
	uint64_t last = 0;
	if (len) // p may be NULL
		memcpy(&last, p, len);
	return steer_mix(h ^ last, k) + len;
}

uint64_t limits_key(const struct limits *l, const uint8_t *id, uint32_t id_len, const uint8_t *value, uint32_t len)
{
	uint64_t h = hash(l->seed.k[0], id, id_len, l->seed.k[1]);
	h = hash(h ^ l->seed.k[2], value, len, l->seed.k[3]);
	return h ? h : 1;
}

static uint64_t capacity(const struct limit_rate *r)
{
	uint64_t units = r->bits ? r->burst * 8 : r->burst;
	return units > UINT64_MAX / NS ? UINT64_MAX : units * NS;
}

static struct bucket *bucket_of(struct limits *l, uint64_t key, uint64_t full, uint64_t now_ns)
{
	struct bucket *set = l->bucket[key & (SETS - 1)], *old = set;
	for (unsigned i = 0; i < WAYS; i++) {
		if (set[i].key == key)
			return &set[i];
		if (set[i].full_ns < old->full_ns)
			old = &set[i];
	}
	*old = (struct bucket){.key = key, .left = full, .at_ns = now_ns};
	return old;
}

static bool ask(struct limits *l, uint64_t key, const struct limit_rate *r, uint64_t now_ns, uint32_t bytes,
		uint32_t packets)
{
	uint64_t full = capacity(r), rate = r->bits ? r->bits : r->packets, come;
	struct bucket *b = bucket_of(l, key, full, now_ns);
	uint64_t cost = (r->bits ? bytes * 8ull : packets) * NS;
	now_ns = RTE_MAX(now_ns, b->at_ns);
	if (__builtin_mul_overflow(rate, now_ns - b->at_ns, &come) || come > full - b->left)
		come = full - b->left;
	b->left += come;
	b->at_ns = now_ns;
	bool enough = b->left >= cost;
	if (enough)
		b->left -= cost;
	b->full_ns = now_ns + (full - b->left) / RTE_MAX(rate, 1u);
	return enough;
}

bool limits_take(struct limits *l, uint64_t key, const struct limit_rate *r, uint64_t now_ns, uint32_t bytes,
		 uint32_t packets)
{
	if (unlikely(!take_set(l, key)))
		return true;
	bool enough = ask(l, key, r, now_ns, bytes, packets);
	give_set(l, key);
	return enough;
}
