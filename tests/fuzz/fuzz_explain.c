// SPDX-License-Identifier: BSD-3-Clause
//
// Arguments of explain: lines of NAME=VALUE, against a policy that asks for a bit of everything. Checked beyond the
// sanitizers: what is refused was complained of, and what is explained is what was decided.
#include <stdlib.h>
#include <string.h>

#include "path/policy.h"
#include "policy/compile.h"
#include "policy/explain.h"
#include "policy/given.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char text[] =
	"{\"sets\":{\"n\":{\"type\":\"net\",\"items\":[\"10.0.0.0/8\",\"2001:db8::/32\"]},"
	"\"d\":{\"type\":\"domain\",\"items\":[\"bet.example\"]}},\"rules\":["
	"{\"id\":\"t\",\"action\":\"tag\",\"tag\":\"x\",\"when\":{\"src\":{\"in\":\"n\"}}},"
	"{\"id\":\"a\",\"action\":\"deny\",\"when\":{\"http.path\":{\"regex\":\"/\\\\.(env|git)\"}}},"
	"{\"id\":\"b\",\"action\":\"allow\",\"when\":{\"host\":{\"in\":\"d\"},\"any\":[{\"dport\":[80,{\"range\":\"443-"
	"450\"}]},"
	"{\"proto\":\"udp\"},{\"http.header.x\":{\"not\":{\"contains\":\"q\"}}}]}},"
	"{\"id\":\"c\",\"action\":\"deny\",\"when\":{\"tag\":\"x\",\"tls.alpn\":{\"present\":false}}}]}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct policy *p;
	static struct ruleset *rs;
	static struct policy_scratch *s;
	static struct given g;
	char error[256];
	struct arena arena = {0};
	struct complaints c = {0};
	if (!s) {
		p = policy_parse("p.json", text, sizeof(text) - 1, &c);
		rs = p ? compile_ruleset(p, &(struct compile_options){.seed = 1}, error, sizeof(error)) : NULL;
		s = rs ? policy_worker_init(rs) : NULL;
		if (!s)
			abort();
		complaints_clear(&c);
	}
	char *copy = strndup((const char *)data, size), *save, *line;
	g.r = (struct reading){.arena = &arena, .complaints = &c};
	given_begin(&g, false);
	for (line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *value = strchr(line, '=');
		uint32_t before = c.nerrors;
		if (value)
			*value++ = '\0';
		if (value && given_argument(&g, line, value) != (c.nerrors == before))
			abort();
	}
	given_complete(&g, size & 1);
	struct explain e;
	explain_judge(&e, p, rs, s, &g.facts);
	if (!e.sound)
		abort();
	explain_free(&e);
	complaints_clear(&c);
	arena_free(&arena);
	free(copy);
	return 0;
}
