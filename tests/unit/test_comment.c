// SPDX-License-Identifier: BSD-3-Clause
//
// Comments in captures: whatever a policy's author wrote, each value ends where it ends.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "live/comment.h"

static struct comment c;

static void as(const char *text)
{
	assert_string_equal(c.text, text);
	assert_int_equal(c.len, strlen(text));
	c.len = 0;
}

static void members(void **state)
{
	(void)state;
	c.len = 0;
	comment_name(&c, "dropped", "POLICY_DENY");
	comment_name(&c, "rule", "no-8081");
	comment_text(&c, "reason", "gambling");
	comment_number(&c, "flow_id", UINT64_MAX);
	as("dropped=POLICY_DENY rule=no-8081 reason=\"gambling\" flow_id=18446744073709551615");
	comment_name(&c, "rule", "all the rest");
	as("rule=\"all the rest\"");
	comment_name(&c, "rule", "");
	comment_text(&c, "reason", "");
	as("rule=\"\" reason=\"\"");
}

static void hostile(void **state)
{
	(void)state;
	comment_text(&c, "reason", "\" rule=other flow_id=1");
	as("reason=\"\\\" rule=other flow_id=1\"");
	comment_text(&c, "reason", "ends\\");
	as("reason=\"ends\\\\\"");
	comment_text(&c, "reason", "a\nb\r\t\x1b[2J\x7f\x01");
	as("reason=\"a\\x0Ab\\x0D\\x09\\x1B[2J\\x7F\\x01\"");
	comment_text(&c, "reason", "%s%n \xc3\xbc");
	as("reason=\"%s%n \xc3\xbc\"");
	comment_name(&c, "rule", "a\" reason=\"x");
	as("rule=\"a\\\" reason=\\\"x\"");
}

// The longest that policies can say leaves room for what follows; longer than the room is cut.
static void long_ones(void **state)
{
	char id[129], reason[1025];
	(void)state;
	memset(id, 1, sizeof(id) - 1);
	memset(reason, 2, sizeof(reason) - 1);
	id[sizeof(id) - 1] = reason[sizeof(reason) - 1] = '\0';
	for (unsigned i = 0; i < 2; i++) {
		comment_name(&c, "rule", id);
		comment_text(&c, "reason", reason);
	}
	comment_number(&c, "flow_id", 7);
	assert_string_equal(c.text + c.len - 10, " flow_id=7");
	for (unsigned i = 0; i < 8; i++)
		comment_text(&c, "reason", reason);
	assert_int_equal(c.len, COMMENT_MAX - 1);
	assert_int_equal(c.text[c.len], '\0');
	c.len = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(members), cmocka_unit_test(hostile),
					   cmocka_unit_test(long_ones)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
