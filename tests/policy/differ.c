// SPDX-License-Identifier: BSD-3-Clause
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "differ.h"
#include "naive.h"
#include "random.h"

#include "path/policy.h"
#include "policy/compile.h"

static bool same(const struct verdict *a, const struct verdict *b)
{
	return a->open == b->open && a->early == b->early && a->possible == b->possible && a->action == b->action &&
	       a->response == b->response && a->rule == b->rule && a->waits == b->waits && a->runner_up == b->runner_up;
}

static void print(const char *who, const struct verdict *v, const uint32_t *fired, uint32_t n)
{
	printf("%s: rule %d action %u response %u%s%s%s waits %" PRIx64 " runner up %d fired", who, (int)v->rule,
	       v->action, v->response, v->open ? " open" : "", v->early ? " early" : "", v->possible ? " possible" : "",
	       v->waits, (int)v->runner_up);
	for (uint32_t i = 0; i < n; i++)
		printf(" %u", fired[i]);
	printf("\n");
}

static bool one(const struct policy *p, const struct ruleset *rs, struct policy_scratch *s, const struct facts *f,
		bool would, struct differ_counts *sum)
{
	struct verdict a, b;
	uint32_t fired[POLICY_FIRED_MAX], n = naive_judge(p, f, would, &a, fired, POLICY_FIRED_MAX), m;
	const uint32_t *list;
	(would ? policy_judge_would : policy_judge)(rs, s, f, &b);
	m = policy_fired(s, &list);
	sum->cases++;
	sum->open += a.open;
	sum->early += a.early;
	sum->decided += a.rule != RULE_DEFAULT;
	sum->fired += n > 0;
	if (same(&a, &b) && n == m && !memcmp(fired, list, n * sizeof(*list)))
		return true;
	random_print(p, f);
	print("naive   ", &a, fired, n);
	print("compiled", &b, list, m);
	sum->differences++;
	return false;
}

struct differ_counts differ(uint64_t cases, uint64_t seed, uint32_t max_rules, uint32_t facts)
{
	struct differ_counts sum = {0};
	struct random r;
	random_init(&r, seed, 64 << 20);
	while (sum.cases < cases && !sum.differences) {
		char error[256];
		uint64_t began = r.state;
		random_reset(&r);
		struct policy *p = random_policy(&r, 1 + random_below(&r, max_rules));
		struct compile_options o = {.seed = r.state};
		struct ruleset *rs = compile_ruleset(p, &o, error, sizeof(error));
		struct policy_scratch *s = rs ? policy_worker_init(rs) : NULL;
		size_t mark = r.used;
		if (!s) {
			printf("does not compile: %s\n", error);
			sum.differences++;
		}
		sum.policies++;
		for (uint32_t i = 0; s && i < facts && !sum.differences; i++) {
			r.used = mark;
			if (!one(p, rs, s, random_facts(&r), random_below(&r, 8) == 0, &sum))
				printf("policy of state %" PRIx64 ", facts %u\n", began, i);
		}
		policy_worker_fini(s);
		compile_free(rs);
	}
	random_fini(&r);
	return sum;
}
