// SPDX-License-Identifier: BSD-3-Clause
//
// The conditions of one rule in words, each with what the evaluator says of it, and for those that are true the value,
// and the member of the set or the regex that it is true by. Off the path.
//
// The policy's tree has the words and places, the rule set's nodes have the truth; the compiler lays one down as the
// other stands, so both are walked together.
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "explain.h"
#include "path/policy_in.h"
#include "policy/edit.h"
#include "policy/field.h"

// ---- words ------------------------------------------------------------------------------------------------------

struct words {
	char text[EXPLAIN_TEXT + 4];
	size_t n;
	bool cut;
};

static void put(struct words *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct words *w, const char *format, ...)
{
	va_list args;
	if (w->cut)
		return;
	va_start(args, format);
	int n = vsnprintf(w->text + w->n, EXPLAIN_TEXT - w->n, format, args);
	va_end(args);
	if (n < 0 || w->n + (size_t)n >= EXPLAIN_TEXT) {
		w->cut = true;
		w->n = EXPLAIN_TEXT - 1;
	} else {
		w->n += (size_t)n;
	}
}

static const char *said(struct arena *a, struct words *w)
{
	if (w->cut)
		w->n += (size_t)sprintf(w->text + w->n, "...");
	return arena_text(a, w->text, w->n);
}

static void put_bytes(struct words *w, const uint8_t *p, uint32_t len)
{
	for (uint32_t i = 0; i < len && !w->cut; i++) {
		if (p[i] >= 0x20 && p[i] < 0x7f && p[i] != '\\')
			put(w, "%c", p[i]);
		else
			put(w, p[i] == '\\' ? "\\\\" : "\\x%02x", p[i]);
	}
}

static void put_address(struct words *w, const uint8_t *p, uint32_t len)
{
	char text[INET6_ADDRSTRLEN] = "";
	inet_ntop(len == 4 ? AF_INET : AF_INET6, p, text, sizeof(text));
	put(w, "%s", text);
}

static void put_number(struct words *w, enum field f, uint64_t num)
{
	const struct field_words *words = field_words(f);
	if (field_table[f].type == FIELD_TYPE_BOOL) {
		put(w, num ? "true" : "false");
		return;
	}
	for (uint32_t i = 0; words && words->numbers && i < words->n; i++) {
		if (words->numbers[i] == num) {
			put(w, "%s", words->words[i]);
			return;
		}
	}
	put(w, "%lu", num);
}

const char *explain_value(struct arena *a, enum field f, const struct fact_value *v)
{
	struct words w = {.n = 0};
	if (v->name_len) {
		put_bytes(&w, v->name, v->name_len);
		put(&w, ": ");
	}
	if (field_table[f].type == FIELD_TYPE_ADDR && (v->len == 4 || v->len == 16))
		put_address(&w, v->p, v->len);
	else if (v->p)
		put_bytes(&w, v->p, v->len);
	else
		put_number(&w, f, v->num);
	return said(a, &w);
}

static void put_operand(struct words *w, enum field f, const struct operand *o)
{
	if (field_table[f].type == FIELD_TYPE_ADDR) {
		put_address(w, o->p, o->len);
		if (o->bits != o->len * 8)
			put(w, "/%u", o->bits);
	} else if (o->p) {
		put(w, "\"");
		put_bytes(w, o->p, o->len);
		put(w, "\"");
	} else {
		put_number(w, f, o->num);
	}
}

static void put_schedule(struct words *w, const struct schedule *s)
{
	static const char *const days[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
	for (unsigned i = 0; i < 7; i++)
		if (s->days >> i & 1)
			put(w, "%s ", days[i]);
	put(w, "%02u:%02u to %02u:%02u %s", s->from / 60, s->from % 60, s->to / 60, s->to % 60,
	    s->zone ? s->zone : "UTC");
}

static void put_test(struct words *w, enum field f, const struct test *t);

static void put_list(struct words *w, enum field f, const struct test *t, const char *between)
{
	for (uint32_t i = 0; i < t->nchildren && !w->cut; i++) {
		put(w, "%s", i ? between : "");
		put_test(w, f, t->child[i]);
	}
}

static void put_test(struct words *w, enum field f, const struct test *t)
{
	switch (t->op) {
	case TEST_IS:
		if (field_table[f].type == FIELD_TYPE_TIME)
			put_schedule(w, t->schedule);
		else
			put_operand(w, f, &t->operand);
		break;
	case TEST_IN:
		put(w, "in %s", t->set->name ? t->set->name : "a set");
		break;
	case TEST_PREFIX:
	case TEST_SUFFIX:
	case TEST_CONTAINS:
	case TEST_REGEX:
		put(w, "%s ", field_op_names[t->op]);
		put_operand(w, f, &t->operand);
		break;
	case TEST_RANGE:
		put(w, "%lu-%lu", t->operand.num, t->operand.num_high);
		break;
	case TEST_NOT:
		put(w, "not ");
		put_list(w, f, t, "");
		break;
	case TEST_ALL:
		put(w, "all of (");
		put_list(w, f, t, ", ");
		put(w, ")");
		break;
	case TEST_ANY:
		put_list(w, f, t, " | ");
		break;
	case TEST_PRESENT:
		put(w, t->present ? "present" : "absent");
		break;
	}
}

static const char *words_of(struct arena *a, const struct condition *c)
{
	struct words w = {.n = 0};
	put(&w, "%s%s ", field_names[c->field], c->header ? c->header : "");
	put_test(&w, c->field, c->test);
	return said(a, &w);
}

// ---- members of sets --------------------------------------------------------------------------------------------

static bool below(const struct fact_value *v, const struct set_item *i)
{
	uint32_t n = i->operand.len;
	if (v->len < n || memcmp(v->p + v->len - n, i->operand.p, n))
		return false;
	return v->len == n || (!i->exact && v->p[v->len - n - 1] == '.');
}

static bool within(const struct fact_value *v, const struct operand *o)
{
	unsigned whole = o->bits / 8, rest = o->bits % 8;
	if (v->len != o->len || memcmp(v->p, o->p, whole))
		return false;
	return !rest || ((v->p[whole] ^ o->p[whole]) & (0xff00 >> rest & 0xff)) == 0;
}

static bool member(const struct set *s, const struct set_item *i, const struct fact_value *v)
{
	switch (s->type) {
	case SET_NET:
		return v->p && within(v, &i->operand);
	case SET_DOMAIN:
		return v->p && below(v, i);
	case SET_PORT:
		return v->num >= i->operand.num && v->num <= i->operand.num_high;
	default:
		return v->p && v->len == i->operand.len &&
		       !strncasecmp((const char *)v->p, (const char *)i->operand.p, v->len);
	}
}

struct telling {
	struct explain *e;
	const struct policy *policy;
	const struct policy_scratch *s;
	struct explain_rule *r;
	bool strict;
};

// The closest of the set's members that has the value. NULL: none that was loaded with it.
static const struct set_item *member_of(const struct telling *t, const struct set *s, const struct fact_value *v)
{
	const struct set_item *best = NULL;
	for (uint32_t i = 0; i < s->nitems; i++) {
		const struct set_item *k = &s->items[i];
		if (!member(s, k, v) || edit_removed(t->policy, t->s->rs, s, k))
			continue;
		if (!best || k->operand.bits > best->operand.bits || k->operand.len > best->operand.len)
			best = k;
	}
	return best;
}

static const char *member_words(struct arena *a, const struct set *s, const struct set_item *i)
{
	struct words w = {.n = 0};
	if (s->type == SET_PORT && i->operand.num != i->operand.num_high)
		put(&w, "%lu-%lu", i->operand.num, i->operand.num_high);
	else if (s->type == SET_PORT)
		put(&w, "%lu", i->operand.num);
	else if (s->type == SET_NET)
		put_operand(&w, FIELD_SRC, &i->operand);
	else
		put_bytes(&w, i->operand.p, i->operand.len);
	return said(a, &w);
}

// ---- lines ------------------------------------------------------------------------------------------------------

#define HITS_MAX 4

static void hit(struct telling *t, struct explain_line *l, enum field f, const struct test *test,
		const struct fact_value *v)
{
	struct explain_hit *h = &l->hits[l->nhits++];
	h->value = explain_value(&t->e->arena, f, v);
	h->place = test->place;
	if (test->op == TEST_IN) {
		const struct set_item *i = member_of(t, test->set, v);
		h->by = "an item that `set add` added";
		if (i) {
			h->by = member_words(&t->e->arena, test->set, i);
			h->place = i->place;
		}
	} else if (test->op != TEST_IS) {
		struct words w = {.n = 0};
		put_test(&w, f, test);
		h->by = said(&t->e->arena, &w);
	}
}

// What is true below a list, for each value: the tests that say something by themselves.
static void hits(struct telling *t, struct explain_line *l, const struct node *field, const struct node *n,
		 const struct test *test)
{
	const struct fact_value *values;
	if (test->op == TEST_ALL || test->op == TEST_ANY) {
		const struct node *c = n + 1;
		for (uint32_t i = 0; i < test->nchildren; c += c->end, i++)
			hits(t, l, field, c, test->child[i]);
		return;
	}
	uint32_t many = policy_truth_values(t->s, field->field, &values);
	if (test->op == TEST_NOT || test->op == TEST_PRESENT || field->field == FIELD_TIME)
		return;
	if (field->field == FIELD_PAYLOAD && many && !values->p) // it is not kept
		return;
	for (uint32_t i = 0; i < many && l->nhits < HITS_MAX; i++)
		if (policy_truth_value(t->s, field, n, i))
			hit(t, l, (enum field)field->field, test, &values[i]);
}

static void line(struct telling *t, const struct condition *c, const struct node *n, unsigned depth)
{
	uint64_t unknown = 0;
	if (t->r->nlines == EXPLAIN_LINES)
		return;
	bool top = depth == 0 && c->kind == CONDITION_ALL; // its children say it all
	if (!top) {
		struct explain_line *l = &t->r->lines[t->r->nlines++];
		*l = (struct explain_line){.depth = (uint8_t)(depth ? depth - 1 : 0), .place = c->place};
		l->truth = policy_truth_node(t->s, n, t->strict, &unknown);
		l->text = c->kind == CONDITION_FIELD ? words_of(&t->e->arena, c)
			  : c->kind == CONDITION_ANY ? "any of"
						     : "all of";
		l->hits = arena_take(&t->e->arena, HITS_MAX * sizeof(*l->hits));
		if (c->kind == CONDITION_FIELD)
			hits(t, l, n, n + 1, c->test);
	}
	const struct node *k = n + 1;
	for (uint32_t i = 0; i < c->nchildren; k += k->end, i++)
		line(t, c->child[i], k, depth + 1);
}

void explain_lines(struct explain *e, const struct policy *p, const struct policy_scratch *s, struct explain_rule *r)
{
	const struct rule *rule = &p->rules[r->rule];
	const struct ruleset_rule *made = &s->rs->rules[r->rule];
	struct telling t = {.e = e, .policy = p, .s = s, .r = r, .strict = made->strict};
	if (!rule->when || made->node == RULES_NONE)
		return;
	r->lines = arena_take(&e->arena, EXPLAIN_LINES * sizeof(*r->lines));
	line(&t, rule->when, s->rs->nodes + made->node, 0);
}
