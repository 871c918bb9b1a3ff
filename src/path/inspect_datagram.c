// SPDX-License-Identifier: BSD-3-Clause
//
// Inspect for datagrams: QUIC, DTLS, DNS, each told by its bytes. A datagram with a payload comes in, facts go out;
// while the flow is open, what is not judged waits in hold. Worker's thread.
#include "inspect_in.h"

#include "hold.h"
#include "judge.h"
#include "rooms.h"

#define DATAGRAM_TRIES 16 // datagrams of a flow that are tried before it counts as opaque

// Datagrams of an open flow: what is not whole waits until it is judged, with what comes meanwhile under long headers
// (parsers say so); what nobody reads leaves once names were judged as absent. The other side's pass.
static __rte_noinline void datagram_open(struct worker *w, struct rte_mbuf *m, struct pkt *p, struct app_in *in)
{
	struct flow *f = p->flow;
	if (in->judged)
		f->far |= ASKED_SAID;
	if (f->policy & POLICY_DENIED) {
		hold_settle(w, f);
		pkt_drop(p, REASON_POLICY_DENY);
		return;
	}
	if (in->judged && !in->hold && f->holds && !(f->app == APP_QUIC && quic_waits(in, f)))
		hold_release(w, f, UINT64_MAX);
	if (!pkt_decided(p) && (f->policy & POLICY_MARKED) && in->hold && hold_went_on(w, f))
		pkt_drop(p, REASON_POLICY_DENY);
	if (pkt_decided(p) || (f->policy & POLICY_MARKED))
		return;
	if (in->hold) {
		p->end = 0;
		hold_frame(w, f, m);
		return;
	}
	if (p->dir != 0 || f->far)
		return;
	if (judge_absent(w, f))
		f->far |= ASKED_ABSENT;
	else
		pkt_drop(p, REASON_POLICY_DENY);
}

void inspect_datagram(struct worker *w, struct rte_mbuf *m, struct pkt *p)
{
	const struct layer *l = p->inner;
	if (!l->payload_len)
		return;
	struct flow *f = p->flow;
	if (unlikely(f->holds))
		hold_due(w, f, p->time_ns);
	struct app_in in = {
		.w = w,
		.f = f,
		.data = pkt_data(m) + l->payload,
		.len = l->payload_len,
		.dir = p->dir,
		.m = m,
		.end = true,
		.cut = l->payload_len < l->wire_len,
		.scratch = w->inspect->scratch,
	};
	static bool (*const table[])(struct app_in *) = {dtls_datagram, quic_datagram, dns_datagram};
	static const uint8_t apps[] = {APP_DTLS, APP_QUIC, APP_DNS};
	bool known = false;
	for (unsigned i = 0; i < 3; i++)
		if (f->app == apps[i])
			known = table[i](&in);
	for (unsigned i = 0; i < 3 && !known; i++)
		if (f->app != apps[i] && (known = table[i](&in)))
			f->app = apps[i];
	if (in.drop)
		pkt_drop(p, in.drop);
	if (unlikely(f->policy & POLICY_OPEN))
		datagram_open(w, m, p, &in);
	if (!known && f->app == APP_NONE && ++f->unread >= DATAGRAM_TRIES) {
		f->app = APP_OTHER;
		if (!(f->policy & POLICY_OPEN)) // else a hello may come yet
			f->flags |= FLOW_APP_DONE | FLOW_PASSED | FLOW_PASSED << 1;
	}
}
