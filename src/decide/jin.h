// SPDX-License-Identifier: BSD-3-Clause
//
// A reader of JSON (RFC 8259) that walks over bytes and builds nothing: the caller asks for what it expects. See
// jin.c.
#pragma once

#include "path/app/http_span.h"

#define JIN_DEPTH 16

struct jin {
	const uint8_t *at, *end;
	uint8_t *out, *out_end; // where strings are written as they are meant
	const char *why;        // the first thing that is wrong; NULL: nothing yet
	unsigned depth;
};

// The next byte that is no white space, which stays; 0: the end, or something is wrong.
uint8_t jin_next(struct jin *j);
// What is wrong, once. False.
bool jin_wrong(struct jin *j, const char *why);
// '{' or '[', and each element: jin_open, then while jin_more: for objects jin_string (the key) and jin_colon first.
bool jin_open(struct jin *j, char bracket);
bool jin_more(struct jin *j, char closing, bool first);
bool jin_colon(struct jin *j);
// A string, whose bytes are valid UTF-8; escapes are undone. At least 16 bytes behind it can be read.
bool jin_string(struct jin *j, struct http_span *s);
// A whole number, not negative, below 2^53.
bool jin_number(struct jin *j, uint64_t *n);
// null, if it is that.
bool jin_null(struct jin *j);
// Any value.
bool jin_skip(struct jin *j);
// Nothing but white space follows.
bool jin_end(struct jin *j);
