// SPDX-License-Identifier: BSD-3-Clause
//
// Another policy comes into force: live flows are judged again by what is known of them (policy.md 6): what their first
// packet showed, and what their last transaction said (keep.c). In: the word to begin, then so many flows a call, and
// any flow at once of which a packet has come; out: what becomes of each flow from its next packet on, and a record of
// each whose fate changed. Worker's thread, between two bursts or at the head of one.
//
// What must never happen: a packet that leaves by the new policy's word on one half of its flow and the old one's on
// the other. So a flow is judged again before anything of it is looked at (judge_swap_burst, judge_catch_up), and the
// old policy is somebody's until the last flow is done (publish.c).
//
//   last transaction, or that it shows none   judged by it. What was not kept of it, or will not come again, is unknown
//   none yet                                  judged as its first packet was: its transactions will decide
//   gave way, or passed before any policy     what first packets show is all that is known
//
// What is unknown and could change the verdict: `rejudge_unknown`, keep (the old verdict stays, by the old rule) or
// drop. Such a flow's `rule` is a number of a small table that remembers which policy's rule it is, since a rule's
// number means nothing in another policy. Only where old and new agree, and nothing but what cannot be held is unknown,
// does the new rule stand at once: what is still to come can bring in another as ever.
//
// The same walk is made for the sake of sets that have changed while the policy is in force (delta.h): it begins as
// soon as the worker has seen that they have, one at a time; what changes meanwhile is seen by the next. A flow whose
// fate stays keeps all, its rule among it; what was not kept matters only where rules ask changed sets about it.
// Another policy ends such a walk, for it judges all flows itself.
//
// Flows whose both ends have closed are left in peace. Queries over UDP are judged one by one: the next one is.
#include <netinet/in.h>
#include <string.h>

#include "act.h"
#include "delta.h"
#include "flow_age.h"
#include "flow_table.h"
#include "hold.h"
#include "inspect.h"
#include "judge_in.h"
#include "policy.h"
#include "record_out.h"
#include "rooms.h"
#include "settle.h"
#include "stream_pool.h"

#define SWAP_FLOWS 64 // places of the flow table looked at in a burst: some 20 us

// ---- which rule a flow stands by -----------------------------------------------------------------------------------

// The policy that a flow's number of a rule belongs to; NULL: none that is still here.
static const struct judge_policy *policy_of(const struct worker *w, const struct flow *f)
{
	const struct judge *j = w->judge;
	if (!j->keep)
		return j->policy;
	uint16_t version = keep_of(j->keep, flow_table_number(w->flows, f))->version;
	if (j->policy && j->policy->version == version)
		return j->policy;
	return j->swap.old && j->swap.old->version == version ? j->swap.old : NULL;
}

bool judge_word(const struct worker *w, const struct flow *f, struct judge_word *out)
{
	const struct judge *j = w->judge;
	if (!(f->policy & POLICY_JUDGED))
		return false;
	if (f->rule == RULE_KILLED) {
		*out = (struct judge_word){RULE_KILLED, judge_version(w), ACTION_DENY, RESPONSE_RESET};
		return true;
	}
	if (f->rule >= JUDGE_KEPT && f->rule < JUDGE_KEPT + JUDGE_KEPT_MAX) {
		*out = j->kept[f->rule - JUDGE_KEPT];
		return true;
	}
	const struct judge_policy *p = policy_of(w, f);
	if (!p)
		return false;
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

uint16_t judge_version(const struct worker *w)
{
	return w->rules ? w->judge->policy->version : 0;
}

uint32_t judge_rule(const struct worker *w, const struct flow *f, uint32_t *version)
{
	struct judge_word word;
	*version = judge_version(w);
	if (!w->rules || !f || !judge_word(w, f, &word))
		return RULE_NONE;
	*version = word.version;
	return word.rule;
}

// A number for an old word. Where the table is full the oldest entry gives way: its flows' records then name another
// old rule, their packets fare as before.
static uint32_t keep_word(struct judge *j, const struct judge_word *w)
{
	for (uint32_t i = 0; i < j->nkept && i < JUDGE_KEPT_MAX; i++)
		if (j->kept[i].version == w->version && j->kept[i].rule == w->rule)
			return JUDGE_KEPT + i;
	uint32_t i = j->nkept++ % JUDGE_KEPT_MAX;
	j->kept[i] = *w;
	return JUDGE_KEPT + i;
}

// ---- what is known -------------------------------------------------------------------------------------------------

struct again {
	struct kept *k;
	struct judge_word was;
	bool judged;  // `was` is a policy's word
	bool denied;  // nothing of it left
	bool first;   // no transaction of it was: its first packet decides, or it waits
	bool opens;   // its transactions are judged from here on
	bool waits;   // it stood by no rule yet
	bool unknown; // what would decide was not kept
	struct verdict v;
};

static void known_facts(struct worker *w, const struct flow *f, const struct kept *k)
{
	struct judge_facts *j = &w->judge->facts;
	const struct judge_policy *p = w->judge->policy;
	uint32_t headers;
	judge_facts_clear(j, p->fields, w->now_ns + w->wall_ns);
	judge_flow_facts(w, f);
	if (k->at == KEPT_ABSENT)
		judge_facts_opaque(j, APP_OTHER);
	const struct record *r = keep_read(w, flow_table_number(w->flows, f), &headers);
	if (!r)
		return;
	if (r->kind == RECORD_NONE) { // a name that was asked for (SOCKS)
		judge_facts_record(j, r);
		judge_facts_opaque(j, f->app);
		return;
	}
	judge_facts_record(j, r);
	if (r->kind == RECORD_QUIC && j->facts.state[FIELD_TLS_VERSION] == FACT_UNKNOWN)
		j->facts.state[FIELD_TLS_VERSION] = FACT_ABSENT; // in cipher: it never comes
	if (p->nheaders && headers != p->headers) {
		j->facts.state[FIELD_HTTP_HEADER] = FACT_UNKNOWN;
		j->facts.n[FIELD_HTTP_HEADER] = 0;
	}
}

static bool one_by_one(const struct flow *f)
{
	return f->key.proto == IPPROTO_UDP && f->app == APP_DNS;
}

static void judge_known_facts(struct worker *w, struct flow *f, struct again *a)
{
	struct judge *j = w->judge;
	struct verdict first;
	if (unlikely(w->scans))
		judge_payload_begin(w, f, j->swap.edit);
	judge_facts_clear(&j->facts, j->policy->fields, w->now_ns + w->wall_ns);
	judge_flow_facts(w, f);
	policy_judge(w->rules, j->policy->scratch, &j->facts.facts, &first);
	a->opens = first.open;
	if (a->k->at == KEPT_NOTHING && !f->tx_count && (f->flags & FLOW_APP_DONE) && !a->denied)
		a->k->at = KEPT_ABSENT; // nobody's words, and nobody had asked
	bool silent = a->k->at == KEPT_NOTHING && (a->judged || f->app == APP_NONE);
	a->first = one_by_one(f) || (silent && !f->tx_count);
	a->v = first;
	if (a->first) {
		judge_fired_again(w, f);
		return;
	}
	known_facts(w, f, a->k);
	uint64_t holdable = policy_judge_again(w->rules, j->policy->scratch, &j->facts.facts, &a->v);
	a->unknown = a->v.open && (holdable || (a->v.action == ACTION_DENY) != a->denied);
	a->v.open = false;
	judge_fired_again(w, f);
}

// ---- what comes of it ----------------------------------------------------------------------------------------------

static void say(struct worker *w, const struct flow *f, const struct again *a, bool denied)
{
	static const char *const words[] = {"was denied", "was allowed", "was allowed, what would decide was not kept"};
	const char *text = words[denied ? 1 + a->unknown : 0];
	struct record *r = record_begin(w, RECORD_ANOMALY);
	flow_record(w, f, r);
	r->anomaly = ANOMALY_POLICY_REJUDGED;
	w->anomalies[ANOMALY_POLICY_REJUDGED]++;
	judge_flow_word(w, f, r);
	record_fact(w, FACT_ANOMALY, text, (uint32_t)strlen(text), (struct origin){0});
	if (a->judged)
		record_num(w, FACT_RULE_BEFORE, RULE_OF(a->was.version, a->was.rule), (struct origin){0});
	record_write(w);
}

// Nothing of it leaves from here on, nor is it read; the ends are told at its next packet, or by what is held of it.
static void deny(struct worker *w, struct flow *f, struct again *a)
{
	f->policy = (uint8_t)((f->policy & ~POLICY_SAID) | POLICY_DENIED);
	a->k->flags |= KEPT_DENIED | (f->flags & FLOW_APP_DONE ? KEPT_SETTLED : 0);
	if (f->key.proto == IPPROTO_TCP)
		f->flags |= FLOW_APP_DONE;
	w->packet = NULL;
	if (a->unknown) // dropped
		f->policy |= POLICY_SAID;
	else if (f->holds)
		act_deny(w, f, NULL, 0, f->tx_count ? f->tx_count - 1u : 0);
}

// What its receiver is waiting for is read as a beginning. What was passed over meanwhile will be sent again, by
// whoever still lives; what was acknowledged in spite of us (a capture of a path that we were not in) is not.
static void read_anew(struct worker *w, struct flow *f)
{
	inspect_end(w, f);
	stream_end(w, f);
	f->flags &= (uint16_t) ~(FLOW_APP_DONE | FLOW_STREAM_TRIED | FLOW_PASSED | FLOW_PASSED << 1 | FLOW_REFUSED |
				 FLOW_REFUSED << 1);
	keep_forget(w, flow_table_number(w->flows, f));
	const struct flow_side *c = &f->side[0];
	bool begun = (c->flags & SIDE_ACKED) && !((c->flags & SIDE_SYN) && c->acked == c->isn + 1);
	struct stream *st = begun ? stream_pool_stream(w->streams, f) : NULL;
	if (!begun)
		return;
	f->flags |= FLOW_MIDSTREAM | FLOW_STREAM_TRIED;
	for (unsigned dir = 0; st && dir < 2; dir++) {
		if (!(f->side[dir].flags & SIDE_ACKED))
			continue;
		st->side[dir].base_seq = f->side[dir].acked;
		st->side[dir].flags |= STREAM_BASED;
	}
}

static void allow(struct worker *w, struct flow *f, struct again *a)
{
	bool tcp = f->key.proto == IPPROTO_TCP, settled = a->k->flags & KEPT_SETTLED;
	// the one thing that its protocol says was acknowledged: nothing of it will be sent again
	bool said = (f->app == APP_TLS || f->app == APP_SSH) && (f->side[0].flags & SIDE_ACKED) &&
		    f->side[0].acked != f->side[0].isn + 1;
	if (tcp && !settled && !said) {
		read_anew(w, f);
		a->first = true;
	} else if (tcp) { // nobody reads it, and nobody needs to
		stream_let_all(w, f, 0);
	}
	f->flags &= (uint16_t)(tcp ? ~(FLOW_REFUSED | FLOW_REFUSED << 1) : UINT16_MAX);
	f->policy &= (uint8_t) ~(POLICY_DENIED | POLICY_ENDING | POLICY_SAID);
	a->k->flags &= (uint8_t) ~(KEPT_DENIED | KEPT_SETTLED);
}

static void set_open(struct worker *w, struct flow *f, const struct again *a)
{
	bool was = f->policy & POLICY_OPEN;
	f->policy = (uint8_t)(a->opens ? f->policy | POLICY_OPEN : f->policy & ~POLICY_OPEN);
	if (a->opens && !was)
		inspect_opened(w, f, !a->first);
}

static void unknown(struct worker *w, struct flow *f, struct again *a)
{
	struct judge_policy *p = w->judge->policy;
	if (p->rules->rejudge == REJUDGE_KEEP || a->denied) {
		p->sums.rejudged[JUDGE_AGAIN_KEPT]++;
		if (!a->denied)
			set_open(w, f, a);
		return;
	}
	struct judge_word word = {RULE_REJUDGE, p->version, ACTION_DENY, RESPONSE_DROP};
	f->rule = keep_word(w->judge, &word);
	p->sums.rejudged[JUDGE_AGAIN_DROPPED]++;
	deny(w, f, a);
	say(w, f, a, true);
}

static void known(struct worker *w, struct flow *f, struct again *a)
{
	struct judge_policy *p = w->judge->policy;
	bool denies = !a->v.open && a->v.action == ACTION_DENY;
	// of queries one may have been denied, and the flow not: the worst stays its word
	if (denies || !one_by_one(f) || a->was.action != ACTION_DENY)
		f->rule = a->v.open ? judge_waits(a->v.rule) : a->v.rule;
	if (denies == a->denied) {
		p->sums.rejudged[JUDGE_AGAIN_SAME]++;
		if (denies)
			act_deny_still(w, f);
		else
			set_open(w, f, a);
		return;
	}
	p->sums.rejudged[denies ? JUDGE_AGAIN_DENIED : JUDGE_AGAIN_ALLOWED]++;
	if (f->tx_count && !a->v.open) // else counted when it ends
		p->hits[a->v.rule < p->nrules ? a->v.rule : p->nrules]++;
	if (denies) {
		judge_count_refused(w, f, a->v.rule);
		deny(w, f, a);
	} else {
		allow(w, f, a);
		set_open(w, f, a);
	}
	say(w, f, a, denies);
}

// By the same policy, whose sets have changed: does the flow fare as before?
static bool fares_as_before(const struct worker *w, const struct flow *f, const struct again *a)
{
	if (!w->judge->swap.edit)
		return false;
	if (a->unknown)
		return !(a->v.waits & atomic_load_explicit(&w->rules->delta->fields, memory_order_relaxed));
	bool denies = !a->v.open && a->v.action == ACTION_DENY, opens = f->policy & POLICY_OPEN;
	return denies == a->denied && (denies || a->opens == opens);
}

// ---- flow by flow --------------------------------------------------------------------------------------------------

// A rule decided about a flow without transactions: it is no longer the one that does.
static void count_hit(struct judge *j, const struct flow *f, const struct again *a)
{
	struct judge_policy *old = j->swap.old;
	bool counted = a->k->flags & KEPT_COUNTED;
	a->k->flags &= (uint8_t)~KEPT_COUNTED;
	if (a->judged && !f->tx_count && !a->waits && !counted && old && a->was.version == old->version &&
	    !judge_no_rule(a->was.rule))
		old->hits[a->was.rule < old->nrules ? a->was.rule : old->nrules]++;
}

// Was it judged by what is in force now, or can it not have been judged by anything else?
static bool is_done(const struct judge *j, const struct flow *f, const struct kept *k)
{
	bool done = j->swap.edit ? k->edit == j->edit : k->version == j->policy->version;
	return !f->key.version || done || f->start_ns > j->swap.ns;
}

static void fate(struct worker *w, struct flow *f, struct again *a)
{
	struct judge *j = w->judge;
	judge_heard(w, &(struct judged){f, NULL, &j->facts, &a->v, JUDGE_SWAP, false, !a->unknown});
	if (j->swap.edit) {
		f->rule = keep_word(j, &a->was);
		count_hit(j, f, a);
	}
	a->k->flags |= KEPT_REJUDGED;
	f->policy |= POLICY_JUDGED;
	if (!a->judged)
		f->rule = keep_word(j, &a->was);
	if (a->unknown)
		unknown(w, f, a);
	else
		known(w, f, a);
	if (f->key.proto != IPPROTO_TCP && !(f->policy & (POLICY_OPEN | POLICY_DENIED)))
		hold_release(w, f, UINT64_MAX);
	hold_settle(w, f);
	if (unlikely(w->settle != NULL))
		settle_again(w, f);
}

void judge_swap_flow(struct worker *w, struct flow *f)
{
	struct judge *j = w->judge;
	struct again a = {.k = keep_of(j->keep, flow_table_number(w->flows, f)),
			  .was = {.rule = RULE_NONE, .action = ACTION_ALLOW, .response = RESPONSE_DEFAULT}};
	bool edit = j->swap.edit;
	if (is_done(j, f, a.k))
		return;
	a.k->edit = edit ? j->edit : a.k->edit;
	if (f->rule == RULE_KILLED && (f->policy & POLICY_JUDGED)) { // no policy brings it back
		a.k->version = j->policy->version;
		act_deny_still(w, f);
		return;
	}
	a.judged = judge_word(w, f, &a.was);
	if (!a.judged && j->swap.old) // a packet that did not get so far as to be judged
		return;
	a.denied = f->policy & (POLICY_DENIED | POLICY_ENDING);
	a.waits = f->rule < JUDGE_KEPT && (f->rule & JUDGE_WAITS);
	if (a.judged && (!edit || f->key.outer))
		f->rule = keep_word(j, &a.was);
	if (f->key.outer) { // judged anew at its next packet
		a.k->version = edit ? 0 : a.k->version;
		return;
	}
	if (!edit)
		count_hit(j, f, &a);
	a.k->version = j->policy->version;
	if (f->age_class == AGE_CLASS_CLOSED && !f->holds)
		return;
	judge_known_facts(w, f, &a);
	if (!fares_as_before(w, f, &a))
		fate(w, f, &a);
}

bool judge_swap_some(struct worker *w, uint32_t flows)
{
	struct swap *s = &w->judge->swap;
	for (; w->swapping && flows && s->next < s->end; flows--) {
		if (s->edit && !w->flows->flows[s->next].key.version)
			keep_of(w->judge->keep, s->next)->edit = w->judge->edit; // nobody's place: as if done
		judge_swap_flow(w, &w->flows->flows[s->next++]);
	}
	if (s->next < s->end)
		return false;
	*s = (struct swap){0};
	w->swapping = false;
	return true;
}

void judge_swap_burst(struct worker *w, const struct burst *b)
{
	for (unsigned i = 0; i < b->n; i++) {
		const struct pkt *p = pkt_of(b->m[i]);
		if (!p->flow)
			continue;
		worker_at(w, p);
		judge_swap_flow(w, p->flow);
	}
	judge_swap_some(w, SWAP_FLOWS);
}

// Nothing is judged any more.
static void forget_all(struct worker *w)
{
	for (uint32_t i = 0; i < w->flows->fresh; i++) {
		w->flows->flows[i].policy = 0;
		if (w->judge->keep)
			keep_forget(w, i);
	}
}

void judge_swap(struct worker *w, struct judge_policy *p)
{
	struct judge *j = w->judge;
	if (j->swap.edit)
		j->swap.end = 0;
	judge_swap_some(w, UINT32_MAX);
	struct judge_policy *old = j->policy;
	judge_use(w, p);
	if (!p || !j->keep) {
		forget_all(w);
		return;
	}
	j->swap = (struct swap){.old = old, .end = w->flows->fresh, .ns = w->now_ns};
	j->swap_ns = w->now_ns;
	w->swapping = true;
}

void judge_swap_edits(struct worker *w)
{
	struct judge *j = w->judge;
	uint32_t edits = w->rules ? delta_edits(w->rules->delta) : j->edits;
	if (likely(edits == j->edits) || w->swapping || !j->keep)
		return;
	j->edits = edits;
	j->edit = j->edit % UINT8_MAX + 1;
	j->swap = (struct swap){.old = j->policy, .end = w->flows->fresh, .edit = true, .ns = w->now_ns};
	w->swapping = true;
}
