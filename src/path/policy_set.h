// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "rules.h"

// The sets of this kind that have the value, each once, strings in any case; `sets` has room for all there are.
uint32_t policy_set_hits(const struct ruleset *rs, enum set_kind kind, const struct fact_value *v, uint32_t *sets);
bool policy_set_has(const struct ruleset *rs, uint32_t set, const struct fact_value *v, bool nocase);
// Asks memory ahead for a name that will be looked up.
void policy_set_ask(const struct ruleset *rs, const struct fact_value *v);
