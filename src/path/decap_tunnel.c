// SPDX-License-Identifier: BSD-3-Clause
//
// Steps of decap's walk through tunnels, i.e. what an IP packet carries that leads to IP again. In: the walk's cursor
// at the L4 header of the innermost layer so far. Out: the cursor at the inner header and its kind. Worker's thread.
//
// What IP names by protocol number (GRE, EtherIP) must be well-formed. What sits on UDP is known by nothing but its
// port, hence by its content too: a probe that is not convinced leaves a UDP datagram, and no fault. A probe looks
// as far as the inner IP header, since an attacker who could make us take his UDP payload for a tunnel would choose
// what is judged in its place.
//
// Left out: L2TPv3 (the length of its cookie is not in the packet), LISP, CAPWAP, UDP-encapsulated ESP.
#include "decap.h"

#include <netinet/in.h>

#include <rte_common.h>

#define GRE_SUM 0x8000
#define GRE_ROUTING 0x4000
#define GRE_KEY 0x2000
#define GRE_SEQ 0x1000
#define GRE_ACK 0x0080 // version 1
#define GRE_ROUTES_MAX 8
#define GTP_EXTENSIONS_MAX 8
#define TEREDO_INDICATIONS_MAX 2 // authentication, then origin (RFC 4380 5.1.1)

// RFC 1701: entries of address family, offset, length and data, up to one of length 0.
static bool gre_skip_routes(struct walk *k)
{
	for (unsigned n = 0; n < GRE_ROUTES_MAX; n++) {
		const uint8_t *h = decap_take(k, 4);
		if (!h)
			return false;
		if (h[3] == 0)
			return true;
		if (!decap_take(k, h[3]))
			return false;
	}
	k->reason = REASON_DECAP_MALFORMED;
	return false;
}

// RFC 2637 4.1: PPP in GRE version 1. Without a sequence number there is no payload, only an acknowledgement.
static enum header pptp(struct walk *k, const uint8_t *h)
{
	uint16_t flags = be16(h);
	if (be16(h + 2) != 0x880b || !(flags & GRE_KEY))
		return decap_malformed(k);
	if (!(flags & GRE_SEQ))
		return HEADER_STOP;
	if (!decap_take(k, 4 + 4 + (flags & GRE_ACK ? 4 : 0)))
		return HEADER_STOP;
	uint32_t end = k->off + be16(h + 4);
	k->s.wire_end = RTE_MIN(k->s.wire_end, end);
	k->s.end = RTE_MIN(k->s.end, end);
	return HEADER_PPP;
}

// 0x9100 is a tag elsewhere: it is 802.11 where the bytes say so.
static enum header aruba(struct walk *k, uint16_t type)
{
	const uint8_t *h = k->d + k->off;
	if (k->off + 24 <= k->s.end && (h[0] & 0x4f) == 0x08 && !(h[1] & 0x40))
		return HEADER_WLAN;
	return decap_by_ethertype(k, type);
}

//  0                   1                   2                   3
// |C|R|K|S|s|recur| A |flags| ver | ethertype                     |
// | checksum (C), offset (C or R) | key (K) | sequence (S) | routes (R)
enum header decap_gre(struct walk *k)
{
	const uint8_t *h = decap_take(k, 4);
	if (!h)
		return HEADER_STOP;
	uint16_t flags = be16(h), type = be16(h + 2);
	if ((flags & 7) == 1)
		return pptp(k, h);
	if (flags & 7)
		return decap_malformed(k);
	uint32_t optional =
		(flags & (GRE_SUM | GRE_ROUTING) ? 4 : 0) + (flags & GRE_KEY ? 4 : 0) + (flags & GRE_SEQ ? 4 : 0);
	if (!decap_take(k, optional) || ((flags & GRE_ROUTING) && !gre_skip_routes(k)))
		return HEADER_STOP;
	switch (type) {
	case 0x88be: // ERSPAN: type I has no sequence number and no header of its own
		return flags & GRE_SEQ ? HEADER_ERSPAN2 : HEADER_ETHER;
	case 0x22eb:
		return HEADER_ERSPAN3;
	case 0x883e:
		return HEADER_WCCP;
	}
	if ((type & 0xfe00) == 0x8200 || (type & 0xfe00) == 0x9000) // Aruba's access points, a number for each tunnel
		return aruba(k, type);
	return k->off < k->s.wire_end ? decap_by_ethertype(k, type) : HEADER_STOP; // keepalives carry nothing
}

// A mirror that shortens says so (T): what the inner headers promise beyond the end was cut, not forged.
static void erspan_truncated(struct walk *k, const uint8_t *h)
{
	if (h[2] & 0x04)
		k->s.wire_end = RTE_MAX(k->s.wire_end, k->s.end + UINT16_MAX);
}

// draft-foschiano-erspan 4.2: version 1, 8 bytes.
enum header decap_erspan2(struct walk *k)
{
	const uint8_t *h = decap_take(k, 8);
	if (!h || h[0] >> 4 != 1)
		return HEADER_STOP;
	erspan_truncated(k, h);
	return HEADER_ETHER;
}

// draft-foschiano-erspan 4.3: version 2, 12 bytes, O: 8 more. Frame type 0 is Ethernet, 2 is IP.
enum header decap_erspan3(struct walk *k)
{
	const uint8_t *h = decap_take(k, 12);
	if (!h || h[0] >> 4 != 2)
		return HEADER_STOP;
	if ((h[11] & 1) && !decap_take(k, 8))
		return HEADER_STOP;
	erspan_truncated(k, h);
	switch ((h[10] >> 2) & 0x1f) {
	case 0:
		return HEADER_ETHER;
	case 2:
		k->type = 0;
		return HEADER_IP;
	}
	return HEADER_STOP;
}

// draft-wilson-wrec-wccp-v2 4.12.2: IPv4, with a redirect header of 4 bytes in version 2 and none in version 1.
enum header decap_wccp(struct walk *k)
{
	if (!parse_plausible_ip(k->d, k->off, &k->s) && !decap_take(k, 4))
		return HEADER_STOP;
	return HEADER_IP4;
}

enum header decap_etherip(struct walk *k)
{
	const uint8_t *h = decap_take(k, 2);
	if (!h)
		return HEADER_STOP;
	return h[0] == 0x30 ? HEADER_ETHER : decap_malformed(k);
}

static void vni_add(struct walk *k, uint32_t vni)
{
	if (k->p->nvnis < VNIS_MAX)
		k->p->vni[k->p->nvnis++] = vni;
}

// Only the frame's outermost IP header can be a transport's; what is deeper is somebody's traffic, even if it
// looks the same: nobody may choose his tenant by tunnelling.
static bool may_be_transport(const struct walk *k, uint32_t transport)
{
	return (k->transports & transport) && k->p->nlayers == 1 && !(k->p->flags & PKT_TRANSPORT);
}

// A header `type` announced at off, as far as it can be believed.
static enum header announced(struct walk *k, uint32_t off, uint16_t type)
{
	k->off = off;
	switch (type) {
	case 0x6558:
		return decap_plausible_ether(k, off) ? HEADER_ETHER : HEADER_STOP;
	case 0x0800:
	case 0x86dd:
		if (!parse_plausible_ip(k->d, off, &k->s) || k->d[off] >> 4 != (type == 0x0800 ? 4 : 6))
			return HEADER_STOP;
		return type == 0x0800 ? HEADER_IP4 : HEADER_IP6;
	case 0x894f: // version 0, and a length that fits
		return off + 8 <= k->s.end && k->d[off] >> 6 == 0 && (k->d[off + 1] & 63) >= 2 ? HEADER_NSH
											       : HEADER_STOP;
	}
	return HEADER_STOP;
}

static enum header announced_ip(struct walk *k, uint32_t off)
{
	if (off >= k->s.end)
		return HEADER_STOP;
	return announced(k, off, k->d[off] >> 4 == 4 ? 0x0800 : 0x86dd);
}

// RFC 7348: flags (I), 24 reserved bits, VNI, 8 reserved. GBP's bits among the reserved are left to those who use them.
static enum header vxlan_payload(struct walk *k, const uint8_t *h, uint16_t type)
{
	enum header next = announced(k, k->off + 8, type);
	if (next == HEADER_STOP || !(h[0] & 0x08))
		return HEADER_STOP;
	uint32_t vni = be32(h + 4) >> 8;
	if (may_be_transport(k, TRANSPORT_VXLAN))
		decap_transport(k, vni);
	else
		vni_add(k, vni);
	return next;
}

static enum header vxlan(struct walk *k, const uint8_t *h, uint32_t len)
{
	return len < 8 + 14 ? HEADER_STOP : vxlan_payload(k, h, 0x6558);
}

// draft-ietf-nvo3-vxlan-gpe: flag P, and the next protocol in the fourth byte, which some set without the flag.
static enum header vxlan_gpe(struct walk *k, const uint8_t *h, uint32_t len)
{
	static const uint16_t types[5] = {0, 0x0800, 0x86dd, 0x6558, 0x894f};
	if (len < 8 + 14 || h[3] >= RTE_DIM(types))
		return HEADER_STOP;
	return vxlan_payload(k, h, types[h[3]]);
}

#define GWLB_CLASS 0x0108 // IANA: Amazon; types 1 endpoint id, 2 attachment id (8 bytes each), 3 flow cookie (4)

struct geneve_options {
	uint64_t endpoint;
	uint8_t types; // bit n: type n of GWLB_CLASS, of its right length
};

// RFC 8926 3.5: class, type, 3 reserved bits and length in words. False: an option does not fit.
static bool geneve_options(const uint8_t *o, uint32_t len, struct geneve_options *found)
{
	static const uint8_t lengths[4] = {0, 8, 8, 4};
	for (uint32_t i = 0; i < len;) {
		uint32_t n = len - i < 4 ? 0 : (o[i + 3] & 31) * 4u;
		if (len - i < 4 || n > len - i - 4)
			return false;
		uint8_t type = o[i + 2] & 0x7f; // above it is the critical bit
		if (be16(o + i) == GWLB_CLASS && type >= 1 && type <= 3 && n == lengths[type]) {
			found->types |= 1 << type;
			if (type == 1)
				found->endpoint = (uint64_t)be32(o + i + 4) << 32 | be32(o + i + 8);
		}
		i += 4 + n;
	}
	return true;
}

// RFC 8926 3.4: version and option length, flags, protocol, VNI, reserved, options.
static enum header geneve(struct walk *k, const uint8_t *h, uint32_t len)
{
	struct geneve_options o = {0};
	if (len < 8 || h[0] >> 6 != 0)
		return HEADER_STOP;
	uint32_t options = (h[0] & 63) * 4u, vni = be32(h + 4) >> 8;
	if (8 + options > len || !geneve_options(h + 8, options, &o))
		return HEADER_STOP;
	enum header next = announced(k, k->off + 8 + options, be16(h + 2));
	if (next == HEADER_STOP)
		return HEADER_STOP;
	if (o.types == (1 << 1 | 1 << 2 | 1 << 3) && may_be_transport(k, TRANSPORT_GWLB))
		decap_transport(k, o.endpoint);
	else
		vni_add(k, vni);
	return next;
}

// 3GPP TS 29.281 5.1: version 1, GTP (not GTP'), G-PDU; then sequence, N-PDU and next extension if any of E, S, PN.
static enum header gtp(struct walk *k, const uint8_t *h, uint32_t len)
{
	if (len < 8 || (h[0] & 0xf0) != 0x30 || h[1] != 0xff || be16(h + 2) + 8u > k->s.wire_end - k->off)
		return HEADER_STOP;
	uint32_t at = 8;
	if (h[0] & 7) {
		at = 12;
		if (len < at)
			return HEADER_STOP;
		for (unsigned n = 0; (h[0] & 4) && h[at - 1] != 0; n++) {
			uint32_t words = at < len ? h[at] : 0;
			if (words == 0 || at + words * 4 > len || n == GTP_EXTENSIONS_MAX)
				return HEADER_STOP;
			at += words * 4;
		}
	}
	return announced_ip(k, k->off + at);
}

// RFC 4380 5.1.1: IPv6, with an authentication and an origin indication in front.
static enum header teredo(struct walk *k, const uint8_t *h, uint32_t len)
{
	uint32_t at = 0;
	for (unsigned n = 0; n < TEREDO_INDICATIONS_MAX && at + 8 <= len && h[at] == 0; n++) {
		if (h[at + 1] == 0)
			at += 8;
		else if (h[at + 1] == 1)
			at += 4u + h[at + 2] + h[at + 3] + 8 + 1;
		else
			return HEADER_STOP;
	}
	return announced(k, k->off + at, 0x86dd);
}

// draft-massar-v6ops-ayiya 2: lengths of identity (a power of two) and signature (words), opcode 1: forward.
static enum header ayiya(struct walk *k, const uint8_t *h, uint32_t len)
{
	if (len < 8 || (h[2] & 15) != 1)
		return HEADER_STOP;
	uint32_t at = 8 + (1u << (h[0] >> 4)) + (h[1] >> 4) * 4u;
	switch (h[3]) {
	case IPPROTO_IPIP:
		return announced(k, k->off + at, 0x0800);
	case IPPROTO_IPV6:
		return announced(k, k->off + at, 0x86dd);
	}
	return HEADER_STOP;
}

// PPP at off that carries IP, with or without address and control, with a protocol of one byte or two.
static bool plausible_ppp(const struct walk *k, uint32_t off)
{
	const uint8_t *h = k->d + off;
	if (off + 6 > k->s.end)
		return false;
	uint32_t at = h[0] == 0xff && h[1] == 0x03 ? 2 : 0;
	uint32_t proto = h[at] & 1 ? h[at] : be16(h + at);
	at += h[at] & 1 ? 1 : 2;
	return (proto == 0x21 || proto == 0x57) && parse_plausible_ip(k->d, off + at, &k->s);
}

// RFC 2661 3.1, data messages of version 2: flags, length (L), tunnel, session, Ns and Nr (S), offset (O).
static enum header l2tp(struct walk *k, const uint8_t *h, uint32_t len)
{
	if (len < 6 || (h[0] & 0x80) || (h[1] & 15) != 2)
		return HEADER_STOP;
	uint32_t at = 6 + (h[0] & 0x40 ? 2 : 0) + (h[0] & 0x08 ? 4 : 0);
	if (h[0] & 0x02) {
		if (len < at + 2)
			return HEADER_STOP;
		at += 2u + be16(h + at);
	}
	if (!plausible_ppp(k, k->off + at))
		return HEADER_STOP;
	k->off += at;
	return HEADER_PPP;
}

// RFC 8086: GRE with checksum, key and sequence number at will. What it carries must show.
static enum header gre_in_udp(struct walk *k, const uint8_t *h, uint32_t len)
{
	if (len < 4 || (be16(h) & ~(GRE_SUM | GRE_KEY | GRE_SEQ)))
		return HEADER_STOP;
	uint32_t at = 4 + (h[0] & 0x80 ? 4 : 0) + (h[0] & 0x20 ? 4 : 0) + (h[0] & 0x10 ? 4 : 0);
	uint32_t off = k->off;
	if (announced(k, off + at, be16(h + 2)) == HEADER_STOP)
		return HEADER_STOP;
	k->off = off;
	return HEADER_GRE;
}

static const struct tunnel {
	uint16_t port;
	bool either; // the port may be the source's: the answers come from it
	enum header (*probe)(struct walk *k, const uint8_t *h, uint32_t len);
} tunnels[] = {
	{4789, false, vxlan},     {8472, false, vxlan}, // IANA's, and Linux' own of before
	{4790, false, vxlan_gpe}, {6081, false, geneve}, {2152, false, gtp},        {3544, true, teredo},
	{5072, true, ayiya},      {1701, true, l2tp},    {4754, false, gre_in_udp},
};

enum header decap_udp(struct walk *k)
{
	const struct layer *l = &k->p->layer[k->p->nlayers - 1];
	uint16_t dst = rte_be_to_cpu_16(l->dport_be), src = rte_be_to_cpu_16(l->sport_be);
	if (likely(!decap_tunnel_port(dst) && !decap_tunnel_port(src)))
		return HEADER_STOP;
	for (unsigned i = 0; i < RTE_DIM(tunnels); i++) {
		const struct tunnel *t = &tunnels[i];
		if (t->port != dst && !(t->either && t->port == src))
			continue;
		k->off = l->payload;
		return t->probe(k, k->d + l->payload, l->payload_len);
	}
	return HEADER_STOP;
}
