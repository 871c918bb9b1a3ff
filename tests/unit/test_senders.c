// SPDX-License-Identifier: BSD-3-Clause
//
// Who offloads: all wrong, not some; asked once; bounded.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/senders.h"

static const uint8_t a[16] = {10, 0, 0, 1}, b[16] = {10, 0, 0, 2}, c[16] = {0x20, 1, [15] = 1};

static void test_all_wrong(void **state)
{
	struct senders *s = senders_new(64, 1);
	struct sender found;
	uint32_t i = 0;
	senders_note(s, 4, a, 6, false);
	senders_note(s, 4, a, 6, false);
	senders_note(s, 4, b, 6, false);
	senders_note(s, 4, b, 6, true);
	senders_note(s, 4, b, 17, false);
	senders_note(s, 6, c, 6, true);
	assert_true(senders_offload(s, 4, a, 6));
	assert_false(senders_offload(s, 4, a, 17)); // a protocol for itself
	assert_false(senders_offload(s, 4, b, 6));
	assert_true(senders_offload(s, 4, b, 17));
	assert_false(senders_offload(s, 6, c, 6));
	assert_false(senders_offload(s, 6, a, 6));
	assert_true(senders_next(s, &i, &found));
	assert_true(senders_next(s, &i, &found));
	assert_false(senders_next(s, &i, &found));
	senders_clear(s);
	assert_false(senders_offload(s, 4, a, 6));
	senders_free(s);
}

// A sender whose data was cut anew: its ACKs are judged apart, and named where they are alone.
static void test_kinds(void **state)
{
	struct senders *s = senders_new(64, 1);
	struct sender found;
	uint32_t i = 0;
	senders_note(s, 4, a, 6, true);
	senders_note(s, 4, a, SENDERS_TCP_EMPTY, false);
	senders_note(s, 4, b, 6, false);
	senders_note(s, 4, b, SENDERS_TCP_EMPTY, false);
	assert_false(senders_offload(s, 4, a, 6));
	assert_true(senders_offload(s, 4, a, SENDERS_TCP_EMPTY));
	unsigned empty = 0, n = 0;
	for (; senders_next(s, &i, &found); n++)
		empty += found.proto == SENDERS_TCP_EMPTY;
	assert_int_equal(n, 2);
	assert_int_equal(empty, 1);
	senders_free(s);
}

struct lesson {
	struct senders *s;
	unsigned times;
};

static void learn(void *arg)
{
	struct lesson *l = arg;
	l->times++;
	senders_note(l->s, 4, a, 6, false);
}

static void test_learn_when_asked(void **state)
{
	struct lesson l = {senders_new(64, 1), 0};
	senders_learn(l.s, learn, &l);
	assert_int_equal(l.times, 0);
	assert_true(senders_offload(l.s, 4, a, 6));
	assert_false(senders_offload(l.s, 4, b, 6));
	assert_int_equal(l.times, 1);
	senders_clear(l.s);
	assert_true(senders_offload(l.s, 4, a, 6));
	assert_int_equal(l.times, 2);
	senders_free(l.s);
}

static void test_full(void **state)
{
	struct senders *s = senders_new(64, 7);
	struct sender found;
	uint32_t known = 0, cursor = 0;
	for (uint32_t i = 0; i < 10000; i++) {
		uint8_t addr[16] = {0};
		memcpy(addr, &i, 4);
		senders_note(s, 4, addr, 6, false);
	}
	while (senders_next(s, &cursor, &found))
		known++;
	assert_true(known > 32 && known <= 64);
	senders_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_wrong), cmocka_unit_test(test_kinds),
					   cmocka_unit_test(test_learn_when_asked), cmocka_unit_test(test_full)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
