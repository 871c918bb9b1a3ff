// SPDX-License-Identifier: BSD-3-Clause
//
// The compiled rule set says what the naive interpreter says, on random policies and partial facts.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../poison.h"
#include "differ.h"

// Of all: whether a small policy's second database is there still depends on when the thread that rebuilds has run.
static uint64_t pieces;

static void agree(uint64_t cases, uint64_t seed, uint32_t rules, uint32_t facts)
{
	struct differ_counts c = differ(cases, seed, rules, facts);
	assert_int_equal(c.differences, 0);
	assert_true(c.cases >= cases);
	assert_true(c.open > 0 && c.early > 0 && c.decided > 0 && c.fired > 0);
	pieces += c.pieces;
}

static void test_small(void **state)
{
	agree(rounds(200000), 1, 6, 400);
}

static void test_middling(void **state)
{
	agree(rounds(100000), 2, 40, 1000);
}

static void test_many(void **state)
{
	agree(rounds(10000), 3, 400, 1000);
	assert_true(pieces > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_small), cmocka_unit_test(test_middling),
					   cmocka_unit_test(test_many)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
