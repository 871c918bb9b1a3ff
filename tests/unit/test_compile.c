// SPDX-License-Identifier: BSD-3-Clause
//
// What the random cases of test_judge cannot reach: zones of time, the cache of Hyperscan databases, errors.
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "path/policy.h"
#include "policy/compile.h"

#include "../policy/naive.h"

static unsigned warnings;

static void warn(const char *text)
{
	warnings++;
}

// a policy of one rule: deny what the regex finds in http.uri
struct one {
	struct test test;
	struct condition when;
	struct rule rule;
	struct policy policy;
};

static struct policy *one_regex(struct one *o, const char *regex)
{
	*o = (struct one){.test = {.op = TEST_REGEX, .operand = {.p = (const uint8_t *)regex, .len = strlen(regex)}},
			  .when = {.kind = CONDITION_FIELD, .field = FIELD_HTTP_URI, .test = &o->test},
			  .rule = {.action = ACTION_DENY, .when = &o->when},
			  .policy = {.rules = &o->rule, .nrules = 1}};
	return &o->policy;
}

static uint32_t rule_for(const struct ruleset *rs, const char *uri)
{
	struct fact_value v = {.p = (const uint8_t *)uri, .len = strlen(uri)};
	struct facts f = {0};
	struct verdict verdict;
	struct policy_scratch *s = policy_worker_init(rs);
	f.state[FIELD_HTTP_URI] = FACT_ALL;
	f.n[FIELD_HTTP_URI] = 1;
	f.value[FIELD_HTTP_URI] = &v;
	policy_judge(rs, s, &f, &verdict);
	policy_worker_fini(s);
	return verdict.rule;
}

static void compiles(const char *folder, const char *regex)
{
	struct one o;
	char error[200];
	struct compile_options options = {.cache = folder, .warn = warn};
	struct ruleset *rs = compile_ruleset(one_regex(&o, regex), &options, error, sizeof(error));
	assert_non_null(rs);
	assert_int_equal(rule_for(rs, "/x/abcd"), 0);
	assert_int_equal(rule_for(rs, "/x/none"), RULE_DEFAULT);
	compile_free(rs);
}

static void only_file(const char *folder, char *path, size_t size)
{
	DIR *d = opendir(folder);
	unsigned n = 0;
	for (struct dirent *e; (e = readdir(d));)
		if (e->d_name[0] != '.') {
			snprintf(path, size, "%s/%.200s", folder, e->d_name);
			n++;
		}
	closedir(d);
	assert_int_equal(n, 1);
}

static void flip(const char *path, long at)
{
	FILE *f = fopen(path, "r+b");
	assert_non_null(f);
	fseek(f, at, at < 0 ? SEEK_END : SEEK_SET);
	int c = fgetc(f);
	fseek(f, -1, SEEK_CUR);
	fputc(c ^ 1, f);
	fclose(f);
}

static void test_cache(void **state)
{
	char folder[] = "/tmp/sluice-cache-XXXXXX", path[512];
	struct stat before, after;
	assert_non_null(mkdtemp(folder));
	warnings = 0;
	compiles(folder, "a[b]cd");
	only_file(folder, path, sizeof(path));
	stat(path, &before);
	compiles(folder, "a[b]cd"); // read, not written anew
	stat(path, &after);
	assert_int_equal(before.st_ino, after.st_ino);
	for (long at = 0; at < 1000; at += 37) { // damage is noticed wherever it is, and mended
		flip(path, at < before.st_size ? at : -1);
		assert_int_equal(warnings, 0);
		compiles(folder, "a[b]cd");
		assert_int_equal(warnings, 1); // and said
		warnings = 0;
	}
	for (off_t size = 0; size < before.st_size; size += 61) {
		assert_int_equal(truncate(path, size), 0);
		compiles(folder, "a[b]cd");
		assert_int_equal(warnings, 1);
		warnings = 0;
	}
	stat(path, &after);
	assert_int_equal(before.st_size, after.st_size);
	compiles(folder, "ab[c]d"); // another is another file
	assert_int_equal(warnings, 0);
	char command[64];
	snprintf(command, sizeof(command), "rm -r %s", folder);
	assert_int_equal(system(command), 0);
}

static void test_cache_unwritable(void **state)
{
	warnings = 0;
	compiles("/dev/null/cache", "abc?d");
	assert_int_equal(warnings, 1);
}

static void test_errors(void **state)
{
	struct one o;
	char error[200];
	struct compile_options options = {0};
	assert_null(compile_ruleset(one_regex(&o, "a(b"), &options, error, sizeof(error)));
	assert_non_null(strstr(error, "a(b"));
	struct schedule nowhere = {.days = 127, .to = 1440, .zone = "Nowhere/Town"};
	one_regex(&o, "a")->rules[0].time = &nowhere;
	assert_null(compile_ruleset(&o.policy, &options, error, sizeof(error)));
	assert_non_null(strstr(error, "Nowhere/Town"));
}

static void test_zones(void **state)
{
	static const char *const zones[] = {NULL, "Europe/Berlin", "America/New_York", "Asia/Kathmandu",
					    "Pacific/Apia"};
	struct facts f = {0};
	if (access("/usr/share/zoneinfo/Europe/Berlin", R_OK))
		skip();
	for (unsigned z = 0; z < sizeof(zones) / sizeof(zones[0]); z++) {
		struct schedule day = {.days = 0x1f, .from = 8 * 60, .to = 18 * 60 + 1, .zone = zones[z]},
				night = {.days = 0x41, .from = 22 * 60, .to = 6 * 60, .zone = zones[z]};
		struct rule rules[2] = {{.action = ACTION_DENY, .time = &day}, {.action = ACTION_DENY, .time = &night}};
		struct policy p = {.rules = rules, .nrules = 2};
		struct compile_options options = {0};
		char error[200];
		struct ruleset *rs = compile_ruleset(&p, &options, error, sizeof(error));
		assert_non_null(rs);
		struct policy_scratch *s = policy_worker_init(rs);
		// from 1990 to 2036, by steps that meet every minute of a week
		for (uint64_t t = 631152000; t < 2082758400; t += 86400 * 3 / 7 * 11 + 61) {
			struct verdict a, b;
			f.now_ns = t * 1000000000;
			naive_judge(&p, &f, false, &a, NULL, 0);
			policy_judge(rs, s, &f, &b);
			assert_int_equal(a.rule, b.rule);
			assert_int_equal(a.runner_up, b.runner_up);
		}
		policy_worker_fini(s);
		compile_free(rs);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_cache), cmocka_unit_test(test_cache_unwritable),
					   cmocka_unit_test(test_errors), cmocka_unit_test(test_zones)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
