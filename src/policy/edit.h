// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "policy/policy.h"

struct ruleset;

struct edit_counts { // items of a set
	uint64_t loaded, added, removed;
};

struct edit {
	bool changed; // false: it was so already
	struct edit_counts now;
	char why[400]; // what is wrong, with its remedy; else what looks wrong, ""
};

// Adds an item to a set of a policy in force, or takes it out (see edit.c). Off the path, one thread at a time; rs has
// a delta. 0; -EINVAL: no such set, no such item; -ENOENT: it is not in the set; -ENOSPC: load the policy again;
// -ENOMEM.
int edit_set(const struct policy *p, struct ruleset *rs, const char *set, const char *item, bool add, struct edit *e);
struct edit_counts edit_counts(const struct policy *p, const struct ruleset *rs, uint32_t set);
// An item that was loaded with the set: was it taken out?
bool edit_removed(const struct policy *p, const struct ruleset *rs, const struct set *set, const struct set_item *i);
