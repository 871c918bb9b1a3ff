// SPDX-License-Identifier: BSD-3-Clause
//
// From a policy as people write it to keys and values (rules_key.h). In: the text, the policy that was read of it (for
// items of sets, which may stand in files, in their normal form), and the topic as it is. Out: what the topic is to
// say. Any thread.
//
// A rule's place is a number. So that one rule more writes one record, rules that stand in the same order as before
// keep theirs (the longest such run of them: patience sorting), and the others get one between their neighbours. Where
// two neighbours have no number between them, all are numbered anew.
#include "decide/rules_keyed.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "decide/canonical.h"
#include "policy/policy.h"
#include "policy/set.h"

#define STEP 1000.0 // between two rules that are numbered anew

struct keyed {
	const struct policy *policy;
	rules_keyed_cb *cb;
	void *arg;
	FILE *say;
	bool good;
};

static void wrong(struct keyed *k, const char *what, const char *name)
{
	fprintf(k->say, "%s \"%.80s\"\n", what, name);
	k->good = false;
}

static void put(struct keyed *k, const char *key, const json_t *value)
{
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	if (!f)
		abort();
	canonical_write(value, f);
	fclose(f);
	k->cb(k->arg, key, strlen(key), text, len);
	free(text);
}

static char *join(const char *a, const char *b, const char *c, const char *d)
{
	char *text;
	if (asprintf(&text, "%s%s%s%s", a, b, c, d) < 0)
		abort();
	return text;
}

// ---- sets --------------------------------------------------------------------------------------------------------

static char *item_text(enum set_type type, const struct set_item *i)
{
	const struct operand *o = &i->operand;
	char text[INET6_ADDRSTRLEN + 8], *made;
	if (type == SET_NET) {
		inet_ntop(o->len == 4 ? AF_INET : AF_INET6, o->p, text, INET6_ADDRSTRLEN);
		if (o->bits != o->len * 8)
			sprintf(text + strlen(text), "/%u", o->bits);
		return join(text, "", "", "");
	}
	if (type == SET_PORT) {
		snprintf(text, sizeof(text), o->num_high > o->num ? "%lu-%lu" : "%lu", o->num, o->num_high);
		return join(text, "", "", "");
	}
	if (asprintf(&made, "%s%.*s", type == SET_DOMAIN && i->exact ? "=" : "", (int)o->len, o->p) < 0)
		abort();
	return made;
}

static void set(struct keyed *k, const struct set *s)
{
	char *head = join("set:", s->name, "", "");
	json_t *value = json_pack("{s:s}", "type", set_type_names[s->type]), *none = json_object();
	if (strchr(s->name, ':'))
		wrong(k, "in Kafka a set's name has no colon: rename the set", s->name);
	put(k, head, value);
	for (uint32_t i = 0; i < s->nitems; i++) {
		char *text = item_text(s->type, &s->items[i]), *key = join(head, ":", text, "");
		put(k, key, none);
		free(key);
		free(text);
	}
	json_decref(value);
	json_decref(none);
	free(head);
}

// ---- order -------------------------------------------------------------------------------------------------------

struct order {
	double *of; // NAN: it has none yet
	bool *stays;
	uint32_t n;
};

// Of those that have a number, the longest ascending run stays.
static void keep_longest(struct order *o)
{
	uint32_t *tail = calloc(o->n + 1ul, sizeof(*tail)), *before = calloc(o->n + 1ul, sizeof(*before)), len = 0;
	if (!tail || !before)
		abort();
	for (uint32_t i = 0; i < o->n; i++) {
		if (isnan(o->of[i]))
			continue;
		uint32_t low = 0, high = len;
		while (low < high) {
			uint32_t mid = (low + high) / 2;
			if (o->of[tail[mid]] < o->of[i])
				low = mid + 1;
			else
				high = mid;
		}
		before[i] = low ? tail[low - 1] : UINT32_MAX;
		tail[low] = i;
		len = low == len ? len + 1 : len;
	}
	for (uint32_t i = len ? tail[len - 1] : UINT32_MAX; i != UINT32_MAX; i = before[i])
		o->stays[i] = true;
	free(tail);
	free(before);
}

static bool banded(double d)
{
	return d >= RULES_AUTO_FROM && d < RULES_AUTO_BEFORE;
}

// Between two that stay, at even distances; whole numbers where there are enough. False: there is no room.
static bool fill(struct order *o)
{
	double low = 0;
	for (uint32_t i = 0, end; i < o->n; i = end + 1) {
		for (end = i; end < o->n && !o->stays[end]; end++)
			;
		uint32_t missing = end - i;
		double high = end < o->n ? o->of[end] : low + STEP * (missing + 1), step = (high - low) / (missing + 1);
		for (uint32_t k = 0; k < missing; k++) {
			double d = low + step * (k + 1), before = k ? o->of[i + k - 1] : low;
			d = step >= 2 ? floor(d) : d;
			if (!(d > before && d < high) || banded(d))
				return false;
			o->of[i + k] = d;
		}
		low = end < o->n ? o->of[end] : low;
	}
	return true;
}

static double *orders(const struct keyed *k, struct rules_table *now)
{
	const struct policy *p = k->policy;
	struct order o = {calloc(p->nrules + 1ul, sizeof(double)), calloc(p->nrules + 1ul, 1), p->nrules};
	if (!o.of || !o.stays)
		abort();
	for (uint32_t i = 0; i < p->nrules; i++) {
		char *key = join("rule:", p->rules[i].id, "", "");
		const struct rules_value *v = rules_table_get(now, key);
		o.of[i] = v ? v->order : NAN;
		free(key);
	}
	keep_longest(&o);
	if (!fill(&o))
		for (uint32_t i = 0; i < p->nrules; i++)
			o.of[i] = STEP * (i + 1); // 100,000 rules end below the machines' band
	free(o.stays);
	return o.of;
}

// ---- all of it ---------------------------------------------------------------------------------------------------

static void rules(struct keyed *k, const json_t *list, struct rules_table *now)
{
	double *order = orders(k, now);
	for (uint32_t i = 0; i < k->policy->nrules; i++) {
		const char *id = k->policy->rules[i].id;
		json_t *rule = json_copy(json_array_get(list, i));
		char *key = join("rule:", id, "", "");
		if (!strncmp(id, "auto:", 5))
			wrong(k, "rules that begin with auto: are written by machines: rename the rule", id);
		json_object_set_new(rule, "order", json_real(order[i]));
		put(k, key, rule);
		json_decref(rule);
		free(key);
	}
	free(order);
}

// `undecided` and `rejudge_unknown` have no key of their own.
static void fallback(struct keyed *k, const json_t *doc)
{
	static const char *const beside[] = {"undecided", "rejudge_unknown"};
	const json_t *given = json_object_get(doc, "default");
	json_t *value = given ? json_copy((json_t *)(uintptr_t)given) : json_pack("{s:s}", "action", "allow");
	bool some = given;
	for (unsigned i = 0; i < 2; i++) {
		json_t *v = json_object_get(doc, beside[i]);
		some |= v != NULL;
		if (v)
			json_object_set(value, beside[i], v);
	}
	if (some)
		put(k, "default", value);
	json_decref(value);
}

bool rules_keyed(const struct policy *policy, const char *text, size_t len, struct rules_table *now, rules_keyed_cb *cb,
		 void *arg, FILE *say)
{
	struct keyed k = {policy, cb, arg, say, true};
	json_t *doc = json_loadb(text, len, JSON_DECODE_INT_AS_REAL, NULL);
	if (!doc) { // the policy was read of it
		fputs("the text is no JSON\n", say);
		return false;
	}
	for (uint32_t i = 0; i < policy->nsets; i++)
		set(&k, &policy->sets[i]);
	rules(&k, json_object_get(doc, "rules"), now);
	fallback(&k, doc);
	json_decref(doc);
	return k.good;
}
