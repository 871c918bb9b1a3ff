// SPDX-License-Identifier: BSD-3-Clause
//
// Why a verdict is what it is: what is known, which rules that leaves, and what of each is true. Everything that is
// said of a rule is the evaluator's own answer. Off the path.
#pragma once

#include "policy/arena.h"
#include "policy/policy.h"

struct ruleset;
struct policy_scratch;

#define EXPLAIN_LISTED 8 // rules that are named; all are counted
#define EXPLAIN_RULES 16 // rules that are explained condition by condition
#define EXPLAIN_LINES 64 // conditions of a rule that are shown
#define EXPLAIN_TEXT 160 // bytes of a value or condition that are shown

struct explain_rules {
	uint32_t n, list[EXPLAIN_LISTED]; // the first of them
};

// A field that some rule asks for, and what its values do to these rules, all else being in their favour.
struct explain_dimension {
	enum field field;
	struct explain_rules rules[3]; // by enum truth
};

// A value that a test is true of.
struct explain_hit {
	const char *value;
	const char *by;     // member of the set, regex; NULL: the condition says it
	struct place place; // of the member
};

struct explain_line {
	uint8_t depth;
	const char *text; // "host in gambling", "any of"
	enum truth truth;
	struct place place;
	struct explain_hit *hits;
	uint32_t nhits;
};

enum explain_role {
	EXPLAIN_WAITED,    // stands above, unknown on what is worth waiting for
	EXPLAIN_PASSED_BY, // stands above, unknown on what is not waited for
	EXPLAIN_DECIDES,
	EXPLAIN_RUNNER_UP, // decides without the one above
	EXPLAIN_FIRED,     // true, and does not end the search
	EXPLAIN_SHADOW,    // true, were it enforced
};
extern const char *const explain_role_names[EXPLAIN_SHADOW + 1];

struct explain_rule {
	uint32_t rule;
	enum explain_role role;
	enum truth truth;
	uint64_t unknown; // bits of enum field
	struct explain_line *lines;
	uint32_t nlines;
};

struct explain {
	struct verdict verdict;
	struct verdict would; // with shadow rules as if enforced; only where there are some
	struct verdict rest;  // if nothing more comes; only while open
	bool has_would, sound;
	struct explain_dimension dimension[FIELD_COUNT];
	uint32_t ndimensions;
	struct explain_rule rule[EXPLAIN_RULES];
	uint32_t nrules, more; // explained, and not
	uint32_t disabled, shadow, not_now;
	uint64_t asked; // fields that rules in force ask for
	struct arena arena;
};

// The rule set must be the policy's, the scratch the rule set's. explain_free it.
void explain_judge(struct explain *e, const struct policy *p, const struct ruleset *rs, struct policy_scratch *s,
		   const struct facts *facts);
void explain_free(struct explain *e);

// A value as it may be shown: without quotes, harmful bytes as \xHH, at most EXPLAIN_TEXT bytes. The arena's.
const char *explain_value(struct arena *a, enum field f, const struct fact_value *v);

// explain_rule.c: the conditions of a rule, in its turn. facts are those that s asks about.
void explain_lines(struct explain *e, const struct policy *p, const struct policy_scratch *s, struct explain_rule *r);
