// SPDX-License-Identifier: BSD-3-Clause
//
// The verdict on what is known of a transaction (policy.md 2): struct facts in, struct verdict out, and the list of
// rules that do not end the search and were true. On workers' threads, with the worker's own scratch.
#include <hs/hs_runtime.h>

#include <rte_branch_prediction.h>

#include "base/eal.h"
#include "delta.h"
#include "policy_in.h"

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
	size_t rules = order_words(rs->nrules) * sizeof(uint64_t),
	       classes = order_words(rs->nclasses) * sizeof(uint64_t);
	size_t sets = rs->nsets * sizeof(uint32_t), open = rs->nclasses * sizeof(*((struct policy_scratch *)0)->open);
	size_t bytes = sizeof(struct policy_scratch) + found + dirty + rules + classes + sets + open + 512;
	uint8_t *at = mem_take(bytes);
	if (!at)
		return NULL;
	struct policy_scratch *s = (struct policy_scratch *)take(&at, sizeof(*s));
	s->rs = rs;
	s->bytes = bytes;
	s->found = take(&at, found);
	s->dirty = (uint32_t *)take(&at, dirty);
	order_init(&s->rules, take(&at, rules), rs->nrules);
	order_init(&s->classes, take(&at, classes), rs->nclasses);
	s->sets = (uint32_t *)take(&at, sets);
	s->open = (void *)take(&at, open);
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
	uint16_t winner; // outcome of the rule that decides
	bool decided, done;
};

static void candidate(struct walk *k, uint16_t outcome, bool allows, uint64_t unknown)
{
	if (!unknown)
		return;
	k->v->waits |= unknown;
	k->v->possible |= allows;
	k->mixed |= k->candidates && outcome != k->outcome;
	k->candidates = true;
	k->outcome = outcome;
}

static void ends(struct walk *k, uint32_t i, const struct ruleset_rule *r)
{
	if (k->decided) {
		k->v->runner_up = i;
		k->done = true;
		return;
	}
	k->decided = true;
	k->winner = r->outcome;
	k->v->rule = i;
	k->v->action = r->action;
	k->v->response = r->response;
	k->v->runner_up = RULE_DEFAULT;
}

// one rule, in its turn
static void step(struct policy_scratch *s, struct walk *k, uint32_t i)
{
	const struct ruleset_rule *r = &s->rs->rules[i];
	uint64_t unknown = 0;
	if (r->shadow && !k->would)
		return;
	enum truth t = policy_truth_rule(s, r, &unknown);
	if (t == TRUTH_FALSE)
		return;
	if (r->ends) {
		if (t == TRUTH_TRUE)
			ends(k, i, r);
		else if (!k->decided)
			candidate(k, r->outcome, r->action == ACTION_ALLOW, unknown & s->waits);
		return;
	}
	if (t == TRUTH_TRUE && !k->decided && s->nfired < POLICY_FIRED_MAX)
		s->fired[s->nfired++] = i;
	if (r->action == ACTION_TAG && t == TRUTH_TRUE)
		add_tag(s, r);
	else if (r->action == ACTION_TAG)
		s->more_tags = true;
}

static void put_rules(struct policy_scratch *s, const struct ruleset_class *c, uint32_t n)
{
	const uint32_t *rules = s->rs->class_rules + c->first;
	for (uint32_t i = 0; i < n && i < c->n; i++)
		order_put(&s->rules, rules[i]);
}

// of which more may come, and nothing came yet, is unknown
static enum fact_state state_of(const struct facts *f, unsigned field)
{
	return f->state[field] == FACT_SOME && f->n[field] == 0 ? FACT_UNKNOWN : f->state[field];
}

static bool some_known(const struct facts *f, uint64_t fields)
{
	for (; fields; fields &= fields - 1)
		if (state_of(f, __builtin_ctzll(fields)) != FACT_UNKNOWN)
			return true;
	return false;
}

// Rules that an index leads to, whose cheap conditions are not false, before that index could tell: are they unknown
// as a whole? Where it is only known that each for itself would have to be asked, each is.
static void class_indexed(struct policy_scratch *s, uint32_t i, enum truth t, uint64_t unknown)
{
	const struct ruleset_class *c = &s->rs->classes[i];
	enum fact_state state = state_of(s->facts, c->index);
	if (state != FACT_UNKNOWN && state != FACT_SOME)
		return; // found by their keys, or false
	if (state == FACT_SOME && c->strict)
		return; // a name that was seen must satisfy them
	if (!((c->heavy | unknown) & s->waits))
		return; // holds nothing; found by its keys where it is true
	bool whole = state == FACT_UNKNOWN ? !some_known(s->facts, c->heavy) : c->simple && t == TRUTH_TRUE;
	if (!whole) {
		put_rules(s, c, c->n);
		return;
	}
	s->open[s->nopen].class = i;
	s->open[s->nopen++].waits = c->heavy | unknown;
}

static void class_step(struct policy_scratch *s, struct walk *k, uint32_t i)
{
	const struct ruleset_class *c = &s->rs->classes[i];
	uint64_t unknown = 0;
	if ((c->shadow && !k->would) || !policy_truth_now(s, c->expires_ns, c->schedule))
		return;
	enum truth t = c->residual == RULES_NONE ? TRUTH_TRUE
						 : policy_truth_node(s, s->rs->nodes + c->residual, false, &unknown);
	if (t == TRUTH_FALSE)
		return;
	if (c->kind == CLASS_INDEXED)
		class_indexed(s, i, t, unknown);
	else // of rules that are true together the first decides, the second is runner-up
		put_rules(s, c, c->kind == CLASS_CHEAP && c->ends ? 2 : c->n);
}

// Classes that are unknown as a whole count where their first rule stands above the one that decides.
static void open_classes(struct policy_scratch *s, struct walk *k)
{
	for (uint32_t i = 0; i < s->nopen; i++) {
		const struct ruleset_class *c = &s->rs->classes[s->open[i].class];
		if (!k->decided || s->rs->class_rules[c->first] < k->v->rule)
			candidate(k, c->outcome, c->allows, s->open[i].waits & s->waits);
	}
}

static void begin(struct policy_scratch *s, const struct facts *facts)
{
	s->facts = facts;
	s->waits = holdable;
	s->nfired = s->nopen = 0;
	s->ntags = 0;
	s->more_tags = false;
}

void policy_ask_begin(struct policy_scratch *s, const struct facts *facts)
{
	begin(s, facts);
	policy_scan(s);
}

enum truth policy_ask(struct policy_scratch *s, uint32_t rule, uint64_t *unknown)
{
	const struct ruleset_rule *r = &s->rs->rules[rule];
	*unknown = 0;
	if (r->disabled)
		return TRUTH_FALSE;
	enum truth t = policy_truth_rule(s, r, unknown);
	if (r->action == ACTION_TAG && !r->shadow && t == TRUTH_TRUE)
		add_tag(s, r);
	else if (r->action == ACTION_TAG && !r->shadow && t == TRUTH_UNKNOWN)
		s->more_tags = true;
	return t;
}

static void judge_once(const struct ruleset *rs, struct policy_scratch *s, const struct facts *facts, bool would,
		       uint64_t waits, struct verdict *v)
{
	struct walk k = {.v = v, .would = would, .winner = rs->default_outcome};
	uint32_t i;
	*v = (struct verdict){.rule = RULE_DEFAULT,
			      .runner_up = RULE_NONE,
			      .action = rs->default_action,
			      .response = rs->default_response};
	begin(s, facts);
	s->waits = waits;
	policy_scan(s);
	policy_index(s);
	for (i = 0; i < rs->nalways; i++)
		class_step(s, &k, rs->always[i]);
	while (order_take(&s->classes, &i))
		class_step(s, &k, i);
	while (order_take(&s->rules, &i))
		if (!k.done)
			step(s, &k, i);
	open_classes(s, &k);
	v->open = k.candidates && (k.mixed || k.outcome != k.winner);
	v->possible |= v->action == ACTION_ALLOW;
	v->early = k.candidates && !v->open;
	if (!v->open)
		v->waits = 0;
}

// A set may change while it is asked. Nothing is judged by half of a change: it is judged once more, then.
static void judge(const struct ruleset *rs, struct policy_scratch *s, const struct facts *facts, bool would,
		  uint64_t waits, struct verdict *v)
{
	unsigned tries = 0;
	uint32_t edits;
	do {
		edits = delta_edits(rs->delta);
		judge_once(rs, s, facts, would, waits, v);
	} while (unlikely(rs->delta != NULL) && unlikely(delta_changed(rs->delta, edits, &tries)));
}

void policy_judge(const struct ruleset *rs, struct policy_scratch *s, const struct facts *facts, struct verdict *v)
{
	judge(rs, s, facts, false, holdable, v);
}

void policy_judge_would(const struct ruleset *rs, struct policy_scratch *s, const struct facts *facts,
			struct verdict *v)
{
	judge(rs, s, facts, true, holdable, v);
}

uint64_t policy_judge_again(const struct ruleset *rs, struct policy_scratch *s, const struct facts *facts,
			    struct verdict *v)
{
	judge(rs, s, facts, false, UINT64_MAX, v);
	return v->waits & holdable;
}
