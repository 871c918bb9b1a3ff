// SPDX-License-Identifier: BSD-3-Clause
//
// dns.c: names, detection, one record a message, and the faults that drop a packet.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "datagram_fixture.h"

#include "path/app/dns.h"

#define BYTES(s) ((const uint8_t *)(s)), (sizeof(s) - 1)

#define HEAD_QUERY "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
#define HEAD_ANSWER(n) "\x12\x34\x81\x80\x00\x01\x00" n "\x00\x00\x00\x00"
#define Q_EXAMPLE                                                                                                      \
	"\x03www\x07"                                                                                                  \
	"Example\x03"                                                                                                  \
	"com\x00\x00\x01\x00\x01"
#define QUERY HEAD_QUERY Q_EXAMPLE
// www.example.com CNAME cdn.example.com, which has an A and an AAAA
#define ANSWER                                                                                                         \
	HEAD_ANSWER("\x03")                                                                                            \
	Q_EXAMPLE "\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x06\x03"                                               \
		  "cdn\xc0\x10"                                                                                        \
		  "\xc0\x2d\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x01"                                   \
		  "\xc0\x2d\x00\x1c\x00\x01\x00\x00\x00\x3c\x00\x10\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00"   \
		  "\x00\x00\x00\x01"

static const char *say(struct fixture *x, const uint8_t *p, uint32_t len, uint32_t wire, bool expect)
{
	assert_int_equal(dns_datagram(fixture_datagram(x, p, len, wire, 7, 0)), expect);
	return fixture_said(x);
}

static const char *say_once(uint16_t port, const uint8_t *p, uint32_t len, bool expect, uint16_t *drop)
{
	static char text[4096];
	struct fixture *x = fixture_new(IPPROTO_UDP, 40000, port);
	snprintf(text, sizeof(text), "%s", say(x, p, len, len, expect));
	if (drop)
		*drop = x->in.drop;
	fixture_free(x);
	return text;
}

static void test_names(void **state)
{
	struct dns_name n;
	uint8_t m[400] = {0};
	memcpy(m + 12,
	       "\x01"
	       "a\x01"
	       "b\x00\xc0\x0c\x01"
	       "c\xc0\x11",
	       11);
	assert_int_equal(dns_name_read(m, 23, 12, &n), DNS_NAME_OK);
	assert_int_equal(n.len, 3);
	assert_memory_equal(n.text, "a.b", 3);
	assert_int_equal(n.wire, 5);
	assert_int_equal(dns_name_read(m, 23, 19, &n), DNS_NAME_OK); // c, then a pointer to a pointer
	assert_int_equal(n.len, 5);
	assert_memory_equal(n.text, "c.a.b", 5);
	assert_int_equal(n.wire, 4);
	assert_int_equal(dns_name_read(m, 22, 19, &n), DNS_NAME_CUT);
	assert_int_equal(dns_name_read(m, 19, 19, &n), DNS_NAME_CUT);
	memcpy(m + 12,
	       "\x01"
	       "a\xc0\x0c",
	       4); // to itself
	assert_int_equal(dns_name_read(m, 16, 12, &n), DNS_NAME_BAD);
	memcpy(m + 12, "\xc0\x0e\xc0\x0c", 4); // forwards
	assert_int_equal(dns_name_read(m, 16, 12, &n), DNS_NAME_BAD);
	memcpy(m + 12, "\xc0\x02", 2); // into the header
	assert_int_equal(dns_name_read(m, 14, 12, &n), DNS_NAME_BAD);
	memcpy(m + 12,
	       "\x40"
	       "a",
	       2); // reserved label type
	assert_int_equal(dns_name_read(m, 400, 12, &n), DNS_NAME_BAD);
}

static void test_longest_name(void **state)
{
	struct dns_name n;
	uint8_t m[300];
	for (unsigned i = 0; i < 300; i++)
		m[i] = (i - 12) % 64 ? 'x' : 63;
	m[12 + 192] = 61;
	m[12 + 254] = 0;
	assert_int_equal(dns_name_read(m, 300, 12, &n), DNS_NAME_OK); // 255 bytes with the root
	assert_int_equal(n.len, 253);
	m[12 + 192] = 62;
	m[12 + 255] = 0;
	assert_int_equal(dns_name_read(m, 300, 12, &n), DNS_NAME_BAD); // 256
}

static void test_addresses(void **state)
{
	uint8_t t[40], a[16] = {0};
	assert_int_equal(dns_address_text((const uint8_t *)"\x0a\x00\xff\x63", 4, t), 11);
	assert_memory_equal(t, "10.0.255.99", 11);
	static const char *const texts[] = {
		"::", "::1", "2001:db8::1", "2001:db8:0:1:1:1:1:1", "2001:0:0:1::1", "1::", "fe80::1:0:0:1"};
	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char want[INET6_ADDRSTRLEN];
		assert_int_equal(inet_pton(AF_INET6, texts[i], a), 1);
		uint32_t n = dns_address_text(a, 16, t);
		inet_ntop(AF_INET6, a, want, sizeof(want));
		assert_int_equal(n, strlen(want));
		assert_memory_equal(t, want, n);
	}
}

static void test_query(void **state)
{
	assert_string_equal(
		say_once(53, BYTES(QUERY), true, NULL),
		"dns dns.id=4660 dns.flags=256 dns.qname=www.Example.com host=www.example.com dns.qtype=1\n");
	// the same bytes are DNS on any port
	assert_non_null(strstr(say_once(4444, BYTES(QUERY), true, NULL), "www.Example.com"));
	assert_string_equal(say_once(137, BYTES(QUERY), false, NULL), "");
	// the root is an empty name, and no host
	assert_string_equal(say_once(53, BYTES(HEAD_QUERY "\x00\x00\x02\x00\x01"), true, NULL),
			    "dns dns.id=4660 dns.flags=256 dns.qname= dns.qtype=2\n");
}

static void test_answer(void **state)
{
	struct fixture *x = fixture_new(IPPROTO_UDP, 40000, 53);
	const char *t = say(x, BYTES(ANSWER), sizeof(ANSWER) - 1, true);
	assert_non_null(strstr(t, " dns.answer=cdn.Example.com "));
	assert_non_null(strstr(t, " dns.answer=192.0.2.1 "));
	assert_non_null(strstr(t, " dns.answer=2001:db8::1 "));
	assert_non_null(strstr(t, " dns.rcode=0\n"));
	assert_int_equal(x->in.drop, 0);
	fixture_free(x);
}

static void test_rr_layout(void **state)
{
	struct fixture *x = fixture_new(IPPROTO_UDP, 40000, 53);
	assert_true(dns_datagram(fixture_datagram(x, BYTES(ANSWER), sizeof(ANSWER) - 1, 7, 1)));
	const struct record *r = record_peek(x->w.records);
	assert_int_equal(r->tx_kind, 1);
	assert_int_equal(r->dir, 1);
	assert_int_equal(r->app, APP_DNS);
	const struct fact *f = record_first(r);
	unsigned seen = 0;
	for (unsigned i = 0; i < r->nfacts; i++, f = fact_next(f)) {
		struct dns_rr rr;
		if (f->field != FACT_DNS_RR || seen++)
			continue;
		memcpy(&rr, f->value, sizeof(rr));
		assert_int_equal(rr.type, 5);
		assert_int_equal(rr.ttl, 60);
		assert_int_equal(rr.section, DNS_ANSWER);
		assert_int_equal(rr.form, DNS_RDATA_NAME);
		assert_int_equal(f->len, sizeof(rr) + rr.name_len + rr.rdata_len);
		assert_memory_equal(f->value + sizeof(rr), "www.Example.comcdn.Example.com", 30);
		assert_int_equal(f->origin.frame, 7);
		assert_int_equal(f->origin.off, FIXTURE_HEADROOM + 12 + 21);
		assert_int_equal(f->origin.len, 18);
	}
	assert_int_equal(seen, 3);
	record_done(x->w.records, r);
	fixture_free(x);
}

static void test_edns_rcode(void **state)
{
	// OPT with extended rcode 1: BADVERS is 16
	const char *t = say_once(53,
				 BYTES("\x00\x01\x80\x00\x00\x01\x00\x00\x00\x00\x00\x01\x01"
				       "a\x00\x00\x01\x00\x01"
				       "\x00\x00\x29\x10\x00\x01\x00\x00\x00\x00\x00"),
				 true, NULL);
	assert_non_null(strstr(t, " dns.rcode=16\n"));
}

static void test_faults_drop(void **state)
{
	uint16_t drop;
	const char *t = say_once(53, BYTES(HEAD_QUERY "\xc0\x0c\x00\x01\x00\x01"), true, &drop);
	assert_int_equal(drop, REASON_DNS_BAD_NAME);
	assert_non_null(strstr(t, "anomaly:dns.malformed"));
	assert_null(strstr(t, "dns.qname"));
	say_once(53, BYTES("\x12\x34\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00" Q_EXAMPLE), true, &drop);
	assert_int_equal(drop, REASON_DNS_BAD_NAME);
	// a header alone hides nothing; nor does a cookie query
	say_once(53, BYTES("\x12\x34\x81\x81\x00\x00\x00\x00\x00\x00\x00\x00"), true, &drop);
	assert_int_equal(drop, 0);
	say_once(53,
		 BYTES("\x12\x34\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x29\x10\x00\x00\x00\x00\x00\x00\x0c"
		       "\x00\x0a\x00\x08"
		       "12345678"),
		 true, &drop);
	assert_int_equal(drop, 0);
	// elsewhere a bad name is no DNS at all
	assert_string_equal(say_once(4444, BYTES(HEAD_QUERY "\xc0\x0c\x00\x01\x00\x01"), false, &drop), "");
	assert_int_equal(drop, 0);
}

static void test_two_questions(void **state)
{
	const char *t = say_once(53,
				 BYTES("\x12\x34\x01\x00\x00\x02\x00\x00\x00\x00\x00\x00\x01"
				       "a\x00\x00\x01\x00\x01"
				       "\x01"
				       "b\x00\x00\x01\x00\x01"),
				 true, NULL);
	assert_non_null(strstr(t, "dns.qname=a "));
	assert_non_null(strstr(t, "dns.qname=b "));
	assert_non_null(strstr(t, "anomaly:dns.qdcount"));
	t = say_once(5353,
		     BYTES("\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x01"
			   "a\x00\x00\x01\x80\x01"
			   "\x01"
			   "b\x00\x00\x01\x80\x01"),
		     true, NULL);
	assert_null(strstr(t, "anomaly"));
}

static void test_cut(void **state)
{
	struct fixture *x = fixture_new(IPPROTO_UDP, 40000, 53);
	const char *t = say(x, BYTES(ANSWER), 500, true);
	assert_null(strstr(t, "anomaly"));
	t = say(x, (const uint8_t *)ANSWER, 40, sizeof(ANSWER) - 1, true);
	assert_non_null(strstr(t, "dns.qname=www.Example.com "));
	assert_null(strstr(t, "anomaly"));
	t = say(x, (const uint8_t *)ANSWER, 20, sizeof(ANSWER) - 1,
		true); // inside the question: no part of it is a name
	assert_null(strstr(t, "dns.qname"));
	t = say(x, (const uint8_t *)ANSWER, 40, 40, true);
	assert_non_null(strstr(t, "anomaly:dns.malformed"));
	assert_int_equal(x->in.drop, 0);
	fixture_free(x);
}

static void test_random_bytes_are_no_dns(void **state)
{
	struct fixture *x = fixture_new(IPPROTO_UDP, 40000, 4444);
	uint8_t b[64];
	srandom(3);
	for (unsigned i = 0; i < 100000; i++) {
		for (unsigned n = 0; n < sizeof(b); n++)
			b[n] = random() & (i & 1 ? 0xff : 3); // dense and sparse
		assert_int_equal(dns_looks(b, 12 + random() % 52, false), 0);
		assert_true(dns_looks(b, 12 + random() % 52, true) <= 0 || (i & 1) == 0);
	}
	fixture_free(x);
}

// ---- TCP -----------------------------------------------------------------------------------------------------

#define FRAMED(len, m) "\x00" len m
#define STREAM FRAMED("\x21", QUERY) FRAMED("\x17", HEAD_QUERY "\x05other\x00\x00\x01\x00\x01") "\x00\x05"

// Feeds the stream up to each length in turn, as stream.c would; every split gives the same.
static unsigned feed(struct fixture *x, const uint8_t *p, uint32_t len, uint32_t step)
{
	uint32_t done = 0, have = 0, need = 0;
	unsigned calls = 0;
	while (have < len) {
		have = have + step > len ? len : have + step;
		if (have - done < need)
			continue;
		x->in = (struct app_in){.w = &x->w,
					.f = &x->f,
					.state = x->state,
					.data = p + done,
					.len = have - done,
					.offset = done,
					.scratch = x->inspect.scratch};
		assert_int_equal(dns_data(&x->in), APP_MORE);
		done += x->in.consumed;
		need = x->in.need;
		calls++;
	}
	return calls;
}

static void test_tcp_splits(void **state)
{
	for (uint32_t step = 1; step < sizeof(STREAM); step++) {
		struct fixture *x = fixture_new(IPPROTO_TCP, 40000, 53);
		feed(x, BYTES(STREAM), step);
		const char *t = fixture_said(x);
		assert_non_null(strstr(t, "dns.qname=www.Example.com"));
		assert_non_null(strstr(t, "dns.qname=other"));
		assert_null(strstr(t, "anomaly"));
		fixture_free(x);
	}
}

static void test_tcp_looks(void **state)
{
	const uint8_t *p = (const uint8_t *)FRAMED("\x21", QUERY);
	for (uint32_t len = 0; len < 2 + 33; len++)
		assert_true(dns_looks(p, len, true) != 0);
	assert_int_equal(dns_looks(p, 2 + 33, true), 1);
	assert_int_equal(dns_looks(BYTES("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), true), 0);
	assert_int_equal(dns_looks(BYTES("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
					 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
				   true),
			 0);
	// a loop in an exact frame is DNS, to be dropped
	struct fixture *x = fixture_new(IPPROTO_TCP, 40000, 53);
	const uint8_t loop[] = "\x00\x12" HEAD_QUERY "\xc0\x0c\x00\x01\x00\x01";
	assert_int_equal(dns_looks(loop, sizeof(loop) - 1, true), 1);
	feed(x, loop, sizeof(loop) - 1, 100);
	assert_int_equal(x->in.drop, REASON_DNS_BAD_NAME);
	fixture_free(x);
}

static void test_tcp_end_and_gap(void **state)
{
	struct fixture *x = fixture_new(IPPROTO_TCP, 40000, 53);
	x->in = (struct app_in){.w = &x->w,
				.f = &x->f,
				.state = x->state,
				.data = (const uint8_t *)FRAMED("\x50", QUERY),
				.len = 2 + 33,
				.end = true,
				.scratch = x->inspect.scratch};
	dns_data(&x->in);
	assert_non_null(strstr(fixture_said(x), "www.Example.com")); // the message never became whole
	static const uint8_t after[] = "xyzxyz" FRAMED("\x21", QUERY);
	x->in = (struct app_in){.w = &x->w,
				.f = &x->f,
				.state = x->state,
				.data = after,
				.len = sizeof(after) - 1,
				.after_gap = true,
				.scratch = x->inspect.scratch};
	assert_int_equal(dns_data(&x->in), APP_MORE);
	assert_int_equal(x->in.consumed, sizeof(after) - 1);
	assert_non_null(strstr(fixture_said(x), "www.Example.com"));
	fixture_free(x);
}

// 64 KiB of answers do not fit one record: they go on in the next, none is lost.
static void test_large(void **state)
{
	struct fixture *x = fixture_new(IPPROTO_TCP, 40000, 53);
	static uint8_t m[2 + 65535];
	uint32_t n = 2 + 33, count = 0;
	memcpy(m + 2, QUERY, 33);
	m[4] = 0x81;
	while (n + 16 <= sizeof(m)) {
		memcpy(m + n, "\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04", 12);
		memcpy(m + n + 12, (uint8_t[]){10, 1, count >> 8, count & 255}, 4);
		n += 16;
		count++;
	}
	m[0] = (n - 2) >> 8;
	m[1] = (n - 2) & 255;
	m[8] = count >> 8;
	m[9] = count & 255;
	feed(x, m, n, n);
	unsigned answers = 0, records = 0;
	for (const struct record *r; (r = record_peek(x->w.records)); record_done(x->w.records, r), records++) {
		const struct fact *f = record_first(r);
		for (unsigned i = 0; i < r->nfacts; i++, f = fact_next(f))
			answers += f->field == FACT_DNS_ANSWER;
	}
	assert_int_equal(answers, count);
	assert_true(records > 1);
	assert_int_equal(x->w.counters[COUNTER_RECORDS_CUT], 0);
	fixture_free(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_longest_name),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_query),
		cmocka_unit_test(test_answer),
		cmocka_unit_test(test_rr_layout),
		cmocka_unit_test(test_edns_rcode),
		cmocka_unit_test(test_faults_drop),
		cmocka_unit_test(test_two_questions),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_random_bytes_are_no_dns),
		cmocka_unit_test(test_tcp_splits),
		cmocka_unit_test(test_tcp_looks),
		cmocka_unit_test(test_tcp_end_and_gap),
		cmocka_unit_test(test_large),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
