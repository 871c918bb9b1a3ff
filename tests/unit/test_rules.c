// SPDX-License-Identifier: BSD-3-Clause
//
// Records of swg_rules: canonical JSON, keys, the table with its hash, its policy and what changes in it, and the way
// from a policy's text to keys and back.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "../poison.h"
#include "base/word.h"
#include "decide/canonical.h"
#include "decide/rules_keyed.h"
#include "live/standing.h"
#include "policy/policy.h"

static void is_canonical(const char *text, const char *expected)
{
	char why[200], *out;
	size_t len;
	json_t *v = canonical_read(text, strlen(text), 1 << 20, why, sizeof(why));
	assert_non_null(v);
	FILE *f = open_memstream(&out, &len);
	canonical_write(v, f);
	fclose(f);
	assert_string_equal(out, expected);
	free(out);
	json_decref(v);
}

// RFC 8785, sections 3.2.2 and 3.2.3, appendix B.
static void test_canonical(void **state)
{
	is_canonical("{\"numbers\":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"
		     "\"string\":\"\\u20ac$\\u000F\\u000aA'\\u0042\\u0022\\u005c\\\\\\\"\\/"
		     "\",\"literals\":[null,true,false]}",
		     "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],"
		     "\"string\":\"\xe2\x82\xac$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}");
	is_canonical("{\"\\u20ac\":1,\"\\r\":2,\"\\ufb33\":3,\"1\":4,\"\\ud83d\\ude00\":5,\"\\u0080\":6,\"\\u00f6\":7}",
		     "{\"\\r\":2,\"1\":4,\"\xc2\x80\":6,\"\xc3\xb6\":7,\"\xe2\x82\xac\":1,\"\xf0\x9f\x98\x80\":5,"
		     "\"\xef\xac\xb3\":3}");
	is_canonical("[-0, 0.0, 1e21, 1e20, 1e-6, 1e-7, 123456789012345680000, 9007199254740993, -5e-324]",
		     "[0,0,1e+21,100000000000000000000,0.000001,1e-7,123456789012345680000,9007199254740992,-5e-324]");
	// below a power of two the nearest number of so many digits is another's: Python's repr and V8 say these
	is_canonical(
		"[7.120236347223045e-307, 8.209073602596753e-289, 1.7976931348623157e308, 2.2250738585072014e-308]",
		"[7.120236347223045e-307,8.209073602596753e-289,1.7976931348623157e+308,2.2250738585072014e-308]");
	is_canonical("\"\\b\\t\\n\\f\\r\\u0001\\u001f\\u007f\"", "\"\\b\\t\\n\\f\\r\\u0001\\u001f\x7f\"");
}

static void test_hostile(void **state)
{
	static const char *const texts[] = {
		"", "{", "{\"a\":1,\"a\":2}", "[1e999]", "\"\\ud800\"", "nul", "{\"a\":\"\\u0000\"}", "\xff"};
	char why[200], deep[400];
	for (unsigned i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		assert_null(canonical_read(texts[i], strlen(texts[i]), 100, why, sizeof(why)));
		assert_true(*why);
	}
	memset(deep, '[', 100);
	memset(deep + 100, ']', 100);
	assert_null(canonical_read(deep, 200, 1000, why, sizeof(why)));
	assert_null(canonical_read("[1,2]", 5, 4, why, sizeof(why)));
}

static void test_keys(void **state)
{
	static const struct {
		const char *key;
		int kind;
	} rows[] = {{"rule:a", RULES_RULE},
		    {"rule:auto:feed:x", RULES_AUTO},
		    {"rule:auto::x", -1},
		    {"rule:auto:x", -1},
		    {"rule:", -1},
		    {"set:a", RULES_SET},
		    {"set:a:fd00::/8", RULES_ITEM},
		    {"set:", -1},
		    {"set:a:", -1},
		    {"set::x", -1},
		    {"default", RULES_DEFAULT},
		    {"commit", RULES_COMMIT},
		    {"commits", -1},
		    {"other", -1},
		    {"rule:\xff", -1}};
	struct rules_key k;
	char why[RULES_WHY];
	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		bool good = rules_key_read(rows[i].key, strlen(rows[i].key), &k, why);
		assert_int_equal(good ? (int)k.kind : -1, rows[i].kind);
	}
	assert_true(rules_key_read("set:a:fd00::/8", 14, &k, why));
	assert_int_equal(k.id_len, 1);
	assert_string_equal(k.item, "fd00::/8");
}

static int put(struct rules_table *t, const char *key, const char *value)
{
	char why[RULES_WHY];
	enum rules_kind kind;
	return rules_table_put(t, key, strlen(key), value, value ? strlen(value) : 0, &kind, why);
}

static struct rules_table *sample(void)
{
	struct rules_table *t = rules_table_new();
	put(t, "rule:b", "{\"order\": 2, \"action\":\"deny\"}");
	put(t, "rule:a", "{\"order\": 2.0, \"action\":\"allow\", \"id\":\"a\"}");
	put(t, "rule:z", "{\"order\": 1, \"action\":\"deny\",\"when\":{\"src\":{\"in\":\"s\"}}}");
	put(t, "set:s", "{\"type\":\"net\"}");
	put(t, "set:s:10.0.0.0/8", "{}");
	put(t, "set:s-t", "{\"type\":\"domain\"}");
	put(t, "set:s-t:x.example", "{}");
	put(t, "default", "{\"action\":\"deny\",\"rejudge_unknown\":\"drop\"}");
	return t;
}

// hashlib.sha256(json.dumps(keys, sort_keys=True, separators=(",", ":")).encode()), numbers as above
#define SAMPLE_HASH "0df7795f340d402bf388c9081063c699566ab8d0f9b3a052a8de230e89a51eec"

static void test_table(void **state)
{
	struct rules_table *t = sample();
	struct rules_sum sum;
	struct rules_commit c = {.version = 1, .rules = 3, .sets = 2};
	char why[RULES_WHY];
	size_t len;
	rules_table_sum(t, false, &sum);
	assert_string_equal(sum.hash, SAMPLE_HASH);
	assert_string_equal(sum.all, SAMPLE_HASH);
	assert_int_equal(sum.items, 2);
	char *text = rules_table_policy(t, false, true, &len);
	struct complaints wrong = {0};
	struct policy *p = policy_parse("t", text, len, &wrong); // order, ties by id
	assert_non_null(p);
	assert_string_equal(p->rules[0].id, "z");
	assert_string_equal(p->rules[1].id, "a");
	assert_string_equal(p->rules[2].id, "b");
	assert_string_equal(rules_table_rule(t, 2), "b");
	assert_int_equal(p->rejudge, REJUDGE_DROP);
	assert_int_equal(p->default_action, ACTION_DENY);
	assert_int_equal(p->sets[0].nitems, 1);
	policy_free(p);
	complaints_clear(&wrong);
	free(text);
	strcpy(c.hash, SAMPLE_HASH);
	assert_true(rules_table_fits(t, false, &c, &sum, why));
	c.rules = 4;
	assert_false(rules_table_fits(t, false, &c, &sum, why));
	assert_non_null(strstr(why, "the topic has 3 and 2"));
	c.rules = 3;
	c.hash[0] ^= 1;
	assert_false(rules_table_fits(t, false, &c, &sum, why));
	rules_table_free(t);
}

static void test_changes(void **state)
{
	struct rules_table *t = sample();
	struct rules_change c;
	struct rules_sum before, after;
	rules_table_take(t);
	rules_table_sum(t, true, &before);
	rules_table_change(t, &c);
	assert_false(c.rules || c.sets || c.nitems);
	free(c.items);
	put(t, "set:s:10.0.0.0/8", NULL); // and back again
	put(t, "set:s:192.0.2.0/24", "{}");
	put(t, "set:s:10.0.0.0/8", "{}");
	put(t, "rule:b", "{\"action\":\"deny\",\"order\":2}"); // the same in other words
	rules_table_change(t, &c);
	assert_false(c.rules || c.sets);
	assert_int_equal(c.nitems, 1);
	assert_string_equal(c.items[0].set, "s");
	assert_string_equal(c.items[0].item, "192.0.2.0/24");
	assert_true(c.items[0].add);
	free(c.items);
	rules_table_sum(t, true, &after); // in force is what was
	assert_string_equal(before.hash, after.hash);
	rules_table_sum(t, false, &after);
	assert_string_not_equal(before.hash, after.hash);
	assert_int_equal(put(t, "rule:b", "{\"action\":\"deny\"}"), -1); // no order: the version is refused by its name
	char why[RULES_WHY];
	assert_false(rules_table_fits(t, false, &(struct rules_commit){0}, &after, why));
	assert_non_null(strstr(why, "rule:b"));
	put(t, "rule:b", NULL);
	rules_table_change(t, &c);
	assert_true(c.rules);
	free(c.items);
	rules_table_free(t);
}

#define AUTO "{\"order\":1000000000,\"action\":\"deny\",\"expires\":\"%s\"}"

static void test_machines(void **state)
{
	struct rules_table *t = sample();
	struct rules_sum sum;
	char text[200], people[65];
	size_t len;
	rules_table_take(t);
	snprintf(text, sizeof(text), AUTO, "2030-01-01T00:00:00Z");
	assert_int_equal(put(t, "rule:auto:feed:x", text), 0);
	assert_int_equal(put(t, "rule:auto:feed:y", "{\"order\":1000000000,\"action\":\"deny\"}"), -1); // expires
	assert_int_equal(
		put(t, "rule:auto:feed:y", "{\"order\":5,\"action\":\"deny\",\"expires\":\"2030-01-01T00:00:00Z\"}"),
		-1);
	assert_int_equal(put(t, "rule:c", "{\"order\":1500000000,\"action\":\"deny\"}"), -1); // the machines' band
	put(t, "rule:c", NULL);
	rules_table_sum(t, true, &sum);
	assert_int_equal(sum.autos, 1);
	assert_int_equal(sum.rules, 3);
	assert_string_equal(sum.hash, SAMPLE_HASH); // without them
	assert_string_not_equal(sum.all, sum.hash);
	strcpy(people, sum.hash);
	rules_table_take_autos(t, false); // it had an error
	rules_table_sum(t, true, &sum);
	assert_int_equal(sum.autos, 0);
	put(t, "rule:auto:feed:x", text);
	rules_table_take_autos(t, true);
	put(t, "rule:z", NULL); // people are not done yet: machines' policy has the rule
	char *policy = rules_table_policy(t, true, true, &len);
	assert_non_null(strstr(policy, "\"z\""));
	assert_non_null(strstr(policy, "auto:feed:x"));
	free(policy);
	assert_int_equal(rules_table_expire(t, 1), 0);
	assert_int_equal(rules_table_expire(t, UINT64_MAX), 1);
	rules_table_sum(t, true, &sum);
	assert_int_equal(sum.autos, 0);
	assert_string_equal(sum.hash, people);
	rules_table_free(t);
}

// Ever new keys that go again fill nothing: more than the table may have came and went. And keys of one set are its
// own, whatever stands between.
static void test_gone(void **state)
{
	struct rules_table *t = rules_table_new();
	char key[RULES_KEY_MAX + 1], why[RULES_WHY], name[64];
	enum rules_kind kind;
	size_t len;
	memset(key, 'k', sizeof(key));
	put(t, "rule:a", "{\"order\":1,\"action\":\"deny\"}");
	put(t, "set:s", "{\"type\":\"string\"}");
	put(t, "set:s!", "{\"type\":\"string\"}");
	put(t, "set:s!:no", "{}");
	put(t, "set:s:yes", "{}");
	put(t, "set:s;", "{\"type\":\"string\"}");
	for (unsigned i = 0; i < rounds(70000); i++) {
		int n = sprintf(key, "set:s:%u", i);
		key[n] = 'k';
		assert_int_equal(rules_table_put(t, key, RULES_KEY_MAX, "{}", 2, &kind, why), 0);
		if (i % 3 == 0)
			rules_table_take(t);
		assert_int_equal(rules_table_put(t, key, RULES_KEY_MAX, NULL, 0, &kind, why), 0);
		if (i % 1000 == 0)
			rules_table_take(t);
	}
	rules_table_take(t);
	char *text = rules_table_policy(t, true, true, &len);
	assert_string_equal(text, "{\n\"sets\":{\n\"s\":{\"type\":\"string\",\"items\":[\"yes\"]},\n\"s!\":{\"type\":"
				  "\"string\",\"items\":[\"no\"]},\n\"s;\":{\"type\":\"string\",\"items\":[]}},\n"
				  "\"rules\":[\n{\"action\":\"deny\",\"id\":\"a\"}\n]}\n");
	free(text);
	for (unsigned i = 0; i < RULES_AUTO_MAX + 5; i++) { // machines have their bound, and what expires makes room
		sprintf(name, "rule:auto:feed:%u", i);
		assert_int_equal(
			put(t, name, "{\"order\":1e9,\"action\":\"deny\",\"expires\":\"2030-01-01T00:00:00Z\"}"),
			i < RULES_AUTO_MAX ? 0 : -1);
	}
	rules_table_take_autos(t, true);
	assert_int_equal(rules_table_expire(t, 1893456000000000000), RULES_AUTO_MAX); // that very moment
	rules_table_take_autos(t, true);
	assert_int_equal(put(t, name, "{\"order\":1e9,\"action\":\"deny\",\"expires\":\"2030-01-01T00:00:00Z\"}"), 0);
	rules_table_free(t);
}

// What machines removed stays removed where what they added had errors.
static void test_left_out(void **state)
{
	struct rules_table *t = sample();
	struct rules_sum sum;
	char text[200];
	snprintf(text, sizeof(text), AUTO, "2030-01-01T00:00:00Z");
	put(t, "rule:auto:feed:x", text);
	rules_table_take(t);
	assert_true(rules_table_take_autos(t, true));
	put(t, "rule:auto:feed:x", NULL);
	put(t, "rule:auto:feed:y", text);
	assert_true(rules_table_take_autos(t, false));
	rules_table_sum(t, true, &sum);
	assert_int_equal(sum.autos, 0);
	assert_false(rules_table_take_autos(t, false));
	rules_table_free(t);
}

static void test_cut(void **state)
{
	static const char *const rows[][2] = {{"", ""},       {"ab", "ab"},           {"a\xc3\xa9", "a\xc3\xa9"},
					      {"a\xc3", "a"}, {"a\xf0\x9f\x98", "a"}, {"\xe2\x82\xac", "\xe2\x82\xac"}};
	char text[16];
	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		strcpy(text, rows[i][0]);
		word_cut(text);
		assert_string_equal(text, rows[i][1]);
	}
}

// ---- from a policy to keys ---------------------------------------------------------------------------------------

static unsigned written;

static void into(void *arg, const char *key, size_t key_len, const char *value, size_t len)
{
	char why[RULES_WHY];
	enum rules_kind kind;
	const struct rules_value *was = rules_table_get(arg, key);
	written += !was || was->len != len || memcmp(was->text, value, len) != 0;
	assert_int_equal(rules_table_put(arg, key, key_len, value, len, &kind, why), 0);
}

static void publish(struct rules_table *t, const char *text)
{
	struct complaints wrong = {0};
	struct policy *p = policy_parse("t", text, strlen(text), &wrong);
	assert_non_null(p);
	written = 0;
	assert_true(rules_keyed(p, text, strlen(text), t, into, t, stderr));
	policy_free(p);
	complaints_clear(&wrong);
}

static void in_order(struct rules_table *t, const char *ids)
{
	size_t len;
	free(rules_table_policy(t, false, false, &len));
	for (unsigned i = 0; ids[i]; i++)
		assert_int_equal(*rules_table_rule(t, i), ids[i]);
}

static const char *of(const char *ids)
{
	static char text[8192];
	char *at = text + sprintf(text, "{\"rules\":[");
	for (; *ids; ids++)
		at += sprintf(at, "%s{\"id\":\"%c\",\"action\":\"deny\"}", at[-1] == '[' ? "" : ",", *ids);
	strcpy(at, "]}");
	return text;
}

static void test_order(void **state)
{
	struct rules_table *t = rules_table_new();
	publish(t, of("abcdefgh"));
	in_order(t, "abcdefgh");
	publish(t, of("abcxdefgh"));
	in_order(t, "abcxdefgh");
	assert_int_equal(written, 1);
	publish(t, of("habcxdefg")); // one moved: one record
	in_order(t, "habcxdefg");
	assert_int_equal(written, 1);
	publish(t, of("gfedxcbah"));
	in_order(t, "gfedxcbah");
	rules_table_free(t);
	t = rules_table_new();
	char text[64] = "ab"; // until there is no room between two, and all are numbered anew
	unsigned anew = 0;
	for (char c = 'c'; c < '{'; c++) {
		memmove(text + 2, text + 1, strlen(text));
		text[1] = c;
		publish(t, of(text));
		in_order(t, text);
		anew += written > 1;
	}
	assert_int_equal(anew, 1); // at first
	rules_table_free(t);
}

static void test_keyed(void **state)
{
	struct rules_table *t = rules_table_new();
	publish(t, "{\"undecided\":{\"handshake\":\"pass\"},\"sets\":{\"d\":{\"type\":\"domain\",\"items\":[\"Casino."
		   "Example.\","
		   "\"=b.example\"]},\"p\":{\"type\":\"port\",\"items\":[80,\"8000-8100\"]},\"n\":{\"type\":\"net\","
		   "\"items\":"
		   "[\"10.0.0.0/8\",\"2001:db8::1\"]}},\"rules\":[]}");
	static const char *const keys[] = {"set:d:casino.example", "set:d:=b.example", "set:p:80",
					   "set:p:8000-8100",      "set:n:10.0.0.0/8", "set:n:2001:db8::1"};
	for (unsigned i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		assert_non_null(rules_table_get(t, keys[i]));
	size_t len;
	char *text = rules_table_policy(t, false, true, &len);
	struct complaints wrong = {0};
	struct policy *p = policy_parse("t", text, len, &wrong);
	assert_non_null(p);
	assert_int_equal(p->handshake, UNDECIDED_PASS);
	assert_int_equal(p->nsets, 3);
	policy_free(p);
	complaints_clear(&wrong);
	free(text);
	rules_table_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_canonical), cmocka_unit_test(test_hostile),  cmocka_unit_test(test_keys),
		cmocka_unit_test(test_table),     cmocka_unit_test(test_changes),  cmocka_unit_test(test_machines),
		cmocka_unit_test(test_gone),      cmocka_unit_test(test_left_out), cmocka_unit_test(test_cut),
		cmocka_unit_test(test_order),     cmocka_unit_test(test_keyed)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
