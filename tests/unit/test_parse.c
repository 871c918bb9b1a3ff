// SPDX-License-Identifier: BSD-3-Clause
//
// The parse room: what golden captures cannot ask. Sums against a plain one, live against replay, what is filled in.
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include <netinet/in.h>

#include "../frames.h"
#include "path/checksum.h"

static struct frames t;

static uint16_t plain_sum(const uint8_t *p, uint32_t len)
{
	uint32_t sum = 0;
	for (uint32_t i = 0; i < len; i++)
		sum += i & 1 ? p[i] : p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return rte_cpu_to_be_16(sum);
}

static void sums_are_right(void **state)
{
	static uint8_t bytes[4200];
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = rand();
	for (uint32_t len = 0; len < 300; len++)
		for (uint32_t at = 0; at < 8; at++)
			assert_int_equal(checksum_fold(checksum_add(bytes + at, len)), plain_sum(bytes + at, len));
	memset(bytes, 0xff, sizeof(bytes));
	assert_int_equal(checksum_fold(checksum_add(bytes, sizeof(bytes))), plain_sum(bytes, sizeof(bytes)));
}

// RFC 1071 3: 0001 f203 f4f5 f6f7 sum to ddf2.
static void sum_of_the_rfc(void **state)
{
	static const uint8_t bytes[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
	assert_int_equal(rte_be_to_cpu_16(checksum_fold(checksum_add(bytes, 8))), 0xddf2);
}

// A real SYN of tests/captures would do; this one is by hand so that each offset can be read here.
static const uint8_t syn[] = {
	2,    0,    0,    0,    0,   2,   2,   0,   0,    0,    0, 1, 0x08, 0x00, // Ethernet
	0x45, 0,    0,    48,   0,   1,   0,   0,   61,   6,    0, 0, 10,   0,
	0,    1,    10,   0,    0,   2, // IPv4
	0x9c, 0x40, 0x01, 0xbb, 0,   0,   0,   1,   0,    0,    0, 0, 0x60, 0x22,
	0,    9,    0,    0,    0,   5,                         // TCP with 4 bytes of options
	2,    4,    5,    0xb4, 'd', 'a', 't', 'a', 0xee, 0xee, // data, and padding of the frame
};

static struct pkt *walk(const uint8_t *bytes, uint16_t len, uint32_t wire_len, struct burst *b)
{
	b->n = 0;
	b->m[b->n++] = frames_add(&t, bytes, len, wire_len, 1);
	frames_walk(&t, b);
	return pkt_of(b->m[0]);
}

static void open_with(bool live, enum checksum_mode checksum)
{
	frames_open(&t, (struct path_config){.live = live, .checksum = checksum, .fragments = 8});
}

static void close_with(struct burst *b)
{
	tx_burst(&t.w, b);
	frames_close(&t);
}

static void tcp_is_filled_in(void **state)
{
	struct burst b;
	open_with(false, CHECKSUM_IGNORE);
	struct pkt *p = walk(syn, sizeof(syn), sizeof(syn), &b);
	const struct layer *l = p->inner;
	assert_int_equal(p->reason, 0);
	assert_int_equal(p->nlayers, 1);
	assert_int_equal(l->l3, 14);
	assert_int_equal(l->l4, 34);
	assert_int_equal(l->payload, 58);
	assert_int_equal(l->payload_len, 4);
	assert_int_equal(l->wire_len, 4);
	assert_int_equal(l->ttl, 61);
	assert_int_equal(l->proto, IPPROTO_TCP);
	assert_int_equal(l->tcp_flags, 0x22);
	assert_int_equal(l->flags, LAYER_TCP_URG);
	assert_int_equal(rte_be_to_cpu_16(l->sport_be), 40000);
	assert_int_equal(rte_be_to_cpu_16(l->dport_be), 443);
	close_with(&b);
}

// The snap length took everything behind byte n: no fault at any n, and never more than is there.
static void cut_anywhere_passes(void **state)
{
	for (uint16_t n = 0; n < sizeof(syn); n++) {
		struct burst b;
		open_with(false, CHECKSUM_ENFORCE);
		uint8_t whole[sizeof(syn)];
		memcpy(whole, syn, sizeof(syn));
		uint16_t sum = ~checksum_fold(checksum_add(whole + 14, 20));
		memcpy(whole + 24, &sum, 2);
		struct pkt *p = walk(whole, n, sizeof(syn), &b);
		if (n < 62) { // behind it only padding is cut, and the sum is looked at
			assert_int_equal(p->reason, 0);
			assert_int_equal(t.w.counters[COUNTER_FRAMES_CUT], 1);
			assert_int_equal(p->done, n < 54); // TCP, but for its options
		} else {
			assert_int_equal(p->reason, REASON_PARSE_L4_CSUM);
		}
		close_with(&b);
	}
}

// A total length beyond the frame: live a fault, in a capture one that its maker cut.
static void longer_than_the_frame(void **state)
{
	for (int live = 0; live < 2; live++) {
		struct burst b;
		open_with(live, CHECKSUM_IGNORE);
		struct pkt *p = walk(syn, 60, 60, &b);
		assert_int_equal(p->reason, live ? REASON_PARSE_IP_TRUNCATED : 0);
		if (!live) {
			assert_int_equal(p->inner->payload_len, 2);
			assert_int_equal(p->inner->wire_len, 4);
			assert_true(p->inner->flags & LAYER_CUT);
		}
		close_with(&b);
	}
}

// Segmentation left to the network card: total length 0 is the frame's.
static void length_zero(void **state)
{
	struct burst b;
	uint8_t tso[sizeof(syn)];
	memcpy(tso, syn, sizeof(syn));
	tso[16] = tso[17] = 0;
	open_with(true, CHECKSUM_IGNORE);
	struct pkt *p = walk(tso, sizeof(tso), sizeof(tso), &b);
	assert_int_equal(p->reason, 0);
	assert_int_equal(p->inner->payload_len, 6);
	close_with(&b);
}

static void chain_len(void **state)
{
	static const uint8_t chain[32] = {IPPROTO_TCP, 0, 0, 0, 0, 0, 0, 0, [8 + 12] = 0x50};
	struct layer v6 = {.version = 6, .proto = IPPROTO_DSTOPTS}, v4 = {.version = 4, .proto = IPPROTO_UDP};
	assert_int_equal(parse_chain_len(&v6, chain, 32), 28);
	assert_true(parse_chain_len(&v6, chain, 24) > 24);
	assert_true(parse_chain_len(&v6, chain, 7) > 7);
	assert_int_equal(parse_chain_len(&v4, chain, 8), 8);
	assert_true(parse_chain_len(&v4, chain, 7) > 7);
	v4.proto = IPPROTO_TCP;
	assert_true(parse_chain_len(&v4, chain, 16) > 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_are_right),
		cmocka_unit_test(sum_of_the_rfc),
		cmocka_unit_test(tcp_is_filled_in),
		cmocka_unit_test(cut_anywhere_passes),
		cmocka_unit_test(longer_than_the_frame),
		cmocka_unit_test(length_zero),
		cmocka_unit_test(chain_len),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
