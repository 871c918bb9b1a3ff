// SPDX-License-Identifier: BSD-3-Clause
//
// Policies as text: what the tree holds (values in the facts' own spelling), places, suggestions, bounds. What check
// prints, word by word, is in tests/policy.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <hs/hs.h>

#include "policy/action.h"
#include "policy/doc.h"
#include "policy/domain.h"
#include "policy/field.h"
#include "policy/policy.h"
#include "policy/regex.h"
#include "policy/regex_judge.h"
#include "policy/regex_plain.h"
#include "policy/rule.h"
#include "policy/schedule.h"
#include "base/word.h"

static struct policy *parse(const char *text)
{
	struct complaints c = {0};
	struct policy *p = policy_parse("p.json", text, strlen(text), &c);
	if (!p)
		complaints_print(&c, stderr);
	assert_non_null(p);
	assert_int_equal(c.nerrors, 0);
	complaints_clear(&c);
	return p;
}

// The first complaint of a text that is refused, as it is printed.
static void refused(const char *text, const char *first)
{
	struct complaints c = {0};
	char line[1024] = "";
	FILE *f = fmemopen(line, sizeof(line) - 1, "w");
	assert_null(policy_parse("p.json", text, strlen(text), &c));
	complaints_print(&c, f);
	fclose(f);
	line[strcspn(line, "\n")] = '\0';
	assert_string_equal(line, first);
	complaints_clear(&c);
}

#define RULE(when) "{\"rules\":[{\"id\":\"r\",\"action\":\"deny\",\"when\":" when "}]}"
#define TEXT_IS(operand, text)                                                                                         \
	do {                                                                                                           \
		assert_int_equal((operand).len, strlen(text));                                                         \
		assert_memory_equal((operand).p, text, strlen(text));                                                  \
	} while (0)

static void check_values(void **state)
{
	static const struct {
		const char *when, *text; // NULL: a number
		uint64_t num;
	} cases[] = {
		{"{\"host\":\"WWW.Example.COM.\"}", "www.example.com", 0},
		{"{\"tls.sni\":\"B\\u00fccher.example\"}", "xn--bcher-kva.example", 0},
		{"{\"host\":\"192.0.2.1\"}", "192.0.2.1", 0},
		{"{\"host\":\"[2001:DB8::1]\"}", "[2001:db8::1]", 0},
		{"{\"http.method\":\"Get\"}", "Get", 0},
		{"{\"http.path\":\"/a\\u00e9\\n\"}", "/a\xc3\xa9\n", 0},
		{"{\"src\":\"10.1.2.3\"}", "\x0a\x01\x02\x03", 0},
		{"{\"proto\":\"icmpv6\"}", NULL, 58},
		{"{\"proto\":47}", NULL, 47},
		{"{\"dns.qtype\":\"https\"}", NULL, 65},
		{"{\"dns.qtype\":\"TYPE65280\"}", NULL, 65280},
		{"{\"tls.version\":1.3}", "TLS 1.3", 0},
		{"{\"tls.version\":\"dtls 1.2\"}", "DTLS 1.2", 0},
		{"{\"quic.version\":1}", "1", 0},
		{"{\"quic.version\":\"draft-29\"}", "draft-29", 0},
		{"{\"app\":\"TLS\"}", "tls", 0},
		{"{\"http.ambiguous\":\"cl-te\"}", "cl-te", 0},
		{"{\"tls.ech\":true}", NULL, 1},
		{"{\"dport\":65535}", NULL, 65535},
	};
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[512];
		snprintf(text, sizeof(text), RULE("%s"), cases[i].when);
		struct policy *p = parse(text);
		const struct condition *c = p->rules[0].when->child[0];
		assert_int_equal(c->kind, CONDITION_FIELD);
		assert_int_equal(c->test->op, TEST_IS);
		if (cases[i].text)
			TEXT_IS(c->test->operand, cases[i].text);
		else
			assert_int_equal(c->test->operand.num, cases[i].num);
		policy_free(p);
	}
}

static void check_tree(void **state)
{
	struct policy *p = parse(
		RULE("{\"src\":\"10.1.2.3/8\",\"http.header.X-A\":{\"prefix\":\"b\",\"nocase\":true},"
		     "\"any\":[{\"dport\":{\"range\":\"1-9\"}},{\"dport\":[80,443]}],"
		     "\"host\":[{\"not\":\"a.example\"},{\"present\":false}],\"url\":{\"not\":{\"present\":true}}}"));
	const struct condition *w = p->rules[0].when;
	assert_int_equal(w->kind, CONDITION_ALL);
	assert_int_equal(w->nchildren, 5);
	assert_int_equal(w->child[0]->test->operand.bits, 8);
	assert_memory_equal(w->child[0]->test->operand.p, "\x0a\0\0\0", 4);
	assert_int_equal(w->child[1]->field, FIELD_HTTP_HEADER);
	assert_string_equal(w->child[1]->header, "x-a");
	assert_true(w->child[1]->test->nocase);
	assert_int_equal(w->child[2]->kind, CONDITION_ANY);
	assert_int_equal(w->child[2]->child[0]->kind, CONDITION_ALL);
	assert_int_equal(w->child[2]->child[0]->child[0]->test->operand.num_high, 9);
	assert_int_equal(w->child[2]->child[1]->child[0]->test->op, TEST_ANY);
	assert_int_equal(w->child[2]->child[1]->child[0]->test->nchildren, 2);
	// "no host is this one, or there is none" speaks of the transaction
	assert_int_equal(w->child[3]->kind, CONDITION_ANY);
	assert_int_equal(w->child[3]->child[0]->test->op, TEST_NOT);
	assert_int_equal(w->child[3]->child[1]->test->op, TEST_PRESENT);
	assert_false(w->child[3]->child[1]->test->present);
	assert_int_equal(w->child[4]->test->op, TEST_PRESENT);
	assert_false(w->child[4]->test->present);
	assert_string_equal(w->child[4]->test->place.pointer, "/rules/0/when/url");
	policy_free(p);
}

static void check_rules(void **state)
{
	struct policy *p = parse("{\"default\":{\"action\":\"deny\",\"respond\":\"drop\"},\"undecided\":{\"handshake\":"
				 "\"pass\",\"server_first\":"
				 "\"hold\",\"prelude\":\"drop\"},\"rules\":[\n{\"id\":\"a\",\"action\":\"limit\","
				 "\"rate\":\"1.5Mbps\",\"by\":\"src\"},"
				 "{\"id\":\"b\",\"action\":\"limit\",\"burst\":7,\"rate\":\"100pps\"},{\"id\":\"c\","
				 "\"action\":\"deny\",\"respond\":"
				 "{\"sinkhole\":\"192.0.2.53\"},\"sid\":9,\"enabled\":false,\"expires\":\"1970-01-"
				 "01T01:00:01.5+01:00\"},"
				 "{\"id\":\"d\",\"action\":\"alert\",\"mode\":\"shadow\",\"log\":\"none\",\"time\":{"
				 "\"days\":\"sat-mon\",\"from\":"
				 "\"22:00\",\"to\":\"06:30\",\"zone\":\"UTC\"}}]}");
	const struct rule *r = p->rules;
	assert_int_equal(p->nrules, 4);
	assert_int_equal(p->default_action, ACTION_DENY);
	assert_int_equal(p->default_response, RESPONSE_DROP);
	assert_int_equal(p->handshake, UNDECIDED_PASS);
	assert_int_equal(p->server_first, UNDECIDED_HOLD);
	assert_int_equal(p->prelude, UNDECIDED_DROP);
	assert_int_equal(r[0].rate_bits, 1500000);
	assert_int_equal(r[0].burst, 65536);
	assert_int_equal(r[0].limit_by, FIELD_SRC);
	assert_int_equal(r[0].sid, rule_sid("a"));
	assert_int_equal(r[0].place.line, 2);
	assert_int_equal(r[1].rate_packets, 100);
	assert_int_equal(r[1].burst, 7);
	assert_int_equal(r[1].limit_by, FIELD_COUNT);
	assert_int_equal(r[2].response, RESPONSE_SINKHOLE);
	assert_memory_equal(r[2].sinkhole.p, "\xc0\0\2\x35", 4);
	assert_int_equal(r[2].sid, 9);
	assert_true(r[2].disabled);
	assert_int_equal(r[2].expires_ns, 1500000000);
	assert_int_equal(r[3].severity, 3);
	assert_true(r[3].shadow);
	assert_int_equal(r[3].log, LOG_NONE);
	assert_int_equal(r[3].time->days, 1 << 5 | 1 << 6 | 1);
	assert_int_equal(r[3].time->from, 1320);
	assert_int_equal(r[3].time->to, 390);
	assert_null(r[3].time->zone);
	policy_free(p);
	p = parse("{}");
	assert_int_equal(p->default_action, ACTION_ALLOW);
	assert_int_equal(p->nrules, 0);
	// SHA-256 of "{}"
	assert_string_equal(p->hash, "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
	policy_free(p);
}

static void check_sets(void **state)
{
	struct policy *p = parse("{\"rules\":[{\"id\":\"r\",\"action\":\"deny\",\"when\":{\"host\":{\"in\":\"d\"}}}],"
				 "\"sets\":{\"d\":{\"type\":\"domain\","
				 "\"items\":[\"Bet.Example.\",\"=B\\u00fccher.example\",\"192.0.2.1\"]},\"p\":{"
				 "\"type\":\"port\",\"items\":[80,\"1-9\"]},"
				 "\"n\":{\"type\":\"net\",\"items\":[\"fd00::/"
				 "8\"]},\"j\":{\"type\":\"ja3\",\"items\":[\"E7D705A3286E19EA42F587B344EE6865\"]}}}");
	const struct set *s = p->sets;
	assert_int_equal(p->nsets, 4);
	assert_ptr_equal(p->rules[0].when->child[0]->test->set, &s[0]);
	TEXT_IS(s[0].items[0].operand, "bet.example");
	assert_false(s[0].items[0].exact);
	TEXT_IS(s[0].items[1].operand, "xn--bcher-kva.example");
	assert_true(s[0].items[1].exact);
	assert_true(s[0].items[2].exact); // an address is never below a domain
	assert_int_equal(s[1].items[1].operand.num_high, 9);
	assert_int_equal(s[2].items[0].operand.len, 16);
	assert_int_equal(s[2].items[0].operand.bits, 8);
	TEXT_IS(s[3].items[0].operand, "e7d705a3286e19ea42f587b344ee6865");
	policy_free(p);
}

static void check_places(void **state)
{
	refused("{\n  \"rules\": [\n    {\"id\": \"\xc3\xa9\", \"action\": \"deny\", \"when\": {\"prot\": 1}}]}",
		"p.json:3:44: /rules/0/when: unknown field \"prot\" (did you mean \"proto\"?)");
	refused("{\"rules\": [{\"id\": \"a\", \"action\": \"deny\", \"when\": {\"dest_port\": 1}}]}",
		"p.json:1:51: /rules/0/when: unknown field \"dest_port\" (did you mean \"dport\"?)");
	refused("{\"a/b~\": {}}", "p.json:1:2: unknown key of a policy \"a/b~\"");
	refused("{\"sets\": {\"a/b~\": 1}}",
		"p.json:1:19: /sets/a~1b~0: an object with \"type\" and \"items\" or \"file\" is "
		"expected, not a number");
	refused("{\"rules\": [\n1 2", "p.json:2:3: /rules: \",\" or \"]\" is expected");
	refused("\xef\xbb\xbf{", "p.json:1:3: the text ends inside an object");
	refused("", "p.json:1:1: the text ends where a value is expected");
	refused("{\"rules\":[{\"id\":\"a\",\"id\":\"b\",\"action\":\"deny\"}]}",
		"p.json:1:21: /rules/0: duplicate key \"id\" (first at p.json:1:12)");
}

static void check_words(void **state)
{
	static const char *const words[] = {"deny", "allow", "http.method", "sport"};
	assert_string_equal(word_near(words, 4, "denny", 5), "deny");
	assert_string_equal(word_near(words, 4, "dney", 4), "deny");
	assert_string_equal(word_near(words, 4, "method", 6), "http.method");
	assert_string_equal(word_near(words, 4, "port", 4), "sport");
	assert_string_equal(word_near(words, 4, "h2.method", 9), "http.method");
	assert_null(word_near(words, 4, "quarantine", 10));
	assert_null(word_near(words, 4, "", 0));
	assert_int_equal(word_find(words, 4, "allow", 5), 1);
	assert_int_equal(word_find(words, 4, "allo", 4), 4);
}

static void check_domains(void **state)
{
	static const char *const bad[] = {"", ".", "a..b", ".a", "a b", "a/b", "a:80", "*.a", "\xff", "xn--\xc3\xbc"};
	uint8_t out[512];
	const char *why;
	char label[80], name[300];
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(domain_normal(bad[i], (uint32_t)strlen(bad[i]), out, &why), 0);
		assert_non_null(why);
	}
	memset(label, 'a', sizeof(label));
	assert_int_equal(domain_normal(label, 63, out, &why), 63);
	assert_int_equal(domain_normal(label, 64, out, &why), 0);
	memset(name, 'a', sizeof(name));
	for (unsigned i = 49; i < sizeof(name); i += 50)
		name[i] = '.';
	assert_int_equal(domain_normal(name, 253, out, &why), 253);
	assert_int_equal(domain_normal(name, 254, out, &why), 0);
	assert_int_equal(domain_part(".Example.", 9, true, out, &why), 8);
	assert_memory_equal(out, ".example", 8);
	assert_int_equal(domain_part(".b\xc3\xbc.de", 7, true, out, &why), 13);
	assert_memory_equal(out, ".xn--b-eha.de", 13);
}

static void check_instants(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} cases[] = {
		{"2027-01-31T18:00:00Z", 1801418400000000000ull},
		{"2027-01-31T18:00:00+01:00", 1801414800000000000ull},
		{"1970-01-01T00:00:01.25Z", 1250000000},
		{"2024-02-29T00:00:00Z", 1709164800000000000ull},
		{"2023-02-29T00:00:00Z", 0},
		{"2027-13-01T00:00:00Z", 0},
		{"2027-01-31T18:00:00", 0},
		{"2027-01-31", 0},
		{"2027-01-31T25:00:00Z", 0},
		{"tomorrow", 0},
	};
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t ns = 0;
		bool good = schedule_instant(cases[i].text, (uint32_t)strlen(cases[i].text), &ns);
		assert_int_equal(good ? ns : 0, cases[i].ns);
	}
}

static void check_rates(void **state)
{
	uint64_t bits, packets, n;
	char meant[64];
	assert_true(action_rate("10Mbps", 6, &bits, &packets) && bits == 10000000 && packets == 0);
	assert_true(action_rate("2.5 gbit/s", 10, &bits, &packets) && bits == 2500000000);
	assert_true(action_rate("100pps", 6, &bits, &packets) && packets == 100 && bits == 0);
	assert_true(action_rate("1kpps", 5, &bits, &packets) && packets == 1000);
	assert_false(action_rate("10", 2, &bits, &packets) || action_rate("0Mbps", 5, &bits, &packets));
	assert_false(action_rate("99999999999999999999bps", 23, &bits, &packets));
	assert_false(action_rate("10MBps", 6, &bits, &packets) || action_rate("10 MB/s", 7, &bits, &packets));
	assert_true(action_rate_bytes("10MBps", 6, meant, sizeof(meant)));
	assert_string_equal(meant, "80Mbps");
	assert_true(action_rate_bytes("0.315 kB/s", 10, meant, sizeof(meant)));
	assert_string_equal(meant, "2.52kbps");
	assert_false(action_rate_bytes("10Mbps", 6, meant, sizeof(meant)));
	assert_true(action_rate("10mbps", 6, &bits, &packets) && bits == 10000000);
	assert_true(action_burst("64KB", 4, false, &n) && n == 64000);
	assert_true(action_burst("20", 2, true, &n) && n == 20);
	assert_false(action_burst("20B", 3, true, &n));
}

static void check_regexes(void **state)
{
	struct regex_judge j = {0};
	char why[REGEX_WHY], long_[2700] = "x";
	uint8_t out[64];
	uint32_t len;
	assert_int_equal(regex_judge_weight((const uint8_t *)"abc", 3), 3);
	assert_true(regex_judge_weight((const uint8_t *)"(a{1,100}b){1,100}", 18) >= 10000);
	assert_int_equal(regex_judge_weight((const uint8_t *)"[a\\]b]{3}\\{9", 12), 5);
	assert_true(regex_judge_good(&j, (const uint8_t *)"a[0-9]{2,6}", 11, false, why));
	assert_int_equal(j.pid, 0);
	assert_true(regex_judge_good(&j, (const uint8_t *)"(a?){1000}b", 11, false, why));
	assert_true(j.pid > 0); // large ones go to a process of their own
	assert_false(regex_judge_good(&j, (const uint8_t *)"a{1,40000}", 10, false, why));
	assert_string_equal(why, "Bounded repeat is too large.");
	while (strlen(long_) < sizeof(long_) - 4)
		strcat(long_, "a?");
	assert_false(regex_judge_good(&j, (const uint8_t *)long_, (uint32_t)strlen(long_), false, why));
	assert_string_equal(why, "takes more than 3 s or 1 GiB to compile");
	assert_true(
		regex_judge_good(&j, (const uint8_t *)"(a?){1000}b", 11, true, why)); // the next one has a new process
	regex_judge_close(&j);
	assert_int_equal(regex_literal((const uint8_t *)"a\\.b", 4, out, &len), REGEX_CONTAINS);
	assert_memory_equal(out, "a.b", 3);
	assert_int_equal(regex_literal((const uint8_t *)"^ab", 3, out, &len), REGEX_PREFIX);
	assert_int_equal(regex_literal((const uint8_t *)"ab$", 3, out, &len), REGEX_SUFFIX);
	assert_int_equal(regex_literal((const uint8_t *)"^ab$", 4, out, &len), REGEX_WHOLE);
	assert_int_equal(regex_literal((const uint8_t *)"a\\d", 3, out, &len), REGEX_NEEDED);
	assert_int_equal(regex_literal((const uint8_t *)"a$b", 3, out, &len), REGEX_NEEDED);
	assert_int_equal(regex_literal((const uint8_t *)"ab\\", 3, out, &len), REGEX_NEEDED);
}

// What is seen to be plain is taken by Hyperscan: random regexes of pieces that are mostly plain.
static void check_plain(void **state)
{
	static const char *const pieces[] = {"a",   "bc", "/", "\\.", "[a-z]", "[^/x]", "[0-9_]", "\\d",
					     ".",   "*",  "+", "?",   "{2}",   "{1,3}", "(",      ")",
					     "(?:", "|",  "$", "^",   "\\x41", "-"};
	static const char *const good[] = {"^bank[0-3][0-9]\\.", "/\\.(env|git)(/|$)", "[a-f0-9]{4,16}=", "a", "x.*y"};
	static const char *const other[] = {"a*",  "(a|)", "",   "a{0}", "(?=a)b", "a\\1", "a**",      "[z-a]",
					    "a^b", "(a",   "a)", "a$b",  "\\",     "[a",   "(a{2}){3}"};
	uint32_t seed = 1, plain = 0;
	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(regex_plain((const uint8_t *)good[i], (uint32_t)strlen(good[i])));
	for (unsigned i = 0; i < sizeof(other) / sizeof(other[0]); i++)
		assert_false(regex_plain((const uint8_t *)other[i], (uint32_t)strlen(other[i])));
	for (unsigned n = 0; n < 200000 && plain < 400; n++) {
		char text[64] = "";
		hs_database_t *db = NULL;
		hs_compile_error_t *e = NULL;
		unsigned count = 1 + (seed >> 16) % 8;
		for (unsigned k = 0; k < count; k++) {
			seed = seed * 1103515245 + 12345;
			strcat(text, pieces[(seed >> 16) % (sizeof(pieces) / sizeof(pieces[0]))]);
		}
		if (!regex_plain((const uint8_t *)text, (uint32_t)strlen(text)))
			continue;
		plain++;
		if (hs_compile(text, 0, HS_MODE_BLOCK, NULL, &db, &e) != HS_SUCCESS)
			fail_msg("%s: %s", text, e->message);
		hs_free_database(db);
	}
	assert_int_equal(plain, 400);
}

// Only the first are kept, all are counted, and a place deep in a long line is found.
static void check_many(void **state)
{
	struct complaints c = {0};
	struct policy *p;
	size_t n = 0, room = 400000;
	char *text = malloc(room);
	n += (size_t)snprintf(text, room, "{\"rules\":[");
	for (unsigned i = 0; i < 5000; i++)
		n += (size_t)snprintf(text + n, room - n,
				      "%s{\"id\":\"r%u\",\"action\":\"alert\",\"when\":{\"prot\":1}}", i ? "," : "", i);
	n += (size_t)snprintf(text + n, room - n, "]}");
	p = policy_parse("p.json", text, n, &c);
	assert_null(p);
	assert_int_equal(c.nerrors, 5000);
	assert_int_equal(c.n, POLICY_SHOWN);
	for (unsigned i = 0; i < c.n; i++)
		assert_memory_equal(text + c.list[i].place.col - 1, "\"prot\"", 6);
	complaints_clear(&c);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(check_values),  cmocka_unit_test(check_tree),     cmocka_unit_test(check_rules),
		cmocka_unit_test(check_sets),    cmocka_unit_test(check_places),   cmocka_unit_test(check_words),
		cmocka_unit_test(check_domains), cmocka_unit_test(check_instants), cmocka_unit_test(check_rates),
		cmocka_unit_test(check_regexes), cmocka_unit_test(check_plain),    cmocka_unit_test(check_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
