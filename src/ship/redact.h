// SPDX-License-Identifier: BSD-3-Clause
//
// What a sink must not get to see: values taken out of a record before a face sees it, so that all faces agree.
//
// Without a key a value goes (of a part, "redacted" stays in its place); with a key "redacted:" and 16 hex digits of
// HMAC-SHA256(key, value) stand for it: the same value is the same text in every field, record and sink of that key,
// and can be counted and joined. The record says which fields were touched (FACT_REDACTED, one each).
#pragma once

#include <stddef.h>
#include <stdint.h>

struct record;
struct redact;

#define REDACT_MAX 32     // fields of one sink
#define REDACT_KEY_MIN 16 // bytes

// Words of `redact`, and "http.header." before any header's name. Returns how many.
unsigned redact_words(const char *const **words);
// 0; -EINVAL: that is no such field, and *near is what may have been meant, or NULL.
int redact_word(const char *word, const char **near);
// key NULL: drop. NULL: no memory, or a word that redact_word refuses, or more than REDACT_MAX.
struct redact *redact_new(const char *const *words, unsigned n, const void *key, size_t key_len);
void redact_free(struct redact *x);
// The record without these values: r itself where it has none of them, else one that is good until the next call.
// One thread at a time.
const struct record *redact_record(struct redact *x, const struct record *r);
