// SPDX-License-Identifier: BSD-3-Clause
//
// The policies of a replay: text into rule sets, what each worker judges with, and which is in force when.
#pragma once

#include "policy/guard.h"
#include "policy/wants.h"
#include "replay_crew.h"

#define REPLAY_SINKS 256

// --policy-at
struct policy_at {
	uint64_t ns; // of the epoch, or (relative) since the capture's first frame
	bool relative;
	const char *file;
};

// T=FILE: seconds since the capture's first frame, or a time of RFC 3339. False: it is none.
bool replay_policy_at(const char *v, struct policy_at *out);

// What rules are called, and how often each decided; equal policies share one, so that swaps back and forth need no
// more memory. Lives until the replay is over: records name rules of policies long gone.
struct replay_names {
	struct policy_names names; // without a version
	uint64_t *hits;
	struct replay_names *next;
};

struct replay_policy {
	const char *file;
	struct policy *policy;
	struct ruleset *rules;
	struct published published;
	unsigned nof; // of published.of
	struct replay_names *of;
	struct policy_names names;
};

struct replay_policies {
	struct replay_policy *list;        // by version, from 1; [0] is --policy, without a file where there is none
	const struct policy_names **names; // the same
	unsigned n;
	const struct policy_at *at; // of list[1] and on
	uint64_t *due_ns;           // of each, in the capture in work
	bool *done;
	unsigned now; // in force: index in list
	struct guard guard;
	struct replay_policy second; // --shadow; without a file: none
	uint64_t seed;
	struct wants wants;        // of all of them
	char *sinks[REPLAY_SINKS]; // that any of them mirrors to
	unsigned nsinks;
	struct replay_names *known;
	struct judge_sums sums; // of policies no longer in force; without hits
	struct crew_swaps swaps;
	struct crew *crew;
	bool failed; // a policy that had been good could not be loaded at its time; what was in force stayed
};

// Checks all policies and loads the first; complaints go to standard error. 0; -EINVAL: a policy has errors, which
// have been said; -ENOENT: one cannot be read. file NULL: there is none until the first of `at`.
// guard: addresses that none of them may cut off; NULL: none.
int replay_policies_load(struct replay_policies *p, const char *file, const struct policy_at *at, unsigned nat,
			 const struct guard *guard, uint64_t seed);
// --shadow, after that: what this policy would decide stands beside what is decided. Without another policy all is
// allowed. As above.
int replay_policies_shadow(struct replay_policies *p, const char *file);
// What workers need for --mirror, into their configuration. False: a sink is named that no rule of any policy has,
// which was said.
struct options;
bool replay_policies_mirror(const struct replay_policies *p, const struct options *o, struct path_config *config);
// Every worker judges by the first from here on. All are at rest. 0 or -ENOMEM.
int replay_policies_use(struct replay_policies *p, struct crew *c);
// A capture begins, all are at rest: the first is in force again.
void replay_policies_begin(struct replay_policies *p);
// The end, all are at rest: what was decided is complete in sums and in the hits of `known`.
void replay_policies_sum(struct replay_policies *p);
void replay_policies_free(struct replay_policies *p);
