// SPDX-License-Identifier: BSD-3-Clause
//
// Holding, by the corridor's back half under a policy: what waits, when it leaves, by which door.
#include "judged_fixture.h"

static struct judged_policy policy;
static uint16_t sport;
static uint32_t at; // of the client's next byte

static const char text[] = "{\"rules\":[{\"id\":\"r\",\"action\":\"deny\",\"when\":{\"host\":\"denied.example\"}}]}";

static int open_world(void **state)
{
	world_defaults();
	config.held = 64;
	config.hold_bytes = 4096;
	config.hold_ns = 10 * SECOND;
	world_open();
	judged_load(&policy, text, 1);
	judge_use(worker, policy.judge);
	return 0;
}

static int close_world(void **state)
{
	path_drain(worker);
	assert_int_equal(worker->held, 0);
	judged_unload(&policy);
	world_close();
	return 0;
}

static void give(unsigned dir, uint8_t flags, uint32_t seq, uint32_t ack, const char *data)
{
	judged_segment(sport, dir, flags, seq, ack, data);
}

static void connect_anew(void)
{
	sport++;
	at = 1001;
	give(0, 0x02, 1000, 0, "");
	give(1, 0x12, 5000, 1001, "");
	give(0, 0x10, 1001, 5001, "");
}

static void say(const char *data)
{
	give(0, 0x18, at, 5001, data);
	at += (uint32_t)strlen(data);
}

static void allowed_leaves_when_whole(void **state)
{
	connect_anew();
	uint64_t tx = worker->tx;
	say("GET / HTTP/1.1\r\nHo");
	assert_int_equal(worker->held, 1);
	assert_int_equal(worker->tx, tx);
	give(0, 0x18, 1001, 5001, "GET / "); // again, while it waits
	assert_int_equal(worker->drops[REASON_STREAM_DUPLICATE], 1);
	say("st: allowed.example\r\n\r\n");
	assert_int_equal(worker->held, 0);
	assert_int_equal(worker->tx, tx + 2);
	give(0, 0x18, 1001, 5001, "GET / "); // again, after it left
	assert_int_equal(worker->tx, tx + 3);
}

static void denied_never_leaves(void **state)
{
	connect_anew();
	uint64_t tx = worker->tx, own = worker->own;
	say("GET / HTTP/1.1\r\nHo");
	say("st: denied.example\r\n\r\n");
	assert_int_equal(worker->held, 0);
	assert_int_equal(worker->drops[REASON_POLICY_DENY], 2);
	assert_int_equal(worker->tx - tx, worker->own - own);
}

static void time_ends_it(void **state)
{
	connect_anew();
	uint64_t tx = worker->tx, exceeded = worker->counters[COUNTER_HOLD_EXCEEDED];
	say("GET / HTTP/1.1\r\nHo");
	clock_ns += 9 * SECOND;
	while (path_age(worker, clock_ns, frame_number))
		;
	assert_int_equal(worker->held, 1);
	clock_ns += 2 * SECOND;
	while (path_age(worker, clock_ns, frame_number))
		;
	assert_int_equal(worker->held, 0);
	assert_int_equal(worker->tx, tx + 1);
	assert_int_equal(worker->counters[COUNTER_HOLD_EXCEEDED], exceeded + 1);
	say("st: denied.example\r\n\r\n"); // still judged when it is whole
	assert_true(worker->drops[REASON_POLICY_DENY] > 0);
}

static void wait(uint64_t ns)
{
	clock_ns += ns;
	while (path_age(worker, clock_ns, frame_number))
		;
}

// What a part shows already is not absent.
static void part_is_denied(void **state)
{
	connect_anew();
	uint64_t exceeded = worker->counters[COUNTER_HOLD_EXCEEDED], denied = worker->drops[REASON_POLICY_DENY];
	say("GET / HTTP/1.1\r\nHost: denied.example\r\nX: ");
	wait(11 * SECOND);
	assert_int_equal(worker->held, 0);
	assert_int_equal(worker->drops[REASON_POLICY_DENY], denied + 1);
	assert_int_equal(worker->counters[COUNTER_HOLD_EXCEEDED], exceeded);
	assert_int_equal(worker->own, 2); // both ends hear of it
	uint64_t tx = worker->tx, own = worker->own;
	say("y\r\n\r\n");
	assert_int_equal(worker->tx - tx, worker->own - own);
}

// A part that nobody denies leaves no trace: what is whole later is the flow's first transaction.
static void part_is_forgotten(void **state)
{
	connect_anew();
	uint64_t tx = worker->tx, said = worker->anomalies[ANOMALY_HTTP_AMBIGUOUS];
	say("GET /\t/ HTTP/1.1\r\nHost: denied.example"); // half a name is none
	wait(11 * SECOND);
	assert_int_equal(worker->tx, tx + 1);
	assert_int_equal(worker->anomalies[ANOMALY_HTTP_AMBIGUOUS], said);
	say(".org\r\n");
	assert_int_equal(worker->tx, tx + 2);
	say("\r\n");
	assert_int_equal(worker->tx, tx + 3);
	assert_int_equal(worker->anomalies[ANOMALY_HTTP_AMBIGUOUS], said + 1);
	say("GET / HTTP/1.1\r\nHost: denied.example\r\n\r\n"); // and then it is held again
	assert_int_equal(worker->drops[REASON_POLICY_DENY] > 0, true);
}

// What comes after it went on is looked at, too.
static void part_grows(void **state)
{
	connect_anew();
	say("GET / HTTP/1.1\r\nHost: den");
	wait(11 * SECOND);
	uint64_t tx = worker->tx, denied = worker->drops[REASON_POLICY_DENY];
	say("ied.example");
	assert_int_equal(worker->tx, tx + 1);
	uint64_t own = worker->own;
	say("\r\nX: y");
	assert_int_equal(worker->drops[REASON_POLICY_DENY], denied + 1);
	assert_int_equal(worker->tx - tx - 1, worker->own - own);
}

// HTTP/0.9's request ends with its line, and a silence tells that it does.
static void line_alone(void **state)
{
	connect_anew();
	uint64_t tx = worker->tx, denied = worker->drops[REASON_POLICY_DENY];
	say("GET http://allowed.example/\r\n");
	assert_int_equal(worker->held, 1);
	wait(SECOND / 4);
	assert_int_equal(worker->held, 0);
	assert_int_equal(worker->tx, tx + 1);
	say("Host: denied.example\r\n\r\n"); // no such request was judged
	assert_int_equal(worker->drops[REASON_HTTP_AMBIGUOUS], 1);
	connect_anew();
	say("GET http://denied.example/\n");
	wait(SECOND / 4);
	assert_int_equal(worker->drops[REASON_POLICY_DENY], denied + 1);
	connect_anew();
	tx = worker->tx;
	say("GET http://allowed.example/ HTTP/1.1\r\n");
	wait(SECOND / 4);
	assert_int_equal(worker->tx, tx);
	say("\r\n");
	assert_int_equal(worker->tx, tx + 2);
}

static void bytes_end_it(void **state)
{
	static char much[1200];
	memset(much, 'x', sizeof(much) - 1);
	connect_anew();
	uint64_t exceeded = worker->counters[COUNTER_HOLD_EXCEEDED];
	say("GET / HTTP/1.1\r\nX: ");
	for (unsigned i = 0; i < 4; i++)
		say(much);
	assert_int_equal(worker->counters[COUNTER_HOLD_EXCEEDED], exceeded + 1);
	assert_int_equal(worker->held, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(allowed_leaves_when_whole, open_world, close_world),
		cmocka_unit_test_setup_teardown(denied_never_leaves, open_world, close_world),
		cmocka_unit_test_setup_teardown(time_ends_it, open_world, close_world),
		cmocka_unit_test_setup_teardown(part_is_denied, open_world, close_world),
		cmocka_unit_test_setup_teardown(part_is_forgotten, open_world, close_world),
		cmocka_unit_test_setup_teardown(part_grows, open_world, close_world),
		cmocka_unit_test_setup_teardown(line_alone, open_world, close_world),
		cmocka_unit_test_setup_teardown(bytes_end_it, open_world, close_world),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
