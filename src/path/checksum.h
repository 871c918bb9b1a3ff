// SPDX-License-Identifier: BSD-3-Clause
//
// Internet checksums (RFC 1071), and SCTP's CRC32c (RFC 9260 6.8), over bytes of a frame.
#pragma once

#include "pkt.h"

enum checksum_result { CHECKSUM_NONE /* nothing to verify */, CHECKSUM_GOOD, CHECKSUM_BAD };

// Sum of len bytes in 16-bit words of the machine's order, not folded. Any alignment; an odd last byte counts as if
// a zero followed.
uint64_t checksum_add(const uint8_t *p, uint32_t len);
// Sum of the pseudo header (RFC 9293 3.1, RFC 8200 8.1): addresses of the IP header at ip, proto, length.
uint64_t checksum_pseudo(const uint8_t *ip, unsigned version, uint8_t proto, uint32_t len);

static inline uint16_t checksum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

// The header at h, whose length field has been looked at.
bool checksum_ip4(const uint8_t *h);
// The whole, uncut L4 of a layer.
enum checksum_result checksum_l4(const uint8_t *d, const struct layer *l);
// A wrong sum of TCP or UDP is what a stack leaves for the network card to finish: the pseudo header's sum alone.
bool checksum_unfinished(const uint8_t *d, const struct layer *l);
// Finishes it in place, of TCP or UDP.
void checksum_finish(uint8_t *d, const struct layer *l);
