// SPDX-License-Identifier: BSD-3-Clause
//
// The rooms, in the order of the walk. Contract of each: it may fill the packet's facts, may set the reason once
// (pkt_drop), passes over packets already decided, cannot fail, and leaves every packet in the burst. Only
// defrag (holds fragments, adds the datagram), and tx (lets go) change the burst's membership, each with a counter.
// <room>_init takes the room's memory (0 or -ENOMEM), <room>_fini gives it back and tolerates half-built.
#pragma once

#include "worker.h"

// Finds the layers of a frame: link header, tags, tunnels; sets tenant, vlan[], vni[], layer[].l3 and, with
// parse_ip below, all of layer[]. Starts at pkt->l3 with link_type 0xffff for datagrams that defrag put together.
void decap_burst(struct worker *w, struct burst *b);

// Validates every layer that decap found: lengths, options, L4 header, checksums; sets reasons PARSE_*.
void parse_burst(struct worker *w, struct burst *b);

// Holds fragments until their datagram is whole, then puts a PKT_VIRTUAL packet into the burst in place of the
// last of them, to be walked through decap and parse again. Returns how many such packets are in the burst.
int defrag_init(struct worker *w);
void defrag_fini(struct worker *w);
unsigned defrag_burst(struct worker *w, struct burst *b);
// Datagrams not complete in time: their fragments leave by DEFRAG_TIMEOUT. True: more is due than was done.
bool defrag_age(struct worker *w, uint64_t time_ns);
void defrag_drain(struct worker *w);
// Which bytes of which input frame are those at `off` of a packet; len: how many of them, at most as given, that frame
// has in one piece. Differs from (frame, off, len) of the packet only for PKT_VIRTUAL.
struct origin defrag_origin(struct rte_mbuf *m, uint32_t off, uint32_t len);

// Sets pkt->tuple, the innermost five-tuple in order, pkt->swap, whether it had to be turned for that, and pkt->hash
// over it and the tenant, keyed by config->seed: the same in both directions.
void steer_burst(struct worker *w, struct burst *b);
// Which of n workers owns a hash: 1,024 buckets, so that a later move is a table change.
static inline unsigned steer_owner(uint32_t hash, unsigned n)
{
	return (hash >> 22) % n;
}

// Accounts the layers outside the innermost to flows of their own.
void flow_outer_burst(struct worker *w, struct burst *b);
// Finds or makes the innermost layer's flow, tracks TCP, sets pkt->flow and pkt->dir.
int flow_init(struct worker *w);
void flow_fini(struct worker *w);
void flow_burst(struct worker *w, struct burst *b);
bool flow_age(struct worker *w, uint64_t time_ns, uint64_t frame);
void flow_drain(struct worker *w);

// TCP bytes in order; in-line consistency: rewrites or drops what differs from bytes already sent.
int stream_init(struct worker *w);
void stream_fini(struct worker *w);
void stream_burst(struct worker *w, struct burst *b);

// What is this, and what does it say: runs the protocol parsers of app/ over streams and datagrams.
int inspect_init(struct worker *w);
void inspect_fini(struct worker *w);
void inspect_burst(struct worker *w, struct burst *b);
// One packet by itself: for stream, before the flow's next data in the same burst.
void inspect_packet(struct worker *w, struct rte_mbuf *m);
// A direction of which nothing is left to be read has ended. True: its parser need not see that, and was told.
bool inspect_ended(struct worker *w, struct flow *f, unsigned dir);
// Does a parser read the flow's stream? Until then it may begin anew.
bool inspect_chosen(struct worker *w, struct flow *f);
// What the client said waits for the server's word: it is read without. False: it does not wait.
bool inspect_hurry(struct worker *w, struct flow *f);
// Of a message that is not whole, up to `most` bytes of it: what can be read already is judged. True: it was denied, as
// it stands; else nothing has changed.
bool inspect_glimpse(struct worker *w, struct flow *f, uint32_t most);
// The client has said nothing for a while: a request that has no end but that (HTTP/0.9's line) is one.
void inspect_pause(struct worker *w, struct flow *f);
// The flow is open from here on. judged: a transaction of it was.
void inspect_opened(struct worker *w, struct flow *f, bool judged);
// The reason by which data of a FLOW_REFUSED direction leaves.
uint16_t inspect_refusal(const struct worker *w, const struct flow *f);

// Lets every packet go by its door and accounts it: decided by pkt->reason. Empties the burst.
void tx_burst(struct worker *w, struct burst *b);
// One that was held (timers, drain): same accounting; w->order says when. A PKT_VIRTUAL packet stands for its
// fragments.
void tx_one(struct worker *w, struct rte_mbuf *m);

// The rule by which the policy drops it, and of which version it is. RULE_NONE: it leaves by another reason.
uint32_t tx_rule(const struct worker *w, const struct pkt *p, uint32_t *version);

// Sends a frame that was made here (answer.h) on behalf of a flow; it stands behind the frame of its order.
void tx_own(struct worker *w, struct rte_mbuf *m, uint64_t flow_id);

// tx lets `frames` frames go by m's reason, which is said as a record, or counted where it was said before.
void drop_say(struct worker *w, struct rte_mbuf *m, uint32_t frames, bool was_held);
// The end of a capture: what was said is forgotten.
void drop_forget(struct worker *w);

// One end of a frame, reported on worker->exits where config->exits is set.
struct exit {
	uint64_t order;     // as in struct pkt
	uint64_t frame;     // the same; of a frame of our own: id of the flow on whose behalf
	struct rte_mbuf *m; // to be written and freed by the reader; NULL where dropped
	uint64_t flow;      // id of its flow; 0: none
	uint64_t left;      // place in the walk at which it left: later than its own where it waited
	uint16_t door, reason;
	uint32_t rule;   // by which the policy dropped it; RULE_NONE: another reason. Mirrored: that wants it
	uint32_t own;    // 0: it came in; else made here, and stands behind the frame of its order, by flow and number
	uint32_t policy; // version of the policy whose rule it is
};
