// SPDX-License-Identifier: BSD-3-Clause
//
// The stream room, segment by segment: order, overlap, holes, bounds, and where a byte came from.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "../segments.h"
#include "path/stream_pool.h"

#define ACK RTE_TCP_ACK_FLAG
#define FIN (RTE_TCP_FIN_FLAG | ACK)
#define RST RTE_TCP_RST_FLAG

static struct segments t;
static struct segment_out out;
static uint8_t text[1 << 20];

static int open_plain(void **state)
{
	for (unsigned i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)(i * 2654435761u >> 24);
	segments_open(&t, 0xfffffff0u, 5, 1024); // sequence numbers wrap early
	return 0;
}

static int close_plain(void **state)
{
	segments_close(&t);
	return 0;
}

static void give_from(const uint8_t *bytes, uint32_t at, uint32_t len)
{
	struct segment_in in = {.at = at, .data = bytes, .len = len, .tcp_flags = ACK};
	segments_send(&t, &in, &out);
}

static void give(uint32_t at, uint32_t len)
{
	give_from(text + at, at, len);
}

static void ack(uint32_t to)
{
	struct segment_in in = {.dir = 1, .ack = to, .tcp_flags = ACK};
	segments_send(&t, &in, &out);
}

// The view is text[from, to).
static void expect_view(uint64_t from, uint64_t to, bool end, bool after_gap)
{
	struct stream_view v;
	assert_true(stream_view(&t.w, &t.f, 0, &v));
	assert_int_equal(v.offset, from);
	assert_int_equal(v.len, to - from);
	assert_memory_equal(v.data, text + from, to - from);
	assert_int_equal(v.end, end);
	assert_int_equal(v.after_gap, after_gap);
}

static void expect_nothing(void)
{
	struct stream_view v;
	assert_false(stream_view(&t.w, &t.f, 0, &v));
}

static void consume(uint32_t n)
{
	stream_consume(&t.w, &t.f, 0, n);
}

static void in_order(void **state)
{
	for (uint32_t at = 0; at < 9000; at += 1000) {
		give(at, 1000);
		assert_int_equal(out.reason, 0);
		assert_true(out.flags & PKT_HAS_DATA);
	}
	expect_view(0, 9000, false, false);
	consume(4321);
	expect_view(4321, 9000, false, false);
	consume(9000 - 4321);
	expect_nothing();
}

static void out_of_order(void **state)
{
	for (int at = 63 * 100; at >= 0; at -= 100) {
		expect_nothing();
		give(at, 100);
	}
	expect_view(0, 6400, false, false);
	struct origin o = stream_origin(&t.w, &t.f, 0, 250, 10);
	assert_int_equal(o.frame, 62);
	assert_int_equal(o.off, SEGMENTS_PAYLOAD + 50);
	assert_int_equal(o.len, 10);
}

static void one_byte_segments(void **state)
{
	for (uint32_t at = 0; at < 20000; at++)
		give(at, 1);
	expect_view(0, 20000, false, false);
	for (uint32_t at = 0; at < 20000; at += 777) {
		struct origin o = stream_origin(&t.w, &t.f, 0, at, 1);
		assert_int_equal(o.frame, at + 1);
		assert_int_equal(o.off, SEGMENTS_PAYLOAD);
	}
}

static void need(void **state)
{
	give(0, 10);
	stream_need(&t.w, &t.f, 0, 100);
	give(10, 80);
	assert_false(out.flags & PKT_HAS_DATA);
	give(90, 10);
	assert_true(out.flags & PKT_HAS_DATA);
}

static void overlap_equal(void **state)
{
	give(0, 100);
	consume(50);
	give(0, 100);
	assert_int_equal(out.reason, 0);
	assert_false(out.flags & (PKT_REWRITTEN | PKT_HAS_DATA));
	give(50, 100);
	expect_view(50, 150, false, false);
	assert_int_equal(t.w.counters[COUNTER_STREAM_REWRITTEN], 0);
}

static void overlap_different(void **state)
{
	uint8_t other[301];
	memset(other, 'x', sizeof(other));
	give(100, 101); // out of order, to be overlapped on both sides
	give_from(other, 0, 301);
	assert_int_equal(out.reason, 0);
	assert_true(out.flags & PKT_REWRITTEN);
	assert_true(out.csum_ok);
	assert_memory_equal(out.data, other, 100);
	assert_memory_equal(out.data + 100, text + 100, 101);
	assert_memory_equal(out.data + 201, other, 100);
	assert_int_equal(t.w.counters[COUNTER_STREAM_REWRITTEN], 1);
	assert_true(t.f.flags & FLOW_AMBIGUOUS);
	struct stream_view v;
	assert_true(stream_view(&t.w, &t.f, 0, &v));
	assert_int_equal(v.len, 301);
	assert_memory_equal(v.data, out.data, 301);
	consume(301);
	give_from(other, 0, 301); // parsed, not acknowledged
	assert_memory_equal(out.data + 100, text + 100, 101);
	assert_true(out.csum_ok);
	ack(301);
	give_from(other + 1, 101, 50);
	assert_false(out.flags & PKT_REWRITTEN); // the receiver has it
}

static void fragmented_rewrite(void **state)
{
	struct segment_in in = {.at = 0, .data = "abcd", .len = 4, .tcp_flags = ACK, .pkt_flags = PKT_VIRTUAL};
	give(0, 4);
	segments_send(&t, &in, &out);
	assert_int_equal(out.reason, REASON_DEFRAG_REWRITE);
}

// Each byte's place is in the fragment that brought it.
static void fragmented_origin(void **state)
{
	struct segment_in in = {.data = text, .len = 100, .tcp_flags = ACK, .pkt_flags = PKT_VIRTUAL};
	segments_send(&t, &in, &out); // is frame 1, its fragments are made 2 and 3
	expect_view(0, 100, false, false);
	struct origin a = stream_origin(&t.w, &t.f, 0, 3, 1), b = stream_origin(&t.w, &t.f, 0, 4, 10);
	assert_int_equal(a.frame, 2);
	assert_int_equal(a.off, SEGMENTS_PAYLOAD + 3);
	assert_int_equal(b.frame, 3);
	assert_int_equal(b.off, SEGMENTS_L4);
	assert_int_equal(b.len, 10);
}

static void no_copy(void **state)
{
	for (uint32_t at = 0; at < 40000; at += 1000) {
		give(at, 1000);
		consume(1000);
	}
	give(1000, 1000);
	assert_int_equal(out.reason, REASON_STREAM_NO_COPY);
	give(39000, 1000);
	assert_int_equal(out.reason, 0);
	ack(20000);
	give(1000, 1000);
	assert_int_equal(out.reason, 0);
}

static void gap_by_segments(void **state)
{
	give(0, 10);
	for (uint32_t i = 0; i <= 257; i++)
		give(20 + i, 1);
	assert_int_equal(t.w.counters[COUNTER_STREAM_GAP], 1);
	assert_int_equal(t.w.anomalies[ANOMALY_STREAM_GAP], 1);
	assert_true(t.f.flags & FLOW_GAP);
	assert_true(out.flags & PKT_HAS_DATA);
	expect_view(0, 10, true, false);
	consume(10);
	expect_view(20, 278, false, true);
	consume(1);
	expect_view(21, 278, false, false);
	give(10, 10); // comes after all: no evidence, passes
	assert_int_equal(out.reason, 0);
	expect_view(21, 278, false, false);
}

static void gap_by_budget(void **state)
{
	stream_need(&t.w, &t.f, 0, 1);
	for (uint32_t at = 1000; at < 68000; at += 1000)
		give(at, 1000);
	assert_int_equal(t.w.counters[COUNTER_STREAM_BUDGET], 1);
	expect_view(1000, 68000, false, true);
}

// A parser that never consumes is told the end, then goes on behind it.
static void budget_without_hole(void **state)
{
	for (uint32_t at = 0; at < 70000; at += 1000)
		give(at, 1000);
	struct stream_view v;
	assert_true(stream_view(&t.w, &t.f, 0, &v));
	assert_true(v.end);
	consume(v.len);
	give(70000, 10);
	assert_true(stream_view(&t.w, &t.f, 0, &v));
	assert_true(v.after_gap);
	assert_int_equal(v.offset + v.len, 70010);
}

static void snap_cut(void **state)
{
	struct segment_in in = {.at = 0, .data = text, .len = 1000, .cut = 900, .tcp_flags = ACK};
	segments_send(&t, &in, &out);
	expect_view(0, 100, true, false);
	consume(100);
	expect_nothing();
	give(1000, 50);
	expect_view(1000, 1050, false, true);
}

static void skipped(void **state)
{
	give(0, 100);
	consume(10);
	stream_skip(&t.w, &t.f, 0, 5000);
	expect_nothing();
	give(100, 1000);
	assert_false(out.flags & PKT_HAS_DATA);
	give(4000, 2000); // a body segment is missing: no gap
	expect_view(5010, 6000, false, false);
	assert_int_equal(t.w.counters[COUNTER_STREAM_GAP], 0);
	uint8_t other[100] = {0};
	give_from(other, 200, 100);
	assert_false(out.flags & PKT_REWRITTEN);
	give_from(other, 0, 10); // the head is evidence
	assert_true(out.flags & PKT_REWRITTEN);
}

static void stopped(void **state)
{
	give(0, 100);
	consume(40);
	stream_stop(&t.w, &t.f, 0);
	stream_stop(&t.w, &t.f, 1);
	expect_nothing();
	uint8_t other[100] = {0};
	give_from(other, 0, 100);
	assert_true(out.flags & PKT_REWRITTEN);
	assert_memory_equal(out.data, text, 40);
	assert_memory_equal(out.data + 40, other + 40, 60);
	assert_false(t.f.flags & FLOW_PASSED);
	ack(100);
	assert_true(t.f.flags & FLOW_PASSED);
	assert_true(t.f.flags & FLOW_PASSED << 1);
}

static void fin(void **state)
{
	struct segment_in in = {.at = 100, .data = text + 100, .len = 50, .tcp_flags = FIN};
	segments_send(&t, &in, &out); // before its data
	expect_nothing();
	give(0, 100);
	expect_view(0, 150, true, false);
	give(150, 10);
	expect_view(0, 150, true, false);
}

static void no_evidence(void **state)
{
	struct segment_in in = {.at = 0, .data = "GET", .len = 3, .tcp_flags = ACK, .pkt_flags = PKT_NO_EVIDENCE};
	give(0, 2);
	segments_send(&t, &in, &out);
	assert_memory_equal(out.data, text, 2);
	expect_view(0, 2, false, false);
}

static void flush(void **state)
{
	give(0, 10);
	give(20, 10);
	give(40, 10);
	expect_view(0, 10, false, false);
	assert_true(stream_flush(&t.w, &t.f, 0));
	expect_view(0, 10, true, false);
	consume(10);
	expect_view(20, 30, false, true);
	assert_true(stream_flush(&t.w, &t.f, 0));
	consume(10);
	expect_view(40, 50, false, true);
	assert_false(stream_flush(&t.w, &t.f, 0));
}

static void urgent(void **state)
{
	struct segment_in in = {.data = text, .len = 50, .tcp_flags = ACK | RTE_TCP_URG_FLAG, .urgent = 7};
	segments_send(&t, &in, &out);
	assert_int_equal(t.w.anomalies[ANOMALY_STREAM_URGENT], 1);
	expect_view(0, 50, false, false);
}

// What is acknowledged up to its last byte but one is still compared.
static void acked_but_one(void **state)
{
	uint8_t other = text[99] + 1;
	give(0, 100);
	consume(100);
	ack(99);
	give_from(&other, 99, 1);
	assert_true(out.flags & PKT_REWRITTEN);
	assert_int_equal(out.data[0], text[99]);
}

static void live(void **state)
{
	struct segment_in rst = {.at = 21, .tcp_flags = RST};
	struct segment_in hello = {.dir = 1, .data = "hello", .len = 5, .tcp_flags = ACK};
	struct stream_view v;
	t.config.live = true;
	segments_send(&t, &hello, &out);
	give(10, 10);
	t.w.now_ns += 1000000000;
	give(20, 1);
	expect_nothing();
	t.w.now_ns++;
	give(20, 1); // a second and some: given up
	expect_view(10, 21, false, true);
	assert_true(stream_view(&t.w, &t.f, 1, &v));
	assert_false(v.end);
	segments_send(&t, &rst, &out);
	expect_view(10, 21, true, true);
	assert_true(stream_view(&t.w, &t.f, 1, &v));
	assert_true(v.end);
}

// The SYN was not seen: the peer's ACK says where the direction begins.
static void asked(void **state)
{
	struct segment_in hello = {.dir = 1, .data = "hello", .len = 5, .tcp_flags = ACK};
	t.f.side[0].flags = SIDE_SEEN;
	segments_send(&t, &hello, &out);
	give(100, 50);
	expect_nothing();
	give(0, 100);
	expect_view(0, 150, false, false);
}

// The SYN is of an older attempt.
static void stale_syn(void **state)
{
	struct segment_in hello = {.dir = 1, .data = "hello", .len = 5, .tcp_flags = ACK};
	t.f.side[0].isn -= 1u << 30;
	segments_send(&t, &hello, &out);
	give(0, 100);
	expect_view(0, 100, false, false);
}

// Picked up in its middle, at byte `at`.
static void picked_up(uint32_t at)
{
	t.f.side[0].flags = SIDE_SEEN;
	t.f.flags |= FLOW_MIDSTREAM;
	give(at, 100);
	give(at + 100, 100);
	struct stream_view v;
	assert_true(stream_view(&t.w, &t.f, 0, &v));
	assert_int_equal(v.offset, 0);
	assert_memory_equal(v.data, text + at, 200);
}

// Nobody knows where it begins until a parser has it: earlier bytes are read, with all that was thought of no protocol.
static void midstream(void **state)
{
	picked_up(500);
	consume(150);
	give(400, 100);
	struct stream_view v;
	assert_true(stream_view(&t.w, &t.f, 0, &v));
	assert_int_equal(v.offset, 0);
	assert_int_equal(v.len, 300);
	assert_memory_equal(v.data, text + 400, 300);
	consume(300);
	give(0, 100); // with a hole behind, which is no loss
	expect_view(0, 100, false, false);
	consume(100);
	for (unsigned i = 0; i <= STREAM_BEGIN_SEGMENTS; i++)
		give(700 + 100 * i, 100);
	assert_true(stream_view(&t.w, &t.f, 0, &v));
	assert_int_equal(v.offset, 400);
	assert_int_equal(v.len, 400 + 100 * STREAM_BEGIN_SEGMENTS);
	assert_memory_equal(v.data, text + 400, v.len);
	assert_true(v.after_gap);
	assert_int_equal(t.w.counters[COUNTER_STREAM_GAP], 0);
	assert_false(t.f.flags & FLOW_GAP);
}

// Earlier bytes that cannot be read any more are a gap; those that the peer has are old.
static void midstream_late(void **state)
{
	picked_up(STREAM_BACK_MAX + 500);
	give(400, 100); // further back than any beginning
	assert_int_equal(out.reason, 0);
	assert_int_equal(t.w.counters[COUNTER_STREAM_GAP], 1);
	assert_true(t.f.flags & FLOW_GAP);
}

static void midstream_old(void **state)
{
	picked_up(500);
	ack(600);
	give(400, 100);
	struct stream_view v;
	assert_true(stream_view(&t.w, &t.f, 0, &v));
	assert_int_equal(v.len, 200);
	assert_int_equal(t.w.counters[COUNTER_STREAM_GAP], 0);
}

// An end without data says nothing of where the bytes begin that it follows.
static void midstream_end(void **state)
{
	struct segment_in hello = {.dir = 1, .data = "hello", .len = 5}, fin = {.at = 300, .tcp_flags = FIN};
	t.f.side[0].flags = SIDE_SEEN;
	t.f.flags |= FLOW_MIDSTREAM;
	segments_send(&t, &hello, &out);
	segments_send(&t, &fin, &out);
	give(0, 300);
	expect_view(0, 300, false, false);
}

static void pool_empty(void **state)
{
	segments_close(&t);
	segments_open(&t, 0, 0, 4);
	for (uint32_t at = 0; at < 60000; at += 1000) {
		give(at, 1000);
		assert_int_equal(out.reason, 0);
	}
	assert_true(t.w.counters[COUNTER_STREAM_POOL_EMPTY] > 0);
	struct stream_view v;
	assert_true(stream_view(&t.w, &t.f, 0, &v));
	assert_true(v.end);
	assert_memory_equal(v.data, text, v.len);
	consume(v.len);
	ack(60000);
	give(60000, 100);
	expect_view(60000, 60100, false, true);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, open_plain, close_plain)
	const struct CMUnitTest tests[] = {
		T(in_order),
		T(out_of_order),
		T(one_byte_segments),
		T(need),
		T(overlap_equal),
		T(overlap_different),
		T(fragmented_rewrite),
		T(fragmented_origin),
		T(no_copy),
		T(gap_by_segments),
		T(gap_by_budget),
		T(budget_without_hole),
		T(snap_cut),
		T(skipped),
		T(stopped),
		T(fin),
		T(no_evidence),
		T(flush),
		T(urgent),
		T(pool_empty),
		T(asked),
		T(acked_but_one),
		T(live),
		T(stale_syn),
		T(midstream),
		T(midstream_late),
		T(midstream_old),
		T(midstream_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
