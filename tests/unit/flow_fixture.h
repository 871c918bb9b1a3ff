// SPDX-License-Identifier: BSD-3-Clause
//
// A worker with its real rooms, and packets whose layers are filled in by hand (as decap and parse would), for the
// tests of flow and TCP tracking. Nothing of ours is replaced.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <rte_byteorder.h>

#include "base/eal.h"
#include "record_ring.h"
#include "path/flow_age.h"
#include "path/flow_table.h"
#include "path/flow_tcp.h"
#include "path/path.h"
#include "path/record_out.h"
#include "path/rooms.h"
#include "path/steer.h"

#define SECOND 1000000000ull

static struct worker *worker;
static struct path_config config;
static uint64_t frame_number, clock_ns;

// All fields that the rooms ask for; a test may change config before world_open.
static void world_defaults(void)
{
	config = (struct path_config){.flows = 1024,
				      .streams = 64,
				      .chunks = 256,
				      .apps = 16,
				      .fragments = 64,
				      .arena_bytes = 1 << 20,
				      .record_cells = 1 << 16,
				      .transports = TRANSPORT_GWLB | TRANSPORT_VLAN,
				      .seed = 12345};
}

static struct rte_mempool *world_pool;
static const struct record *in_hand; // what next_record gave last

static void world_open(void)
{
	if (!world_pool) {
		assert_int_equal(eal_init(64), 0);
		world_pool = eal_pool("frames", 2047, 2048);
		assert_non_null(world_pool);
	}
	worker = calloc(1, sizeof(*worker));
	worker->frames = worker->giants = world_pool;
	assert_int_equal(path_init(worker, &config), 0);
	frame_number = 0;
	clock_ns = 1000 * SECOND;
	in_hand = NULL;
}

static void world_close(void)
{
	path_fini(worker);
	free(worker);
	worker = NULL;
	assert_int_equal(rte_mempool_in_use_count(world_pool), 0);
}

// What a frame is made of.
struct shape {
	uint32_t src, dst; // IPv4, host order
	uint16_t sport, dport;
	uint8_t proto, flags; // TCP flags
	uint32_t seq, ack;
	uint16_t win;
	const char *data;
	uint32_t len; // of data; NULL data: that many 'x'
	const uint8_t *options;
	unsigned noptions; // bytes, multiple of 4
	uint64_t tenant;
	uint8_t icmp_type, icmp_code;
};

static struct rte_mbuf *make(const struct shape *s)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(world_pool);
	assert_non_null(m);
	struct pkt *p = pkt_of(m);
	memset(p, 0, sizeof(*p));
	unsigned head = s->proto == IPPROTO_TCP ? 20 + s->noptions : 8;
	uint8_t *b = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(14 + 20 + head + s->len));
	assert_non_null(b);
	memset(b, 0, 14 + 20 + head);
	uint32_t src = rte_cpu_to_be_32(s->src), dst = rte_cpu_to_be_32(s->dst);
	b[14] = 0x45;
	b[14 + 9] = s->proto;
	memcpy(b + 14 + 12, &src, 4);
	memcpy(b + 14 + 16, &dst, 4);
	uint8_t *t = b + 34;
	if (s->proto == IPPROTO_TCP) {
		uint32_t seq = rte_cpu_to_be_32(s->seq), ack = rte_cpu_to_be_32(s->ack);
		memcpy(t + 4, &seq, 4);
		memcpy(t + 8, &ack, 4);
		t[12] = (uint8_t)(head / 4 << 4);
		t[13] = s->flags;
		t[14] = s->win >> 8;
		t[15] = s->win & 0xff;
		if (s->noptions)
			memcpy(t + 20, s->options, s->noptions);
	}
	if (s->data)
		memcpy(t + head, s->data, s->len);
	else
		memset(t + head, 'x', s->len);
	p->frame = ++frame_number;
	p->time_ns = p->stamp_ns = clock_ns;
	p->tenant = s->tenant;
	p->link_type = 1;
	p->wire_len = rte_pktmbuf_pkt_len(m);
	p->nlayers = 1;
	p->inner = &p->layer[0];
	bool ports = s->proto == IPPROTO_TCP || s->proto == IPPROTO_UDP || s->proto == IPPROTO_SCTP;
	p->layer[0] = (struct layer){.l3 = 14,
				     .l4 = 34,
				     .payload = (uint16_t)(34 + head),
				     .payload_len = (uint16_t)s->len,
				     .wire_len = s->len,
				     .sport_be = ports ? rte_cpu_to_be_16(s->sport) : 0,
				     .dport_be = ports ? rte_cpu_to_be_16(s->dport) : 0,
				     .version = 4,
				     .proto = s->proto,
				     .tcp_flags = s->flags,
				     .icmp_type = s->icmp_type,
				     .icmp_code = s->icmp_code};
	return m;
}

// The flow room alone on one packet that is then let go. Returns its reason; last_* say what became of it.
static struct flow *last_flow;
static unsigned last_dir, last_flags;

static inline uint16_t walk(const struct shape *s)
{
	struct burst b = {.m = {make(s)}, .n = 1};
	struct pkt *p = pkt_of(b.m[0]);
	steer_burst(worker, &b);
	flow_burst(worker, &b);
	assert_int_equal(b.n, 1);
	last_flow = p->flow;
	last_dir = p->dir;
	last_flags = p->flags;
	uint16_t reason = p->reason;
	rte_pktmbuf_free(b.m[0]);
	return reason;
}

// The next record of a kind, others skipped; NULL: none. Valid until the next call.
static inline const struct record *next_record(uint16_t kind)
{
	if (in_hand)
		record_done(worker->records, in_hand);
	while ((in_hand = record_peek(worker->records)) && in_hand->kind != kind)
		record_done(worker->records, in_hand);
	return in_hand;
}
