// SPDX-License-Identifier: BSD-3-Clause
//
// Another policy comes into force: live flows are judged again by what is still known of them (policy.md 6). In: a
// worker between two bursts; out: what becomes of each flow from its next packet on, and a record of each whose
// verdict changed. Worker's thread; walks the flow table once, which replay can afford at a swap.
//
// What the new policy asks for and the flow did not keep is unknown; where that matters the old verdict stays, by the
// old rule. Such a flow's `rule` is a number of a small table that remembers which policy's rule it is, since a rule's
// number means nothing in another policy. Rejected: the version in every flow (there is no room in 176 bytes, and it
// would be read by every record).
#include <string.h>

#include "flow_table.h"
#include "hold.h"
#include "judge_in.h"
#include "policy.h"
#include "record_out.h"

bool judge_word(const struct judge *j, const struct flow *f, struct judge_word *out)
{
	const struct judge_policy *p = j->policy;
	if (!(f->policy & POLICY_JUDGED) || !p)
		return false;
	if (f->rule >= JUDGE_KEPT && f->rule < JUDGE_KEPT + JUDGE_KEPT_MAX) {
		*out = j->kept[f->rule - JUDGE_KEPT];
		return true;
	}
	uint32_t number = f->rule;
	if (number < JUDGE_KEPT && (number & JUDGE_WAITS)) {
		number &= ~JUDGE_WAITS;
		if (number >= p->nrules)
			number = RULE_DEFAULT;
	}
	bool rule = number < p->nrules;
	*out = (struct judge_word){.rule = number,
				   .version = p->version,
				   .action = rule ? p->rules->rules[number].action : p->rules->default_action,
				   .response = rule ? p->rules->rules[number].response : p->rules->default_response};
	return true;
}

uint32_t judge_rule(const struct worker *w, const struct flow *f, uint32_t *version)
{
	struct judge_word word;
	*version = w->rules ? w->judge->policy->version : 0;
	if (!w->rules || !f || !judge_word(w->judge, f, &word))
		return RULE_NONE;
	*version = word.version;
	return word.rule;
}

// A number for an old word. Where the table is full the oldest entry gives way: its flows' records then name another
// old rule, their packets fare as before.
static uint32_t keep(struct judge *j, const struct judge_word *w)
{
	for (uint32_t i = 0; i < j->nkept && i < JUDGE_KEPT_MAX; i++)
		if (j->kept[i].version == w->version && j->kept[i].rule == w->rule)
			return JUDGE_KEPT + i;
	uint32_t i = j->nkept++ % JUDGE_KEPT_MAX;
	j->kept[i] = *w;
	return JUDGE_KEPT + i;
}

static void say(struct worker *w, const struct flow *f, const struct judge_word *was, const struct verdict *v)
{
	static const char *const words[] = {"was allowed", "was denied"};
	const char *text = words[was->action == ACTION_DENY];
	struct record *r = record_begin(w, RECORD_ANOMALY);
	flow_record(w, f, r, RECORD_ANOMALY);
	r->anomaly = ANOMALY_POLICY_REJUDGED;
	w->anomalies[ANOMALY_POLICY_REJUDGED]++;
	r->policy = w->judge->policy->version;
	r->rule = v->rule;
	r->action = v->action;
	r->response = v->response;
	r->judged = RECORD_JUDGED | (v->action == ACTION_DENY ? RECORD_DENIED : 0);
	record_fact(w, FACT_ANOMALY, text, (uint32_t)strlen(text), (struct origin){0});
	record_write(w);
}

static void again(struct worker *w, struct flow *f, const struct judge_word *was)
{
	struct judge *j = w->judge;
	struct verdict v;
	judge_facts_clear(&j->facts, j->policy->fields, w->now_ns);
	judge_flow_facts(w, f);
	policy_judge(w->rules, j->policy->scratch, &j->facts.facts, &v);
	bool denied = f->policy & POLICY_DENIED, waiting = (f->policy & POLICY_OPEN) && !f->tx_count && !denied;
	if (v.open && !waiting) { // what would decide was not kept
		f->rule = keep(j, was);
		if (!denied && !(f->flags & FLOW_APP_DONE))
			f->policy |= POLICY_OPEN;
		return;
	}
	f->rule = v.open ? judge_waits(v.rule) : v.rule;
	if (v.open) {
		f->policy |= POLICY_OPEN;
		return;
	}
	f->policy &= (uint8_t) ~(POLICY_OPEN | POLICY_DENIED | POLICY_ENDING);
	if (v.action == ACTION_DENY)
		f->policy |= POLICY_DENIED;
	else
		f->policy &= (uint8_t)~POLICY_SAID;
	if (v.action != was->action)
		say(w, f, was, &v);
}

void judge_swap(struct worker *w, struct judge_policy *p)
{
	struct judge *j = w->judge;
	struct flow_table *t = w->flows;
	struct judge_policy *old = j->policy;
	for (uint32_t i = 0; i < t->fresh; i++) {
		struct flow *f = &t->flows[i];
		struct judge_word was;
		j->policy = old;
		if (f->key.outer) // judged anew at its next packet
			f->policy = 0;
		if (!f->key.version || f->key.outer || !old || !judge_word(j, f, &was))
			continue;
		judge_use(w, p);
		if (p)
			again(w, f, &was);
		else
			f->policy = 0;
		hold_settle(w, f);
	}
	judge_use(w, p);
}
