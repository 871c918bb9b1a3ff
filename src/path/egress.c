// SPDX-License-Identifier: BSD-3-Clause
//
// The way out, live. In comes each frame that the corridor lets go, our own among them; out it goes to the port that
// its path leads to, with the headers that the path asks for, or it leaves by a reason of this room. Worker's thread.
//
// What leaves out of the midst of the walk (frames that were held, answers) keeps its place in the burst: released
// frames go before the one that released them, answers behind the one that they answer. Else a page would overtake the
// response before it.
//
// Frames gather by port until the turn is over: a port is paid for by the call, not by the frame. A frame is counted
// as sent when its port took it, never before, so that the ledger is about what left. What a port does not take is
// dropped here and now, by name: to wait for a port would let those of the other ports wait, too.
#include "egress.h"

#include <netinet/in.h>
#include <stdatomic.h>
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_tcp.h>

#include "base/be.h"
#include "rooms.h"

void egress_refuse(struct worker *w, struct rte_mbuf *m, uint16_t reason)
{
	w->order = pkt_of(m)->order;
	pkt_of(m)->reason = reason;
	worker_drops(w, m, reason);
	drop_say(w, m, 1, false);
	rte_pktmbuf_free(m);
}

static void hand(struct worker *w, unsigned port, struct egress_batch *b)
{
	struct egress *e = w->egress;
	bool kernel = e->lane[port].mode == PATH_KERNEL;
	uint64_t bytes = 0;
	for (unsigned i = 0; i < b->n; i++)
		bytes += rte_pktmbuf_pkt_len(b->m[i]); // a port may have freed it when it comes back
	unsigned sent = e->send(e->arg, port, b->m, b->n);
	for (unsigned i = sent; i < b->n; i++) {
		bytes -= rte_pktmbuf_pkt_len(b->m[i]);
		egress_refuse(w, b->m[i], REASON_EGRESS_FULL);
	}
	w->kernel += kernel ? sent : 0;
	w->tx += kernel ? 0 : sent;
	w->tx_bytes += kernel ? 0 : bytes;
	b->n = 0;
}

static void put(struct worker *w, unsigned port, struct rte_mbuf *m)
{
	struct egress_batch *b = &w->egress->batch[port];
	if (unlikely(w->sees != NULL))
		w->sees(w, m, port, REASON_NONE);
	b->m[b->n++] = m;
	if (unlikely(b->n == EGRESS_BATCH))
		hand(w, port, b);
}

// ---- to the kernel, and from it ----------------------------------------------------------------------------------

void egress_to_kernel(struct worker *w, struct rte_mbuf *m)
{
	unsigned port = w->egress->lane[pkt_of(m)->port].kernel;
	if (port != EGRESS_NO_PORT) {
		put(w, port, m);
		return;
	}
	w->kernel++;
	rte_pktmbuf_free(m);
}

// It is the appliance that speaks: the ledger counts these frames among its own.
void egress_from_kernel(struct worker *w, struct rte_mbuf *m)
{
	struct pkt *p = pkt_of(m);
	const struct lane *l = &w->egress->lane[p->port];
	p->flags |= PKT_OWN;
	w->own++;
	if (unlikely(p->reason))
		egress_refuse(w, m, p->reason);
	else if (unlikely(!atomic_load_explicit(l->up, memory_order_relaxed)))
		egress_refuse(w, m, REASON_EGRESS_DOWN);
	else if (unlikely(rte_pktmbuf_pkt_len(m) > l->mtu + (uint32_t)RTE_ETHER_HDR_LEN))
		egress_refuse(w, m, REASON_EGRESS_TOO_BIG);
	else
		put(w, l->out, m);
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

// ---- bridge ------------------------------------------------------------------------------------------------------

static bool listed(const struct lane *l, uint32_t ethertype)
{
	for (unsigned i = 0; i < l->nexcept; i++)
		if (l->except[i] == ethertype)
			return true;
	return false;
}

// Behind the tags.
static uint32_t ethertype_of(struct rte_mbuf *m)
{
	uint32_t at = 12, end = m->data_len;
	const uint8_t *d = pkt_data(m);
	while (at + 6 <= end && (be16(d + at) == RTE_ETHER_TYPE_VLAN || be16(d + at) == RTE_ETHER_TYPE_QINQ))
		at += 4;
	return at + 2 <= end ? be16(d + at) : 0;
}

// 224.0.0.0/24 (RFC 5771 4), ff02::/16 (RFC 4291 2.7), but not that without which a host has no address and finds no
// neighbour: RFC 4861 4, RFC 9915 7.2.
static bool is_link_local(struct rte_mbuf *m, const struct layer *l)
{
	const uint8_t *h = pkt_data(m) + l->l3;
	if (l->version == 4)
		return be24(h + 16) == 0xe00000u;
	bool nd = l->proto == IPPROTO_ICMPV6 && l->icmp_type >= 133 && l->icmp_type <= 137;
	bool dhcp = l->proto == IPPROTO_UDP && l->dport_be == rte_cpu_to_be_16(547);
	return h[24] == 0xff && (h[25] & 15) == 2 && !nd && !dhcp;
}

// Without them a host has no address and finds no neighbour: only a rule that is true for them stops them, the policy's
// default does not. ND is what has not been forwarded (RFC 4861 6.1, 7.1); DHCP runs between its ports alone (RFC 2131
// 4.1, RFC 8415 7.2), with relays' among them.
bool egress_spares(const struct worker *w, struct rte_mbuf *m)
{
	const struct pkt *p = pkt_of(m);
	const struct layer *l = p->inner;
	if (w->egress->lane[p->port].mode != PATH_BRIDGE || p->nlayers != 1 || (l->flags & LAYER_FRAGMENT))
		return false;
	if (l->proto == IPPROTO_ICMPV6)
		return l->icmp_type >= 133 && l->icmp_type <= 137 && pkt_data(m)[l->l3 + 7] == 255;
	uint32_t from = rte_be_to_cpu_16(l->sport_be), to = rte_be_to_cpu_16(l->dport_be);
	uint32_t low = l->version == 4 ? 67 : 546;
	return l->proto == IPPROTO_UDP && from - low < 2 && to - low < 2;
}

static uint16_t bridge(struct rte_mbuf *m, const struct lane *in)
{
	const struct pkt *p = pkt_of(m);
	if (p->nlayers == 0)
		return in->other_l2 != listed(in, ethertype_of(m)) ? REASON_NONE : REASON_EGRESS_OTHER_L2;
	return in->link_local || !is_link_local(m, &p->layer[0]) ? REASON_NONE : REASON_EGRESS_LINK_LOCAL;
}

// ---- out ---------------------------------------------------------------------------------------------------------

static uint16_t headers(struct worker *w, struct rte_mbuf *m, const struct lane *in)
{
	const struct pkt *p = pkt_of(m);
	if (in->mss && p->inner && p->inner->proto == IPPROTO_TCP && (p->inner->tcp_flags & RTE_TCP_SYN_FLAG))
		egress_mss(m, in->mss);
	if (p->flags & PKT_BACK)
		return REASON_NONE; // turned round when it was made
	if (in->mode == PATH_ROUTED)
		return egress_route(w, m, in);
	if (in->mode == PATH_GWLB)
		return turn_round(m) ? REASON_NONE : REASON_EGRESS_NO_SENDER;
	return in->strict ? bridge(m, in) : REASON_NONE;
}

static void late(struct worker *w, uint64_t order, bool own, bool all)
{
	struct egress *e = w->egress;
	unsigned kept = 0;
	for (unsigned i = 0; i < e->nlate; i++) {
		struct egress_late *l = &e->late[i];
		if (all || (l->at == order && !!(pkt_of(l->m)->flags & PKT_OWN) == own))
			egress_leave(w, l->m);
		else
			e->late[kept++] = *l;
	}
	e->nlate = kept;
}

void egress_before(struct worker *w, uint64_t order)
{
	late(w, order, false, false);
}

void egress_behind(struct worker *w, uint64_t order)
{
	late(w, order, true, false);
}

void egress_walked(struct worker *w, bool all)
{
	w->egress->walking = false;
	if (unlikely(all && w->egress->nlate))
		late(w, 0, false, true);
}

bool egress_wait(struct worker *w, struct rte_mbuf *m)
{
	struct egress *e = w->egress;
	if (!e->walking || e->nlate == EGRESS_LATE)
		return false;
	const struct pkt *p = pkt_of(m);
	e->late[e->nlate++] = (struct egress_late){m, p->flags & PKT_OWN ? p->order : w->order};
	return true;
}

// A reason: it cannot leave, and is still the caller's.
static uint16_t take(struct worker *w, struct rte_mbuf *m)
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
	uint16_t mtu = atomic_load_explicit(&to->mtu, memory_order_relaxed);
	if (unlikely(rte_pktmbuf_pkt_len(m) > mtu + RTE_ETHER_HDR_LEN + p->nvlans * 4u)) {
		egress_say(w, m, EGRESS_SAYS_TOO_BIG, mtu);
		return REASON_EGRESS_TOO_BIG;
	}
	uint16_t reason = headers(w, m, in);
	if (likely(!reason))
		put(w, out, m);
	return reason;
}

void egress_leave(struct worker *w, struct rte_mbuf *m)
{
	uint16_t reason = take(w, m);
	if (unlikely(reason && reason != EGRESS_WAITS))
		egress_refuse(w, m, reason);
}

void egress_flush(struct worker *w)
{
	struct egress *e = w->egress;
	if (unlikely(e->nasked))
		egress_again(w, false);
	for (unsigned i = 0; i < e->nports; i++)
		if (e->batch[i].n)
			hand(w, i, &e->batch[i]);
}

void egress_drain(struct worker *w)
{
	egress_again(w, true);
	egress_flush(w);
}
