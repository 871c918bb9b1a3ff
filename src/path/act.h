// SPDX-License-Identifier: BSD-3-Clause
//
// What a verdict does: the last room before tx. Worker's thread. See act.c; frames are made in answer.c.
#pragma once

#include "flow.h"

int act_init(struct worker *w);
void act_fini(struct worker *w);
// The end of a capture: what was said is forgotten.
void act_drain(struct worker *w);

// Packets of denied flows are dropped, those of limited and mirrored ones are weighed and copied.
void act_burst(struct worker *w, struct burst *b);
// The same, and inspect before it, of the burst's first n packets: for stream, before it reads more of a flow of which
// a request was denied, for what the box makes of that decides whether more is read.
void act_so_far(struct worker *w, struct burst *b, unsigned n);
// The flow was just denied by flow->rule: answers as the rule says, once (POLICY_SAID). m: a packet of the flow to
// take addresses and encapsulation from, dir its direction. t: number of the denied transaction in its flow.
void act_deny(struct worker *w, struct flow *f, struct rte_mbuf *m, unsigned dir, uint32_t tx_id);
// It is denied as before, by flow->rule of another policy.
void act_deny_still(struct worker *w, const struct flow *f);
// The answer (enum response) to what is denied where this one is asked for: one that does not suit it falls back.
uint8_t act_suits(uint8_t response, uint8_t proto, uint8_t app);
// A rule of ACTION_LIMIT or ACTION_MIRROR is true for a flow, from the packet in work on. value: of the field that the
// rule counts by; NULL: it has none, or the rule counts by none.
struct fact_value;
void act_begin(struct worker *w, struct flow *f, uint32_t rule, const struct fact_value *value);
// The bucket (limit.h) that a rule of ACTION_LIMIT takes from, by the facts that were judged last.
uint64_t act_bucket(const struct worker *w, uint32_t rule);
// A flow with POLICY_ACTS ends.
void act_flow_end(struct worker *w, struct flow *f);
// What the transaction says that will be judged now: a DNS message, or the head of a request. The answer to its denial
// needs it. NULL: it was judged.
void act_query(struct worker *w, const uint8_t *p, uint32_t len);
