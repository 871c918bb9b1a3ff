// SPDX-License-Identifier: BSD-3-Clause
//
// Which wrong segments are vouched for: what the golden cases csum_acknowledged and csum_inserted cannot show.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/senders.h"
#include "base/vouched.h"

enum { ACK = 0x10 };

static const uint8_t client[4] = {10, 0, 0, 1}, server[4] = {10, 0, 0, 2}, bytes[70000];

struct test {
	struct senders *senders;
	struct vouched *v;
};

static struct test begin(void)
{
	struct test t = {senders_new(64, 1), vouched_new(1)};
	senders_note(t.senders, 4, client, 6, true);
	senders_note(t.senders, 4, client, 6, false);
	return t;
}

static void end(struct test *t)
{
	vouched_free(t->v);
	senders_free(t->senders);
}

static struct vouched_segment data(uint32_t seq, uint32_t len, bool wrong, uint64_t time_ns)
{
	return (struct vouched_segment){.time_ns = time_ns,
					.src = client,
					.dst = server,
					.bytes = bytes,
					.seq = seq,
					.len = len,
					.sport_be = 1,
					.dport_be = 2,
					.version = 4,
					.flags = ACK,
					.wrong = wrong};
}

static struct vouched_segment ack(uint32_t number, uint64_t time_ns)
{
	return (struct vouched_segment){.time_ns = time_ns,
					.src = server,
					.dst = client,
					.ack = number,
					.sport_be = 2,
					.dport_be = 1,
					.version = 4,
					.flags = ACK};
}

// Both readings.
static void read_twice(struct test *t, const struct vouched_segment *s, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		vouched_note(t->v, &s[i]);
	vouched_settle(t->v, t->senders);
	for (unsigned i = 0; i < n; i++)
		vouched_note(t->v, &s[i]);
}

static void test_numbers_wrap(void **state)
{
	struct test t = begin();
	struct vouched_segment s[] = {data(UINT32_MAX - 9, 5, true, 1),
				      data(UINT32_MAX - 4, 5, false, 1),
				      data(0, 5, true, 2),
				      data(5, 20, true, 2),
				      data(24, 5, false, 2),
				      ack(200, 3)};
	assert_false(vouched_for(t.v, &s[0])); // nothing was read
	read_twice(&t, s, 6);
	assert_true(vouched_for(t.v, &s[0]));
	assert_true(vouched_for(t.v, &s[2]));
	assert_false(vouched_for(t.v, &s[3]));
	struct vouched_segment other = s[0];
	other.len = 4;
	assert_false(vouched_for(t.v, &other));
	other = s[0];
	other.tenant = 1;
	assert_false(vouched_for(t.v, &other));
	other = s[0];
	other.bytes = (const uint8_t *)"other";
	assert_false(vouched_for(t.v, &other));
	vouched_doubt(t.v);
	assert_false(vouched_for(t.v, &s[0]));
	vouched_clear(t.v);
	assert_false(vouched_for(t.v, &s[0]));
	read_twice(&t, s, 6);
	assert_true(vouched_for(t.v, &s[0]));
	end(&t);
}

static void test_offloaders_are_left_out(void **state)
{
	struct test t = begin();
	struct vouched_segment mine = data(1, 5, true, 1), theirs = ack(6, 2);
	theirs.wrong = true;
	theirs.len = 3;
	theirs.bytes = bytes;
	senders_note(t.senders, 4, server, 6, false); // all of the server's are wrong: its ACK counts nevertheless
	vouched_note(t.v, &mine);
	vouched_note(t.v, &theirs);
	assert_int_equal(vouched_settle(t.v, t.senders), 1);
	vouched_note(t.v, &mine);
	vouched_note(t.v, &theirs);
	assert_true(vouched_for(t.v, &mine));
	assert_false(vouched_for(t.v, &theirs));
	end(&t);
}

// Segments that overlap each other in every way: none of them counts, and those beside them do.
static void test_overlaps(void **state)
{
	struct test t = begin();
	struct vouched_segment s[] = {
		data(0, 10, true, 1),  data(10, 50, true, 1), data(15, 5, true, 1),  data(30, 5, true, 1),
		data(55, 10, true, 1), data(65, 10, true, 1), data(65, 10, true, 1), ack(75, 2)};
	read_twice(&t, s, 8);
	for (unsigned i = 0; i < 7; i++)
		assert_int_equal(vouched_for(t.v, &s[i]), i == 0 || i >= 5);
	end(&t);
}

// More than there is room for, each contradicted again and again: it ends, and soon.
static void test_full(void **state)
{
	enum { N = 300000 };
	struct test t = begin();
	for (uint32_t i = 0; i < N; i++) {
		struct vouched_segment s = data(i * 2, 1, true, 1);
		vouched_note(t.v, &s);
	}
	assert_true(vouched_settle(t.v, t.senders) < N);
	struct vouched_segment all = ack(N * 2, 2), first = data(0, 1, true, 1), last = data(N * 2 - 2, 1, true, 1);
	vouched_note(t.v, &all);
	assert_true(vouched_for(t.v, &first));
	assert_false(vouched_for(t.v, &last));
	for (uint32_t i = 0; i < N; i++) {
		struct vouched_segment s = data(i, 65535, false, 1);
		vouched_note(t.v, &s);
	}
	assert_false(vouched_for(t.v, &first));
	end(&t);
}

// More directions than slots.
static void test_many_directions(void **state)
{
	struct test t = begin();
	unsigned good = 0;
	for (unsigned pass = 0; pass < 2; pass++) {
		for (uint32_t i = 0; i < 100000; i++) {
			struct vouched_segment s = data(7, 3, true, 1), a = ack(10, 2);
			s.tenant = a.tenant = i;
			vouched_note(t.v, &s);
			vouched_note(t.v, &a);
		}
		if (pass == 0)
			vouched_settle(t.v, t.senders);
	}
	for (uint32_t i = 0; i < 100000; i++) {
		struct vouched_segment s = data(7, 3, true, 1);
		s.tenant = i;
		good += vouched_for(t.v, &s);
	}
	assert_true(good > 32768 && good <= 65536);
	end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers_wrap),    cmocka_unit_test(test_offloaders_are_left_out),
		cmocka_unit_test(test_overlaps),        cmocka_unit_test(test_full),
		cmocka_unit_test(test_many_directions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
