// SPDX-License-Identifier: BSD-3-Clause
//
// The hash that the compiler puts keys in by and workers look them up by: keyed by the rule set's seed, so that nobody
// outside can aim at one slot. What is found is compared or asked again, so a collision costs time and never an answer.
#pragma once

#include <string.h>

#include "rules.h"

static inline uint64_t rules_mix(uint64_t h, uint64_t v)
{
	__uint128_t p = (__uint128_t)(h ^ 0x9e3779b97f4a7c15) * (v ^ 0xd6e8feb86659fd93);
	return (uint64_t)p ^ (uint64_t)(p >> 64);
}

static inline uint64_t rules_word(const uint8_t *p, uint32_t n)
{
	uint64_t v = 0;
	memcpy(&v, p, n);
	return v;
}

// of bytes; up to 16 are two loads that may overlap
static inline uint64_t rules_hash(uint64_t seed, const uint8_t *p, uint32_t len)
{
	uint64_t h = seed ^ len, a, b;
	while (len > 16) {
		memcpy(&a, p, 8);
		h = rules_mix(h, a);
		p += 8;
		len -= 8;
	}
	if (len >= 8) {
		memcpy(&a, p, 8);
		memcpy(&b, p + len - 8, 8);
	} else if (len >= 4) {
		a = rules_word(p, 4);
		b = rules_word(p + len - 4, 4);
	} else {
		a = len ? (uint64_t)p[0] << 16 | (uint64_t)p[len / 2] << 8 | p[len - 1] : 0;
		b = 0;
	}
	return rules_mix(rules_mix(h, a), b);
}

// The key of a value with hash h in a space, for a field.
static inline uint64_t rules_key(uint64_t h, enum key_space space, unsigned field)
{
	return rules_mix(h, (uint64_t)space << 8 | field);
}

// of a string in lower case
static inline uint64_t rules_hash_lower(uint64_t seed, const uint8_t *p, uint32_t len)
{
	uint8_t low[64];
	uint64_t h = seed;
	for (uint32_t at = 0; at < len || at == 0; at += sizeof(low)) {
		uint32_t n = len - at < sizeof(low) ? len - at : sizeof(low);
		for (uint32_t i = 0; i < n; i++)
			low[i] = (uint8_t)(p[at + i] - 'A') < 26 ? p[at + i] | 0x20 : p[at + i];
		h = rules_hash(h, low, n);
	}
	return h;
}

// of the aligned block of 2^n numbers that has this one
static inline uint64_t rules_hash_block(uint64_t seed, uint64_t num, uint32_t n)
{
	return rules_mix(seed + n, num >> n);
}

// of the first bits of an address of 4 or 16 bytes
static inline uint64_t rules_hash_net(uint64_t seed, const uint8_t *p, uint32_t len, uint32_t bits)
{
	uint64_t w[2] = {0, 0};
	for (uint32_t i = 0; i < len; i++)
		w[i / 8] |= (uint64_t)p[i] << (56 - i % 8 * 8);
	w[0] &= bits == 0 ? 0 : bits >= 64 ? ~0ull : ~(~0ull >> bits);
	w[1] &= bits <= 64 ? 0 : bits >= 128 ? ~0ull : ~(~0ull >> (bits - 64));
	return rules_mix(rules_mix(seed ^ (len << 8 | bits), w[0]), w[1]);
}

#define RULES_SUFFIXES 10
static const uint8_t rules_suffix[RULES_SUFFIXES] = {1, 2, 4, 6, 8, 10, 12, 16, 24, 32};

// Where a run of equal keys begins, and goes on. RULES_NONE: no more.
static inline uint32_t rules_find(const struct slots *t, uint64_t key, uint32_t *i)
{
	if (!t->slot)
		return RULES_NONE;
	for (;; *i = (*i + 1) & t->mask) {
		const struct slot *s = &t->slot[*i & t->mask];
		if (s->at == RULES_NONE)
			return RULES_NONE;
		if (s->tag == key >> 32) {
			*i = (*i + 1) & t->mask;
			return s->at;
		}
	}
}
