// SPDX-License-Identifier: BSD-3-Clause
//
// What redact.c (which fields, what stands in their place) and redact_seek.c (where their values are) share.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <openssl/types.h>

#include "record.h"
#include "ship/redact.h"
#include "verdict.h"

#define HEADER "http.header."
#define HEADER_MAX 64
#define SECRETS_MAX 240  // of one record; more: every text they are sought in goes whole
#define SECRETS_NAMES 64 // of them kept for names, which else a header of many words would crowd out
#define SECRET_MIN 4     // shorter ones would be found everywhere
#define TOKEN_MIN 8      // of a query or a header: its words are sought, too
#define REDACT_HEADS 1024
#define MARK "redacted"
#define MARK_MAX (sizeof(MARK) + 16) // "redacted:" and 16 digits
#define GROWTH 64                    // more than this longer: the value goes whole
#define ROOM (RECORD_MAX + RECORD_MAX / FACT_SIZE(0) * (GROWTH + 8) + REDACT_MAX * FACT_SIZE(HEADER_MAX + 16))

// Of a fact: all of it, or parts of what is a target or a URL.
enum part { WHOLE = 1, QUERY = 2, NAME = 4, USER = 8, OWNER = 16 };

// What is taken out of a fact, by one of the words.
struct rule {
	uint16_t field;
	uint8_t part, word;
	uint32_t kinds;
};

struct span {
	uint32_t at, len;
	uint8_t word;
	bool name; // sought in every text
};

#define SPANS_MAX 8

struct spans {
	struct span s[SPANS_MAX];
	unsigned n;
	uint32_t from; // what stands before is no value: a header's name, and the colon behind it
};

struct secret {
	const uint8_t *p;
	uint32_t len;
	uint8_t word, next; // next: + 1, of those that begin alike
	bool cut;           // the record has its beginning only
};

struct redact {
	EVP_MAC_CTX *mac; // NULL: drop
	unsigned nwords, nrules, nheaders;
	char word[REDACT_MAX][sizeof(HEADER) + HEADER_MAX];
	struct rule rule[REDACT_MAX * 10];
	struct {
		char name[HEADER_MAX];
		uint32_t len;
		uint8_t word;
	} header[REDACT_MAX * 2];
	uint8_t anomaly[ANOMALY_COUNT]; // word + 1 that its text is redacted by
	// of the record in work
	uint64_t touched; // words
	struct secret secret[SECRETS_MAX];
	uint8_t heads[2][REDACT_HEADS]; // + 1, by the four bytes they begin with; [1] names
	unsigned nsecrets;
	uint8_t flood[2];     // word + 1: there were more, of [1] names
	uint32_t work, bound; // of the search in one text, in steps
	uint64_t out[ROOM / 8];
};

static inline char redact_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

// Where in the fact stands what has to go by its place.
void redact_spans(const struct redact *x, const struct record *r, const struct fact *f, struct spans *to);
bool redact_is_text(uint16_t field);
// Texts in which a query or a header may stand once more.
bool redact_is_loose(uint16_t field);

// Begins a record; what stands there is sought from then on.
void redact_forget(struct redact *x);
void redact_remember(struct redact *x, const struct fact *f, const struct span *s);
// Bytes are about to be looked through. False of redact_bounded: that took too long, and something may have been
// missed.
void redact_look(struct redact *x, uint32_t len);
static inline bool redact_bounded(const struct redact *x)
{
	return x->work <= x->bound;
}
// How many bytes from `at` on begin nothing that is sought.
uint32_t redact_passes(const struct redact *x, const struct fact *f, uint32_t at, uint32_t end);
// What is sought and begins at p, of left bytes; len 0: nothing does. cut: the text goes on where it is not known.
struct span redact_met(struct redact *x, bool loose, const uint8_t *p, uint32_t left, bool cut);
// Is a name that is sought in the data of a record of DNS, or in its owner's name? Also if that cannot be told.
bool redact_names_in(struct redact *x, const uint8_t *p, uint32_t len, bool owner);
