// SPDX-License-Identifier: BSD-3-Clause
//
// A flow is ended because somebody said so (`flow kill`), not because a rule did. In: the worker that owns it, between
// two bursts, and the flow; out: the flow is denied as by a rule of its own name, RULE_KILLED, which is no rule of any
// policy: another policy changes nothing of it, no rule has its hit, and every record of the flow says it.
//
// Its ends hear of it at its next packet, from either side, since a frame of ours takes its addresses and encapsulation
// from one of theirs; or now, by what is held of it. Rejected: to remember a frame of each flow for this.
#include <netinet/in.h>
#include <string.h>

#include "act.h"
#include "flow_age.h"
#include "flow_table.h"
#include "hold.h"
#include "judge_in.h"
#include "record_out.h"
#include "settle.h"

static void say(struct worker *w, const struct flow *f, const struct judge_word *was)
{
	static const char text[] = "by the command flow kill";
	struct record *r = record_begin(w, RECORD_ANOMALY);
	flow_record(w, f, r);
	r->anomaly = ANOMALY_POLICY_KILLED;
	w->anomalies[ANOMALY_POLICY_KILLED]++;
	judge_flow_word(w, f, r);
	record_fact(w, FACT_ANOMALY, text, sizeof(text) - 1, (struct origin){0});
	if (was)
		record_num(w, FACT_RULE_BEFORE, RULE_OF(was->version, was->rule), (struct origin){0});
	record_write(w);
}

bool judge_kill(struct worker *w, struct flow *f)
{
	struct judge_word was;
	if (!w->rules || !f->key.version || f->key.outer)
		return false;
	judge_catch_up(w, f);
	if ((f->policy & POLICY_DENIED) || (f->age_class == AGE_CLASS_CLOSED && !f->holds))
		return false;
	bool judged = judge_word(w, f, &was);
	f->policy &= (uint8_t) ~(POLICY_OPEN | POLICY_ENDING | POLICY_SAID);
	f->policy |= POLICY_JUDGED | POLICY_DENIED;
	judge_stands(w, f, RULE_KILLED);
	if (f->key.proto == IPPROTO_TCP)
		f->flags |= FLOW_APP_DONE;
	w->packet = NULL;
	if (f->holds)
		act_deny(w, f, NULL, 0, f->tx_count ? f->tx_count - 1u : 0);
	say(w, f, judged ? &was : NULL);
	hold_settle(w, f);
	if (unlikely(w->settle != NULL))
		settle_again(w, f);
	return true;
}
