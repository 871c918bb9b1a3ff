// SPDX-License-Identifier: BSD-3-Clause
//
// A request that somebody asks about, judged as its packets would be. In: what is said of who asks, and the request as
// it would stand on the wire; out: the verdict, and the record of a transaction. The head is read by the parser of the
// corridor and becomes facts by the same code, so that what a packet shows and what a question says cannot differ by
// how they are read. Thread: its own worker's, to which no packet comes.
//
// What a question cannot say (the responder's address before its name is resolved, ports, flags) is unknown, and stays
// so: it is no fact that anybody waits for, and a rule that would have to know it decides nothing. Of a request inside
// TLS the server name is that of the URL, and the application is TLS, as it is for packets; what those hide is known.
//
// Nothing is begun: no mirror, for there is no frame to copy; of a limit in packets a request takes one, and one that
// finds none is denied by that rule (the frame of the same request would be dropped). A limit in bits is not asked.
#include "judge_ask.h"

#include <netinet/in.h>
#include <string.h>

#include <rte_byteorder.h>

#include "act.h"
#include "app/http_say.h"
#include "inspect.h"
#include "judge_in.h"
#include "limit.h"
#include "policy.h"
#include "record_out.h"

#define BIT(symbol) (1ull << FIELD_##symbol)
#define STATE_MAX 512
#define NOWHERE ((struct origin){0})

static void tuple(struct judge_facts *j, const struct ruleset *rs, const struct ask *a)
{
	const char *direction = a->direction ? direction_names[a->direction - 1] : NULL;
	const struct fact_value src = {.p = a->src, .len = a->src_len}, dst = {.p = a->dst, .len = a->dst_len};
	if (a->src_len)
		judge_facts_bytes(j, FIELD_SRC, a->src, a->src_len, NOWHERE);
	if (a->dst_len)
		judge_facts_bytes(j, FIELD_DST, a->dst, a->dst_len, NOWHERE);
	if (a->src_len | a->dst_len)
		judge_facts_num(j, FIELD_IP_VERSION, (a->dst_len ? a->dst_len : a->src_len) == 4 ? 4 : 6, NOWHERE);
	judge_facts_num(j, FIELD_PROTO, IPPROTO_TCP, NOWHERE);
	if (a->dport)
		judge_facts_num(j, FIELD_DPORT, a->dport, NOWHERE);
	if (a->tenant)
		judge_facts_num(j, FIELD_TENANT, a->tenant, NOWHERE);
	if (!direction && rs->internal == RULES_NONE)
		direction = "unknown";
	if (!direction && src.len && dst.len)
		direction = direction_names[judge_direction(rs, &src, &dst)];
	if (direction)
		judge_facts_bytes(j, FIELD_DIRECTION, direction, (uint32_t)strlen(direction), NOWHERE);
}

static void facts_of(struct worker *w, const struct ask *a, const struct record *r)
{
	struct judge_facts *j = &w->judge->facts;
	judge_facts_clear(j, w->judge->policy->fields, w->now_ns);
	tuple(j, w->rules, a);
	judge_facts_record(j, r);
	judge_facts_none(j, BIT(USER) | BIT(GROUP) | BIT(TENANT));
	if (a->url.len && j->facts.n[FIELD_URL]) {
		j->value[FIELD_URL][0].p = a->url.p;
		j->value[FIELD_URL][0].len = a->url.len;
	}
	const struct fact *host = a->tls && !a->dst_len ? record_find(r, FACT_HTTP_HOST) : NULL;
	if (host)
		judge_facts_bytes(j, FIELD_TLS_SNI, host->value, host->len, NOWHERE);
}

// ---- limits ------------------------------------------------------------------------------------------------------

// The first limit that it is beyond; RULE_NONE. Those before it have had their share.
static uint32_t beyond(struct worker *w)
{
	const uint32_t *rules;
	uint32_t n = policy_fired(w->judge->policy->scratch, &rules);
	for (uint32_t i = 0; i < n && w->limits; i++) {
		const struct ruleset_rule *r = &w->rules->rules[rules[i]];
		const struct ruleset_deed *d = &w->rules->deeds[rules[i]];
		const struct limit_rate rate = {.packets = d->rate_packets, .burst = d->burst};
		if (r->action == ACTION_LIMIT && !r->shadow && rate.packets &&
		    !limits_take(w->limits, act_bucket(w, rules[i]), &rate, w->now_ns, 0, 1))
			return rules[i];
	}
	return RULE_NONE;
}

// ---- one request -------------------------------------------------------------------------------------------------

static void fired_of(struct worker *w, struct asked *out)
{
	const uint32_t *rules;
	uint32_t n = policy_fired(w->judge->policy->scratch, &rules);
	out->nfired = 0;
	for (uint32_t i = 0; i < n && out->nfired < ASKED_FIRED; i++) {
		const struct ruleset_rule *r = &w->rules->rules[rules[i]];
		if (r->action == ACTION_ALERT && !r->shadow)
			out->fired[out->nfired++] = rules[i];
	}
}

static void judge(struct app_in *in, const struct ask *a, txn_t t, struct asked *out)
{
	struct worker *w = in->w;
	struct judge *j = w->judge;
	struct record *r = txn_record(in, t);
	struct verdict v;
	facts_of(w, a, r);
	policy_judge(w->rules, j->policy->scratch, &j->facts.facts, &v);
	bool lenient = (v.action != ACTION_DENY || v.open) && judge_lenient(&j->facts, r);
	if (lenient) {
		struct verdict u;
		policy_judge(w->rules, j->policy->scratch, &j->facts.facts, &u);
		lenient = u.action == ACTION_DENY && !u.open;
		if (lenient)
			v = u;
		else
			facts_of(w, a, r);
	}
	if (v.open && j->facts.overflow) // more names, or longer values, than are looked at
		v.action = ACTION_DENY;
	fired_of(w, out);
	uint32_t limit = v.action == ACTION_DENY ? RULE_NONE : beyond(w);
	if (limit != RULE_NONE) {
		v.action = ACTION_DENY;
		v.rule = limit;
	}
	judge_note(r, j->policy, &v);
	if (a->direction)
		r->direction = a->direction - 1;
	r->judged |= lenient ? RECORD_LENIENT : 0;
	judge_fired(w, NULL, r, in, t, false);
	judge_tally(j->policy, r, 1);
	if (lenient)
		facts_of(w, a, r);
	judge_would(w, r);
	out->denied = v.action == ACTION_DENY;
	out->rule = v.rule;
	out->policy = j->policy->version;
}

// The corridor would not let it go on, whatever the policy says of it.
static void ambiguous(const struct worker *w, const struct http_head *h, struct asked *out)
{
	uint32_t closes = h->causes & http_head_closes[true];
	bool ruled = out->denied && out->by == ASKED_BY_RULE; // and nothing is to be added
	if (!closes || ruled || w->config->fail.ambiguous_pass)
		return;
	*out = (struct asked){.denied = true,
			      .by = ASKED_BY_AMBIGUOUS,
			      .rule = RULE_NONE,
			      .policy = out->policy,
			      .cause = http_head_causes[__builtin_ctz(closes)]};
}

static void say_asker(struct app_in *in, txn_t t, const struct ask *a)
{
	txn_str_from(in, t, FACT_REQUEST_ID, a->id.p, a->id.len, NOWHERE);
	if (a->user.len)
		txn_str_from(in, t, FACT_USER, a->user.p, a->user.len, NOWHERE);
	for (unsigned i = 0; i < a->ngroups; i++)
		txn_str_from(in, t, FACT_GROUP, a->groups[i].p, a->groups[i].len, NOWHERE);
}

// A flow of which nothing is known but what the question says; it is in no table.
static struct flow flow_of(const struct ask *a)
{
	struct flow f = {.app = a->tls ? APP_TLS : APP_HTTP};
	f.key.tenant = a->tenant;
	f.key.proto = IPPROTO_TCP;
	f.key.version = a->src_len ? (a->src_len == 4 ? 4 : 6) : a->dst_len ? (a->dst_len == 4 ? 4 : 6) : 0;
	memcpy(f.key.a, a->src, a->src_len);
	if (!a->src_len || a->src_len == a->dst_len)
		memcpy(f.key.b, a->dst, a->dst_len);
	f.key.bport_be = rte_cpu_to_be_16(a->dport);
	return f;
}

static struct app_in in_of(struct worker *w, struct flow *f, const struct ask *a)
{
	return (struct app_in){.w = w,
			       .f = f,
			       .data = a->head,
			       .len = a->head_len,
			       .end = true,
			       .scratch = w->inspect->scratch,
			       .run = {.len = UINT32_MAX}};
}

// name: with its '='.
static void say_state(struct worker *w, const char *name, const void *p, size_t len)
{
	uint8_t text[STATE_MAX];
	size_t n = strlen(name);
	len = RTE_MIN(len, sizeof(text) - n);
	memcpy(text, name, n);
	memcpy(text + n, p, len);
	record_fact(w, FACT_STATE, text, (uint32_t)(n + len), NOWHERE);
}

void judge_ask_unread(struct worker *w, const struct ask *a, const char *why, struct asked *out)
{
	*out = (struct asked){.by = ASKED_BY_UNREAD, .denied = !w->config->fail.request_open, .rule = RULE_NONE};
	record_begin(w, RECORD_STATE);
	say_state(w, "event=", "bad_request", 11);
	say_state(w, "id=", a->id.p, a->id.len);
	say_state(w, "why=", why, strlen(why));
	say_state(w, "verdict=", out->denied ? "deny" : "allow", out->denied ? 4 : 5);
	record_write(w);
}

// What the asker, the head and the policy say; the head's causes are in h.
static void judge_read(struct app_in *in, const struct ask *a, struct http_head *h, struct asked *out)
{
	struct worker *w = in->w;
	txn_t t = http_say_request(in, h);
	txn_record(in, t)->tx_id = (uint32_t)w->order++;
	say_asker(in, t, a);
	if (h->causes)
		http_say_causes(in, t, h, NOWHERE);
	*out = (struct asked){.denied = w->config->fail.no_policy_closed, .by = ASKED_BY_NO_POLICY, .rule = RULE_NONE};
	if (w->rules) {
		out->by = ASKED_BY_RULE;
		judge(in, a, t, out);
	}
	ambiguous(w, h, out);
	if (out->by == ASKED_BY_AMBIGUOUS)
		txn_str_from(in, t, FACT_REQUEST_ERROR, "fail.http_ambiguous", 19, NOWHERE);
	txn_end(in, t);
}

void judge_ask(struct worker *w, const struct ask *a, struct asked *out)
{
	struct flow f = flow_of(a);
	struct app_in in = in_of(w, &f, a);
	struct http_line line;
	struct http_head h;
	uint32_t scanned = 0;
	if (http_start_of(a->head, a->head_len, false, &line) == HTTP_START_REQUEST &&
	    http_head_read(a->head, a->head_len, true, &scanned, &line, &h) && h.len)
		judge_read(&in, a, &h, out);
	else
		judge_ask_unread(w, a, "url: no request line can be made of it", out);
}
