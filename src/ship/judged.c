// SPDX-License-Identifier: BSD-3-Clause
//
// Verdicts in records are numbers: of the policy's version and of the rule in it. Here they become ids and reasons, by
// the tables that came with the start (policy_names.h). Shipper's thread.
#include "ship/judged.h"

#include <string.h>

#include "ruleset.h"

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

static void rule(struct jsonl *j, const struct policy_names *p, uint32_t number)
{
	const char *id = policy_names_rule(p, number)->id;
	JSONL_NAME(j, "rule");
	jsonl_bytes(j, id, strlen(id));
}

static void flags(struct jsonl *j, uint8_t judged)
{
	static const struct {
		const char *name;
		uint8_t bit;
	} names[] = {{"open", RECORD_OPEN},       {"early", RECORD_EARLY}, {"lenient", RECORD_LENIENT},
		     {"revised", RECORD_REVISED}, {"held", RECORD_HELD},   {"hold_exceeded", RECORD_MARKED}};
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!(judged & names[i].bit))
			continue;
		jsonl_name(j, names[i].name, strlen(names[i].name));
		jsonl_bool(j, true);
	}
}

static bool listed(const struct policy_names *p, const struct fact *f, enum fact_field field, bool shadow)
{
	uint64_t n;
	if (f->field != field || field == FACT_TAG)
		return f->field == field;
	memcpy(&n, f->value, sizeof(n));
	return policy_names_rule(p, (uint32_t)n)->shadow == shadow;
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
		const struct fact *f = record_first(rec);
		bool any = false;
		for (unsigned i = 0; i < rec->nfacts; i++, f = fact_next(f)) {
			if (!listed(p, f, lists[k].field, lists[k].shadow))
				continue;
			if (!any) {
				jsonl_name(j, lists[k].name, strlen(lists[k].name));
				jsonl_open(j, '[');
			}
			any = true;
			if (f->field == FACT_TAG) {
				jsonl_bytes(j, f->value, f->len);
			} else {
				const char *id = judged_id(p, f);
				jsonl_bytes(j, id, strlen(id));
			}
		}
		if (any)
			jsonl_close(j, ']');
	}
}

const char *judged_id(const struct policy_names *p, const struct fact *f)
{
	uint64_t n;
	memcpy(&n, f->value, sizeof(n));
	return policy_names_rule(p, (uint32_t)n)->id;
}

void judged_alert(const struct render *r, struct jsonl *j, const struct record *rec)
{
	const struct policy_names *p = judged_policy(r, rec);
	if (!p)
		return;
	const struct rule_name *n = policy_names_rule(p, rec->alert);
	const char *says = n->reason ? n->reason : n->id;
	JSONL_NAME(j, "alert");
	jsonl_open(j, '{');
	JSONL_NAME(j, "action");
	jsonl_text(j, rec->action == ACTION_DENY ? "blocked" : "allowed");
	JSONL_NAME(j, "gid");
	jsonl_num(j, 1);
	JSONL_NAME(j, "signature_id");
	jsonl_num(j, n->sid);
	JSONL_NAME(j, "rev");
	jsonl_num(j, 1);
	JSONL_NAME(j, "signature");
	jsonl_bytes(j, says, strlen(says));
	JSONL_NAME(j, "category");
	jsonl_text(j, "");
	JSONL_NAME(j, "severity");
	jsonl_num(j, n->severity);
	JSONL_NAME(j, "rule");
	jsonl_bytes(j, n->id, strlen(n->id));
	jsonl_close(j, '}');
}

const char *judged_before(const struct render *r, const struct record *rec, unsigned *version)
{
	const struct fact *f = record_first(rec);
	uint64_t n;
	for (unsigned i = 0; rec->anomaly && i < rec->nfacts; i++, f = fact_next(f)) {
		if (f->field != FACT_RULE_BEFORE)
			continue;
		memcpy(&n, f->value, sizeof(n));
		*version = (unsigned)(n >> 32);
		const struct policy_names *p =
			*version <= r->config->npolicies ? r->config->policies[*version - 1] : NULL;
		return p ? policy_names_rule(p, (uint32_t)n)->id : NULL;
	}
	return NULL;
}

static void before(const struct render *r, struct jsonl *j, const struct record *rec)
{
	unsigned version;
	const char *id = judged_before(r, rec, &version);
	if (!id)
		return;
	JSONL_NAME(j, "before");
	jsonl_open(j, '{');
	JSONL_NAME(j, "rule");
	jsonl_bytes(j, id, strlen(id));
	JSONL_NAME(j, "version");
	jsonl_num(j, version);
	jsonl_close(j, '}');
}

void judged_member(const struct render *r, struct jsonl *j, const struct record *rec)
{
	const struct policy_names *p = judged_policy(r, rec);
	if (!p || !(rec->judged & RECORD_JUDGED))
		return;
	const char *reason = policy_names_rule(p, rec->rule)->reason;
	JSONL_NAME(j, "verdict");
	jsonl_open(j, '{');
	JSONL_NAME(j, "action");
	jsonl_text(j, judged_action(rec->action));
	rule(j, p, rec->rule);
	if (reason) {
		JSONL_NAME(j, "reason");
		jsonl_bytes(j, reason, strlen(reason));
	}
	if (rec->action == ACTION_DENY && rec->response < RESPONSE_COUNT) {
		JSONL_NAME(j, "respond");
		jsonl_text(j, response_names[rec->response]);
	}
	JSONL_NAME(j, "policy");
	jsonl_text(j, p->hash);
	JSONL_NAME(j, "version");
	jsonl_num(j, rec->policy);
	flags(j, rec->judged);
	if (rec->kind == RECORD_FLOW && rec->anomaly) {
		JSONL_NAME(j, "rejudged");
		jsonl_bool(j, true);
	}
	before(r, j, rec);
	if (policy_names_rule(p, rec->rule)->sample > 1) {
		JSONL_NAME(j, "sample");
		jsonl_num(j, policy_names_rule(p, rec->rule)->sample);
	}
	fired(j, p, rec);
	if (rec->judged & RECORD_WOULD) {
		JSONL_NAME(j, "would");
		jsonl_open(j, '{');
		JSONL_NAME(j, "action");
		jsonl_text(j, judged_action(rec->would_action));
		const char *id = judged_would(r, rec);
		JSONL_NAME(j, "rule");
		jsonl_bytes(j, id, strlen(id));
		jsonl_close(j, '}');
	}
	jsonl_close(j, '}');
}
