// SPDX-License-Identifier: BSD-3-Clause
//
// What a start has to know of its policies before it compiles them: memory that workers need, and what rules are
// called. For whoever puts policies into force: replay, bench, run. Off the path.
#pragma once

#include "policy/policy.h"
#include "policy_names.h"

// Folder of compiled databases: SLUICE_CACHE, else sluice in XDG_CACHE_HOME or ~/.cache; "": nowhere. In room, or not.
const char *wants_cache(char *room, size_t size);
// Says what compile_options.warn says, on standard error, the same text once: one folder holds several databases.
void wants_warn(const char *text);

struct wants {
	uint64_t fields; // bits of enum field that rules ask for
	bool acts;       // rules that limit or mirror
	bool before;     // some mirror frames from before
};
// Adds what a policy wants to what others do.
void wants_add(struct wants *w, const struct policy *p);

// What rules are called, in memory of its own: lives on when the policy is freed. Aborts without memory.
void wants_names(struct policy_names *n, const struct policy *p, const char *file, uint16_t version);
void wants_names_free(struct policy_names *n);
