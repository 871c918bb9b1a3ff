// SPDX-License-Identifier: BSD-3-Clause
//
// What the policy_* files of this folder share: the memory that a worker judges with.
#pragma once

#include "policy.h"
#include "policy_order.h"
#include "rules.h"

// A worker's own. Sized for one rule set.
struct policy_scratch {
	const struct ruleset *rs;
	size_t bytes;
	const struct facts *facts; // of the judgement in work
	uint64_t waits;            // fields that are worth waiting for in it

	// tags that rules above have set in this judgement, and whether a rule above may yet set one
	struct fact_value tag[FACTS_MAX];
	uint8_t ntags;
	bool more_tags;

	// what Hyperscan found: a row of bits a value, by pattern, for each buffer; and which words to clear again
	struct hs_scratch *scan;
	uint64_t *found;
	uint32_t *dirty;
	uint32_t ndirty;

	// what the values lead to, and classes that are unknown as a whole
	struct order rules, classes;
	uint32_t *sets; // that have the value in work
	struct {
		uint32_t class;
		uint64_t waits;
	} * open;
	uint32_t nopen;

	uint32_t nfired;
	uint32_t fired[POLICY_FIRED_MAX];
};

// Truth of a rule's own conditions. unknown: gets the fields for which it is unknown.
enum truth policy_truth_rule(const struct policy_scratch *s, const struct ruleset_rule *r, uint64_t *unknown);
// Is it neither expired nor out of its hours?
bool policy_truth_now(const struct policy_scratch *s, uint64_t expires_ns, uint32_t schedule);
// Of one subtree.
enum truth policy_truth_node(const struct policy_scratch *s, const struct node *n, bool strict, uint64_t *unknown);

// Does the i-th value of a field satisfy one test of it? field: the node above the test.
bool policy_truth_value(const struct policy_scratch *s, const struct node *field, const struct node *test, uint32_t i);
// How many values the field has in the judgement in work, tags that were set included.
uint32_t policy_truth_values(const struct policy_scratch *s, unsigned field, const struct fact_value **values);

// For explanations: what every rule says, one after the other from the first on, since tags that it sets are seen
// below.
void policy_ask_begin(struct policy_scratch *s, const struct facts *facts);
enum truth policy_ask(struct policy_scratch *s, uint32_t rule, uint64_t *unknown);

// Puts what the known values lead to into `rules` and `classes`.
void policy_index(struct policy_scratch *s);
// The same for one key: hash of a value in a space.
void policy_index_key(struct policy_scratch *s, enum key_space space, unsigned field, uint64_t hash);

// Scans the values of all fields that are known with the databases there are, and puts what the
// patterns lead to; forgets what was found before.
void policy_scan(struct policy_scratch *s);
// Scans a tag that was just set.
void policy_scan_tag(struct policy_scratch *s, uint32_t tag);
