// SPDX-License-Identifier: BSD-3-Clause
//
// What a pcapng file says beside a frame: key=value, parted by blanks, for people and for whoever searches. Values come
// from policies: none of them can end its quotes, or begin another line. What finds no room is cut.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define COMMENT_MAX (10 * 1024) // two ids of 128 bytes and two reasons of 1024 (policy/rule.c), each byte as \xNN

struct comment {
	size_t len; // 0: it begins, and there is no text yet
	char text[COMMENT_MAX];
};

// A name: in quotes where it has more than letters, digits and ._:/-
void comment_name(struct comment *c, const char *key, const char *value);
// For people to read: always in quotes.
void comment_text(struct comment *c, const char *key, const char *value);
void comment_number(struct comment *c, const char *key, uint64_t value);
