// SPDX-License-Identifier: BSD-3-Clause
//
// What a policy may say but hardly means: rules that no packet reaches or that are over, refusals that miss what has no
// name, suffixes that cut a label, public suffixes in a set, regexes that are texts (lint_text.c: what no value is;
// lint_hidden.c: which rules no packet reaches).
// In: a policy without errors. Out: warnings, each with its remedy. Time is linear in the policy. Off the path.
#include "lint.h"

#include <libpsl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "policy/field.h"
#include "policy/guard.h"
#include "policy/lint_in.h"
#include "policy/regex.h"

// ---- tests one by one -------------------------------------------------------------------------------------------

static void look_at_suffix(struct reading *r, const struct condition *c, const struct test *t)
{
	int len = (int)t->operand.len;
	if (field_table[c->field].type != FIELD_TYPE_NAME || len == 0 || *t->operand.p == '.')
		return;
	reading_warn(r, &t->place,
		     "suffix \"%.*s\" also ends \"not%.*s\": write \".%.*s\", or a domain set, which holds the "
		     "name itself too",
		     len, t->operand.p, len, t->operand.p, len, t->operand.p);
}

static void look_at_regex(struct reading *r, const struct condition *c, const struct test *t)
{
	static const char *const words[] = {"", "contains", "prefix", "suffix", ""};
	uint8_t *text = malloc(t->operand.len);
	uint32_t len;
	if (!text)
		abort();
	enum regex_kind kind = regex_literal(t->operand.p, t->operand.len, text, &len);
	bool value = field_ops(c->field) & 1u << TEST_IS, suffix = field_ops(c->field) & 1u << TEST_SUFFIX;
	int n = len > 80 ? 80 : (int)len;
	if (kind == REGEX_WHOLE && value && !t->nocase)
		reading_warn(r, &t->place, "this regex is a text: write \"%.*s\" without an operator", n, text);
	else if (kind != REGEX_NEEDED && kind != REGEX_WHOLE && (kind != REGEX_SUFFIX || suffix))
		reading_warn(r, &t->place, "this regex is a text: write {\"%s\": \"%.*s\"}", words[kind], n, text);
	free(text);
}

static void look_at_test(struct reading *r, const struct condition *c, const struct test *t)
{
	if (t->op == TEST_SUFFIX)
		look_at_suffix(r, c, t);
	if (t->op == TEST_REGEX)
		look_at_regex(r, c, t);
	if (t->op == TEST_IS && field_table[c->field].type == FIELD_TYPE_ADDR)
		lint_address(r, &t->operand, &t->place);
	lint_capitals(r, c, t);
	lint_answer(r, c, t);
	for (uint32_t i = 0; i < t->nchildren; i++)
		look_at_test(r, c, t->child[i]);
}

static void look_at_condition(struct reading *r, const struct condition *c)
{
	if (c->kind == CONDITION_FIELD)
		look_at_test(r, c, c->test);
	for (uint32_t i = 0; i < c->nchildren; i++)
		look_at_condition(r, c->child[i]);
}

// ---- refusals that rest on `not` --------------------------------------------------------------------------------

static bool can_be_absent(enum field f)
{
	return strcmp(field_table[f].absent, "never") != 0;
}

// A condition beside the `not` that is true only where the field is there, or where it is known that it is not.
static bool settles(const struct condition *c, const struct condition * not )
{
	if (c == not )
		return false;
	if (c->kind != CONDITION_FIELD) {
		for (uint32_t i = 0; i < c->nchildren; i++) {
			if (settles(c->child[i], not ) == (c->kind == CONDITION_ALL))
				return c->kind == CONDITION_ALL;
		}
		return c->kind == CONDITION_ANY && c->nchildren;
	}
	return c->test->op != TEST_NOT &&
	       (c->field == not ->field || !strcmp(field_table[c->field].known, field_table[not ->field].known)) &&
	       can_be_absent(c->field);
}

static bool absence_is_meant(const struct condition *any, const struct condition * not )
{
	for (uint32_t i = 0; i < any->nchildren; i++) {
		const struct condition *c = any->child[i];
		if (c->kind == CONDITION_FIELD && c->field == not ->field && c->test->op == TEST_PRESENT &&
		    !c->test->present)
			return true;
		if (c->kind == CONDITION_ALL && absence_is_meant(c, not ))
			return true;
	}
	return false;
}

static void look_at_not(struct reading *r, const struct condition *all, const struct condition *above)
{
	for (uint32_t i = 0; i < all->nchildren; i++) {
		const struct condition *c = all->child[i];
		if (c->kind != CONDITION_FIELD) {
			look_at_not(r, c, c->kind == CONDITION_ANY ? c : above);
			continue;
		}
		if (c->test->op != TEST_NOT || !can_be_absent(c->field) || (above && absence_is_meant(above, c)))
			continue;
		bool settled = false;
		for (uint32_t k = 0; k < all->nchildren && all->kind == CONDITION_ALL; k++)
			settled |= settles(all->child[k], c);
		const char *name = field_names[c->field];
		if (!settled)
			reading_warn(r, &c->place,
				     "flows without %s %s%s are not denied by this rule: add {\"present\": false}, "
				     "or default deny",
				     strchr("aeiou", *name) ? "an" : "a", name, c->header ? c->header : "");
	}
}

// ---- sets -------------------------------------------------------------------------------------------------------

// A suffix under which anybody registers names has few labels: the deepest of the list have five.
static bool few_labels(const struct operand *o)
{
	unsigned dots = 0;
	for (uint32_t i = 0; i < o->len; i++)
		dots += o->p[i] == '.';
	return dots < 5;
}

static void look_at_set(struct reading *r, const psl_ctx_t *psl, const struct set *s)
{
	char name[256];
	for (uint32_t i = 0; i < s->nitems; i++) {
		const struct set_item *item = &s->items[i];
		const struct operand *o = &item->operand;
		if (item->exact || o->len >= sizeof(name) || !few_labels(o))
			continue;
		memcpy(name, o->p, o->len);
		name[o->len] = '\0';
		if (psl_is_public_suffix2(psl, name, PSL_TYPE_ANY | PSL_TYPE_NO_STAR_RULE))
			reading_warn(r, &item->place,
				     "\"%s\" is a public suffix: the set holds everybody's names below it; "
				     "\"=%s\" is the name alone",
				     name, name);
	}
}

static void look_at_nets(struct reading *r, const struct set *s)
{
	for (uint32_t i = 0; i < s->nitems; i++)
		lint_address(r, &s->items[i].operand, &s->items[i].place);
}

// ---- rules by themselves ----------------------------------------------------------------------------------------

static void look_at_rule(struct reading *r, const struct rule *rule)
{
	char when[32];
	time_t at = (time_t)(rule->expires_ns / 1000000000u);
	struct tm tm;
	if (!strcmp(rule->id, "default") || !strcmp(rule->id, GUARD_ID))
		reading_warn(r, &rule->place, "the id \"%s\" is that of %s: records cannot tell the two apart",
			     rule->id, *rule->id == 'd' ? "the default" : "guarded addresses (--guard)");
	if (!rule->expires_ns || at > time(NULL) || !gmtime_r(&at, &tm))
		return;
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	reading_warn(r, &rule->place, "rule \"%s\" expired at %s, which is past: it sees nothing that came later",
		     rule->id, when);
}

void lint_policy(struct reading *r)
{
	const psl_ctx_t *psl = psl_builtin();
	const struct policy *p = r->policy;
	for (uint32_t i = 0; i < p->nsets && psl; i++) {
		if (p->sets[i].type == SET_DOMAIN)
			look_at_set(r, psl, &p->sets[i]);
	}
	for (uint32_t i = 0; i < p->nsets; i++)
		if (p->sets[i].type == SET_NET)
			look_at_nets(r, &p->sets[i]);
	lint_hidden(r);
	lint_tags(r);
	for (uint32_t i = 0; i < p->nrules; i++) {
		const struct rule *rule = &p->rules[i];
		look_at_rule(r, rule);
		if (!rule->when)
			continue;
		look_at_condition(r, rule->when);
		if (rule->action == ACTION_DENY && !rule->shadow && !rule->disabled && p->default_action != ACTION_DENY)
			look_at_not(r, rule->when, NULL);
	}
}
