// SPDX-License-Identifier: BSD-3-Clause
//
// The policy that stands: in force on every worker, how it came to be, and what it replaced. See standing.c.
#pragma once

#include <stdio.h>

#include "path/publish.h"
#include "live/difference.h"
#include "policy/guard.h"

#define STANDING_VERSIONS 65535 // of a start, then from 1 again
#define STANDING_REMEMBERED 64  // policies of which records may still speak

struct standing;

struct standing_config {
	unsigned workers;
	uint64_t seed;
	struct guard guard;
};
// NULL: no memory, errno.
struct standing *standing_new(const struct standing_config *config);
// The workers are at rest.
void standing_free(struct standing *s);

// What workers take it from.
struct publish *standing_publish(struct standing *s);
// By version, from 1: what the shipper calls rules by. The table stays where it is.
const struct policy_names *const *standing_names(const struct standing *s);

struct standing_done {
	struct difference difference; // from what was in force
	uint16_t version;
	uint32_t rules, sets, workers; // active on so many
	double read_ms, compile_ms, publish_ms;
	uint64_t force_ns; // CLOCK_MONOTONIC: since then all workers judge by it
	char hash[65];
	uint32_t
		edits_lost; // items of sets that were added or removed under the policy before; the files are the truth
};
// Reads, checks, compiles and publishes; returns when it is in force on all workers and what was before is freed. One
// at a time, never on the control thread: it takes as long as Hyperscan does. All or nothing: complaints go to `say`.
// 0, -EINVAL: it has errors, -ENOENT: it cannot be read, -ENOMEM.
// shadow: a second policy whose verdicts are only told, read again by each load; "": none. With errors in it alone what
// was in shadow stays. ear: NULL, or it hears what is read (policy.h).
int standing_load(struct standing *s, const char *file, const char *shadow, const struct policy_ear *ear,
		  struct standing_done *done, FILE *say);

// The same of what does not come from a file: a text, as it is in force from another one, with changes.
struct standing_text {
	const char *name; // in complaints and records
	const char *text; // a policy; NULL: the rules that are in force
	size_t len;
	bool sets;        // the text has its own; else they are those in force. Without a text: false
	const char *hash; // of all that is in force then, 64 digits
	const struct standing_item {
		const char *set, *item;
		bool add;
	} * items; // that change in the sets in force
	uint32_t nitems;
	bool compares; // done says what is different from what was in force, which takes as long as all else
};
// As standing_load, but that no warnings are looked for; `c` hears of errors, `say` of the shadow's. -ENOSPC: more
// items have changed than sets take beside what was compiled, or two are one; the text is to have its own sets.
int standing_apply(struct standing *s, const struct standing_text *text, const char *shadow, struct standing_done *done,
		   struct complaints *c, FILE *say);
// Brings together what was compiled in pieces, on the caller's thread, for as long as that takes: the next policy
// then has it. Policies may come into force meanwhile.
void standing_merge(struct standing *s);

struct edit;
// One item more or less in a set of the policy in force, seen by all workers when this returns; microseconds. As
// edit_set; -EBUSY: a policy is being loaded.
int standing_edit(struct standing *s, const char *set, const char *item, bool add, struct edit *e);

// What is in force, for who looks on (control thread); NULL: there is no policy. Holds it until standing_let_go.
struct standing_view {
	const struct policy *policy, *shadow; // shadow NULL: none
	const struct ruleset *rules;
	const struct policy_names *names;
	const uint64_t *hits_before; // of rules of the same id in policies before, by rule; [nrules]: the default
	const struct published *published;
	unsigned workers;
	uint64_t since_ns; // CLOCK_REALTIME
	double compile_ms;
};
const struct standing_view *standing_look(struct standing *s);
void standing_let_go(struct standing *s);
// Hits of a rule of the view since start; [nrules]: the default.
uint64_t standing_hits(const struct standing_view *v, uint32_t rule);
