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
#include <rte_spinlock.h>

enum port_type { PORT_PCI, PORT_AF_XDP, PORT_AF_PACKET, PORT_TAP, PORT_MEMIF, PORT_NULL, PORT_PCAP, PORT_TYPES };

// What a frame's L4 checksum is worth, by the port that it came from (corridor.md 3).
enum port_checksum {
	PORT_CHECKSUM_AUTO,    // in the config: what the driver is known to do
	PORT_CHECKSUM_CHECK,   // wrong is wrong
	PORT_CHECKSUM_PARTIAL, // the pseudo header's sum alone is a sender in this host that left the rest to a card
	PORT_CHECKSUM_GOOD,    // whatever it says: it was never on a wire, or the card has looked
};

// A map of xdp_prog's that is there already.
struct port_map {
	const char *name;
	int fd;
};

struct port_config {
	char name[32]; // by which people and records call it
	enum port_type type;
	char device[108];                // PCI address, interface, memif's socket; null and pcap: nothing
	char rx_file[108], tx_file[108]; // pcap; either may be empty
	char xdp_prog[108];              // af_xdp: object whose first program is attached; empty: libxdp's own
	const struct port_map *xdp_maps; // of which it uses these, up to one without a name; NULL: it makes all
	char extra[108];                 // more devargs, as DPDK has them
	uint16_t queues;                 // 0: as many as there are workers, where the port can
	uint16_t mtu;                    // 0: as it is
	uint16_t rx_ring, tx_ring;       // 0: as the driver likes
	uint32_t id;                     // memif
	bool server;                     // memif: makes the socket
	bool large_headers;              // pci, ENA: frames of gwlb, whose headers are more than 96 bytes
	bool flood;                      // null: brings frames of zeroes, as fast as they are taken
	bool rewind;                     // pcap: rx_file again and again
	enum port_checksum checksum;
};

// PORT_NOTE: what it cannot do, once at open. PORT_RESET: it was away for some milliseconds, on purpose.
enum port_event_kind { PORT_NOTE, PORT_LINK_UP, PORT_LINK_DOWN, PORT_GONE, PORT_RESET, PORT_BACK };

const char *port_event_name(enum port_event_kind kind);

struct port;
struct port_event {
	enum port_event_kind kind;
	const struct port *port;
	const char *text; // one line: what happened and, where there is one, the command that mends it
};

// The owner's ears, on the control thread.
struct port_owner {
	void (*event)(void *arg, const struct port_event *event);
	void (*quiesce)(void *arg, const struct port *port); // returns when no worker is in port_rx or port_tx of it
	void *arg;
	// just before its device is opened, the first time and again; not 0: it is not, why says so. May be NULL
	int (*before)(void *arg, const struct port *port, char *why, size_t why_size);
};

#define PORT_NO_ID RTE_MAX_ETHPORTS

struct port_counters {
	uint64_t rx, rx_bytes, tx, tx_bytes; // what the port brought and took
	uint64_t missed;                     // were there, and nobody fetched them in time
	uint64_t too_long;                   // frame_max
	uint64_t rx_errors, tx_errors;
	uint64_t no_mbuf;
	uint64_t kernel_rx_dropped, kernel_tx_dropped; // of the interface under it; 0 where there is none
	uint64_t cloud;                                // ENA's allowances exceeded
};

#define PORT_QUEUES_MAX 64
#define PORT_XDP_MTU 3250 // af_xdp: a frame, two VLAN tags and struct pkt within a page (docs/ports.md)

struct port {
	_Atomic bool up;    // workers may use it
	_Atomic bool sends; // and it has a link, as far as it tells: what is to leave by it may
	uint16_t id;        // DPDK's; PORT_NO_ID while closed, and on af_xdp, which is not DPDK's
	uint16_t queues;    // of each direction; a worker without one leaves the port to the others
	uint16_t senders;   // workers; where they are more than queues, some share one: tx_lock
	uint16_t mtu;       // as read back
	uint32_t frame_max; // longer ones are not frames of a wire (GRO, TSO) and go no further; 0: the driver sees to
			    // it
	uint64_t marks;     // on each frame that comes: RTE_MBUF_F_RX_L4_CKSUM_GOOD, or _NONE: may be partial
	struct rte_ether_addr mac;
	bool symmetric; // both directions of a flow come by the same queue, where queues are several
	bool link;
	bool links; // what it tells of its link is to be believed
	_Atomic uint64_t too_long[PORT_QUEUES_MAX];
	struct port_xsk *xsk; // af_xdp's; NULL: DPDK's
	rte_spinlock_t tx_lock[PORT_QUEUES_MAX];
	// the rest is the control thread's
	struct port_config config;
	struct port_owner owner;
	struct rte_mempool *pool;
	unsigned wanted; // queues
	struct port_counters past, begin;
	_Atomic int signal;           // set by DPDK's interrupt thread: what it heard, 0: nothing
	int hold;                     // socket that says that the port is ours
	int promiscuous;              // socket whose end ends it
	int pass;                     // af_packet on veth: link of the program for which its peer cuts frames up
	unsigned merging;             // what merged frames, and is off: bits, port_giant.c
	unsigned ifindex;             // of the kernel's interface, 0: has none
	unsigned away_s;              // seconds that it has been gone
	int sockets[PORT_QUEUES_MAX]; // af_packet's: the driver's
	unsigned nsockets;
	uint64_t ring_full; // frames that they dropped
	bool long_said;     // that some are too long
};

// Opens and starts it. queues: workers that want one each; the port may have fewer (port->queues). owner may be NULL.
// 0 or -errno, why says it in one line with the command that mends it. Pools: see port_room.
int port_open(struct port *port, const struct port_config *config, struct rte_mempool *pool, unsigned queues,
	      const struct port_owner *owner, char *why, size_t why_size);
void port_close(struct port *port);

// Each second. Link, reset and what goes away are told to the owner as they are seen; what went away is opened again as
// soon as it is there. 0: the port works; -errno: it is away.
int port_tick(struct port *port);

// Since open, or since port_counters_clear; what it counted before it went away is in it.
void port_counters(const struct port *port, struct port_counters *counters);
void port_counters_clear(struct port *port);
// All that the driver counts, by its names, and the kernel's of the interface as "kernel_NAME".
void port_xstats(const struct port *port, void (*each)(void *arg, const char *name, uint64_t value), void *arg);

// Bytes of frame that mbufs of a pool for such a port need (of an MTU of 0: as its interface has it now), and the most
// that they may have (0: no bound): af_xdp lends mbufs to the kernel, which wants each within a page.
void port_room(const struct port_config *config, unsigned *least, unsigned *most);

// Buffers that its rings can hold.
unsigned port_buffers(const struct port_config *config, unsigned workers);

// port_rx's, where frames can be longer than a wire has them or are marked: how many stay in m.
uint16_t port_sift(const struct port *port, uint16_t queue, struct rte_mbuf **m, uint16_t n);
uint16_t port_xsk_rx(struct port_xsk *xsk, uint16_t queue, struct rte_mbuf **m, uint16_t n);
uint16_t port_xsk_tx(struct port_xsk *xsk, uint16_t queue, struct rte_mbuf **m, uint16_t n);

// Up to n frames of a queue. 0 while the port is away.
static inline uint16_t port_rx(const struct port *port, uint16_t queue, struct rte_mbuf **m, uint16_t n)
{
	if (unlikely(!atomic_load_explicit(&port->up, memory_order_acquire)))
		return 0;
	n = port->xsk ? port_xsk_rx(port->xsk, queue, m, n) : rte_eth_rx_burst(port->id, queue, m, n);
	return n && (port->frame_max | port->marks) ? port_sift(port, queue, m, n) : n;
}

// Frames that were taken: the first so many of m, freed by the driver. The rest is the caller's. 0 while it is away.
// Neither DPDK's drivers nor a ring of AF_XDP may be asked by two threads at once.
static inline uint16_t port_tx(struct port *port, uint16_t queue, struct rte_mbuf **m, uint16_t n)
{
	bool shared = port->senders > port->queues;
	if (unlikely(!atomic_load_explicit(&port->up, memory_order_acquire)))
		return 0;
	if (unlikely(shared))
		rte_spinlock_lock(&port->tx_lock[queue]);
	n = port->xsk ? port_xsk_tx(port->xsk, queue, m, n) : rte_eth_tx_burst(port->id, queue, m, n);
	if (unlikely(shared))
		rte_spinlock_unlock(&port->tx_lock[queue]);
	return n;
}

// What poll() can wait on for frames of a queue. -1: nothing, look again after a nap.
int port_fd(const struct port *port, uint16_t queue);

const char *port_type_name(enum port_type type);
