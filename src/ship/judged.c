// SPDX-License-Identifier: BSD-3-Clause
//
// Verdicts in records are numbers: of the policy's version and of the rule in it. Here they become ids and reasons, by
// the tables that came with the start (policy_names.h). Shipper's thread.
#include "ship/judged.h"

#include <string.h>

#include "ruleset.h"
#include "verdict.h"

static_assert(POLICY_NAMES_REJUDGE == RULE_REJUDGE && POLICY_NAMES_REJUDGE - 4 == RULE_KILLED,
	      "in two headers of the treaty shelf");

const struct policy_names *judged_policy(const struct render *r, const struct record *rec)
{
	unsigned version = rec->policy;
	return version && version <= r->config->npolicies ? r->config->policies[version - 1] : NULL;
}

const char *judged_would(const struct render *r, const struct record *rec)
{
	const struct policy_names *p = r->config->shadow ? r->config->shadow : judged_policy(r, rec);
	p = p && p->would ? p->would : p;
	return rec->would == UINT32_MAX ? "unknown" : policy_names_rule(p, rec->would)->id;
}

const char *judged_action(uint8_t action)
{
	return action < ACTION_COUNT ? action_names[action] : "unknown";
}

static void flags(struct jsonl *j, uint8_t judged)
{
	static const struct {
		const char *name;
		uint8_t bit;
	} names[] = {{"open", RECORD_OPEN},       {"early", RECORD_EARLY}, {"lenient", RECORD_LENIENT},
		     {"revised", RECORD_REVISED}, {"held", RECORD_HELD},   {"hold_exceeded", RECORD_MARKED}};
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (judged & names[i].bit)
			jsonl_member_bool(j, names[i].name, true);
}

static bool listed(const struct policy_names *p, const struct fact *f, enum fact_field field, bool shadow)
{
	if (f->field != field || field == FACT_TAG)
		return f->field == field;
	return policy_names_rule(p, (uint32_t)fact_number(f))->shadow == shadow;
}

// Of the rule that a FACT_RULE names.
static const char *id_of(const struct policy_names *p, const struct fact *f)
{
	return policy_names_rule(p, (uint32_t)fact_number(f))->id;
}

// Rules that were true and do not end the search, and the tags that they set; those in shadow stand by themselves.
static void fired(struct jsonl *j, const struct policy_names *p, const struct record *rec)
{
	static const struct {
		enum fact_field field;
		bool shadow;
		const char *name;
	} lists[] = {{FACT_RULE, false, "rules"}, {FACT_TAG, false, "tags"}, {FACT_RULE, true, "shadow"}};
	for (unsigned k = 0; k < sizeof(lists) / sizeof(lists[0]); k++) {
		bool any = false;
		RECORD_EACH(f, rec) {
			if (!listed(p, f, lists[k].field, lists[k].shadow))
				continue;
			if (!any)
				jsonl_member_open(j, lists[k].name, '[');
			any = true;
			if (f->field == FACT_TAG)
				jsonl_bytes(j, f->value, f->len);
			else
				jsonl_string(j, id_of(p, f));
		}
		if (any)
			jsonl_close(j, ']');
	}
}

void judged_alert(const struct render *r, struct jsonl *j, const struct record *rec)
{
	const struct policy_names *p = judged_policy(r, rec);
	if (!p)
		return;
	const struct rule_name *n = policy_names_rule(p, rec->alert);
	const char *says = n->reason ? n->reason : n->id;
	jsonl_member_open(j, "alert", '{');
	jsonl_member_text(j, "action", rec->action == ACTION_DENY ? "blocked" : "allowed");
	jsonl_member_num(j, "gid", 1);
	jsonl_member_num(j, "signature_id", n->sid);
	jsonl_member_num(j, "rev", 1);
	jsonl_member_string(j, "signature", says);
	jsonl_member_text(j, "category", "");
	jsonl_member_num(j, "severity", n->severity);
	jsonl_member_string(j, "rule", n->id);
	jsonl_close(j, '}');
}

const char *judged_before(const struct render *r, const struct record *rec, unsigned *version)
{
	const struct fact *f = rec->anomaly ? record_find(rec, FACT_RULE_BEFORE) : NULL;
	if (!f)
		return NULL;
	*version = (unsigned)(fact_number(f) >> 32);
	const struct policy_names *p = *version <= r->config->npolicies ? r->config->policies[*version - 1] : NULL;
	return p ? id_of(p, f) : NULL;
}

static void before(const struct render *r, struct jsonl *j, const struct record *rec)
{
	unsigned version;
	const char *id = judged_before(r, rec, &version);
	if (!id)
		return;
	jsonl_member_open(j, "before", '{');
	jsonl_member_string(j, "rule", id);
	jsonl_member_num(j, "version", version);
	jsonl_close(j, '}');
}

uint32_t judged_weight(const struct render *r, const struct record *rec)
{
	const struct policy_names *p = rec->reason == REASON_LIMIT_EXCEEDED ? judged_policy(r, rec) : NULL;
	uint32_t weight = p ? policy_names_rule(p, rec->rule)->sample : rec->weight;
	return weight > 1 ? weight : 1;
}

void judged_member(const struct render *r, struct jsonl *j, const struct record *rec)
{
	const struct policy_names *p = judged_policy(r, rec);
	if (!p || !(rec->judged & RECORD_JUDGED))
		return;
	const char *reason = policy_names_rule(p, rec->rule)->reason;
	jsonl_member_open(j, "verdict", '{');
	jsonl_member_text(j, "action", judged_action(rec->action));
	jsonl_member_string(j, "rule", policy_names_rule(p, rec->rule)->id);
	if (reason)
		jsonl_member_string(j, "reason", reason);
	if (rec->action == ACTION_DENY && rec->response < RESPONSE_COUNT)
		jsonl_member_text(j, "respond", response_names[rec->response]);
	jsonl_member_text(j, "policy", p->hash);
	jsonl_member_num(j, "version", rec->policy);
	flags(j, rec->judged);
	if (rec->kind == RECORD_FLOW && rec->anomaly)
		jsonl_member_bool(j, "rejudged", true);
	before(r, j, rec);
	if (judged_weight(r, rec) > 1)
		jsonl_member_num(j, "sample", judged_weight(r, rec));
	fired(j, p, rec);
	if (rec->judged & RECORD_WOULD) {
		jsonl_member_open(j, "would", '{');
		jsonl_member_text(j, "action", judged_action(rec->would_action));
		jsonl_member_string(j, "rule", judged_would(r, rec));
		jsonl_close(j, '}');
	}
	jsonl_close(j, '}');
}
