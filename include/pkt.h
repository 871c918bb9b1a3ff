// SPDX-License-Identifier: BSD-3-Clause
//
// A packet as the rooms of the corridor see it: an mbuf, and in the mbuf's private area what has been learned
// of it so far. The struct is made in rx, filled room by room, and dies with the mbuf. It is never copied.
//
//   mbuf:  | rte_mbuf | struct pkt (private area) | headroom | frame bytes ... |
//
// Offsets are from the first byte of the frame (rte_pktmbuf_mtod). A *layer* is one IP header with what it
// carries directly; layer[0] is the outermost, layer[nlayers - 1] the innermost, whose flow is inspected.
// What is a transport (VLAN, GWLB, ...) or link header between layers leaves its mark in tenant, vlan[], vni[].
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#define BURST_SIZE 32
#define LAYERS_MAX 4 // corridor: depth of encapsulation that is looked at
#define VLANS_MAX 4
#define VNIS_MAX 4

struct flow;

enum layer_flag {
	LAYER_FRAGMENT = 1 << 0, // part of a datagram: no L4 header to trust; cleared on the reassembled one
	LAYER_CUT = 1 << 1,      // the frame was cut (snap length) before the layer's end
	LAYER_TCP_URG = 1 << 2,
	LAYER_CSUM_BAD = 1 << 3, // L4 checksum wrong, excused (offload) or not looked at
	LAYER_ICMP_ERROR = 1 << 4,
};

struct layer {
	uint16_t l3;                 // offset of the IP header
	uint16_t l4;                 // offset of the L4 header (after IPv6 extension headers)
	uint16_t payload;            // offset of the first byte after the L4 header
	uint16_t payload_len;        // bytes of L4 payload that are in the frame
	uint32_t wire_len;           // bytes of L4 payload by the headers (> payload_len where the frame was cut)
	uint16_t sport_be, dport_be; // TCP, UDP, SCTP; else 0
	uint8_t version;             // 4 or 6
	uint8_t proto;               // IPPROTO_* after extension headers
	uint8_t tcp_flags;
	uint8_t flags; // enum layer_flag
	uint8_t icmp_type, icmp_code;
	uint8_t ttl;
	uint8_t pad;
};

enum pkt_flag {
	PKT_CUT = 1 << 0,         // captured shorter than it was
	PKT_VIRTUAL = 1 << 1,     // a datagram put together from fragments: its fragments leave, not it
	PKT_DEEPER = 1 << 2,      // more layers than LAYERS_MAX
	PKT_REWRITTEN = 1 << 3,   // bytes changed: checksum has been mended
	PKT_HAS_DATA = 1 << 4,    // stream has new bytes for inspect
	PKT_NO_EVIDENCE = 1 << 5, // passes, but the receiver does not take it as data (old, keep-alive, challenge)
	PKT_TRANSPORT = 1 << 6,   // a transport with an IP header was taken off: transport_l3 is valid
	PKT_HELD = 1 << 7,        // waits for a verdict: hold.c's, tx passes over it
	PKT_OWN = 1 << 8,         // made here: an answer, or a piece of a frame that was cut
	PKT_AWAY = 1 << 9,        // held, and its burst is over
	PKT_WAITED = 1 << 10,     // was held, if only for others of its burst
	PKT_BACK = 1 << 11,       // PKT_OWN: leaves where `port` is, not where it leads to
	PKT_BLIND = 1 << 12,      // cut before its ports, or within the headers before them: only that is judged
};

// Both ends of a layer in canonical order, the lower (address, port) first: what a flow's key says of them.
struct tuple {
	uint64_t addrs; // IPv4: a, then b, as they stand in the header; IPv6: nothing
	uint64_t tail;  // the key's last 8 bytes: ports of a and b, version, protocol
};

struct pkt {
	// set by rx (pkt_begin)
	uint64_t frame;    // number in its capture or since start, from 1; with several joined, FRAME_OF (record.h)
	uint64_t time_ns;  // the clock when it came: never runs backwards within a capture, or, live, within a worker
	uint64_t stamp_ns; // as stamped by the port or in the file; may run backwards. What -w writes
	uint64_t tenant;   // 0: none
	uint32_t wire_len; // bytes on the wire (>= data_len where cut)
	union {
		struct {
			uint16_t reason; // enum reason; set once, by the room that drops
			uint16_t done;   // 1: passes without being looked at further (no IP, cut too short)
		};
		uint32_t decided; // 0: neither
	};
	uint16_t flags;     // enum pkt_flag
	uint16_t link_type; // LINKTYPE_* of the capture (1: Ethernet)
	uint16_t l3;        // decap's cursor: offset of the next header to read, once more after defrag
	uint8_t nvlans, nvnis;
	uint8_t nlayers;
	uint8_t dir;     // of the innermost flow: 0 from the initiator, 1 to it; set by flow
	bool swap;       // the sender is the tuple's second end; set by steer
	uint8_t port;    // live: by which it came, its number in the config
	uint8_t nparsed; // layers whose checksums parse has seen
	union {
		uint32_t hash; // symmetric hash of tenant and innermost five-tuple, set by steer
		uint32_t rule; // from act on: by which it is dropped, where that is not its flow's
	};
	uint16_t transport_l3; // offset of the IP header of the transport that was taken off (PKT_TRANSPORT)
	uint16_t nfragments;   // PKT_VIRTUAL: frames it stands for
	// from here on the rooms set what they know
	struct layer *inner;        // innermost layer, set by decap; NULL: the frame has no IP
	struct flow *flow;          // of the innermost layer, set by flow
	struct tuple tuple;         // of the innermost layer, set by steer
	struct rte_mbuf *fragments; // PKT_VIRTUAL: the frames it came from, in order of frame number
	struct rte_mbuf *next;      // link in lists of held frames
	uint64_t order;             // place among all frames that walk, from 1: frame, but where captures are joined
	uint64_t end; // TCP segments that bring data: offset in the direction behind their last byte; stream's
	uint16_t vlan[VLANS_MAX]; // outermost first
	uint32_t vni[VNIS_MAX];   // VXLAN, GENEVE, outermost first
	struct layer layer[LAYERS_MAX];
};
static_assert(sizeof(struct pkt) <= 248, "AF_XDP: a frame of an MTU of 3,250 lies in a page with it (docs/ports.md)");

struct burst {
	struct rte_mbuf *m[BURST_SIZE];
	uint32_t wanted; // a bit each: flow says that stream and inspect have to look at it
	uint32_t fresh;  // a bit each: of a flow that was never judged
	uint16_t n;
};
static_assert(BURST_SIZE == 32, "bits of burst.wanted");

static inline struct pkt *pkt_of(struct rte_mbuf *m)
{
	return (struct pkt *)((uint8_t *)m + sizeof(struct rte_mbuf));
}

static inline uint8_t *pkt_data(struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod(m, uint8_t *);
}

// A frame that just came: nothing is known of it but what rx says.
static inline void pkt_begin(struct pkt *p, uint64_t frame, uint64_t stamp_ns, uint64_t time_ns, uint32_t wire_len,
			     uint16_t link_type, bool cut)
{
	p->frame = frame;
	p->time_ns = time_ns;
	p->stamp_ns = stamp_ns;
	p->tenant = 0;
	p->wire_len = wire_len;
	p->decided = 0;
	p->flags = cut ? PKT_CUT : 0;
	p->link_type = link_type;
	p->l3 = 0;
	p->nlayers = p->nvlans = p->nvnis = p->dir = p->nparsed = p->port = 0;
	p->swap = false;
	p->hash = 0;
	p->inner = NULL;
	p->flow = NULL;
	p->fragments = p->next = NULL;
	p->order = frame;
}

// Decided packets are passed over by the rooms that follow.
static inline bool pkt_decided(const struct pkt *p)
{
	return p->decided;
}

// The first reason stays.
static inline void pkt_drop(struct pkt *p, uint16_t reason)
{
	if (p->reason == 0)
		p->reason = reason;
}
