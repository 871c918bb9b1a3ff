// SPDX-License-Identifier: BSD-3-Clause
//
// Facts into verdicts: what is known of a packet, a flow or a transaction is put before the rules (policy.h), and the
// verdict into the flow and the record. Worker's thread. See judge.c.
#pragma once

#include <rte_branch_prediction.h>

#include "app/app.h"
#include "ruleset.h"

// Who has to say why (explain) hears each judgement with the facts that it was made on, and each frame that waits for
// one. The worker's thread; the fields are its own and valid until the call returns.
enum judge_cause {
	JUDGE_FIRST,       // a flow's first packet
	JUDGE_TRANSACTION, // what a client, or the answer to it, says
	JUDGE_ABSENT,      // the flow shows no protocol that is read, or its time to show one is over
	JUDGE_TARGET,      // what SOCKS asks for
	JUDGE_PAYLOAD,     // something was found
	JUDGE_LAYER,       // a flow of a layer outside the innermost
	JUDGE_SWAP,        // another policy came into force: what is known of the flow
	JUDGE_CAUSES
};

struct judge_facts;
struct verdict;
struct judged {
	const struct flow *flow;
	const struct record *record; // under construction; NULL: it is of the flow itself
	const struct judge_facts *facts;
	const struct verdict *verdict;
	enum judge_cause cause;
	bool again;  // not the first of its transaction
	bool stands; // else what was decided before stays
};
struct judge_ear {
	void *arg;
	void (*judged)(void *arg, const struct worker *w, const struct judged *j);
	// m, which may be a datagram put together, waits from here on; or leaves by a reason, REASON_NONE: by tx
	void (*held)(void *arg, const struct worker *w, struct rte_mbuf *m);
	void (*left)(void *arg, const struct worker *w, struct rte_mbuf *m, uint16_t reason);
	// p is refused for a flow of a layer outside the innermost
	void (*refused)(void *arg, const struct pkt *p, const struct flow *f);
};

static inline void judge_hears_held(const struct worker *w, struct rte_mbuf *m)
{
	if (unlikely(w->config->ear != NULL))
		w->config->ear->held(w->config->ear->arg, w, m);
}

static inline void judge_hears_left(const struct worker *w, struct rte_mbuf *m, uint16_t reason)
{
	if (unlikely(w->config->ear != NULL))
		w->config->ear->left(w->config->ear->arg, w, m, reason);
}

int judge_init(struct worker *w);
void judge_fini(struct worker *w);

// What a worker judges with: of one policy and one worker, made and freed off the path. version: from 1.
struct judge_policy;
// Fields that rules ask for, as bits: of all policies of a start, path_config.policy_fields has them.
uint64_t judge_fields(const struct ruleset *rs);
struct judge_policy *judge_policy_new(const struct ruleset *rs, uint16_t version);
// The same for who has another one until then: memory for payload (128 MB) goes from that to this, when it is used.
struct judge_policy *judge_policy_after(const struct ruleset *rs, uint16_t version, const struct judge_policy *before);
void judge_policy_free(struct judge_policy *p);
// Flows whose payload is searched as a stream at a time, and the memory of that. 0: no rule asks for payload.
uint32_t judge_policy_payloads(const struct judge_policy *p, size_t *bytes);
// A whole policy in shadow of p: the same facts, a second verdict, never waited for. Both stay the caller's.
void judge_policy_second(struct judge_policy *p, struct judge_policy *second);
// From now on the worker judges by p, which stays the caller's; NULL: there is no policy. Between bursts.
void judge_use(struct worker *w, struct judge_policy *p);
// `direction` of a flow between these, by the set `internal`.
enum record_direction judge_direction(const struct ruleset *rs, const struct fact_value *src,
				      const struct fact_value *dst);
// The same into a record that has its addresses. There is a policy.
void judge_direct(const struct worker *w, struct record *r);

// The same under way: live flows are judged again, see judge_swap.c. w->order says when. p stays the caller's, and so
// does the policy before it until all are done.
void judge_swap(struct worker *w, struct judge_policy *p);
// Sets of the policy in force may have changed: live flows are judged again, too. While no others are.
void judge_swap_edits(struct worker *w);
// Up to so many of them. True: all are done.
bool judge_swap_some(struct worker *w, uint32_t flows);
// From here on nothing of the flow leaves: its ends are reset at its next packet, whatever a policy says, and a record
// tells of it. Between bursts. False: it is not live, or nothing of it leaves anyway, or there is no policy.
bool judge_kill(struct worker *w, struct flow *f);
// This one now, before anything else is made of it.
void judge_swap_flow(struct worker *w, struct flow *f);
static inline void judge_catch_up(struct worker *w, struct flow *f)
{
	if (unlikely(w->swapping))
		judge_swap_flow(w, f);
}

// X(symbol, name): what becomes of a live flow that another policy judges.
#define JUDGE_AGAINS(X)                                                                                                \
	X(SAME, "same")       /* as before, maybe by another rule */                                                   \
	X(DENIED, "denied")   /* it was allowed */                                                                     \
	X(ALLOWED, "allowed") /* it was denied */                                                                      \
	X(KEPT, "kept")       /* what would decide was not kept: the old verdict stays */                              \
	X(DROPPED, "dropped") /* the same, under rejudge_unknown: drop */

enum judge_again {
#define X(symbol, name) JUDGE_AGAIN_##symbol,
	JUDGE_AGAINS(X)
#undef X
		JUDGE_AGAIN_COUNT
};

// What was decided by a policy, as records have it. Read when the worker is at rest.
struct judge_sums {
	uint64_t transactions[2], flows[2]; // allowed, denied
	uint64_t open;                      // of both: the last word was not final
	uint64_t would_differ[2]; // flows without transactions; transactions: what is in shadow says otherwise
	uint64_t would_unknown;   // of both: it would have to know more
	uint64_t rejudged[JUDGE_AGAIN_COUNT];
	const uint64_t *hits; // by rule; [nrules]: the default
};
void judge_sums(const struct judge_policy *p, struct judge_sums *s);

// Does a rule ask for decap.deeper?
bool judge_asks_deeper(const struct worker *w);

// Flows that were never judged, by what their first packet says (burst.fresh). Sets flow->policy and flow->rule; TCP
// that is denied is dropped by POLICY_DENY.
void judge_admit_burst(struct worker *w, struct burst *b);

// All that the client says of a transaction is in its record: it is judged, and what was decided is written into the
// record and the flow. Called again when an answer adds facts: a rule above the one that decided may take over. Denied:
// in->drop is set.
void judge_known(struct app_in *in, txn_t t);
static inline void judge_txn(struct app_in *in, txn_t t)
{
	if (unlikely(in->w->rules != NULL))
		judge_known(in, t);
}
// The same of a record that is put together elsewhere.
void judge_record(struct app_in *in, struct record *r);
// One record of so many (0, 1: all), by a number for what it is about: the same for any number of workers.
static inline bool judge_sampled(uint32_t sample, uint64_t about)
{
	return likely(sample < 2) || (about * 0x9e3779b97f4a7c15ull >> 32) % sample == 0;
}
// The record of a transaction leaves as it is now; that of a flow is about to: it gets the flow's word. False: it is
// not to be written (`log`, `sample`; of a flow `log` alone, its weight says what `sample` is).
bool judge_said(struct worker *w, struct record *r);
bool judge_flow(struct worker *w, const struct flow *f, struct record *r);
// A transaction of a flow has ended: all that will be known of it is there.
void judge_ended(struct worker *w, const struct flow *f, const struct record *r);

// The head of a request: header lines that rules ask for become facts. Bytes that those may take.
uint32_t judge_headers_room(const struct worker *w, uint32_t len);
void judge_headers(const struct app_in *in, txn_t t, const uint8_t *p, uint32_t len);

// A packet was read, or is not to be: what it carries is searched, where w->scans.
void judge_payload(struct worker *w, struct rte_mbuf *m);
// A flow ends.
void judge_payload_end(struct worker *w, struct flow *f);
// Where w->scans: nothing more of a direction's payload will be searched.
bool judge_payload_over(const struct worker *w, const struct flow *f, unsigned dir);
// A flow stands by another rule from here on.
void judge_stands(struct worker *w, struct flow *f, uint32_t rule);
uint16_t judge_version(const struct worker *w); // in force; 0: none
// The rule by which a flow stands, and of which version; RULE_NONE: there is none.
uint32_t judge_rule(const struct worker *w, const struct flow *f, uint32_t *version);

// The transaction's names are those of all that follows on the flow, for it asks for a tunnel; no, it was refused.
void judge_outer_txn(const struct app_in *in, txn_t t);
void judge_outer_forget(struct worker *w, const struct flow *f);
// The same of a name, judged by itself (SOCKS). Denied: in->drop is set.
void judge_target(struct app_in *in, const uint8_t *name, uint32_t len, struct origin o);
// A flow of a layer of which nothing but the header is read, by that. Returns why the frame does not leave, or
// REASON_NONE; p->rule says by which rule.
uint16_t judge_layer(struct worker *w, struct flow *f, struct pkt *p, const struct layer *l);
// The same of a frame of which not even addresses were captured.
uint16_t judge_unread(struct worker *w, struct pkt *p);

// The flow shows no protocol that is read (or its time to show one is over): names count as absent. True: it may go on.
bool judge_absent(struct worker *w, struct flow *f);
