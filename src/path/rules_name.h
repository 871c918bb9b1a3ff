// SPDX-License-Identifier: BSD-3-Clause
//
// The names of all sets of domains, in about 16 bytes a name, the name itself among them: a name of letters, digits,
// "-", "." and "_" is written three to a 16-bit word, in base 40, 0 ends it.
//
//   bucket, one cache line   tag 0 ... tag 11 | at 0 ... at 11 | -        tag 0: free; 12 names at 0.92 load
//   text at `at`             E P TTTT SS | set | words or (length, bytes)
//                            E: this name alone; P: packed; T: ends with the top T - 1 of the list of usual ones, which
//                            is not written, 0: with another; S: the set is 0 or 1, 2: in one more byte, 3: in four
#pragma once

#include <string.h>

#include "rules.h"

#define NAMES_A_BUCKET 12
#define NAME_EXACT 0x80
#define NAME_PACKED 0x40
#define NAME_TOP(flags) ((flags) >> 2 & 15)
#define NAME_SET(flags) ((flags)&3)

// Of a byte of a name: its number from 1 to 39, 0: it cannot be packed.
static const uint8_t rules_name_symbol[256] = {
	['a'] = 1,  ['b'] = 2,  ['c'] = 3,  ['d'] = 4,  ['e'] = 5,  ['f'] = 6,  ['g'] = 7,  ['h'] = 8,
	['i'] = 9,  ['j'] = 10, ['k'] = 11, ['l'] = 12, ['m'] = 13, ['n'] = 14, ['o'] = 15, ['p'] = 16,
	['q'] = 17, ['r'] = 18, ['s'] = 19, ['t'] = 20, ['u'] = 21, ['v'] = 22, ['w'] = 23, ['x'] = 24,
	['y'] = 25, ['z'] = 26, ['0'] = 27, ['1'] = 28, ['2'] = 29, ['3'] = 30, ['4'] = 31, ['5'] = 32,
	['6'] = 33, ['7'] = 34, ['8'] = 35, ['9'] = 36, ['-'] = 37, ['.'] = 38, ['_'] = 39};

#define NAME_NO_WORD UINT16_MAX // 40^3 is 64,000

// The three symbols from i on, as a word; behind the name's end 0. NAME_NO_WORD: a byte that no packed name has.
static inline uint16_t rules_name_word(const uint8_t *p, uint32_t len, uint32_t i)
{
	unsigned a = 0, b = 0, c = 0;
	if (len >= i + 3) {
		a = rules_name_symbol[p[i]], b = rules_name_symbol[p[i + 1]], c = rules_name_symbol[p[i + 2]];
		return a && b && c ? (a * 40 + b) * 40 + c : NAME_NO_WORD;
	}
	if (len > i && !(a = rules_name_symbol[p[i]]))
		return NAME_NO_WORD;
	if (len > i + 1 && !(b = rules_name_symbol[p[i + 1]]))
		return NAME_NO_WORD;
	return (a * 40 + b) * 40;
}

static inline uint64_t rules_name_bucket(const struct names *t, uint64_t key)
{
	return (key >> 32) * t->nbuckets >> 32;
}

static inline uint8_t rules_name_tag(uint64_t key)
{
	uint8_t tag = (uint8_t)key;
	return tag ? tag : 1;
}
