// SPDX-License-Identifier: BSD-3-Clause
//
// What frames say about a flow besides its tuple: VLANs, network ids, the addresses around it. Comes in with the first
// frame of each direction, goes out as a record. Worker's thread.
#include "flow_say.h"

#include <netinet/in.h>

#include "flow_table.h"
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
	flow_record(w, f, r, RECORD_ANOMALY);
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
	flow_record(w, f, r, RECORD_FLOW_START);
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

void flow_say_late(struct worker *w, struct flow *f)
{
	struct record *r = record_begin(w, RECORD_FLOW_START);
	flow_record(w, f, r, RECORD_FLOW_START);
	r->packet = f->id >> 3;
	r->time_ns = f->start_ns;
	record_num(w, FACT_FLOW, 1, (struct origin){.frame = r->packet});
	record_write(w);
	f->unsaid = 0;
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
