// SPDX-License-Identifier: BSD-3-Clause
//
// What one worker judges by: in comes a rule set, out goes what of it is asked for each packet, worked out once: which
// fields it reads, which headers, which rules speak of flows, of answers. Memory of the worker's own, taken where the
// policy is loaded and given back when nobody judges by it; judge_use lays it before the worker (judge.c). Sums are
// read while they are written.
#include "judge_in.h"

#include "delta.h"
#include "base/eal.h"
#include "mirror.h"
#include "policy.h"

#define BIT(symbol) (1ull << FIELD_##symbol)
// What the first packet says, and is so for the flow's whole life.
#define FLOW_FIELDS                                                                                                    \
	(JUDGE_FIRST_FIELDS | BIT(SRC) | BIT(DST) | BIT(SPORT) | BIT(DPORT) | BIT(PROTO) | BIT(IP_VERSION) |           \
	 BIT(TENANT) | BIT(DIRECTION) | BIT(TIME) | BIT(USER) | BIT(GROUP))

uint64_t judge_node_fields(const struct ruleset *rs, uint32_t node)
{
	uint64_t fields = 0;
	if (node == RULES_NONE)
		return 0;
	for (uint32_t i = node, end = node + rs->nodes[node].end; i < end; i++)
		if (rs->nodes[i].op == NODE_FIELD)
			fields |= 1ull << rs->nodes[i].field;
	return fields;
}

uint64_t judge_fields(const struct ruleset *rs)
{
	uint64_t fields = 0;
	for (uint32_t i = 0; i < rs->nrules; i++)
		fields |= judge_node_fields(rs, rs->rules[i].node);
	return fields;
}

static void note_header(struct judge_policy *p, const uint8_t *name, uint32_t len)
{
	for (uint32_t i = 0; i < p->nheaders; i++)
		if (p->header[i].len == len && !memcmp(p->header[i].p, name, len))
			return;
	uint32_t hash = 2166136261u; // FNV-1a: the sum is the same in any order
	for (uint32_t i = 0; i < len; i++)
		hash = (hash ^ name[i]) * 16777619u;
	p->headers += hash;
	if (p->nheaders < JUDGE_HEADERS_MAX)
		p->header[p->nheaders++] = (struct judge_header){name, len};
}

static size_t policy_bytes(uint32_t nrules)
{
	return sizeof(struct judge_policy) + (nrules + 1ul) * (sizeof(uint64_t) + 1);
}

struct judge_policy *judge_policy_new(const struct ruleset *rs, uint16_t version)
{
	return judge_policy_after(rs, version, NULL);
}

struct judge_policy *judge_policy_after(const struct ruleset *rs, uint16_t version, const struct judge_policy *before)
{
	struct judge_policy *p = mem_take(policy_bytes(rs->nrules));
	if (!p)
		return NULL;
	*p = (struct judge_policy){.rules = rs, .nrules = rs->nrules, .version = version, .fields = judge_fields(rs)};
	p->sums.hits = p->hits = (uint64_t *)(p + 1);
	p->about = (uint8_t *)(p->hits + rs->nrules + 1);
	p->scratch = policy_worker_init(rs);
	for (uint32_t i = 0; i < rs->nnodes; i++)
		if (rs->nodes[i].op == NODE_FIELD && rs->nodes[i].field == FIELD_HTTP_HEADER)
			note_header(p, rs->bytes + rs->nodes[i].at, rs->nodes[i].len);
	uint64_t flow_fields = FLOW_FIELDS | BIT(TAG); // until a rule sets a tag by what comes later
	for (uint32_t i = 0; i < rs->nrules; i++) {
		const struct ruleset_rule *r = &rs->rules[i];
		p->shadow |= r->shadow;
		p->names |= !r->ends && !r->disabled;
		p->quiet |= !r->ends && !r->disabled && r->shadow;
		if (r->action == ACTION_MIRROR && !r->shadow && !r->disabled) {
			p->mirrors = true;
			p->before = RTE_MAX(p->before, rs->deeds[i].before);
		}
		uint64_t asks = judge_node_fields(rs, rs->rules[i].node);
		p->about[i] = (asks & ~flow_fields ? 0 : ABOUT_FLOW) | (asks & BIT(DNS_ANSWER) ? ABOUT_ANSWER : 0);
		if (asks & BIT(PAYLOAD) && !r->disabled && p->asks.n <= JUDGE_ASKS_MAX)
			p->asks.rule[p->asks.n++] = i;
		if (r->action == ACTION_TAG && !r->disabled && !(p->about[i] & ABOUT_FLOW))
			flow_fields &= ~BIT(TAG);
	}
	bool payload = p->fields & BIT(PAYLOAD);
	p->inherits = payload && before && judge_payloads_fit(before->payloads, rs);
	if (payload && p->scratch && !p->inherits)
		p->payloads = judge_payloads_new(rs);
	if (p->scratch && (payload && !p->inherits) == !!p->payloads)
		return p;
	judge_policy_free(p);
	return NULL;
}

void judge_policy_second(struct judge_policy *p, struct judge_policy *second)
{
	p->second = second;
	p->shadow = true;
	p->fields |= second->fields;
	for (uint32_t i = 0; i < second->nheaders; i++)
		note_header(p, second->header[i].p, second->header[i].len);
}

void judge_policy_free(struct judge_policy *p)
{
	if (!p)
		return;
	judge_payloads_free(p->payloads);
	policy_worker_fini(p->scratch);
	mem_give(p, policy_bytes(p->nrules));
}

void judge_use(struct worker *w, struct judge_policy *p)
{
	struct judge_policy *was = w->judge->policy;
	if (was)
		judge_payloads_forget(w, was->payloads);
	if (was && p && p->inherits)
		judge_payloads_hand_over(was, p);
	w->judge->policy = p;
	w->scans = p && p->payloads && w->judge->payload_of;
	w->rules = p ? p->rules : NULL;
	w->judge->edits = delta_edits(p ? p->rules->delta : NULL);
	mirror_use(w, p && p->mirrors, p ? p->before : 0);
}

void judge_sums(const struct judge_policy *p, struct judge_sums *s)
{
	*s = p->sums;
}
