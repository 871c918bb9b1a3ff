// SPDX-License-Identifier: BSD-3-Clause
//
// In-line consistency: the first copy of a byte that left is the truth. A segment comes in that overlaps copies
// which are kept; where it differs it is made equal to them, in place, before it goes on.
//
// The TCP checksum is mended by the difference (RFC 1624 eqn. 3), so a right one stays right and a wrong one stays
// wrong, and a frame cut by the snap length needs no special care. Checksums around it (UDP of a tunnel, GRE) need
// nothing: the one's complement sum over the segment with its checksum field does not change. The urgent pointer is
// taken out here, too, for the same reason.
#include <string.h>

#include <rte_byteorder.h>
#include <rte_common.h>
#include <rte_tcp.h>

#include "mirror.h"
#include "rooms.h"
#include "stream_pool.h"

enum { TCP_FLAGS = 13, TCP_CSUM = 16, TCP_URGENT = 18 }; // offsets in the TCP header, RFC 9293 3.1

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

static uint64_t sum_of(const uint8_t *tcp)
{
	uint16_t csum_be;
	memcpy(&csum_be, tcp + TCP_CSUM, sizeof(csum_be));
	return (uint16_t)~rte_be_to_cpu_16(csum_be);
}

static void put_sum(uint8_t *tcp, uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	uint16_t csum_be = rte_cpu_to_be_16((uint16_t)~sum);
	memcpy(tcp + TCP_CSUM, &csum_be, sizeof(csum_be));
}

static void put(const uint8_t *tcp, uint8_t *at, uint8_t value, uint64_t *sum)
{
	unsigned shift = (at - tcp) & 1 ? 0 : 8;
	*sum += 0xffff - ((uint32_t)*at << shift) + ((uint32_t)value << shift);
	*at = value;
}

void stream_not_urgent(uint8_t *tcp)
{
	uint64_t sum = sum_of(tcp);
	put(tcp, tcp + TCP_FLAGS, tcp[TCP_FLAGS] & (uint8_t)~RTE_TCP_URG_FLAG, &sum);
	put(tcp, tcp + TCP_URGENT, 0, &sum);
	put(tcp, tcp + TCP_URGENT + 1, 0, &sum);
	put_sum(tcp, sum);
}

void stream_rewrite(struct stream_pool *p, const struct stream_side *s, uint64_t at, uint8_t *tcp, uint8_t *data,
		    uint32_t len)
{
	uint64_t end = at + len, sum = sum_of(tcp);
	for (struct chunk *c = stream_chain_find(p, s, at); c && c->start < end; c = chunk_of(p, c->next)) {
		uint64_t from = RTE_MAX(at, c->start), to = RTE_MIN(end, chunk_end(c));
		for (uint64_t o = from; o < to; o++) {
			uint8_t *old = data + (o - at), first = c->room[o - c->start];
			if (*old != first)
				put(tcp, old, first, &sum);
		}
	}
	put_sum(tcp, sum);
}

bool stream_in_line(struct worker *w, struct rte_mbuf *m, struct stream *st)
{
	struct pkt *p = pkt_of(m);
	const struct layer *l = p->inner;
	struct flow *f = p->flow;
	struct stream_side *s = st ? &st->side[p->dir] : NULL;
	if (s ? s->flags & STREAM_STOPPED : f->flags & FLOW_STREAM_TRIED)
		return true;
	if (p->flags & PKT_VIRTUAL) { // its fragments leave as they are, or not at all
		pkt_drop(p, REASON_DEFRAG_REWRITE);
		return false;
	}
	if (unlikely(w->mirrors))
		mirror_keep(w, m);
	stream_not_urgent(pkt_data(m) + l->l4);
	p->flags |= PKT_REWRITTEN;
	count(w, COUNTER_STREAM_URGENT);
	if (s ? s->flags & STREAM_URGENT_SAID : f->flags & FLOW_AMBIGUOUS)
		return true;
	if (s)
		s->flags |= STREAM_URGENT_SAID;
	f->flags |= FLOW_AMBIGUOUS;
	worker_at(w, p);
	stream_anomaly(w, f, p->dir, ANOMALY_STREAM_URGENT, (struct origin){p->frame, l->l4 + TCP_URGENT, 2});
	return true;
}
