// SPDX-License-Identifier: BSD-3-Clause
//
// The way in and out of a live worker, without ports: what each path makes of a frame, by which reason it goes nowhere,
// and what its sender is told. Real clients are tests/live's.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <string.h>

#include "base/eal.h"
#include "path/checksum.h"
#include "path/egress.h"
#include "path/neighbour.h"
#include "path/rooms.h"

#define SENT 128

static struct path_config config = {.live = true, .checksum = CHECKSUM_ENFORCE, .transports = TRANSPORT_GWLB};
static struct worker w;
static struct egress egress;
static struct neighbours neighbours;
static _Atomic bool up = true;
static struct {
	unsigned port, len;
	uint8_t bytes[2048];
} sent[SENT];
static unsigned nsent, nasked, takes;
static uint8_t asked_for[16];
static const uint8_t mac[2][6] = {{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}}, router[6] = {2, 0, 0, 0, 0, 9};

static unsigned take(void *arg, unsigned port, struct rte_mbuf **m, unsigned n)
{
	unsigned i = 0;
	for (; i < n && takes; i++, takes--) {
		sent[nsent].port = port;
		sent[nsent].len = m[i]->pkt_len;
		memcpy(sent[nsent++].bytes, rte_pktmbuf_mtod(m[i], void *), RTE_MIN(m[i]->pkt_len, 2048u));
		rte_pktmbuf_free(m[i]);
	}
	return i;
}

static void ask(void *arg, unsigned port, const uint8_t *address, unsigned len)
{
	nasked++;
	memcpy(asked_for, address, len);
}

// Ports 0 and 1 of a path, and 2, the kernel's end of 0.
static void open_path(enum path_mode mode)
{
	static struct rte_mempool *frames;
	if (!frames) {
		assert_int_equal(eal_init(64), 0);
		frames = eal_pool("frames", 511, 2048);
	}
	memset(&w, 0, sizeof(w));
	memset(&egress, 0, sizeof(egress));
	memset(&neighbours, 0, sizeof(neighbours));
	w.config = &config;
	w.frames = w.giants = frames;
	w.egress = &egress;
	w.now_ns = 5000000000;
	egress.nports = 3;
	egress.send = take;
	egress.ask = ask;
	egress.neighbours = &neighbours;
	for (unsigned i = 0; i < 2; i++) {
		struct lane *l = &egress.lane[i];
		*l = (struct lane){.mode = mode,
				   .out = mode == PATH_GWLB ? i : !i,
				   .kernel = i ? EGRESS_NO_PORT : 2,
				   .mtu = 1500,
				   .up = &up,
				   .mac = mac[i],
				   .transports = mode == PATH_GWLB ? TRANSPORT_GWLB : 0,
				   .other_l2 = true,
				   .link_local = true,
				   .nnets = 2};
		l->net[0] = (struct lane_net){.bytes = {10, 0, (uint8_t)i, 1}, .len = 4, .bits = 24};
		l->net[1] = (struct lane_net){.bytes = {0xfd, 0, 0, (uint8_t)i, [15] = 1}, .len = 16, .bits = 64};
	}
	egress.lane[2] = (struct lane){.mode = PATH_KERNEL, .out = 0, .mtu = 1500, .up = &up};
	up = true;
	nsent = nasked = 0;
	takes = SENT;
}

static void close_path(void)
{
	uint64_t left = w.tx + w.kernel + w.mirrored;
	egress_flush(&w);
	left = w.tx + w.kernel + w.mirrored;
	for (unsigned i = 0; i < REASON_COUNT; i++)
		left += w.drops[i];
	assert_int_equal(w.rx + w.own, left);
	assert_int_equal(rte_mempool_in_use_count(w.frames), 0);
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void sum_ip4(uint8_t *h)
{
	memset(h + 10, 0, 2);
	uint16_t s = (uint16_t)~checksum_fold(checksum_add(h, 20));
	memcpy(h + 10, &s, 2);
}

// Ethernet to port 0, IPv4 from 10.0.0.7 to `to`, `len` bytes of protocol 253.
static unsigned ip4(uint8_t *f, uint32_t to, unsigned len, unsigned ttl)
{
	memset(f, 0, 34 + len);
	memcpy(f, mac[0], 6);
	memcpy(f + 6, router, 6);
	put16(f + 12, 0x0800);
	uint8_t *h = f + 14;
	h[0] = 0x45;
	put16(h + 2, 20 + len);
	h[6] = 0x40;
	h[8] = (uint8_t)ttl;
	h[9] = 253;
	memcpy(h + 12, (const uint8_t[]){10, 0, 0, 7}, 4);
	put16(h + 16, to >> 16);
	put16(h + 18, to);
	sum_ip4(h);
	return 34 + len;
}

static unsigned ip6(uint8_t *f, unsigned net, unsigned len, unsigned ttl)
{
	memset(f, 0, 54 + len);
	memcpy(f, mac[0], 6);
	memcpy(f + 6, router, 6);
	put16(f + 12, 0x86dd);
	uint8_t *h = f + 14;
	h[0] = 0x60;
	put16(h + 4, len);
	h[6] = 253;
	h[7] = (uint8_t)ttl;
	memcpy(h + 8, (const uint8_t[16]){0xfd, [15] = 7}, 16);
	memcpy(h + 24, (const uint8_t[16]){0xfd, 0, 0, (uint8_t)net, [15] = 9}, 16);
	return 54 + len;
}

static struct rte_mbuf *frame(const void *bytes, unsigned len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(w.frames);
	assert_non_null(m);
	memcpy(rte_pktmbuf_append(m, (uint16_t)len), bytes, len);
	pkt_begin(pkt_of(m), 1, w.now_ns, w.now_ns, len, 1, false);
	return m;
}

// Through ingress, decap and egress.
static void walk(const void *bytes, unsigned len)
{
	struct burst b = {.n = 1, .m = {frame(bytes, len)}};
	w.rx++;
	if (egress.lane[0].mode == PATH_ROUTED || egress.lane[0].mode == PATH_GWLB)
		ingress_burst(&w, &b);
	decap_burst(&w, &b);
	tx_burst(&w, &b);
	egress_flush(&w);
}

static void knows(unsigned port, const uint8_t *address, unsigned len)
{
	uint64_t m = 0;
	memcpy(&m, router, 6);
	assert_true(neighbour_set(&neighbours, port, address, len, m));
}

static void routed_to_the_next_hop(void **state)
{
	uint8_t f[1600];
	open_path(PATH_ROUTED);
	unsigned len = ip4(f, 0x0a000109, 8, 64);
	walk(f, len);
	walk(f, len); // the latest waits
	assert_int_equal(w.drops[REASON_EGRESS_NO_NEIGHBOUR], 1);
	assert_int_equal(nasked, 2);
	assert_memory_equal(asked_for, ((const uint8_t[]){10, 0, 1, 9}), 4);
	knows(1, (const uint8_t[]){10, 0, 1, 9}, 4);
	egress_flush(&w);
	assert_int_equal(nsent, 1);
	assert_int_equal(sent[0].port, 1);
	assert_memory_equal(sent[0].bytes, router, 6);
	assert_memory_equal(sent[0].bytes + 6, mac[1], 6);
	assert_int_equal(sent[0].bytes[22], 63);
	assert_true(checksum_ip4(sent[0].bytes + 14));
	walk(f, ip4(f, 0xc0000201, 8, 64)); // 192.0.2.1
	assert_int_equal(w.drops[REASON_EGRESS_NO_ROUTE], 1);
	assert_int_equal(nsent, 2);
	assert_int_equal(sent[1].bytes[34] << 8 | sent[1].bytes[35], 0x0300); // it is said
	nsent = 1;
	memcpy(egress.lane[1].hop[0], (const uint8_t[]){10, 0, 1, 9}, 4);
	egress.lane[1].has_hop[0] = true;
	walk(f, len);
	assert_int_equal(nsent, 2);
	walk(f, ip6(f, 1, 8, 64));
	knows(1, f + 38, 16);
	egress_flush(&w);
	assert_int_equal(nsent, 3);
	assert_int_equal(sent[2].bytes[21], 63);
	neighbour_forget(&neighbours, 0);
	assert_int_not_equal(neighbour_find(&neighbours, 1, f + 38, 16), NEIGHBOUR_NONE);
	neighbour_forget(&neighbours, 1);
	assert_int_equal(neighbour_find(&neighbours, 1, f + 38, 16), NEIGHBOUR_NONE);
	close_path();
}

static void who_is_not_there_is_waited_for(void **state)
{
	uint8_t f[128];
	open_path(PATH_ROUTED);
	for (unsigned i = 0; i <= EGRESS_ASKED; i++)
		walk(f, ip4(f, 0x0a000110 + i, 8, 64));
	assert_int_equal(nasked, EGRESS_ASKED);
	assert_int_equal(w.drops[REASON_EGRESS_NO_NEIGHBOUR], 1); // no more than that wait
	assert_int_equal(nsent, 0);
	w.now_ns += 4000000000;
	egress_flush(&w);
	assert_int_equal(w.drops[REASON_EGRESS_NO_NEIGHBOUR], EGRESS_ASKED + 1);
	assert_int_equal(w.own, EGRESS_ASKED);
	assert_int_equal(sent[0].bytes[34] << 8 | sent[0].bytes[35], 0x0301);
	walk(f, ip4(f, 0x0a000110, 8, 64));
	egress_drain(&w);
	assert_int_equal(w.drops[REASON_EGRESS_NO_NEIGHBOUR], EGRESS_ASKED + 2);
	close_path();
}

static void every_ttl_keeps_its_sum(void **state)
{
	uint8_t f[64];
	open_path(PATH_ROUTED);
	knows(1, (const uint8_t[]){10, 0, 1, 9}, 4);
	for (unsigned i = 2; i < 256; i++) {
		unsigned len = ip4(f, 0x0a000109, 8, i);
		put16(f + 18, i * 257); // identification: sums of all kinds
		sum_ip4(f + 14);
		nsent = 0;
		takes = 1;
		walk(f, len);
		assert_int_equal(sent[0].bytes[22], i - 1);
		assert_true(checksum_ip4(sent[0].bytes + 14));
	}
	close_path();
}

static void no_hop_left_is_said(void **state)
{
	uint8_t f[128];
	open_path(PATH_ROUTED);
	walk(f, ip4(f, 0x0a000109, 8, 1));
	assert_int_equal(w.drops[REASON_EGRESS_TTL], 1);
	assert_int_equal(nsent, 1);
	const uint8_t *h = sent[0].bytes + 14;
	assert_int_equal(sent[0].port, 0);
	assert_memory_equal(sent[0].bytes, router, 6);
	assert_memory_equal(h + 12, ((const uint8_t[]){10, 0, 0, 1, 10, 0, 0, 7}), 8);
	assert_int_equal(h[9], IPPROTO_ICMP);
	assert_int_equal(h[20], 11);
	assert_true(checksum_ip4(h));
	assert_int_equal(checksum_fold(checksum_add(h + 20, sent[0].len - 34)), 0xffff);
	walk(f, ip6(f, 1, 8, 1));
	assert_int_equal(nsent, 2);
	h = sent[1].bytes + 14;
	assert_memory_equal(h + 8, egress.lane[0].net[1].bytes, 16);
	assert_int_equal(h[40], 3);
	for (unsigned i = 0; i < 1200; i++) { // bounded
		takes = 1, nsent = 0;
		walk(f, ip4(f, 0x0a000109, 8, 1));
	}
	assert_int_equal(w.own, 1000);
	close_path();
}

static void too_big_is_said(void **state)
{
	uint8_t f[1600];
	open_path(PATH_BRIDGE);
	egress.lane[0].mtu = 1000;
	walk(f, ip4(f, 0x0a000109, 981, 64));
	walk(f, ip6(f, 1, 961, 64));
	assert_int_equal(w.drops[REASON_EGRESS_TOO_BIG], 2);
	assert_int_equal(nsent, 2);
	const uint8_t *h = sent[0].bytes + 14;
	assert_int_equal(h[20] << 8 | h[21], 0x0304);
	assert_int_equal(h[26] << 8 | h[27], 1000);
	assert_memory_equal(h + 12, ((const uint8_t[]){10, 0, 1, 9, 10, 0, 0, 7}), 8); // a bridge has no address
	h = sent[1].bytes + 14;
	assert_int_equal(h[40] << 8 | h[41], 0x0200);
	assert_int_equal(h[46] << 8 | h[47], 1000);
	assert_true(sent[1].len <= 14 + 1280);
	walk(f, ip4(f, 0x0a000109, 980, 64));
	assert_int_equal(nsent, 3);
	close_path();
}

static void for_us_is_the_kernels(void **state)
{
	uint8_t f[128];
	open_path(PATH_ROUTED);
	unsigned len = ip4(f, 0x0a000001, 8, 64); // ours, here
	walk(f, len);
	walk(f, ip4(f, 0x0a000101, 8, 64)); // ours, there
	memset(f, 0xff, 6);
	put16(f + 12, 0x0806);
	walk(f, 60); // ARP
	walk(f, ip6(f, 0, 8, 255));
	assert_int_equal(w.kernel, 3); // the last was for a neighbour of ours
	ip6(f, 0, 8, 255);
	memcpy(f + 38, (const uint8_t[16]){0xfe, 0x80, [15] = 1}, 16);
	walk(f, 62);
	assert_int_equal(w.kernel, 4);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(sent[i].port, i == 3 ? 0 : 2); // but for what is said of the neighbour: no route
	ip4(f, 0x0a000109, 8, 64);
	f[5] = 0x77;
	walk(f, len);
	assert_int_equal(w.drops[REASON_RX_NOT_OURS], 1);
	// and back: the appliance speaks
	struct rte_mbuf *m = frame(f, len);
	pkt_of(m)->port = 2;
	egress_from_kernel(&w, m);
	egress_flush(&w);
	assert_int_equal(sent[nsent - 1].port, 0);
	assert_int_equal(w.own, 2);
	close_path();
}

static void ports_that_do_not_take(void **state)
{
	uint8_t f[128];
	open_path(PATH_ROUTED);
	struct rte_mbuf *pieces = frame(f, ip4(f, 0x0a000109, 8, 64)); // what poll.c could not put together
	w.rx++;
	pkt_drop(pkt_of(pieces), REASON_RX_PIECES);
	ingress_burst(&w, &(struct burst){.n = 1, .m = {pieces}});
	assert_int_equal(w.drops[REASON_RX_PIECES], 1);
	close_path();
	open_path(PATH_BRIDGE);
	takes = 0;
	walk(f, ip4(f, 0x0a000109, 8, 64));
	assert_int_equal(w.drops[REASON_EGRESS_FULL], 1);
	up = false;
	walk(f, ip4(f, 0x0a000109, 8, 64));
	assert_int_equal(w.drops[REASON_EGRESS_DOWN], 1);
	close_path();
}

static void bridges_as_told(void **state)
{
	uint8_t f[128];
	open_path(PATH_BRIDGE);
	struct lane *l = &egress.lane[0];
	ip4(f, 0x0a000109, 8, 64);
	put16(f + 12, 0x88cc);
	walk(f, 60);
	assert_int_equal(w.tx, 1);
	l->strict = true;
	l->except[l->nexcept++] = 0x88cc; // passes, but for this
	walk(f, 60);
	assert_int_equal(w.drops[REASON_EGRESS_OTHER_L2], 1);
	l->other_l2 = false; // does not pass, but for this
	walk(f, 60);
	assert_int_equal(w.tx, 2);
	put16(f + 12, 0x0806);
	walk(f, 60);
	assert_int_equal(w.drops[REASON_EGRESS_OTHER_L2], 2);
	l->link_local = false;
	walk(f, ip4(f, 0xe0000005, 8, 1)); // OSPF
	assert_int_equal(w.drops[REASON_EGRESS_LINK_LOCAL], 1);
	walk(f, ip4(f, 0xe0000105, 8, 1));
	assert_int_equal(w.tx, 3);
	ip6(f, 0, 24, 255); // a neighbour solicitation
	f[20] = IPPROTO_ICMPV6;
	f[54] = 135;
	memcpy(f + 38, (const uint8_t[16]){0xff, 2, [11] = 1, 0xff, [15] = 9}, 16);
	walk(f, 78);
	assert_int_equal(w.tx, 4);
	f[54] = 131; // a listener report
	walk(f, 78);
	assert_int_equal(w.drops[REASON_EGRESS_LINK_LOCAL], 2);
	close_path();
}

static void who_listens_does_not_answer(void **state)
{
	uint8_t f[128];
	open_path(PATH_MIRROR);
	walk(f, ip4(f, 0x0a000109, 8, 64));
	assert_int_equal(w.mirrored, 1);
	tx_own(&w, frame(f, 42), 0);
	assert_int_equal(w.own, 0);
	assert_int_equal(nsent, 0);
	close_path();
}

// A balancer's frame around an IPv4 packet to 10.0.1.9.
static unsigned geneve(uint8_t *f)
{
	uint8_t inner[64];
	unsigned n = ip4(inner, 0x0a000109, 8, 64) - 14, all = 20 + 8 + 40 + n;
	ip4(f, 0x0a000001, all - 20, 255);
	f[23] = IPPROTO_UDP;
	sum_ip4(f + 14);
	put16(f + 34, 40000);
	put16(f + 36, 6081);
	put16(f + 38, all - 20);
	uint8_t *g = f + 42;
	g[0] = 8;
	put16(g + 2, 0x0800);
	memcpy(g + 8, (const uint8_t[]){1, 8, 1, 2, 0, 0, 0, 1, 2, 3, 4, 5}, 12);
	memcpy(g + 20, (const uint8_t[]){1, 8, 2, 2}, 4);
	memcpy(g + 32, (const uint8_t[]){1, 8, 3, 1, 9, 9, 9, 9}, 8);
	memcpy(g + 40, inner + 14, n);
	return 14 + all;
}

static void balancers_frames_turn_round(void **state)
{
	uint8_t f[256], bad[256];
	open_path(PATH_GWLB);
	unsigned len = geneve(f);
	walk(f, len);
	assert_int_equal(nsent, 1);
	assert_int_equal(sent[0].port, 0);
	assert_memory_equal(sent[0].bytes, f + 6, 6);
	assert_memory_equal(sent[0].bytes + 6, f, 6);
	assert_memory_equal(sent[0].bytes + 26, f + 30, 4);
	assert_memory_equal(sent[0].bytes + 30, f + 26, 4);
	assert_memory_equal(sent[0].bytes + 34, f + 34, len - 34);
	assert_true(checksum_ip4(sent[0].bytes + 14));
	static const struct {
		unsigned at, value;
	} changes[] = {{42, 0x48}, {42, 0x3f}, {44, 0x65}, {51, 9}, {63, 9}, {75, 9}, {76, 4}};
	for (unsigned i = 0; i < RTE_DIM(changes); i++) {
		memcpy(bad, f, len);
		bad[changes[i].at] = (uint8_t)changes[i].value;
		walk(bad, len);
		assert_int_equal(w.drops[REASON_RX_GENEVE], i + 1);
	}
	memcpy(bad, f, len);
	bad[82] = 0x95; // sound around, and no IP inside
	walk(bad, len);
	assert_int_equal(w.drops[REASON_EGRESS_NO_SENDER], 1);
	put16(f + 36, 80); // a probe
	walk(f, len);
	assert_int_equal(w.kernel, 1);
	close_path();
}

static uint16_t sum_tcp(const uint8_t *f, unsigned len)
{
	return checksum_fold(checksum_pseudo(f + 14, 4, IPPROTO_TCP, len - 34) + checksum_add(f + 34, len - 34));
}

static void syns_are_clamped(void **state)
{
	uint8_t f[128];
	for (unsigned odd = 0; odd < 2; odd++) {
		for (unsigned mss = 1000; mss < 1400; mss += 3) {
			open_path(PATH_BRIDGE);
			egress.lane[0].mss = 1200;
			unsigned len = ip4(f, 0x0a000109, 28, 64);
			f[23] = IPPROTO_TCP;
			sum_ip4(f + 14);
			put16(f + 34, 5000 + mss);
			put16(f + 36, 80);
			f[46] = 7 << 4;
			f[47] = 2;
			f[54] = 1; // no-operation
			f[54 + odd] = 2;
			f[55 + odd] = 4;
			put16(f + 56 + odd, mss);
			uint16_t s = (uint16_t)~sum_tcp(f, len);
			memcpy(f + 50, &s, 2);
			walk(f, len);
			assert_int_equal(sent[0].bytes[56 + odd] << 8 | sent[0].bytes[57 + odd], RTE_MIN(mss, 1200u));
			assert_int_equal(sum_tcp(sent[0].bytes, len), 0xffff);
			close_path();
		}
	}
}

static void neighbours_come_and_go(void **state)
{
	uint8_t a[4] = {10};
	memset(&neighbours, 0, sizeof(neighbours));
	for (unsigned i = 0; i < 4096; i++) {
		memcpy(a + 1, &i, 3);
		assert_true(neighbour_set(&neighbours, 1, a, 4, i + 1));
	}
	for (unsigned i = 0; i < 4096; i++) {
		memcpy(a + 1, &i, 3);
		assert_int_equal(neighbour_find(&neighbours, 1, a, 4), i + 1);
		assert_int_equal(neighbour_find(&neighbours, 2, a, 4), NEIGHBOUR_NONE);
		assert_true(neighbour_set(&neighbours, 1, a, 4, NEIGHBOUR_NONE));
		assert_int_equal(neighbour_find(&neighbours, 1, a, 4), NEIGHBOUR_NONE);
	}
	for (unsigned i = 0; i < 1u << 20; i++) { // room is used again
		memcpy(a + 1, &i, 3);
		assert_true(neighbour_set(&neighbours, 1, a, 4, 7));
		assert_int_equal(neighbour_find(&neighbours, 1, a, 4), 7);
		assert_true(neighbour_set(&neighbours, 1, a, 4, NEIGHBOUR_NONE));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(routed_to_the_next_hop),
		cmocka_unit_test(who_is_not_there_is_waited_for),
		cmocka_unit_test(every_ttl_keeps_its_sum),
		cmocka_unit_test(no_hop_left_is_said),
		cmocka_unit_test(too_big_is_said),
		cmocka_unit_test(for_us_is_the_kernels),
		cmocka_unit_test(ports_that_do_not_take),
		cmocka_unit_test(bridges_as_told),
		cmocka_unit_test(who_listens_does_not_answer),
		cmocka_unit_test(balancers_frames_turn_round),
		cmocka_unit_test(syns_are_clamped),
		cmocka_unit_test(neighbours_come_and_go),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
