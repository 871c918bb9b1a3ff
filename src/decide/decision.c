// SPDX-License-Identifier: BSD-3-Clause
//
// {"id", "verdict", "rule", "reason", "violations": [{"rule", "reason"}], "policy", "node", "elapsed_us"}: in comes
// what was judged, out goes text. Decider's thread; writes into the caller's room.
//
// Where no rule has decided, `rule` names the setting that did (fail.no_policy), so that who reads a decision always
// finds what to change. Violations are the rule that denies and the alerts that were true.
#include "decide/decision.h"

#include <stdio.h>

#include "ruleset.h"
#include "ship/jsonl.h"

#define VIOLATION_MAX 2048 // a rule's id and reason, escaped, or it is left out

struct because {
	const char *rule, *reason; // reason NULL: none
};

static struct because by_rule(const struct asked *a, const struct policy_names *names, uint32_t rule)
{
	const struct rule_name *n = policy_names_rule(names, rule);
	bool limit = a->denied && rule < names->nrules && n->action == ACTION_LIMIT;
	return (struct because){n->id, n->reason || !limit ? n->reason : "beyond the rate that this rule sets"};
}

static struct because because(const struct asked *a, const struct policy_names *names, const char *why, char room[160])
{
	switch ((enum asked_by)a->by) {
	case ASKED_BY_RULE:
		if (names)
			return by_rule(a, names, a->rule);
		break;
	case ASKED_BY_NO_POLICY:
		return (struct because){"fail.no_policy", "no policy is in force"};
	case ASKED_BY_AMBIGUOUS:
		snprintf(room, 160, "two readers would see different messages: %s", a->cause);
		return (struct because){"fail.http_ambiguous", room};
	case ASKED_BY_UNREAD:
		return (struct because){"fail.bad_request", why};
	}
	return (struct because){"unknown", NULL};
}

static void say(struct jsonl *j, const struct because *b)
{
	jsonl_member_string(j, "rule", b->rule);
	if (b->reason)
		jsonl_member_string(j, "reason", b->reason);
	else
		jsonl_member(j, "reason"), jsonl_raw(j, "null", 4);
}

static void violation(struct jsonl *j, const struct because *b)
{
	if (j->end - j->at < VIOLATION_MAX)
		return;
	jsonl_open(j, '{');
	say(j, b);
	jsonl_close(j, '}');
}

// brief: without reasons.
static size_t words(char *out, size_t room, const struct asked *a, const struct policy_names *names, const char *node,
		    const char *why, bool brief)
{
	struct jsonl j = {.at = out, .end = out + room};
	char text[160];
	struct because b = because(a, names, why, text);
	b.reason = brief ? NULL : b.reason;
	jsonl_member_text(&j, "verdict", a->denied ? "deny" : "allow");
	say(&j, &b);
	jsonl_member_open(&j, "violations", '[');
	if (a->denied)
		violation(&j, &b);
	for (unsigned i = 0; i < a->nfired && names && !brief; i++) {
		struct because alert = by_rule(a, names, a->fired[i]);
		violation(&j, &alert);
	}
	jsonl_close(&j, ']');
	if (names)
		jsonl_member_text(&j, "policy", names->hash);
	else
		jsonl_member(&j, "policy"), jsonl_raw(&j, "null", 4);
	jsonl_member_string(&j, "node", node);
	return j.full ? 0 : (size_t)(j.at - out);
}

size_t decision_words(char *out, size_t room, const struct asked *a, const struct policy_names *names, const char *node,
		      const char *why)
{
	size_t n = words(out, room, a, names, node, why, false);
	return n ? n : words(out, room, a, names, node, why, true); // a reason as long as a book
}

size_t decision_write(char *out, size_t room, struct http_span id, const char *words, size_t len, uint64_t elapsed_us,
		      bool again)
{
	struct jsonl j = {.at = out, .end = out + room};
	jsonl_open(&j, '{');
	jsonl_member(&j, "id");
	jsonl_bytes(&j, id.p, id.len);
	jsonl_raw(&j, words, len);
	jsonl_member_num(&j, "elapsed_us", elapsed_us);
	if (again)
		jsonl_member_bool(&j, "again", true);
	jsonl_close(&j, '}');
	return j.full ? 0 : (size_t)(j.at - out);
}
