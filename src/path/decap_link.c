// SPDX-License-Identifier: BSD-3-Clause
//
// Steps of decap's walk through link layers: Ethernet and its tags, LLC, MPLS, PPP, and the pseudo headers of
// captures. In: the walk's cursor at the header. Out: the cursor behind it and what comes next. Worker's thread.
//
// What does not lead to IP ends the walk without a fault: ARP, LLDP, STP and their like belong to the network.
#include "decap.h"

#include <rte_common.h>

#define LABELS_MAX 16 // MPLS label stack; deeper ones have no use on a wire

enum header decap_by_ethertype(struct walk *k, uint16_t type)
{
	static const struct {
		uint16_t type;
		uint16_t header;
	} types[] = {
		{0x0800, HEADER_IP4},        {0x86dd, HEADER_IP6},
		{0x8100, HEADER_VLAN},       {0x88a8, HEADER_VLAN}, // 802.1Q, 802.1ad
		{0x9100, HEADER_VLAN},       {0x9200, HEADER_VLAN}, // QinQ before 802.1ad
		{0x8847, HEADER_MPLS},       {0x8848, HEADER_MPLS}, // RFC 3032
		{0x8864, HEADER_PPPOE},                             // RFC 2516, session
		{0x88e7, HEADER_PBB},                               // 802.1ah
		{0x8903, HEADER_FABRICPATH},                        // Cisco
		{0x8926, HEADER_VNTAG},      {0x893f, HEADER_ETAG}, // Cisco VNTag, 802.1BR
		{0x8909, HEADER_CMD},                               // Cisco MetaData: security group tags
		{0x894f, HEADER_NSH},                               // RFC 8300
		{0x6558, HEADER_ETHER},                             // transparent Ethernet bridging
		{0x880b, HEADER_PPP},                               // PPP in GRE (RFC 2637)
	};
	for (unsigned i = 0; i < RTE_DIM(types); i++)
		if (types[i].type == type)
			return types[i].header;
	k->type = type;
	return HEADER_STOP;
}

enum header decap_ethertype(struct walk *k)
{
	return decap_by_ethertype(k, k->type);
}

// 802.3: a length instead of a type, then LLC. The frame's padding is outside of it.
static enum header length_or_type(struct walk *k, uint16_t type)
{
	if (likely(type > 1500))
		return decap_by_ethertype(k, type);
	uint32_t end = k->off + type;
	if (end < k->s.wire_end)
		k->s.wire_end = end;
	if (end < k->s.end)
		k->s.end = end;
	return HEADER_LLC;
}

enum header decap_ether(struct walk *k)
{
	const uint8_t *h = decap_take(k, 14);
	return h ? length_or_type(k, be16(h + 12)) : HEADER_STOP;
}

// SNAP (AA AA 03, OUI 0: an ethertype; 00000C and 0080C2 have uses without IP), and IP over plain LLC (SAP 06).
enum header decap_llc(struct walk *k)
{
	const uint8_t *h = k->d + k->off;
	if (k->off + 3 > k->s.end)
		return HEADER_STOP; // too short for anything: not ours to judge
	if (h[0] == 0x06 && h[1] == 0x06 && h[2] == 0x03) {
		k->off += 3;
		return HEADER_IP4;
	}
	if (h[0] != 0xaa || h[1] != 0xaa || h[2] != 0x03)
		return HEADER_STOP;
	h = decap_take(k, 8);
	if (!h || h[3] || h[4] || h[5])
		return HEADER_STOP;
	return decap_by_ethertype(k, be16(h + 6));
}

enum header decap_vlan(struct walk *k)
{
	const uint8_t *h = decap_take(k, 4);
	struct pkt *p = k->p;
	if (!h)
		return HEADER_STOP;
	uint16_t id = be16(h) & 0xfff;
	// outermost tag of the frame itself, not of what a tunnel carries
	if (p->nvlans == 0 && p->nlayers == 0 && !(p->flags & PKT_TRANSPORT) && (k->transports & TRANSPORT_VLAN))
		decap_tenant(k, id);
	if (p->nvlans < VLANS_MAX)
		p->vlan[p->nvlans++] = id;
	return length_or_type(k, be16(h + 2));
}

// I-TAG: flags and I-SID in 4 bytes, then the customer's frame.
enum header decap_pbb(struct walk *k)
{
	return decap_take(k, 4) ? HEADER_ETHER : HEADER_STOP;
}

// FTag and TTL in 2 bytes, then the frame.
enum header decap_fabricpath(struct walk *k)
{
	return decap_take(k, 2) ? HEADER_ETHER : HEADER_STOP;
}

enum header decap_vntag(struct walk *k)
{
	const uint8_t *h = decap_take(k, 6);
	return h ? length_or_type(k, be16(h + 4)) : HEADER_STOP;
}

enum header decap_etag(struct walk *k)
{
	const uint8_t *h = decap_take(k, 8);
	return h ? length_or_type(k, be16(h + 6)) : HEADER_STOP;
}

// Version 1, length 1, one option of type 1 and length 0: a group of 2 bytes, then the type of what follows.
enum header decap_cmd(struct walk *k)
{
	const uint8_t *h = decap_take(k, 8);
	return h ? length_or_type(k, be16(h + 6)) : HEADER_STOP;
}

// RFC 8300 2.2: version, flags, TTL and length in words of 4 bytes, type of metadata, what follows.
enum header decap_nsh(struct walk *k)
{
	const uint8_t *h = decap_take(k, 4);
	if (!h || h[0] >> 6 != 0)
		return HEADER_STOP;
	uint32_t len = (h[1] & 63) * 4u;
	if (len < 8)
		return decap_malformed(k);
	if (!decap_take(k, len - 4))
		return HEADER_STOP;
	switch (h[3]) {
	case 1:
		return HEADER_IP4;
	case 2:
		return HEADER_IP6;
	case 3:
		return HEADER_ETHER;
	case 5:
		return HEADER_MPLS;
	}
	return HEADER_STOP;
}

// IEEE 802.11 9.3.2.1, data that is whole and not encrypted, as access points hand it to their controller: frame
// control, duration, three addresses, sequence, then a fourth address between two stations of a network, QoS (subtype
// 8 and above) and HT control. QoS says whether the body is one LLC frame, or several behind headers of their own
// (9.3.2.2): of these the first is read, and that there may be more is said.
enum header decap_wlan(struct walk *k)
{
	const uint8_t *h = decap_take(k, 24);
	if (!h)
		return HEADER_STOP;
	bool qos = h[0] & 0x80, fragment = (h[1] & 0x04) || (h[22] & 15);
	if ((h[0] & 0x4f) != 0x08 || (h[1] & 0x40) || fragment)
		return HEADER_STOP;
	if ((h[1] & 3) == 3 && !decap_take(k, 6))
		return HEADER_STOP;
	const uint8_t *control = k->d + k->off;
	if (!qos)
		return HEADER_LLC;
	if (!decap_take(k, 2) || ((h[1] & 0x80) && !decap_take(k, 4)))
		return HEADER_STOP;
	if (!(control[0] & 0x80))
		return HEADER_LLC;
	const uint8_t *sub = decap_take(k, 14);
	if (!sub)
		return HEADER_STOP;
	decap_deeper(k);
	uint32_t end = k->off + be16(sub + 12);
	k->s.wire_end = RTE_MIN(k->s.wire_end, end);
	k->s.end = RTE_MIN(k->s.end, end);
	return HEADER_LLC;
}

bool decap_plausible_ether(const struct walk *k, uint32_t off)
{
	struct walk probe = *k;
	if (off + 14 > k->s.end)
		return false;
	uint16_t type = be16(k->d + off + 12);
	if (type == 0x0800 || type == 0x86dd)
		return parse_plausible_ip(k->d, off + 14, &k->s) && k->d[off + 14] >> 4 == (type == 0x0800 ? 4 : 6);
	return type <= 1500 ? off + 14 + type <= k->s.wire_end
			    : type == 0x0806 || decap_by_ethertype(&probe, type) != HEADER_STOP;
}

// Behind the bottom label nothing says what follows: IP tells itself by its first nibble, a pseudowire may have a
// control word (RFC 4385: nibble 0) in front of its Ethernet frame, or nothing at all (RFC 4448).
enum header decap_mpls(struct walk *k)
{
	const uint8_t *h;
	unsigned n = 0;
	do {
		h = decap_take(k, 4);
		if (!h)
			return HEADER_STOP;
		if (++n > LABELS_MAX)
			return decap_malformed(k);
	} while (!(h[2] & 1));
	if (parse_plausible_ip(k->d, k->off, &k->s))
		return HEADER_IP;
	uint8_t nibble = k->off < k->s.end ? k->d[k->off] >> 4 : 15;
	if (nibble == 0 && decap_plausible_ether(k, k->off + 4)) {
		k->off += 4;
		return HEADER_ETHER;
	}
	if (decap_plausible_ether(k, k->off))
		return HEADER_ETHER;
	k->cut = k->s.end < k->s.wire_end; // what would have convinced may be what was cut
	return !k->cut && (nibble == 4 || nibble == 6) ? HEADER_IP : HEADER_STOP;
}

// RFC 1661, 1662: address and control may be there, the protocol may be one byte (its lowest bit is set).
enum header decap_ppp(struct walk *k)
{
	const uint8_t *h = decap_take(k, 1);
	if (h && h[0] == 0xff && k->off < k->s.end && h[1] == 0x03) {
		k->off++;
		h = decap_take(k, 1);
	} else if (h && (h[0] == 0x0f || h[0] == 0x8f) && k->off < k->s.end && h[1] == 0x00) {
		k->off--; // Cisco's HDLC under the name of PPP, as BSD captures have it
		return HEADER_CHDLC;
	}
	if (!h)
		return HEADER_STOP;
	uint16_t proto = h[0];
	if (!(proto & 1)) {
		if (!decap_take(k, 1))
			return HEADER_STOP;
		proto = be16(h);
	}
	switch (proto) {
	case 0x0021:
		return HEADER_IP4;
	case 0x0057:
		return HEADER_IP6;
	case 0x0281:
	case 0x0283:
		return HEADER_MPLS;
	}
	return HEADER_STOP;
}

// Version 1, type 1, code 0 (data), session, length.
enum header decap_pppoe(struct walk *k)
{
	const uint8_t *h = decap_take(k, 6);
	if (!h)
		return HEADER_STOP;
	if (h[0] != 0x11)
		return decap_malformed(k);
	if (h[1] != 0)
		return HEADER_STOP;
	uint32_t end = k->off + be16(h + 4);
	if (end > k->s.wire_end) {
		k->reason = REASON_DECAP_TRUNCATED;
		return HEADER_STOP;
	}
	k->s.wire_end = end;
	k->s.end = RTE_MIN(k->s.end, end);
	return HEADER_PPP;
}

enum header decap_chdlc(struct walk *k)
{
	const uint8_t *h = decap_take(k, 4);
	return h ? length_or_type(k, be16(h + 2)) : HEADER_STOP;
}

// An address family in the byte order of whoever captured; AF_INET is 2 everywhere, AF_INET6 is not.
enum header decap_null(struct walk *k)
{
	const uint8_t *h = decap_take(k, 4);
	if (!h)
		return HEADER_STOP;
	uint32_t family = be32(h);
	if (family > 0xffff)
		family = __builtin_bswap32(family);
	switch (family) {
	case 2:
		return HEADER_IP4;
	case 10: // Linux
	case 23: // Windows
	case 24: // NetBSD, OpenBSD
	case 28: // FreeBSD
	case 30: // Darwin
		return HEADER_IP6;
	}
	return family > 1500 ? decap_by_ethertype(k, family) : HEADER_STOP;
}

// Linux cooked: type, ARPHRD, address length and address, protocol. Below 0x600 they are Linux's own numbers:
// 4 is LLC.
static enum header cooked(struct walk *k, uint16_t type)
{
	if (type >= 0x600)
		return decap_by_ethertype(k, type);
	return type == 4 ? HEADER_LLC : HEADER_STOP;
}

enum header decap_sll(struct walk *k)
{
	const uint8_t *h = decap_take(k, 16);
	return h ? cooked(k, be16(h + 14)) : HEADER_STOP;
}

enum header decap_sll2(struct walk *k)
{
	const uint8_t *h = decap_take(k, 20);
	return h ? cooked(k, be16(h)) : HEADER_STOP;
}
