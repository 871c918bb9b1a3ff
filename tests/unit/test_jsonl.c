// SPDX-License-Identifier: BSD-3-Clause
//
// The JSON writer: form, escapes, and that no byte from the wire can break a line.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "ship/jsonl.h"

static char room[65536];

static struct jsonl fresh(size_t n)
{
	return (struct jsonl){.at = room, .end = room + n};
}

static const char *done(struct jsonl *j)
{
	assert_false(j->full);
	*j->at = 0;
	return room;
}

static void objects_and_arrays_nest(void **state)
{
	struct jsonl j = fresh(1000);
	jsonl_open(&j, '{');
	jsonl_member(&j, "a");
	jsonl_num(&j, 1);
	jsonl_member(&j, "b");
	jsonl_open(&j, '[');
	jsonl_text(&j, "x");
	jsonl_open(&j, '{');
	jsonl_close(&j, '}');
	jsonl_bool(&j, false);
	jsonl_open(&j, '[');
	jsonl_close(&j, ']');
	jsonl_close(&j, ']');
	jsonl_member(&j, "c");
	jsonl_hex(&j, (const uint8_t *)"\x01\xff", 2);
	jsonl_close(&j, '}');
	jsonl_end(&j);
	assert_string_equal(done(&j), "{\"a\":1,\"b\":[\"x\",{},false,[]],\"c\":\"01ff\"}\n");
}

static void expect(const char *in, size_t len, const char *want)
{
	struct jsonl j = fresh(1000);
	jsonl_bytes(&j, in, len);
	assert_string_equal(done(&j), want);
}
#define EXPECT(in, want) expect(in, sizeof(in) - 1, want)

static void bytes_are_escaped(void **state)
{
	EXPECT("", "\"\"");
	EXPECT("plain", "\"plain\"");
	EXPECT("a\"b\\c", "\"a\\\"b\\\\c\"");
	EXPECT("\n\x1b[31m\x7f\0", "\"\\u000a\\u001b[31m\\u007f\\u0000\"");
	EXPECT("\xff\xc3", "\"\\\\xff\\\\xc3\"");
	EXPECT("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
	EXPECT("\xc2\x9b", "\"\\u009b\"");
	EXPECT("\xe2\x80\xae", "\"\\u202e\"");
	EXPECT("\xf3\xa0\x81\x81", "\"\\udb40\\udc41\"");
}

static void lower_case_is_for_ascii_only(void **state)
{
	struct jsonl j = fresh(1000);
	jsonl_lower(&j, "WWW.Ex\xc3\x89.COM", 12);
	assert_string_equal(done(&j), "\"www.ex\xc3\x89.com\"");
}

static void any_bytes_make_valid_json(void **state)
{
	srand(3);
	for (int n = 0; n < 5000; n++) {
		uint8_t in[200];
		size_t len = (size_t)rand() % sizeof(in);
		for (size_t i = 0; i < len; i++)
			in[i] = (uint8_t)rand();
		struct jsonl j = fresh(sizeof(room) - 1);
		jsonl_bytes(&j, in, len);
		json_error_t e;
		const char *s = done(&j);
		for (const char *p = s; *p; p++)
			assert_true((uint8_t)*p >= 0x20 && *p != 0x7f);
		json_t *v = json_loads(s, JSON_DECODE_ANY | JSON_ALLOW_NUL, &e);
		assert_non_null(v);
		json_decref(v);
	}
}

// Whatever the room, nothing is written past it, and what did not fit is known.
static void room_is_respected(void **state)
{
	for (size_t n = 0; n < 80; n++) {
		memset(room, 'Z', 200);
		struct jsonl j = fresh(n);
		jsonl_open(&j, '{');
		jsonl_member(&j, "name");
		jsonl_bytes(&j, "\x01\x02\x03", 3);
		jsonl_member(&j, "n");
		jsonl_num(&j, UINT64_MAX);
		jsonl_close(&j, '}');
		jsonl_end(&j);
		for (size_t i = n; i < 200; i++)
			assert_int_equal(room[i], 'Z');
		if (!j.full)
			assert_memory_equal(j.at - 2, "}\n", 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(objects_and_arrays_nest),
		cmocka_unit_test(bytes_are_escaped),
		cmocka_unit_test(lower_case_is_for_ascii_only),
		cmocka_unit_test(any_bytes_make_valid_json),
		cmocka_unit_test(room_is_respected),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
