// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Judges `cases` random cases by the naive interpreter and the compiled rule set, up to max_rules rules a policy and
// `facts` facts to each. Prints the first difference; returns how many cases were judged until then.
struct differ_counts {
	uint64_t cases, policies, open, early, decided, fired, differences;
	uint64_t pieces;         // policies whose patterns are in two databases
	uint64_t warned, hidden; // rules that check calls hidden; cases where one was not
};
struct differ_counts differ(uint64_t cases, uint64_t seed, uint32_t max_rules, uint32_t facts);
