// SPDX-License-Identifier: BSD-3-Clause
//
// Guarded addresses. In: a policy as it was written; out: the same with an allow above all rules for what comes from or
// goes to a guarded address, or complaints. Off the path, between loading and compiling.
//
// A rule that names such an address by itself meant to decide about it, and could not: that is an error. A network that
// has it among others is none, since the rule above wins; to refuse it would refuse 0.0.0.0/0.
#include "guard.h"

#include <string.h>

#include "policy/complaints.h"
#include "policy/field.h"

bool guard_add(struct guard *g, const char *address)
{
	const char *why;
	struct operand *o = &g->list[g->n];
	if (g->n == GUARD_MAX || !field_net(address, (uint32_t)strlen(address), o, g->bytes[g->n], &why) ||
	    o->bits != o->len * 8)
		return false;
	o->p = g->bytes[g->n++];
	return true;
}

static bool guarded(const struct guard *g, const struct operand *o)
{
	for (uint32_t i = 0; i < g->n && o->p && o->bits == o->len * 8; i++)
		if (g->list[i].len == o->len && !memcmp(g->list[i].p, o->p, o->len))
			return true;
	return false;
}

static bool wrong(struct complaints *c, const struct place *at, const char *what)
{
	complaints_add(c, false, at, "%s is guarded: no rule can decide about it", what);
	return false;
}

static bool tests(const struct guard *g, const struct test *t, struct complaints *c)
{
	bool good = true;
	if (t->op == TEST_IS && guarded(g, &t->operand))
		good = wrong(c, &t->place, "this address");
	for (uint32_t i = 0; t->op == TEST_IN && i < t->set->nitems; i++)
		if (guarded(g, &t->set->items[i].operand))
			good = wrong(c, &t->set->items[i].place, "this address, in a set that a rule looks into,");
	for (uint32_t i = 0; i < t->nchildren; i++)
		good &= tests(g, t->child[i], c);
	return good;
}

static bool conditions(const struct guard *g, const struct condition *w, struct complaints *c)
{
	bool good = true;
	if (w->kind == CONDITION_FIELD && (w->field == FIELD_SRC || w->field == FIELD_DST))
		good = tests(g, w->test, c);
	for (uint32_t i = 0; i < w->nchildren; i++)
		good &= conditions(g, w->child[i], c);
	return good;
}

static struct condition *field_in(struct arena *a, const struct guard *g, enum field f)
{
	struct condition *k = arena_take(a, sizeof(*k));
	struct test *any = arena_take(a, sizeof(*any));
	any->op = TEST_ANY;
	any->nchildren = g->n;
	any->child = arena_take(a, g->n * sizeof(*any->child));
	for (uint32_t i = 0; i < g->n; i++) {
		struct test *t = any->child[i] = arena_take(a, sizeof(*t));
		uint8_t *p = arena_bytes(a, g->list[i].len);
		memcpy(p, g->list[i].p, g->list[i].len);
		t->op = TEST_IS;
		t->operand = g->list[i];
		t->operand.p = p;
	}
	*k = (struct condition){.kind = CONDITION_FIELD, .field = f, .test = any};
	return k;
}

static void put_above(const struct guard *g, struct policy *p)
{
	struct arena *a = policy_arena(p);
	struct condition *w = arena_take(a, sizeof(*w));
	struct rule *rules = arena_take(a, (p->nrules + 1ul) * sizeof(*rules));
	w->kind = CONDITION_ANY;
	w->nchildren = 2;
	w->child = arena_take(a, 2 * sizeof(*w->child));
	w->child[0] = field_in(a, g, FIELD_SRC);
	w->child[1] = field_in(a, g, FIELD_DST);
	memcpy(rules + 1, p->rules, p->nrules * sizeof(*rules));
	rules[0] = (struct rule){.id = GUARD_ID, .action = ACTION_ALLOW, .when = w, .sid = 1};
	p->rules = rules;
	p->nrules++;
}

bool guard_policy(const struct guard *g, struct policy *p, struct complaints *c)
{
	bool good = true;
	if (g->n == 0)
		return true;
	for (uint32_t i = 0; i < p->nrules; i++) {
		const struct rule *r = &p->rules[i];
		if (!strcmp(r->id, GUARD_ID)) {
			complaints_add(c, false, &r->place, "the id \"%s\" is that of guarded addresses", GUARD_ID);
			good = false;
		}
		good &= !r->when || conditions(g, r->when, c);
	}
	if (good)
		put_above(g, p);
	return good;
}
