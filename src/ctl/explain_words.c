// SPDX-License-Identifier: BSD-3-Clause
//
// An explanation for eyes: the verdict first, then what is known and what each value does to the rules, then the rules
// that mattered, condition by condition. Lists are bounded, so that it stays near one screen for any policy.
#include <string.h>

#include "ctl/explain.h"
#include "path/act.h"
#include "policy/action.h"
#include "policy/field.h"

#define BOLD "\033[1m"
#define DIM "\033[2m"
#define RED "\033[31m"
#define GREEN "\033[32m"
#define YELLOW "\033[33m"
#define PLAIN "\033[0m"

#define LABEL 15 // columns of the left side

struct page {
	const struct explain_view *v;
	FILE *out;
	bool colour;
	unsigned width;
	struct arena arena;
};

static const char *ink(const struct page *g, const char *colour)
{
	return g->colour ? colour : "";
}

static void label(const struct page *g, const char *word)
{
	fprintf(g->out, "%s%-*s%s", ink(g, DIM), LABEL, word, ink(g, PLAIN));
}

static void place(const struct page *g, const struct place *p)
{
	if (p->file && p->line)
		fprintf(g->out, " %s(%s:%u:%u)%s", ink(g, DIM), p->file, p->line, p->col, ink(g, PLAIN));
}

static const char *colour_of(const struct page *g, const struct verdict *v)
{
	return ink(g, v->open && !g->v->overflow ? YELLOW : action_table[v->action].denies ? RED : GREEN);
}

static void fields(const struct page *g, uint64_t bits)
{
	for (bool first = true; bits; bits &= bits - 1, first = false)
		fprintf(g->out, "%s%s", first ? "" : ", ", field_names[__builtin_ctzll(bits)]);
}

static void by(const struct page *g, const struct verdict *v)
{
	const struct policy *p = g->v->policy;
	if (v->rule >= p->nrules) {
		fprintf(g->out, " by default");
		return;
	}
	fprintf(g->out, " by %s%s%s", ink(g, BOLD), p->rules[v->rule].id, ink(g, PLAIN));
	place(g, &p->rules[v->rule].place);
}

// What is heard of a denial: by the rule, as it suits what is denied.
static const char *answer(const struct facts *k, uint8_t response)
{
	const struct fact_value *v = k->n[FIELD_APP] ? k->value[FIELD_APP] : NULL;
	uint8_t app = APP_NONE;
	if (!k->n[FIELD_PROTO])
		return response ? response_names[response] : "its kind's default";
	for (unsigned i = APP_NONE + 1; v && i < APP_COUNT; i++)
		if (strlen(app_names[i]) == v->len && !memcmp(v->p, app_names[i], v->len))
			app = (uint8_t)i;
	uint8_t suits = act_suits(response, (uint8_t)k->value[FIELD_PROTO]->num, app);
	return suits == RESPONSE_DROP ? "silence" : response_names[suits];
}

static void verdict(const struct page *g, const struct verdict *v)
{
	bool more = v->open && g->v->overflow;
	fprintf(g->out, "%s%s%s", colour_of(g, v),
		more                      ? "deny"
		: v->open && g->v->shadow ? "unknown"
		: v->open                 ? "open"
					  : action_names[v->action],
		ink(g, PLAIN));
	if (v->open) {
		fprintf(g->out, more           ? ": there was more than is looked at of "
				: g->v->shadow ? ", would have to know "
					       : ", waits for ");
		fields(g, v->waits);
	} else {
		by(g, v);
		if (action_table[v->action].denies)
			fprintf(g->out, ", answered by %s", answer(g->v->facts, v->response));
	}
	fputc('\n', g->out);
}

static void head(const struct page *g)
{
	const struct explain *e = g->v->e;
	const struct verdict *v = &e->verdict;
	const struct policy *p = g->v->policy;
	label(g, "verdict");
	verdict(g, v);
	if (!v->open && v->rule < p->nrules && p->rules[v->rule].reason) {
		label(g, "");
		fprintf(g->out, "\"%s\"\n", p->rules[v->rule].reason);
	}
	if (v->early) {
		label(g, "early");
		fprintf(g->out, "rules above are not known yet, but all would do the same\n");
	}
	if (v->open && !g->v->overflow) {
		label(g, "nothing more");
		verdict(g, &e->rest);
	} else if (v->runner_up != RULE_NONE) {
		struct verdict second = {.rule = v->runner_up, .action = p->default_action};
		second.response = p->default_response;
		if (second.rule < p->nrules) {
			second.action = p->rules[second.rule].action;
			second.response = p->rules[second.rule].response;
		}
		label(g, "without it");
		verdict(g, &second);
	}
	if (e->has_would) {
		label(g, "would");
		verdict(g, &e->would);
	}
	if (!e->sound)
		fprintf(g->out, "this is a bug: the rules asked one by one say something else\n");
}

// ---- what is known ----------------------------------------------------------------------------------------------

static void rules(const struct page *g, const char *what, const struct explain_rules *r)
{
	if (!r->n)
		return;
	int n = fprintf(g->out, "%*s%-10s %5u ", LABEL + 2, "", what, r->n) - 1;
	for (uint32_t i = 0; i < r->n && i < EXPLAIN_LISTED; i++) {
		const char *id = explain_rule_id(g->v->policy, r->list[i]);
		if (g->width && n + (int)strlen(id) + 8 > (int)g->width) {
			fprintf(g->out, " ...");
			break;
		}
		n += fprintf(g->out, " %s", id);
	}
	fprintf(g->out, "%s\n", r->n > EXPLAIN_LISTED ? " ..." : "");
}

static void origin(const struct page *g, const struct explain_origin *from)
{
	if (!from || !from->frame)
		return;
	fprintf(g->out, "  %sframe %lu", ink(g, DIM), from->frame);
	if (from->len)
		fprintf(g->out, ", bytes %u to %u", from->off, from->off + from->len - 1);
	if (from->nbytes) {
		fprintf(g->out, ":");
		for (uint32_t i = 0; i < from->nbytes && i < 8; i++)
			fprintf(g->out, " %02x", from->bytes[i]);
		fprintf(g->out, "%s", from->nbytes > 8 ? " .." : "");
	}
	fprintf(g->out, "%s", ink(g, PLAIN));
}

#define VALUES_SHOWN 4

static void values(struct page *g, enum field f)
{
	const struct facts *k = g->v->facts;
	enum fact_state state = (enum fact_state)k->state[f];
	label(g, field_names[f]);
	if (f == FIELD_TIME || f == FIELD_TAG) {
		fprintf(g->out, f == FIELD_TAG ? "as rules above set it\n" : "the time of the packet\n");
		return;
	}
	if (!k->n[f] || state == FACT_UNKNOWN || state == FACT_ABSENT)
		fprintf(g->out, "%s%s%s\n", ink(g, DIM), state == FACT_ABSENT ? "absent" : "unknown", ink(g, PLAIN));
	for (uint32_t i = 0; i < k->n[f] && state != FACT_UNKNOWN && state != FACT_ABSENT; i++) {
		if (i == VALUES_SHOWN) {
			fprintf(g->out, "%*sand %u more\n", LABEL, "", k->n[f] - i);
			break;
		}
		bool found = f == FIELD_PAYLOAD && !k->value[f][i].p;
		fprintf(g->out, "%*s%s", i ? LABEL : 0, "",
			found ? "searched as it came" : explain_value(&g->arena, f, &k->value[f][i]));
		origin(g, g->v->origin[f] ? &g->v->origin[f][i] : NULL);
		fputc('\n', g->out);
	}
	if (state == FACT_SOME)
		fprintf(g->out, "%*smore may come\n", LABEL, "");
}

static void known(struct page *g)
{
	const struct explain *e = g->v->e;
	fprintf(g->out, "\n%swhat is known, and what it does to the rules that ask for it%s\n", ink(g, BOLD),
		ink(g, PLAIN));
	for (enum field f = 0; f < FIELD_COUNT; f++) {
		for (uint32_t i = 0; i < e->ndimensions; i++) {
			const struct explain_dimension *d = &e->dimension[i];
			if (d->field != f)
				continue;
			values(g, f);
			rules(g, "satisfies", &d->rules[TRUTH_TRUE]);
			rules(g, "leaves open", &d->rules[TRUTH_UNKNOWN]);
			rules(g, "rules out", &d->rules[TRUTH_FALSE]);
		}
	}
	if (!e->ndimensions)
		fprintf(g->out, "no rule asks for anything\n");
}

// ---- rules ------------------------------------------------------------------------------------------------------

static void condition(const struct page *g, const struct explain_line *l)
{
	static const char *const colours[] = {RED, GREEN, YELLOW};
	fprintf(g->out, "    %*s%s%-8s%s%s", 2 * l->depth, "", ink(g, colours[l->truth]), explain_truth_names[l->truth],
		ink(g, PLAIN), l->text);
	place(g, &l->place);
	fputc('\n', g->out);
	for (uint32_t i = 0; i < l->nhits; i++) {
		const struct explain_hit *h = &l->hits[i];
		if (!h->by)
			continue;
		fprintf(g->out, "    %*s%s: %s", 2 * l->depth + 10, "", h->value, h->by);
		if (h->place.line != l->place.line || strcmp(h->place.file, l->place.file))
			place(g, &h->place);
		fputc('\n', g->out);
	}
}

static void rule(const struct page *g, const struct explain_rule *r)
{
	const struct rule *k = &g->v->policy->rules[r->rule];
	fprintf(g->out, "  %s%s%s", ink(g, BOLD), k->id, ink(g, PLAIN));
	place(g, &k->place);
	fprintf(g->out, "  %s: ", action_names[k->action]);
	switch (r->role) {
	case EXPLAIN_WAITED:
		fprintf(g->out, "waits for ");
		fields(g, r->unknown);
		break;
	case EXPLAIN_PASSED_BY:
		fprintf(g->out, "not waited for, unknown is ");
		fields(g, r->unknown);
		break;
	case EXPLAIN_DECIDES:
		fprintf(g->out, g->v->e->verdict.open ? "decides if none above becomes true" : "decides");
		break;
	case EXPLAIN_RUNNER_UP:
		fprintf(g->out, "would decide without the one above");
		break;
	case EXPLAIN_FIRED:
		fprintf(g->out, "true");
		if (k->action == ACTION_TAG)
			fprintf(g->out, ", sets \"%s\"", k->tag);
		break;
	case EXPLAIN_SHADOW:
		fprintf(g->out, "true, but a shadow");
		break;
	}
	fputc('\n', g->out);
	for (uint32_t i = 0; i < r->nlines; i++)
		condition(g, &r->lines[i]);
}

static void not_asked(const struct page *g)
{
	const struct explain *e = g->v->e;
	if (e->more)
		fprintf(g->out, "  and %u more\n", e->more);
	if (e->disabled || e->not_now)
		fprintf(g->out, "  not asked: %u disabled, %u expired or outside their hours\n", e->disabled,
			e->not_now);
}

void explain_head(const struct explain_view *v, FILE *out, bool colour, unsigned width)
{
	struct page g = {.v = v, .out = out, .colour = colour, .width = width};
	head(&g);
}

void explain_words(const struct explain_view *v, FILE *out, bool colour, unsigned width)
{
	struct page g = {.v = v, .out = out, .colour = colour, .width = width};
	if (!v->shadow)
		known(&g);
	fprintf(out, "\n%srules that matter, from the top%s\n", ink(&g, BOLD), ink(&g, PLAIN));
	for (uint32_t i = 0; i < v->e->nrules; i++)
		rule(&g, &v->e->rule[i]);
	if (!v->e->nrules)
		fprintf(out, "  none is true\n");
	not_asked(&g);
	arena_free(&g.arena);
}
