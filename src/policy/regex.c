// SPDX-License-Identifier: BSD-3-Clause
//
// What is said of a regex without compiling it: how it is compiled, and whether it is needed at all. Whether it is one
// is for Hyperscan to say (regex_judge.c).
#include "regex.h"

#include <hs/hs.h>
#include <string.h>

unsigned regex_flags(bool nocase)
{
	return nocase ? HS_FLAG_CASELESS : 0;
}

#define META "\\^$.[]|()?*+{}"

// A byte of a literal at p, escaped or not; *n of its bytes. -1: something else.
static int literal_byte(const uint8_t *p, const uint8_t *end, unsigned *n)
{
	*n = 1;
	if (*p != '\\')
		return strchr(META, *p) ? -1 : *p;
	*n = 2;
	bool sign = end - p > 1 && p[1] < 0x80 && !(p[1] >= '0' && p[1] <= '9') &&
		    !((p[1] | 0x20) >= 'a' && (p[1] | 0x20) <= 'z');
	return sign ? p[1] : -1;
}

enum regex_kind regex_literal(const uint8_t *p, uint32_t len, uint8_t *out, uint32_t *out_len)
{
	const uint8_t *end = p + len;
	uint32_t n = 0;
	bool first = len && *p == '^', last = false;
	for (p += first; p < end;) {
		unsigned k;
		int c = literal_byte(p, end, &k);
		if (c < 0) {
			last = *p == '$' && p + 1 == end;
			break;
		}
		out[n++] = (uint8_t)c;
		p += k;
	}
	*out_len = n;
	if (n == 0 || (p < end && !last))
		return REGEX_NEEDED;
	return first && last ? REGEX_WHOLE : first ? REGEX_PREFIX : last ? REGEX_SUFFIX : REGEX_CONTAINS;
}
