// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
//
// From a frame to the key of its flow, as far as the verdict map needs it; what is odd comes up and is read by the
// rooms decap and parse, which know more. In: the frame. Out: key and offsets, or the door by which it comes up.
// Whatever would be another flow there, or several, must not get a key here.
#pragma once

#include "fastpath.h"

struct parsed {
	struct fastpath_key key;
	uint32_t l3, l4;
	uint32_t vlans;
	uint32_t type;             // ethertype behind the tags
	uint32_t says;             // first byte of UDP's payload; TCP's sequence number
	uint32_t length, checksum; // of TCP or UDP, header and payload; as it stands in the frame
};

#define BY_THE_MAP FASTPATH_DOOR_COUNT // no door yet: it has a key

// Words as they stand in the frame. For alignment 1 clang would load each byte by itself; the kernel takes these loads
// on all processors that can (x86, arm64).
static __always_inline uint32_t word(const uint8_t *p)
{
	return *(const uint32_t *)(const void *)p;
}

static __always_inline uint32_t be16(const uint8_t *p)
{
	return __builtin_bswap16(*(const uint16_t *)(const void *)p);
}

static __always_inline void take_address(uint8_t *to, const uint8_t *p, unsigned words)
{
	uint32_t *out = (uint32_t *)(void *)to;
#pragma unroll
	for (unsigned i = 0; i < words; i++)
		out[i] = word(p + i * 4);
}

static __always_inline int is_tag(uint32_t type)
{
	return type == 0x8100 || type == 0x88a8 || type == 0x9100 || type == 0x9200;
}

// As decap_tunnel.c has them; what the content says is looked at there.
static __always_inline int is_tunnel(uint32_t port)
{
	switch (port) {
	case 4789: // VXLAN
	case 8472:
	case 4790: // VXLAN-GPE
	case 6081: // GENEVE
	case 2152: // GTP-U
	case 3544: // Teredo
	case 5072: // AYIYA
	case 1701: // L2TP
	case 4754: // GRE in UDP
		return 1;
	}
	return 0;
}

static __always_inline void take_ports(struct fastpath_key *k, const uint8_t *l)
{
	k->sport_be = *(const uint16_t *)(const void *)l;
	k->dport_be = *(const uint16_t *)(const void *)(l + 2);
}

// l: the L4 header, of which and of whose payload the IP header promises left bytes.
static __always_inline uint32_t parse_tcp(const uint8_t *l, const uint8_t *end, uint32_t left, struct parsed *p)
{
	if (l + 20 > end || left < 20)
		return FASTPATH_DOOR_UP_OTHER;
	uint32_t header = (l[12] >> 4) * 4;
	if (header < 20 || header > left)
		return FASTPATH_DOOR_UP_OTHER;
	take_ports(&p->key, l);
	p->length = left;
	p->says = __builtin_bswap32(word(l + 4));
	p->checksum = *(const uint16_t *)(const void *)(l + 16);
	return l[13] & 0x07 ? FASTPATH_DOOR_UP_TCP : BY_THE_MAP; // FIN, SYN, RST
}

static __always_inline uint32_t parse_udp(const uint8_t *l, const uint8_t *end, uint32_t left, struct parsed *p)
{
	if (l + 8 > end || left < 8 || be16(l + 4) != left)
		return FASTPATH_DOOR_UP_OTHER;
	take_ports(&p->key, l);
	p->length = left;
	p->checksum = *(const uint16_t *)(const void *)(l + 6);
	if (is_tunnel(be16(l)) || is_tunnel(be16(l + 2)))
		return FASTPATH_DOOR_UP_TUNNEL;
	if (left > 8 && l + 9 <= end)
		p->says = l[8];
	return BY_THE_MAP;
}

static __always_inline uint32_t parse_l4(const uint8_t *l, const uint8_t *end, uint32_t left, uint32_t proto,
					 struct parsed *p)
{
	p->key.proto = proto;
	switch (proto) {
	case 6:
		return parse_tcp(l, end, left, p);
	case 17:
		return parse_udp(l, end, left, p);
	case 50: // ESP: one flow between two hosts, and nothing that anybody reads
		return BY_THE_MAP;
	case 4:   // IP in IP
	case 41:  // IPv6
	case 47:  // GRE
	case 97:  // EtherIP
	case 137: // MPLS
		return FASTPATH_DOOR_UP_TUNNEL;
	}
	return FASTPATH_DOOR_UP_OTHER;
}

static __always_inline uint32_t parse_ip4(const uint8_t *h, const uint8_t *end, struct parsed *p)
{
	if (h + 20 > end)
		return FASTPATH_DOOR_UP_OTHER;
	uint32_t header = (h[0] & 15) * 4, total = be16(h + 2);
	p->key.version = 4;
	take_address(p->key.src, h + 12, 1);
	take_address(p->key.dst, h + 16, 1);
	if (h[0] >> 4 != 4 || header < 20 || total < header || h + total > end)
		return FASTPATH_DOOR_UP_OTHER;
	if (be16(h + 6) & 0x3fff) // more to come, or not the first (RFC 791 3.1)
		return FASTPATH_DOOR_UP_FRAGMENT;
	if (header > 20) // options: a route that the sender chose is refused up there
		return FASTPATH_DOOR_UP_OTHER;
	p->l4 = p->l3 + 20;
	return parse_l4(h + 20, end, total - 20, h[9], p);
}

// Extension headers (RFC 8200 4) come up: what they ask for may be refused there.
static __always_inline uint32_t parse_ip6(const uint8_t *h, const uint8_t *end, struct parsed *p)
{
	if (h + 40 > end)
		return FASTPATH_DOOR_UP_OTHER;
	uint32_t left = be16(h + 4);
	p->key.version = 6;
	take_address(p->key.src, h + 8, 4);
	take_address(p->key.dst, h + 24, 4);
	if (h[0] >> 4 != 6 || h + 40 + left > end)
		return FASTPATH_DOOR_UP_OTHER;
	if (h[6] == 44)
		return FASTPATH_DOOR_UP_FRAGMENT;
	p->l4 = p->l3 + 40;
	return parse_l4(h + 40, end, left, h[6], p);
}

// p is all 0 but for key.port.
static __always_inline uint32_t parse_frame(const uint8_t *d, const uint8_t *end, struct parsed *p)
{
	const uint8_t *h = d + 14;
	if (h > end)
		return FASTPATH_DOOR_UP_OTHER;
	p->type = be16(d + 12);
	p->l3 = 14;
#pragma unroll
	for (int i = 0; i < 2; i++) {
		if (!is_tag(p->type))
			break;
		if (h + 4 > end)
			return FASTPATH_DOOR_UP_OTHER;
		p->key.vlan[i] = FASTPATH_TAGGED | (be16(h) & 0x0fff);
		p->type = be16(h + 2);
		p->vlans++;
		p->l3 += 4;
		h += 4;
	}
	if (p->type == 0x0800)
		return parse_ip4(h, end, p);
	if (p->type == 0x86dd)
		return parse_ip6(h, end, p);
	return FASTPATH_DOOR_UP_OTHER;
}
