// SPDX-License-Identifier: BSD-3-Clause
//
// Between the two files of AF_XDP: port_xsk.c's rings, which workers run, and port_xsk_open.c.
#pragma once

#include <xdp/xsk.h>

#include "base/port_xsk.h"

#define XSK_RING 2048
#define XSK_BURST 64
#define XSK_LENT_SHIFT 11

struct xsk_queue {
	struct xsk_ring_cons rx, done;
	struct xsk_ring_prod tx, fill;
	uint8_t *base; // of the pool, down to a page: address 0
	uint8_t *lent; // a byte for each address >> XSK_LENT_SHIFT: the kernel has the mbuf. Queues share it, bytes
		       // they do not
	struct rte_mempool *pool;
	uint32_t header; // before the mbuf, of the pool's object
	int fd;
	bool busy;
	_Atomic uint64_t rx_frames, rx_bytes, tx_frames, tx_bytes, tx_left, no_mbuf; // written by the worker alone
	struct xsk_umem *umem;
	struct xsk_socket *socket;
} __rte_cache_aligned;

struct port_xsk {
	unsigned ifindex;
	uint32_t program; // its id
	int program_fd, map_fd;
	struct bpf_object *object; // NULL: the program is ours, of five instructions
	uint64_t bytes;            // of the pool
	uint8_t *lent;
	uint16_t queues;
	struct xsk_queue queue[];
};

static inline void count(_Atomic uint64_t *c, uint64_t n)
{
	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n, memory_order_relaxed);
}

bool xsk_fill(struct xsk_queue *q, uint32_t n);
