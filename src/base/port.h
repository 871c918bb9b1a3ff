// SPDX-License-Identifier: BSD-3-Clause
//
// A port: frames in and out of this process, whatever stands behind (port_kind.c lists what can). Opened, watched and
// closed by the control thread; workers call port_rx and port_tx and nothing else.
//
//   control:  open ---- tick each second -------- gone ------ tick: it is there again, reopened ---- close
//   up:       0   1 ................. 1 | 0, quiesce 0 ......................... 1 ............... | 0, quiesce
//   workers:      rx tx rx tx rx tx rx tx           (rx and tx give 0)            rx tx rx tx ...
//
// A port that goes away takes itself off the workers: `up` falls, then the owner's quiesce() returns when no worker
// can be inside port_rx or port_tx any more, and only then is DPDK's device closed under them.
#pragma once

#include <stdatomic.h>

#include <rte_ethdev.h>

enum port_type { PORT_PCI, PORT_AF_XDP, PORT_AF_PACKET, PORT_TAP, PORT_MEMIF, PORT_NULL, PORT_PCAP, PORT_TYPES };

// What a frame's L4 checksum is worth, by the port that it came from (corridor.md 3).
enum port_checksum {
	PORT_CHECKSUM_AUTO,    // in the config: what the driver is known to do
	PORT_CHECKSUM_CHECK,   // wrong is wrong
	PORT_CHECKSUM_PARTIAL, // the pseudo header's sum alone is a sender in this host that left the rest to a card
	PORT_CHECKSUM_GOOD,    // whatever it says: it was never on a wire, or the card has looked
};

struct port_config {
	char name[32]; // by which people and records call it
	enum port_type type;
	char device[108];                // PCI address, interface, memif's socket; null and pcap: nothing
	char rx_file[108], tx_file[108]; // pcap; either may be empty
	char xdp_prog[108];              // af_xdp: object whose first program is attached; empty: libxdp's own
	char extra[108];                 // more devargs, as DPDK has them
	uint16_t queues;                 // 0: as many as there are workers, where the port can
	uint16_t mtu;                    // 0: as it is
	uint16_t rx_ring, tx_ring;       // 0: as the driver likes
	uint32_t id;                     // memif
	bool server;                     // memif: makes the socket
	bool flood;                      // null: brings frames of zeroes, as fast as they are taken
	bool rewind;                     // pcap: rx_file again and again
	enum port_checksum checksum;
};

enum port_event_kind { PORT_LINK_UP, PORT_LINK_DOWN, PORT_GONE, PORT_RESET, PORT_BACK };

struct port;
struct port_event {
	enum port_event_kind kind;
	const struct port *port;
	const char *text; // what happened and, where there is one, the command that mends it
};

// The owner's ears, on the control thread.
struct port_owner {
	void (*event)(void *arg, const struct port_event *event);
	void (*quiesce)(void *arg, const struct port *port); // returns when no worker is in port_rx or port_tx of it
	void *arg;
};

#define PORT_NO_ID RTE_MAX_ETHPORTS

struct port {
	_Atomic bool up; // workers may use it
	uint16_t id;     // DPDK's; PORT_NO_ID while closed
	uint16_t queues; // of each direction; a worker without one leaves the port to the others
	uint16_t mtu;    // as read back
	struct rte_ether_addr mac;
	enum port_checksum checksum; // never AUTO
	// the rest is the control thread's
	struct port_config config;
	struct port_owner owner;
	struct rte_mempool *pool;
	_Atomic int signal; // set by DPDK's interrupt thread: enum port_event_kind + 1
	int hold;           // socket that says that the port is ours
	int promiscuous;    // socket whose end ends it
	unsigned ifindex;   // of the kernel's interface, 0: has none
	bool link;
	unsigned tries; // to open it again
};

// Opens and starts it. queues: workers that want one each; the port may have fewer (port->queues). owner may be NULL.
// 0 or -errno, why says it in one line with the command that mends it. Pools: see port_room.
int port_open(struct port *port, const struct port_config *config, struct rte_mempool *pool, unsigned queues,
	      const struct port_owner *owner, char *why, size_t why_size);
void port_close(struct port *port);

// Bytes of frame that mbufs of a pool for such a port need, and the most that they may have (0: no bound): af_xdp lends
// mbufs to the kernel, which wants each within a page.
void port_room(const struct port_config *config, unsigned *least, unsigned *most);

// Up to n frames of a queue. 0 while the port is away.
static inline uint16_t port_rx(const struct port *port, uint16_t queue, struct rte_mbuf **m, uint16_t n)
{
	if (unlikely(!atomic_load_explicit(&port->up, memory_order_acquire)))
		return 0;
	return rte_eth_rx_burst(port->id, queue, m, n);
}

// Frames that were taken: the first so many of m, freed by the driver. The rest is the caller's. 0 while it is away.
static inline uint16_t port_tx(const struct port *port, uint16_t queue, struct rte_mbuf **m, uint16_t n)
{
	if (unlikely(!atomic_load_explicit(&port->up, memory_order_acquire)))
		return 0;
	return rte_eth_tx_burst(port->id, queue, m, n);
}

const char *port_type_name(enum port_type type);
// -1: no such type.
int port_type_of(const char *name);
