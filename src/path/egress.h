// SPDX-License-Identifier: BSD-3-Clause
//
// The way out of a live worker: which port a frame leaves by, what its headers become on the way, and the frames that
// wait there for the end of the burst. See egress.c.
#pragma once

#include "worker.h"

#define EGRESS_PORTS 16
#define EGRESS_BATCH 64

// X(symbol, name, help): what a path does with the frames of its ports (corridor.md 1).
#define PATH_MODES(X)                                                                                                  \
	X(BRIDGE, "bridge", "two ports, a bump in the wire")                                                           \
	X(GWLB, "gwlb", "one port: back to the load balancer, in the header that the frame came in")                   \
	X(MIRROR, "mirror", "receive only: what comes is looked at and leaves nowhere")

enum path_mode {
#define X(symbol, name, help) PATH_##symbol,
	PATH_MODES(X)
#undef X
		PATH_MODE_COUNT
};

// Where frames lead to that came in by a port. Written before start; `up` by the control thread at any time.
struct lane {
	enum path_mode mode;
	uint8_t out;            // port
	uint16_t mtu;           // bytes behind the Ethernet header that `out` sends
	const _Atomic bool *up; // has `out` a link?
};

struct egress {
	struct lane lane[EGRESS_PORTS];
	unsigned nports;
	// hands n frames to a port: how many it took, from the first on. The rest stays the caller's
	unsigned (*send)(void *arg, unsigned port, struct rte_mbuf **m, unsigned n);
	void *arg;
	struct egress_batch {
		struct rte_mbuf *m[EGRESS_BATCH];
		unsigned n;
	} batch[EGRESS_PORTS];
};

// Takes a frame that leaves. A reason: it cannot, and is still the caller's. It is counted when the port has it.
uint16_t egress_take(struct worker *w, struct rte_mbuf *m);
// The burst is over: what waits goes to its port; what a port does not take leaves by EGRESS_FULL.
void egress_flush(struct worker *w);
