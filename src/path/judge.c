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
#include "policy.h"
#include "record_out.h"

int judge_init(struct worker *w)
{
	w->judge = mem_take(sizeof(*w->judge));
	return w->judge ? 0 : -ENOMEM;
}

void judge_fini(struct worker *w)
{
	if (w->judge)
		mem_give(w->judge, sizeof(*w->judge));
	w->judge = NULL;
}

// ---- the policy in force -----------------------------------------------------------------------------------------

static size_t policy_bytes(uint32_t nrules)
{
	return sizeof(struct judge_policy) + (nrules + 1ul) * sizeof(uint64_t);
}

struct judge_policy *judge_policy_new(const struct ruleset *rs, uint16_t version)
{
	struct judge_policy *p = mem_take(policy_bytes(rs->nrules));
	if (!p)
		return NULL;
	p->rules = rs;
	p->nrules = rs->nrules;
	p->version = version;
	p->sums.hits = p->hits;
	p->scratch = policy_worker_init(rs);
	for (uint32_t i = 0; i < rs->nnodes; i++)
		if (rs->nodes[i].op == NODE_FIELD)
			p->fields |= 1ull << rs->nodes[i].field;
	for (uint32_t i = 0; i < rs->nrules; i++)
		p->shadow |= rs->rules[i].shadow;
	if (p->scratch)
		return p;
	judge_policy_free(p);
	return NULL;
}

void judge_policy_free(struct judge_policy *p)
{
	if (!p)
		return;
	policy_worker_fini(p->scratch);
	mem_give(p, policy_bytes(p->nrules));
}

void judge_use(struct worker *w, struct judge_policy *p)
{
	w->judge->policy = p;
	w->rules = p ? p->rules : NULL;
}

void judge_sums(const struct judge_policy *p, struct judge_sums *s)
{
	*s = p->sums;
}

// ---- what was decided --------------------------------------------------------------------------------------------

static void note(struct record *r, const struct judge_policy *p, const struct verdict *v)
{
	r->policy = p->version;
	r->rule = v->rule;
	r->action = v->action;
	r->response = v->response;
	r->judged = RECORD_JUDGED | (v->open ? RECORD_OPEN : 0) | (v->early ? RECORD_EARLY : 0) |
		    (v->action == ACTION_DENY ? RECORD_DENIED : 0);
}

static uint32_t hit_of(const struct judge_policy *p, uint32_t rule)
{
	return rule < p->nrules ? rule : p->nrules;
}

void judge_said(struct worker *w, const struct record *r)
{
	struct judge_policy *p = w->judge->policy;
	if (!(r->judged & RECORD_JUDGED))
		return;
	p->sums.transactions[r->action == ACTION_DENY]++;
	p->sums.open += (r->judged & RECORD_OPEN) != 0;
	p->sums.would_differ += (r->judged & RECORD_WOULD) && r->would_action != r->action;
	p->hits[hit_of(p, r->rule)]++;
}

static uint8_t action_of(const struct judge_policy *p, uint32_t rule)
{
	return rule < p->nrules ? p->rules->rules[rule].action : p->rules->default_action;
}

void judge_flow(struct worker *w, const struct flow *f, struct record *r)
{
	struct judge_policy *p = w->judge->policy;
	if (!(f->policy & POLICY_JUDGED))
		return;
	bool denied = action_of(p, f->rule) == ACTION_DENY;
	r->policy = p->version;
	r->rule = f->rule;
	r->action = action_of(p, f->rule);
	r->response = f->rule < p->nrules ? p->rules->rules[f->rule].response : p->rules->default_response;
	r->judged = RECORD_JUDGED | (denied ? RECORD_DENIED : 0) | (f->policy & POLICY_OPEN ? RECORD_OPEN : 0) |
		    (f->policy & POLICY_MARKED ? RECORD_MARKED : 0);
	p->sums.flows[denied]++;
	if (!f->tx_count)
		p->hits[hit_of(p, f->rule)]++;
}

// The worst of a flow's verdicts is its own.
static void worse(const struct judge_policy *p, struct flow *f, const struct verdict *v)
{
	if (v->action == ACTION_DENY || !(f->policy & POLICY_JUDGED) || action_of(p, f->rule) != ACTION_DENY)
		f->rule = v->rule;
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
	judge_facts_clear(&j->facts, j->policy->fields, p->time_ns);
	judge_flow_facts(w, f, p);
	policy_judge(w->rules, j->policy->scratch, &j->facts.facts, &v);
	f->rule = v.rule;
	f->policy = POLICY_JUDGED | (v.open ? POLICY_OPEN : 0);
	if (v.open || v.action != ACTION_DENY)
		return true;
	f->policy |= POLICY_DENIED;
	w->packet = m;
	act_deny(w, f, m, p->dir, 0);
	if (f->key.proto != IPPROTO_UDP)
		f->flags |= FLOW_APP_DONE | FLOW_PASSED | FLOW_PASSED << 1;
	return false;
}

void judge_admit_burst(struct worker *w, struct burst *b)
{
	if (likely(!w->rules))
		return;
	bool denied = false;
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

static void deny(struct app_in *in, const struct record *r)
{
	struct flow *f = in->f;
	app_refuse(in, REASON_POLICY_DENY);
	if (f->policy & POLICY_DENIED)
		return;
	if (!one_by_one(f))
		f->policy |= POLICY_DENIED;
	act_deny(in->w, f, in->w->packet, in->dir, r->tx_id);
}

void judge_record(struct app_in *in, struct record *r)
{
	struct judge *j = in->w->judge;
	struct verdict v;
	bool before = r->judged & RECORD_JUDGED;
	uint32_t rule = r->rule;
	r->app = in->f->app;
	judge_facts_clear(&j->facts, j->policy->fields, in->w->now_ns);
	judge_flow_facts(in->w, in->f, NULL);
	judge_facts_record(&j->facts, r);
	policy_judge(in->w->rules, j->policy->scratch, &j->facts.facts, &v);
	note(r, j->policy, &v);
	if (before && v.rule != rule)
		r->judged |= RECORD_REVISED;
	worse(j->policy, in->f, &v);
	in->f->policy |= POLICY_JUDGED;
	in->judged = true;
	if (v.action == ACTION_DENY)
		deny(in, r);
}

// An answer adds nothing that any rule asks for.
static bool said_all(const struct judge_policy *p, const struct record *r)
{
	return (r->judged & (RECORD_JUDGED | RECORD_OPEN)) == RECORD_JUDGED &&
	       !(p->fields & (JUDGE_LATER_FIELDS | 1ull << FIELD_FLOW_SEEN | 1ull << FIELD_STREAM_AMBIGUOUS));
}

void judge_known(struct app_in *in, txn_t t)
{
	struct record *r = txn_record(in, t);
	if (r && !said_all(in->w->judge->policy, r))
		judge_record(in, r);
}

bool judge_absent(struct worker *w, struct flow *f)
{
	struct judge *j = w->judge;
	struct verdict v;
	judge_facts_clear(&j->facts, j->policy->fields, w->now_ns);
	judge_flow_facts(w, f, NULL);
	judge_facts_opaque(&j->facts);
	policy_judge(w->rules, j->policy->scratch, &j->facts.facts, &v);
	worse(j->policy, f, &v);
	if (v.action != ACTION_DENY)
		return true;
	if (!(f->policy & POLICY_DENIED))
		act_deny(w, f, w->packet, w->packet ? pkt_of(w->packet)->dir : 0, f->tx_count);
	f->policy |= POLICY_DENIED;
	return false;
}
