// SPDX-License-Identifier: BSD-3-Clause
//
// What was decided, in an ocsf event: the members of the profile security_control, where a policy or a room of the path
// spoke; and findings (alerts, anomalies, verdicts of which nothing else was written down).
#include "ship/ocsf.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "ship/judged.h"
#include "ruleset.h"
#include "verdict.h"

enum { ALLOWED = 1, DENIED = 2, OBSERVED = 3 };
// disposition_id
enum { D_ALLOWED = 1, D_BLOCKED = 2, D_DROPPED = 6, D_DETECTED = 15, D_ALERT = 19, D_RESET = 21, D_REJECTED = 25 };

static const char *const dispositions[] = {
	[D_ALLOWED] = "Allowed", [D_BLOCKED] = "Blocked", [D_DROPPED] = "Dropped",   [D_DETECTED] = "Detected",
	[D_ALERT] = "Alert",     [D_RESET] = "Reset",     [D_REJECTED] = "Rejected",
};

static bool judged(const struct ocsf_event *e)
{
	return (e->rec->judged & RECORD_JUDGED) && judged_policy(e->render, e->rec);
}

bool ocsf_is_controlled(const struct ocsf_event *e)
{
	return judged(e) || e->class == OCSF_FINDING;
}

// As the answer is seen by who was refused (ruleset.h, RESPONSES).
static unsigned refused(const struct record *rec)
{
	switch (rec->response) {
	case RESPONSE_RESET:
		return D_RESET;
	case RESPONSE_DROP:
		return D_DROPPED;
	case RESPONSE_UNREACHABLE:
	case RESPONSE_TLS_ALERT:
		return D_REJECTED;
	case RESPONSE_PAGE:
	case RESPONSE_NXDOMAIN:
	case RESPONSE_SINKHOLE:
		return D_BLOCKED;
	default: // by what was denied
		return rec->app == APP_HTTP || rec->app == APP_DNS ? D_BLOCKED
		       : rec->proto == IPPROTO_TCP                 ? D_RESET
								   : D_REJECTED;
	}
}

// What a page says to who was refused (path/answer_text.c), so that his words find it; an alert about it has the same.
void ocsf_incident(struct jsonl *j, const struct ocsf_event *e)
{
	const struct record *rec = e->rec;
	bool transaction = e->kind >= RECORD_TLS && e->kind <= RECORD_SSH;
	char text[32];
	if (!transaction || !rec->flow_id || !judged(e) || rec->action != ACTION_DENY)
		return;
	snprintf(text, sizeof(text), "%llx.%u", (unsigned long long)rec->flow_id, rec->tx_id);
	jsonl_member_text(j, "correlation_uid", text);
}

static unsigned disposition(const struct ocsf_event *e, unsigned *action)
{
	const struct record *rec = e->rec;
	bool denies = judged(e) && rec->action == ACTION_DENY;
	*action = DENIED;
	if (rec->reason || (judged(e) && rec->action == ACTION_LIMIT))
		return D_DROPPED;
	if (denies)
		return refused(rec);
	*action = rec->kind == RECORD_ALERT || rec->kind == RECORD_ANOMALY ? OBSERVED : ALLOWED;
	return rec->kind == RECORD_ALERT ? D_ALERT : rec->kind == RECORD_ANOMALY ? D_DETECTED : D_ALLOWED;
}

// Of the policy's 1 (worst) to 4, as Suricata's.
static unsigned severity_of(unsigned severity)
{
	return severity >= 1 && severity <= 3 ? 5 - severity : 1;
}

unsigned ocsf_severity(const struct ocsf_event *e)
{
	const struct record *rec = e->rec;
	const struct policy_names *p = judged_policy(e->render, rec);
	if (rec->kind == RECORD_GAP)
		return 3;
	if (rec->kind == RECORD_ALERT && p)
		return severity_of(policy_names_rule(p, rec->alert)->severity);
	if (judged(e) && rec->action == ACTION_DENY)
		return severity_of(policy_names_rule(p, rec->rule)->severity);
	return rec->kind == RECORD_ANOMALY ? 2 : 1;
}

static void rule_and_policy(struct jsonl *j, const struct ocsf_event *e)
{
	const struct policy_names *p = judged_policy(e->render, e->rec);
	const struct rule_name *rule = policy_names_rule(p, e->rec->rule);
	jsonl_member_open(j, "firewall_rule", '{');
	jsonl_member_string(j, "uid", rule->id);
	jsonl_member_string(j, "name", rule->id);
	if (rule->reason)
		jsonl_member_string(j, "desc", rule->reason);
	jsonl_member_text(j, "type", judged_action(e->rec->action));
	jsonl_close(j, '}');
	jsonl_member_open(j, "policy", '{');
	jsonl_member_text(j, "uid", p->hash);
	if (p->file)
		jsonl_member_string(j, "name", p->file);
	jsonl_member_digits(j, "version", e->rec->policy);
	jsonl_member_bool(j, "is_applied", true);
	jsonl_close(j, '}');
}

void ocsf_control(struct jsonl *j, const struct ocsf_event *e)
{
	static const char *const actions[] = {"Unknown", "Allowed", "Denied", "Observed"};
	unsigned action, id;
	if (!ocsf_is_controlled(e))
		return;
	id = disposition(e, &action);
	jsonl_member_num(j, "action_id", action);
	jsonl_member_text(j, "action", actions[action]);
	jsonl_member_num(j, "disposition_id", id);
	jsonl_member_text(j, "disposition", dispositions[id]);
	// what a rule refused (and not only the default) is one to look at: OCSF has this word for it, and no finding
	// beside the activity, so that one event is one record
	bool refuses = judged(e) && e->rec->action == ACTION_DENY && e->rec->rule != RULE_DEFAULT;
	if (e->rec->kind == RECORD_ALERT || refuses)
		jsonl_member_bool(j, "is_alert", true);
	if (judged(e))
		rule_and_policy(j, e);
}

// ---- findings ------------------------------------------------------------------------------------------------------

// By what it was found, and in what words.
struct found {
	const char *title, *uid, *name, *type;
};

static struct found found_of(const struct ocsf_event *e, char event[REASON_EVENT_MAX])
{
	const struct record *rec = e->rec;
	const struct policy_names *p = judged_policy(e->render, rec);
	if (rec->kind == RECORD_ANOMALY) {
		const char *name = rec->reason ? reason_event(rec->reason, event) : anomaly_names[rec->anomaly];
		return (struct found){rec->reason ? reason_help[rec->reason] : name, name, name, "anomaly"};
	}
	if (!p)
		return (struct found){"alert", "alert", "alert", "alert"};
	const struct rule_name *rule = policy_names_rule(p, rec->kind == RECORD_ALERT ? rec->alert : rec->rule);
	return (struct found){rule->reason ? rule->reason : rule->id, rule->id, rule->id,
			      rec->kind == RECORD_ALERT ? "alert" : "verdict"};
}

static void evidence(struct jsonl *j, const struct ocsf_event *e)
{
	if (e->rec->ip_version == 0)
		return;
	jsonl_member_open(j, "evidences", '[');
	jsonl_open(j, '{');
	ocsf_where(j, e);
	if (e->rec->kind == RECORD_ALERT && e->kind == RECORD_HTTP)
		ocsf_http(j, e);
	else if (e->rec->kind == RECORD_ALERT && (e->kind == RECORD_TLS || e->kind == RECORD_QUIC))
		ocsf_tls(j, e);
	else if (e->rec->kind == RECORD_ALERT && e->kind == RECORD_DNS)
		ocsf_query(j, e);
	jsonl_close(j, '}');
	jsonl_close(j, ']');
}

void ocsf_finding(struct jsonl *j, const struct ocsf_event *e, const char *uid, size_t uid_len)
{
	char event[REASON_EVENT_MAX];
	struct found f = found_of(e, event);
	jsonl_member_open(j, "finding_info", '{');
	jsonl_member(j, "uid");
	jsonl_string_open(j);
	jsonl_raw_part(j, uid, uid_len);
	jsonl_string_close(j);
	jsonl_member_string(j, "title", f.title);
	jsonl_member_open(j, "types", '[');
	jsonl_text(j, f.type);
	jsonl_close(j, ']');
	jsonl_member_num(j, "created_time", ocsf_ms(e->rec->time_ns));
	jsonl_member_open(j, "analytic", '{');
	jsonl_member_num(j, "type_id", 1);
	jsonl_member_text(j, "type", "Rule");
	jsonl_member_string(j, "uid", f.uid);
	jsonl_member_string(j, "name", f.name);
	jsonl_close(j, '}');
	jsonl_close(j, '}');
	jsonl_member_string(j, "message", f.title);
	jsonl_member_num(j, "status_id", 1);
	jsonl_member_text(j, "status", "New");
	if (e->rec->reason == REASON_LIMIT_EXCEEDED)
		jsonl_member_num(j, "count", e->rec->pkts[0]);
	evidence(j, e);
}
