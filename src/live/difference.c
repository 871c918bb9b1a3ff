// SPDX-License-Identifier: BSD-3-Clause
//
// Two policies, compared. A rule is what its id is; that it says something else is found by the text that each is
// written down as, whole and in one way, whatever the file looks like: spaces, comments, order of members and places do
// not count. Sets are compared by their members as they stand.
//
// Order matters between rules, so a rule that only moved is said to have, once for all.
#include "live/difference.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/policy.h"

const char *const difference_names[DIFFERENCE_KINDS] = {"added", "removed", "changed"};

struct item {
	const char *id;
	char *text;
	size_t len;
	uint32_t place;
	bool set, met;
};

struct items {
	struct item *list;
	uint32_t n;
};

// ---- one thing as text -------------------------------------------------------------------------------------------

// Values hold any byte.
static void bytes(FILE *f, const uint8_t *p, uint32_t len)
{
	fprintf(f, "%u:", len);
	for (uint32_t i = 0; i < len; i++)
		fprintf(f, "%02x", p[i]);
}

static void operand(FILE *f, const struct operand *o)
{
	bytes(f, o->p, o->len);
	fprintf(f, "/%u %lu-%lu ", o->bits, o->num, o->num_high);
}

static void schedule(FILE *f, const struct schedule *s)
{
	if (s)
		fprintf(f, "days %x %u-%u %s ", s->days, s->from, s->to, s->zone ? s->zone : "UTC");
}

static void test(FILE *f, const struct test *t)
{
	fprintf(f, "(%d%d%d ", t->op, t->nocase, t->present);
	operand(f, &t->operand);
	fputs(t->set ? t->set->name : "", f);
	schedule(f, t->schedule);
	for (uint32_t i = 0; i < t->nchildren; i++) // no deeper than POLICY_DEPTH_MAX
		test(f, t->child[i]);
	fputc(')', f);
}

static int by_text(const void *x, const void *y)
{
	return strcmp(*(char *const *)x, *(char *const *)y);
}

static void condition(FILE *f, const struct condition *c);

// In whatever order they stand, they mean the same.
static void conditions(FILE *f, struct condition *const *child, uint32_t n)
{
	size_t len;
	char **text = calloc(n + 1ul, sizeof(*text));
	for (uint32_t i = 0; i < n; i++) {
		FILE *one = text ? open_memstream(&text[i], &len) : NULL;
		if (!one)
			abort(); // some bytes
		condition(one, child[i]);
		fclose(one);
	}
	if (n)
		qsort(text, n, sizeof(*text), by_text);
	for (uint32_t i = 0; i < n; i++) {
		fputs(text[i], f);
		free(text[i]);
	}
	free(text);
}

static void condition(FILE *f, const struct condition *c)
{
	if (!c)
		return;
	fprintf(f, "[%d %d %s ", c->kind, c->field, c->header ? c->header : "");
	if (c->test)
		test(f, c->test);
	conditions(f, c->child, c->nchildren);
	fputc(']', f);
}

static const char *word(const char *s)
{
	return s ? s : "-";
}

static void rule(FILE *f, const struct rule *r)
{
	fprintf(f, "%d %d %u %u %s %s %s %lu %lu %lu %d %u %d%d %lu %d %u ", r->action, r->response, r->sid,
		r->severity, word(r->reason), word(r->tag), word(r->sink), r->rate_bits, r->rate_packets, r->burst,
		r->limit_by, r->before, r->shadow, r->disabled, r->expires_ns, r->log, r->sample);
	operand(f, &r->sinkhole);
	schedule(f, r->time);
	condition(f, r->when);
}

static void set(FILE *f, const struct set *s)
{
	fprintf(f, "%d ", s->type);
	for (uint32_t i = 0; i < s->nitems; i++) {
		operand(f, &s->items[i].operand);
		fputc(s->items[i].exact ? '=' : ' ', f);
	}
}

// ---- all of a policy ---------------------------------------------------------------------------------------------

static int by_id(const void *x, const void *y)
{
	const struct item *a = x, *b = y;
	return a->set != b->set ? a->set - b->set : strcmp(a->id, b->id);
}

static int by_place(const void *x, const void *y)
{
	const struct item *a = x, *b = y;
	return a->place < b->place ? -1 : a->place > b->place;
}

static void items_free(struct items *t)
{
	for (uint32_t i = 0; i < t->n; i++)
		free(t->list[i].text);
	free(t->list);
}

static bool items_of(const struct policy *p, struct items *t)
{
	uint32_t n = p ? p->nrules + p->nsets : 0;
	*t = (struct items){.list = calloc(n + 1ul, sizeof(*t->list))};
	for (; t->list && t->n < n; t->n++) {
		struct item *i = &t->list[t->n];
		bool is_set = t->n >= p->nrules;
		*i = (struct item){.place = t->n, .set = is_set};
		i->id = is_set ? p->sets[t->n - p->nrules].name : p->rules[t->n].id;
		FILE *f = open_memstream(&i->text, &i->len);
		if (!f)
			break;
		if (is_set)
			set(f, &p->sets[t->n - p->nrules]);
		else
			rule(f, &p->rules[t->n]);
		if (fclose(f) != 0)
			break;
	}
	if (t->list && t->n == n) {
		qsort(t->list, n, sizeof(*t->list), by_id);
		return true;
	}
	items_free(t);
	return false;
}

// ---- both --------------------------------------------------------------------------------------------------------

struct comparing {
	struct difference *d;
	difference_each *each;
	void *arg;
};

static void say(struct comparing *k, enum difference_kind kind, const struct item *i)
{
	(i->set ? k->d->sets : k->d->rules)[kind]++;
	if (k->each)
		k->each(k->arg, kind, i->set, i->id);
}

// `is` by place; `was` by id.
static void compare(struct comparing *k, struct items *was, const struct items *is)
{
	uint32_t last = 0;
	for (uint32_t i = 0; i < is->n; i++) {
		const struct item *x = &is->list[i];
		struct item *met = was->n ? bsearch(x, was->list, was->n, sizeof(*x), by_id) : NULL;
		if (!met) {
			say(k, DIFFERENCE_ADDED, x);
			continue;
		}
		met->met = true;
		if (met->len != x->len || memcmp(met->text, x->text, x->len) != 0)
			say(k, DIFFERENCE_CHANGED, x);
		k->d->moved |= !x->set && met->place < last;
		last = x->set ? last : met->place;
	}
}

static bool others(const struct policy *a, const struct policy *b)
{
	if (!a || !b)
		return false;
	return a->default_action != b->default_action || a->default_response != b->default_response ||
	       a->handshake != b->handshake || a->server_first != b->server_first || a->prelude != b->prelude ||
	       a->rejudge != b->rejudge;
}

bool difference(const struct policy *was, const struct policy *is, struct difference *d, difference_each *each,
		void *arg)
{
	struct items a, b;
	struct comparing k = {d, each, arg};
	*d = (struct difference){.others = others(was, is)};
	if (!items_of(was, &a))
		return false;
	if (!items_of(is, &b)) {
		items_free(&a);
		return false;
	}
	qsort(b.list, b.n, sizeof(*b.list), by_place);
	compare(&k, &a, &b);
	qsort(a.list, a.n, sizeof(*a.list), by_place);
	for (uint32_t i = 0; i < a.n; i++)
		if (!a.list[i].met)
			say(&k, DIFFERENCE_REMOVED, &a.list[i]);
	items_free(&a);
	items_free(&b);
	return true;
}
