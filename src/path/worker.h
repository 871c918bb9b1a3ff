// SPDX-License-Identifier: BSD-3-Clause
//
// One worker: one thread's share of the corridor. All it needs is reached from here and taken at start; nothing
// in it is touched by another thread but the counters (read), the record ring and the exit ring (their far ends).
#pragma once

#include "pkt.h"
#include "record.h"
#include "verdict.h"

enum transport_set { // bits: which encapsulations are transports, i.e. set the tenant
	TRANSPORT_GWLB = 1 << 0,
	TRANSPORT_VXLAN = 1 << 1,
	TRANSPORT_VLAN = 1 << 2,
};

// What becomes of client bytes that were held for too long, or were too many (corridor.md 5).
enum hold_mode {
	HOLD_ABSENT, // what was not seen is absent, and the policy decides
	HOLD_PASS,
	HOLD_DROP
};

// What is done where the corridor cannot know, or cannot do, what it should: corridor.md 9. All zero is the default of
// each; base/fail.h has their words.
struct fail_modes {
	uint8_t no_policy_closed; // nothing leaves while there is no policy
	uint8_t memory_open;      // out_of_memory: what cannot be read goes on by hold_exceeded; else it does not leave
	uint8_t hold_exceeded;    // enum hold_mode
	uint8_t depth_open;       // decap_depth: what lies deeper than is looked at goes on
	uint8_t ambiguous_pass;   // http_ambiguous: the message leaves as it was read here
	uint8_t tls_name_absent;  // tls_bad_name: the hello counts as one without a name, and goes on
	uint8_t dns_name_pass;    // dns_bad_name: the message goes on with the names that could be read
	uint8_t midstream_drop;   // TCP that no SYN began for us does not leave
	uint8_t request_open;     // bad_request: a question over Kafka that cannot be read is answered with allow
};

enum checksum_mode { CHECKSUM_OFFLOAD_AWARE, CHECKSUM_ENFORCE, CHECKSUM_IGNORE };

// What is set before start and never changes after. Sizes are per worker.
struct judge_ear;
struct path_config {
	uint32_t flows;      // flow table entries
	uint32_t streams;    // TCP flows that are reassembled at a time
	uint32_t chunks;     // 2 KiB pieces of stream memory
	uint32_t apps;       // handshakes followed over datagrams (QUIC, DTLS)
	uint32_t fragments;  // fragments held
	uint32_t held;       // frames that wait for a verdict; 0: there will be no policy
	uint32_t hold_bytes; // of one flow
	uint64_t hold_ns;    // the same, from its first
	struct fail_modes fail;
	uint32_t payload_depth; // bytes of each direction that rules on payload see
	uint32_t arena_bytes;   // facts of transactions that wait for their answer
	bool quiet_starts;      // a flow's start is no record, but where it has tags: nobody shows it
	uint32_t record_cells;  // record ring, cells of RECORD_CELL bytes, a power of two
	uint32_t flood; // flows begun in a second and not answered, of all workers, with records of their own; 0: all
	uint32_t transports; // enum transport_set
	enum checksum_mode checksum;
	uint64_t seed;          // of every hash
	uint32_t kept_bytes;    // facts of live flows for the policy after this one; 0: none will come
	uint64_t policy_fields; // bits of enum field: what some policy of this start asks for; 0: there is none
	bool policy_acts;       // some policy of this start has rules that limit or mirror
	bool copies;            // some has rules that mirror, and somebody takes the copies
	uint32_t before;        // frames that are remembered for such a rule's `before`; 0: none has it
	bool live;              // time is the day's, not a capture's
	uint32_t passive;       // live: ports, as bits, that only listen: frames can be missing or out of order
	bool exits;             // every frame's end is reported on the exit ring (-w, --trace); else frames are freed
	struct judge_ear *ear;  // hears what is judged (judge.h); NULL: nobody
};

struct senders; // base/senders.h: who offloads checksums
struct vouched; // base/vouched.h: segments of wrong checksum that their receiver took
struct record_out;
struct judge;   // judge.c
struct hold;    // hold.c
struct act;     // act.c
struct mirror;  // mirror.c
struct limits;  // limit.h
struct ruleset; // rules.h
struct egress;  // egress.h
struct settle;  // settle.h
struct flood;   // flood.c
struct rte_ring;
struct rte_mempool;

// What was said of frames without a flow: how many in this second.
struct drop_said {
	uint32_t second, n;
};

// shed.h's: full bursts, one after the other; what a burst may begin, and how much of it is withheld.
struct shed {
	uint32_t full, tokens, withheld;
};

struct worker {
	// the clock: never runs backwards within a capture
	uint64_t now_ns;
	uint64_t wall_ns;   // live, modulo 2^64: what the time of day has over it, in what people read
	uint64_t unseen_ns; // live: until then frames may have gone from port to port without a look
	uint64_t frame;     // of the packet in work, for what is written on its behalf
	uint64_t order;     // the same of its place in the walk: records are sorted by it
	uint16_t id;
	bool scans;            // some rule in force asks for payload
	bool swapping;         // flows are left that the policy in force has not judged
	bool mirrors;          // some rule in force copies, and somebody takes the copies
	bool tagged;           // a packet with VLAN tags came since flow last looked
	uint32_t outer_layers; // packets with layers outside the innermost, since flow_outer_burst last looked
	unsigned steered;      // packets that decap steered, of the burst that it saw last
	const struct path_config *config;
	const struct ruleset *rules; // in force; NULL: there is no policy
	struct rte_mbuf *packet;     // the one that inspect reads for; NULL: nothing came, time passed
	struct steer_key {           // spread from config->seed; the same for every worker of a start
		uint64_t k[4];
	} steer;

	// rooms' own memory, made by <room>_init, opaque outside the room
	struct defrag *defrag;
	struct flow_table *flows;
	struct flood *flood; // NULL: each flow has its records
	struct stream_pool *streams;
	struct inspect *inspect;
	struct judge *judge;
	struct hold *hold;
	struct act *act;
	struct mirror *mirror;
	struct limits *limits; // shared by the workers
	// replay with several workers: waits until all others are done with packets before this one. NULL: there are
	// none
	void (*turn)(struct worker *, uint64_t order);
	struct record_out *records;
	struct settle *settle;        // live: what leaves the corridor for good; NULL: there is no fast path
	struct egress *egress;        // live: the way out; NULL: frames end here (replay, bench)
	struct rte_ring *exits;       // struct exit; see tx.h
	struct rte_ring *copies;      // struct mirrored; see mirror.h
	struct senders *senders;      // asked where a checksum is wrong; NULL: nobody offloads
	struct senders *senders_pass; // first pass over a capture: checksums are noted here and not judged
	struct vouched *vouched;      // asked, or in the first pass told; NULL: there is no first pass
	struct rte_mempool *frames;   // ordinary frames
	struct rte_mempool *giants;   // frames and datagrams up to 64 KiB

	// who waits when a ring is full in replay: set by the program, may yield the processor. NULL: nobody, drop
	void (*wait)(struct worker *);
	void *wait_arg;

	// live, while somebody captures (live/sniff.c); NULL: nobody. A frame leaves by a port (reason 0), or came by
	// it and is dropped. Frames that come are shown to the seer by the loop itself
	void (*sees)(struct worker *, struct rte_mbuf *, unsigned port, uint16_t reason);
	void *seer;
	uint8_t *came; // live: by flow, the port by which its first packet came in; NULL: nobody asks

	struct shed shed;
	uint64_t own_order; // tx_own's: of the last frame made here, and how many it sent for it
	uint32_t own_n;

	// the ledger: plain words, written by this worker only
	uint64_t rx, own, tx, kernel, mirrored;
	uint64_t rx_bytes, tx_bytes;
	uint64_t drops[REASON_COUNT];
	uint64_t counters[COUNTER_COUNT];
	uint64_t anomalies[ANOMALY_COUNT];
	struct drop_said said[2][REASON_COUNT]; // drop.c's; [1]: out of defrag's hold
	uint64_t held; // frames inside: fragments waiting, frames without their verdict. 0 after path_drain
};

// What is said from here on is said of this packet.
// Nothing passes by us: what was not seen was not sent. False: a capture or a mirror.
static inline bool path_inline(const struct path_config *c, unsigned port)
{
	return c->live && !(c->passive >> port & 1);
}

static inline void worker_at(struct worker *w, const struct pkt *p)
{
	w->frame = p->frame;
	w->order = p->order;
	w->now_ns = p->time_ns;
}

// A frame ends here by a reason, and is still whole.
static inline void worker_drops(struct worker *w, struct rte_mbuf *m, uint16_t reason)
{
	w->drops[reason]++;
	if (w->sees)
		w->sees(w, m, pkt_of(m)->port, reason);
}

static inline void count(struct worker *w, enum counter c)
{
	w->counters[c]++;
}
