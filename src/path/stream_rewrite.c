// SPDX-License-Identifier: BSD-3-Clause
//
// In-line consistency: the first copy of a byte that left is the truth. A segment comes in that overlaps copies
// which are kept; where it differs it is made equal to them, in place, before it goes on.
//
// The TCP checksum is mended by the difference (RFC 1624 eqn. 3), so a right one stays right and a wrong one stays
// wrong, and a frame cut by the snap length needs no special care. Checksums around it (UDP of a tunnel, GRE) need
// nothing: the one's complement sum over the segment with its checksum field does not change.
#include <string.h>

#include <rte_byteorder.h>
#include <rte_common.h>

#include "stream_pool.h"

#define TCP_CSUM 16 // offset of the checksum in the TCP header

bool stream_differs(struct stream_pool *p, const struct stream_side *s, uint64_t at, const uint8_t *data, uint32_t len)
{
	uint64_t end = at + len;
	for (struct chunk *c = stream_chain_find(p, s, at); c && c->start < end; c = chunk_of(p, c->next)) {
		uint64_t from = RTE_MAX(at, c->start), to = RTE_MIN(end, chunk_end(c));
		if (from < to && memcmp(data + (from - at), c->room + (from - c->start), to - from) != 0)
			return true;
	}
	return false;
}

void stream_rewrite(struct stream_pool *p, const struct stream_side *s, uint64_t at, uint8_t *tcp, uint8_t *data,
		    uint32_t len)
{
	uint64_t end = at + len;
	uint16_t csum_be;
	memcpy(&csum_be, tcp + TCP_CSUM, sizeof(csum_be));
	uint64_t sum = (uint16_t)~rte_be_to_cpu_16(csum_be);
	for (struct chunk *c = stream_chain_find(p, s, at); c && c->start < end; c = chunk_of(p, c->next)) {
		uint64_t from = RTE_MAX(at, c->start), to = RTE_MIN(end, chunk_end(c));
		for (uint64_t o = from; o < to; o++) {
			uint8_t *old = data + (o - at), first = c->room[o - c->start];
			unsigned shift = (old - tcp) & 1 ? 0 : 8;
			if (*old == first)
				continue;
			sum += 0xffff - ((uint32_t)*old << shift) + ((uint32_t)first << shift);
			*old = first;
		}
	}
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	csum_be = rte_cpu_to_be_16((uint16_t)~sum);
	memcpy(tcp + TCP_CSUM, &csum_be, sizeof(csum_be));
}
