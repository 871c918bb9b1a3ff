// SPDX-License-Identifier: BSD-3-Clause
//
// Digits, addresses, times and what may reach a terminal.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ship/text.h"

static unsigned utf8(const char *s, size_t len, uint32_t *c)
{
	return text_utf8((const uint8_t *)s, len, c);
}

static void utf8_takes_what_rfc_3629_allows(void **state)
{
	uint32_t c;
	assert_int_equal(utf8("a", 1, &c), 1);
	assert_int_equal(utf8("\xc3\xa9", 2, &c), 2);
	assert_int_equal(c, 0xe9);
	assert_int_equal(utf8("\xe2\x82\xac", 3, &c), 3);
	assert_int_equal(c, 0x20ac);
	assert_int_equal(utf8("\xf0\x9f\x98\x80", 4, &c), 4);
	assert_int_equal(c, 0x1f600);
	assert_int_equal(utf8("\xf4\x8f\xbf\xbf", 4, &c), 4);
	assert_int_equal(c, 0x10ffff);
}

static void utf8_refuses_the_rest(void **state)
{
	static const char *const bad[] = {
		"\x80",
		"\xbf",
		"\xc0\x80",
		"\xc1\xbf",
		"\xc3",
		"\xc3(",
		"\xe0\x80\x80",
		"\xed\xa0\x80",
		"\xe2\x82",
		"\xf0\x80\x80\x80",
		"\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80",
		"\xff",
		"\xfe\xbf\xbf",
	};
	uint32_t c;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(utf8(bad[i], strlen(bad[i]), &c), 0);
	assert_int_equal(utf8("\xe2\x82\xac", 2, &c), 0); // never past the end
	assert_int_equal(utf8("", 0, &c), 0);
}

static void numbers(void **state)
{
	static const uint64_t v[] = {0, 9, 10, 65535, 4294967296u, UINT64_MAX};
	char got[32], want[32];
	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		*text_u64(got, v[i]) = 0;
		snprintf(want, sizeof(want), "%lu", (unsigned long)v[i]);
		assert_string_equal(got, want);
	}
}

static void check_ip6(const uint8_t *a)
{
	char got[TEXT_IP_MAX], want[INET6_ADDRSTRLEN];
	uint8_t back[16];
	*text_ip(got, a, 6) = 0;
	assert_int_equal(inet_pton(AF_INET6, got, back), 1);
	assert_memory_equal(back, a, 16);
	inet_ntop(AF_INET6, a, want, sizeof(want));
	if (memcmp(a, (uint8_t[12]){0}, 12) != 0) // libc dots ::/96 too, RFC 5952 5 asks for known prefixes only
		assert_string_equal(got, want);
}

static void addresses(void **state)
{
	char got[TEXT_IP_MAX];
	*text_ip(got, (const uint8_t[]){192, 0, 2, 255}, 4) = 0;
	assert_string_equal(got, "192.0.2.255");
	static const char *const v6[] = {"::",
					 "::1",
					 "2001:db8::1",
					 "2001:db8:0:1:1:1:1:1",
					 "1::",
					 "fe80::1:0:0:1",
					 "1:0:0:2::3",
					 "1:2:3:4:5:6:7:8",
					 "0:1:2:3:4:5:6:7",
					 "1:2:3:4:5:6:7:0",
					 "::ffff:1.2.3.4",
					 "2001:0:0:1::1"};
	for (size_t i = 0; i < sizeof(v6) / sizeof(v6[0]); i++) {
		uint8_t a[16];
		assert_int_equal(inet_pton(AF_INET6, v6[i], a), 1);
		check_ip6(a);
	}
	srand(1);
	for (int n = 0; n < 20000; n++) {
		uint8_t a[16];
		for (int i = 0; i < 16; i++)
			a[i] = rand() % 3 ? 0 : (uint8_t)rand();
		check_ip6(a);
	}
}

static void times(void **state)
{
	struct text_clock c = {0};
	char got[40], want[40], date[24];
	*text_time(got, &c, 0) = 0;
	assert_string_equal(got, "1970-01-01T00:00:00.000000+0000");
	srand(2);
	for (int n = 0; n < 20000; n++) {
		uint64_t ns = ((uint64_t)(unsigned)rand() << 33) ^ (uint64_t)(unsigned)rand();
		time_t s = (time_t)(ns / 1000000000);
		struct tm tm;
		gmtime_r(&s, &tm);
		strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
		snprintf(want, sizeof(want), "%s.%06u+0000", date, (unsigned)(ns % 1000000000 / 1000));
		*text_time(got, &c, ns) = 0;
		assert_string_equal(got, want);
	}
}

static void harmful_is_what_acts_or_hides(void **state)
{
	static const uint32_t bad[] = {0, 7, 8, 0x1b, 0x7f, 0x85, 0x9b, 0xad, 0x200b, 0x202e, 0x2066, 0xfeff, 0xe0041};
	static const uint32_t good[] = {' ', 'a', '~', 0xa0, 0xe9, 0x20ac, 0x4e2d, 0x1f600};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_true(text_harmful(bad[i]));
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_false(text_harmful(good[i]));
	assert_int_equal(text_columns('a'), 1);
	assert_int_equal(text_columns(0x4e2d), 2);
	assert_int_equal(text_columns(0x301), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(utf8_takes_what_rfc_3629_allows),
		cmocka_unit_test(utf8_refuses_the_rest),
		cmocka_unit_test(numbers),
		cmocka_unit_test(addresses),
		cmocka_unit_test(times),
		cmocka_unit_test(harmful_is_what_acts_or_hides),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
