// SPDX-License-Identifier: BSD-3-Clause
//
// Buckets: what passes in any stretch of time is what the rate and the burst allow, no frame less.
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include <string.h>

#include "path/limit.h"

#define NS 1000000000ull
#define BEGIN (1700000000 * NS)

static uint64_t key(struct limits *l, const char *id, const char *value)
{
	return limits_key(l, (const uint8_t *)id, (uint32_t)strlen(id), (const uint8_t *)value,
			  (uint32_t)strlen(value));
}

static void packets(void **state)
{
	struct limits *l = limits_new(1);
	struct limit_rate r = {.packets = 100, .burst = 5};
	uint64_t k = key(l, "r", "10.0.0.1");
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(limits_take(l, k, &r, BEGIN, 1500, 1), i < 5);
	assert_false(limits_take(l, k, &r, BEGIN + NS / 100 - 1, 1500, 1));
	assert_true(limits_take(l, k, &r, BEGIN + NS / 100, 1500, 1));
	assert_false(limits_take(l, k, &r, BEGIN + NS / 100, 1500, 1));
	for (unsigned i = 0; i < 7; i++) // an hour later it is full, and no fuller
		assert_int_equal(limits_take(l, k, &r, BEGIN + 3600 * NS, 60, 1), i < 5);
	assert_false(limits_take(l, key(l, "s", ""), &r, BEGIN, 60, 6)); // a datagram in six fragments: all or none
	assert_true(limits_take(l, key(l, "s", ""), &r, BEGIN, 60, 5));
	limits_free(l);
}

// A sender faster than the rate gets the rate, to the frame; over a day, and at the largest rates.
static void bits(void **state)
{
	static const struct limit_rate rates[] = {{.bits = 8000, .burst = 1500},
						  {.bits = 999999937, .burst = 65536},
						  {.bits = 400000000000ull, .burst = 5000000000ull}};
	for (unsigned i = 0; i < 3; i++) {
		struct limits *l = limits_new(2);
		const struct limit_rate *r = &rates[i];
		uint64_t k = key(l, "r", "x"), gap = 1000 * 8 * NS / r->bits / 3 + 1, passed = 0, now = BEGIN;
		for (unsigned n = 0; n < 300000; n++, now += gap)
			passed += limits_take(l, k, r, now, 1000, 1) ? 1000 : 0;
		double most = (double)r->burst + (double)r->bits / 8 * (double)(now - BEGIN) / NS;
		double all = 300000000.0;
		assert_true((double)passed <= most + 1);
		assert_true((double)passed >= (most < all ? most : all) - 2000);
		limits_free(l);
	}
}

// One has no share in what another has; many more than there are buckets: each new one is full.
static void many(void **state)
{
	struct limits *l = limits_new(3);
	struct limit_rate r = {.packets = 1, .burst = 1};
	char value[16];
	for (unsigned i = 0; i < 200000; i++) {
		memset(value, 0, sizeof(value));
		memcpy(value, &i, sizeof(i));
		uint64_t k = limits_key(l, (const uint8_t *)"r", 1, (const uint8_t *)value, 4);
		assert_true(limits_take(l, k, &r, BEGIN + i, 60, 1));
		assert_false(limits_take(l, k, &r, BEGIN + i, 60, 1));
	}
	assert_true(key(l, "a", "bc") != key(l, "ab", "c"));
	limits_clear(l);
	limits_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(packets), cmocka_unit_test(bits), cmocka_unit_test(many)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
