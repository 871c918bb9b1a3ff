// SPDX-License-Identifier: BSD-3-Clause
//
// Token buckets (RFC 2697's, with one colour): what a rule lets pass in a second, and how much of it at once. In
// integers, by the clock of the packets, so that the same frames pass each time. A bucket that nobody asked of for so
// long that it is full again is as good as none: such ones give way first.
//
// Shared by the workers: in replay they ask in the order of the walk (worker's `turn`), so that what passes does not
// depend on their number. Nobody asks at the same time as another.
// Left for live ports: slices of a bucket that workers borrow (corridor.md 7).
#include "limit.h"

#include <string.h>

#include <rte_common.h>

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
};

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

bool limits_take(struct limits *l, uint64_t key, const struct limit_rate *r, uint64_t now_ns, uint32_t bytes,
		 uint32_t packets)
{
	uint64_t full = capacity(r), rate = r->bits ? r->bits : r->packets, come;
	struct bucket *b = bucket_of(l, key, full, now_ns);
	uint64_t cost = (r->bits ? bytes * 8ull : packets) * NS;
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
