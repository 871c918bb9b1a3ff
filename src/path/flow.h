// SPDX-License-Identifier: BSD-3-Clause
//
// A flow: what the corridor remembers of one five-tuple of one tenant. At most 176 bytes, so that with its share
// of the index (16 bytes at half load) it stays within 192.
//
// The key is canonical: the lower (address, port) is `a`. `initiator` says which of the two began, so that
// direction 0 is from the initiator. Addresses of IPv4 stand in the first 4 bytes, the rest is zero.
#pragma once

#include "worker.h"

struct flow_key {
	uint64_t tenant;
	uint8_t a[16], b[16];
	uint16_t aport_be, bport_be;
	uint8_t version, proto; // as in struct layer
	uint8_t outer;          // 1: a layer outside the innermost
	uint8_t pad;
};

// One direction of a TCP connection, as its sender's bytes were seen here.
struct flow_side {
	uint32_t isn;       // first sequence number (SYN); valid with SIDE_SYN
	uint32_t next;      // highest sequence number sent + 1 (SND.NXT); valid with SIDE_SEEN
	uint32_t acked;     // highest ACK from the other side for these bytes (SND.UNA); valid with SIDE_ACKED
	uint32_t win_max;   // largest window this side ever offered, scaled
	uint32_t ts_recent; // last timestamp of an in-order segment of this side (RFC 7323 4.3); valid with SIDE_TS
	uint8_t wscale;     // 0..14; 0xff: unknown (handshake not seen)
	uint8_t flags;      // enum side_flag
	uint8_t tcp_flags;  // all flags seen, or-ed
	uint8_t ts_age;     // time_ns >> 46 when ts_recent was moved: 19.5 hours, for RFC 7323 5.5
};

enum side_flag {
	SIDE_SEEN = 1 << 0,
	SIDE_SYN = 1 << 1,
	SIDE_FIN = 1 << 2,
	SIDE_ACKED = 1 << 3,
	SIDE_TS = 1 << 4,     // timestamps in use
	SIDE_SIGNED = 1 << 5, // MD5 or AO option in use
	SIDE_FIN_ACKED = 1 << 6,
	SIDE_RST = 1 << 7,
};

enum flow_flag {
	FLOW_MIDSTREAM = 1 << 0, // picked up without its handshake
	FLOW_SWAPPED = 1 << 1,   // initiator is key.b
	FLOW_REPLIED = 1 << 2,   // seen in both directions
	FLOW_APP_DONE = 1 << 3,  // nothing more to be learned: inspect passes over it
	FLOW_STREAM_TRIED = 1 << 4,
	FLOW_AMBIGUOUS = 1 << 5, // stream.ambiguous was true once
	FLOW_GAP = 1 << 6,
	// neither stream nor inspect needs to look at packets of direction 0: nothing in them is wanted, and no copy of
	// either direction waits for an ACK; direction 1: << 1
	FLOW_PASSED = 1 << 13,
	FLOW_HOLES = 1 << 8, // replay: bytes or ACKs came ahead of what was seen; RCV.NXT is not known
	// data of direction 0 was dropped on a parser's word: so is what follows; direction 1: << 1
	FLOW_REFUSED = 1 << 9,
	FLOW_USUAL = 1 << 11,      // known from both sides, nothing special in use: flow_usual may take its packets
	FLOW_RST_UNSURE = 1 << 12, // replay: ended by an RST that may have been outside RCV.NXT
	FLOW_RETAGGED = 1 << 7,    // a second stack of VLAN tags was said
	FLOW_DROP_SAID = 1 << 15,  // not TCP: a drop was
	FLOW_BARRED = 1 << 15,     // TCP: open, and no rule that may still be true allows it
};
static_assert(FLOW_MIDSTREAM + FLOW_SWAPPED + FLOW_REPLIED + FLOW_APP_DONE + FLOW_STREAM_TRIED + FLOW_AMBIGUOUS +
			      FLOW_GAP + 3 * FLOW_PASSED + FLOW_HOLES + 3 * FLOW_REFUSED + FLOW_USUAL +
			      FLOW_RST_UNSURE + FLOW_RETAGGED + FLOW_DROP_SAID ==
		      UINT16_MAX,
	      "each bit of flow.flags has one meaning");

// What the policy says of a flow; all 0 where there is no policy.
enum flow_policy {
	POLICY_JUDGED = 1 << 0,  // by what its first packet says, at least
	POLICY_OPEN = 1 << 1,    // its transactions decide: client bytes are held until they are judged
	POLICY_DENIED = 1 << 2,  // nothing of it leaves any more
	POLICY_ENDING = 1 << 3,  // denied from a request on: what answers earlier ones still passes (act.c)
	POLICY_ACTS = 1 << 4,    // allowed, but limited or mirrored
	POLICY_SAID = 1 << 5,    // the answers to its denial were sent
	POLICY_MARKED = 1 << 6,  // hold_exceeded: went on before it was judged
	POLICY_ALERTED = 1 << 7, // an alert was recorded
};

// Of datagrams, in the same bits: what was asked of an open flow.
enum flow_asked { ASKED_ABSENT = 1 << 0, ASKED_SAID = 1 << 1 }; // names as absent; a transaction was judged

// << side. Replay: its numbers were far from all that was seen, by itself or by its peer's ACK. Live: segments of it
// went by unseen once, so what was acknowledged of it is a guess.
enum flow_far { FAR_SEQ = 1 << 0, FAR_ACK = 1 << 2, FAR_GUESSED = FAR_ACK };

// TCP states as Suricata names them in EVE: none, syn_sent, syn_recv, established, fin_wait1, fin_wait2,
// time_wait, last_ack, close_wait, closing, closed.
enum tcp_state {
	TCP_NONE,
	TCP_SYN_SENT,
	TCP_SYN_RECV,
	TCP_ESTABLISHED,
	TCP_FIN_WAIT1,
	TCP_FIN_WAIT2,
	TCP_TIME_WAIT,
	TCP_LAST_ACK,
	TCP_CLOSE_WAIT,
	TCP_CLOSING,
	TCP_CLOSED
};

// Neighbours in a doubly linked ring; numbers of flows, or of the ring's head.
struct flow_link {
	uint32_t older, newer;
};

struct flow {
	struct flow_key key;      // 48
	struct flow_side side[2]; // 48: [0] the initiator's
	uint64_t bytes[2];
	uint32_t pkts[2];
	uint64_t start_ns, last_ns;
	uint64_t id;           // of its first frame: frame << 3 | layer
	struct flow_link link; // in a slot of the ageing wheel; see flow_age.c
	uint32_t rule;         // by which its verdict stands, as in struct verdict; with POLICY_JUDGED
	union {
		uint32_t stream; // TCP: stream_pool index + 1; 0: none
		uint32_t hold;   // else: hold.c's, index + 1; 0: nothing is held
	};
	union {
		uint32_t app_state;        // not TCP: inspect's own, index + 1 of QUIC or DTLS state; 0: none
		struct {                   // TCP
			uint16_t tcp_tags; // flow_tags
			uint16_t tcp_said; // reasons that drop.c has said
		};
	};
	uint16_t tx_count;     // transactions so far (saturates)
	uint16_t flags;        // enum flow_flag
	uint8_t app : 7;       // enum app
	uint8_t unsaid : 1;    // half-open in a flood: it has no RECORD_FLOW_START, see flood.c
	uint8_t policy;        // enum flow_policy
	uint8_t age_class : 2; // enum age_class of flow_age.h
	uint8_t steady : 1;    // FLOW_USUAL, seen both ways, and the usual segment moves nothing but numbers
	uint8_t holds : 1;     // frames of it wait for a verdict
	uint8_t far : 4;       // TCP: enum flow_far; else enum flow_asked
	union {
		struct {                        // TCP
			uint8_t tcp_state : 4;  // enum tcp_state
			uint8_t tcp_unseen : 2; // 1 << side: its segments go by unseen, or did and none came since
		};
		uint8_t icmp_type; // else: of the first packet
	};
	union {
		uint16_t ts_ahead[2]; // TCP in replay: see flow_tcp.c, sample_ts
		uint32_t reset_ms;    // TCP, live: when a RST of it was believed
		struct {
			uint8_t icmp_code;
			uint8_t unread; // datagrams that no parser knew, while none has
			uint16_t tags;  // flow_tags
		};
	};
};
static_assert(sizeof(struct flow) <= 176, "bytes a flow");

// A packet ended a flow that earlier packets of its burst still point to: flow_burst then leaves the burst with
// only what came before it. This puts the rest back into the (now empty) burst; false: there is none.
bool flow_rest(struct worker *w, struct burst *b);

// Ends a flow: what is known of it is said, RECORD_FLOW is written, its place is free.
void flow_end(struct worker *w, struct flow *f, enum flow_end why);

// Fills tuple and ids of a record from a flow; direction 0 is source.
void flow_record(const struct worker *w, const struct flow *f, struct record *r);

// Called by flow when a flow ends, before its record is written; in stream.c and inspect.c.
// inspect_end lets the parsers say what they still know (a request without its answer), then stream_end frees.
void stream_end(struct worker *w, struct flow *f);
void inspect_end(struct worker *w, struct flow *f);
