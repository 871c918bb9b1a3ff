// SPDX-License-Identifier: BSD-3-Clause
//
// Copies for rules that mirror, as the worker hands them over: which frames, in which order, as they came, and within
// which bounds. What is written of them is tests/replay/mirror_test.py's.
#include "judged_fixture.h"

#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "path/mirror.h"

#define COPIES 64 // the ring has one less

static struct judged_policy policy;
static struct mirrored got[COPIES];
static unsigned ngot;

static void open_world(const char *text, uint32_t before)
{
	world_defaults();
	config.policy_fields = UINT64_MAX;
	config.payload_depth = 8192;
	config.policy_acts = config.copies = true;
	config.before = before;
	world_open();
	worker->giants = NULL;
	worker->copies = rte_ring_create_elem("copies", sizeof(struct mirrored), COPIES, SOCKET_ID_ANY, 0);
	assert_non_null(worker->copies);
	judged_load(&policy, text, 1);
	judge_use(worker, policy.judge);
	assert_true(worker->mirrors);
	ngot = 0;
}

static void let_go(void)
{
	for (unsigned i = 0; i < ngot; i++)
		rte_pktmbuf_free(got[i].m);
	ngot = 0;
}

static void take(void)
{
	let_go();
	ngot = rte_ring_sc_dequeue_burst_elem(worker->copies, got, sizeof(got[0]), COPIES, NULL);
}

static void close_world(void)
{
	let_go();
	path_drain(worker);
	take();
	let_go();
	judge_use(worker, NULL);
	judged_unload(&policy);
	rte_ring_free(worker->copies);
	worker->giants = worker->frames;
	world_close();
}

static void datagram(uint16_t sport, const char *data)
{
	judged_frame(&(struct shape){.src = 1,
				     .dst = 2,
				     .sport = sport,
				     .dport = 9,
				     .proto = IPPROTO_UDP,
				     .data = data,
				     .len = (uint32_t)strlen(data)});
}

#define EVIL "\"when\":{\"payload\":{\"contains\":\"EVIL\"}}"

static void full_ring_loses_and_counts(void **state)
{
	open_world("{\"rules\":[{\"id\":\"m\",\"action\":\"mirror\",\"sink\":\"s\"}]}", 0);
	for (unsigned i = 0; i < COPIES + 9; i++)
		datagram(1000, "x");
	assert_int_equal(worker->counters[COUNTER_MIRROR_COPIES], COPIES - 1);
	assert_int_equal(worker->counters[COUNTER_MIRROR_LOST], 10);
	assert_int_equal(worker->tx, COPIES + 9); // and nothing waits
	take();
	assert_int_equal(ngot, COPIES - 1);
	for (unsigned i = 0; i < ngot; i++)
		assert_int_equal(got[i].order, i + 1);
	close_world();
}

static void earlier_frames_come_first(void **state)
{
	open_world("{\"rules\":[{\"id\":\"m\",\"action\":\"mirror\",\"sink\":\"s\",\"before\":3," EVIL "}]}", 16);
	for (unsigned i = 0; i < 8; i++)
		datagram((uint16_t)(1000 + i % 2), "x");
	take();
	assert_int_equal(ngot, 0);
	datagram(1000, "an EVIL word"); // 9th; those before it on its flow: 7, 5, 3, 1
	datagram(1000, "x");
	take();
	static const uint64_t frames[] = {3, 5, 7, 9, 10};
	assert_int_equal(ngot, 5);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(pkt_of(got[i].m)->frame, frames[i]);
		assert_int_equal(got[i].order, i < 4 ? 9 : 10);
		assert_int_equal((got[i].flags & MIRRORED_BEFORE) != 0, i < 3);
	}
	assert_int_equal(worker->counters[COUNTER_MIRROR_SHORT], 0);
	close_world();
}

static void looks_back_no_further_than_said(void **state)
{
	open_world("{\"rules\":[{\"id\":\"m\",\"action\":\"mirror\",\"sink\":\"s\",\"before\":9," EVIL "}]}", 16);
	uint32_t most = mirror_frames(&config);
	datagram(1000, "x");
	for (unsigned i = 0; i < 1000; i++)
		datagram((uint16_t)(2000 + i % 50), "x");
	assert_in_range(rte_mempool_in_use_count(world_pool), 1, most); // what is remembered, and no more
	datagram(1000, "x");
	datagram(1000, "EVIL");
	take();
	assert_int_equal(ngot, 2);
	assert_int_equal(worker->counters[COUNTER_MIRROR_SHORT], 1);
	path_drain(worker);
	let_go();
	assert_int_equal(rte_mempool_in_use_count(world_pool), 0);
	close_world();
}

static void nothing_is_remembered_unasked(void **state)
{
	open_world("{\"rules\":[{\"id\":\"m\",\"action\":\"mirror\",\"sink\":\"s\"," EVIL "}]}", 0);
	for (unsigned i = 0; i < 40; i++)
		datagram(1000, "x");
	assert_int_equal(rte_mempool_in_use_count(world_pool), 0);
	close_world();
}

// A frame that leaves changed is copied as it came; all others are the very frames.
static void changed_are_copied_as_they_came(void **state)
{
	open_world("{\"rules\":[{\"id\":\"m\",\"action\":\"mirror\",\"sink\":\"s\"}]}", 0);
	struct shape s = {.src = 1, .dst = 2, .sport = 1000, .dport = 9, .proto = IPPROTO_TCP, .win = 60000};
	struct shape r = {.src = 2, .dst = 1, .sport = 9, .dport = 1000, .proto = IPPROTO_TCP, .win = 60000};
	s.seq = 1000, s.flags = 2, s.data = "";
	judged_frame(&s);
	r.seq = 5000, r.ack = 1001, r.flags = 0x12, r.data = "";
	judged_frame(&r);
	s.seq = 1001, s.ack = 5001, s.flags = 0x18, s.data = "GET / HT", s.len = 8;
	judged_frame(&s);
	s.data = "GET /xHT";
	judged_frame(&s);
	take();
	assert_int_equal(ngot, 4);
	assert_int_equal(worker->counters[COUNTER_STREAM_REWRITTEN], 1);
	assert_memory_equal(pkt_data(got[3].m) + 54, "GET /xHT", 8);
	assert_int_equal(pkt_of(got[3].m)->frame, 4);
	close_world();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_ring_loses_and_counts),      cmocka_unit_test(earlier_frames_come_first),
		cmocka_unit_test(looks_back_no_further_than_said), cmocka_unit_test(nothing_is_remembered_unasked),
		cmocka_unit_test(changed_are_copied_as_they_came),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
