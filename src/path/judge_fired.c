// SPDX-License-Identifier: BSD-3-Clause
//
// Rules that do not end the search: what was true of them in the last judgement becomes facts of the transaction's
// record (rule, tag) and, for alerts, a record of its own: a copy of the transaction as far as it is known. Worker's
// thread.
//
// Once for each transaction: what its record names is not said again when the answer comes. A rule that asks for
// nothing but what a flow's first packet shows speaks once for the flow, and not for each of its transactions, whose
// records name it all the same; one that asks for nothing that answers tell speaks of a DNS query, and not of its
// answer again. The flow's own record is written long after its first packet: the rules are asked once more then, by
// what that packet showed (rejected: a list kept for each flow of the table, of up to 256 rules).
//
// Rules in shadow do none of what they say: they are counted, and named.
#include "judge_in.h"

#include "act.h"
#include "policy.h"
#include "record_out.h"

static bool said(const struct record *r, uint32_t rule)
{
	const struct fact *f = record_first(r);
	uint64_t n;
	for (unsigned i = 0; i < r->nfacts; i++, f = fact_next(f)) {
		if (f->field != FACT_RULE)
			continue;
		memcpy(&n, f->value, sizeof(n));
		if (n == rule)
			return true;
	}
	return false;
}

// The record under construction leaves as it stands, as another kind.
static void alert_of(struct worker *w, struct record *r, uint32_t rule)
{
	uint16_t kind = r->kind, anomaly = r->anomaly;
	uint32_t n = r->tx_count, weight = r->weight;
	r->kind = RECORD_ALERT;
	r->anomaly = kind;
	r->alert = rule;
	r->weight = w->rules->notes[rule].sample;
	record_put(w, r);
	r->kind = kind;
	r->anomaly = anomaly;
	r->tx_count = n;
	r->weight = weight;
}

static void alert_flow(struct worker *w, const struct flow *f, uint32_t rule)
{
	struct judge *j = w->judge;
	struct record *r = &j->alert.record;
	record_clear(w, r, RECORD_FLOW);
	flow_record(w, f, r);
	judge_flow_word(w, f, r);
	alert_of(w, r, rule);
}

// A DNS answer repeats the question, of which the query's own record has spoken.
static bool answers(const struct flow *f, const struct record *r)
{
	return r->kind == RECORD_DNS && r->tx_kind && f->pkts[!r->dir];
}

// The value of the field that a limit counts by; NULL: none.
static const struct fact_value *counted_by(const struct worker *w, const struct ruleset_deed *d)
{
	const struct facts *facts = &w->judge->facts.facts;
	return d->limit_by < FIELD_COUNT && facts->n[d->limit_by] ? facts->value[d->limit_by] : NULL;
}

// Into the record: the rule, and its tag. Tags that rules in shadow would set are none.
static void name(struct worker *w, struct record *r, const struct app_in *in, txn_t t, uint32_t rule)
{
	const struct ruleset *rs = w->rules;
	const struct ruleset_rule *x = &rs->rules[rule];
	uint64_t number = rule;
	bool tag = x->action == ACTION_TAG && !x->shadow;
	if (t)
		txn_num(in, t, FACT_RULE, number, (struct origin){0});
	else if (r)
		record_num(w, FACT_RULE, number, (struct origin){0});
	if (tag && t)
		txn_str_from(in, t, FACT_TAG, rs->bytes + x->tag, x->tag_len, (struct origin){0});
	else if (tag && r)
		record_fact(w, FACT_TAG, rs->bytes + x->tag, x->tag_len, (struct origin){0});
}

static void act_on(struct worker *w, struct flow *f, struct record *r, uint32_t rule)
{
	const struct ruleset *rs = w->rules;
	uint8_t action = rs->rules[rule].action;
	if (f && (action == ACTION_LIMIT || action == ACTION_MIRROR))
		act_begin(w, f, rule, counted_by(w, &rs->deeds[rule]));
	uint64_t about = (f ? f->id : 0) << 20 ^ (r ? r->tx_id : 0) ^ rule;
	if (action != ACTION_ALERT || !judge_sampled(rs->notes[rule].sample, about))
		return;
	if (f)
		f->policy |= POLICY_ALERTED;
	if (r)
		alert_of(w, r, rule);
	else
		alert_flow(w, f, rule);
}

// Those of the last judgement, in shadow or not.
static void fired(struct worker *w, struct flow *f, struct record *r, const struct app_in *in, txn_t t, bool opaque,
		  bool shadow)
{
	struct judge_policy *p = w->judge->policy;
	const uint32_t *rules;
	uint32_t n = policy_fired(p->scratch, &rules);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t rule = rules[i];
		bool of_flow = f && (p->about[rule] & ABOUT_FLOW);
		if (p->rules->rules[rule].shadow != shadow || (r ? said(r, rule) : of_flow == opaque))
			continue;
		if (r && f && !of_flow && answers(f, r) && !(p->about[rule] & ABOUT_ANSWER))
			continue;
		if (!r && p->payloads && !judge_payload_once(w, f, rule))
			continue;
		name(w, r, in, t, rule);
		if (r && of_flow) // it has spoken
			continue;
		p->hits[rule]++;
		if (!shadow)
			act_on(w, f, r, rule);
	}
}

void judge_fired(struct worker *w, struct flow *f, struct record *r, const struct app_in *in, txn_t t, bool opaque)
{
	struct judge_policy *p = w->judge->policy;
	struct verdict would;
	fired(w, f, r, in, t, opaque, false);
	if (likely(!p->quiet))
		return;
	policy_judge_would(w->rules, p->scratch, &w->judge->facts.facts, &would);
	fired(w, f, r, in, t, opaque, true);
}

// Those of the last judgement that are of the flow by its first packet, or those that are not.
static void name_flow(struct worker *w, struct record *r, bool first, bool shadow)
{
	const struct judge_policy *p = w->judge->policy;
	const uint32_t *rules;
	uint32_t n = policy_fired(p->scratch, &rules);
	for (uint32_t i = 0; i < n; i++)
		if (p->rules->rules[rules[i]].shadow == shadow && !(p->about[rules[i]] & ABOUT_FLOW) == !first)
			name(w, r, NULL, 0, rules[i]);
}

// By what is known now.
static bool name_known(struct worker *w, struct record *r, bool first)
{
	const struct judge_policy *p = w->judge->policy;
	struct verdict v, would;
	policy_judge(w->rules, p->scratch, &w->judge->facts.facts, &v);
	name_flow(w, r, first, false);
	if (p->quiet) {
		policy_judge_would(w->rules, p->scratch, &w->judge->facts.facts, &would);
		name_flow(w, r, first, true);
	}
	return !v.open && v.action == ACTION_DENY;
}

void judge_fired_flow(struct worker *w, const struct flow *f, struct record *r)
{
	struct judge *j = w->judge;
	if (!j->policy->names)
		return;
	judge_facts_clear(&j->facts, j->policy->fields, f->start_ns + w->wall_ns);
	judge_first_facts(w, f);
	if (name_known(w, r, true) || f->tx_count || (r->judged & RECORD_OPEN))
		return;
	judge_facts_clear(&j->facts, j->policy->fields, f->start_ns + w->wall_ns);
	judge_flow_facts(w, f);
	judge_facts_opaque(&j->facts, f->app);
	name_known(w, r, false);
}

void judge_fired_again(struct worker *w, struct flow *f)
{
	const uint32_t *rules;
	uint32_t n = policy_fired(w->judge->policy->scratch, &rules);
	for (uint32_t i = 0; i < n; i++) {
		uint8_t action = w->rules->rules[rules[i]].action;
		if (action == ACTION_LIMIT || action == ACTION_MIRROR)
			act_begin(w, f, rules[i], counted_by(w, &w->rules->deeds[rules[i]]));
	}
}
