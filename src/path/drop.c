// SPDX-License-Identifier: BSD-3-Clause
//
// Why a frame does not leave, as a record: in comes what tx lets go by a reason, out goes a RECORD_ANOMALY that has
// the reason, the frame, and the flow or what is known of the addresses. Worker's thread; packets that pass never come
// here.
//
// Bounded: of a flow the first of each reason, of a flood's (flood.c) none; of frames without a flow SAID_MAX of each
// reason in a second of the capture's clock. What stays unsaid is counted (drops_unsaid), so that records and counter
// make the ledger's sum. What a parser refuses it has said itself, by an anomaly of the same name. The same for any
// number of workers: a flow has one. Frames without a flow come either out of the burst, then by the worker that owns
// hash 0, or out of defrag's hold, then by the front: two places that count apart.
#include "rooms.h"

#include <netinet/in.h>
#include <string.h>

#include <rte_byteorder.h>

#include "flow.h"
#include "record_out.h"

#define SAID_MAX 64
#define NS 1000000000ull

// A flow remembers what was said of it in 16 bits where it is TCP, else in one: only parsers drop datagrams, or all is.
#define FIRST_OF_FLOW REASON_DEFRAG_REWRITE
#define FIRST_OF_ALL REASON_POLICY_NONE
#define FIRST_OF_POLICY REASON_POLICY_DENY // said by the verdict's own record
static_assert(FIRST_OF_ALL - FIRST_OF_FLOW <= 16, "flow->tcp_said has room");

static bool first_of_flow(struct flow *f, uint16_t reason)
{
	if (f->key.proto == IPPROTO_TCP && reason >= FIRST_OF_FLOW && reason < FIRST_OF_ALL) {
		uint16_t bit = (uint16_t)(1u << (reason - FIRST_OF_FLOW));
		bool said = f->tcp_said & bit;
		f->tcp_said |= bit;
		return !said;
	}
	bool said = f->flags & FLOW_DROP_SAID;
	f->flags |= FLOW_DROP_SAID;
	return !said;
}

static bool within_bound(struct drop_said *s, uint64_t time_ns)
{
	uint32_t second = (uint32_t)(time_ns / NS);
	if (second > s->second)
		*s = (struct drop_said){.second = second};
	return s->n++ < SAID_MAX;
}

// The layer that tells who sent it: what could not be read to its end lies behind the last that was.
static const struct layer *known_layer(const struct pkt *p)
{
	bool beyond = p->reason == REASON_PARSE_L4_TRUNCATED || p->reason == REASON_PARSE_L4_MALFORMED ||
		      p->reason == REASON_PARSE_IP_OPTIONS;
	return beyond && p->nlayers < LAYERS_MAX ? &p->layer[p->nlayers] : p->inner;
}

static void addresses(struct record *r, struct rte_mbuf *m)
{
	const struct layer *l = known_layer(pkt_of(m));
	const uint8_t *h = pkt_data(m) + (l ? l->l3 : 0);
	uint32_t room = l && l->l3 < m->data_len ? m->data_len - l->l3 : 0;
	if (room >= 20 && h[0] >> 4 == 4) {
		memcpy(r->src, h + 12, 4);
		memcpy(r->dst, h + 16, 4);
	} else if (room >= 40 && h[0] >> 4 == 6) {
		memcpy(r->src, h + 8, 16);
		memcpy(r->dst, h + 24, 16);
	} else {
		return;
	}
	r->ip_version = h[0] >> 4;
	r->proto = l->proto ? l->proto : r->ip_version == 4 ? h[9] : h[6];
	r->sport = rte_be_to_cpu_16(l->sport_be);
	r->dport = rte_be_to_cpu_16(l->dport_be);
}

static bool parser_said(uint16_t reason)
{
	return reason == REASON_TLS_BAD_NAME || reason == REASON_HTTP_AMBIGUOUS || reason == REASON_QUIC_CHANGED;
}

static __rte_noinline void say(struct worker *w, struct rte_mbuf *m)
{
	struct pkt *p = pkt_of(m);
	uint16_t reason = p->reason;
	struct flow *f = p->flow;
	struct record *r = record_begin(w, RECORD_ANOMALY);
	if (f) {
		flow_record(w, f, r);
		r->dir = p->dir;
	} else {
		addresses(r, m);
		r->tenant = p->tenant;
		r->port = p->port & 31;
	}
	r->packet = p->frame;
	r->time_ns = p->time_ns;
	r->reason = reason;
	record_write(w);
}

void drop_say(struct worker *w, struct rte_mbuf *m, uint32_t frames, bool was_held)
{
	struct pkt *p = pkt_of(m);
	uint16_t reason = p->reason;
	if (!w->records || reason >= FIRST_OF_POLICY) // a pass that only looks
		return;
	bool first = false; // of a flood's flows none
	if (!p->flow)
		first = within_bound(&w->said[was_held][reason], p->time_ns);
	else if (!p->flow->unsaid)
		first = first_of_flow(p->flow, reason);
	w->counters[COUNTER_DROPS_UNSAID] += frames - first;
	if (first && !parser_said(reason))
		say(w, m);
}

void drop_forget(struct worker *w)
{
	memset(w->said, 0, sizeof(w->said));
}
