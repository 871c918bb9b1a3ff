// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "rules.h"

// The sets of this kind that have the value, each once, strings in any case; `sets` has room for all there are.
uint32_t policy_set_hits(const struct ruleset *rs, enum set_kind kind, const struct fact_value *v, uint32_t *sets);
bool policy_set_has(const struct ruleset *rs, uint32_t set, const struct fact_value *v, bool nocase);
// Is this one of the members that the set was compiled with, as it is written there? bits: of a network; of a name 1:
// that name alone. And the key that a member is found by.
uint64_t policy_set_key(const struct ruleset *rs, uint32_t set, const uint8_t *p, uint32_t len, uint8_t bits);
bool policy_set_compiled(const struct ruleset *rs, uint32_t set, const uint8_t *p, uint32_t len, uint8_t bits);

// The same for names of which several are at hand, in three steps, each for all of them before the next: so that the
// memory of one comes while another's is asked for.
#define POLICY_SET_ENDINGS 8
struct policy_set_probe {
	uint64_t key[POLICY_SET_ENDINGS];
	uint32_t from[POLICY_SET_ENDINGS];
	uint32_t n, dots;
	bool whole, more;
};
void policy_set_ask(const struct ruleset *rs, const struct fact_value *v, struct policy_set_probe *x);
void policy_set_ask_text(const struct ruleset *rs, const struct policy_set_probe *x);
bool policy_set_asked(const struct ruleset *rs, uint32_t set, const struct fact_value *v,
		      const struct policy_set_probe *x);
