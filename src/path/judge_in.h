// SPDX-License-Identifier: BSD-3-Clause
//
// What the judge_* files of this folder share.
#pragma once

#include "judge.h"
#include "judge_facts.h"
#include "rules.h"

struct judge_policy {
	const struct ruleset *rules;
	struct policy_scratch *scratch;
	uint64_t fields; // that rules ask for
	uint16_t version;
	bool shadow; // some rule is in shadow
	uint32_t nrules;
	struct judge_sums sums;
	uint64_t hits[]; // nrules + 1
};

struct judge {
	struct judge_policy *policy; // in force; NULL: none
	struct judge_facts facts;
};

// judge_flow.c: what is known of a flow. p: its first packet, where that is in hand.
void judge_flow_facts(struct worker *w, const struct flow *f, const struct pkt *p);
