// SPDX-License-Identifier: BSD-3-Clause
//
// Users' own cases, judged without packets: in: a policy and a file of cases; out: what was expected and is not so. The
// policy is compiled and judged as the corridor does it. Off the path.
//
// What is given is all that is known: a field that is not given is absent where it can be. `host` is every name that is
// given. Fields named in "unknown" have not been seen yet, so that "open" can be expected.
#include "trial.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "path/policy.h"
#include "policy/compile.h"
#include "policy/complaints.h"
#include "policy/given.h"
#include "policy/source.h"

struct trial {
	struct given given;
	const struct policy *policy;
	struct ruleset *rules;
	struct policy_scratch *scratch;
};

// ---- what is expected -------------------------------------------------------------------------------------------

static const char *rule_name(const struct policy *p, uint32_t rule)
{
	return rule < p->nrules ? p->rules[rule].id : "default";
}

static bool judged(struct trial *t, uint32_t node, uint32_t verdict, uint32_t rule)
{
	static const char *const words[] = {"allow", "deny", "open"};
	struct verdict v = {0};
	const char *id = NULL;
	unsigned want = 3;
	if (verdict && (want = reading_word(&t->given.r, verdict, words, 3, "verdict")) == 3)
		return false;
	if (rule && !(id = reading_text(&t->given.r, rule, 128)))
		return false;
	policy_judge(t->rules, t->scratch, &t->given.facts, &v);
	const char *is = v.open ? "open" : words[v.action == ACTION_DENY], *by = rule_name(t->policy, v.rule);
	if ((want == 3 || !strcmp(is, words[want])) && (!id || (!v.open && !strcmp(id, by))))
		return true;
	return reading_wrong(&t->given.r, node, "expected %s%s%s, is %s%s%s", want < 3 ? words[want] : "a verdict",
			     id ? " by " : "", id ? id : "", is, v.open ? "" : " by ", v.open ? "" : by);
}

static bool expected(struct trial *t, uint32_t node)
{
	static const char *const keys[] = {"verdict", "rule"};
	uint32_t of[2] = {0};
	if (!reading_expect(&t->given.r, node, DOC_OBJECT, "an object with \"verdict\" or \"rule\"") ||
	    !reading_keys(&t->given.r, node, keys, 2, "key of expect", of))
		return false;
	if (!of[0] && !of[1])
		return reading_wrong(&t->given.r, node, "a \"verdict\" or a \"rule\" is expected");
	return judged(t, node, of[0], of[1]);
}

static bool one(struct trial *t, uint32_t node)
{
	static const char *const keys[] = {"given", "unknown", "expect", "name"};
	struct doc *d = &t->given.r.doc;
	uint32_t of[4] = {0};
	bool good = true;
	if (!reading_expect(&t->given.r, node, DOC_OBJECT, "a case (an object)") ||
	    !reading_keys(&t->given.r, node, keys, 4, "key of a case", of))
		return false;
	if (!of[0] || !of[2])
		return reading_wrong(&t->given.r, node, "a case needs \"given\" and \"expect\"");
	given_begin(&t->given, true);
	if (!reading_expect(&t->given.r, of[0], DOC_OBJECT, "an object of fields"))
		return false;
	for (uint32_t i = doc_first(d, of[0]); i < doc_end(d, of[0]); i = doc_next(d, i))
		good &= given_member(&t->given, i);
	good = good && (!of[1] || given_unknown(&t->given, of[1]));
	return good && expected(t, of[2]);
}

static void cases(struct trial *t, struct trial_result *result)
{
	struct doc *d = &t->given.r.doc;
	if (!reading_expect(&t->given.r, 0, DOC_ARRAY, "a list of cases"))
		return;
	for (uint32_t i = doc_first(d, 0); i < doc_end(d, 0); i = doc_next(d, i)) {
		result->cases++;
		result->failed += !one(t, i);
	}
}

static bool prepare(struct trial *t, const char *file, struct complaints *c)
{
	char error[512] = "";
	struct place at = {.file = file};
	t->rules = compile_ruleset(t->policy, &(struct compile_options){.seed = 1}, error, sizeof(error));
	t->scratch = t->rules ? policy_worker_init(t->rules) : NULL;
	if (!t->scratch)
		complaints_add(c, false, &at, "the policy cannot be compiled: %s",
			       t->rules ? "not enough memory" : error);
	return t->scratch != NULL;
}

int trial_run(const struct policy *p, const char *file, struct complaints *c, struct trial_result *result)
{
	struct arena arena = {0};
	struct trial *t = calloc(1, sizeof(*t));
	struct place at = {.file = file};
	size_t len;
	const char *why = "no memory";
	char *text = t ? source_read(file, DOC_BYTES_MAX, &arena, &len, &why) : NULL;
	*result = (struct trial_result){0};
	if (!text) {
		complaints_add(c, false, &at, "cannot read it: %s", why);
		arena_free(&arena);
		free(t);
		return -EIO;
	}
	t->policy = p;
	t->given.r = (struct reading){.arena = &arena, .complaints = c};
	const char *name = arena_text(&arena, file, strlen(file));
	if (doc_read(&t->given.r.doc, name, text, len, &arena, c) == 0 && prepare(t, file, c))
		cases(t, result);
	doc_free(&t->given.r.doc);
	if (t->scratch)
		policy_worker_fini(t->scratch);
	if (t->rules)
		compile_free(t->rules);
	arena_free(&arena);
	free(t);
	return 0;
}
