// SPDX-License-Identifier: BSD-3-Clause
//
// An AF_XDP port. The XDP program on the interface sends frames to a socket a queue, whose memory is the port's pool:
// frames come in mbufs and, where they are of the pool, leave in them, without a copy on our side.
//
//   pool object:  | header | rte_mbuf | struct pkt | headroom 128 | XDP's 256 | frame ... |
//                 ^ address in the rings, from the pool's first page              ^ + offset, in the address' upper 16
//                 bits
//
// Why not DPDK's driver: in 22.11 it cannot be opened twice in a process (its count of umem users never reaches 0, so
// the socket stays bound), keeps the 2,048 mbufs of its fill ring, frees queues past the first before it has closed
// them, and sends only the first segment of a chain. Measured before this was written; a port here comes back by
// itself.
#pragma once

#include "base/port.h"

struct port_why;
struct port_xsk;

// Attaches the program and opens port->queues sockets on port->ifindex. A program of ours that is there already, of a
// process that was killed, is replaced without a gap; another's is left alone, and said. NULL and *rc.
struct port_xsk *port_xsk_open(struct port *port, const struct port_why *why, int *rc);
void port_xsk_close(struct port_xsk *x);

// Whether the program is still there: `ip link set dev X xdp off` takes it away under us.
bool port_xsk_attached(const struct port_xsk *x);
int port_xsk_fd(const struct port_xsk *x, uint16_t queue);
void port_xsk_counters(const struct port_xsk *x, struct port_counters *c);
void port_xsk_xstats(const struct port_xsk *x, void (*each)(void *arg, const char *name, uint64_t value), void *arg);
