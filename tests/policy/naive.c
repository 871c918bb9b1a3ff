// SPDX-License-Identifier: BSD-3-Clause
//
// What a policy means, read straight off the tree (docs/policy.md): three-valued, rule by rule, nothing prepared,
// nothing skipped. The compiled rule set must agree with it on everything. Shares no code with src/path or src/policy.
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "naive.h"

static const struct {
	enum field_type type;
	bool hold;
} fields[FIELD_COUNT] = {
#define X(symbol, name, type, many, hold, known, absent, help) {FIELD_TYPE_##type, hold},
	FIELDS(X)
#undef X
};

// What rules see: the facts, and the tags that rules above have set, or may have set.
struct view {
	const struct facts *facts;
	struct fact_value tags[FACTS_MAX];
	uint8_t ntags;
	bool more_tags;
	bool strict; // an allow rule: every name must satisfy its condition
};

static enum truth not3(enum truth t)
{
	return t == TRUTH_UNKNOWN ? TRUTH_UNKNOWN : t == TRUTH_TRUE ? TRUTH_FALSE : TRUTH_TRUE;
}

static bool same(const uint8_t *a, const uint8_t *b, size_t n, bool nocase)
{
	for (size_t i = 0; i < n; i++)
		if (nocase ? tolower(a[i]) != tolower(b[i]) : a[i] != b[i])
			return false;
	return true;
}

static bool equal(const struct operand *o, const struct fact_value *v, bool nocase)
{
	return o->len == v->len && same(o->p, v->p, v->len, nocase);
}

static bool within(const struct operand *o, const struct fact_value *v)
{
	if (o->len != v->len)
		return false;
	for (unsigned i = 0; i < o->bits; i++)
		if ((o->p[i / 8] ^ v->p[i / 8]) & (0x80 >> i % 8))
			return false;
	return true;
}

static bool is_address(const struct fact_value *v)
{
	uint32_t i = v->len;
	if (v->len && memchr(v->p, ':', v->len))
		return true;
	while (i && isdigit(v->p[i - 1]))
		i--;
	return i < v->len && (i == 0 || v->p[i - 1] == '.');
}

// The name itself, or a name below it; an address is below nothing.
static bool in_domain(const struct set_item *item, const struct fact_value *v)
{
	const struct operand *o = &item->operand;
	if (equal(o, v, false))
		return true;
	return !item->exact && v->len > o->len && !is_address(v) && v->p[v->len - o->len - 1] == '.' &&
	       same(o->p, v->p + v->len - o->len, o->len, false);
}

static bool in_set(const struct set *set, const struct fact_value *v, bool nocase)
{
	for (uint32_t i = 0; i < set->nitems; i++) {
		const struct operand *o = &set->items[i].operand;
		if (set->type == SET_PORT  ? v->num >= o->num && v->num <= (o->num_high > o->num ? o->num_high : o->num)
		    : set->type == SET_NET ? within(o, v)
		    : set->type == SET_DOMAIN ? in_domain(&set->items[i], v)
					      : equal(o, v, nocase))
			return true;
	}
	return false;
}

// A test of one value: true or false.
static bool value_test(const struct test *t, enum field field, const struct fact_value *v, uint64_t now_ns)
{
	const struct operand *o = &t->operand;
	bool any = false, all = true;
	for (uint32_t i = 0; i < t->nchildren; i++) {
		bool yes = value_test(t->child[i], field, v, now_ns);
		any |= yes;
		all &= yes;
	}
	switch (t->op) {
	case TEST_IS:
		switch (fields[field].type) {
		case FIELD_TYPE_TIME:
			return naive_in_schedule(t->schedule, now_ns);
		case FIELD_TYPE_ADDR:
			return within(o, v);
		case FIELD_TYPE_NAME:
		case FIELD_TYPE_STR:
		case FIELD_TYPE_BYTES:
			return equal(o, v, t->nocase);
		default: // words are strings or numbers
			return o->p ? v->p && equal(o, v, t->nocase) : !v->p && o->num == v->num;
		}
	case TEST_IN:
		return in_set(t->set, v, t->nocase);
	case TEST_RANGE:
		return !v->p && v->num >= o->num && v->num <= o->num_high;
	case TEST_PREFIX:
		return v->len >= o->len && same(o->p, v->p, o->len, t->nocase);
	case TEST_SUFFIX:
		return v->len >= o->len && same(o->p, v->p + v->len - o->len, o->len, t->nocase);
	case TEST_CONTAINS:
		for (uint32_t i = 0; i + o->len <= v->len; i++)
			if (same(o->p, v->p + i, o->len, t->nocase))
				return true;
		return false;
	case TEST_REGEX:
		return naive_matches(t, v);
	case TEST_NOT:
		return !any;
	case TEST_ALL:
		return all;
	case TEST_ANY:
		return any;
	case TEST_PRESENT:
		return t->present;
	}
	abort();
}

// What an absent field satisfies: `present: false`, alone or in a list.
static bool absent_test(const struct test *t)
{
	bool any = false;
	for (uint32_t i = 0; i < t->nchildren; i++)
		any |= absent_test(t->child[i]);
	return t->op == TEST_PRESENT ? !t->present : t->op == TEST_ANY && any;
}

// A test over all values seen; `more`: others may come.
static enum truth values_test(const struct test *t, enum field field, const struct fact_value **v, unsigned n,
			      bool more, uint64_t now_ns)
{
	enum truth any = TRUTH_FALSE;
	if (t->op == TEST_NOT)
		return not3(values_test(t->child[0], field, v, n, more, now_ns));
	if (t->op == TEST_PRESENT)
		return t->present ? TRUTH_TRUE : TRUTH_FALSE;
	if (t->op == TEST_ANY) {
		for (uint32_t i = 0; i < t->nchildren; i++) {
			enum truth one = values_test(t->child[i], field, v, n, more, now_ns);
			any = one == TRUTH_TRUE || any == TRUTH_TRUE ? TRUTH_TRUE : one == TRUTH_UNKNOWN ? one : any;
		}
		return any;
	}
	for (unsigned i = 0; i < n; i++)
		if (value_test(t, field, v[i], now_ns))
			return TRUTH_TRUE;
	return more ? TRUTH_UNKNOWN : TRUTH_FALSE;
}

static enum truth field_truth(const struct condition *c, const struct view *view)
{
	static const struct fact_value now;
	const struct facts *f = view->facts;
	const struct fact_value *v[FACTS_MAX] = {&now}, *all = f->value[c->field];
	unsigned n = 0, count = f->n[c->field], state = f->state[c->field];
	if (c->field == FIELD_TIME)
		return values_test(c->test, c->field, v, 1, false, f->now_ns);
	if (c->field == FIELD_TAG)
		all = view->tags, count = view->ntags, state = view->more_tags ? FACT_SOME : FACT_ALL;
	if (state == FACT_UNKNOWN)
		return TRUTH_UNKNOWN;
	for (unsigned i = 0; i < count && state != FACT_ABSENT; i++)
		if (!c->header ||
		    (all[i].name_len == strlen(c->header) && !memcmp(all[i].name, c->header, all[i].name_len)))
			v[n++] = &all[i];
	if (n == 0 && state == FACT_SOME)
		return TRUTH_UNKNOWN;
	if (n == 0)
		return absent_test(c->test) ? TRUTH_TRUE : TRUTH_FALSE;
	if (!view->strict || fields[c->field].type != FIELD_TYPE_NAME || c->test->op == TEST_PRESENT)
		return values_test(c->test, c->field, v, n, state == FACT_SOME, f->now_ns);
	for (unsigned i = 0; i < n; i++)
		if (!value_test(c->test, c->field, v[i], f->now_ns))
			return TRUTH_FALSE;
	return state == FACT_SOME ? TRUTH_UNKNOWN : TRUTH_TRUE;
}

// unknown: the fields for which an unknown condition is unknown.
static enum truth condition_truth(const struct condition *c, const struct view *view, uint64_t *unknown)
{
	enum truth sum = c->kind == CONDITION_ANY ? TRUTH_FALSE : TRUTH_TRUE, ends = not3(sum);
	uint64_t mask = 0;
	if (c->kind == CONDITION_FIELD) {
		sum = field_truth(c, view);
		mask = 1ull << c->field;
	}
	for (uint32_t i = 0; i < c->nchildren; i++) {
		enum truth t = condition_truth(c->child[i], view, &mask);
		if (t == ends)
			return t;
		if (t == TRUTH_UNKNOWN)
			sum = t;
	}
	if (sum == TRUTH_UNKNOWN)
		*unknown |= mask;
	return sum;
}

static enum truth rule_truth(const struct rule *r, struct view *view, uint64_t *unknown)
{
	uint64_t now = view->facts->now_ns;
	view->strict = r->action == ACTION_ALLOW;
	if ((r->expires_ns && now >= r->expires_ns) || (r->time && !naive_in_schedule(r->time, now)))
		return TRUTH_FALSE;
	return r->when ? condition_truth(r->when, view, unknown) : TRUTH_TRUE;
}

static void add_tag(struct view *view, const char *tag)
{
	for (unsigned i = 0; i < view->ntags; i++)
		if (view->tags[i].len == strlen(tag) && !memcmp(view->tags[i].p, tag, strlen(tag)))
			return;
	if (view->ntags < FACTS_MAX)
		view->tags[view->ntags++] = (struct fact_value){.p = (const uint8_t *)tag, .len = strlen(tag)};
	else
		view->more_tags = true;
}

static bool same_end(const struct policy *p, const struct rule *a, const struct rule *b)
{
	enum action aa = a ? a->action : p->default_action, ba = b ? b->action : p->default_action;
	enum response ar = a ? a->response : p->default_response, br = b ? b->response : p->default_response;
	if (aa != ba || ar != br || ar != RESPONSE_SINKHOLE)
		return aa == ba && ar == br;
	const struct operand none = {0}, *x = a ? &a->sinkhole : &none, *y = b ? &b->sinkhole : &none;
	return x->len == y->len && (!x->len || !memcmp(x->p, y->p, x->len));
}

uint32_t naive_judge(const struct policy *p, const struct facts *f, bool would, struct verdict *v, uint32_t *fired,
		     uint32_t max)
{
	struct view view = {.facts = f};
	uint32_t n = 0, ncandidates = 0, *candidate = calloc(p->nrules + 1, sizeof(*candidate)), i;
	*v = (struct verdict){.rule = RULE_DEFAULT, .runner_up = RULE_NONE};
	for (i = 0; i < p->nrules && v->runner_up == RULE_NONE; i++) {
		const struct rule *r = &p->rules[i];
		uint64_t unknown = 0;
		if (r->disabled || (r->shadow && !would))
			continue;
		enum truth t = rule_truth(r, &view, &unknown);
		bool ends = r->action == ACTION_ALLOW || r->action == ACTION_DENY, decided = v->rule != RULE_DEFAULT;
		for (int field = 0; field < FIELD_COUNT; field++)
			if (!fields[field].hold)
				unknown &= ~(1ull << field);
		if (r->action == ACTION_TAG && t == TRUTH_TRUE)
			add_tag(&view, r->tag);
		if (r->action == ACTION_TAG && t == TRUTH_UNKNOWN)
			view.more_tags = true;
		if (ends && t == TRUTH_TRUE)
			*(decided ? &v->runner_up : &v->rule) = i;
		if (!ends && t == TRUTH_TRUE && !decided && n < max)
			fired[n++] = i;
		if (ends && t == TRUTH_UNKNOWN && !decided && unknown) {
			candidate[ncandidates++] = i;
			v->waits |= unknown;
		}
	}
	const struct rule *winner = v->rule == RULE_DEFAULT ? NULL : &p->rules[v->rule];
	if (winner && v->runner_up == RULE_NONE)
		v->runner_up = RULE_DEFAULT;
	v->action = winner ? winner->action : p->default_action;
	v->response = winner ? winner->response : p->default_response;
	v->possible = v->action == ACTION_ALLOW;
	for (i = 0; i < ncandidates; i++) {
		v->open |= !same_end(p, &p->rules[candidate[i]], winner);
		v->possible |= p->rules[candidate[i]].action == ACTION_ALLOW;
	}
	v->early = ncandidates && !v->open;
	if (!v->open)
		v->waits = 0;
	free(candidate);
	return n;
}
