// SPDX-License-Identifier: BSD-3-Clause
//
// The defrag room: what it puts together, byte by byte, in any order; who may share a datagram; its bounds.
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include <netinet/in.h>

#include "../frames.h"
#include "path/shed.h"

#define LINK_RAW 101
#define SECOND 1000000000ull

static struct frames t;
static uint8_t body[65536]; // of every datagram: UDP without a sum

static void open_with(uint32_t fragments)
{
	frames_open(&t, (struct path_config){
				.checksum = CHECKSUM_IGNORE, .fragments = fragments, .transports = TRANSPORT_VLAN});
	for (unsigned i = 0; i < sizeof(body); i++)
		body[i] = (uint8_t)(i * 7 + (i >> 8));
	memcpy(body, "\x9c\x40\x07\xd0\0\0\0", 8); // ports; length 0: as long as the datagram
}

static struct rte_mbuf *fragment(uint16_t id, uint32_t off, uint32_t len, bool more)
{
	static uint8_t frame[65536];
	uint8_t h[20] = {0x45,
			 0,
			 (20 + len) >> 8,
			 (uint8_t)(20 + len),
			 id >> 8,
			 (uint8_t)id,
			 (off >> 11) | more << 5,
			 (uint8_t)(off >> 3),
			 64,
			 IPPROTO_UDP,
			 0,
			 0,
			 10,
			 0,
			 0,
			 1,
			 10,
			 0,
			 0,
			 2};
	memcpy(frame, h, 20);
	memcpy(frame + 20, body + off, len);
	return frames_add(&t, frame, 20 + len, 20 + len, LINK_RAW);
}

// Walks one frame; the packet that comes out, or NULL where it is held.
static struct rte_mbuf *one(struct rte_mbuf *m)
{
	struct burst b = {.m = {m}, .n = 1};
	frames_walk(&t, &b);
	return b.n ? b.m[0] : NULL;
}

static void gone(struct rte_mbuf *m, uint16_t reason)
{
	assert_non_null(m);
	assert_int_equal(pkt_of(m)->reason, reason);
	tx_one(&t.w, m);
}

static void any_order(void **state)
{
	static const uint8_t orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
	for (unsigned i = 0; i < 6; i++) {
		open_with(8);
		struct rte_mbuf *m = NULL;
		for (unsigned j = 0; j < 3; j++) {
			unsigned n = orders[i][j];
			assert_null(m);
			m = one(fragment(5, n * 800, n == 2 ? 11 : 800, n < 2));
		}
		assert_non_null(m);
		const struct pkt *p = pkt_of(m);
		const struct layer *l = &p->layer[0];
		assert_int_equal(p->flags, PKT_VIRTUAL);
		assert_int_equal(p->nfragments, 3);
		assert_int_equal(p->nlayers, 1);
		assert_int_equal(l->payload_len, 1611 - 8);
		assert_memory_equal(pkt_data(m) + l->l4, body, 1611);
		uint64_t frame = 0;
		for (struct rte_mbuf *f = p->fragments; f; f = pkt_of(f)->next) {
			assert_true(pkt_of(f)->frame > frame);
			frame = pkt_of(f)->frame;
		}
		assert_int_equal(t.w.held, 0);
		// each byte is found in the frame that brought it, and how many follow it there
		for (uint32_t at = 0; at < 1611; at++) {
			struct origin o = defrag_origin(m, l->l4 + at, 2000);
			struct rte_mbuf *f = p->fragments;
			while (pkt_of(f)->frame != o.frame)
				f = pkt_of(f)->next;
			assert_int_equal(pkt_data(f)[o.off], body[at]);
			assert_int_equal(o.off + o.len, f->data_len);
		}
		tx_one(&t.w, m);
		assert_int_equal(t.w.tx, 3);
		frames_close(&t);
	}
}

static void largest_datagram(void **state)
{
	open_with(64);
	struct rte_mbuf *m = NULL;
	for (uint32_t off = 0; off < 65515; off += 1480) {
		uint32_t len = RTE_MIN(1480u, 65515 - off);
		m = one(fragment(1, off, len, off + len < 65515));
	}
	assert_non_null(m);
	assert_int_equal(m->data_len, 65535);
	assert_int_equal(pkt_of(m)->layer[0].wire_len, 65515 - 8);
	assert_memory_equal(pkt_data(m) + 20, body, 65515);
	tx_one(&t.w, m);
	gone(one(fragment(2, 65504, 16, false)), REASON_DEFRAG_MALFORMED);
	frames_close(&t);
}

// Same addresses and identification under other tags are other datagrams.
static void tags_are_worlds(void **state)
{
	open_with(8);
	uint8_t tagged[18 + 20 + 16] = {[12] = 0x81, 0, 0, 5, 0x08, 0};
	struct rte_mbuf *plain = fragment(9, 0, 16, true);
	memcpy(tagged + 18, pkt_data(plain), 36);
	assert_null(one(plain));
	for (uint8_t vlan = 1; vlan < 4; vlan++) {
		tagged[15] = vlan;
		assert_null(one(frames_add(&t, tagged, sizeof(tagged), sizeof(tagged), 1)));
	}
	assert_int_equal(t.w.held, 4);
	struct rte_mbuf *m = one(fragment(9, 16, 8, false));
	assert_non_null(m);
	assert_int_equal(pkt_of(m)->nvlans, 0);
	tx_one(&t.w, m);
	frames_close(&t);
	assert_int_equal(t.w.drops[REASON_DEFRAG_TIMEOUT], 3);
}

static void oldest_gives_way(void **state)
{
	open_with(4);
	for (uint16_t id = 1; id <= 4; id++)
		assert_null(one(fragment(id, 0, 16, true)));
	assert_null(one(fragment(5, 0, 16, true)));
	assert_int_equal(t.w.held, 4);
	assert_int_equal(t.w.drops[REASON_DEFRAG_FULL], 1);
	// the second oldest is still there, the oldest is not
	struct rte_mbuf *m = one(fragment(2, 16, 8, false));
	assert_non_null(m);
	tx_one(&t.w, m);
	assert_null(one(fragment(1, 16, 8, false)));
	frames_close(&t);
}

static void time_runs_out(void **state)
{
	open_with(200);
	t.w.now_ns = 100 * SECOND;
	for (uint16_t id = 0; id < 150; id++)
		assert_null(one(fragment(id, 0, 16, true)));
	assert_false(defrag_age(&t.w, 130 * SECOND - 1));
	assert_int_equal(t.w.held, 150);
	// a call does a bounded part of what is due, and says that there is more
	assert_true(defrag_age(&t.w, 130 * SECOND));
	assert_in_range(t.w.held, 1, 149);
	while (defrag_age(&t.w, 130 * SECOND))
		;
	assert_int_equal(t.w.held, 0);
	assert_int_equal(t.w.drops[REASON_DEFRAG_TIMEOUT], 150);
	frames_close(&t);
}

// What was doomed stays so until its time is up; then the identification is free again.
static void doom_lasts(void **state)
{
	open_with(8);
	assert_null(one(fragment(1, 0, 16, true)));
	gone(one(fragment(1, 8, 16, true)), REASON_DEFRAG_OVERLAP);
	assert_int_equal(t.w.held, 0);
	gone(one(fragment(1, 24, 8, false)), REASON_DEFRAG_OVERLAP);
	while (defrag_age(&t.w, 31 * SECOND))
		;
	t.w.now_ns = 31 * SECOND;
	assert_null(one(fragment(1, 0, 16, true)));
	struct rte_mbuf *m = one(fragment(1, 16, 8, false));
	gone(m, 0);
	frames_close(&t);
}

// Bursts come full: few datagrams are begun, the fragments of those that are here are taken.
static void who_is_behind_begins_fewer_datagrams(void **state)
{
	unsigned refused = 0;
	open_with(2000);
	for (unsigned i = 0; i < 1000; i++)
		shed_turn(&t.w, true);
	for (uint16_t id = 1; id <= 1000; id++) {
		struct rte_mbuf *m = one(fragment(id, 0, 16, true));
		refused += m != NULL;
		if (m) {
			gone(m, REASON_SHED_NEW);
			continue;
		}
		m = one(fragment(id, 16, 8, false));
		assert_non_null(m);
		assert_true(pkt_of(m)->flags & PKT_VIRTUAL);
		tx_one(&t.w, m);
	}
	assert_in_range(refused, 1000 - BURST_SIZE, 999);
	assert_int_equal(t.w.drops[REASON_SHED_NEW], refused);
	frames_close(&t);
}

static void no_giant_left(void **state)
{
	static struct rte_mbuf *all[63];
	open_with(8);
	unsigned n = 0;
	while (n < 63 && (all[n] = rte_pktmbuf_alloc(t.w.giants)))
		n++;
	assert_null(one(fragment(1, 0, 16, true)));
	assert_null(one(fragment(1, 16, 8, false)));
	assert_int_equal(t.w.drops[REASON_DEFRAG_FULL], 2);
	while (n > 0)
		rte_pktmbuf_free(all[--n]);
	frames_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_order),       cmocka_unit_test(largest_datagram),
		cmocka_unit_test(tags_are_worlds), cmocka_unit_test(oldest_gives_way),
		cmocka_unit_test(time_runs_out),   cmocka_unit_test(doom_lasts),
		cmocka_unit_test(no_giant_left),   cmocka_unit_test(who_is_behind_begins_fewer_datagrams),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
