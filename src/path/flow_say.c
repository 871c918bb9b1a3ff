// SPDX-License-Identifier: BSD-3-Clause
//
// What is said of a flow. At its beginning, what frames show besides its tuple: VLANs, network ids, the addresses
// around it, with the first frame of each direction. At its end what it was: its own record, or a part of a flood's
// sum. Worker's thread.
#include "flow_say.h"

#include <netinet/in.h>

#include "flood.h"
#include "flow_age.h"
#include "flow_table.h"
#include "judge.h"
#include "record_out.h"
#include "rooms.h"

static void say_addresses(struct worker *w, const struct pkt *p, const uint8_t *frame, uint32_t l3)
{
	bool v4 = frame[l3] >> 4 == 4;
	uint32_t len = v4 ? 4 : 16, off = l3 + (v4 ? 12 : 8);
	for (unsigned end = 0; end < 2; end++, off += len)
		record_fact(w, FACT_OUTER_IP, frame + off, len, (struct origin){p->frame, off, len});
}

// Addresses of the headers around a layer, by their place in the frame; a transport's come first.
static void say_outer(struct worker *w, const struct pkt *p, unsigned layer, const uint8_t *frame)
{
	if (p->flags & PKT_TRANSPORT)
		say_addresses(w, p, frame, p->transport_l3);
	for (unsigned i = 0; i < layer; i++)
		say_addresses(w, p, frame, p->layer[i].l3);
}

// The stack of VLAN tags that was said last, folded; 1: none.
static uint16_t *flow_tags(struct flow *f)
{
	return f->key.proto == IPPROTO_TCP ? &f->tcp_tags : &f->tags;
}

static uint16_t tags_fold(const struct pkt *p)
{
	uint32_t fold = 1;
	for (unsigned i = 0; i < p->nvlans; i++)
		fold = (fold * 0x9e37 + p->vlan[i] + 1) % 0xfff1;
	return (uint16_t)(fold ? fold : 1);
}

static void say_deeper(struct worker *w, struct flow *f, unsigned dir)
{
	struct record *r = record_begin(w, RECORD_ANOMALY);
	flow_record(w, f, r);
	r->anomaly = ANOMALY_DECAP_DEEPER;
	r->dir = (uint8_t)dir;
	w->anomalies[ANOMALY_DECAP_DEEPER]++;
	record_write(w);
}

void flow_say_start(struct worker *w, struct flow *f, const struct pkt *p, unsigned layer, unsigned dir,
		    const uint8_t *frame)
{
	struct origin o = {.frame = p->frame};
	bool unsaid = f->unsaid;
	f->unsaid = 0;
	if (!f->key.outer) {
		uint16_t *tags = flow_tags(f), now = tags_fold(p);
		f->flags |= *tags && *tags != now ? FLOW_RETAGGED : 0;
		*tags = now;
	}
	if (w->config->quiet_starts && !p->nvlans && !p->nvnis && !(p->flags & PKT_DEEPER))
		return;
	struct record *r = record_begin(w, RECORD_FLOW_START);
	flow_record(w, f, r);
	r->dir = (uint8_t)dir;
	if (f->pkts[0] + f->pkts[1] == 1 || unsaid)
		record_num(w, FACT_FLOW, 1, o);
	if (!f->key.outer) {
		for (unsigned i = 0; i < p->nvlans; i++)
			record_num(w, FACT_VLAN, p->vlan[i], o);
		for (unsigned i = 0; i < p->nvnis; i++)
			record_num(w, FACT_VNI, p->vni[i], o);
		if (p->flags & PKT_DEEPER)
			record_num(w, FACT_DECAP_DEEPER, 1, o);
	}
	say_outer(w, p, layer, frame);
	record_write(w);
	if (unlikely((p->flags & PKT_DEEPER) && !f->key.outer && f->pkts[0] + f->pkts[1] == 1))
		say_deeper(w, f, dir);
}

void flow_say_tags(struct worker *w, const struct burst *b)
{
	w->tagged = w->flows->rest.n > 0;
	for (unsigned i = 0; i < b->n; i++) {
		const struct pkt *p = pkt_of(b->m[i]);
		struct flow *f = p->flow;
		if (pkt_decided(p) || !f || !p->nvlans || (f->flags & FLOW_RETAGGED) || f->unsaid ||
		    *flow_tags(f) == tags_fold(p))
			continue;
		worker_at(w, p);
		flow_say_start(w, f, p, p->nlayers - 1u, p->dir, pkt_data(b->m[i]));
	}
}

// Of a flow that flood.c kept quiet about, and is no flood's after all.
static void say_late(struct worker *w, struct flow *f)
{
	struct record *r = record_begin(w, RECORD_FLOW_START);
	flow_record(w, f, r);
	r->packet = f->id >> 3;
	r->time_ns = f->start_ns;
	record_num(w, FACT_FLOW, 1, (struct origin){.frame = r->packet});
	record_write(w);
	f->unsaid = 0;
}

// Nothing is known of it but that it came.
static bool half_open(const struct flow *f)
{
	return f->age_class == AGE_CLASS_NEW && !f->tx_count && !(f->policy & POLICY_ALERTED);
}

void flow_say_end(struct worker *w, struct flow *f, enum flow_end why)
{
	static const struct record unjudged = {.rule = RULE_NONE, .would = RULE_NONE};
	bool sum = f->unsaid && half_open(f);
	if (sum && !w->rules) {
		flood_sum(w, f, &unjudged, why);
		return;
	}
	if (unlikely(f->unsaid) && !sum)
		say_late(w, f);
	struct record *r = sum ? record_begin_aside(w, RECORD_FLOW) : record_begin(w, RECORD_FLOW);
	if (unlikely(w->rules) && !judge_flow(w, f, r))
		return;
	flow_record(w, f, r);
	if (sum) {
		flood_sum(w, f, r, why);
		return;
	}
	if (unlikely(!judge_sampled(r->weight, f->id << 20)))
		return;
	r->end_ns = f->last_ns;
	for (unsigned dir = 0; dir < 2; dir++) {
		r->pkts[dir] = f->pkts[dir];
		r->bytes[dir] = f->bytes[dir];
	}
	if (f->key.proto == IPPROTO_TCP) {
		r->tcp_flags[0] = f->side[0].tcp_flags;
		r->tcp_flags[1] = f->side[1].tcp_flags;
		r->tcp_state = f->tcp_state;
	}
	r->flow_end = (uint8_t)why;
	r->tx_count = f->tx_count;
	record_write(w);
}
