// SPDX-License-Identifier: BSD-3-Clause
//
// The judge: in come packets of flows that were never judged, and transactions as parsers put their records together;
// out go verdicts, into the flow (what becomes of its packets) and into the record (what was decided, by which rule).
// Worker's thread. No memory is taken but at start; a worker without a policy never comes here.
//
// Each transaction is judged when all that its client says is known, and once more when its answer adds a fact. What
// was decided does not depend on the number of workers nor on how packets fell into bursts: facts come from the record
// and the flow, and the clock is the packet's.
//
// A flow is denied for good where its own addresses, or a stream's transaction, are denied; queries over UDP are denied
// one by one, for the next one from the same port has another name.
#include "judge_in.h"

#include <errno.h>
#include <netinet/in.h>

#include "act.h"
#include "base/eal.h"
#include "flow_table.h"
#include "mirror.h"
#include "policy.h"
#include "record_out.h"

#define BIT(symbol) (1ull << FIELD_##symbol)

int judge_init(struct worker *w)
{
	if (!(w->judge = mem_take(sizeof(*w->judge))))
		return -ENOMEM;
	if (w->config->kept_bytes &&
	    !(w->judge->keep = keep_new(w->config->flows, w->config->kept_bytes, w->config->policy_fields)))
		return -ENOMEM;
	if ((w->config->policy_fields & BIT(HOST)) && !(w->judge->outer = judge_outer_new()))
		return -ENOMEM;
	if ((w->config->policy_fields & BIT(PAYLOAD)) &&
	    !(w->judge->payload_of = mem_take(w->config->flows * sizeof(uint32_t))))
		return -ENOMEM;
	if (!(w->config->policy_fields & JUDGE_FIRST_FIELDS))
		return 0;
	w->judge->first = mem_take(w->config->flows * sizeof(struct judge_first));
	return w->judge->first ? 0 : -ENOMEM;
}

void judge_fini(struct worker *w)
{
	if (!w->judge)
		return;
	judge_outer_free(w->judge->outer);
	keep_free(w->judge->keep);
	if (w->judge->payload_of)
		mem_give(w->judge->payload_of, w->config->flows * sizeof(uint32_t));
	if (w->judge->first)
		mem_give(w->judge->first, w->config->flows * sizeof(struct judge_first));
	mem_give(w->judge, sizeof(*w->judge));
	w->judge = NULL;
}

bool judge_asks_deeper(const struct worker *w)
{
	return w->judge->policy->fields & BIT(DECAP_DEEPER);
}

// ---- what was decided --------------------------------------------------------------------------------------------

void judge_note(struct record *r, const struct judge_policy *p, const struct verdict *v)
{
	r->policy = p->version;
	r->rule = v->rule;
	r->action = v->action;
	r->response = v->response;
	r->judged = RECORD_JUDGED | (v->open ? RECORD_OPEN : 0) | (v->early ? RECORD_EARLY : 0);
}

static uint32_t hit_of(const struct judge_policy *p, uint32_t rule)
{
	return rule < p->nrules ? rule : p->nrules;
}

void judge_count_refused(struct worker *w, const struct flow *f, uint32_t rule)
{
	struct judge *j = w->judge;
	if (!j->keep || f->tx_count || f->key.proto == IPPROTO_UDP)
		return;
	j->policy->hits[hit_of(j->policy, rule)]++;
	keep_of(j->keep, flow_table_number(w->flows, f))->flags |= KEPT_COUNTED;
}

static void tally_would(struct judge_policy *p, const struct record *r, uint64_t by)
{
	if ((r->judged & RECORD_WOULD) && !p->second && r->would < p->nrules && p->rules->rules[r->would].shadow)
		p->hits[r->would] += by;
}

void judge_tally(struct judge_policy *p, const struct record *r, uint64_t by)
{
	if ((r->judged & (RECORD_JUDGED | RECORD_OPEN)) != RECORD_JUDGED || r->policy != p->version)
		return;
	p->hits[hit_of(p, r->rule)] += by;
	tally_would(p, r, by);
}

static void would_sum(struct judge_policy *p, const struct record *r, unsigned transaction)
{
	if (!(r->judged & RECORD_WOULD))
		return;
	p->sums.would_differ[transaction] += r->would_action < ACTION_COUNT && r->would_action != r->action;
	p->sums.would_unknown += r->would_action == ACTION_COUNT;
}

bool judge_said(struct worker *w, struct record *r)
{
	struct judge_policy *p = w->judge->policy;
	if (!(r->judged & RECORD_JUDGED))
		return true;
	p->sums.transactions[r->action == ACTION_DENY]++;
	p->sums.open += (r->judged & RECORD_OPEN) != 0;
	would_sum(p, r, 1);
	if (r->policy != p->version)
		return true;
	if (r->judged & RECORD_OPEN) // it will not be decided any more
		p->hits[hit_of(p, r->rule)]++;
	if (r->rule >= p->nrules || w->config->ear) // who asks why wants to know all
		return true;
	const struct ruleset_note *n = &p->rules->notes[r->rule];
	if (n->said == RULE_SAID_VERDICT) {
		r->len = sizeof(*r);
		r->nfacts = 0;
	}
	r->weight = n->sample;
	return n->said <= RULE_SAID_VERDICT && judge_sampled(n->sample, r->flow_id << 20 ^ r->tx_id);
}

// What a second policy makes of the same facts; what was found in payload was looked for by the one in force.
static void second_word(struct judge_policy *p, struct facts known, struct verdict *u)
{
	known.state[FIELD_PAYLOAD] = FACT_UNKNOWN;
	known.n[FIELD_PAYLOAD] = 0;
	policy_judge(p->rules, p->scratch, &known, u);
}

// What is in shadow would make of it; what a second policy alone would have to know is not waited for.
static void would(struct judge *j, struct record *r)
{
	const struct judge_policy *p = j->policy;
	struct verdict u;
	if (p->second)
		second_word(p->second, j->facts.facts, &u);
	else
		policy_judge_would(p->rules, p->scratch, &j->facts.facts, &u);
	bool open = p->second && u.open; // and rules of two policies cannot be compared
	bool said = open || u.action != r->action || (!p->second && u.rule != r->rule);
	r->judged = (uint8_t)((r->judged & ~RECORD_WOULD) | (said ? RECORD_WOULD : 0));
	r->would = !said || open ? RULE_NONE : u.rule;
	r->would_action = open ? ACTION_COUNT : u.action;
}

void judge_would(struct worker *w, struct record *r)
{
	struct judge *j = w->judge;
	if (likely(!j->policy->shadow))
		return;
	judge_tally(j->policy, r, -1ull);
	would(j, r);
	judge_tally(j->policy, r, 1);
}

// A flow that had no transaction to say it of: by what is known of it now.
static void would_flow(struct worker *w, const struct flow *f, struct record *r)
{
	struct judge *j = w->judge;
	judge_facts_clear(&j->facts, j->policy->fields, f->start_ns + w->wall_ns);
	judge_flow_facts(w, f);
	if (!(r->judged & RECORD_OPEN))
		judge_facts_opaque(&j->facts, f->app);
	would(j, r);
	would_sum(j->policy, r, 0);
	tally_would(j->policy, r, 1);
}

void judge_flow_word(const struct worker *w, const struct flow *f, struct record *r)
{
	bool open = (f->policy & POLICY_OPEN) && !f->tx_count;
	struct judge_word word = {.rule = RULE_NONE};
	if (!judge_word(w, f, &word) || !word.version) // or it began before there was any policy
		return;
	r->policy = word.version;
	r->rule = word.rule;
	r->action = word.action;
	r->response = word.response;
	r->judged = RECORD_JUDGED | (open ? RECORD_OPEN : 0) | (f->policy & POLICY_MARKED ? RECORD_MARKED : 0);
}

bool judge_flow(struct worker *w, const struct flow *f, struct record *r)
{
	struct judge_policy *p = w->judge->policy;
	judge_outer_forget(w, f); // ids of flows begin anew with each capture
	struct kept *k = w->judge->keep ? keep_of(w->judge->keep, flow_table_number(w->flows, f)) : NULL;
	if (k && (k->flags & KEPT_REJUDGED) && (f->policy & POLICY_JUDGED))
		r->anomaly = ANOMALY_POLICY_REJUDGED;
	bool counted = k && (k->flags & KEPT_COUNTED);
	if (k) {
		keep_forget(w, flow_table_number(w->flows, f));
		k->flags = 0;
	}
	if (!(f->policy & POLICY_JUDGED))
		return true;
	judge_flow_word(w, f, r);
	if (!(r->judged & RECORD_JUDGED))
		return true;
	r->tx_kind = (f->policy & POLICY_ALERTED) != 0;
	p->sums.flows[r->action == ACTION_DENY]++;
	p->sums.open += (r->judged & RECORD_OPEN) != 0;
	if (!f->tx_count && r->policy == p->version && !judge_no_rule(r->rule)) {
		p->hits[hit_of(p, r->rule)] += !counted;
		if (unlikely(p->shadow))
			would_flow(w, f, r);
	}
	if (r->policy == p->version)
		judge_fired_flow(w, f, r);
	if (r->policy != p->version || r->rule >= p->nrules || w->config->ear)
		return true;
	r->weight = p->rules->notes[r->rule].sample;
	return p->rules->notes[r->rule].said != RULE_SAID_NONE;
}

void judge_stands(struct worker *w, struct flow *f, uint32_t rule)
{
	if (unlikely(w->mirrors))
		mirror_note(w, f);
	f->rule = rule;
}

// The worst of a flow's verdicts is its own.
static void worse(struct worker *w, struct flow *f, const struct verdict *v)
{
	struct judge_word word;
	bool waits = f->rule < JUDGE_KEPT && (f->rule & JUDGE_WAITS);
	if (waits || v->action == ACTION_DENY || !judge_word(w, f, &word) || word.action != ACTION_DENY)
		judge_stands(w, f, v->rule);
}

// ---- flows -------------------------------------------------------------------------------------------------------

// Nothing of a flow is read that is denied before its first byte, but datagrams: their query is to be answered.
static void drop_denied(struct pkt *p)
{
	const struct flow *f = p->flow;
	if (f && (f->policy & POLICY_DENIED) && f->key.proto != IPPROTO_UDP && (f->flags & FLOW_PASSED))
		pkt_drop(p, REASON_POLICY_DENY);
}

// False: denied.
static bool admit(struct worker *w, struct rte_mbuf *m, struct pkt *p)
{
	struct judge *j = w->judge;
	struct flow *f = p->flow;
	struct verdict v;
	worker_at(w, p);
	judge_flow_first(w, f, p);
	if (unlikely(w->scans))
		judge_payload_begin(w, f, false);
	judge_facts_clear(&j->facts, j->policy->fields, p->time_ns + w->wall_ns);
	if (j->keep)
		*keep_of(j->keep, flow_table_number(w->flows, f)) = (struct kept){.version = j->policy->version};
	judge_flow_facts(w, f);
	policy_judge(w->rules, j->policy->scratch, &j->facts.facts, &v);
	f->rule = v.open ? judge_waits(v.rule) : v.rule;
	f->policy = POLICY_JUDGED | (v.open ? POLICY_OPEN : 0);
	if (v.open && !v.possible && f->key.proto == IPPROTO_TCP)
		f->flags |= FLOW_BARRED;
	judge_heard(w, &(struct judged){f, NULL, &j->facts, &v, JUDGE_FIRST, false, true});
	judge_fired(w, f, NULL, NULL, 0, false);
	if (v.open || v.action != ACTION_DENY)
		return true;
	f->policy |= POLICY_DENIED;
	judge_count_refused(w, f, v.rule);
	w->packet = m;
	act_deny(w, f, m, p->dir, 0);
	if (f->key.proto != IPPROTO_UDP)
		f->flags |= FLOW_APP_DONE | FLOW_PASSED | FLOW_PASSED << 1;
	return false;
}

// no_policy: closed.
static __rte_noinline void refuse_all(struct burst *b)
{
	for (unsigned i = 0; i < b->n; i++)
		pkt_drop(pkt_of(b->m[i]), REASON_POLICY_NONE);
}

void judge_admit_burst(struct worker *w, struct burst *b)
{
	if (likely(!w->rules)) {
		if (unlikely(w->config->fail.no_policy_closed))
			refuse_all(b);
		return;
	}
	bool denied = w->swapping;
	if (unlikely(w->swapping))
		judge_swap_burst(w, b);
	for (uint32_t left = b->fresh; left; left &= left - 1) {
		struct rte_mbuf *m = b->m[__builtin_ctz(left)];
		struct pkt *p = pkt_of(m);
		if (p->flow && !(p->flow->policy & POLICY_JUDGED))
			denied |= !admit(w, m, p);
	}
	for (unsigned i = 0; i < b->n && denied; i++) // the other packets of such flows
		drop_denied(pkt_of(b->m[i]));
}

// ---- transactions ------------------------------------------------------------------------------------------------

static bool one_by_one(const struct flow *f)
{
	return f->key.proto == IPPROTO_UDP && f->app == APP_DNS;
}

// The policy's word goes before a parser's: what is denied is answered, and nothing behind it is read.
static void refuse(struct app_in *in)
{
	app_refuse(in, REASON_POLICY_DENY);
	in->drop = REASON_POLICY_DENY;
}

static void deny(struct app_in *in, const struct record *r)
{
	struct flow *f = in->f;
	refuse(in);
	if (f->policy & POLICY_DENIED)
		return;
	if (!one_by_one(f))
		f->policy |= POLICY_DENIED;
	act_deny(in->w, f, in->w->packet, in->dir, r->tx_id);
}

void judge_revise(struct worker *w, struct record *r, const struct verdict *v)
{
	uint8_t before = r->judged;
	judge_tally(w->judge->policy, r, -1ull);
	judge_note(r, w->judge->policy, v);
	r->judged |= RECORD_REVISED | (before & (RECORD_HELD | RECORD_MARKED));
	judge_tally(w->judge->policy, r, 1);
	judge_would(w, r);
}

static void facts_of(const struct app_in *in, const struct record *r)
{
	struct judge *j = in->w->judge;
	judge_facts_clear(&j->facts, j->policy->fields, in->w->now_ns + in->w->wall_ns);
	judge_flow_facts(in->w, in->f);
	judge_facts_record(&j->facts, r);
}

// What a lenient server would read is denied, too. True: and so is this, and these facts stay for who listens.
static bool judge_again(const struct app_in *in, const struct record *r, struct verdict *v)
{
	struct judge *j = in->w->judge;
	struct verdict u;
	if (likely(!judge_lenient(&j->facts, r)))
		return false;
	policy_judge(in->w->rules, j->policy->scratch, &j->facts.facts, &u);
	bool denied = u.action == ACTION_DENY && !u.open;
	if (denied)
		*v = u;
	else
		facts_of(in, r);
	return denied;
}

static void judge(struct app_in *in, struct record *r, txn_t t)
{
	struct judge *j = in->w->judge;
	struct verdict v;
	uint8_t before = r->judged;
	uint32_t rule = r->rule, version = r->policy;
	r->app = in->f->app;
	if (j->outer && !(before & RECORD_JUDGED))
		judge_outer_say(in, r, t);
	facts_of(in, r);
	policy_judge(in->w->rules, j->policy->scratch, &j->facts.facts, &v);
	bool lenient = (v.action != ACTION_DENY || v.open) && judge_again(in, r, &v);
	if (v.open && j->facts.overflow) // more names, or longer values, than are looked at
		v.action = ACTION_DENY;
	if (unlikely(in->since)) {
		if (v.action == ACTION_DENY && !v.open)
			refuse(in);
		return;
	}
	judge_heard(in->w, &(struct judged){in->f, r, &j->facts, &v, JUDGE_TRANSACTION, before & RECORD_JUDGED, true});
	if (unlikely(lenient))
		facts_of(in, r);
	judge_tally(j->policy, r, -1ull);
	judge_note(r, j->policy, &v);
	r->judged |= lenient ? RECORD_LENIENT : 0;
	if ((before & RECORD_JUDGED) && version == r->policy && v.rule != rule)
		r->judged |= RECORD_REVISED;
	r->judged |= before & (RECORD_REVISED | RECORD_HELD | RECORD_MARKED);
	worse(in->w, in->f, &v);
	in->f->policy |= POLICY_JUDGED;
	in->judged = true;
	if (unlikely(j->keep != NULL) && !one_by_one(in->f))
		keep_record(in->w, flow_table_number(in->w->flows, in->f), r, j->policy->headers);
	judge_fired(in->w, in->f, r, in, t, false);
	if (t && unlikely(in->w->scans))
		judge_payload_txn(in->w, in->f, t);
	if (j->policy->shadow)
		would(j, r);
	judge_tally(j->policy, r, 1);
	if (v.action == ACTION_DENY)
		deny(in, r);
}

void judge_record(struct app_in *in, struct record *r)
{
	judge(in, r, 0);
}

// An answer adds nothing that any rule asks for; or an earlier policy has had its word: what it said of the request
// holds for the answer, so that no transaction is judged by two.
static bool said_all(const struct judge_policy *p, const struct record *r)
{
	return (r->judged & (RECORD_JUDGED | RECORD_OPEN)) == RECORD_JUDGED &&
	       (r->policy != p->version ||
		!(p->fields & (JUDGE_LATER_FIELDS | BIT(FLOW_SEEN) | BIT(STREAM_AMBIGUOUS) | BIT(HTTP_AMBIGUOUS))));
}

void judge_known(struct app_in *in, txn_t t)
{
	struct record *r = txn_record(in, t);
	if (r && !said_all(in->w->judge->policy, r))
		judge(in, r, t);
}

void judge_flow_verdict(struct app_in *in, const struct verdict *v)
{
	struct flow *f = in->f;
	worse(in->w, f, v);
	if (v->action != ACTION_DENY)
		return;
	refuse(in);
	if (!(f->policy & POLICY_DENIED))
		act_deny(in->w, f, in->w->packet, in->dir, f->tx_count);
	f->policy |= POLICY_DENIED;
}

void judge_ended(struct worker *w, const struct flow *f, const struct record *r)
{
	if (likely(!w->judge->keep) || !(w->config->policy_fields & JUDGE_LATER_FIELDS))
		return;
	keep_ended(w, flow_table_number(w->flows, f), r, w->judge->policy->headers);
}

// What cannot be read, of a flow that others' bytes cannot be part of, is its application's all the same.
static enum app app_unread(const struct flow *f)
{
	bool all = f->app == APP_HTTP2 || f->app == APP_QUIC || f->app == APP_DTLS;
	return all ? f->app : APP_OTHER;
}

bool judge_absent(struct worker *w, struct flow *f)
{
	struct judge *j = w->judge;
	struct verdict v;
	judge_facts_clear(&j->facts, j->policy->fields, w->now_ns + w->wall_ns);
	judge_flow_facts(w, f);
	judge_facts_opaque(&j->facts, app_unread(f));
	policy_judge(w->rules, j->policy->scratch, &j->facts.facts, &v);
	judge_heard(w, &(struct judged){f, NULL, &j->facts, &v, JUDGE_ABSENT, false, true});
	worse(w, f, &v);
	if (unlikely(j->keep != NULL) && !one_by_one(f))
		keep_absent(w, flow_table_number(w->flows, f));
	judge_fired(w, f, NULL, NULL, 0, true);
	if (v.action != ACTION_DENY)
		return true;
	if (!(f->policy & POLICY_DENIED))
		act_deny(w, f, w->packet, w->packet ? pkt_of(w->packet)->dir : 0, f->tx_count);
	f->policy |= POLICY_DENIED;
	return false;
}
