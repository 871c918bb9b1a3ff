// SPDX-License-Identifier: BSD-3-Clause
//
// What is given of a transaction in words: a case of users' own tests, or the arguments of `explain`.
#pragma once

#include "policy/reading.h"
#include "ruleset.h"

struct given {
	struct reading r; // reads the values, and hears what is wrong with them
	struct facts facts;
	uint64_t fields; // bits of enum field: given, not made of what was given
	struct fact_value values[FIELD_COUNT][FACTS_MAX];
};

// Nothing is given yet: what can be absent is, or (absent false) nothing is known. r stays.
void given_begin(struct given *g, bool absent);
// A member of an object: its key is a field, its value one value, a list of them, or null (absent). False: said.
bool given_member(struct given *g, uint32_t node);
// A list of fields that are not known.
bool given_unknown(struct given *g, uint32_t node);

// An argument: NAME is a field or `url` of a request, VALUE as a user writes it. False: said, at "--NAME".
bool given_argument(struct given *g, const char *name, const char *value);
// What follows from what was given: the version of IP, the application, and what other applications do not have.
// absent: all that can be and was not given is.
void given_complete(struct given *g, bool absent);
