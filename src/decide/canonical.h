// SPDX-License-Identifier: BSD-3-Clause
//
// JSON in the one form that a hash can be taken of (RFC 8785). See canonical.c.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <jansson.h>

#define CANONICAL_DEPTH 64

// A text of at most `most` bytes: numbers as doubles, no key twice, not nested deeper than CANONICAL_DEPTH. NULL: `why`
// says what is wrong with it.
json_t *canonical_read(const char *text, size_t len, size_t most, char *why, size_t size);
// As canonical_read gave it, or made of integers, doubles, strings and so on.
void canonical_write(const json_t *v, FILE *out);
void canonical_string(const char *p, size_t len, FILE *out);
#define CANONICAL_NUMBER 64
// A finite number, as ECMAScript writes it.
void canonical_number(double d, char out[CANONICAL_NUMBER]);
// Keys in their order: by UTF-16 code units (RFC 8785 section 3.2.3). As memcmp.
int canonical_order(const char *a, size_t alen, const char *b, size_t blen);
