// SPDX-License-Identifier: BSD-3-Clause
//
// What is known of a flow without reading what it carries: addresses, ports and what its first packet showed, as facts.
// Worker's thread.
//
// What only the first packet shows is kept beside the flow table, 32 bytes a flow, where some policy of this start asks
// for it: transactions come later.
#include "judge_in.h"

#include <netinet/in.h>
#include <string.h>

#include <rte_byteorder.h>

#include "flow_table.h"
#include "policy_set.h"

#define NOWHERE ((struct origin){0})

static void word(struct judge_facts *j, enum field field, const char *text)
{
	judge_facts_bytes(j, field, text, (uint32_t)strlen(text), NOWHERE);
}

// By the set `internal`, where the policy has one.
enum record_direction judge_direction(const struct ruleset *rs, const struct fact_value *src,
				      const struct fact_value *dst)
{
	if (rs->internal == RULES_NONE)
		return DIRECTION_UNKNOWN;
	bool from = policy_set_has(rs, rs->internal, src, false), to = policy_set_has(rs, rs->internal, dst, false);
	return from ? to ? DIRECTION_INSIDE : DIRECTION_OUT : to ? DIRECTION_IN : DIRECTION_OUTSIDE;
}

// The unspecified address stands for one that nobody said (judge_ask.c).
void judge_direct(const struct worker *w, struct record *r)
{
	static const uint8_t none[16];
	const uint32_t len = r->ip_version == 4 ? 4 : 16;
	if (w->rules->internal != RULES_NONE && memcmp(r->src, none, len) != 0 && memcmp(r->dst, none, len) != 0)
		r->direction = (uint8_t)judge_direction(w->rules, &(struct fact_value){.p = r->src, .len = len},
							&(struct fact_value){.p = r->dst, .len = len});
}

void judge_flow_first(struct worker *w, const struct flow *f, const struct pkt *p)
{
	struct judge_first *k = w->judge->first;
	if (!k)
		return;
	k += flow_table_number(w->flows, f);
	*k = (struct judge_first){.known = true,
				  .ttl = p->inner->ttl,
				  .tcp_flags = p->inner->tcp_flags,
				  .nvlans = p->nvlans,
				  .nvnis = p->nvnis,
				  .deeper = (p->flags & PKT_DEEPER) != 0};
	memcpy(k->vlan, p->vlan, sizeof(k->vlan));
	memcpy(k->vni, p->vni, sizeof(k->vni));
}

void judge_flow_unseen(struct worker *w, const struct flow *f)
{
	if (w->judge->first)
		w->judge->first[flow_table_number(w->flows, f)].known = false;
}

static void list_end(struct judge_facts *j, enum field field)
{
	if ((j->wanted >> field & 1) && !j->facts.n[field])
		j->facts.state[field] = FACT_ABSENT;
}

static void first_facts(struct judge_facts *j, const struct flow *f, const struct judge_first *k)
{
	static const char *const flags[] = {"fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"};
	struct origin o = {f->id >> 3, 0, 0};
	judge_facts_num(j, FIELD_TTL, k->ttl, o);
	for (unsigned i = 0; i < 8 && f->key.proto == IPPROTO_TCP; i++)
		if (k->tcp_flags >> i & 1)
			judge_facts_bytes(j, FIELD_TCP_FLAGS, flags[i], 3, o);
	for (unsigned i = 0; i < k->nvlans; i++)
		judge_facts_num(j, FIELD_VLAN, k->vlan[i], o);
	for (unsigned i = 0; i < k->nvnis; i++)
		judge_facts_num(j, FIELD_VNI, k->vni[i], o);
	judge_facts_num(j, FIELD_DECAP_DEEPER, k->deeper, o);
	if (!f->key.outer) // else they were cut off
		list_end(j, FIELD_TCP_FLAGS);
	list_end(j, FIELD_VLAN);
	list_end(j, FIELD_VNI);
}

void judge_first_facts(struct worker *w, const struct flow *f)
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
		.cut = f->key.outer && !(f->key.aport_be | f->key.bport_be), // no tunnel has the ports 0
	};
	judge_facts_tuple(j, &t);
	if (j->wanted >> FIELD_DIRECTION & 1)
		word(j, FIELD_DIRECTION,
		     direction_names[judge_direction(
			     w->rules, &(struct fact_value){.p = t.src, .len = f->key.version == 4 ? 4 : 16},
			     &(struct fact_value){.p = t.dst, .len = f->key.version == 4 ? 4 : 16})]);
	if (!w->judge->first)
		return;
	const struct judge_first *k = &w->judge->first[flow_table_number(w->flows, f)];
	if (k->known)
		first_facts(j, f, k);
}

void judge_flow_facts(struct worker *w, const struct flow *f)
{
	struct judge_facts *j = &w->judge->facts;
	judge_first_facts(w, f);
	word(j, FIELD_FLOW_SEEN, f->pkts[0] && f->pkts[1] ? "both" : f->pkts[0] ? "client" : "server");
	judge_facts_num(j, FIELD_STREAM_AMBIGUOUS, (f->flags & FLOW_AMBIGUOUS) != 0, NOWHERE);
	if (unlikely(w->judge->policy->payloads != NULL))
		judge_payload_facts(w, f);
}
