// SPDX-License-Identifier: BSD-3-Clause
//
// A policy while it is read: the text, where it goes, and who hears what is wrong with it.
#pragma once

#include "policy/doc.h"
#include "policy/lookup.h"
#include "policy/regex_judge.h"

struct reading {
	struct doc doc;
	struct arena *arena;
	struct complaints *complaints;
	struct policy *policy;
	const char *folder; // set files are relative to it
	struct lookup sets, ids, sids;
	struct regex_judge judge;
	void *hash;                   // EVP_MD_CTX: over the text and all set files
	const struct policy_ear *ear; // NULL: nobody
};

// Says what is wrong with the value of a node. Always false.
bool reading_wrong(struct reading *r, uint32_t node, const char *format, ...) __attribute__((format(printf, 3, 4)));
void reading_warn(struct reading *r, const struct place *at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
// A key that is none of this object's: `unknown <what> "prot" (did you mean "proto"?)`.
bool reading_unknown(struct reading *r, uint32_t key, const char *what, const char *near);
// An object's members by its keys, 0 where there is none. False, and said, where it has others.
bool reading_keys(struct reading *r, uint32_t node, const char *const *keys, unsigned n, const char *what,
		  uint32_t *of);
// False, and said, where the node is of another kind: `<a string> is expected, not a list`.
bool reading_expect(struct reading *r, uint32_t node, enum doc_type type, const char *what);
// A string as the policy keeps it: terminated, from 1 to `longest` bytes, no control characters. NULL: said.
const char *reading_text(struct reading *r, uint32_t node, uint32_t longest);
// A whole number between low and high.
bool reading_number(struct reading *r, uint32_t node, uint64_t low, uint64_t high, uint64_t *out);
bool reading_bool(struct reading *r, uint32_t node, bool *out);
// The word that was meant, as long as complaints are shown: millions of unknown keys are not compared with all of them.
const char *reading_near(const struct reading *r, const char *const *words, unsigned n, const char *p, size_t len);
// Which of the words; n: none, and said: `unknown <what> "denny" (did you mean "deny"?)`.
unsigned reading_word(struct reading *r, uint32_t node, const char *const *words, unsigned n, const char *what);
