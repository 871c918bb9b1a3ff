// SPDX-License-Identifier: BSD-3-Clause
//
// What explain says, on random policies and partial facts: the rules asked one by one say what was decided; without the
// rule that decided, the runner-up does; what the dimensions rule out is not true. And arguments, good and bad.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../poison.h"
#include "../policy/random.h"
#include "path/policy.h"
#include "policy/compile.h"
#include "policy/explain.h"
#include "policy/given.h"

struct counts {
	uint64_t cases, without, open, early, lines;
};

static struct ruleset *compile(const struct policy *p)
{
	char error[256];
	struct ruleset *rs = compile_ruleset(p, &(struct compile_options){.seed = 1}, error, sizeof(error));
	assert_non_null(rs);
	return rs;
}

// Without the rule that decided: the runner-up, unless that now waits for a rule above.
static void without(struct policy *p, const struct facts *f, const struct verdict *was, struct counts *c)
{
	struct verdict v;
	p->rules[was->rule].disabled = true;
	struct ruleset *rs = compile(p);
	struct policy_scratch *s = policy_worker_init(rs);
	policy_judge(rs, s, f, &v);
	assert_true(v.open || v.rule == was->runner_up);
	c->without += !v.open;
	policy_worker_fini(s);
	compile_free(rs);
	p->rules[was->rule].disabled = false;
}

static bool ruled_out(const struct explain *e, uint32_t rule)
{
	for (uint32_t i = 0; i < e->ndimensions; i++) {
		const struct explain_rules *out = &e->dimension[i].rules[TRUTH_FALSE];
		for (uint32_t k = 0; k < out->n && k < EXPLAIN_LISTED; k++)
			if (out->list[k] == rule)
				return true;
	}
	return false;
}

static void look(struct policy *p, struct ruleset *rs, struct policy_scratch *s, const struct facts *f,
		 struct counts *c)
{
	struct explain e;
	struct verdict v;
	policy_judge(rs, s, f, &v);
	explain_judge(&e, p, rs, s, f);
	assert_true(e.sound);
	assert_int_equal(e.verdict.rule, v.rule);
	assert_int_equal(e.verdict.open, v.open);
	assert_true(!v.open || !e.rest.open || e.rest.waits != 0);
	for (uint32_t i = 0; i < e.nrules; i++) {
		c->lines += e.rule[i].nlines;
		assert_false(ruled_out(&e, e.rule[i].rule));
	}
	explain_free(&e);
	c->cases++;
	c->open += v.open;
	c->early += v.early;
	if (!v.open && v.rule != RULE_DEFAULT && c->cases % 4 == 0)
		without(p, f, &v, c);
}

static void random_cases(uint64_t seed, unsigned policies, uint32_t rules, unsigned facts)
{
	struct random r;
	struct counts c = {0};
	random_init(&r, seed, 64 << 20);
	for (unsigned i = 0; i < policies; i++) {
		random_reset(&r);
		struct policy *p = random_policy(&r, 1 + random_below(&r, rules));
		struct ruleset *rs = compile(p);
		struct policy_scratch *s = policy_worker_init(rs);
		size_t mark = r.used;
		for (unsigned k = 0; k < facts; k++) {
			r.used = mark;
			look(p, rs, s, random_facts(&r), &c);
		}
		policy_worker_fini(s);
		compile_free(rs);
	}
	random_fini(&r);
	print_message("%lu cases, %lu without their rule, %lu open, %lu early, %lu conditions\n", c.cases, c.without,
		      c.open, c.early, c.lines);
	assert_true(c.without && c.open && c.early && c.lines);
}

static void test_small(void **state)
{
	random_cases(11, rounds(2000), 6, 10);
}

static void test_many(void **state)
{
	random_cases(12, rounds(100), 300, 10);
}

// ---- arguments --------------------------------------------------------------------------------------------------

struct args {
	struct given g;
	struct complaints c;
	struct arena arena;
};

static void args_begin(struct args *a)
{
	memset(a, 0, sizeof(*a));
	a->g.r = (struct reading){.arena = &a->arena, .complaints = &a->c};
	given_begin(&a->g, false);
}

static void args_end(struct args *a)
{
	complaints_clear(&a->c);
	arena_free(&a->arena);
}

static void wrong(const char *name, const char *value, const char *says)
{
	static struct args a;
	args_begin(&a);
	assert_false(given_argument(&a.g, name, value));
	assert_int_equal(a.c.nerrors, 1);
	assert_non_null(strstr(a.c.list[0].text, says));
	assert_non_null(strstr(a.c.list[0].place.file, "--"));
	assert_int_equal(a.c.list[0].place.line, 0);
	args_end(&a);
}

static void test_wrong(void **state)
{
	static char huge[9000];
	memset(huge, 'a', sizeof(huge) - 1);
	wrong("hots", "x", "did you mean \"host\"");
	wrong("src", "10.0.0.300", "no address");
	wrong("src", "10.0.0.0/8", "an address is expected, not a network");
	wrong("dport", "70000", "0 to 65535");
	wrong("dport", "http", "whole number");
	wrong("dport", "-1", "whole number");
	wrong("proto", "tpc", "did you mean \"tcp\"");
	wrong("host", "a..b", "");
	wrong("host", "", "");
	wrong("url", "casino.example", "http:// or https://");
	wrong("url", "http:///x", "no server");
	wrong("http.header.a b", "x", "a header's name");
	wrong("http.user_agent", huge, "longer than a value");
	wrong("http.user_agent", "\xff\xfe", "UTF-8");
	wrong("time", "yesterday", "RFC 3339");
}

static const struct fact_value *only(const struct given *g, enum field f)
{
	assert_int_equal(g->facts.state[f], FACT_ALL);
	assert_int_equal(g->facts.n[f], 1);
	return g->facts.value[f];
}

static void is_text(const struct given *g, enum field f, const char *text)
{
	const struct fact_value *v = only(g, f);
	assert_int_equal(v->len, strlen(text));
	assert_memory_equal(v->p, text, v->len);
}

static void test_url(void **state)
{
	static struct args a;
	args_begin(&a);
	assert_true(given_argument(&a.g, "src", "2001:db8::1"));
	assert_true(given_argument(&a.g, "url", "http://User@WWW.Example:8080/a/../b%2e?q#f"));
	given_complete(&a.g, false);
	is_text(&a.g, FIELD_HOST, "www.example");
	is_text(&a.g, FIELD_HTTP_HOST, "www.example");
	is_text(&a.g, FIELD_HTTP_URI, "/a/../b%2e?q");
	is_text(&a.g, FIELD_HTTP_PATH, "/b.");
	is_text(&a.g, FIELD_APP, "http");
	assert_int_equal(only(&a.g, FIELD_IP_VERSION)->num, 6);
	assert_int_equal(a.g.facts.state[FIELD_TLS_SNI], FACT_ABSENT);
	assert_int_equal(a.g.facts.state[FIELD_HTTP_METHOD], FACT_UNKNOWN);
	args_end(&a);
	args_begin(&a);
	assert_true(given_argument(&a.g, "url", "https://casino.example/x"));
	given_complete(&a.g, true);
	is_text(&a.g, FIELD_TLS_SNI, "casino.example");
	is_text(&a.g, FIELD_APP, "tls");
	assert_int_equal(a.g.facts.state[FIELD_URL], FACT_ABSENT);
	assert_int_equal(a.g.facts.state[FIELD_SRC], FACT_UNKNOWN); // there is always one
	args_end(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_small), cmocka_unit_test(test_many),
					   cmocka_unit_test(test_wrong), cmocka_unit_test(test_url)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
