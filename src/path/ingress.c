// SPDX-License-Identifier: BSD-3-Clause
//
// The way in of a routed or gwlb port: what is for the appliance itself goes to the kernel, what is for nobody here is
// dropped by name, and the rest, which is what the appliance is there for, goes on into the corridor. In comes a burst
// as the port gave it. Worker's thread; bridges and mirrors never come here.
//
//   frame's station   routed                                gwlb
//   another's         RX_NOT_OURS                           RX_NOT_OURS
//   ours              IP for another address: corridor      GENEVE for our address: corridor, or RX_GENEVE
//                     all else: kernel                      all else: kernel
//   a group's         kernel                                kernel
//
// So ARP, neighbour discovery, pings and probes are the kernel's, which answers them as it does for any interface, and
// a policy that denies everything denies none of them. AF_PACKET brings what the kernel itself sends, too: it is the
// kernel's already.
#include "egress.h"

#include <netinet/in.h>
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_ether.h>

#include "base/be.h"
#include "checksum.h"
#include "rooms.h"

enum way { WAY_IN, WAY_KERNEL, WAY_DROP };

static bool is_ours(const struct lane *l, const uint8_t *address, unsigned len)
{
	for (unsigned i = 0; i < l->nnets; i++)
		if (l->net[i].len == len && memcmp(l->net[i].bytes, address, len) == 0)
			return true;
	return false;
}

// A path's ports are one machine: each answers for the other's addresses.
static bool for_us(const struct egress *e, const struct lane *l, const uint8_t *address, unsigned len)
{
	return is_ours(l, address, len) || (&e->lane[l->out] != l && is_ours(&e->lane[l->out], address, len));
}

static enum way routed(const struct egress *e, const struct lane *l, const uint8_t *d, uint32_t len)
{
	uint32_t type = be16(d + 12);
	const uint8_t *h = d + RTE_ETHER_HDR_LEN;
	if (type == RTE_ETHER_TYPE_IPV4 && len >= RTE_ETHER_HDR_LEN + 20) // broadcast and groups go no further
		return h[16] >= 224 || for_us(e, l, h + 16, 4) ? WAY_KERNEL : WAY_IN;
	if (type == RTE_ETHER_TYPE_IPV6 && len >= RTE_ETHER_HDR_LEN + 40) { // RFC 4291 2.5.6: never forwarded
		bool link = h[24] == 0xff || (h[24] == 0xfe && (h[25] & 0xc0) == 0x80) ||
			    (h[8] == 0xfe && (h[9] & 0xc0) == 0x80);
		return link || for_us(e, l, h + 24, 16) ? WAY_KERNEL : WAY_IN;
	}
	return type == RTE_ETHER_TYPE_VLAN || type == RTE_ETHER_TYPE_QINQ ? WAY_IN : WAY_KERNEL;
}

#define GENEVE_PORT 6081
#define GWLB_CLASS 0x0108

// What a load balancer sends (AWS' gwlbtun drops what is otherwise): version 0, options that fit, each of its three
// among them, IPv4 or IPv6 inside.
static bool sound(const uint8_t *g, uint32_t len)
{
	unsigned seen = 0;
	if (len < 8 || g[0] >> 6 != 0)
		return false;
	uint32_t end = 8 + (g[0] & 63) * 4u, type = be16(g + 2);
	if (end > len || (type != RTE_ETHER_TYPE_IPV4 && type != RTE_ETHER_TYPE_IPV6))
		return false;
	for (uint32_t i = 8; i + 4 <= end; i += 4 + (g[i + 3] & 31) * 4u)
		if (be16(g + i) == GWLB_CLASS && (g[i + 2] & 0x7f) - 1u < 3)
			seen |= 1u << ((g[i + 2] & 0x7f) - 1);
	return seen == 7;
}

static enum way gwlb(const struct egress *e, const struct lane *l, const uint8_t *d, uint32_t len, uint16_t *reason)
{
	const uint8_t *h = d + RTE_ETHER_HDR_LEN;
	if (len < RTE_ETHER_HDR_LEN + 28 || be16(d + 12) != RTE_ETHER_TYPE_IPV4 || h[0] >> 4 != 4)
		return WAY_KERNEL;
	uint32_t header = (h[0] & 15) * 4u, end = RTE_MIN(be16(h + 2), len - RTE_ETHER_HDR_LEN);
	if (h[9] != IPPROTO_UDP || header < 20 || header + 8 > end || (be16(h + 6) & 0x3fff) ||
	    be16(h + header + 2) != GENEVE_PORT || !is_ours(l, h + 16, 4))
		return WAY_KERNEL;
	if (likely(sound(h + header + 8, end - header - 8)))
		return WAY_IN;
	*reason = REASON_RX_GENEVE;
	return WAY_DROP;
}

static enum way way_of(const struct egress *e, struct rte_mbuf *m, uint16_t *reason)
{
	const struct lane *l = &e->lane[pkt_of(m)->port];
	const uint8_t *d = pkt_data(m);
	if (unlikely(m->data_len < RTE_ETHER_HDR_LEN))
		return WAY_KERNEL;
	if (d[0] & 1)
		return WAY_KERNEL;
	if (unlikely(memcmp(d, l->mac, 6) != 0)) {
		*reason = REASON_RX_NOT_OURS;
		return memcmp(d + 6, l->mac, 6) == 0 ? WAY_KERNEL : WAY_DROP;
	}
	return l->mode == PATH_ROUTED ? routed(e, l, d, m->data_len) : gwlb(e, l, d, m->data_len, reason);
}

// A sender in this host left its sum to a card; the kernel is told of no card, and the next port has none.
void ingress_finish(struct rte_mbuf *m)
{
	const uint8_t *d = pkt_data(m);
	uint32_t l3 = RTE_ETHER_HDR_LEN, len = m->data_len;
	if (!(m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK))
		return;
	while (l3 + 4 <= len && (be16(d + l3 - 2) == RTE_ETHER_TYPE_VLAN || be16(d + l3 - 2) == RTE_ETHER_TYPE_QINQ))
		l3 += 4;
	if (l3 + 28 > len)
		return;
	const uint8_t *h = d + l3;
	bool v4 = be16(h - 2) == RTE_ETHER_TYPE_IPV4;
	if ((!v4 && be16(h - 2) != RTE_ETHER_TYPE_IPV6) || h[0] >> 4 != (v4 ? 4 : 6))
		return;
	uint32_t header = v4 ? (h[0] & 15) * 4u : 40, all = v4 ? be16(h + 2) : 40 + be16(h + 4);
	struct layer l = {.l3 = (uint16_t)l3, .version = v4 ? 4 : 6, .proto = v4 ? h[9] : h[6]};
	uint32_t least = l.proto == IPPROTO_TCP ? 20 : 8;
	if (all > len - l3 || header < 20 || header + least > all || (v4 && (be16(h + 6) & 0x3fff)))
		return;
	l.l4 = (uint16_t)(l.l3 + header);
	l.payload = (uint16_t)(l.l4 + least);
	l.payload_len = (uint16_t)(l.l3 + all - l.payload);
	if (checksum_unfinished(d, &l))
		checksum_finish(pkt_data(m), &l);
}

void ingress_burst(struct worker *w, struct burst *b)
{
	unsigned kept = 0;
	for (unsigned i = 0; i < b->n; i++) {
		struct rte_mbuf *m = b->m[i];
		uint16_t reason = pkt_of(m)->reason;
		enum way way = reason ? WAY_DROP : way_of(w->egress, m, &reason);
		if (likely(way == WAY_IN)) {
			b->m[kept++] = m;
		} else if (way == WAY_KERNEL) {
			ingress_finish(m);
			egress_to_kernel(w, m);
		} else {
			worker_drops(w, m, reason);
			rte_pktmbuf_free(m);
		}
	}
	b->n = (uint16_t)kept;
}
