// SPDX-License-Identifier: BSD-3-Clause
//
// Looks at the bytes of names and heads sixteen or more at a time. Pure functions over p[0..len); no byte outside is
// read. Positions come as bits: bit i stands for byte i.
#pragma once

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <rte_branch_prediction.h>

// The first 16 bytes, or those that there are and zeros behind.
static inline __m128i bytes_load(const uint8_t *p, uint32_t len)
{
	uint64_t low = 0, high = 0;
	uint32_t half[2];
	if (likely(len >= 16))
		return _mm_loadu_si128((const __m128i *)p);
	if (len > 8) {
		memcpy(&low, p, 8);
		memcpy(&high, p + len - 8, 8);
		high >>= 8 * (16 - len);
	} else if (len >= 4) {
		memcpy(&half[0], p, 4);
		memcpy(&half[1], p + len - 4, 4);
		low = half[0] | (uint64_t)half[1] << 8 * (len - 4);
	} else if (len) {
		low = p[0] | (uint64_t)p[len / 2] << 8 * (len / 2) | (uint64_t)p[len - 1] << 8 * (len - 1);
	}
	return _mm_set_epi64x((long long)high, (long long)low);
}

// Bits of those that there are.
static inline uint32_t bytes_there(uint32_t len)
{
	return len < 16 ? (1u << len) - 1 : 0xffff;
}
static inline uint32_t bytes_bits(__m128i v)
{
	return (uint32_t)_mm_movemask_epi8(v);
}
static inline uint32_t bytes_equal(__m128i v, char c)
{
	return bytes_bits(_mm_cmpeq_epi8(v, _mm_set1_epi8(c)));
}

// A to Z made a to z.
static inline __m128i bytes_lower(__m128i v)
{
	__m128i upper =
		_mm_and_si128(_mm_cmpgt_epi8(v, _mm_set1_epi8('A' - 1)), _mm_cmplt_epi8(v, _mm_set1_epi8('Z' + 1)));
	return _mm_or_si128(v, _mm_and_si128(upper, _mm_set1_epi8(0x20)));
}

static inline bool bytes_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

// Bytes up to and with the first LF; 0: there is none. Most lines end within 64 bytes, where a call costs more than the
// bytes.
static inline uint32_t bytes_line(const uint8_t *p, uint32_t len)
{
	uint32_t at = 0;
	for (; at < 64 && at < len; at += 16) {
		uint32_t lf = bytes_equal(bytes_load(p + at, len - at), '\n');
		if (lf)
			return at + (uint32_t)__builtin_ctz(lf) + 1;
	}
	const uint8_t *lf = at < len ? memchr(p + at, '\n', len - at) : NULL;
	return lf ? (uint32_t)(lf - p) + 1 : 0;
}

// How many bytes at the beginning may stand in a token (RFC 9110 5.6.2). A byte is looked up by its halves: the table
// has for each lower half a bit for each upper half, those below 0x80.
static inline uint32_t bytes_token(const uint8_t *p, uint32_t len)
{
#define IN_TOKEN(c)                                                                                                    \
	(((c) >= '0' && (c) <= '9') || ((c) >= 'A' && (c) <= 'Z') || ((c) >= 'a' && (c) <= 'z') || (c) == '!' ||       \
	 ((c) >= '#' && (c) <= '\'') || (c) == '*' || (c) == '+' || (c) == '-' || (c) == '.' || (c) == '^' ||          \
	 (c) == '_' || (c) == '`' || (c) == '|' || (c) == '~')
#define UPPER_HALVES(low)                                                                                              \
	(char)(IN_TOKEN(low) | IN_TOKEN(0x10 | (low)) << 1 | IN_TOKEN(0x20 | (low)) << 2 |                             \
	       IN_TOKEN(0x30 | (low)) << 3 | IN_TOKEN(0x40 | (low)) << 4 | IN_TOKEN(0x50 | (low)) << 5 |               \
	       IN_TOKEN(0x60 | (low)) << 6 | IN_TOKEN(0x70 | (low)) << 7)
	const __m128i halves = _mm_setr_epi8(UPPER_HALVES(0), UPPER_HALVES(1), UPPER_HALVES(2), UPPER_HALVES(3),
					     UPPER_HALVES(4), UPPER_HALVES(5), UPPER_HALVES(6), UPPER_HALVES(7),
					     UPPER_HALVES(8), UPPER_HALVES(9), UPPER_HALVES(10), UPPER_HALVES(11),
					     UPPER_HALVES(12), UPPER_HALVES(13), UPPER_HALVES(14), UPPER_HALVES(15));
#undef UPPER_HALVES
#undef IN_TOKEN
	const __m128i bit = _mm_setr_epi8(1, 2, 4, 8, 16, 32, 64, (char)128, 0, 0, 0, 0, 0, 0, 0, 0);
	for (uint32_t at = 0; at < len; at += 16) {
		__m128i v = bytes_load(p + at, len - at);
		__m128i upper = _mm_and_si128(_mm_srli_epi16(v, 4), _mm_set1_epi8(15));
		__m128i in = _mm_and_si128(_mm_shuffle_epi8(halves, v), _mm_shuffle_epi8(bit, upper));
		uint32_t out = bytes_equal(in, 0); // the zeros behind the last byte are in no token
		if (out)
			return at + (uint32_t)__builtin_ctz(out);
	}
	return len;
}
