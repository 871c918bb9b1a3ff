// SPDX-License-Identifier: BSD-3-Clause
//
// Requests over Kafka, without Kafka: a question is judged as the packets of the same request are, whatever the policy;
// what is malformed is refused with its reason; one id has one answer; what is answered is a number below which all is.
#include "../poison.h"
#include "judged_fixture.h"

#include "decide/answered.h"
#include "decide/decision.h"
#include "decide/progress.h"
#include "decide/request.h"
#include "decide/unread.h"
#include "path/judge_ask.h"
#include "path/limit.h"

static const uint64_t key[2] = {0x1234567890abcdef, 0xfedcba0987654321};
static struct request *question;

// ---- reading -----------------------------------------------------------------------------------------------------

static int reads(const char *text)
{
	return request_read(question, text, strlen(text), key);
}

static void assert_head(const char *text, const char *head)
{
	assert_int_equal(reads(text), 0);
	assert_int_equal(question->ask.head_len, strlen(head));
	assert_memory_equal(question->ask.head, head, strlen(head));
}

static void test_reads(void **state)
{
	(void)state;
	assert_head("{\"id\":\"a\",\"method\":\"GET\",\"url\":\"http://Example.com/a?b#c\",\"headers\":{\"X-A\":\"1\","
		    "\"Accept\":[\"x\",\"y\"]}}",
		    "GET /a?b HTTP/1.1\r\nHost: Example.com\r\nX-A: 1\r\nAccept: x\r\nAccept: y\r\n\r\n");
	assert_int_equal(question->ask.dport, 80);
	assert_head("{\"id\":\"a\",\"method\":\"POST\",\"url\":\"https://"
		    "u:p@[2001:DB8::1]:8443\",\"src\":\"::ffff:192.0.2.1\"}",
		    "POST / HTTP/1.1\r\nHost: [2001:DB8::1]:8443\r\n\r\n");
	assert_int_equal(question->ask.src_len, 4);
	assert_int_equal(question->ask.dst_len, 16);
	assert_int_equal(question->ask.dport, 8443);
	assert_true(question->ask.tls);
	assert_int_equal(question->ask.url.len, strlen("https://[2001:db8::1]:8443/"));
	assert_memory_equal(question->ask.url.p, "https://[2001:db8::1]:8443/", question->ask.url.len);
	assert_head("{\"id\":\"a\",\"method\":\"CONNECT\",\"url\":\"example.com:443\",\"headers\":{\"host\":\"EXAMPLE."
		    "com:443\"}}",
		    "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n");
	assert_head("{\"id\":\"a\",\"method\":\"GET\",\"url\":\"http://a/"
		    "\",\"headers\":{\"host\":\"b\"},\"groups\":[\"x\",\"y\"],"
		    "\"user\":\"\\u00e9\\ud83d\\ude00\",\"tenant\":7,\"deadline_ms\":250,\"direction\":\"out\","
		    "\"more\":[{\"a\":1.5e3}]}",
		    "GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n");
	assert_int_equal(question->ask.ngroups, 2);
	assert_int_equal(question->ask.tenant, 7);
	assert_int_equal(question->deadline_ms, 250);
	assert_int_equal(question->ask.direction, 1 + DIRECTION_OUT);
	assert_memory_equal(question->ask.user.p, "\xc3\xa9\xf0\x9f\x98\x80", 6);
}

// What a client would connect to, however the URL spells it.
static void test_addresses(void **state)
{
	static const char *const all[] = {"127.0.0.1",  "127.1",           "2130706433", "0x7f.0.0.1",
					  "0177.0.0.1", "[::ffff:7f00:1]", "127.0.0.1.", "%3127.0.0.1"};
	static const uint8_t loopback[4] = {127, 0, 0, 1};
	char text[128];
	(void)state;
	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		snprintf(text, sizeof(text), "{\"id\":\"a\",\"method\":\"GET\",\"url\":\"http://%s/\"}", all[i]);
		assert_int_equal(reads(text), 0);
		assert_int_equal(question->ask.dst_len, 4);
		assert_memory_equal(question->ask.dst, loopback, 4);
	}
	assert_int_equal(reads("{\"id\":\"a\",\"method\":\"GET\",\"url\":\"http://127.0.0.1.example/\"}"), 0);
	assert_int_equal(question->ask.dst_len, 0);
}

#define GOOD "\"method\":\"GET\",\"url\":\"http://a/\""
static void test_refuses(void **state)
{
	static const struct {
		const char *text, *why;
		bool id;
	} all[] = {
		{"", "message: an object is expected", false},
		{"[]", "message: an object is expected", false},
		{"{\"id\":\"a\"," GOOD "} x", "message: more follows", true},
		{"{\"id\":\"a\"," GOOD, "message: it ends too early", true},
		{"{\"id\":\"a\"}", "method: it is missing", true},
		{"{" GOOD "}", "id: it is missing", false},
		{"{\"id\":\"\"," GOOD "}", "id: a text of 1 to 256 bytes is expected", false},
		{"{\"id\":7," GOOD "}", "id: a text of 1 to 256 bytes is expected", false},
		{"{\"id\":\"a\",\"id\":\"b\"," GOOD "}", "id: it stands twice", false},
		{"{\"id\":\"a\"," GOOD ",\"url\":\"http://b/\"}", "url: it stands twice", true},
		{"{\"method\":\"G T\",\"url\":\"http://a/\",\"id\":\"a\"}", "method: no method of HTTP", true},
		{"{\"method\":\"GET\",\"url\":\"/a\",\"id\":\"a\"}", "url: http://, https:// or the like is expected",
		 true},
		{"{\"method\":\"GET\",\"url\":\"http://casino.example\\\\@x.example/\",\"id\":\"a\"}",
		 "url: no server in it", true},
		{"{\"method\":\"GET\",\"url\":\"http:///a\",\"id\":\"a\"}", "url: no server in it", true},
		{"{\"method\":\"GET\",\"url\":\"http://a/ b\",\"id\":\"a\"}", "url: a space in it", true},
		{"{\"method\":\"GET\",\"url\":\"http://a:99999/\",\"id\":\"a\"}", "url: no server in it", true},
		{"{\"headers\":{\"a\":\"b\\r\\nHost: c\"},\"id\":\"a\"," GOOD "}",
		 "headers: a control character in a value", true},
		{"{\"headers\":{\"a b\":\"c\"},\"id\":\"a\"," GOOD "}", "headers: a name that is none", true},
		{"{\"headers\":{\"a\":1},\"id\":\"a\"," GOOD "}", "headers: a string is expected", true},
		{"{\"src\":\"1.2.3\",\"id\":\"a\"," GOOD "}", "src: an address is expected", true},
		{"{\"tenant\":-1,\"id\":\"a\"," GOOD "}", "tenant: a whole number is expected", true},
		{"{\"tenant\":1.5,\"id\":\"a\"," GOOD "}", "tenant: a whole number is expected", true},
		{"{\"direction\":\"up\",\"id\":\"a\"," GOOD "}",
		 "direction: out, in, inside, outside or unknown is expected", true},
		{"{\"id\":\"a\",\"user\":\"x\\ny\"," GOOD "}", "user: a control character in it", true},
		{"{\"id\":\"a\",\"user\":\"\\ud800\"," GOOD "}", "user: an escape that is none", true},
		{"{\"id\":\"a\",\"user\":\"\xff\"," GOOD "}", "user: bytes that are not UTF-8", true},
		{"{\"id\":\"a\",\"x\":[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]," GOOD "}", "message: nested too deep",
		 true},
		{"{\"id\":\"a\",\"x\":tru," GOOD "}", "message: a value that is none", true},
		{"{\"id\":\"a\",\"method\":\"CONNECT\",\"url\":\"x\"}", "url: name:port is expected", true},
		{"{\"id\":\"a\",\"deadline_ms\":1e300," GOOD "}", "deadline_ms: a whole number is expected", true},
		{"{\"id\":\"a\",\"deadline_ms\":9223372036854775807," GOOD "}",
		 "deadline_ms: a whole number is expected", true},
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		assert_int_equal(reads(all[i].text), -EINVAL);
		assert_string_equal(question->why, all[i].why);
		assert_int_equal(question->ask.id.len > 0, all[i].id);
		assert_int_equal(question->deadline_ms, 0); // what cannot be read is answered, not late
	}
}

// A URL of this many letters.
static int reads_long(size_t letters)
{
	char *text = malloc(letters + 128), *at = text;
	assert_non_null(text);
	at += sprintf(at, "{\"id\":\"a\",\"method\":\"GET\",\"url\":\"http://a/");
	memset(at, 'x', letters);
	strcpy(at + letters, "\"}");
	int rc = reads(text);
	free(text);
	return rc;
}

static void test_too_long(void **state)
{
	(void)state;
	assert_int_equal(reads_long(8000), 0);
	assert_int_equal(reads_long(9000), -EINVAL);
	assert_string_equal(question->why, "url: longer than is looked at");
	assert_int_equal(reads_long(REQUEST_MAX + 1000), -EINVAL); // is cut off within the URL
	assert_string_equal(question->why, "message: more than 65536 bytes");
	assert_int_equal(question->ask.id.len, 1);
}

// What its verdict does not hang on may differ; all else may not.
static void test_content(void **state)
{
	static const char *const texts[] = {
		"{\"id\":\"a\"," GOOD "}",
		"{\"id\":\"a\"," GOOD ",\"user\":\"b\"}",
		"{\"id\":\"a\"," GOOD ",\"groups\":[\"b\"]}",
		"{\"id\":\"a\"," GOOD ",\"src\":\"10.0.0.1\"}",
		"{\"id\":\"a\"," GOOD ",\"tenant\":1}",
		"{\"id\":\"a\"," GOOD ",\"headers\":{\"a\":\"b\"}}",
		"{\"id\":\"a\",\"method\":\"GET\",\"url\":\"https://a/\"}",
	};
	uint64_t seen[7][2];
	(void)state;
	for (unsigned i = 0; i < 7; i++) {
		assert_int_equal(reads(texts[i]), 0);
		memcpy(seen[i], question->content, 16);
		for (unsigned k = 0; k < i; k++)
			assert_true(seen[i][0] != seen[k][0]);
	}
	assert_int_equal(reads("{\"url\":\"http://a/\", \"deadline_ms\":9,\"method\":\"GET\",\"id\":\"b\"}"), 0);
	assert_true(question->content[0] == seen[0][0]);
}

// ---- judging -----------------------------------------------------------------------------------------------------

static uint64_t dice = 1;
static uint32_t roll(uint32_t n)
{
	dice = dice * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(dice >> 33) % n;
}
#define PICK(list) (list)[roll(sizeof(list) / sizeof((list)[0]))]

static const char *const conditions[] = {
	"\"src\":\"0.0.0.1\"",
	"\"src\":{\"not\":\"0.0.0.0/30\"}",
	"\"dport\":80",
	"\"proto\":\"tcp\"",
	"\"app\":\"http\"",
	"\"app\":{\"not\":\"http\"}",
	"\"host\":{\"in\":\"bad\"}",
	"\"host\":{\"suffix\":\".example\"}",
	"\"host\":{\"not\":{\"in\":\"bad\"}}",
	"\"http.host\":\"a.example\"",
	"\"tls.sni\":{\"present\":false}",
	"\"url\":{\"contains\":\"/admin\"}",
	"\"http.method\":[\"GET\",\"HEAD\"]",
	"\"http.uri\":{\"regex\":\"x=[0-9]+\"}",
	"\"http.path\":{\"prefix\":\"/a\"}",
	"\"http.user_agent\":{\"contains\":\"curl\",\"nocase\":true}",
	"\"http.user_agent\":{\"present\":false}",
	"\"http.header.x-key\":\"1\"",
	"\"http.header.x-key\":{\"present\":false}",
	"\"tenant\":{\"present\":false}",
	"\"tag\":\"seen\"",
	"\"direction\":\"out\"",
	"\"user\":{\"present\":false}",
	"\"ip.version\":4",
	"\"any\":[{\"host\":\"b.example\"},{\"http.path\":\"/admin\"}]",
	"\"dns.qname\":\"a.example\"",
};

static const char *policy_text(void)
{
	static const char *const actions[] = {"\"action\":\"allow\"",
					      "\"action\":\"deny\"",
					      "\"action\":\"deny\"",
					      "\"action\":\"alert\"",
					      "\"action\":\"tag\",\"tag\":\"seen\"",
					      "\"action\":\"deny\",\"mode\":\"shadow\""};
	static char text[8192];
	unsigned n = roll(7);
	char *at = text +
		   sprintf(text,
			   "{\"sets\":{\"bad\":{\"type\":\"domain\",\"items\":[\"bad.example\",\"=b.example\"]},"
			   "\"internal\":{\"type\":\"net\",\"items\":[\"0.0.0.1\"]}},\"default\":{\"action\":\"%s\"},"
			   "\"rules\":[",
			   roll(2) ? "allow" : "deny");
	for (unsigned i = 0; i < n; i++) {
		const char *a = PICK(conditions), *b = PICK(conditions);
		bool two = roll(2) && strncmp(a, b, 6) != 0;
		at += sprintf(at, "%s{\"id\":\"r%u\",%s,\"when\":{%s%s%s}}", i ? "," : "", i, PICK(actions), a,
			      two ? "," : "", two ? b : "");
	}
	sprintf(at, "]}");
	return text;
}

struct asking {
	char json[1024], wire[1024];
};

// The same request twice.
static void request_text(struct asking *a)
{
	static const char *const hosts[] = {"a.example",    "b.example", "www.bad.example",
					    "BAD.example.", "0.0.0.2",   "bad.example"};
	static const char *const targets[] = {"/", "/admin", "/a/../admin?x=1", "/%61dmin", "/x?x=22", "/a\\b", "//a"};
	static const char *const methods[] = {"GET", "POST", "HEAD", "PURGE"};
	static const char *const agents[] = {"", "curl/8", "Mozilla"}, *const keys[] = {"", "1", "2"};
	const char *host = PICK(hosts), *target = PICK(targets), *method = PICK(methods), *agent = PICK(agents),
		   *x = PICK(keys);
	char escaped[64], *e = escaped;
	for (const char *p = target; *p; *e++ = *p++)
		if (*p == '\\')
			*e++ = '\\';
	*e = 0;
	char *j = a->json + sprintf(a->json,
				    "{\"id\":\"q\",\"src\":\"0.0.0.1\",\"method\":\"%s\",\"url\":\"http://"
				    "%s%s\",\"direction\":\"out\",\"headers\":{",
				    method, host, escaped);
	char *w = a->wire + sprintf(a->wire, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, target, host);
	if (*agent) {
		j += sprintf(j, "\"User-Agent\":\"%s\"", agent);
		w += sprintf(w, "User-Agent: %s\r\n", agent);
	}
	if (*x) {
		j += sprintf(j, "%s\"X-Key\":\"%s\"", *agent ? "," : "", x);
		w += sprintf(w, "X-Key:  %s \r\n", x);
	}
	sprintf(j, "}}");
	sprintf(w, "\r\n");
}

// What stands in a record, without its places and who asked.
static void digest(const struct record *r, char *out, size_t size)
{
	size_t at =
		(size_t)snprintf(out, size, "rule=%u action=%u response=%u would=%u,%u judged=%x", r->rule, r->action,
				 r->response, r->would, r->would_action, r->judged & ~(RECORD_HELD | RECORD_EARLY));
	RECORD_EACH(f, r) {
		if (f->field == FACT_REQUEST_ID)
			continue;
		if (fact_types[f->field] == FACT_TYPE_NUM)
			at += (size_t)snprintf(out + at, size - at, " %s=%lu", fact_names[f->field], fact_number(f));
		else
			at += (size_t)snprintf(out + at, size - at, " %s=%.*s", fact_names[f->field], (int)f->len,
					       f->value);
	}
}

static struct worker decider;
static const char *asked_record(const struct judged_policy *p, const char *json, struct asked *out)
{
	static char text[8192];
	decider.now_ns = clock_ns;
	judge_use(&decider, p->judge);
	assert_int_equal(reads(json), 0);
	judge_ask(&decider, &question->ask, out);
	*text = 0;
	for (const struct record *r; (r = record_peek(decider.records)); record_done(decider.records, r))
		if (r->kind == RECORD_HTTP)
			digest(r, text, sizeof(text));
	judge_use(&decider, NULL);
	return text;
}

// By its packets: the transaction's record, or NULL, where the flow was denied before it was read.
static const char *seen_record(const struct judged_policy *p, const char *wire, bool *denied)
{
	static char text[8192];
	world_open();
	clock_ns = 1700000000 * SECOND;
	judge_use(worker, p->judge);
	judged_segment(40000, 0, 2, 100, 0, "");
	judged_segment(40000, 1, 0x12, 500, 101, "");
	judged_segment(40000, 0, 0x18, 101, 501, wire);
	path_drain(worker);
	const struct record *r = next_record(RECORD_HTTP);
	*text = 0;
	if (r)
		digest(r, text, sizeof(text));
	*denied = r && r->action == ACTION_DENY;
	if (!r) {
		world_close();
		*denied = true;
		return NULL;
	}
	world_close();
	return text;
}

static void test_same_as_packets(void **state)
{
	unsigned denied_early = 0, denies = 0;
	(void)state;
	world_defaults();
	config.policy_fields = UINT64_MAX;
	config.held = 64;
	config.hold_bytes = 1 << 16;
	config.hold_ns = SECOND;
	world_open();
	world_close();
	struct path_config own = config;
	assert_int_equal(path_init(&decider, &own), 0);
	for (unsigned i = 0; i < rounds(400); i++) {
		struct judged_policy packets, questions;
		const char *policy = policy_text();
		judged_load(&packets, policy, 1);
		judged_load(&questions, policy, 1);
		for (unsigned k = 0; k < 4; k++) {
			struct asking a;
			struct asked out;
			bool denied;
			request_text(&a);
			const char *seen = seen_record(&packets, a.wire, &denied);
			clock_ns = 1700000000 * SECOND;
			const char *asked = asked_record(&questions, a.json, &out);
			if (out.denied != denied || (seen && strcmp(seen, asked) != 0))
				fail_msg("%s\n%s\n%s\nseen  %s\nasked %s", policy, a.wire, a.json,
					 seen ? seen : "denied", asked);
			denied_early += !seen;
			denies += denied;
		}
		judged_unload(&packets);
		judged_unload(&questions);
	}
	assert_in_range(denies, rounds(200), rounds(1400));
	assert_in_range(denied_early, 1, rounds(800));
	path_fini(&decider);
}

static void test_only_asked(void **state)
{
	static const char policy[] =
		"{\"rules\":["
		"{\"id\":\"slow\",\"action\":\"limit\",\"rate\":\"1pps\",\"burst\":2,\"by\":\"user\",\"when\":{"
		"\"user\":\"eve\"}},"
		"{\"id\":\"crew\",\"action\":\"deny\",\"reason\":\"not for you\",\"when\":{\"group\":[\"guests\"]}},"
		"{\"id\":\"sni\",\"action\":\"deny\",\"when\":{\"tls.sni\":\"bank.example\"}},"
		"{\"id\":\"net\",\"action\":\"deny\",\"when\":{\"dst\":\"192.0.2.0/24\"}}]}";
	struct judged_policy p;
	struct asked a;
	(void)state;
	world_defaults();
	world_open();
	world_close();
	struct path_config own = config;
	own.policy_fields = UINT64_MAX;
	assert_int_equal(path_init(&decider, &own), 0);
	decider.limits = limits_new(1);
	judged_load(&p, policy, 1);
#define ASK(more) asked_record(&p, "{\"id\":\"q\",\"method\":\"GET\"," more "}", &a)
	ASK("\"url\":\"http://x/\",\"groups\":[\"staff\",\"guests\"]");
	assert_true(a.denied && a.rule == 1);
	ASK("\"url\":\"https://bank.example/\"");
	assert_true(a.denied && a.rule == 2);
	ASK("\"url\":\"http://bank.example/\"");
	assert_false(a.denied);
	ASK("\"url\":\"http://192.0.2.7:8080/\"");
	assert_true(a.denied && a.rule == 3);
	for (unsigned i = 0; i < 4; i++) {
		ASK("\"url\":\"http://x/\",\"user\":\"eve\"");
		assert_int_equal(a.denied, i >= 2);
	}
	assert_int_equal(a.rule, 0);
	ASK("\"url\":\"http://x/\",\"headers\":{\"content-length\":\"1\",\"transfer-encoding\":\"chunked\"}");
	assert_true(a.denied && a.by == ASKED_BY_AMBIGUOUS);
	assert_string_equal(a.cause, "cl-te");
	decider.rules = NULL;
	assert_int_equal(reads("{\"id\":\"q\",\"method\":\"GET\",\"url\":\"http://x/\"}"), 0);
	judge_use(&decider, NULL);
	judge_ask(&decider, &question->ask, &a);
	assert_true(!a.denied && a.by == ASKED_BY_NO_POLICY);
	judged_unload(&p);
	limits_free(decider.limits);
	path_fini(&decider);
}

// ---- answers -----------------------------------------------------------------------------------------------------

static void test_words(void **state)
{
	static const struct rule_name rules[] = {{.id = "no\"1", .reason = "b\xff"}, {.id = "note"}, {.id = "default"}};
	static const struct policy_names names = {.hash = "abc", .nrules = 2, .rule = rules};
	char words[DECISION_MAX], text[DECISION_MAX];
	(void)state;
	struct asked a = {.denied = true, .rule = 0, .nfired = 1, .fired = {1}};
	size_t n = decision_words(words, sizeof(words), &a, &names, "n1", NULL);
	n = decision_write(text, sizeof(text), (struct http_span){(const uint8_t *)"i", 1}, words, n, 7, true);
	text[n] = 0;
	assert_string_equal(
		text,
		"{\"id\":\"i\",\"verdict\":\"deny\",\"rule\":\"no\\\"1\",\"reason\":\"b\\\\xff\","
		"\"violations\":[{\"rule\":\"no\\\"1\",\"reason\":\"b\\\\xff\"},{\"rule\":\"note\",\"reason\":null}],"
		"\"policy\":\"abc\",\"node\":\"n1\",\"elapsed_us\":7,\"again\":true}");
	static char book[DECISION_MAX + 1];
	memset(book, 'x', DECISION_MAX);
	const struct rule_name long_rules[] = {{.id = "long", .reason = book}, {.id = "default"}};
	const struct policy_names long_names = {.hash = "abc", .nrules = 1, .rule = long_rules};
	a = (struct asked){.denied = true, .rule = 0};
	n = decision_words(words, sizeof(words), &a, &long_names, "n1", NULL);
	words[n] = 0;
	assert_string_equal(words,
			    "\"verdict\":\"deny\",\"rule\":\"long\",\"reason\":null,\"violations\":[{\"rule\":\"long\","
			    "\"reason\":null}],\"policy\":\"abc\",\"node\":\"n1\"");
	a = (struct asked){.by = ASKED_BY_UNREAD, .denied = true};
	n = decision_words(words, sizeof(words), &a, NULL, "n1", "url: it is missing");
	words[n] = 0;
	assert_string_equal(words,
			    "\"verdict\":\"deny\",\"rule\":\"fail.bad_request\",\"reason\":\"url: it is missing\","
			    "\"violations\":[{\"rule\":\"fail.bad_request\",\"reason\":\"url: it is missing\"}],"
			    "\"policy\":null,\"node\":\"n1\"");
}

static void test_unread(void **state)
{
	static char text[UNREAD_MAX];
	uint8_t bytes[UNREAD_BYTES + 5] = {0};
	struct unread u = {.topic = "t",
			   .why = "no id",
			   .node = "n",
			   .partition = 3,
			   .offset = 9,
			   .time_ms = 5,
			   .p = "{}",
			   .len = 2};
	(void)state;
	text[unread_write(text, &u)] = 0;
	assert_string_equal(text, "{\"topic\":\"t\",\"partition\":3,\"offset\":9,\"time_ms\":5,\"why\":\"no "
				  "id\",\"message\":\"{}\",\"bytes\":2,\"node\":\"n\"}");
	u.p = "\xff\x00";
	text[unread_write(text, &u)] = 0;
	assert_non_null(strstr(text, "\"message_base64\":\"/wA=\",\"bytes\":2"));
	memset(bytes, 0xff, sizeof(bytes)); // the longest in base64
	u.p = bytes;
	u.len = sizeof(bytes);
	text[unread_write(text, &u)] = 0;
	assert_non_null(strstr(text, "//8=\",\"bytes\":16389,\"node\":\"n\"}")
				?: strstr(text, "/w==\",\"bytes\":16389"));
	memset(bytes, 0, sizeof(bytes));
	u.p = bytes; // each byte is six, and of the end nothing is shown
	u.len = sizeof(bytes);
	text[unread_write(text, &u)] = 0;
	assert_non_null(strstr(text, "\"bytes\":16389,\"node\":\"n\"}"));
	assert_non_null(strstr(text, "\\u0000"));
}

static void test_answered(void **state)
{
	struct answered *a = answered_new(1000, 600 * SECOND);
	struct answered_said said, yes = {"yes", 3, 5}, no = {"no", 2, 6};
	(void)state;
	for (uint64_t i = 0; i < 5000; i++) {
		uint64_t id[2] = {i * 7919 % 512, i};
		assert_int_equal(answered_find(a, id, i, 10 * SECOND, &said), ANSWERED_NOT);
		answered_put(a, id, i, 10 * SECOND, i & 1 ? &yes : i & 2 ? &no : NULL);
		assert_int_equal(answered_find(a, id, i + 1, 10 * SECOND, &said), ANSWERED_OTHER);
		if (i >= 999) {
			uint64_t old = i - 999, was[2] = {old * 7919 % 512, old};
			enum answered_what w = answered_find(a, was, old, 10 * SECOND, &said);
			assert_int_equal(w, old & 1 || old & 2 ? ANSWERED_SO : ANSWERED_ELSEWHERE);
			assert_true(w != ANSWERED_SO || said.len == (old & 1 ? 3u : 2u));
		}
	}
	assert_int_equal(answered_count(a), 1000);
	uint64_t id[2] = {4999ull * 7919 % 512, 4999};
	answered_put(a, id, 1, 11 * SECOND, &no); // another request took the id
	assert_int_equal(answered_find(a, id, 1, 11 * SECOND, &said), ANSWERED_SO);
	assert_int_equal(answered_find(a, id, 4999, 11 * SECOND, &said), ANSWERED_OTHER);
	assert_int_equal(answered_find(a, id, 1, 611 * SECOND, &said), ANSWERED_SO);
	assert_int_equal(answered_count(a), 1);
	assert_int_equal(answered_find(a, id, 1, 613 * SECOND, &said), ANSWERED_NOT);
	answered_free(a);
}

// Who asks so that each answer is another one does not fill the memory with answers.
static void test_answered_bound(void **state)
{
	static char words[16384];
	struct answered *a = answered_new(8000, 600 * SECOND);
	struct answered_said said, is = {words, sizeof(words), 1};
	unsigned kept = 0;
	(void)state;
	for (uint64_t i = 0; i < 8000; i++) {
		uint64_t id[2] = {i, i};
		memcpy(words, &i, sizeof(i));
		answered_put(a, id, i, SECOND, &is);
		kept += answered_find(a, id, i, SECOND, &said) == ANSWERED_SO;
	}
	assert_in_range(kept, 3000, 4096); // of 64 MB
	answered_free(a);
}

static void test_progress(void **state)
{
	struct progress *p = calloc(1, sizeof(*p));
	uint64_t token[PROGRESS_OPEN + 1];
	(void)state;
	p->next = -1;
	p->first = UINT32_MAX - 100; // places are counted without end
	for (unsigned i = 0; i < PROGRESS_OPEN; i++)
		token[i] = progress_take(p, 5, 100 + 2 * i, 0, 1);
	assert_int_equal(progress_take(p, 5, 1 << 20, 0, 1), 0);
	assert_int_equal(p->next, 100);
	assert_int_equal(progress_index(token[7]), 5);
	progress_done(p, token[1]);
	progress_done(p, token[2]);
	assert_int_equal(p->next, 100);
	progress_done(p, token[0]);
	assert_int_equal(p->next, 105);
	for (unsigned i = PROGRESS_OPEN - 1; i > 2; i--)
		progress_done(p, token[i]);
	assert_int_equal(p->next, 101 + 2 * (PROGRESS_OPEN - 1));
	assert_int_equal(p->n, 0);
	uint64_t before = progress_take(p, 5, 1 << 20, 0, 1);
	progress_begin(p);
	assert_null(progress_at(p, before));
	progress_take(p, 5, 1 << 21, 0, 1);
	progress_done(p, before); // another's by now
	assert_int_equal(p->n, 1);
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads),          cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_refuses),        cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_content),        cmocka_unit_test(test_same_as_packets),
		cmocka_unit_test(test_only_asked),     cmocka_unit_test(test_words),
		cmocka_unit_test(test_unread),         cmocka_unit_test(test_answered),
		cmocka_unit_test(test_answered_bound), cmocka_unit_test(test_progress),
	};
	question = calloc(1, sizeof(*question));
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	free(question);
	return rc;
}
