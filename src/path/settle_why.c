// SPDX-License-Identifier: BSD-3-Clause
//
// Why a flow is not settled, in words, for whoever asks (`explain`): in comes a flow, out goes a line like "rule api
// looks at each http request". The rule is the first that may yet become true of the flow by what keeps it here, with
// nothing taken as known but what its first packet said and the protocol: rules that are false by that are not named.
//
// Asks every rule. On the worker's thread, between bursts, since it uses the judge's facts; never on a packet's way.
#include <string.h>

#include "judge_in.h"
#include "policy_in.h"
#include "settle.h"

#define BIT(symbol) (1ull << FIELD_##symbol)

// By enum settle_no: who keeps it here is a rule that does `rule`, or else it is so that `words`. NULL: no rule is
// asked for. What a parser reads is in read_of.
static const struct {
	const char *rule, *words;
} says[] = {
#define X(symbol, rule, words) {rule, words},
	SETTLE_NOS(X)
#undef X
};

static const char *read_of(const struct flow *f)
{
	switch (f->app) {
	case APP_HTTP:
	case APP_HTTP2:
		return "each http request";
	case APP_DNS:
		return "each dns message";
	case APP_TLS:
	case APP_QUIC:
	case APP_DTLS:
		return "its hello";
	case APP_NONE:
		return "its first bytes";
	default:
		return "what its client says";
	}
}

static const uint64_t first_packet = BIT(SRC) | BIT(DST) | BIT(SPORT) | BIT(DPORT) | BIT(PROTO) | BIT(IP_VERSION) |
				     BIT(TTL) | BIT(TCP_FLAGS) | BIT(TENANT) | BIT(VLAN) | BIT(VNI) | BIT(DIRECTION) |
				     BIT(DECAP_DEEPER) | BIT(FLOW_SEEN) | BIT(STREAM_AMBIGUOUS) | BIT(TIME) | BIT(TAG) |
				     BIT(USER) | BIT(GROUP);

static bool is_it(const struct ruleset_rule *r, enum settle_no no, enum truth t, uint64_t unknown)
{
	switch (no) {
	case SETTLE_NO_ACTS:
		return t != TRUTH_FALSE && (r->action == ACTION_LIMIT || r->action == ACTION_MIRROR);
	case SETTLE_NO_PAYLOAD:
		return t == TRUTH_UNKNOWN && unknown & BIT(PAYLOAD);
	default:
		return t == TRUTH_UNKNOWN && unknown & ~(first_packet | BIT(PAYLOAD));
	}
}

// RULE_NONE: there is none.
static uint32_t rule_of(struct worker *w, const struct flow *f, enum settle_no no)
{
	struct judge *j = w->judge;
	struct policy_scratch *s = j->policy->scratch;
	judge_facts_clear(&j->facts, j->policy->fields, w->now_ns + w->wall_ns);
	judge_first_facts(w, f);
	if (f->app != APP_NONE && f->app != APP_OTHER)
		judge_facts_bytes(&j->facts, FIELD_APP, app_names[f->app], (uint32_t)strlen(app_names[f->app]),
				  (struct origin){0});
	policy_ask_begin(s, &j->facts.facts);
	for (uint32_t i = 0; i < w->rules->nrules; i++) {
		uint64_t unknown;
		enum truth t = policy_ask(s, i, &unknown);
		if (is_it(&w->rules->rules[i], no, t, unknown))
			return i;
	}
	return RULE_NONE;
}

static size_t put(char *out, size_t size, size_t at, const void *p, size_t len)
{
	for (size_t i = 0; i < len && at + 1 < size; i++)
		out[at++] = ((const char *)p)[i];
	out[at] = '\0';
	return at;
}

bool settle_why(struct worker *w, const struct flow *f, unsigned dir, char *out, size_t size)
{
	enum settle_no no = w->swapping ? SETTLE_NO_SWAP : settle_no(w, f, dir);
	uint32_t rule = says[no].rule && w->rules ? rule_of(w, f, no) : RULE_NONE;
	size_t at = 0;
	if (rule != RULE_NONE) {
		const struct ruleset_deed *d = &w->rules->deeds[rule];
		at = put(out, size, at, "rule ", 5);
		at = put(out, size, at, w->rules->bytes + d->id, d->id_len);
		at = put(out, size, at, " ", 1);
		at = put(out, size, at, says[no].rule, strlen(says[no].rule));
	}
	if (no == SETTLE_NO_READ)
		at = put(out, size, at, read_of(f), strlen(read_of(f)));
	if (rule == RULE_NONE)
		put(out, size, at, says[no].words, strlen(says[no].words));
	return no == SETTLE_NO_ALLOWED || no == SETTLE_NO_DENIED;
}
