// SPDX-License-Identifier: BSD-3-Clause
//
// Rules that no packet reaches. In: a policy without errors. Out: a warning of each rule that is true only where one
// above it has already decided. Off the path.
//
// Cheap cases first, whose time is linear: below a rule without conditions, below one with the same conditions, and
// below one with a single condition that the lower rule has too, itself or one of its list. Then each against those
// above it, whether its conditions imply theirs, value by value (lint_implies.c), as long as STEPS_MOST last: some
// thousand rules. A warning is always right; not every hidden rule has one: that two rules above together leave nothing
// is not asked, nor what a regex matches.
#include <stdlib.h>
#include <string.h>

#include "policy/field.h"
#include "policy/lint_in.h"

// ---- conditions as bytes, to find the same ones ------------------------------------------------------------------

struct bytes {
	uint8_t *p;
	size_t n, room;
};

static void put(struct bytes *b, const void *p, size_t len)
{
	if (b->n + len > b->room) {
		b->room = 2 * (b->n + len) + 256;
		b->p = realloc(b->p, b->room);
		if (!b->p)
			abort();
	}
	if (len)
		memcpy(b->p + b->n, p, len);
	b->n += len;
}

static void put_number(struct bytes *b, uint64_t v)
{
	put(b, &v, sizeof(v));
}

static void put_text(struct bytes *b, const void *p, size_t len)
{
	put_number(b, len);
	put(b, p, len);
}

static void put_test(struct bytes *b, const struct test *t)
{
	put_number(b, (uint64_t)t->op << 2 | (uint64_t)t->nocase << 1 | t->present);
	put_text(b, t->operand.p, t->operand.len);
	put_number(b, t->operand.bits);
	put_number(b, t->operand.num);
	put_number(b, t->operand.num_high);
	put_number(b, (uintptr_t)t->set);
	if (t->schedule) {
		put_number(b, (uint64_t)t->schedule->days << 32 | (uint32_t)t->schedule->from << 16 | t->schedule->to);
		put_text(b, t->schedule->zone, t->schedule->zone ? strlen(t->schedule->zone) : 0);
	}
	put_number(b, t->nchildren);
	for (uint32_t i = 0; i < t->nchildren; i++)
		put_test(b, t->child[i]);
}

static void put_condition(struct bytes *b, const struct condition *c)
{
	put_number(b, c->kind);
	if (c->kind == CONDITION_FIELD) {
		put_number(b, c->field);
		put_text(b, c->header, c->header ? strlen(c->header) : 0);
		put_test(b, c->test);
		return;
	}
	put_number(b, c->nchildren);
	for (uint32_t i = 0; i < c->nchildren; i++)
		put_condition(b, c->child[i]);
}

// ---- hidden rules -----------------------------------------------------------------------------------------------

struct hidden {
	struct reading *r;
	struct lookup seen; // conditions of rules that end the search, to the first such rule
	uint32_t always;    // the first without conditions
	struct above {      // rules that end the search
		uint32_t rule;
		uint64_t fields; // that it cannot be true without
	} * above;
	uint32_t nabove;
	uint64_t steps; // that are left
};

// Keys of the table outlive it.
static void remember(struct hidden *h, const struct condition *c, uint32_t rule)
{
	struct bytes b = {0};
	put_condition(&b, c);
	if (lookup_find(&h->seen, (char *)b.p, (uint32_t)b.n) == LOOKUP_NONE)
		lookup_add(&h->seen, arena_text(h->r->arena, b.p, b.n), (uint32_t)b.n, rule);
	free(b.p);
}

#define MEMBERS_MOST 1000
#define STEPS_MOST (1u << 24) // some 0.1 s

static uint32_t known(const struct hidden *h, const struct condition *c)
{
	struct bytes b = {0};
	put_condition(&b, c);
	uint32_t rule = lookup_find(&h->seen, (char *)b.p, (uint32_t)b.n);
	free(b.p);
	return rule;
}

static uint64_t fields_of(const struct condition *c, bool all)
{
	uint64_t fields = c->kind == CONDITION_FIELD ? 1ull << c->field : 0;
	for (uint32_t i = 0; i < c->nchildren; i++)
		if (all || (c->kind == CONDITION_ALL && c->child[i]->kind == CONDITION_FIELD))
			fields |= fields_of(c->child[i], all);
	return fields;
}

static uint32_t implied_by(struct hidden *h, const struct rule *rule)
{
	uint64_t fields = fields_of(rule->when, true);
	bool strict = rule->action == ACTION_ALLOW;
	for (uint32_t i = 0; i < h->nabove && h->steps; i++) {
		h->steps--;
		if (!(h->above[i].fields & ~fields) &&
		    lint_implies(rule->when, h->r->policy->rules[h->above[i].rule].when, strict, &h->steps))
			return h->above[i].rule;
	}
	return LOOKUP_NONE;
}

// An earlier rule that is true whenever this one is.
static uint32_t hidden_by(struct hidden *h, const struct rule *rule)
{
	const struct condition *w = rule->when;
	uint32_t by = h->always;
	if (by != LOOKUP_NONE || !w || h->seen.n == 0)
		return by;
	by = known(h, w);
	for (uint32_t i = 0; i < w->nchildren && by == LOOKUP_NONE; i++)
		by = known(h, w->child[i]);
	return by != LOOKUP_NONE ? by : implied_by(h, rule);
}

// Names are stricter in allow rules: `host: a` of an allow is not what `host: a` of a deny is. Such a rule hides only
// rules of its own action.
static bool strict(const struct condition *c)
{
	if (c->kind == CONDITION_FIELD)
		return field_table[c->field].type == FIELD_TYPE_NAME;
	for (uint32_t i = 0; i < c->nchildren; i++) {
		if (strict(c->child[i]))
			return true;
	}
	return false;
}

// A single condition hides what has it too; a list, also what has one of its members.
static void remember_single(struct hidden *h, const struct condition *c, uint32_t rule)
{
	remember(h, c, rule);
	if (c->kind != CONDITION_FIELD || c->test->op != TEST_ANY)
		return;
	for (uint32_t i = 0; i < c->test->nchildren && i < MEMBERS_MOST; i++) {
		struct condition one = *c;
		one.test = c->test->child[i];
		remember(h, &one, rule);
	}
}

void lint_hidden(struct reading *r)
{
	struct hidden h = {.r = r, .always = LOOKUP_NONE, .steps = STEPS_MOST};
	h.above = calloc(r->policy->nrules + 1ul, sizeof(*h.above));
	if (!h.above)
		abort();
	for (uint32_t i = 0; i < r->policy->nrules; i++) {
		const struct rule *rule = &r->policy->rules[i];
		if (rule->disabled)
			continue;
		uint32_t by = hidden_by(&h, rule);
		if (by != LOOKUP_NONE)
			reading_warn(
				r, &rule->place,
				"rule \"%s\" is hidden: wherever it is true, rule \"%s\" (line %u) has already decided",
				rule->id, r->policy->rules[by].id, r->policy->rules[by].place.line);
		bool ends = (rule->action == ACTION_ALLOW || rule->action == ACTION_DENY) && !rule->shadow &&
			    !rule->expires_ns && !rule->time;
		if (!ends || by != LOOKUP_NONE)
			continue;
		const struct condition *w = rule->when;
		if (!w || w->nchildren == 0) {
			h.always = i;
		} else if (rule->action == ACTION_DENY || !strict(w)) {
			remember(&h, w, i);
			h.above[h.nabove++] = (struct above){i, fields_of(w, false)};
			if (w->nchildren == 1)
				remember_single(&h, w->child[0], i);
		}
	}
	lookup_free(&h.seen);
	free(h.above);
}
