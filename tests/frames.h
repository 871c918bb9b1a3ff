// SPDX-License-Identifier: BSD-3-Clause
//
// Frames for the tests of decap, parse and defrag: each lies in memory of exactly its length, so that a sanitizer sees
// a read beyond its end; the three rooms; and what must hold of whatever they leave.
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "poison.h"
#include "base/eal.h"
#include "path/parse.h"
#include "path/rooms.h"

struct frames {
	struct path_config config;
	struct worker w;
	uint64_t rx;
};

static inline void frames_broken(const char *what)
{
	fprintf(stderr, "frames: %s\n", what);
	abort();
}

static inline void frames_open(struct frames *t, struct path_config config)
{
	static struct rte_mempool *small, *giants;
	if (!small) {
		if (eal_init(64) < 0)
			frames_broken("no memory");
		small = eal_pool("frames", 511, 64);
		giants = eal_pool("giants", 63, 65407);
	}
	memset(t, 0, sizeof(*t));
	t->config = config;
	t->w.config = &t->config;
	t->w.frames = small;
	t->w.giants = giants;
	if (defrag_init(&t->w) < 0)
		frames_broken("no memory");
}

static inline void frames_give(void *p, void *arg)
{
	free(arg);
}

static inline struct rte_mbuf *frames_add(struct frames *t, const void *bytes, uint16_t len, uint32_t wire_len,
					  uint16_t link_type)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(t->w.frames);
	struct room {
		struct rte_mbuf_ext_shared_info info;
		uint8_t bytes[];
	} *room = malloc(sizeof(*room) + len);
	if (!m || !room)
		frames_broken("no mbuf");
	if (len)
		memcpy(room->bytes, bytes, len);
	room->info.free_cb = frames_give;
	room->info.fcb_opaque = room;
	rte_mbuf_ext_refcnt_set(&room->info, 1);
	rte_pktmbuf_attach_extbuf(m, room->bytes, 0, len, &room->info);
	m->data_off = 0;
	m->data_len = len;
	m->pkt_len = len;
	struct pkt *p = pkt_of(m);
	memset(p, 0xa5, sizeof(*p)); // fields that nobody has set must not be read
	pkt_begin(p, ++t->rx, t->w.now_ns, t->w.now_ns, wire_len, link_type, wire_len > len);
	t->w.rx++;
	return m;
}

// What the rooms behind rely on.
static inline void frames_check(struct rte_mbuf *m)
{
	const struct pkt *p = pkt_of(m);
	if (p->nlayers > LAYERS_MAX || p->nvlans > VLANS_MAX || p->nvnis > VNIS_MAX)
		frames_broken("too many");
	if (pkt_decided(p))
		return;
	if (p->nlayers == 0)
		frames_broken("undecided, and no layer");
	if ((p->flags & PKT_TRANSPORT) && p->transport_l3 + 20u > m->data_len)
		frames_broken("transport outside the frame");
	for (unsigned i = 0; i < p->nlayers; i++) {
		const struct layer *l = &p->layer[i];
		uint32_t header = l->version == 4 ? 20 : 40;
		if ((l->version != 4 && l->version != 6) || (i && l->l3 < p->layer[i - 1].l4))
			frames_broken("layer");
		if (l->l3 + header > l->l4 || l->l4 > l->payload || l->payload + l->payload_len > m->data_len)
			frames_broken("offsets");
		if (l->payload_len > l->wire_len || (!(l->flags & LAYER_CUT) && l->payload_len != l->wire_len))
			frames_broken("payload");
	}
	const struct layer *l = &p->layer[p->nlayers - 1];
	uint32_t need = parse_l4_header_len(l->proto, pkt_data(m) + l->l4, m->data_len - l->l4);
	if (l->proto == 6 && (l->flags & LAYER_CUT)) // of TCP's options as much as there is
		need = 20;
	if (!(l->flags & LAYER_FRAGMENT) && need > 1 && l->l4 + need > l->payload)
		frames_broken("L4 header");
}

// Datagrams that defrag made lie in the pool's buffers: while they are read, what is behind them is out of bounds.
static inline void frames_fence(struct burst *b, bool up)
{
	for (unsigned i = 0; i < b->n; i++) {
		struct rte_mbuf *m = b->m[i];
		if (!(pkt_of(m)->flags & PKT_VIRTUAL))
			continue;
		uint8_t *end = pkt_data(m) + m->data_len, *room_end = (uint8_t *)m->buf_addr + m->buf_len;
		if (up)
			ASAN_POISON_MEMORY_REGION(end, room_end - end);
		else
			ASAN_UNPOISON_MEMORY_REGION(m->buf_addr, m->buf_len);
	}
}

static inline void frames_read(struct frames *t, struct burst *b)
{
	frames_fence(b, true);
	decap_burst(&t->w, b);
	parse_burst(&t->w, b);
	frames_fence(b, false);
}

// The three rooms as path.c walks them. What is left in the burst goes on.
static inline void frames_walk(struct frames *t, struct burst *b)
{
	frames_read(t, b);
	for (unsigned depth = 0; depth < LAYERS_MAX && defrag_burst(&t->w, b) > 0; depth++)
		frames_read(t, b);
	for (unsigned i = 0; i < b->n; i++)
		frames_check(b->m[i]);
}

static inline void frames_close(struct frames *t)
{
	uint64_t drops = 0;
	defrag_drain(&t->w);
	for (unsigned i = 0; i < REASON_COUNT; i++)
		drops += t->w.drops[i];
	if (t->w.held || t->w.rx != t->w.tx + drops)
		frames_broken("ledger");
	if (rte_mempool_in_use_count(t->w.frames) || rte_mempool_in_use_count(t->w.giants))
		frames_broken("mbufs in use");
	defrag_fini(&t->w);
}
