// SPDX-License-Identifier: BSD-3-Clause
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "differ.h"
#include "naive.h"
#include "random.h"

#include "path/policy.h"
#include "path/rules.h"
#include "policy/compile.h"
#include "policy/complaints.h"
#include "policy/lint_in.h"
#include "policy/scan_kept.h"

static bool same(const struct verdict *a, const struct verdict *b)
{
	return a->open == b->open && a->early == b->early && a->possible == b->possible && a->action == b->action &&
	       a->response == b->response && a->rule == b->rule && a->waits == b->waits && a->runner_up == b->runner_up;
}

static void print(const char *who, const struct verdict *v, const uint32_t *fired, uint32_t n)
{
	printf("%s: rule %d action %u response %u%s%s%s waits %" PRIx64 " runner up %d fired", who, (int)v->rule,
	       v->action, v->response, v->open ? " open" : "", v->early ? " early" : "", v->possible ? " possible" : "",
	       v->waits, (int)v->runner_up);
	for (uint32_t i = 0; i < n; i++)
		printf(" %u", fired[i]);
	printf("\n");
}

// What check says of rules that no packet reaches, held against every verdict. It knows rules as they are read: with
// ids, and all of a `when` in one conjunction.
static void hidden_of(const struct policy *random, bool *hidden)
{
	struct arena arena = {0};
	struct policy as_read = *random, *p = &as_read;
	struct complaints c = {0};
	char text[256];
	struct reading r = {.policy = p, .arena = &arena, .complaints = &c};
	p->rules = arena_take(&arena, (p->nrules + 1) * sizeof(*p->rules));
	for (uint32_t i = 0; i < p->nrules; i++) {
		struct condition *all = arena_take(&arena, sizeof(*all));
		p->rules[i] = random->rules[i];
		*all = (struct condition){.kind = CONDITION_ALL, .nchildren = 1};
		if (p->rules[i].when && p->rules[i].when->kind != CONDITION_ALL) {
			all->child = arena_take(&arena, sizeof(*all->child));
			all->child[0] = p->rules[i].when;
			p->rules[i].when = all;
		}
		snprintf(text, sizeof(text), "%u", i);
		p->rules[i].id = arena_text(&arena, text, strlen(text));
	}
	lint_hidden(&r);
	for (uint32_t i = 0; i < p->nrules; i++) {
		snprintf(text, sizeof(text), "rule \"%s\" is hidden", p->rules[i].id);
		hidden[i] = false;
		for (uint32_t k = 0; k < c.n; k++)
			hidden[i] |= !strncmp(c.list[k].text, text, strlen(text));
	}
	complaints_clear(&c);
	arena_free(&arena);
}

static bool reached(const bool *hidden, const struct policy *p, const struct verdict *v, const uint32_t *fired,
		    uint32_t n)
{
	bool yes = v->rule < p->nrules && hidden[v->rule];
	for (uint32_t i = 0; i < n; i++)
		yes |= hidden[fired[i]];
	return yes;
}

static bool one(const struct policy *p, const struct ruleset *rs, struct policy_scratch *s, const struct facts *f,
		bool would, const bool *hidden, struct differ_counts *sum)
{
	struct verdict a, b;
	uint32_t fired[POLICY_FIRED_MAX], n = naive_judge(p, f, would, &a, fired, POLICY_FIRED_MAX), m;
	const uint32_t *list;
	(would ? policy_judge_would : policy_judge)(rs, s, f, &b);
	m = policy_fired(s, &list);
	sum->cases++;
	sum->open += a.open;
	sum->early += a.early;
	sum->decided += a.rule != RULE_DEFAULT;
	sum->fired += n > 0;
	sum->hidden += reached(hidden, p, &a, fired, n);
	if (!sum->hidden && same(&a, &b) && n == m && !memcmp(fired, list, n * sizeof(*list)))
		return true;
	random_print(p, f);
	print("naive   ", &a, fired, n);
	print("compiled", &b, list, m);
	sum->differences++;
	return false;
}

// The first half of a policy's rules, with the same sets: what the whole is compiled after.
static struct ruleset *half(const struct policy *p, struct compile_options *o)
{
	char error[256];
	struct policy some = *p;
	some.nrules = (p->nrules + 1) / 2;
	o->store = scan_store_new();
	struct ruleset *rs = compile_ruleset(&some, o, error, sizeof(error));
	o->before = rs;
	return rs;
}

static bool in_pieces(const struct ruleset *rs)
{
	for (uint32_t i = 0; i < rs->nbuffers; i++)
		if (rs->buffers[i].more)
			return true;
	return false;
}

struct differ_counts differ(uint64_t cases, uint64_t seed, uint32_t max_rules, uint32_t facts)
{
	struct differ_counts sum = {0};
	struct random r;
	random_init(&r, seed, 64 << 20);
	while (sum.cases < cases && !sum.differences) {
		char error[256];
		uint64_t began = r.state;
		random_reset(&r);
		struct policy *p = random_policy(&r, 1 + random_below(&r, max_rules));
		struct compile_options o = {.seed = r.state};
		bool hidden[p->nrules + 1];
		hidden_of(p, hidden);
		struct ruleset *before = random_below(&r, 2) ? half(p, &o) : NULL;
		struct ruleset *rs = compile_ruleset(p, &o, error, sizeof(error));
		sum.pieces += rs && in_pieces(rs);
		struct policy_scratch *s = rs ? policy_worker_init(rs) : NULL;
		size_t mark = r.used;
		if (!s) {
			printf("does not compile: %s\n", error);
			sum.differences++;
		}
		sum.policies++;
		for (uint32_t i = 0; i < p->nrules; i++)
			sum.warned += hidden[i];
		for (uint32_t i = 0; s && i < facts && !sum.differences; i++) {
			r.used = mark;
			if (!one(p, rs, s, random_facts(&r), random_below(&r, 8) == 0, hidden, &sum))
				printf("policy of state %" PRIx64 ", facts %u\n", began, i);
		}
		policy_worker_fini(s);
		compile_free(rs);
		compile_free(before);
		scan_store_free(o.store);
	}
	random_fini(&r);
	return sum;
}
