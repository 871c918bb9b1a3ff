// SPDX-License-Identifier: BSD-3-Clause
//
// A piece of a message, where it lies; and what lines and values are cut by.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct http_span {
	const uint8_t *p;
	uint32_t len;
};

static inline bool http_span_is(struct http_span s, const char *word)
{
	return s.len == strlen(word) && memcmp(s.p, word, s.len) == 0;
}

static inline bool http_span_white(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

// Without white space at both ends.
static inline struct http_span http_span_trim(struct http_span s)
{
	while (s.len && http_span_white(s.p[0]))
		s.p++, s.len--;
	while (s.len && http_span_white(s.p[s.len - 1]))
		s.len--;
	return s;
}

// A line with its end -> without.
static inline struct http_span http_span_chomp(const uint8_t *p, uint32_t n)
{
	if (n && p[n - 1] == '\n')
		n--;
	if (n && p[n - 1] == '\r')
		n--;
	return (struct http_span){p, n};
}
