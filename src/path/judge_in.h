// SPDX-License-Identifier: BSD-3-Clause
//
// What the judge_* files of this folder share.
#pragma once

#include "judge.h"
#include "keep.h"
#include "rules.h"

#define JUDGE_HEADERS_MAX 64
#define JUDGE_ASKS_MAX 256 // rules that are asked about a flow, which is less than to search one

// What a rule asks for.
enum judge_about {
	ABOUT_FLOW = 1 << 0,   // nothing but what the first packet says
	ABOUT_ANSWER = 1 << 1, // what DNS answers
};

struct judge_policy {
	const struct ruleset *rules;
	struct policy_scratch *scratch;
	uint64_t fields; // that rules ask for
	uint16_t version;
	bool shadow;                 // some rule is in shadow, or there is a second policy
	bool names;                  // some rule does not end the search
	bool quiet;                  // some such rule is in shadow
	bool mirrors;                // some rule copies
	uint32_t before;             // the most frames that one wants from before
	struct judge_policy *second; // a whole policy in shadow: says what it would; NULL: none
	uint32_t nrules;
	struct judge_sums sums;
	uint32_t nheaders;
	uint32_t headers; // of which names: the same for the same set of them
	struct judge_header {
		const uint8_t *p; // in lower case
		uint32_t len;
	} header[JUDGE_HEADERS_MAX];
	struct judge_payloads *payloads; // NULL: no rule asks for any
	bool inherits;                   // those of the policy before
	uint64_t *hits;                  // nrules + 1
	uint8_t *about;                  // by rule: enum judge_about
	struct judge_asks {              // rules that ask for payload, disabled ones aside
		uint32_t n, rule[JUDGE_ASKS_MAX + 1];
	} asks;
};

// What the first packet of a flow said that nothing else remembers.
struct judge_first {
	uint8_t ttl, tcp_flags, nvlans, nvnis;
	bool deeper, known;
	uint16_t vlan[VLANS_MAX];
	uint32_t vni[VNIS_MAX];
};
static_assert(sizeof(struct judge_first) <= 32, "for each flow of the table");

// What an earlier policy said of flows that the one in force cannot judge: flow->rule is JUDGE_KEPT and an index.
struct judge_word {
	uint32_t rule;
	uint16_t version;
	uint8_t action, response;
};
#define JUDGE_KEPT 0x80000000u // above all numbers of rules
// Of a flow whose transactions are to decide, none of which was judged: the rule that would stand, so marked.
#define JUDGE_WAITS 0x40000000u
#define JUDGE_KEPT_MAX 1024u

struct judge {
	struct judge_word kept[JUDGE_KEPT_MAX];
	uint32_t nkept;
	struct judge_policy *policy; // in force; NULL: none
	struct swap {
		struct judge_policy *old; // flows from `next` on, of those that were there, may stand by it
		uint32_t next, end;
		bool edit; // the policy is the same, its sets have changed
		uint64_t ns;
	} swap;
	uint32_t edits;            // of the policy's sets that flows are, or are being, judged by
	uint8_t edit;              // number of the walk for their sake, from 1; then from 1 again
	uint64_t swap_ns;          // when the one in force came
	struct keep *keep;         // NULL: no other policy will come into force
	struct judge_first *first; // by flow; NULL: no policy of this start asks for it
	uint32_t *payload_of;      // the same: number of its state in policy->payloads, + 1
	struct judge_outer *outer; // NULL: no policy of this start asks for names
	struct judge_facts facts;
	union { // a flow's, which is put together here; written by whole cells
		struct record record;
		uint8_t cells[RECORD_CELL * 8];
	} alert;
};

// judge_lenient.c: the facts as lenient servers read them. False: these are no others.
bool judge_lenient(struct judge_facts *j, const struct record *r);
// judge_policy.c: fields that a tree of conditions asks for. RULES_NONE: none.
uint64_t judge_node_fields(const struct ruleset *rs, uint32_t node);
// judge.c: what the flow stands by, into its record.
void judge_flow_word(const struct worker *w, const struct flow *f, struct record *r);

// judge_flow.c
// Remembers what a flow's first packet says.
void judge_flow_first(struct worker *w, const struct flow *f, const struct pkt *p);
// Nothing is remembered of a flow's first packet.
void judge_flow_unseen(struct worker *w, const struct flow *f);
// What its first packet showed, and nothing else.
void judge_first_facts(struct worker *w, const struct flow *f);
// What is known of a flow.
void judge_flow_facts(struct worker *w, const struct flow *f);

static inline void judge_heard(const struct worker *w, const struct judged *j)
{
	if (unlikely(w->config->ear != NULL))
		w->config->ear->judged(w->config->ear->arg, w, j);
}

// judge.c: a verdict into a transaction's record.
void judge_note(struct record *r, const struct judge_policy *p, const struct verdict *v);
// The same, counted by its rule when it is decided, by the policy that is then in force; `by` -1: it is decided anew.
void judge_tally(struct judge_policy *p, const struct record *r, uint64_t by);
// judge.c: what came later decides otherwise, in the transaction's record.
void judge_revise(struct worker *w, struct record *r, const struct verdict *v);
// The same of what is in shadow, by the facts as they are now.
void judge_would(struct worker *w, struct record *r);

// judge_payload.c
struct judge_payloads *judge_payloads_new(const struct ruleset *rs);
void judge_payloads_free(struct judge_payloads *p);
// Is there room for streams of another rule set? Then it may have them, once all are forgotten; worker's thread.
bool judge_payloads_fit(const struct judge_payloads *p, const struct ruleset *rs);
void judge_payloads_hand_over(struct judge_policy *from, struct judge_policy *to);
// Another policy comes into force: streams begin anew.
void judge_payloads_forget(struct worker *w, struct judge_payloads *p);
// A flow is judged for the first time, or again (edit: by the same policy): does any rule ask for its payload?
void judge_payload_begin(struct worker *w, struct flow *f, bool edit);
// What was found in a flow, as facts.
void judge_payload_facts(struct worker *w, const struct flow *f);
// A transaction of a flow was judged.
void judge_payload_txn(struct worker *w, const struct flow *f, txn_t t);
// A rule is true for a flow. False: it has said so before.
bool judge_payload_once(struct worker *w, const struct flow *f, uint32_t rule);

// judge.c: a verdict that is of no transaction.
void judge_flow_verdict(struct app_in *in, const struct verdict *v);

// judge_outer.c
struct judge_outer *judge_outer_new(void);
void judge_outer_free(struct judge_outer *o);
// The names that are kept, into a transaction's record.
void judge_outer_say(const struct app_in *in, struct record *r, txn_t t);

// judge_fired.c
// Rules that were true and do not end the search. r: the transaction's record, with t where it is in the arena; NULL:
// of the flow itself, by its first packet or because it shows no protocol (opaque). f NULL: of a question, which has
// no flow, so that nothing is begun.
void judge_fired(struct worker *w, struct flow *f, struct record *r, const struct app_in *in, txn_t t, bool opaque);

// The record of a flow is about to leave: the rules that were true of its first packet, and, where it showed no
// protocol, of that, into it.
void judge_fired_flow(struct worker *w, const struct flow *f, struct record *r);

// A flow is judged again: limits and mirrors that are true for it begin; alerts have spoken.
void judge_fired_again(struct worker *w, struct flow *f);

// judge.c: a flow that no transaction speaks for was refused by a rule of the policy in force: hits are shown while it
// lives, and not only when it ends. Datagrams are read, and may speak yet.
void judge_count_refused(struct worker *w, const struct flow *f, uint32_t rule);

// judge_swap.c: what the policy says of a flow. False: nothing.
bool judge_word(const struct worker *w, const struct flow *f, struct judge_word *out);
// The flows of a burst, and some others, that the policy in force has not judged yet.
void judge_swap_burst(struct worker *w, const struct burst *b);
// A word that stands by no rule of a policy, and is nobody's hit.
static inline bool judge_no_rule(uint32_t rule)
{
	return rule == RULE_REJUDGE || rule == RULE_KILLED;
}
static inline uint32_t judge_waits(uint32_t rule)
{
	return JUDGE_WAITS | (rule & (JUDGE_WAITS - 1)); // the default: above all rules, too
}
