// SPDX-License-Identifier: BSD-3-Clause
//
// What lenient servers read: other names and paths than the normal form, and where there are none. U-labels: Punycode's
// samples (RFC 3492 7.1) and what bounds it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/idn.h"
#include "path/judge_in.h"
#include "path/record_out.h"

static struct judge_facts j;
static union {
	struct record record;
	uint8_t room[RECORD_MAX];
} r;

static void begin(enum record_kind kind)
{
	memset(&r.record, 0, sizeof(r.record));
	r.record.len = sizeof(r.record);
	r.record.kind = kind;
}

static void say(enum fact_field f, const char *p, size_t len)
{
	record_add(&r.record, sizeof(r), f, p, (uint32_t)len, (struct origin){3, 50, 4});
}

static bool lenient(uint64_t wanted)
{
	judge_facts_clear(&j, wanted, 1);
	judge_facts_record(&j, &r.record);
	return judge_lenient(&j, &r.record);
}

// The values of a field, a space between them.
static void are(enum field f, const char *words)
{
	char all[2048];
	size_t n = 0;
	for (unsigned i = 0; i < j.facts.n[f]; i++) {
		assert_true(n + j.facts.value[f][i].len + 1 < sizeof(all));
		all[n++] = ' ';
		memcpy(all + n, j.facts.value[f][i].p, j.facts.value[f][i].len);
		n += j.facts.value[f][i].len;
		assert_int_equal(j.origin[f][i].frame, 3);
	}
	all[n] = 0;
	assert_string_equal(n ? all + 1 : all, words);
}

static void test_names(void **state)
{
	static const struct {
		const char *host, *read; // all values; NULL: no other reading
	} names[] = {
		{"a.example", NULL},
		{"10.0.0.1", NULL},
		{"fd00::1", NULL}, // an address, no name and a port
		{"", NULL},
		{"a.example:80:80", "a.example:80:80 a.example 80 80"},
		{"http://a.example/", "http://a.example/ http a.example"},
		{"b.example, a.example", "b.example, a.example b.example a.example"},
		{"a.example..", "a.example.. a.example"},
		{"..a.example", "..a.example a.example"},
		{"b\xc3\xbc"
		 "cher.example",
		 "b\xc3\xbc"
		 "cher.example xn--bcher-kva.example"},
		{"B\xc3\x9c"
		 "CHER.example:80",
		 "B\xc3\x9c"
		 "CHER.example:80 B\xc3\x9c"
		 "CHER.example 80 xn--bcher-kva.example:80 xn--bcher-kva.example"},
		{"b\xfc"
		 "cher.example",
		 NULL}, // not UTF-8
		{"1,2,3,4,5,6,7,8,9", "1,2,3,4,5,6,7,8,9 1 2 3 4 5 6 7 8"},
	};
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		begin(RECORD_HTTP);
		say(FACT_HOST, names[i].host, strlen(names[i].host));
		assert_int_equal(lenient(1ull << FIELD_HOST | 1ull << FIELD_HTTP_HOST), names[i].read != NULL);
		are(FIELD_HOST, names[i].read ? names[i].read : names[i].host);
		are(FIELD_HTTP_HOST, names[i].read ? names[i].read : names[i].host);
	}
}

static void test_where(void **state)
{
	begin(RECORD_TLS);
	say(FACT_TLS_SNI, "\xd0\x9f\xd1\x80.example.", 13);
	assert_true(lenient(1ull << FIELD_TLS_SNI));
	are(FIELD_TLS_SNI, "\xd0\x9f\xd1\x80.example xn--o1ac.example");
}

static void test_not_where(void **state)
{
	begin(RECORD_TLS); // nobody asks
	say(FACT_TLS_SNI, "a.example:80", 12);
	assert_false(lenient(1ull << FIELD_TLS_ALPN));
	begin(RECORD_DNS); // any byte is itself there
	say(FACT_HOST, "a.example:80", 12);
	say(FACT_DNS_QNAME, "b\xc3\xbc", 3);
	assert_false(lenient(UINT64_MAX));
}

static void test_many(void **state)
{
	begin(RECORD_HTTP); // more values than are looked at: said, and none is written beyond
	for (unsigned i = 0; i < 20; i++)
		say(FACT_HOST, "a:b:c:d:e:f:g:h:\xc3\xbc", 18);
	assert_true(lenient(1ull << FIELD_HOST));
	assert_int_equal(j.facts.n[FIELD_HOST], FACTS_MAX);
	assert_true(j.overflow);
	assert_int_equal(j.facts.state[FIELD_HOST], FACT_SOME);
}

static void test_paths(void **state)
{
	static const struct {
		const char *path, *read;
		size_t len;
	} paths[] = {
		{"/a/b", NULL, 0},       {"/a;x=1/b", NULL, 0},     {"\\a\\b", "/a/b", 0},     {"/x/..;/a", "/a", 0},
		{"/x/.;y/a", "/x/a", 0}, {"/a\0.png", "/a", 7},     {"/..;/..;/a", "/a", 0},   {"\\\\", "/", 0},
		{"/a\\..\\b", "/b", 0},  {"/a\\b;c/", "/a/b;c", 0}, {"/x/y/..;/..;/", "/", 0}, {"\\", "/", 0},
	};
	for (unsigned i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		begin(RECORD_HTTP);
		say(FACT_HTTP_PATH, paths[i].path, paths[i].len ? paths[i].len : strlen(paths[i].path));
		assert_int_equal(lenient(1ull << FIELD_HTTP_PATH), paths[i].read != NULL);
		are(FIELD_HTTP_PATH, paths[i].read ? paths[i].read : paths[i].path);
	}
}

static void ascii_is(const char *name, const char *is)
{
	uint8_t out[IDN_NAME_MAX];
	uint32_t n = idn_ascii((const uint8_t *)name, (uint32_t)strlen(name), out);
	assert_int_equal(n, strlen(is));
	assert_memory_equal(out, is, n);
}

static void test_idn_samples(void **state)
{
	ascii_is("\u4ed6\u4eec\u4e3a\u4ec0\u4e48\u4e0d\u8bf4\u4e2d\u6587", "xn--ihqwcrb4cv8a8dqg056pqjye");
	ascii_is("Pro\u010dprost\u011bnemluv\u00ed\u010desky", "xn--proprostnemluvesky-uyb24dma41a");
	ascii_is("3\u5e74B\u7d44\u91d1\u516b\u5148\u751f", "xn--3b-ww4c5e180e575a65lsy2b");
	ascii_is("\u305d\u306e\u30b9\u30d4\u30fc\u30c9\u3067", "xn--d9juau41awczczp");
	ascii_is("www.B\u00dcCHER\u3002Example.", "www.xn--bcher-kva.example");
	ascii_is("\u0391\u0398\u0397\u039d\u0391.gr", "xn--mxaard0a.gr");
	ascii_is("\U0001f4a9.la", "xn--ls8h.la");
}

static void test_idn_not(void **state)
{
	char label[64 * 2 + 1], name[5 * 52 + 8];
	ascii_is("", "");
	ascii_is("example", "");
	ascii_is("\xc3", "");             // cut
	ascii_is("a\xc3z", "");           // not continued
	ascii_is("\xc0\xaf", "");         // longer than it has to be
	ascii_is("\xed\xa0\x80", "");     // a surrogate
	ascii_is("\xf4\x90\x80\x80", ""); // beyond the last
	ascii_is("\xff", "");
	ascii_is("\xbc", "");
	ascii_is("\u00fc..b", "");
	ascii_is(".\u00fc", "");
	for (unsigned i = 0; i < 64; i++)
		memcpy(label + 2 * i, "\u00fc", 2);
	label[128] = 0;
	ascii_is(label, ""); // 64 letters
	label[116] = 0;
	ascii_is(label, ""); // 64 bytes
	label[114] = 0;
	ascii_is(label, "xn--tdaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	for (unsigned i = 0; i < 5; i++)
		memcpy(name + 53 * i, "\u00fcaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.", 53);
	name[5 * 53 - 1] = 0;
	ascii_is(name, ""); // five labels of 57
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),   cmocka_unit_test(test_where), cmocka_unit_test(test_not_where),
		cmocka_unit_test(test_many),    cmocka_unit_test(test_paths), cmocka_unit_test(test_idn_samples),
		cmocka_unit_test(test_idn_not),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
