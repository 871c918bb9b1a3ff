// SPDX-License-Identifier: BSD-3-Clause
//
// What policy.md says about conditions and verdicts, one sentence a case: by the compiled rule set and by the naive
// interpreter, so that the two are not merely wrong together.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "path/policy.h"
#include "policy/compile.h"

#include "../policy/naive.h"

// ---- a small builder: trees out of fixed arrays, gone with the next case ----

static struct test tests[64], *test_children[64];
static struct condition conditions[64], *condition_children[64];
static struct rule rules[8];
static struct set sets[2];
static struct policy policy;
static unsigned ntests, nconditions, ntest_children, ncondition_children;

static void begin(enum action standard)
{
	memset(rules, 0, sizeof(rules));
	memset(sets, 0, sizeof(sets));
	ntests = nconditions = ntest_children = ncondition_children = 0;
	policy = (struct policy){.rules = rules, .sets = sets, .default_action = standard};
}

static struct test *test(struct test t)
{
	tests[ntests] = t;
	return &tests[ntests++];
}

static struct test *text(enum test_op op, const char *s)
{
	return test((struct test){.op = op, .operand = {.p = (const uint8_t *)s, .len = strlen(s)}});
}

static struct test *number(uint64_t n)
{
	return test((struct test){.op = TEST_IS, .operand = {.num = n}});
}

static struct test *present(bool yes)
{
	return test((struct test){.op = TEST_PRESENT, .present = yes});
}

static struct test *of(enum test_op op, unsigned n, ...)
{
	va_list list;
	struct test t = {.op = op, .child = &test_children[ntest_children], .nchildren = n};
	va_start(list, n);
	for (unsigned i = 0; i < n; i++)
		test_children[ntest_children++] = va_arg(list, struct test *);
	va_end(list);
	return test(t);
}

static struct condition *field(enum field f, struct test *t)
{
	conditions[nconditions] = (struct condition){.kind = CONDITION_FIELD, .field = f, .test = t};
	return &conditions[nconditions++];
}

static struct condition *both(struct condition *a, struct condition *b)
{
	condition_children[ncondition_children++] = a;
	condition_children[ncondition_children++] = b;
	conditions[nconditions] = (struct condition){
		.kind = CONDITION_ALL, .child = &condition_children[ncondition_children - 2], .nchildren = 2};
	return &conditions[nconditions++];
}

static struct rule *rule(enum action action, struct condition *when)
{
	struct rule *r = &rules[policy.nrules++];
	r->action = action;
	r->when = when;
	return r;
}

static struct facts facts;
static struct fact_value values[FIELD_COUNT][3];

// The first packet of a TCP flow to this port: all of the first fields are known, no other.
static void syn(uint16_t port)
{
	memset(&facts, 0, sizeof(facts));
	for (unsigned f = 0; f <= FIELD_STREAM_AMBIGUOUS; f++)
		facts.state[f] = FACT_ABSENT;
	values[FIELD_DPORT][0] = (struct fact_value){.num = port};
	facts.state[FIELD_DPORT] = FACT_ALL;
	facts.n[FIELD_DPORT] = 1;
	facts.value[FIELD_DPORT] = values[FIELD_DPORT];
}

static void say(enum field f, enum fact_state state, const char *a, const char *b)
{
	const char *list[] = {a, b};
	facts.state[f] = state;
	facts.n[f] = 0;
	facts.value[f] = values[f];
	for (unsigned i = 0; i < 2 && list[i]; i++)
		values[f][facts.n[f]++] = (struct fact_value){.p = (const uint8_t *)list[i], .len = strlen(list[i])};
}

static struct verdict judged(bool would)
{
	struct verdict a, b;
	struct compile_options o = {.seed = 7};
	char error[200];
	uint32_t fired[8];
	struct ruleset *rs = compile_ruleset(&policy, &o, error, sizeof(error));
	assert_non_null(rs);
	struct policy_scratch *s = policy_worker_init(rs);
	(would ? policy_judge_would : policy_judge)(rs, s, &facts, &a);
	naive_judge(&policy, &facts, would, &b, fired, 8);
	policy_worker_fini(s);
	compile_free(rs);
	assert_int_equal(a.rule, b.rule);
	assert_int_equal(a.open, b.open);
	assert_int_equal(a.early, b.early);
	assert_int_equal(a.possible, b.possible);
	assert_int_equal(a.waits, b.waits);
	return a;
}

static void expect_final(uint32_t number, bool early)
{
	struct verdict v = judged(false);
	assert_false(v.open);
	assert_int_equal(v.rule, number);
	assert_int_equal(v.early, early);
}

static void expect_open(uint64_t waits, bool possible)
{
	struct verdict v = judged(false);
	assert_true(v.open);
	assert_int_equal(v.waits, waits);
	assert_int_equal(v.possible, possible);
}

#define BIT(f) (1ull << (f))

// ---- conditions ----

static void test_false_whatever_the_host(void **state)
{
	begin(ACTION_ALLOW);
	rule(ACTION_DENY, both(field(FIELD_DPORT, number(443)), field(FIELD_HOST, text(TEST_IS, "a.com"))));
	syn(22);
	expect_final(RULE_DEFAULT, false);
	syn(443);
	expect_open(BIT(FIELD_HOST), true);
}

static void test_absent_satisfies_only_present_false(void **state)
{
	begin(ACTION_ALLOW);
	rule(ACTION_DENY, field(FIELD_HOST, of(TEST_NOT, 1, text(TEST_IS, "a.com"))));
	syn(443);
	say(FIELD_HOST, FACT_ABSENT, NULL, NULL);
	expect_final(RULE_DEFAULT, false);
	rule(ACTION_DENY, field(FIELD_HOST, present(true)));
	expect_final(RULE_DEFAULT, false);
	rule(ACTION_DENY, field(FIELD_HOST, present(false)));
	expect_final(2, false);
}

static void test_some_value_and_no_value(void **state)
{
	begin(ACTION_ALLOW);
	rule(ACTION_DENY, field(FIELD_HOST, text(TEST_IS, "a.com")));
	syn(443);
	say(FIELD_HOST, FACT_ALL, "b.com", "a.com");
	expect_final(0, false);
	begin(ACTION_ALLOW);
	rule(ACTION_DENY, field(FIELD_HOST, of(TEST_NOT, 1, text(TEST_IS, "a.com"))));
	expect_final(RULE_DEFAULT, false);
	say(FIELD_HOST, FACT_ALL, "b.com", "c.com");
	expect_final(0, false);
}

static void test_allow_wants_every_name(void **state)
{
	begin(ACTION_DENY);
	rule(ACTION_ALLOW, field(FIELD_HOST, of(TEST_ANY, 2, text(TEST_IS, "a.com"), text(TEST_SUFFIX, ".b.com"))));
	syn(443);
	say(FIELD_HOST, FACT_ALL, "a.com", "evil.org");
	expect_final(RULE_DEFAULT, false);
	say(FIELD_HOST, FACT_ALL, "a.com", "x.b.com");
	expect_final(0, false);
	say(FIELD_HOST, FACT_SOME, "a.com", NULL); // another may come
	expect_open(BIT(FIELD_HOST), true);
	say(FIELD_HOST, FACT_SOME, "evil.org", NULL);
	expect_final(RULE_DEFAULT, false);
}

static void test_domains(void **state)
{
	struct set_item items[] = {{.operand = {.p = (const uint8_t *)"a.com", .len = 5}},
				   {.operand = {.p = (const uint8_t *)"b.com", .len = 5}, .exact = true},
				   {.operand = {.p = (const uint8_t *)"3.4", .len = 3}}};
	static const struct {
		const char *host;
		bool in;
	} cases[] = {{"a.com", true},   {"x.a.com", true},    {"xa.com", false},  {"com", false},
		     {"b.com", true},   {"x.b.com", false},   {"1.2.3.4", false}, {"3.4", true},
		     {"a.comx", false}, {"a.com.org", false}, {"y.x.a.com", true}};
	begin(ACTION_ALLOW);
	sets[0] = (struct set){.name = "s", .type = SET_DOMAIN, .items = items, .nitems = 3};
	policy.nsets = 1;
	rule(ACTION_DENY, field(FIELD_HOST, test((struct test){.op = TEST_IN, .set = &sets[0]})));
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		syn(443);
		say(FIELD_HOST, FACT_ALL, cases[i].host, NULL);
		expect_final(cases[i].in ? 0 : RULE_DEFAULT, false);
	}
}

// ---- the verdict ----

static void test_early(void **state)
{
	begin(ACTION_DENY);
	rule(ACTION_DENY, field(FIELD_HOST, text(TEST_IS, "a.com")));
	syn(443);
	expect_final(RULE_DEFAULT, true); // whatever the host, it is denied the same way
	rules[0].response = RESPONSE_PAGE;
	expect_open(BIT(FIELD_HOST), false); // another answer; and nothing that could allow
}

static void test_port_that_no_rule_mentions(void **state)
{
	begin(ACTION_DENY);
	rule(ACTION_ALLOW, both(field(FIELD_DPORT, number(443)), field(FIELD_HOST, text(TEST_IS, "a.com"))));
	syn(443);
	expect_open(BIT(FIELD_HOST), true);
	syn(22);
	expect_final(RULE_DEFAULT, false);
}

static void test_only_what_is_above_holds(void **state)
{
	begin(ACTION_DENY);
	rule(ACTION_ALLOW, field(FIELD_DPORT, number(22)));
	rule(ACTION_DENY, field(FIELD_HOST, text(TEST_IS, "a.com")));
	syn(22);
	expect_final(0, false);
}

static void test_what_never_holds(void **state)
{
	begin(ACTION_ALLOW);
	rule(ACTION_ALERT, field(FIELD_HOST, text(TEST_IS, "a.com")));
	rule(ACTION_DENY, field(FIELD_PAYLOAD, text(TEST_CONTAINS, "evil")));
	rule(ACTION_DENY, field(FIELD_HOST, text(TEST_IS, "b.com")))->shadow = true;
	rule(ACTION_DENY, field(FIELD_HOST, text(TEST_IS, "c.com")))->disabled = true;
	rule(ACTION_DENY, field(FIELD_HOST, text(TEST_IS, "d.com")))->expires_ns = 1;
	syn(443);
	facts.now_ns = 2;
	expect_final(RULE_DEFAULT, false);
	assert_true(judged(true).open); // the second verdict waits for what the shadow rule asks
	say(FIELD_PAYLOAD, FACT_SOME, "all evil", NULL);
	expect_final(1, false);
}

static void test_tags_are_seen_below(void **state)
{
	begin(ACTION_ALLOW);
	rule(ACTION_DENY, field(FIELD_TAG, text(TEST_IS, "t")));
	rule(ACTION_TAG, field(FIELD_DPORT, number(443)))->tag = "t";
	rule(ACTION_DENY, field(FIELD_TAG, text(TEST_IS, "t")));
	syn(443);
	expect_final(2, false);
	syn(22);
	expect_final(RULE_DEFAULT, false);
}

static void test_runner_up(void **state)
{
	begin(ACTION_ALLOW);
	rule(ACTION_DENY, field(FIELD_HOST, text(TEST_SUFFIX, "com")));
	rule(ACTION_ALLOW, field(FIELD_DPORT, number(80)));
	rule(ACTION_DENY, field(FIELD_DPORT, number(443)));
	syn(443);
	say(FIELD_HOST, FACT_ALL, "a.com", NULL);
	assert_int_equal(judged(false).runner_up, 2);
	syn(22);
	say(FIELD_HOST, FACT_ALL, "a.com", NULL);
	assert_int_equal(judged(false).runner_up, RULE_DEFAULT);
}

int main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_false_whatever_the_host),
		cmocka_unit_test(test_absent_satisfies_only_present_false),
		cmocka_unit_test(test_some_value_and_no_value),
		cmocka_unit_test(test_allow_wants_every_name),
		cmocka_unit_test(test_domains),
		cmocka_unit_test(test_early),
		cmocka_unit_test(test_port_that_no_rule_mentions),
		cmocka_unit_test(test_only_what_is_above_holds),
		cmocka_unit_test(test_what_never_holds),
		cmocka_unit_test(test_tags_are_seen_below),
		cmocka_unit_test(test_runner_up),
	};
	return cmocka_run_group_tests(all, NULL, NULL);
}
