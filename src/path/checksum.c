// SPDX-License-Identifier: BSD-3-Clause
//
// Sums over whole packets: the one place of the corridor that must touch every byte, hence written for width.
// Words of 32 bits are added into 64-bit lanes, the even ones and the odd ones apart; no carry can get lost below 2^32
// words, and one's complement addition does not mind the order (RFC 1071 2). Rejected: add-with-carry chains (the
// compiler breaks them up), rte_raw_cksum (16-bit words: four times the additions), __builtin_convertvector from 32 to
// 64 bits (four shuffles for 16 bytes: twice the time).
#include "checksum.h"

#include <string.h>

#include <netinet/in.h>

#include <rte_hash_crc.h>

#include "decap.h"

typedef uint64_t v4u64 __attribute__((vector_size(32)));

static inline v4u64 wide(const uint8_t *p)
{
	v4u64 v;
	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint64_t tail(const uint8_t *p, uint32_t len)
{
	uint64_t sum = 0;
	for (; len >= 4; p += 4, len -= 4) {
		uint32_t v;
		memcpy(&v, p, 4);
		sum += v;
	}
	uint32_t v = 0;
	memcpy(&v, p, len);
	return sum + v;
}

uint64_t checksum_add(const uint8_t *p, uint32_t len)
{
	v4u64 even = {0}, odd = {0};
	for (; len >= 64; p += 64, len -= 64) {
		v4u64 a = wide(p), b = wide(p + 32);
		even += (a & UINT32_MAX) + (b & UINT32_MAX);
		odd += (a >> 32) + (b >> 32);
	}
	for (; len >= 32; p += 32, len -= 32) {
		v4u64 a = wide(p);
		even += a & UINT32_MAX;
		odd += a >> 32;
	}
	even += odd;
	return even[0] + even[1] + even[2] + even[3] + tail(p, len);
}

uint64_t checksum_pseudo(const uint8_t *ip, unsigned version, uint8_t proto, uint32_t len)
{
	uint64_t sum = __builtin_bswap32(len) + ((uint64_t)proto << 8);
	return sum + (version == 4 ? tail(ip + 12, 8) : tail(ip + 8, 32));
}

bool checksum_ip4(const uint8_t *h)
{
	uint32_t len = (h[0] & 15) * 4u;
	uint64_t sum = tail(h, 20);
	if (unlikely(len > 20))
		sum += tail(h + 20, len - 20);
	return checksum_fold(sum) == 0xffff;
}

// Routing headers with segments left carry the final destination, over which the sum is made (RFC 8200 8.1). Known
// are type 0 (RFC 5095), 2 (RFC 6275), 3 (RFC 6554, compressed) and 4 (RFC 8754); what cannot be known is not verified.
static bool routed(const uint8_t *d, const struct layer *l)
{
	if (l->version != 6)
		return false;
	uint8_t kind = d[l->l3 + 6];
	for (uint32_t at = l->l3 + 40u; at + 8 <= l->l4;) {
		if (kind == IPPROTO_ROUTING && d[at + 3] != 0)
			return true;
		uint8_t next = d[at];
		at += kind == IPPROTO_AH ? (d[at + 1] + 2u) * 4 : kind == IPPROTO_FRAGMENT ? 8 : (d[at + 1] + 1u) * 8;
		kind = next;
	}
	return false;
}

// Of a datagram under way on a source route the last address of it, over which the sum is made (RFC 791 3.1, RFC 9293
// 3.1). NULL: on none, or at its end.
static const uint8_t *route_end(const uint8_t *ip)
{
	uint32_t header = (ip[0] & 15) * 4u, n;
	for (uint32_t i = 20; i + 3 <= header && ip[i] != 0; i += n) {
		n = ip[i] == 1 ? 1 : ip[i + 1];
		if (n == 0 || i + n > header)
			break;
		if ((ip[i] == 131 || ip[i] == 137) && n >= 7 && ip[i + 2] <= n) // loose, strict
			return ip + i + n - 4;
	}
	return NULL;
}

// A sum that is wrong by the addresses of the header, but right by where the datagram is routed to.
static bool right_at_end(const uint8_t *ip, uint64_t sum)
{
	const uint8_t *to = route_end(ip);
	uint32_t at;
	if (!to)
		return false;
	memcpy(&at, ip + 16, 4);
	return checksum_fold(sum + tail(to, 4) + (uint32_t)~at) == 0xffff;
}

// rte_hash_crc itself reads words where they lie, whatever their alignment.
static uint32_t crc_add(const uint8_t *p, uint32_t len, uint32_t crc)
{
	for (; len >= 8; p += 8, len -= 8) {
		uint64_t word;
		memcpy(&word, p, 8);
		crc = rte_hash_crc_8byte(word, crc);
	}
	for (; len; p++, len--)
		crc = rte_hash_crc_1byte(*p, crc);
	return crc;
}

static enum checksum_result crc32c(const uint8_t *p, uint32_t len)
{
	uint32_t crc = crc_add(p, 8, ~0u), want;
	crc = rte_hash_crc_4byte(0, crc);
	crc = ~crc_add(p + 12, len - 12, crc);
	memcpy(&want, p + 8, 4); // stands in the machine's order of a little-endian CPU (RFC 9260 appendix A)
	return rte_cpu_to_le_32(crc) == want ? CHECKSUM_GOOD : CHECKSUM_BAD;
}

enum checksum_result checksum_l4(const uint8_t *d, const struct layer *l)
{
	const uint8_t *p = d + l->l4;
	uint32_t len = l->payload + l->payload_len - l->l4;
	uint64_t sum;
	switch (l->proto) {
	case IPPROTO_UDP:
		// none sent: allowed on IPv4 (RFC 768), on IPv6 for tunnels alone (RFC 8200 8.1, RFC 6935)
		if (p[6] == 0 && p[7] == 0)
			return l->version == 4 || decap_tunnel_port(be16(p)) || decap_tunnel_port(be16(p + 2))
				       ? CHECKSUM_NONE
				       : CHECKSUM_BAD;
		// fall through
	case IPPROTO_TCP:
	case IPPROTO_ICMPV6:
		sum = checksum_pseudo(d + l->l3, l->version, l->proto, len);
		break;
	case IPPROTO_ICMP:
		sum = 0;
		break;
	case IPPROTO_SCTP:
		return crc32c(p, len);
	default:
		return CHECKSUM_NONE;
	}
	sum += checksum_add(p, len);
	if (likely(checksum_fold(sum) == 0xffff))
		return CHECKSUM_GOOD;
	if (l->version == 4 && l->proto != IPPROTO_ICMP && right_at_end(d + l->l3, sum))
		return CHECKSUM_GOOD;
	return unlikely(routed(d, l)) ? CHECKSUM_NONE : CHECKSUM_BAD;
}

// Linux sums the pseudo header with the length of the datagram (also of one that the card will cut up, or that it has
// merged from several on receipt), others leave the length out there, since the card knows it better.
bool checksum_unfinished(const uint8_t *d, const struct layer *l)
{
	if (l->proto != IPPROTO_TCP && l->proto != IPPROTO_UDP)
		return false;
	uint16_t sum;
	memcpy(&sum, d + l->l4 + (l->proto == IPPROTO_TCP ? 16 : 6), 2);
	return sum == checksum_fold(
			      checksum_pseudo(d + l->l3, l->version, l->proto, l->payload + l->payload_len - l->l4)) ||
	       sum == checksum_fold(checksum_pseudo(d + l->l3, l->version, l->proto, 0));
}

void checksum_finish(uint8_t *d, const struct layer *l)
{
	uint8_t *p = d + l->l4, *at = p + (l->proto == IPPROTO_UDP ? 6 : 16);
	uint32_t len = l->payload + l->payload_len - l->l4;
	memset(at, 0, 2);
	uint16_t sum =
		(uint16_t)~checksum_fold(checksum_pseudo(d + l->l3, l->version, l->proto, len) + checksum_add(p, len));
	if (sum == 0 && l->proto == IPPROTO_UDP)
		sum = 0xffff; // RFC 768: 0 would say that there is none
	memcpy(at, &sum, 2);
}
