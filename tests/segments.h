// SPDX-License-Identifier: BSD-3-Clause
//
// A TCP connection for the stream room's tests: real frames in real mbufs, a real flow, the room's own memory. What
// flow would have learned of the segment (initial sequence numbers) is written as flow writes it.
#pragma once

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ip.h>
#include <rte_tcp.h>

#include "base/eal.h"
#include "path/record_out.h"
#include "record_ring.h"
#include "path/rooms.h"
#include "path/stream.h"

#define SEGMENTS_L4 34
#define SEGMENTS_PAYLOAD 54

struct segments {
	struct path_config config;
	struct worker w;
	struct flow f;
	uint32_t isn[2];
	uint64_t frame;
};

// What left: the frame as it is after the room, or dropped.
struct segment_out {
	uint16_t reason, flags;
	uint32_t len;
	uint16_t csum_ok;
	uint8_t data[65536];
};

static inline void segments_pools(struct segments *t)
{
	static struct rte_mempool *frames;
	if (!frames) {
		if (eal_init(64) < 0)
			abort();
		frames = eal_pool("frames", 63, 65407);
	}
	t->w.frames = frames;
}

static inline void segments_open(struct segments *t, uint32_t isn0, uint32_t isn1, uint32_t chunks)
{
	memset(t, 0, sizeof(*t));
	t->config = (struct path_config){.flows = 64, .streams = 4, .chunks = chunks, .record_cells = 1024};
	segments_pools(t);
	t->w.config = &t->config;
	if (record_out_init(&t->w) < 0 || stream_init(&t->w) < 0)
		abort();
	t->isn[0] = isn0;
	t->isn[1] = isn1;
	t->f.key.proto = IPPROTO_TCP;
	t->f.key.version = 4;
	for (unsigned d = 0; d < 2; d++) {
		t->f.side[d].isn = t->isn[d];
		t->f.side[d].flags = SIDE_SEEN | SIDE_SYN;
	}
}

static inline void segments_close(struct segments *t)
{
	stream_end(&t->w, &t->f);
	stream_fini(&t->w);
	record_out_fini(&t->w);
}

struct segment_in {
	unsigned dir;
	uint32_t at; // from the direction's first byte
	const void *data;
	uint32_t len, cut; // cut: bytes of it that the snap length took
	uint8_t tcp_flags;
	uint32_t ack; // bytes of the other direction that are acknowledged
	uint16_t urgent, pkt_flags;
};

#define SEGMENTS_CUT 24 // bytes of TCP in the first fragment

// A fragment of the frame `d`: bytes [off, off + len) of its TCP segment, of which `captured` are there.
static inline struct rte_mbuf *segments_fragment(struct segments *t, const uint8_t *d, uint32_t off, uint32_t len,
						 uint32_t captured, bool more)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(t->w.frames);
	if (!m)
		abort();
	struct pkt *p = pkt_of(m);
	memset(p, 0, sizeof(*p));
	uint8_t *f = (uint8_t *)rte_pktmbuf_append(m, SEGMENTS_L4 + captured);
	memcpy(f, d, SEGMENTS_L4);
	memcpy(f + SEGMENTS_L4, d + SEGMENTS_L4 + off, captured);
	((struct rte_ipv4_hdr *)(f + 14))->fragment_offset = rte_cpu_to_be_16((uint16_t)(off / 8 | more << 13));
	p->frame = ++t->frame;
	p->nlayers = 1;
	p->inner = &p->layer[0];
	p->layer[0] = (struct layer){
		.l3 = 14,
		.l4 = SEGMENTS_L4,
		.payload = SEGMENTS_L4,
		.payload_len = (uint16_t)captured,
		.wire_len = len,
		.version = 4,
		.proto = IPPROTO_TCP,
		.flags = LAYER_FRAGMENT,
	};
	return m;
}

// What defrag would have made of the frame's fragments: a datagram that starts with its IP header.
static inline void segments_virtual(struct segments *t, struct rte_mbuf *m)
{
	struct pkt *p = pkt_of(m);
	const uint8_t *d = pkt_data(m);
	uint32_t captured = rte_pktmbuf_data_len(m) - SEGMENTS_L4, all = 20 + p->layer[0].wire_len;
	uint32_t first = RTE_MIN(all, SEGMENTS_CUT);
	p->fragments = segments_fragment(t, d, 0, first, RTE_MIN(first, captured), all > first);
	if (all > first)
		pkt_of(p->fragments)->next =
			segments_fragment(t, d, first, all - first, captured - RTE_MIN(first, captured), false);
	p->frame = t->frame;
	p->layer[0].l3 -= 14;
	p->layer[0].l4 -= 14;
	p->layer[0].payload -= 14;
	rte_pktmbuf_adj(m, 14);
}

// A frame for the segment, with a right checksum.
static inline struct rte_mbuf *segments_frame(struct segments *t, const struct segment_in *in)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(t->w.frames);
	if (!m)
		abort();
	struct pkt *p = pkt_of(m);
	memset(p, 0, sizeof(*p));
	uint8_t *d = (uint8_t *)rte_pktmbuf_append(m, SEGMENTS_PAYLOAD + in->len);
	memset(d, 0, SEGMENTS_PAYLOAD);
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(d + 14);
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(d + SEGMENTS_L4);
	ip->version_ihl = 0x45;
	ip->total_length = rte_cpu_to_be_16((uint16_t)(40 + in->len));
	ip->next_proto_id = IPPROTO_TCP;
	ip->src_addr = in->dir ? 0x02000001 : 0x01000001;
	ip->dst_addr = in->dir ? 0x01000001 : 0x02000001;
	tcp->sent_seq = rte_cpu_to_be_32(t->isn[in->dir] + 1 + in->at - !!(in->tcp_flags & RTE_TCP_SYN_FLAG));
	tcp->recv_ack = rte_cpu_to_be_32(t->isn[!in->dir] + 1 + in->ack);
	tcp->data_off = 5 << 4;
	tcp->tcp_flags = in->tcp_flags;
	tcp->tcp_urp = rte_cpu_to_be_16(in->urgent);
	if (in->len)
		memcpy(d + SEGMENTS_PAYLOAD, in->data, in->len);
	tcp->cksum = rte_ipv4_udptcp_cksum(ip, tcp);
	rte_pktmbuf_trim(m, in->cut);
	p->frame = ++t->frame;
	p->time_ns = t->w.now_ns;
	p->flow = &t->f;
	p->dir = in->dir;
	p->nlayers = 1;
	p->inner = &p->layer[0];
	p->flags = in->pkt_flags;
	p->layer[0] = (struct layer){
		.l3 = 14,
		.l4 = SEGMENTS_L4,
		.payload = SEGMENTS_PAYLOAD,
		.payload_len = (uint16_t)(in->len - in->cut),
		.wire_len = in->len,
		.version = 4,
		.proto = IPPROTO_TCP,
		.tcp_flags = in->tcp_flags,
	};
	if (in->pkt_flags & PKT_VIRTUAL)
		segments_virtual(t, m);
	return m;
}

// Sends one segment through the room.
static inline void segments_send(struct segments *t, const struct segment_in *in, struct segment_out *out)
{
	struct rte_mbuf *m = segments_frame(t, in);
	struct pkt *p = pkt_of(m);
	struct burst b = {.m = {m}, .n = 1, .wanted = 1};
	stream_burst(&t->w, &b);
	out->reason = p->reason;
	out->flags = p->flags;
	if (p->flags & PKT_HELD) { // hold.c's from here on
		p->flags |= PKT_AWAY;
		out->csum_ok = 1;
		return;
	}
	out->len = in->len - in->cut;
	const struct layer *l = &p->layer[0];
	memcpy(out->data, pkt_data(m) + l->payload, out->len);
	out->csum_ok = in->cut || rte_ipv4_udptcp_cksum_verify((struct rte_ipv4_hdr *)(pkt_data(m) + l->l3),
							       pkt_data(m) + l->l4) == 0;
	for (struct rte_mbuf *f = p->fragments, *next; f; f = next) {
		next = pkt_of(f)->next;
		rte_pktmbuf_free(f);
	}
	rte_pktmbuf_free(m);
}
