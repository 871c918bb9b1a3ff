// SPDX-License-Identifier: BSD-3-Clause
//
// Layers of which nothing but the header is read: those outside the innermost, and the innermost of a frame that the
// snap length cut before its ports, or within the headers before them. In comes a flow of such a layer, or a frame of
// which not even the addresses are there; out goes why the frame may not leave. On the worker that took the frame.
//
// What was cut off is unknown, and hold_exceeded is its fail mode, as for all that cannot be read: by default it is
// absent, so that rules on it are not true; `drop` and `pass` decide where a rule on it might have decided otherwise.
// Live nothing is cut: what a frame promises and has not is a fault (parse.c).
#include "judge_in.h"

#include <netinet/in.h>

#include "flow_table.h"
#include "hold.h"
#include "policy.h"

// Why a frame does not leave by a verdict. What is dropped has no hash any more, but a rule.
static uint16_t refused(const struct worker *w, struct pkt *p, bool open, bool denied, uint32_t rule)
{
	if (open)
		denied = w->config->fail.hold_exceeded == HOLD_DROP;
	if (!denied)
		return REASON_NONE;
	if (!p->reason)
		p->rule = rule;
	return open ? REASON_POLICY_HOLD : REASON_POLICY_DENY;
}

// By the facts that are there. Open: what is not there might decide otherwise.
static void judge_blind(struct worker *w, struct verdict *v)
{
	struct judge *j = w->judge;
	if (w->config->fail.hold_exceeded != HOLD_ABSENT) {
		policy_judge_again(w->rules, j->policy->scratch, &j->facts.facts, v);
		return;
	}
	judge_facts_opaque(&j->facts, APP_OTHER);
	policy_judge(w->rules, j->policy->scratch, &j->facts.facts, v);
}

uint16_t judge_unread(struct worker *w, struct pkt *p)
{
	struct judge *j = w->judge;
	struct verdict v;
	judge_facts_clear(&j->facts, j->policy->fields, p->time_ns + w->wall_ns);
	judge_blind(w, &v);
	return refused(w, p, v.open, v.action == ACTION_DENY, v.rule);
}

uint16_t judge_layer(struct worker *w, struct flow *f, struct pkt *p, const struct layer *l)
{
	struct judge *j = w->judge;
	struct verdict v;
	struct kept *k = j->keep ? keep_of(j->keep, flow_table_number(w->flows, f)) : NULL;
	bool blind = (p->flags & PKT_BLIND) && l == p->inner;
	if (!(f->policy & POLICY_JUDGED) || (k && k->version != j->policy->version)) {
		if (k) {
			k->flags = f->policy & POLICY_JUDGED ? KEPT_REJUDGED : 0;
			k->version = j->policy->version;
		}
		if (blind)
			judge_flow_first(w, f, p);
		else // tags are known to lie outside of the innermost, but not around which layer
			judge_flow_unseen(w, f);
		judge_facts_clear(&j->facts, j->policy->fields, p->time_ns + w->wall_ns);
		judge_flow_facts(w, f);
		if (!blind) {
			judge_facts_num(&j->facts, FIELD_TTL, l->ttl, (struct origin){p->frame, l->l3, 0});
			judge_facts_opaque(&j->facts, APP_OTHER);
			policy_judge(w->rules, j->policy->scratch, &j->facts.facts, &v);
		} else {
			judge_blind(w, &v);
		}
		f->rule = v.rule;
		f->policy = (uint8_t)(POLICY_JUDGED | (v.open                    ? POLICY_OPEN
						       : v.action == ACTION_DENY ? POLICY_DENIED
										 : 0));
		judge_heard(w, &(struct judged){f, NULL, &j->facts, &v, JUDGE_LAYER, false, true});
		judge_fired(w, f, NULL, NULL, 0, false);
	}
	bool denied = f->policy & POLICY_DENIED;
	if (denied && w->config->ear)
		w->config->ear->refused(w->config->ear->arg, p, f);
	return refused(w, p, f->policy & POLICY_OPEN, denied, f->rule);
}
