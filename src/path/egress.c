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
#include <string.h>

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

// Back to whom it came from: addresses of the frame and of its outer IPv4 header change places, all else stays as it
// is, the GENEVE header and its UDP ports among it (the balancer's port is the receiver's in both ways). The sums over
// these addresses stay right. A frame that a balancer did not send has nobody to go back to.
static bool turn_round(struct rte_mbuf *m)
{
	const struct pkt *p = pkt_of(m);
	uint8_t *data = pkt_data(m), *ip = data + p->transport_l3, kept[6];
	if (!(p->flags & PKT_TRANSPORT) || ip[0] >> 4 != 4)
		return false;
	memcpy(kept, data, 6);
	memcpy(data, data + 6, 6);
	memcpy(data + 6, kept, 6);
	memcpy(kept, ip + 12, 4);
	memcpy(ip + 12, ip + 16, 4);
	memcpy(ip + 16, kept, 4);
	return true;
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
	if (in->mode == PATH_GWLB && !(p->flags & PKT_BACK) && !turn_round(m))
		return REASON_EGRESS_NO_SENDER;
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
