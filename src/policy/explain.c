// SPDX-License-Identifier: BSD-3-Clause
//
// Why a verdict is what it is. In: a policy, its rule set, and what is known; out: the verdict, and for each rule that
// matters what the evaluator says of it. Off the path, may allocate.
//
// The verdict is policy_judge's, which looks at the rules that an index leads to. Here every rule is asked in order;
// that the two agree is checked (`sound`), so an explanation cannot drift from what decides.
#include "explain.h"

#include <stdio.h>
#include <string.h>

#include "path/policy_in.h"
#include "policy/field.h"

const char *const explain_role_names[] = {"waits", "passed by", "decides", "runner-up", "fired", "shadow"};

#define X(symbol, name, type, many, hold, known, absent, help) (uint64_t) hold << FIELD_##symbol |
static const uint64_t holdable = FIELDS(X) 0;
#undef X

struct asking {
	struct explain *e;
	const struct policy *p;
	const struct ruleset *rs;
	struct policy_scratch *s;
	uint32_t first;                 // enforced rule that ends the search and is true; RULE_DEFAULT
	uint32_t second;                // the next
	uint8_t dimension[FIELD_COUNT]; // number + 1
};

static void list(struct explain_rules *r, uint32_t rule)
{
	if (r->n < EXPLAIN_LISTED)
		r->list[r->n] = rule;
	r->n++;
}

// ---- dimensions -------------------------------------------------------------------------------------------------

static uint64_t fields_of(const struct node *n)
{
	uint64_t fields = 0;
	for (const struct node *c = n; c < n + n->end; c++)
		if (c->op == NODE_FIELD)
			fields |= 1ull << c->field;
	return fields;
}

// The truth of a rule's conditions if all were true but those on one field.
static enum truth along(const struct policy_scratch *s, const struct node *n, unsigned field, bool strict)
{
	uint64_t unknown = 0;
	if (n->op == NODE_FIELD)
		return n->field == field ? policy_truth_node(s, n, strict, &unknown) : TRUTH_TRUE;
	bool any = n->op == NODE_ANY;
	enum truth ends = any ? TRUTH_TRUE : TRUTH_FALSE, sum = any ? TRUTH_FALSE : TRUTH_TRUE;
	for (const struct node *c = n + 1; c < n + n->end; c += c->end) {
		enum truth t = along(s, c, field, strict);
		if (t == ends)
			return t;
		sum = t == TRUTH_UNKNOWN ? t : sum;
	}
	return sum;
}

static void dimensions(struct asking *a, uint32_t i)
{
	const struct ruleset_rule *r = &a->rs->rules[i];
	if (r->node == RULES_NONE)
		return;
	const struct node *n = a->rs->nodes + r->node;
	for (uint64_t left = fields_of(n); left; left &= left - 1) {
		unsigned f = (unsigned)__builtin_ctzll(left);
		if (!a->dimension[f]) {
			a->e->dimension[a->e->ndimensions].field = (enum field)f;
			a->dimension[f] = (uint8_t)++a->e->ndimensions;
		}
		list(&a->e->dimension[a->dimension[f] - 1].rules[along(a->s, n, f, r->strict)], i);
		if (!r->shadow)
			a->e->asked |= 1ull << f;
	}
}

// ---- rules ------------------------------------------------------------------------------------------------------

static void keep(struct asking *a, uint32_t i, enum explain_role role, enum truth t, uint64_t unknown)
{
	struct explain *e = a->e;
	bool always = role == EXPLAIN_DECIDES || role == EXPLAIN_RUNNER_UP; // there is room for these two
	if (e->nrules + (always ? 0 : 2) >= EXPLAIN_RULES) {
		e->more++;
		return;
	}
	struct explain_rule *r = &e->rule[e->nrules++];
	*r = (struct explain_rule){.rule = i, .role = role, .truth = t, .unknown = unknown};
	explain_lines(e, a->p, a->s, r);
}

static void enforced(struct asking *a, uint32_t i, enum truth t, uint64_t unknown)
{
	const struct ruleset_rule *r = &a->rs->rules[i];
	bool decided = a->first != RULE_DEFAULT;
	if (t == TRUTH_UNKNOWN && !decided && r->ends)
		keep(a, i, unknown & holdable ? EXPLAIN_WAITED : EXPLAIN_PASSED_BY, t, unknown);
	if (t != TRUTH_TRUE)
		return;
	if (!r->ends) {
		if (!decided)
			keep(a, i, EXPLAIN_FIRED, t, 0);
	} else if (!decided) {
		a->first = i;
		keep(a, i, EXPLAIN_DECIDES, t, 0);
	} else if (a->second == RULE_DEFAULT) {
		a->second = i;
		keep(a, i, EXPLAIN_RUNNER_UP, t, 0);
	}
}

static void one(struct asking *a, uint32_t i)
{
	const struct ruleset_rule *r = &a->rs->rules[i];
	uint64_t unknown;
	enum truth t = policy_ask(a->s, i, &unknown);
	a->e->shadow += r->shadow && !r->disabled;
	if (r->disabled) {
		a->e->disabled++;
		return;
	}
	if (!policy_truth_now(a->s, r->expires_ns, r->schedule)) {
		a->e->not_now++;
		return;
	}
	dimensions(a, i);
	if (!r->shadow)
		enforced(a, i, t, unknown);
	else if (t == TRUTH_TRUE && a->first == RULE_DEFAULT)
		keep(a, i, EXPLAIN_SHADOW, t, 0);
}

// ---- verdicts ---------------------------------------------------------------------------------------------------

// As if the transaction showed nothing more.
static struct verdict if_nothing_more(const struct ruleset *rs, struct policy_scratch *s, const struct facts *facts)
{
	struct facts f = *facts;
	struct verdict v;
	for (unsigned i = 0; i < FIELD_COUNT; i++) {
		if (f.state[i] == FACT_SOME)
			f.state[i] = f.n[i] ? FACT_ALL : FACT_ABSENT;
		else if (f.state[i] == FACT_UNKNOWN && strcmp(field_table[i].absent, "never"))
			f.state[i] = FACT_ABSENT;
	}
	policy_judge(rs, s, &f, &v);
	return v;
}

void explain_judge(struct explain *e, const struct policy *p, const struct ruleset *rs, struct policy_scratch *s,
		   const struct facts *facts)
{
	struct asking a = {.e = e, .p = p, .rs = rs, .s = s, .first = RULE_DEFAULT, .second = RULE_DEFAULT};
	*e = (struct explain){0};
	policy_judge(rs, s, facts, &e->verdict);
	policy_judge_would(rs, s, facts, &e->would);
	if (e->verdict.open)
		e->rest = if_nothing_more(rs, s, facts);
	policy_ask_begin(s, facts);
	for (uint32_t i = 0; i < rs->nrules; i++)
		one(&a, i);
	e->has_would = e->shadow > 0;
	if (e->verdict.runner_up == RULE_NONE)
		a.second = RULE_NONE;
	e->sound = a.first == e->verdict.rule && a.second == e->verdict.runner_up;
}

void explain_free(struct explain *e)
{
	arena_free(&e->arena);
	*e = (struct explain){0};
}
