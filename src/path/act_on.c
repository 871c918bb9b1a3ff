// SPDX-License-Identifier: BSD-3-Clause
//
// Rules that act on a flow which is allowed: limit and mirror. In comes the word that such a rule is true for a flow,
// and then every packet of it; limited packets beyond the rate get LIMIT_EXCEEDED. Worker's thread.
//
// A rule acts from the packet on at which it became true, in both directions, as long as the flow lives. Which rules
// act on which flow stands in a table of fixed size, found by the flow's id. When its place is taken, the flow that was
// seen longest ago is acted on no more, which is counted.
#include <string.h>

#include <rte_common.h>

#include "act_in.h"
#include "limit.h"
#include "rooms.h"

static struct acting *set_of(struct act *a, uint64_t flow_id)
{
	return a->acting[(flow_id * 0x9e3779b97f4a7c15ull >> 32) % ACTING_SETS];
}

static struct acting *acting_of(struct act *a, uint64_t flow_id)
{
	struct acting *set = set_of(a, flow_id);
	for (unsigned i = 0; i < ACTING_WAYS; i++)
		if (set[i].flow_id == flow_id)
			return &set[i];
	return NULL;
}

static struct acting *acting_new(struct worker *w, uint64_t flow_id)
{
	struct acting *set = set_of(w->act, flow_id), *old = set;
	for (unsigned i = 1; i < ACTING_WAYS; i++)
		if (set[i].seen_ns < old->seen_ns)
			old = &set[i];
	if (old->flow_id)
		count(w, COUNTER_ACTS_EVICTED);
	*old = (struct acting){.flow_id = flow_id};
	return old;
}

void act_begin(struct worker *w, struct flow *f, uint32_t rule, const struct fact_value *value)
{
	struct act *a = w->act;
	const struct ruleset_deed *d = &w->rules->deeds[rule];
	struct acting *g = acting_of(a, f->id);
	if (!w->limits) // nobody made buckets
		return;
	if (!g)
		g = acting_new(w, f->id);
	g->seen_ns = w->now_ns;
	g->rules = w->rules;
	uint64_t key = 0;
	if (value && value->p)
		key = limits_key(w->limits, w->rules->bytes + d->id, d->id_len, value->p, value->len);
	else
		key = limits_key(w->limits, w->rules->bytes + d->id, d->id_len,
				 value ? (const uint8_t *)&value->num : NULL, value ? sizeof(value->num) : 0);
	f->policy |= POLICY_ACTS;
	for (unsigned i = 0; i < g->n; i++)
		if (g->of[i].rule == rule)
			return;
	if (g->n == ACTING_RULES) {
		count(w, COUNTER_ACTS_EVICTED);
		return;
	}
	g->of[g->n++] = (struct acting_rule){.rule = rule, .key = key, .since = w->order};
}

void act_flow_end(struct worker *w, const struct flow *f)
{
	struct acting *g = acting_of(w->act, f->id);
	if (g)
		*g = (struct acting){0};
}

static bool within(struct worker *w, struct pkt *p, const struct acting_rule *r)
{
	const struct ruleset_deed *d = &w->rules->deeds[r->rule];
	struct limit_rate rate = {d->rate_bits, d->rate_packets, d->burst};
	uint32_t n = p->flags & PKT_VIRTUAL ? p->nfragments : 1;
	if (w->turn)
		w->turn(w, p->order);
	return limits_take(w->limits, r->key, &rate, p->time_ns, p->wire_len, n);
}

void act_on(struct worker *w, struct rte_mbuf *m)
{
	struct pkt *p = pkt_of(m);
	struct acting *g = acting_of(w->act, p->flow->id);
	if (!g || g->rules != w->rules) // another policy: its own rules act, when they are found true
		return;
	g->seen_ns = p->time_ns;
	for (unsigned i = 0; i < g->n && !p->reason; i++) {
		const struct acting_rule *r = &g->of[i];
		if (p->order < r->since || w->rules->rules[r->rule].action != ACTION_LIMIT)
			continue;
		if (!within(w, p, r)) {
			p->rule = r->rule;
			pkt_drop(p, REASON_LIMIT_EXCEEDED);
		}
	}
}
