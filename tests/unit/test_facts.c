// SPDX-License-Identifier: BSD-3-Clause
//
// Records read as the fields of the policy language: which values, which are absent, which may yet come.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>

#include "path/judge_facts.h"
#include "path/record_out.h"

static struct judge_facts j;
static union {
	struct record record;
	uint8_t room[RECORD_MAX];
} r;

static void begin(enum record_kind kind, enum app app)
{
	memset(&r.record, 0, sizeof(r.record));
	r.record.len = sizeof(r.record);
	r.record.kind = kind;
	r.record.app = app;
	r.record.ip_version = 4;
	r.record.proto = IPPROTO_TCP;
}

static void say(enum fact_field f, const void *p, uint32_t len)
{
	record_add(&r.record, sizeof(r), f, p, len, (struct origin){7, 40, len});
}

static void text(enum fact_field f, const char *s)
{
	say(f, s, (uint32_t)strlen(s));
}

static void num(enum fact_field f, uint64_t n)
{
	say(f, &n, sizeof(n));
}

static void read_all(uint64_t wanted)
{
	judge_facts_clear(&j, wanted, 1);
	judge_facts_record(&j, &r.record);
}

static void is_text(enum field f, unsigned i, const char *s)
{
	assert_true(j.facts.n[f] > i);
	assert_int_equal(j.facts.value[f][i].len, strlen(s));
	assert_memory_equal(j.facts.value[f][i].p, s, strlen(s));
}

static void test_names(void **state)
{
	begin(RECORD_TLS, APP_TLS);
	text(FACT_TLS_SNI, "WWW.Example.");
	text(FACT_HOST, "www.example");
	text(FACT_TLS_ALPN, "h2");
	text(FACT_TLS_ALPN, "http/1.1");
	read_all(UINT64_MAX);
	is_text(FIELD_TLS_SNI, 0, "www.example");
	is_text(FIELD_HOST, 0, "www.example");
	is_text(FIELD_TLS_ALPN, 1, "http/1.1");
	is_text(FIELD_APP, 0, "tls");
	assert_int_equal(j.origin[FIELD_TLS_SNI][0].frame, 7);
	assert_int_equal(j.origin[FIELD_TLS_SNI][0].len, 12);
	assert_int_equal(j.facts.state[FIELD_TLS_SNI], FACT_ALL);
	assert_int_equal(j.facts.state[FIELD_TLS_VERSION], FACT_UNKNOWN);
	assert_int_equal(j.facts.state[FIELD_HTTP_STATUS], FACT_ABSENT);
	assert_int_equal(j.facts.state[FIELD_HTTP_METHOD], FACT_ABSENT);
	assert_int_equal(j.facts.state[FIELD_PAYLOAD], FACT_UNKNOWN);
	assert_int_equal(j.facts.value[FIELD_TLS_ECH][0].num, 0);
	text(FACT_TLS_VERSION, "TLS 1.3");
	read_all(UINT64_MAX);
	is_text(FIELD_TLS_VERSION, 0, "TLS 1.3");
}

static void test_nameless(void **state)
{
	begin(RECORD_TLS, APP_TLS);
	read_all(UINT64_MAX);
	assert_int_equal(j.facts.state[FIELD_TLS_SNI], FACT_ABSENT);
	assert_int_equal(j.facts.state[FIELD_HOST], FACT_ABSENT);
}

static void test_request(void **state)
{
	begin(RECORD_HTTP, APP_HTTP);
	text(FACT_HTTP_METHOD, "GET");
	text(FACT_HTTP_URI, "/a?b");
	text(FACT_HTTP_HOST, "a.example");
	num(FACT_HTTP_PORT, 8080);
	text(FACT_HOST, "a.example");
	text(FACT_HOST_OUTER, "outer.example");
	text(FACT_HTTP_HEADER, "cookie: a: b");
	text(FACT_HTTP_HEADER, "x-empty: ");
	read_all(UINT64_MAX);
	is_text(FIELD_URL, 0, "http://a.example:8080/a?b");
	is_text(FIELD_HTTP_HOST, 0, "a.example");
	assert_int_equal(j.facts.n[FIELD_HTTP_HOST], 1);
	assert_int_equal(j.facts.n[FIELD_HOST], 2);
	is_text(FIELD_HOST, 1, "outer.example");
	is_text(FIELD_HTTP_HEADER, 0, "a: b");
	assert_int_equal(j.facts.value[FIELD_HTTP_HEADER][0].name_len, 6);
	is_text(FIELD_HTTP_HEADER, 1, "");
	assert_int_equal(j.facts.state[FIELD_HTTP_STATUS], FACT_UNKNOWN);
	num(FACT_HTTP_STATUS, 404);
	read_all(UINT64_MAX);
	assert_int_equal(j.facts.value[FIELD_HTTP_STATUS][0].num, 404);
}

static void test_absolute(void **state)
{
	begin(RECORD_HTTP, APP_HTTP);
	text(FACT_HTTP_URI, "http://b.example/x");
	text(FACT_HTTP_HOST, "a.example");
	read_all(UINT64_MAX);
	is_text(FIELD_URL, 0, "http://b.example/x");
}

static void test_only_wanted(void **state)
{
	begin(RECORD_DNS, APP_DNS);
	text(FACT_DNS_QNAME, "A.example");
	num(FACT_DNS_QTYPE, 28);
	read_all(1ull << FIELD_DNS_QTYPE);
	assert_int_equal(j.facts.n[FIELD_DNS_QNAME], 0);
	assert_int_equal(j.facts.value[FIELD_DNS_QTYPE][0].num, 28);
	read_all(UINT64_MAX);
	is_text(FIELD_DNS_QNAME, 0, "a.example");
	assert_int_equal(j.facts.state[FIELD_DNS_ANSWER], FACT_ABSENT);
}

static void test_versions(void **state)
{
	static const char *const pairs[][2] = {
		{"1", "1"},          {"draft-29", "draft-29"},   {"Q046", "Q046"},
		{"5", "0x00000005"}, {"1a2a3a4a", "0x1a2a3a4a"}, {"faceb002", "0xfaceb002"}};
	for (unsigned i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		begin(RECORD_QUIC, APP_QUIC);
		text(FACT_QUIC_VERSION, pairs[i][0]);
		read_all(UINT64_MAX);
		is_text(FIELD_QUIC_VERSION, 0, pairs[i][1]);
	}
}

// What is not looked at may be what is looked for.
static void test_too_much(void **state)
{
	char name[16];
	begin(RECORD_DNS, APP_DNS);
	for (unsigned i = 0; i < FACTS_MAX; i++) {
		snprintf(name, sizeof(name), "n%u.example", i);
		text(FACT_HOST, name);
	}
	read_all(UINT64_MAX);
	assert_int_equal(j.facts.state[FIELD_HOST], FACT_ALL);
	assert_false(j.overflow);
	text(FACT_HOST, "one.more");
	read_all(UINT64_MAX);
	assert_int_equal(j.facts.state[FIELD_HOST], FACT_SOME);
	assert_int_equal(j.facts.n[FIELD_HOST], FACTS_MAX);
	assert_true(j.overflow);
	begin(RECORD_HTTP, APP_HTTP);
	static char longer[FACT_VALUE_MAX + 1];
	memset(longer, 'a', sizeof(longer));
	say(FACT_HTTP_URI, longer, sizeof(longer));
	read_all(UINT64_MAX);
	assert_int_equal(j.facts.state[FIELD_HTTP_URI], FACT_SOME);
	assert_true(j.overflow);
}

static void test_tuple(void **state)
{
	const uint8_t a[16] = {10, 0, 0, 1}, b[16] = {10, 0, 0, 2};
	struct judge_tuple t = {a, b, 0, 1000, 53, 4, IPPROTO_UDP, false};
	judge_facts_clear(&j, UINT64_MAX, 1);
	judge_facts_tuple(&j, &t);
	assert_int_equal(j.facts.value[FIELD_SRC][0].len, 4);
	assert_int_equal(j.facts.value[FIELD_DPORT][0].num, 53);
	assert_int_equal(j.facts.state[FIELD_TENANT], FACT_ABSENT);
	t.cut = true; // before its ports
	judge_facts_clear(&j, UINT64_MAX, 1);
	judge_facts_tuple(&j, &t);
	assert_int_equal(j.facts.value[FIELD_PROTO][0].num, IPPROTO_UDP);
	assert_int_equal(j.facts.state[FIELD_SPORT], FACT_UNKNOWN);
	assert_int_equal(j.facts.state[FIELD_DPORT], FACT_UNKNOWN);
	t.proto = IPPROTO_DSTOPTS; // within the headers before them
	judge_facts_clear(&j, UINT64_MAX, 1);
	judge_facts_tuple(&j, &t);
	assert_int_equal(j.facts.state[FIELD_PROTO], FACT_UNKNOWN);
	assert_int_equal(j.facts.state[FIELD_DPORT], FACT_UNKNOWN);
	assert_int_equal(j.facts.state[FIELD_SRC], FACT_ALL);
	t.proto = IPPROTO_ICMP;
	t.tenant = 9;
	judge_facts_clear(&j, UINT64_MAX, 1);
	judge_facts_tuple(&j, &t);
	assert_int_equal(j.facts.state[FIELD_DPORT], FACT_ABSENT);
	assert_int_equal(j.facts.value[FIELD_TENANT][0].num, 9);
	judge_facts_opaque(&j, APP_NONE);
	is_text(FIELD_APP, 0, "unknown");
	assert_int_equal(j.facts.state[FIELD_HOST], FACT_ABSENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),    cmocka_unit_test(test_nameless),    cmocka_unit_test(test_request),
		cmocka_unit_test(test_absolute), cmocka_unit_test(test_only_wanted), cmocka_unit_test(test_versions),
		cmocka_unit_test(test_too_much), cmocka_unit_test(test_tuple),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
