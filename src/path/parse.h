// SPDX-License-Identifier: BSD-3-Clause
//
// IP and what it carries directly, as decap's walk and defrag read it. See parse.c.
#pragma once

#include "base/be.h"
#include "worker.h"

// The bytes that a header may claim: up to `end` they are here, up to `wire_end` they were on the wire. The two
// differ where the frame was cut (snap length, or a mirror that shortens). Offsets are from the frame's first byte.
struct span {
	uint32_t end, wire_end;
	bool strict; // a datagram that is longer than its frame is none
};

enum parse_result {
	PARSE_OK,
	PARSE_CUT,   // the frame was cut inside the IP header: nothing to say of this layer
	PARSE_FAULT, // *reason is set
};

// Reads the IP header at off (extension headers included) and the L4 header behind it into l, and narrows s to the
// datagram (to what UDP says of it). version: 4 or 6 as the header before announced it, 0: whatever the first nibble
// says. Sums are not looked at: parse_burst does that.
enum parse_result parse_ip(const uint8_t *d, uint32_t off, unsigned version, struct span *s, struct layer *l,
			   uint16_t *reason);
// The L4 half of it, for a datagram put together: l->l4, proto, flags are set, s is the datagram.
uint16_t parse_l4(const uint8_t *d, struct span *s, struct layer *l);

// True where the bytes at off may well be an IP packet (version, header length, total length): what content checks
// of UDP encapsulations ask before they believe.
bool parse_plausible_ip(const uint8_t *d, uint32_t off, const struct span *s);

// Length of the IPv6 extension header of this kind at h, of which 8 bytes are there; 0: not one that is skipped.
uint32_t parse_ip6_header_len(uint8_t kind, const uint8_t *h);
// Stands between the addresses and the protocol.
bool parse_ip_is_header(uint8_t kind);
// Bytes of L4 header of protocol proto, given the len that are there; 1 where it is none that we read.
uint32_t parse_l4_header_len(uint8_t proto, const uint8_t *l4, uint32_t len);
// Bytes that the first fragment of a datagram must hold behind its IP header: extension headers and the whole L4
// header (RFC 7112, RFC 1858), given the len that are there. More than len: it is too small.
uint32_t parse_chain_len(const struct layer *l, const uint8_t *bytes, uint32_t len);
