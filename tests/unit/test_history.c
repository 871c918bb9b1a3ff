// SPDX-License-Identifier: BSD-3-Clause
//
// Policies on disk: what is kept is what was read, whatever the files hold when the load ends; and which is before
// which.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "live/history.h"

#define POLICY                                                                                                         \
	"{\"sets\":{\"bad\":{\"type\":\"domain\",\"file\":\"l/bad.txt\"}},\"rules\":[{\"id\":\"%s\",\"when\":"         \
	"{\"host\":{\"in\":\"bad\"}},\"action\":\"deny\"}]}"

static char folder[64] = "/tmp/test-history-XXXXXX";

static void write_to(const char *path, const char *format, const char *id)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, format, id);
	fclose(f);
}

static struct policy *load(const char *file, struct history_draft *d)
{
	struct complaints c = {0};
	const struct policy_ear ear = {history_read, d};
	if (d)
		history_begin(d, "h");
	struct policy *p = policy_load_heard(file, d ? &ear : NULL, &c);
	complaints_clear(&c);
	assert_non_null(p);
	return p;
}

// One load that comes into force, while somebody edits; its hash.
static void kept(const char *id, const char *file, char hash[65])
{
	struct history_draft d;
	if (!strncmp(file, "policy", 6)) {
		write_to(file, POLICY, id);
		write_to("l/bad.txt", "%s.example\n", id);
	}
	struct policy *p = load(file, &d);
	if (!strncmp(file, "policy", 6)) {
		write_to(file, "{ half", "");
		write_to("l/bad.txt", "other.example\n", "");
	}
	assert_int_equal(history_end(&d, 100, p, file), 0);
	memcpy(hash, p->hash, 65);
	policy_free(p);
}

static int before(const char *hash)
{
	struct history_entry *list;
	int n = history_list("h", &list), i = history_before("h", list, n, hash),
	    number = i < 0 ? 0 : (int)list[i].number;
	free(list);
	return number;
}

static void what_was_read_is_kept(void **state)
{
	char hash[3][65], path[HISTORY_PATH], again[65];
	const char *const ids[] = {"a", "b", "c"};
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		kept(ids[i], "policy.json", hash[i]);
		history_file("h", i + 1, path);
		struct policy *p = load(path, NULL);
		assert_string_equal(p->hash, hash[i]);
		policy_free(p);
	}
	assert_int_equal(before("none of them"), 3);
	assert_int_equal(before(hash[2]), 2);
	history_file("h", 2, path);
	kept("b", path, again); // a rollback, and one more
	assert_string_equal(again, hash[1]);
	assert_int_equal(before(again), 1);
	history_file("h", 1, path);
	kept("a", path, again);
	assert_int_equal(before(again), 0);
	kept("c", "policy.json", again); // forth again
	assert_string_equal(again, hash[2]);
	assert_int_equal(before(again), 5);
	struct history_draft d;
	write_to("policy.json", POLICY, "d");
	policy_free(load("policy.json", &d));
	assert_int_equal(history_end(&d, 0, NULL, NULL), 0); // it did not come into force
	assert_int_not_equal(access("h/.new", F_OK), 0);
	assert_int_equal(before(""), 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(what_was_read_is_kept)};
	char rm[96];
	if (!mkdtemp(folder) || chdir(folder) < 0 || system("mkdir h l"))
		return 1;
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	snprintf(rm, sizeof(rm), "rm -r %s", folder);
	return rc || system(rm);
}
