// SPDX-License-Identifier: BSD-3-Clause
//
// The first room: from the first byte of a frame to the innermost IP header that is looked at. In comes a frame of
// any link type, out goes the list of its IP layers (struct pkt), its tags and its tenant, or one reason. Runs on the
// worker's thread.
//
// The walk is a table of steps (decap.h): each reads one header and names the kind of the next. No step calls
// another and the number of steps has a bound, so no stack of headers makes it deep or long. What a frame
// *promises* is checked where it is read: a link header that does not fit is a fault, but a UDP datagram on a tunnel's
// port that is no sound tunnel is a UDP datagram, because ports prove nothing.
//
// Rejected: one function a stack (the stacks multiply), rte_net_get_ptype (knows a third of these, trusts all).
// Plain Ethernet frames, which nearly all are, take no walk at all (plain), and leave steered as well.
#include "decap.h"

#include <string.h>

#include <netinet/in.h>

#include <rte_prefetch.h>

#include "flow_table.h"
#include "judge.h"
#include "rooms.h"
#include "steer.h"

#define STEPS_MAX 32         // headers of all kinds in a frame; beyond, it is deeper than is looked at
#define WALKED 0xffff        // pkt->l3 of a frame that has been walked
#define LINK_DATAGRAM 0xffff // pkt->link_type of a datagram that defrag put together

static enum header (*const steps[HEADER_COUNT])(struct walk *) = {
#define X(symbol, step) [HEADER_##symbol] = step,
	HEADERS(X)
#undef X
};

// LINKTYPE_* (https://www.tcpdump.org/linktypes.html) and with what they begin.
static enum header by_link_type(uint16_t link_type)
{
	static const struct {
		uint16_t link_type;
		uint16_t header;
	} links[] = {
		{1, HEADER_ETHER},          {0, HEADER_NULL_HOST}, {108, HEADER_NULL_HOST}, {9, HEADER_PPP},
		{104, HEADER_CHDLC},        {12, HEADER_IP},       {14, HEADER_IP},         {101, HEADER_IP},
		{LINK_DATAGRAM, HEADER_IP}, {113, HEADER_SLL},     {276, HEADER_SLL2},      {228, HEADER_IP4},
		{229, HEADER_IP6},
	};
	for (unsigned i = 0; i < RTE_DIM(links); i++)
		if (links[i].link_type == link_type)
			return links[i].header;
	return HEADER_STOP;
}

// What a protocol carries; the steps of tunnels find the cursor at the L4 header.
static const uint8_t by_proto[256] = {
	[IPPROTO_IPIP] = HEADER_IP4,  // RFC 2003
	[IPPROTO_IPV6] = HEADER_IP6,  // RFC 4213, RFC 2473
	[IPPROTO_GRE] = HEADER_GRE,   // RFC 2784, RFC 2890, RFC 2637
	[IPPROTO_UDP] = HEADER_UDP,   // decap_tunnel.c: by port and content
	[97] = HEADER_ETHERIP,        // RFC 3378
	[IPPROTO_MPLS] = HEADER_MPLS, // RFC 4023
};

const uint8_t *decap_take(struct walk *k, uint32_t n)
{
	const uint8_t *h = k->d + k->off;
	if (likely(k->off + n <= k->s.end)) {
		k->off += n;
		return h;
	}
	if (k->off + n <= k->s.wire_end)
		k->cut = true;
	else
		k->reason = REASON_DECAP_TRUNCATED;
	return NULL;
}

enum header decap_malformed(struct walk *k)
{
	k->reason = REASON_DECAP_MALFORMED;
	return HEADER_STOP;
}

void decap_tenant(struct walk *k, uint64_t tenant)
{
	if (k->p->tenant == 0)
		k->p->tenant = tenant;
}

void decap_transport(struct walk *k, uint64_t tenant)
{
	struct pkt *p = k->p;
	p->transport_l3 = p->layer[0].l3;
	p->flags |= PKT_TRANSPORT;
	p->nlayers = 0;
	decap_tenant(k, tenant);
}

// What lies deeper is judged by nobody. Where decap_depth is closed (corridor.md 9) it does not leave, but a policy
// that asks for decap.deeper has its own word on it.
enum header decap_deeper(struct walk *k)
{
	k->p->flags |= PKT_DEEPER;
	count(k->w, COUNTER_DECAP_DEPTH);
	if (k->w->rules && !k->w->config->fail.depth_open && !judge_asks_deeper(k->w))
		k->reason = REASON_DECAP_DEPTH;
	return HEADER_STOP;
}

static enum header ip(struct walk *k, unsigned version)
{
	struct pkt *p = k->p;
	if (unlikely(p->nlayers == LAYERS_MAX))
		return decap_deeper(k);
	struct layer *l = &p->layer[p->nlayers];
	enum parse_result r = parse_ip(k->d, k->off, version, &k->s, l, &k->reason);
	if (unlikely(r != PARSE_OK)) {
		k->cut |= r == PARSE_CUT;
		if (r == PARSE_CUT && k->w->rules && l->version) { // within the headers behind its addresses
			l->flags |= LAYER_CUT;
			p->nlayers++;
		}
		return HEADER_STOP;
	}
	p->nlayers++;
	if (unlikely(l->flags & LAYER_FRAGMENT)) {
		count(k->w, COUNTER_FRAGMENTS);
		return HEADER_STOP; // again, when the datagram is whole
	}
	k->off = l->l4;
	return by_proto[l->proto];
}

enum header decap_ip(struct walk *k)
{
	return ip(k, 0);
}
enum header decap_ip4(struct walk *k)
{
	return ip(k, 4);
}
enum header decap_ip6(struct walk *k)
{
	return ip(k, 6);
}

static __rte_always_inline void plain_layer(struct pkt *p, uint32_t l4, uint32_t payload, uint32_t end, uint32_t ports,
					    uint32_t flags, unsigned version, uint8_t proto, uint16_t ttl)
{
	struct layer *l = &p->layer[0];
	l->l3 = 14;
	l->l4 = l4;
	l->payload = payload;
	l->payload_len = l->wire_len = end - payload;
	memcpy(&l->sport_be, &ports, 4); // both
	l->version = version;
	l->proto = proto;
	memcpy(&l->tcp_flags, &flags, 4); // and the layer's, ICMP type and code (0)
	memcpy(&l->ttl, &ttl, 2);
	p->nlayers = 1;
	p->inner = l;
	p->l3 = WALKED;
}

// L4 of a plain frame, whose IP header ends at l4 and whose IP payload ends at `end`. Inlined where version and
// protocol are known.
static __rte_always_inline bool plain_l4(struct pkt *p, const struct steer_key *key, const uint8_t *d, uint32_t l4,
					 uint32_t end, unsigned version, uint8_t proto, uint16_t ttl)
{
	const uint8_t *t = d + l4;
	uint32_t header = 8, flags = 0, ports = steer_load32(t);
	if (proto == IPPROTO_TCP) {
		header = (t[12] & 0xf0u) >> 2;
		flags = t[13];
		if (unlikely(header < 20 || (flags & 0x20)))
			return false;
	} else if (proto != IPPROTO_UDP || be16(t + 4) != end - l4 || decap_tunnel_port(be16(t)) ||
		   decap_tunnel_port(be16(t + 2))) {
		return false;
	}
	if (unlikely(l4 + header > end))
		return false;
	plain_layer(p, l4, l4 + header, end, ports, flags, version, proto, ttl);
	steer_ends(key, p, d + 14, ports, version, proto);
	return true;
}

// A fragment of a frame that would else be plain: refusing one of a flood costs less than the walk to its layer.
static bool plain_fragment(struct worker *w, struct pkt *p, const uint8_t *d, uint32_t len)
{
	const uint8_t *h = d + 14;
	if (p->link_type != 1 || len < 34 || (steer_load32(d + 12) & 0xffffff) != 0x450008 || !(be16(h + 6) & 0x3fff))
		return false;
	uint32_t end = 14 + be16(h + 2);
	if (end < 34 || end > len)
		return false;
	plain_layer(p, 34, 34, end, 0, LAYER_FRAGMENT << 8, 4, h[9], h[8]);
	count(w, COUNTER_FRAGMENTS);
	return true;
}

static_assert(offsetof(struct layer, icmp_code) == offsetof(struct layer, tcp_flags) + 3 &&
		      offsetof(struct layer, flags) == offsetof(struct layer, tcp_flags) + 1 &&
		      offsetof(struct layer, pad) == offsetof(struct layer, ttl) + 1,
	      "written as words");

// The frames that nearly all are: Ethernet, IPv4 without options or IPv6 without extension headers, TCP without urgent
// data or UDP on no tunnel's port, whole and uncut. Anything that is not exactly so is left to the walk, which
// would come to the same layer.
static __rte_always_inline bool plain(struct pkt *p, const struct steer_key *key, const uint8_t *d, uint32_t len)
{
	const uint8_t *h = d + 14;
	if (unlikely(p->link_type != 1 || len < 14 + 40))
		return false;
	if (likely((steer_load32(d + 12) & 0xffffff) == 0x450008)) { // 0x0800, and 0x45 of the IP header
		uint32_t end = 14 + be16(h + 2);
		if (unlikely(end > len || (be16(h + 6) & 0x3fff)))
			return false;
		return likely(h[9] == IPPROTO_TCP) ? plain_l4(p, key, d, 34, end, 4, IPPROTO_TCP, h[8])
						   : plain_l4(p, key, d, 34, end, 4, h[9], h[8]);
	}
	if (be16(d + 12) != 0x86dd || len < 14 + 60 || h[0] >> 4 != 6)
		return false;
	uint32_t end = 54 + be16(h + 4);
	return end <= len && plain_l4(p, key, d, 54, end, 6, h[6], h[7]);
}

// What the walk leaves behind. The L4 header of the innermost layer must be there for the rooms that follow (of TCP
// without its options); where the snap length took it, the frame passes as it is, but for a policy's word on what is
// left of it (judge_layer.c).
static void finish(struct walk *k)
{
	struct pkt *p = k->p;
	const struct layer *l = p->inner = p->nlayers ? &p->layer[p->nlayers - 1] : NULL;
	k->w->outer_layers += p->nlayers > 1;
	k->w->tagged |= p->nvlans > 0;
	if (unlikely(k->reason)) {
		pkt_drop(p, k->reason);
		return;
	}
	if (unlikely(!l)) {
		p->done = 1;
		if (!k->cut)
			count(k->w, COUNTER_OTHER_L2);
	} else if (unlikely(l->flags & LAYER_CUT)) {
		k->cut = true;
		uint32_t need = parse_l4_header_len(l->proto, k->d + l->l4, l->payload + l->payload_len - l->l4);
		if (l->proto == IPPROTO_TCP) // options are read as far as they go
			need = 20;
		if (!(l->flags & LAYER_FRAGMENT) && l->payload + l->payload_len < l->l4 + need)
			p->done = 1;
	}
	if (likely(!k->cut))
		return;
	count(k->w, COUNTER_FRAMES_CUT);
	if (p->done && k->w->rules) {
		p->flags |= PKT_BLIND;
		k->w->outer_layers++;
	}
}

static void walk(struct worker *w, struct rte_mbuf *m)
{
	struct pkt *p = pkt_of(m);
	uint32_t len = m->data_len, wire_len = RTE_MIN(p->wire_len, (uint32_t)INT32_MAX);
	struct walk k = {.transports = decap_transports(w, p),
			 .w = w,
			 .p = p,
			 .d = pkt_data(m),
			 .off = p->l3,
			 .s = {len, RTE_MAX(len, wire_len), path_inline(w->config, p->port)}};
	enum header next = by_link_type(p->link_type);
	unsigned n = 0;
	while (next != HEADER_STOP && n++ < STEPS_MAX)
		next = steps[next](&k);
	if (unlikely(next != HEADER_STOP))
		decap_deeper(&k);
	p->l3 = WALKED;
	finish(&k);
}

unsigned decap_headers(struct worker *scratch, const uint8_t *d, uint32_t len, uint32_t wire_len, uint16_t link_type,
		       struct decap_header *list, unsigned max)
{
	struct pkt p = {.link_type = link_type};
	struct walk k = {.transports = scratch->config->transports,
			 .w = scratch,
			 .p = &p,
			 .d = d,
			 .s = {len, RTE_MAX(len, wire_len), path_inline(scratch->config, p.port)}};
	enum header next = by_link_type(link_type);
	unsigned n = 0;
	while (next != HEADER_STOP && n < max) {
		list[n++] = (struct decap_header){next, (uint16_t)k.off};
		next = steps[next](&k);
	}
	return n;
}

// ask: NULL, or the table of which buckets are asked for as soon as the hash is made.
static __rte_always_inline unsigned each(struct worker *w, struct burst *b, const struct flow_table *ask)
{
	const struct steer_key key = w->steer;
	unsigned steered = 0, n = b->n;
	for (unsigned i = 0; i < n; i++)
		rte_prefetch0(pkt_data(b->m[i]));
	for (unsigned i = 0; i < n; i++) {
		struct rte_mbuf *m = b->m[i];
		struct pkt *p = pkt_of(m);
		if (unlikely(p->l3 == WALKED || pkt_decided(p)))
			continue;
		if (likely(plain(p, &key, pkt_data(m), m->data_len))) {
			steered++; // addresses and ports were at hand
			if (ask)
				flow_table_ask(ask, p->hash);
		} else if (!plain_fragment(w, p, pkt_data(m), m->data_len)) {
			walk(w, m);
		}
	}
	return steered;
}

// Under a flood flow, which asks for buckets a burst at a time, waited half of a packet's cost for memory. Asked for
// here they come in time; 15 instructions that are spared who is not behind.
void decap_burst(struct worker *w, struct burst *b)
{
	w->steered = unlikely(w->shed.withheld && w->flows) ? each(w, b, w->flows) : each(w, b, NULL);
}
