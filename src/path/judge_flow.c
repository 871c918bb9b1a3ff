// SPDX-License-Identifier: BSD-3-Clause
//
// What is known of a flow without reading what it carries: addresses, ports and what its first packet shows, as facts.
// Worker's thread.
#include "judge_in.h"

#include <netinet/in.h>
#include <string.h>

#include <rte_byteorder.h>

#include "policy_set.h"

#define NOWHERE ((struct origin){0})

static void word(struct judge_facts *j, enum field field, const char *text)
{
	judge_facts_bytes(j, field, text, (uint32_t)strlen(text), NOWHERE);
}

// By the set `internal`, where the policy has one.
static const char *direction(const struct ruleset *rs, const struct judge_tuple *t)
{
	uint32_t len = t->version == 4 ? 4 : 16;
	struct fact_value src = {.p = t->src, .len = len}, dst = {.p = t->dst, .len = len};
	if (rs->internal == RULES_NONE)
		return "unknown";
	bool from = policy_set_has(rs, rs->internal, &src, false), to = policy_set_has(rs, rs->internal, &dst, false);
	return from ? to ? "inside" : "out" : to ? "in" : "outside";
}

static void first_packet(struct judge_facts *j, const struct flow *f, const struct pkt *p)
{
	static const char *const flags[] = {"fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"};
	const struct layer *l = p->inner;
	struct origin o = {p->frame, 0, 0};
	judge_facts_num(j, FIELD_TTL, l->ttl, o);
	for (unsigned i = 0; i < 8 && f->key.proto == IPPROTO_TCP; i++)
		if (l->tcp_flags >> i & 1)
			judge_facts_bytes(j, FIELD_TCP_FLAGS, flags[i], 3, o);
	for (unsigned i = 0; i < p->nvlans; i++)
		judge_facts_num(j, FIELD_VLAN, p->vlan[i], o);
	for (unsigned i = 0; i < p->nvnis; i++)
		judge_facts_num(j, FIELD_VNI, p->vni[i], o);
	judge_facts_num(j, FIELD_DECAP_DEEPER, (p->flags & PKT_DEEPER) != 0, o);
	static const uint8_t lists[] = {FIELD_TCP_FLAGS, FIELD_VLAN, FIELD_VNI};
	for (unsigned i = 0; i < sizeof(lists); i++)
		if (!j->facts.n[lists[i]])
			j->facts.state[lists[i]] = FACT_ABSENT;
}

void judge_flow_facts(struct worker *w, const struct flow *f, const struct pkt *p)
{
	struct judge_facts *j = &w->judge->facts;
	bool swapped = f->flags & FLOW_SWAPPED;
	const struct judge_tuple t = {
		.src = swapped ? f->key.b : f->key.a,
		.dst = swapped ? f->key.a : f->key.b,
		.tenant = f->key.tenant,
		.sport = rte_be_to_cpu_16(swapped ? f->key.bport_be : f->key.aport_be),
		.dport = rte_be_to_cpu_16(swapped ? f->key.aport_be : f->key.bport_be),
		.version = f->key.version,
		.proto = f->key.proto,
	};
	judge_facts_tuple(j, &t);
	if (j->wanted >> FIELD_DIRECTION & 1)
		word(j, FIELD_DIRECTION, direction(w->rules, &t));
	word(j, FIELD_FLOW_SEEN, f->pkts[0] && f->pkts[1] ? "both" : f->pkts[0] ? "client" : "server");
	judge_facts_num(j, FIELD_STREAM_AMBIGUOUS, (f->flags & FLOW_AMBIGUOUS) != 0, NOWHERE);
	if (p)
		first_packet(j, f, p);
}
