// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "policy/policy.h"

struct ruleset;
struct scan_store;

struct compile_options {
	const char *cache; // folder where Hyperscan databases are kept; NULL: nowhere
	uint64_t seed;     // of the hashes of names, addresses and strings; of each load its own
	uint64_t slow_ns;  // a compile that took longer is worth a word where it cannot be kept
	void (*warn)(const char *text);
	struct scan_store *store;     // databases of earlier rule sets; NULL: each makes its own
	const struct ruleset *before; // whose sets are taken where the policy has the same ones (policy.h); NULL: none
};

// A rule set of a policy; keeps nothing of the policy. NULL: a pattern that Hyperscan refuses, a zone that does not
// exist, or no memory; `error` says which.
struct ruleset *compile_ruleset(const struct policy *p, const struct compile_options *o, char *error, size_t size);
void compile_free(struct ruleset *rs);
