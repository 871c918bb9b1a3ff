// SPDX-License-Identifier: BSD-3-Clause
//
// The verdict on what is known of a transaction (policy.md 2): struct facts in, struct verdict out, and the list of
// rules that do not end the search and were true. On workers' threads, with the worker's own scratch.
#include <hs/hs_runtime.h>

#include "policy_in.h"

#include "base/eal.h"

#define X(symbol, name, type, many, hold, known, absent, help) (uint64_t) hold << FIELD_##symbol |
static const uint64_t holdable = FIELDS(X) 0;
#undef X

static inline uint64_t *take(uint8_t **at, size_t bytes)
{
	uint64_t *p = (uint64_t *)*at;
	*at += (bytes + 63) & ~63ul;
	return p;
}

struct policy_scratch *policy_worker_init(const struct ruleset *rs)
{
	size_t scan = 0, found = rs->nfound * sizeof(uint64_t), dirty = rs->nfound * sizeof(uint32_t);
	if (rs->scan && hs_scratch_size(rs->scan, &scan) != HS_SUCCESS)
		return NULL;
	size_t bytes = sizeof(struct policy_scratch) + found + dirty + 256;
	uint8_t *at = mem_take(bytes);
	if (!at)
		return NULL;
	struct policy_scratch *s = (struct policy_scratch *)take(&at, sizeof(*s));
	s->rs = rs;
	s->bytes = bytes;
	s->found = take(&at, found);
	s->dirty = (uint32_t *)take(&at, dirty);
	if (rs->scan && hs_clone_scratch(rs->scan, &s->scan) != HS_SUCCESS) {
		mem_give(s, bytes);
		return NULL;
	}
	return s;
}

void policy_worker_fini(struct policy_scratch *s)
{
	if (!s)
		return;
	hs_free_scratch(s->scan);
	mem_give(s, s->bytes);
}

uint32_t policy_fired(const struct policy_scratch *s, const uint32_t **rules)
{
	*rules = s->fired;
	return s->nfired;
}

static void add_tag(struct policy_scratch *s, const struct ruleset_rule *r)
{
	const uint8_t *p = s->rs->bytes + r->tag;
	for (uint32_t i = 0; i < s->ntags; i++)
		if (s->tag[i].p == p) // equal tags are one run of bytes
			return;
	if (s->ntags == FACTS_MAX) {
		s->more_tags = true;
		return;
	}
	s->tag[s->ntags] = (struct fact_value){.p = p, .len = r->tag_len};
	policy_scan_tag(s, s->ntags++);
}

// What is known of the verdict while rules are walked from the first on.
struct walk {
	struct verdict *v;
	bool would;
	bool candidates, mixed; // rules that may yet be true; they would not all do the same
	uint16_t outcome;
	bool decided, done;
};

static void candidate(const struct policy_scratch *s, struct walk *k, const struct ruleset_rule *r, uint64_t unknown)
{
	if (k->decided || !(unknown & holdable))
		return;
	k->v->waits |= unknown & holdable;
	k->v->possible |= r->action == ACTION_ALLOW;
	k->mixed |= k->candidates && r->outcome != k->outcome;
	k->candidates = true;
	k->outcome = r->outcome;
}

static void ends(struct walk *k, uint32_t i, const struct ruleset_rule *r)
{
	if (k->decided) {
		k->v->runner_up = i;
		k->done = true;
		return;
	}
	k->decided = true;
	k->v->rule = i;
	k->v->action = r->action;
	k->v->response = r->response;
	k->v->runner_up = RULE_DEFAULT;
	k->v->open = k->candidates && (k->mixed || k->outcome != r->outcome);
}

// one rule, in its turn
static void step(struct policy_scratch *s, struct walk *k, uint32_t i)
{
	const struct ruleset_rule *r = &s->rs->rules[i];
	uint64_t unknown = 0;
	if (r->disabled || (r->shadow && !k->would))
		return;
	enum truth t = policy_truth_rule(s, r, &unknown);
	if (t == TRUTH_FALSE)
		return;
	if (r->ends) {
		if (t == TRUTH_TRUE)
			ends(k, i, r);
		else
			candidate(s, k, r, unknown);
		return;
	}
	if (t == TRUTH_TRUE && !k->decided && s->nfired < POLICY_FIRED_MAX)
		s->fired[s->nfired++] = i;
	if (r->action == ACTION_TAG && t == TRUTH_TRUE)
		add_tag(s, r);
	else if (r->action == ACTION_TAG)
		s->more_tags = true;
}

static void judge(const struct ruleset *rs, struct policy_scratch *s, const struct facts *facts, bool would,
		  struct verdict *v)
{
	struct walk k = {.v = v, .would = would};
	*v = (struct verdict){.rule = RULE_DEFAULT, .runner_up = RULE_NONE};
	s->facts = facts;
	s->nfired = 0;
	s->ntags = 0;
	s->more_tags = false;
	policy_scan(s);
	for (uint32_t i = 0; i < rs->nrules && !k.done; i++)
		step(s, &k, i);
	if (!k.decided) {
		v->action = rs->default_action;
		v->response = rs->default_response;
		v->open = k.candidates && (k.mixed || k.outcome != rs->default_outcome);
	}
	v->possible |= v->action == ACTION_ALLOW;
	v->early = k.candidates && !v->open;
	if (!v->open)
		v->waits = 0;
}

void policy_judge(const struct ruleset *rs, struct policy_scratch *s, const struct facts *facts, struct verdict *v)
{
	judge(rs, s, facts, false, v);
}

void policy_judge_would(const struct ruleset *rs, struct policy_scratch *s, const struct facts *facts,
			struct verdict *v)
{
	judge(rs, s, facts, true, v);
}
