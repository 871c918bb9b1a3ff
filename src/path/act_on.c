// SPDX-License-Identifier: BSD-3-Clause
//
// Rules that act on a flow, whatever its verdict: limit and mirror. In comes the word that such a rule is true for a
// flow, and then every packet of it; limited packets beyond the rate get LIMIT_EXCEEDED, copies are mirror.c's.
// Worker's thread.
//
// A rule acts from the packet on at which it became true, in both directions, as long as the flow lives and the policy
// is in force. Each flow has a place for ACTING_RULES of them; more act on it no more, which is counted.
//
// What a limit drops is told by records (limit.exceeded) of flow and rule, each with the frames and bytes since the one
// before: at the first, then at most once a second of the capture's clock, and when the flow ends. So their sum is the
// ledger's. `log` of the rule says less, as it does elsewhere: flow: at the end only; none: nothing.
#include <string.h>

#include <rte_common.h>

#include "act_in.h"
#include "flow_table.h"
#include "judge_in.h"
#include "limit.h"
#include "mirror.h"
#include "record_out.h"
#include "rooms.h"

#define NS 1000000000ull

// ---- what a limit dropped ---------------------------------------------------------------------------------------

static void tell(struct worker *w, const struct flow *f, const struct acting *g, struct acting_rule *r)
{
	struct record *rec = record_begin(w, RECORD_ANOMALY);
	flow_record(w, f, rec);
	rec->reason = REASON_LIMIT_EXCEEDED;
	rec->policy = g->version;
	rec->rule = r->rule;
	rec->action = ACTION_LIMIT;
	rec->judged = RECORD_JUDGED;
	rec->pkts[0] = r->frames;
	rec->bytes[0] = r->bytes;
	record_write(w);
	r->frames = 0;
	r->bytes = 0;
}

static void tell_rest(struct worker *w, const struct flow *f, struct acting *g)
{
	for (unsigned i = 0; i < g->n; i++)
		if (g->of[i].frames && g->of[i].said != RULE_SAID_NONE)
			tell(w, f, g, &g->of[i]);
}

static void exceeded(struct worker *w, struct pkt *p, const struct acting *g, struct acting_rule *r, uint32_t frames)
{
	uint32_t second = (uint32_t)(p->time_ns / NS);
	r->frames += frames;
	r->bytes += p->wire_len;
	p->rule = r->rule;
	pkt_drop(p, REASON_LIMIT_EXCEEDED);
	if (second <= r->said_s || r->said >= RULE_SAID_FLOW)
		return;
	r->said_s = second;
	worker_at(w, p);
	tell(w, p->flow, g, r);
}

// ---- which rules ------------------------------------------------------------------------------------------------

static struct acting *place_of(const struct worker *w, const struct flow *f)
{
	return &w->act->acting[flow_table_number(w->flows, f)];
}

struct acting *act_acting(const struct worker *w, const struct flow *f)
{
	if (!w->act->acting)
		return NULL;
	struct acting *g = place_of(w, f);
	return g->flow_id == f->id && g->version == w->judge->policy->version ? g : NULL;
}

static uint64_t bucket_of(const struct worker *w, const struct ruleset_deed *d, const struct fact_value *value)
{
	const uint8_t *id = w->rules->bytes + d->id;
	if (value && value->p)
		return limits_key(w->limits, id, d->id_len, value->p, value->len);
	return limits_key(w->limits, id, d->id_len, value ? (const uint8_t *)&value->num : NULL,
			  value ? sizeof(value->num) : 0);
}

uint64_t act_bucket(const struct worker *w, uint32_t rule)
{
	const struct facts *facts = &w->judge->facts.facts;
	const struct ruleset_deed *d = &w->rules->deeds[rule];
	bool by = d->limit_by < FIELD_COUNT && facts->n[d->limit_by];
	return bucket_of(w, d, by ? facts->value[d->limit_by] : NULL);
}

void act_begin(struct worker *w, struct flow *f, uint32_t rule, const struct fact_value *value)
{
	const struct ruleset_note *note = &w->rules->notes[rule];
	struct acting_rule r = {
		.rule = rule, .since = w->order, .action = w->rules->rules[rule].action, .said = note->said};
	bool limits = r.action == ACTION_LIMIT;
	if (!w->act->acting || (limits ? !w->limits : !w->mirrors)) // nobody made buckets; nobody wants copies
		return;
	struct acting *g = act_acting(w, f);
	if (!g) {
		g = place_of(w, f);
		if (g->flow_id == f->id) // by an earlier policy
			tell_rest(w, f, g);
		*g = (struct acting){.flow_id = f->id, .version = w->judge->policy->version};
	}
	f->policy |= POLICY_ACTS;
	for (unsigned i = 0; i < g->n; i++)
		if (g->of[i].rule == rule)
			return;
	if (g->n == ACTING_RULES) {
		count(w, COUNTER_ACTS_EVICTED);
		return;
	}
	if (limits)
		r.key = bucket_of(w, &w->rules->deeds[rule], value);
	if (!judge_sampled(note->sample, f->id << 20 ^ rule))
		r.said = RULE_SAID_NONE;
	g->of[g->n++] = r;
}

void act_flow_end(struct worker *w, struct flow *f)
{
	struct acting *g = w->act->acting ? place_of(w, f) : NULL;
	if (!g || g->flow_id != f->id)
		return;
	tell_rest(w, f, g);
	mirror_flow_end(w, f);
	*g = (struct acting){0};
}

// ---- packets ----------------------------------------------------------------------------------------------------

static bool within(struct worker *w, const struct pkt *p, const struct acting_rule *r, uint32_t frames)
{
	const struct ruleset_deed *d = &w->rules->deeds[r->rule];
	struct limit_rate rate = {d->rate_bits, d->rate_packets, d->burst};
	if (w->turn)
		w->turn(w, p->order);
	return limits_take(w->limits, r->key, &rate, p->time_ns, p->wire_len, frames);
}

void act_on(struct worker *w, struct rte_mbuf *m)
{
	struct pkt *p = pkt_of(m);
	struct acting *g = p->flags & PKT_WAITED ? NULL : act_acting(w, p->flow); // those are not weighed
	uint32_t frames = p->flags & PKT_VIRTUAL ? p->nfragments : 1;
	for (unsigned i = 0; g && i < g->n && !p->reason; i++) {
		struct acting_rule *r = &g->of[i];
		if (p->order >= r->since && r->action == ACTION_LIMIT && !within(w, p, r, frames))
			exceeded(w, p, g, r, frames);
	}
}
