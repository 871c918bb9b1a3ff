// SPDX-License-Identifier: BSD-3-Clause
//
// What a sink gets to see: which records (filter), and of them which values (redact). Secrets are planted wherever a
// record can repeat a value; none of them may be left anywhere in its bytes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dns_rr.h"
#include "record.h"
#include "ruleset.h"
#include "ship/filter.h"
#include "ship/redact.h"
#include "verdict.h"

static uint64_t room[RECORD_MAX / 8];
static struct record *const record = (struct record *)room;

static void begin(enum record_kind kind)
{
	memset(room, 0, sizeof(room));
	*record = (struct record){.len = sizeof(*record), .kind = kind};
}

static void add(enum fact_field field, const void *value, size_t len)
{
	struct fact *f = (struct fact *)((uint8_t *)record + record->len);
	*f = (struct fact){.field = (uint16_t)field, .len = (uint32_t)len};
	memcpy(f->value, value, len);
	record->len += FACT_SIZE(len);
	record->nfacts++;
}

static void say(enum fact_field field, const char *text)
{
	add(field, text, strlen(text));
}

static void add_rr(const char *owner, const void *rdata, uint16_t len, uint8_t form)
{
	uint8_t rr[512];
	struct dns_rr head = {
		.type = 1, .name_len = (uint16_t)strlen(owner), .rdata_len = len, .section = 1, .form = form};
	memcpy(rr, &head, sizeof(head));
	memcpy(rr + sizeof(head), owner, head.name_len);
	memcpy(rr + sizeof(head) + head.name_len, rdata, len);
	add(FACT_DNS_RR, rr, sizeof(head) + head.name_len + len);
}

#define KEY "0123456789abcdef"

// With the words, comma between them.
static const struct record *redacted(const char *list, bool hash)
{
	static struct redact *x;
	char copy[256], *save;
	const char *words[REDACT_MAX];
	unsigned n = 0;
	strcpy(copy, list);
	for (char *w = strtok_r(copy, ",", &save); w; w = strtok_r(NULL, ",", &save))
		words[n++] = w;
	redact_free(x);
	x = redact_new(words, n, hash ? KEY : NULL, sizeof(KEY) - 1);
	assert_non_null(x);
	return redact_record(x, record);
}

static bool has(const struct record *r, const char *secret)
{
	return memmem(r, r->len, secret, strlen(secret)) != NULL;
}

static void is(const struct record *r, enum fact_field field, const char *value)
{
	const struct fact *f = record_find(r, field);
	if (!value) {
		assert_null(f);
		return;
	}
	assert_non_null(f);
	assert_int_equal(f->len, strlen(value));
	assert_memory_equal(f->value, value, f->len);
}

static bool sound(const struct record *r)
{
	unsigned n = 0;
	RECORD_EACH(f, r)
		n++;
	return n == r->nfacts;
}

static void nothing_to_hide_is_the_same_record(void **state)
{
	begin(RECORD_HTTP);
	say(FACT_HTTP_URI, "/a");
	say(FACT_HTTP_HOST, "a.example");
	assert_ptr_equal(redacted("http.uri.query,http.header.cookie,user,tls.sni", true), record);
	begin(RECORD_FLOW);
	assert_ptr_equal(redacted("host", true), record);
}

static void a_query_goes_from_every_place(void **state)
{
	for (unsigned hash = 0; hash < 2; hash++) {
		begin(RECORD_HTTP);
		say(FACT_HTTP_URI, "/login?token=S3cretToken&x=1");
		say(FACT_HTTP_PATH, "/login");
		say(FACT_HTTP_HOST, "a.example");
		say(FACT_HTTP_REFERER, "http://b.example/from?other=AnotherSecret#frag=Th1rdSecret");
		say(FACT_HTTP_REDIRECT, "/next/S3cretToken");
		say(FACT_HTTP_HEADER, "referer: http://b.example/from?other=AnotherSecret");
		say(FACT_HTTP_HEADER, "x-trace: token=s3crettoken;");
		const struct record *r = redacted("http.uri.query", hash);
		assert_true(sound(r));
		assert_false(has(r, "S3cretToken") || has(r, "AnotherSecret") || has(r, "Th1rdSecret") ||
			     has(r, "s3crettoken"));
		is(r, FACT_HTTP_PATH, "/login");
		is(r, FACT_HTTP_HOST, "a.example");
		is(r, FACT_REDACTED, "http.uri.query");
		if (!hash) {
			is(r, FACT_HTTP_URI, "/login?redacted");
			is(r, FACT_HTTP_REFERER, "http://b.example/from?redacted");
			is(r, FACT_HTTP_REDIRECT, "/next/redacted");
		} else {
			const struct fact *f = record_find(r, FACT_HTTP_URI);
			assert_int_equal(f->len, strlen("/login?redacted:0123456789abcdef"));
			assert_memory_equal(f->value, "/login?redacted:", 16);
		}
	}
}

static void the_same_value_is_the_same_hash(void **state)
{
	begin(RECORD_TLS);
	say(FACT_TLS_SNI, "Secret.Example.");
	say(FACT_HOST, "secret.example");
	const struct record *r = redacted("tls.sni", true);
	const struct fact *sni = record_find(r, FACT_TLS_SNI), *host = record_find(r, FACT_HOST);
	assert_int_equal(sni->len, host->len);
	assert_memory_equal(sni->value, host->value, host->len);
	// HMAC-SHA256("0123456789abcdef", "secret.example"), by another program
	is(r, FACT_HOST, "redacted:54aee491cf12580e");
}

static void what_is_dropped_is_no_fact(void **state)
{
	begin(RECORD_TLS);
	say(FACT_TLS_SNI, "secret.example");
	say(FACT_TLS_VERSION, "TLS 1.3");
	say(FACT_HOST, "secret.example");
	const struct record *r = redacted("tls.sni", false);
	is(r, FACT_TLS_SNI, NULL);
	is(r, FACT_HOST, NULL);
	is(r, FACT_TLS_VERSION, "TLS 1.3");
	is(r, FACT_REDACTED, "tls.sni");
	assert_int_equal(r->nfacts, 2);
}

static void a_header_goes_by_its_name_alone(void **state)
{
	begin(RECORD_ALERT);
	record->anomaly = RECORD_HTTP;
	say(FACT_HTTP_URI, "/");
	say(FACT_HTTP_HEADER, "Authorization: Basic dXNlcjpwYXNz");
	say(FACT_HTTP_HEADER, "cookie: sid=abcdefgh1234");
	say(FACT_HTTP_HEADER, "accept: */*");
	say(FACT_HTTP_REFERER, "http://a.example/sid=abcdefgh1234");
	say(FACT_HTTP_USER_AGENT, "curl/8");
	const struct record *r = redacted("http.header.authorization,http.header.Cookie,http.header.user-agent", false);
	assert_false(has(r, "dXNlcjpwYXNz") || has(r, "abcdefgh1234") || has(r, "curl"));
	is(r, FACT_HTTP_HEADER, "Authorization: redacted");
	is(r, FACT_HTTP_REFERER, "http://a.example/redacted");
	assert_true(has(r, "accept: */*"));
}

// A client that repeats its target or its name in a cookie does not hide them from the log.
static void a_cookie_hides_no_name(void **state)
{
	begin(RECORD_HTTP);
	say(FACT_HTTP_URI, "/evil/path/of/mine?q=/evil/path/of/mine");
	say(FACT_HTTP_HOST, "evil.example");
	say(FACT_HOST, "evil.example");
	say(FACT_HTTP_HEADER, "cookie: evil.example;/evil/path/of/mine");
	const struct record *r = redacted("http.header.cookie,http.uri.query", true);
	is(r, FACT_HTTP_HOST, "evil.example");
	is(r, FACT_HOST, "evil.example");
	assert_memory_equal(record_find(r, FACT_HTTP_URI)->value, "/evil/path/of/mine?redacted:", 28);
}

static void a_user_goes_from_urls_and_credentials(void **state)
{
	begin(RECORD_HTTP);
	say(FACT_HTTP_URI, "http://alice:pw@a.example:80/x");
	say(FACT_HTTP_REFERER, "https://alice@b.example/");
	say(FACT_HTTP_HEADER, "proxy-authorization: Basic YWxpY2U6cHc=");
	const struct record *r = redacted("user", false);
	is(r, FACT_HTTP_URI, "http://redacted@a.example:80/x");
	is(r, FACT_HTTP_REFERER, "https://redacted@b.example/");
	is(r, FACT_HTTP_HEADER, "proxy-authorization: redacted");
	begin(RECORD_HTTP);
	say(FACT_USER, "alice");
	say(FACT_GROUP, "staff");
	r = redacted("user,group", false);
	is(r, FACT_USER, NULL);
	is(r, FACT_GROUP, NULL);
	begin(RECORD_ANOMALY);
	record->anomaly = ANOMALY_HTTP_USERINFO;
	say(FACT_ANOMALY, "alice:pw@a.example");
	r = redacted("user", false);
	assert_false(has(r, "alice"));
	is(r, FACT_ANOMALY, NULL);
}

static void a_host_goes_from_targets_tunnels_and_texts(void **state)
{
	begin(RECORD_HTTP);
	say(FACT_HTTP_METHOD, "CONNECT");
	say(FACT_HTTP_URI, "secret.example:443");
	say(FACT_HOST, "secret.example");
	const struct record *r = redacted("host", false);
	is(r, FACT_HTTP_URI, "redacted:443");
	is(r, FACT_HOST, NULL);
	begin(RECORD_TLS);
	say(FACT_HOST_OUTER, "secret.example");
	assert_false(has(redacted("http.uri", false), "secret.example"));
	begin(RECORD_HTTP);
	say(FACT_HTTP_URI, "http://SECRET.example:8080/a?b");
	say(FACT_HTTP_HOST, "secret.example");
	say(FACT_HTTP_REFERER, "http://www.secret.example/secret");
	r = redacted("http.host", false);
	is(r, FACT_HTTP_URI, "http://redacted:8080/a?b");
	is(r, FACT_HTTP_REFERER, "http://www.redacted/secret");
	begin(RECORD_ANOMALY);
	record->anomaly = ANOMALY_TLS_BAD_NAME;
	say(FACT_ANOMALY, "secret.example");
	assert_false(has(redacted("host", false), "secret"));
	assert_ptr_equal(redacted("http.header.cookie", false), record);
}

static void names_of_dns_go_from_its_records(void **state)
{
	begin(RECORD_DNS);
	say(FACT_DNS_QNAME, "Secret.Example");
	say(FACT_HOST, "secret.example");
	add_rr("secret.example", "\x0a\0\0\1", 4, DNS_RDATA_ADDRESS);
	add_rr("other.example", "\0\1mail.secret.example", 21, DNS_RDATA_MX);
	say(FACT_DNS_ANSWER, "10.0.0.1");
	const struct record *r = redacted("dns.qname", true);
	assert_true(sound(r));
	assert_false(has(r, "ecret") || has(r, "xample"));
	is(r, FACT_DNS_ANSWER, "10.0.0.1");
	const struct fact *rr = record_find(r, FACT_DNS_RR);
	struct dns_rr head;
	memcpy(&head, rr->value, sizeof(head));
	assert_int_equal(head.name_len, 25);
	assert_int_equal(head.rdata_len, 4);
	assert_memory_equal(rr->value + sizeof(head) + 25, "\x0a\0\0\1", 4);
	r = redacted("dns.answer", true);
	is(r, FACT_DNS_RR, NULL);
	assert_false(has(r, "10.0.0.1"));
	is(r, FACT_DNS_QNAME, "Secret.Example");
}

// More values than are sought one by one, and texts made of nothing else.
static void too_many_hide_everything(void **state)
{
	char text[64];
	begin(RECORD_HTTP);
	for (unsigned i = 0; i < 200; i++) {
		snprintf(text, sizeof(text), "cookie: number%06u", i);
		say(FACT_HTTP_HEADER, text);
	}
	say(FACT_HTTP_REFERER, "http://number000199/");
	const struct record *r = redacted("http.header.cookie", false);
	assert_true(sound(r));
	assert_false(has(r, "number"));
	begin(RECORD_DNS);
	for (unsigned i = 0; i < 300; i++) {
		snprintf(text, sizeof(text), "number%06u.example", i);
		say(FACT_DNS_QNAME, text);
	}
	add_rr("other.example", "\0\1number000299.example", 22, DNS_RDATA_MX);
	assert_false(has(redacted("dns.qname", false), "number"));
	char many[4001];
	for (unsigned i = 0; i < 4000; i++)
		many[i] = "abcd"[i % 4];
	many[4000] = 0;
	begin(RECORD_HTTP);
	say(FACT_HTTP_HEADER, "cookie: abcd");
	say(FACT_HTTP_REFERER, many);
	r = redacted("http.header.cookie", true);
	assert_true(sound(r));
	assert_false(has(r, "abcd"));
}

// A name that a header says first, that begins with a space, or lies over another's end.
static void a_name_goes_however_it_is_met(void **state)
{
	begin(RECORD_HTTP);
	say(FACT_HTTP_HEADER, "cookie: secret.example");
	say(FACT_HOST, "secret.example");
	say(FACT_HTTP_METHOD, "secret.example");
	const struct record *r = redacted("http.header.cookie,host", false);
	is(r, FACT_HTTP_METHOD, "redacted");
	begin(RECORD_DNS);
	say(FACT_DNS_QNAME, " secret.example");
	say(FACT_HTTP_HEADER, "x-of: secret.example");
	assert_false(has(redacted("dns.qname", false), "secret"));
	begin(RECORD_HTTP);
	say(FACT_HOST, "secret.example.");
	say(FACT_HTTP_REFERER, "a secret.example, said");
	is(redacted("host", false), FACT_HTTP_REFERER, "a redacted, said");
	begin(RECORD_HTTP);
	say(FACT_HOST, "mail.secret");
	say(FACT_HTTP_HOST, "secret.example");
	say(FACT_HTTP_USER_AGENT, "at mail.secret.example.net");
	is(redacted("host", false), FACT_HTTP_USER_AGENT, "at redacted.net");
	begin(RECORD_HTTP);
	say(FACT_HOST, "://mail");
	say(FACT_HTTP_URI, "http://mail.secret.example/x");
	is(redacted("host", false), FACT_HTTP_URI, "httpredacted/x");
}

static void add_cut(enum fact_field field, const char *text)
{
	struct fact *f = (struct fact *)((uint8_t *)record + record->len);
	say(field, text);
	f->flags = FACT_CUT;
}

// A client fills its cookie: what names it, and what it asked for, stand in the log all the same.
static void a_full_cookie_hides_no_name(void **state)
{
	char cookie[4000] = "cookie: ", query[4000] = "/path?";
	for (unsigned i = 0; i < 250; i++) {
		sprintf(cookie + strlen(cookie), "word%06u;", i);
		sprintf(query + strlen(query), "term%06u&", i);
	}
	begin(RECORD_HTTP);
	say(FACT_HTTP_URI, "/evil");
	say(FACT_HTTP_HEADER, cookie);
	say(FACT_HOST, "evil.example");
	say(FACT_HTTP_REFERER, "http://a.example/word000249");
	const struct record *r = redacted("http.header.cookie", false);
	is(r, FACT_HTTP_URI, "/evil");
	is(r, FACT_HOST, "evil.example");
	is(r, FACT_HTTP_REFERER, NULL);
	begin(RECORD_HTTP);
	say(FACT_HTTP_URI, query);
	say(FACT_HOST, "secret.example");
	say(FACT_HTTP_PATH, "/path");
	say(FACT_HTTP_USER_AGENT, "secret.example");
	r = redacted("http.uri.query,host", false);
	is(r, FACT_HTTP_PATH, "/path");
	is(r, FACT_HTTP_URI, "/path?redacted");
}

// Where a record has no room for all of a value, its rest, or its beginning, may stand elsewhere.
static void what_was_cut_goes_with_its_rest(void **state)
{
	begin(RECORD_HTTP);
	add_cut(FACT_HTTP_URI, "/a?token=S3cretTok");
	say(FACT_HTTP_USER_AGENT, "curl S3cretToken4711");
	add_cut(FACT_HTTP_REFERER, "http://b.example/token=S3cre");
	say(FACT_HTTP_XFF, "token=S3cre");
	const struct record *r = redacted("http.uri.query", false);
	is(r, FACT_HTTP_USER_AGENT, "curl redacted");
	is(r, FACT_HTTP_REFERER, "http://b.example/redacted");
	is(r, FACT_HTTP_XFF, "token=S3cre");
}

// A rule asks for the line, whose value is not what the fact has: folded, encoded, cut at another place.
static void a_field_goes_from_its_header(void **state)
{
	begin(RECORD_HTTP);
	say(FACT_HTTP_USER_AGENT, "Secr3t/1\r\n agent");
	say(FACT_HTTP_HEADER, "user-agent: Secr3t/1");
	say(FACT_HTTP_HOST, "secret.example");
	say(FACT_HOST, "secret.example");
	say(FACT_HTTP_HEADER, "host: s%65cret.example");
	const struct record *r = redacted("http.user_agent,host", false);
	assert_false(has(r, "Secr3t") || has(r, "cret.example"));
	assert_true(has(r, "host: redacted"));
	begin(RECORD_TLS);
	say(FACT_HOST, "secret.example");
	say(FACT_HTTP_HEADER, "host: another.example");
	assert_true(has(redacted("tls.sni", false), "another.example"));
	begin(RECORD_HTTP);
	say(FACT_HTTP_HOST, "alice:pw@a.example");
	say(FACT_HOST, "alice@a.example");
	r = redacted("user", false);
	is(r, FACT_HTTP_HOST, "redacted@a.example");
	is(r, FACT_HOST, "redacted@a.example");
}

// A face shows the strings of a TXT as one, and names inside other data as on the wire.
static void a_name_in_pieces_goes(void **state)
{
	static const struct {
		uint16_t type;
		uint8_t form;
		const char *rdata;
		bool stays;
	} data[] = {{16, DNS_RDATA_RAW, "\7secret.\7example", false},
		    {16, DNS_RDATA_RAW, "\016secret.example", false},
		    {16, DNS_RDATA_RAW, "\7other.x\7example", true},
		    {46, DNS_RDATA_RAW, "\1\6secret\7example", false},
		    {33, DNS_RDATA_SRV, "\1\1\1\1\1\1secret.example", false}};
	for (unsigned i = 0; i < sizeof(data) / sizeof(data[0]); i++) {
		begin(RECORD_DNS);
		say(FACT_DNS_QNAME, "secret.example.");
		struct fact *f = (struct fact *)((uint8_t *)record + record->len);
		add_rr("elsewhere", data[i].rdata, (uint16_t)strlen(data[i].rdata), data[i].form);
		((struct dns_rr *)(void *)f->value)->type = data[i].type;
		const struct record *r = redacted("dns.qname", false);
		assert_int_equal(record_find(r, FACT_DNS_RR) != NULL, data[i].stays);
	}
}

// Seeking takes steps by the length of a text, whatever stands in it: then it goes whole.
static void a_text_made_to_be_slow_goes_whole(void **state)
{
	char text[7001], query[7000] = "/?", *p = query + 2;
	memset(text, 'a', 7000);
	text[7000] = 0;
	for (unsigned i = 0; i < 50; i++, p += 111) {
		memset(p, 'a', 110);
		p[109] = (char)('b' + i % 20);
		p[108] = (char)('B' + i / 20);
		p[110] = '&';
	}
	*p = 0;
	begin(RECORD_HTTP);
	say(FACT_HTTP_URI, query);
	say(FACT_HTTP_USER_AGENT, text);
	say(FACT_HTTP_PATH, text);
	const struct record *r = redacted("http.uri.query", false);
	is(r, FACT_HTTP_USER_AGENT, "redacted");
	is(r, FACT_HTTP_PATH, text);
	is(r, FACT_HTTP_URI, "/?redacted");
}

static void unknown_words_are_refused(void **state)
{
	const char *near;
	assert_int_equal(redact_word("http.uri.query", &near), 0);
	assert_int_equal(redact_word("http.header.x-secret", &near), 0);
	assert_int_equal(redact_word("http.header.", &near), -EINVAL);
	assert_int_equal(redact_word("http.uri.qery", &near), -EINVAL);
	assert_string_equal(near, "http.uri.query");
	assert_null(redact_new((const char *const[]){"nonsense"}, 1, NULL, 0));
	struct filter f = {0};
	assert_int_equal(filter_kind(&f, "htpt", &near), -EINVAL);
	assert_string_equal(near, "http");
	assert_int_equal(filter_kind(&f, "gap", &near), -EINVAL);
	const char *const *words;
	for (unsigned i = redact_words(&words); i-- > 0;)
		assert_int_equal(redact_word(words[i], &near), 0);
}

static bool takes(const struct filter *f, enum record_kind kind, uint64_t tenant)
{
	struct record r = {.kind = kind, .tenant = tenant};
	return filter_takes(f, &r);
}

static void filters_take_kinds_and_tenants(void **state)
{
	const char *near;
	struct filter f = {0};
	for (unsigned kind = RECORD_FLOW_START; kind < RECORD_KIND_COUNT; kind++)
		assert_true(takes(&f, kind, kind));
	filter_kind(&f, "transaction", &near);
	filter_kind(&f, "alert", &near);
	assert_true(takes(&f, RECORD_HTTP, 0) && takes(&f, RECORD_SSH, 0) && takes(&f, RECORD_ALERT, 0));
	assert_true(takes(&f, RECORD_GAP, 0) && takes(&f, RECORD_FLOW_START, 0));
	assert_false(takes(&f, RECORD_FLOW, 0) || takes(&f, RECORD_STATE, 0) || takes(&f, RECORD_ANOMALY, 0));
	filter_tenant(&f, 7);
	assert_true(takes(&f, RECORD_HTTP, 7) && takes(&f, RECORD_GAP, 0));
	assert_false(takes(&f, RECORD_HTTP, 8) || takes(&f, RECORD_FLOW_START, 8) || takes(&f, RECORD_FLOW, 7));
	f = (struct filter){.ntenants = 1, .tenants = {7}};
	assert_false(takes(&f, RECORD_STATE, 0));
	filter_kind(&f, "state", &near);
	assert_true(takes(&f, RECORD_STATE, 0));
	f = (struct filter){0};
	filter_kind(&f, "verdict", &near);
	struct record r = {.kind = RECORD_FLOW, .judged = RECORD_JUDGED, .action = ACTION_DENY};
	assert_true(filter_takes(&f, &r));
	r.action = ACTION_ALLOW;
	assert_false(filter_takes(&f, &r));
	for (unsigned i = 0; i < FILTER_TENANTS; i++)
		assert_int_equal(filter_tenant(&f, i), 0);
	assert_int_equal(filter_tenant(&f, 1), -ENOSPC);
}

static void add_random(void)
{
	static const char some[] = "ab/?#:@.=&; %[]hHost";
	uint8_t value[3000];
	unsigned field = 1 + (unsigned)rand() % (FACT_COUNT - 1), len = (unsigned)rand() % (rand() % 30 ? 40 : 3000);
	if (fact_types[field] == FACT_TYPE_NUM)
		len = 8;
	for (unsigned i = 0; i < len; i++)
		value[i] = (uint8_t)(rand() % 40 ? some[rand() % 20] : rand());
	if (record->len + FACT_SIZE(len) <= RECORD_MAX)
		add(field, value, len);
}

// Whatever a record holds, also what no worker writes, what comes out is a record.
static void random_records_stay_records(void **state)
{
	const char *const *words, *list[6];
	unsigned n = redact_words(&words);
	srand(1);
	for (unsigned round = 0; round < 200; round++) {
		for (unsigned i = 0; i < 6; i++)
			list[i] = words[(unsigned)rand() % n];
		struct redact *x = redact_new(list, 1 + round % 6, round & 1 ? KEY : NULL, sizeof(KEY) - 1);
		for (unsigned k = 0; k < 10; k++) {
			begin(1 + (unsigned)rand() % (RECORD_KIND_COUNT - 1));
			record->anomaly = 1 + (unsigned)rand() % (record->kind == RECORD_ALERT ? RECORD_KIND_COUNT - 1u
											       : ANOMALY_COUNT - 1u);
			for (unsigned f = rand() % 50 ? (unsigned)rand() % 12 : 300; f > 0; f--)
				add_random();
			assert_true(sound(redact_record(x, record)));
		}
		redact_free(x);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_to_hide_is_the_same_record),
		cmocka_unit_test(a_query_goes_from_every_place),
		cmocka_unit_test(the_same_value_is_the_same_hash),
		cmocka_unit_test(what_is_dropped_is_no_fact),
		cmocka_unit_test(a_header_goes_by_its_name_alone),
		cmocka_unit_test(a_cookie_hides_no_name),
		cmocka_unit_test(a_user_goes_from_urls_and_credentials),
		cmocka_unit_test(a_host_goes_from_targets_tunnels_and_texts),
		cmocka_unit_test(names_of_dns_go_from_its_records),
		cmocka_unit_test(too_many_hide_everything),
		cmocka_unit_test(random_records_stay_records),
		cmocka_unit_test(a_name_goes_however_it_is_met),
		cmocka_unit_test(a_full_cookie_hides_no_name),
		cmocka_unit_test(what_was_cut_goes_with_its_rest),
		cmocka_unit_test(a_field_goes_from_its_header),
		cmocka_unit_test(a_name_in_pieces_goes),
		cmocka_unit_test(a_text_made_to_be_slow_goes_whole),
		cmocka_unit_test(unknown_words_are_refused),
		cmocka_unit_test(filters_take_kinds_and_tenants),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
