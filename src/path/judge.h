// SPDX-License-Identifier: BSD-3-Clause
//
// Facts into verdicts: what is known of a packet, a flow or a transaction is put before the rules (policy.h), and the
// verdict into the flow and the record. Worker's thread. See judge.c.
#pragma once

#include "app/app.h"
#include "ruleset.h"

int judge_init(struct worker *w);
void judge_fini(struct worker *w);

// Flows that were never judged, by what their first packet says (burst.fresh). Sets flow->policy and flow->rule; TCP
// that is denied is dropped by POLICY_DENY.
void judge_admit_burst(struct worker *w, struct burst *b);

// All that the client says of a transaction is in its record: it is judged, and what was decided is written into the
// record and the flow. Called again when an answer adds facts: a rule above the one that decided may take over. Denied:
// in->drop is set.
void judge_txn(struct app_in *in, txn_t t);

// The flow shows no protocol that is read (or its time to show one is over): names count as absent. True: it may go on.
bool judge_absent(struct worker *w, struct flow *f);
