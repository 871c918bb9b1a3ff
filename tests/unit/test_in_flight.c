// SPDX-License-Identifier: BSD-3-Clause
//
// What is on its way: the cursor goes behind what arrived without a hole; what arrived behind one does not go twice.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ship/in_flight.h"

static void the_prefix_passes(void **state)
{
	struct in_flight f;
	assert_int_equal(in_flight_init(&f, 8), 0);
	uint32_t s[8];
	for (unsigned i = 0; i < 8; i++)
		s[i] = in_flight_add(&f, 10 + i);
	assert_true(in_flight_full(&f));
	in_flight_arrived(&f, s[1]);
	assert_int_equal(in_flight_passed(&f), 0);
	in_flight_arrived(&f, s[0]);
	assert_int_equal(in_flight_passed(&f), 11);
	assert_int_equal(in_flight_passed(&f), 0);
	in_flight_join(&f, s[2], s[4]); // one message of three records
	in_flight_join(&f, s[4], s[7]);
	in_flight_arrived(&f, s[2]);
	assert_int_equal(in_flight_passed(&f), 12);
	in_flight_arrived(&f, s[3]);
	assert_int_equal(in_flight_passed(&f), 14);
	in_flight_arrived(&f, s[6]);
	in_flight_arrived(&f, s[5]);
	assert_int_equal(in_flight_passed(&f), 17);
	assert_true(in_flight_empty(&f));
	in_flight_fini(&f);
}

static void what_arrived_goes_once(void **state)
{
	struct in_flight f;
	assert_int_equal(in_flight_init(&f, 8), 0);
	uint32_t s[6];
	for (unsigned i = 0; i < 6; i++)
		s[i] = in_flight_add(&f, 10 + i);
	in_flight_arrived(&f, s[2]);
	in_flight_arrived(&f, s[4]);
	in_flight_rewind(&f);
	assert_true(in_flight_empty(&f));
	// 11 was thinned away meanwhile, and so was 12, which had arrived
	assert_false(in_flight_had(&f, 10));
	uint32_t again = in_flight_add(&f, 10);
	assert_false(in_flight_had(&f, 13));
	in_flight_add(&f, 13);
	in_flight_rewind(&f); // once more, before all were met
	assert_false(in_flight_had(&f, 10));
	again = in_flight_add(&f, 10);
	assert_true(in_flight_had(&f, 14));
	assert_false(in_flight_had(&f, 15));
	in_flight_arrived(&f, again);
	assert_int_equal(in_flight_passed(&f), 14);
	in_flight_fini(&f);
}

// Any order of arrivals and rewinds: each end arrives once, the cursor ends behind all.
static void each_arrives_once(void **state)
{
	enum { N = 20000, ROOM = 64 };
	static unsigned arrived[N + 1];
	struct in_flight f;
	srand(1);
	assert_int_equal(in_flight_init(&f, ROOM), 0);
	uint64_t cursor = 0, next = 0;
	uint32_t waits[ROOM];
	uint64_t ends[ROOM];
	unsigned n = 0;
	while (cursor < N) {
		int what = rand() % 100;
		if (what == 0) {
			in_flight_rewind(&f);
			next = cursor;
			n = 0;
		} else if (what < 50 && next < N && !in_flight_full(&f)) {
			next++;
			if (!in_flight_had(&f, next)) {
				ends[n] = next;
				waits[n++] = in_flight_add(&f, next);
			}
		} else if (n) {
			unsigned i = (unsigned)rand() % n;
			in_flight_arrived(&f, waits[i]);
			arrived[ends[i]]++;
			waits[i] = waits[--n];
			ends[i] = ends[n];
		}
		uint64_t end = in_flight_passed(&f);
		cursor = end ? end : cursor;
	}
	for (unsigned i = 1; i <= N; i++)
		assert_int_equal(arrived[i], 1);
	in_flight_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(the_prefix_passes),
					   cmocka_unit_test(what_arrived_goes_once),
					   cmocka_unit_test(each_arrives_once)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
