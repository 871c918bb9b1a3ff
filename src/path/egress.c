// SPDX-License-Identifier: BSD-3-Clause
//
// The way out, live. In comes each frame that the corridor lets go, our own among them; out it goes to the port that
// its path leads to, with the headers that the path asks for, or it leaves by a reason of this room. Worker's thread.
//
// Frames gather by port until the burst is over: a port is paid for by the call, not by the frame. A frame is counted
// as sent when its port took it, never before, so that the ledger is about what left. What a port does not take is
// dropped here and now, by name: to wait for a port would let those of the other ports wait, too.
#include "egress.h"

#include <stdatomic.h>

#include <rte_branch_prediction.h>
#include <rte_ether.h>

#include "rooms.h"

static void refuse(struct worker *w, struct rte_mbuf *m, uint16_t reason)
{
	w->order = pkt_of(m)->order;
	pkt_of(m)->reason = reason;
	w->drops[reason]++;
	drop_say(w, m, 1, false);
	rte_pktmbuf_free(m);
}

static void send(struct worker *w, unsigned port, struct egress_batch *b)
{
	struct egress *e = w->egress;
	uint64_t bytes = 0;
	for (unsigned i = 0; i < b->n; i++)
		bytes += rte_pktmbuf_pkt_len(b->m[i]); // a port may have freed it when it comes back
	unsigned sent = e->send(e->arg, port, b->m, b->n);
	for (unsigned i = sent; i < b->n; i++) {
		bytes -= rte_pktmbuf_pkt_len(b->m[i]);
		refuse(w, b->m[i], REASON_EGRESS_FULL);
	}
	w->tx += sent;
	w->tx_bytes += bytes;
	b->n = 0;
}

uint16_t egress_take(struct worker *w, struct rte_mbuf *m)
{
	struct egress *e = w->egress;
	const struct pkt *p = pkt_of(m);
	const struct lane *in = &e->lane[p->port];
	if (in->mode == PATH_MIRROR) {
		w->mirrored++;
		rte_pktmbuf_free(m);
		return REASON_NONE;
	}
	// a frame of our own that goes back leaves by the port that its cause came in by
	unsigned out = p->flags & PKT_BACK ? p->port : in->out;
	const struct lane *back = &e->lane[in->out]; // the lane that leads to where this one begins
	const struct lane *to = p->flags & PKT_BACK ? back : in;
	if (unlikely(!atomic_load_explicit(to->up, memory_order_relaxed)))
		return REASON_EGRESS_DOWN;
	if (unlikely(rte_pktmbuf_pkt_len(m) > to->mtu + RTE_ETHER_HDR_LEN + p->nvlans * 4u))
		return REASON_EGRESS_TOO_BIG;
	struct egress_batch *b = &e->batch[out];
	b->m[b->n++] = m;
	if (unlikely(b->n == EGRESS_BATCH))
		send(w, out, b);
	return REASON_NONE;
}

void egress_flush(struct worker *w)
{
	struct egress *e = w->egress;
	for (unsigned i = 0; i < e->nports; i++)
		if (e->batch[i].n)
			send(w, i, &e->batch[i]);
}
