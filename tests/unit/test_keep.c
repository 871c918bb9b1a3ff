// SPDX-License-Identifier: BSD-3-Clause
//
// Kept facts: the arena against a model that remembers all; and live flows that are judged again a few at a time, while
// packets come.
#include "judged_fixture.h"

#include "path/judge_in.h"

#define FLOWS 512

static void open_arena(uint32_t bytes)
{
	world_defaults();
	config.kept_bytes = bytes;
	config.policy_fields = 1ull << FIELD_HOST | 1ull << FIELD_HTTP_URI;
	world_open();
}

static void record_of(struct record *r, uint32_t tx_id, const char *host, uint32_t uri_len)
{
	static const uint8_t uri[FACT_VALUE_MAX];
	memset(r, 0, sizeof(*r));
	r->len = sizeof(*r);
	r->kind = RECORD_HTTP;
	r->app = APP_HTTP;
	r->tx_id = tx_id;
	record_add(r, RECORD_MAX, FACT_HTTP_REFERER, "nobody asks", 11, (struct origin){0});
	record_add(r, RECORD_MAX, FACT_HOST, host, (uint32_t)strlen(host), (struct origin){7, 8, 9});
	record_add(r, RECORD_MAX, FACT_HTTP_URI, uri, uri_len, (struct origin){0});
}

static void arena_keeps_what_was_last(void **state)
{
	static _Alignas(64) uint8_t room[RECORD_MAX];
	static uint32_t last[FLOWS], uri[FLOWS]; // the number in its last name, + 1
	struct record *r = (struct record *)room;
	struct keep_sums s;
	uint32_t random = 1, headers, lost = 0, found = 0;
	char name[32];
	open_arena(16384);
	memset(last, 0, sizeof(last));
	for (uint32_t i = 1; i < 200000; i++) {
		random = random * 1664525 + 1013904223;
		uint32_t flow = random >> 8 & (FLOWS - 1), len = random % 97 ? random >> 24 : 4000;
		if (random % 11 == 0) {
			keep_forget(worker, flow);
			last[flow] = 0;
		} else {
			snprintf(name, sizeof(name), "n%u.test", i);
			record_of(r, i, name, len);
			keep_record(worker, flow, r, i);
			last[flow] = i;
			uri[flow] = len;
		}
		flow = random >> 3 & (FLOWS - 1);
		const struct record *have = keep_read(worker, flow, &headers);
		const struct kept *k = keep_of(worker->judge->keep, flow);
		if (!have) {
			assert_int_equal(k->at, last[flow] ? KEPT_EVICTED : KEPT_NOTHING);
			lost += last[flow] > 0;
			continue;
		}
		found++;
		assert_int_equal(have->nfacts, 2);
		assert_int_equal(have->kind, RECORD_HTTP);
		assert_int_equal(headers, last[flow]);
		const struct fact *f = record_first(have);
		snprintf(name, sizeof(name), "n%u.test", last[flow]);
		assert_int_equal(f->field, FACT_HOST);
		assert_int_equal(f->len, strlen(name));
		assert_memory_equal(f->value, name, f->len);
		assert_int_equal(fact_next(f)->len, uri[flow]);
		keep_sums(worker, &s);
		assert_true(s.used <= s.bytes && s.most <= s.bytes && s.used <= s.most);
	}
	assert_true(lost > 1000 && found > 1000);
	assert_true(worker->counters[COUNTER_KEPT_EVICTED] > 1000);
	world_close();
}

static void the_oldest_gives_way(void **state)
{
	static _Alignas(64) uint8_t room[RECORD_MAX];
	struct record *r = (struct record *)room;
	uint32_t headers, n = 0;
	open_arena(1024);
	record_of(r, 1, "a.test", 20);
	while (!worker->counters[COUNTER_KEPT_EVICTED])
		keep_record(worker, n++, r, 0);
	assert_int_equal(keep_of(worker->judge->keep, 0)->at, KEPT_EVICTED);
	for (uint32_t i = 1; i < n; i++)
		assert_non_null(keep_read(worker, i, &headers));
	record_of(r, 1, "a.test", 4000); // more than there is: nobody gives way for it
	keep_record(worker, 1, r, 0);
	assert_int_equal(keep_of(worker->judge->keep, 1)->at, KEPT_EVICTED);
	assert_non_null(keep_read(worker, 2, &headers));
	record_of(r, 1, "a.test", 20);
	keep_ended(worker, 2, r, 5);
	assert_non_null(keep_read(worker, 2, &headers));
	assert_int_equal(headers, 5);
	r->tx_id = 9; // of a transaction before the last
	keep_ended(worker, 2, r, 6);
	assert_non_null(keep_read(worker, 2, &headers));
	assert_int_equal(headers, 5);
	world_close();
}

// ---- a few flows at a time ---------------------------------------------------------------------------------------

static struct judged_policy old, next;

static uint16_t give(uint16_t sport, unsigned dir, uint8_t flags, uint32_t seq, uint32_t ack, const char *data)
{
	uint64_t dropped = worker->drops[REASON_POLICY_DENY];
	clock_ns += 1000;
	judged_segment(sport, dir, flags, seq, ack, data);
	return worker->drops[REASON_POLICY_DENY] > dropped ? REASON_POLICY_DENY : REASON_NONE;
}

static uint32_t asked(uint16_t sport, const char *host)
{
	char text[128];
	uint32_t n = (uint32_t)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", host);
	give(sport, 0, 0x02, 1000, 0, "");
	give(sport, 1, 0x12, 5000, 1001, "");
	give(sport, 0, 0x10, 1001, 5001, "");
	give(sport, 0, 0x18, 1001, 5001, text);
	return 1001 + n;
}

static void a_few_at_a_time(void **state)
{
	static uint32_t seq[400];
	uint64_t denied = 0;
	open_arena(1 << 20);
	world_close();
	config.held = 64;
	config.hold_bytes = 4096;
	config.hold_ns = 10 * SECOND;
	config.streams = config.chunks = 1024;
	world_open();
	judged_load(&old, "{\"rules\":[{\"id\":\"x\",\"action\":\"deny\",\"when\":{\"host\":\"x.test\"}}]}", 1);
	judged_load(&next, "{\"rules\":[{\"id\":\"y\",\"action\":\"deny\",\"when\":{\"host\":\"odd.test\"}}]}", 2);
	judge_use(worker, old.judge);
	for (uint16_t i = 0; i < 400; i++)
		seq[i] = asked(1000 + i, i & 1 ? "odd.test" : "even.test");
	assert_int_equal(worker->drops[REASON_POLICY_DENY], 0);
	judge_swap(worker, next.judge);
	clock_ns += 1000;
	assert_true(worker->swapping);
	assert_false(judge_swap_some(worker, 10));
	// what has a packet is judged at once, wherever the rest has come to
	assert_int_equal(give(1399, 0, 0x10, seq[399], 5001, ""), REASON_POLICY_DENY);
	assert_int_equal(give(1398, 0, 0x10, seq[398], 5001, ""), REASON_NONE);
	assert_true(worker->swapping);
	// one that begins meanwhile is the new policy's
	asked(3000, "x.test");
	assert_int_equal(worker->drops[REASON_POLICY_DENY], 1);
	asked(3001, "odd.test");
	assert_int_equal(worker->drops[REASON_POLICY_DENY], 2);
	// one that ends meanwhile is judged before its record is written
	give(1397, 0, 0x04, seq[397], 0, "");
	unsigned bursts = 0;
	while (worker->swapping) {
		give(1398, 0, 0x10, seq[398], 5001, "");
		assert_true(++bursts < 400 / 64 + 2);
	}
	assert_true(judge_swap_some(worker, 1));
	judged_unload(&old); // nobody's any more
	for (uint16_t i = 0; i < 397; i++)
		denied += give(1000 + i, 0, 0x10, seq[i], 5001, "") == REASON_POLICY_DENY;
	assert_int_equal(denied, 198);
	assert_int_equal(next.judge->sums.rejudged[JUDGE_AGAIN_DENIED], 200);
	assert_int_equal(next.judge->sums.rejudged[JUDGE_AGAIN_SAME], 200);
	uint64_t rejudged = 0;
	for (const struct record *r; (r = next_record(RECORD_ANOMALY));)
		rejudged += r->anomaly == ANOMALY_POLICY_REJUDGED && r->policy == 2 && r->rule == 0;
	assert_int_equal(rejudged, 200);
	path_drain(worker);
	assert_int_equal(worker->held, 0);
	judged_unload(&next);
	world_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arena_keeps_what_was_last),
		cmocka_unit_test(the_oldest_gives_way),
		cmocka_unit_test(a_few_at_a_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
