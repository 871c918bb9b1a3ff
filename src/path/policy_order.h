// SPDX-License-Identifier: BSD-3-Clause
//
// A set of numbers below a bound that gives its least: a bit a number, and above each 64 words a word that says which
// are not 0. To put costs four writes to lines that stay in the cache, to take the least four counts of trailing
// zeroes; what comes twice is there once; empty again when all is taken.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ORDER_LEVELS 4
#define ORDER_MAX ((1u << 24) - 64) // so that the last level is one word

struct order {
	uint64_t *level[ORDER_LEVELS]; // the last is one word
};

static inline size_t order_words(uint32_t n)
{
	size_t words = 0;
	for (unsigned i = 0; i < ORDER_LEVELS; i++) {
		n = n / 64 + 1;
		words += n;
	}
	return words;
}

// words: order_words(n), zeroed. n: at most ORDER_MAX
static inline void order_init(struct order *o, uint64_t *words, uint32_t n)
{
	for (unsigned i = 0; i < ORDER_LEVELS; i++) {
		n = n / 64 + 1;
		o->level[i] = words;
		words += n;
	}
}

static inline void order_put(struct order *o, uint32_t n)
{
	for (unsigned i = 0; i < ORDER_LEVELS; i++) {
		uint64_t *word = &o->level[i][n / 64], before = *word;
		*word |= 1ull << n % 64;
		if (before)
			return;
		n /= 64;
	}
}

static inline bool order_take(struct order *o, uint32_t *least)
{
	uint32_t n = 0;
	if (!*o->level[ORDER_LEVELS - 1])
		return false;
	for (unsigned i = ORDER_LEVELS; i-- > 0;)
		n = n * 64 + __builtin_ctzll(o->level[i][n]);
	*least = n;
	for (unsigned i = 0; i < ORDER_LEVELS; i++) {
		uint64_t *word = &o->level[i][n / 64];
		*word &= ~(1ull << n % 64);
		if (*word)
			break;
		n /= 64;
	}
	return true;
}
