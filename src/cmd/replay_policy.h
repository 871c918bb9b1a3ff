// SPDX-License-Identifier: BSD-3-Clause
//
// The policies of a replay: text into rule sets, and what each worker judges with.
#pragma once

#include "policy/policy.h"
#include "policy_names.h"
#include "replay_crew.h"

struct replay_policy {
	struct policy *policy;
	struct ruleset *rules;
	struct rule_name *rule;
	struct policy_names names;
	struct judge_policy *of[CREW_MAX + 1]; // by worker, front first
};

// Loads and compiles; complaints go to standard error. 0; -EINVAL: the policy has errors, which have been said;
// -ENOENT: it cannot be read.
int replay_policy_load(struct replay_policy *p, const char *file, uint16_t version, uint64_t seed);
// Every worker judges by it from here on. All are at rest. 0 or -ENOMEM.
int replay_policy_use(struct replay_policy *p, struct crew *c);
void replay_policy_free(struct replay_policy *p);

// Where compiled databases are kept: SLUICE_CACHE, else sluice in XDG_CACHE_HOME or ~/.cache; "": nowhere.
const char *replay_policy_cache(char *room, size_t size);
