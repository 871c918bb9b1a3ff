// SPDX-License-Identifier: BSD-3-Clause
//
// The way out of a live worker: which port a frame leaves by, what its headers become on the way, and the frames that
// wait there for the end of the burst. See egress.c; ingress.c is the same at the way in.
#pragma once

#include "worker.h"

#define EGRESS_PORTS 32 // as record.h has bits for; half of them are the kernel's ends of the others
#define EGRESS_BATCH 64
#define EGRESS_NO_PORT 0xff
#define EGRESS_NETS 8
#define EGRESS_ETHERTYPES 16
#define EGRESS_ASKED 64
#define EGRESS_WAITS UINT16_MAX // no reason: the frame waits for its next hop
#define EGRESS_LATE 128         // frames that leave in the midst of a burst's walk: released, or made here

// X(symbol, name, help): what a path does with the frames of its ports (corridor.md 1).
#define PATH_MODES(X)                                                                                                  \
	X(BRIDGE, "bridge", "two ports, a bump in the wire")                                                           \
	X(ROUTED, "routed", "one port or two: on to the next hop's MAC address")                                       \
	X(GWLB, "gwlb", "one port: back to the load balancer, in the header that the frame came in")                   \
	X(MIRROR, "mirror", "receive only: what comes is looked at and leaves nowhere")                                \
	X(KERNEL, "kernel", "the kernel's end of a routed or gwlb port: what is for the appliance itself")

enum path_mode {
#define X(symbol, name, help) PATH_##symbol,
	PATH_MODES(X)
#undef X
		PATH_MODE_COUNT
};

// An address of ours with its network.
struct lane_net {
	uint8_t bytes[16], len, bits; // len 4 or 16
};

// Where frames lead to that came in by a port. Written before start; atomics by the control thread at any time.
struct lane {
	enum path_mode mode;
	uint8_t out;            // port
	uint8_t kernel;         // port to the kernel for what is for us; EGRESS_NO_PORT: the kernel has it already
	uint8_t nnets;          // of this port
	bool strict;            // bridge: not everything that is not IP, or is link-local, passes
	_Atomic uint16_t mtu;   // bytes behind the Ethernet header that `out` sends
	_Atomic bool narrow;    // fewer than this port may bring
	uint16_t mss;           // that a SYN may ask for; 0: any
	uint32_t transports;    // enum transport_set
	const _Atomic bool *up; // has `out` a link?
	const uint8_t *mac;     // of this port
	struct lane_net net[EGRESS_NETS];
	uint8_t hop[2][16]; // for what is on no network of this port, by family: IPv4, IPv6
	bool has_hop[2];
	bool other_l2, link_local; // strict: they pass
	uint16_t except[EGRESS_ETHERTYPES], nexcept;
};

struct neighbours;
struct egress {
	struct lane lane[EGRESS_PORTS];
	unsigned nports;
	const struct neighbours *neighbours;
	// hands n frames to a port: how many it took, from the first on. The rest stays the caller's
	unsigned (*send)(void *arg, unsigned port, struct rte_mbuf **m, unsigned n);
	// asks for the MAC address of who is one hop away; it may be known a while later
	void (*ask)(void *arg, unsigned port, const uint8_t *address, unsigned len);
	void *arg;
	struct {
		uint64_t second;
		uint32_t errors, asks;
	} said;       // in this second
	bool walking; // a burst is in its rooms: what leaves meanwhile waits for its place among the burst's frames
	struct egress_late {
		struct rte_mbuf *m;
		uint64_t at; // order of the frame that it goes before, or (own) behind
	} late[EGRESS_LATE];
	unsigned nlate;
	struct egress_asked { // frames whose next hop is asked for: the latest of each (RFC 1122 2.3.2.2)
		struct rte_mbuf *m;
		uint64_t until_ns;
		uint8_t port, len, hop[16];
	} asked[EGRESS_ASKED];
	unsigned nasked;
	struct egress_batch {
		struct rte_mbuf *m[EGRESS_BATCH];
		unsigned n;
	} batch[EGRESS_PORTS];
};

// It leaves while a burst is in its rooms: it waits for its place. False: it need not.
bool egress_wait(struct worker *w, struct rte_mbuf *m);
// It leaves: counted as sent when its port has it, or dropped by a reason of this room.
void egress_leave(struct worker *w, struct rte_mbuf *m);
// tx is at the frame of this order: what has waited for it goes before it, and behind it.
void egress_before(struct worker *w, uint64_t order);
void egress_behind(struct worker *w, uint64_t order);
// The rooms begin with a burst; and are through with it.
static inline void egress_walk(struct egress *e)
{
	e->walking = true;
}
void egress_walked(struct worker *w, bool all); // all: what still waits leaves now
// The turn is over: what waits goes to its port; what a port does not take leaves by EGRESS_FULL.
void egress_flush(struct worker *w);
// The last turn is over: nothing waits any longer.
void egress_drain(struct worker *w);

// What came by a port and is for the appliance itself; and what the kernel sends by its end of a port.
void egress_to_kernel(struct worker *w, struct rte_mbuf *m);
void egress_from_kernel(struct worker *w, struct rte_mbuf *m);

// A bridge's neighbour discovery and DHCP, which the policy's default does not stop.
bool egress_spares(const struct worker *w, struct rte_mbuf *m);

// egress_route.c: TTL, next hop, MAC addresses of a frame that is routed. A reason: it goes nowhere; EGRESS_WAITS: it
// is kept until the next hop is known, egress_again has it leave then, or by its reason when nobody answered (all:
// now).
uint16_t egress_route(struct worker *w, struct rte_mbuf *m, const struct lane *in);
void egress_again(struct worker *w, bool all);
void egress_refuse(struct worker *w, struct rte_mbuf *m, uint16_t reason);
// egress_mss.c: a SYN asks for no larger segments than `most`.
void egress_mss(struct rte_mbuf *m, uint16_t most);
// egress_say.c: the sender is told why its packet goes nowhere, within the bound of a second.
enum egress_error { EGRESS_SAYS_TTL, EGRESS_SAYS_TOO_BIG, EGRESS_SAYS_NO_ROUTE, EGRESS_SAYS_NO_HOST };
void egress_say(struct worker *w, struct rte_mbuf *m, enum egress_error e, uint32_t mtu);

// ingress.c: of a burst of one port, what is for us or for nobody leaves it.
void ingress_burst(struct worker *w, struct burst *b);
// Makes the sum of TCP or UDP that a sender left to a card, where the port says that this may be.
void ingress_finish(struct rte_mbuf *m);
