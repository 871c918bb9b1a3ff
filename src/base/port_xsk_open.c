// SPDX-License-Identifier: BSD-3-Clause
//
// Opening and closing an AF_XDP port, on the control thread: program, sockets, memory.
#include <errno.h>
#include <linux/if_link.h>
#include <linux/if_xdp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/port_kernel.h"
#include "base/port_life.h"
#include "base/port_xsk_in.h"

#define OURS "sluice" // what names of our programs begin with
#define BUSY_US 20
#define BUSY_FRAMES 64

static bool ours(uint32_t id, char name[BPF_OBJ_NAME_LEN])
{
	struct bpf_prog_info info = {0};
	uint32_t len = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id);
	name[0] = 0;
	if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &len) == 0)
		memcpy(name, info.name, BPF_OBJ_NAME_LEN);
	if (fd >= 0)
		close(fd);
	return strncmp(name, OURS, strlen(OURS)) == 0;
}

static uint32_t attached_id(unsigned ifindex)
{
	uint32_t id = 0;
	return bpf_xdp_query_id((int)ifindex, 0, &id) == 0 ? id : 0;
}

static int attach(struct port_xsk *x, const struct port *p, const struct port_why *why)
{
	char name[BPF_OBJ_NAME_LEN];
	uint32_t there = attached_id(x->ifindex);
	struct bpf_prog_info info = {0};
	uint32_t len = sizeof(info);
	LIBBPF_OPTS(bpf_xdp_attach_opts, opts);
	if (there && !ours(there, name))
		return port_because(why, -EBUSY,
				    "%s: another's XDP program is on %s: %s, id %u (ip link set dev %s xdp off)",
				    p->config.name, p->config.device, name, there, p->config.device);
	opts.old_prog_fd = there ? bpf_prog_get_fd_by_id(there) : -1;
	int rc = bpf_xdp_attach((int)x->ifindex, x->program_fd, there ? XDP_FLAGS_REPLACE : XDP_FLAGS_UPDATE_IF_NOEXIST,
				there ? &opts : NULL);
	if (there && opts.old_prog_fd >= 0)
		close(opts.old_prog_fd);
	if (rc < 0)
		return port_because(why, rc, "%s: %s takes no XDP program: %s%s", p->config.name, p->config.device,
				    strerror(-rc),
				    rc == -ERANGE ? " (the MTU of its peer is too large: veth takes 3,506)"
				    : rc == -EINVAL && port_kernel_driver_is(p->config.device, "ena")
					    ? " (ena: half of the channels that it could have, ethtool -L)"
					    : "");
	if (bpf_obj_get_info_by_fd(x->program_fd, &info, &len) == 0)
		x->program = info.id;
	return 0;
}

// return bpf_redirect_map(&xsks_map, ctx->rx_queue_index, XDP_PASS): to the queue's socket, to the kernel without one.
static int load_own(struct port_xsk *x)
{
	x->map_fd = bpf_map_create(BPF_MAP_TYPE_XSKMAP, "sluice_xsks", 4, 4, PORT_QUEUES_MAX, NULL);
	if (x->map_fd < 0)
		return -errno;
	const struct bpf_insn code[] = {
		{.code = BPF_LDX | BPF_MEM | BPF_W,
		 .dst_reg = 2,
		 .src_reg = 1,
		 .off = offsetof(struct xdp_md, rx_queue_index)},
		{.code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = 1, .src_reg = BPF_PSEUDO_MAP_FD, .imm = x->map_fd},
		{0},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_map},
		{.code = BPF_JMP | BPF_EXIT},
	};
	x->program_fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "sluice_xsk", "BSD", code, RTE_DIM(code), NULL);
	return x->program_fd < 0 ? -errno : 0;
}

// By their descriptors and not by their pins: who has given up root cannot open those.
static int share_maps(struct bpf_object *o, const struct port_map *m)
{
	int rc = 0;
	for (; m && m->name && rc == 0; m++) {
		struct bpf_map *map = bpf_object__find_map_by_name(o, m->name);
		rc = map ? bpf_map__set_pin_path(map, NULL) : -ENOENT;
		if (rc == 0)
			rc = bpf_map__reuse_fd(map, m->fd);
	}
	return rc;
}

static int load_object(struct port_xsk *x, const char *file, const struct port_map *maps)
{
	struct bpf_object *o = bpf_object__open_file(file, NULL);
	if (!o)
		return -errno;
	struct bpf_program *first = bpf_object__next_program(o, NULL);
	struct bpf_map *map = bpf_object__find_map_by_name(o, "xsks_map");
	int rc = first && map ? bpf_program__set_type(first, BPF_PROG_TYPE_XDP) : -ENOENT;
	if (rc == 0)
		rc = share_maps(o, maps);
	if (rc == 0)
		rc = bpf_object__load(o);
	if (rc < 0) {
		bpf_object__close(o);
		return rc;
	}
	x->object = o;
	x->program_fd = bpf_program__fd(first);
	x->map_fd = bpf_map__fd(map);
	return 0;
}

static int load(struct port_xsk *x, const struct port *p, const struct port_why *why)
{
	const char *file = p->config.xdp_prog;
	int rc = file[0] ? load_object(x, file, p->config.xdp_maps) : load_own(x);
	if (rc < 0)
		return port_because(why, rc, "%s: XDP program %s not loaded: %s", p->config.name,
				    file[0] ? file : "of ours", strerror(-rc));
	return 0;
}

static void busy_poll(struct xsk_queue *q)
{
	int on = 1, us = BUSY_US, frames = BUSY_FRAMES;
	q->busy = setsockopt(q->fd, SOL_SOCKET, SO_PREFER_BUSY_POLL, &on, sizeof(on)) == 0 &&
		  setsockopt(q->fd, SOL_SOCKET, SO_BUSY_POLL, &us, sizeof(us)) == 0 &&
		  setsockopt(q->fd, SOL_SOCKET, SO_BUSY_POLL_BUDGET, &frames, sizeof(frames)) == 0;
}

// The kernel takes a closed socket off its queue some milliseconds later, in a work queue of its own.
#define BIND_TRIES 40
#define BIND_US 10000

static int socket_open(struct xsk_queue *q, const struct port *p, uint64_t bytes, uint16_t number,
		       const struct xsk_umem_config *memory)
{
	const struct xsk_socket_config config = {.rx_size = XSK_RING,
						 .tx_size = XSK_RING,
						 .libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
						 .bind_flags = XDP_USE_NEED_WAKEUP};
	int rc = xsk_umem__create(&q->umem, q->base, bytes, &q->fill, &q->done, memory);
	if (rc < 0)
		return rc;
	rc = xsk_socket__create(&q->socket, p->config.device, number, q->umem, &q->rx, &q->tx, &config);
	if (rc < 0) {
		xsk_umem__delete(q->umem);
		q->umem = NULL;
	}
	return rc;
}

static int queue_open(struct port_xsk *x, const struct port *p, uint16_t number, uint8_t *base)
{
	struct xsk_queue *q = &x->queue[number];
	struct rte_mempool *pool = p->pool;
	const struct xsk_umem_config memory = {
		.fill_size = 2 * XSK_RING,
		.comp_size = XSK_RING,
		.frame_size = pool->header_size + pool->elt_size,
		.frame_headroom = pool->header_size + sizeof(struct rte_mbuf) + rte_pktmbuf_priv_size(pool) +
				  RTE_PKTMBUF_HEADROOM,
		.flags = XDP_UMEM_UNALIGNED_CHUNK_FLAG,
	};
	q->base = base;
	q->lent = x->lent;
	q->pool = pool;
	q->header = pool->header_size;
	int rc = -EBUSY;
	for (unsigned tries = 0; rc == -EBUSY && tries < BIND_TRIES; tries++) {
		if (tries)
			usleep(BIND_US);
		rc = socket_open(q, p, x->bytes, number, &memory);
	}
	if (rc < 0)
		return rc;
	q->fd = xsk_socket__fd(q->socket);
	busy_poll(q);
	for (unsigned i = 0; i < XSK_RING / XSK_BURST; i++) {
		if (!xsk_fill(q, XSK_BURST))
			return -ENOMEM;
	}
	return xsk_socket__update_xskmap(q->socket, x->map_fd);
}

// A pool in one piece, which the kernel takes whole. Where DPDK goes by physical addresses it lists each hugepage
// apart; for us they are one piece if they adjoin.
static uint8_t *memory_of(struct port_xsk *x, const struct port *p)
{
	const struct rte_mempool_memhdr *chunk;
	uintptr_t page = (uintptr_t)getpagesize(), from = UINTPTR_MAX, to = 0, sum = 0;
	STAILQ_FOREACH(chunk, &p->pool->mem_list, next)
	{
		from = RTE_MIN(from, (uintptr_t)chunk->addr);
		to = RTE_MAX(to, (uintptr_t)chunk->addr + chunk->len);
		sum += chunk->len;
	}
	if (sum == 0 || to - from != sum)
		return NULL;
	from &= ~(page - 1);
	x->bytes = RTE_ALIGN_CEIL(to, page) - from;
	x->lent = calloc((x->bytes >> XSK_LENT_SHIFT) + 1, 1);
	return x->lent ? (uint8_t *)from : NULL;
}

static int sockets_open(struct port_xsk *x, const struct port *p, const struct port_why *why)
{
	uint8_t *base = memory_of(x, p);
	if (!base)
		return port_because(why, -ENOMEM, "%s: the pool is in several pieces; give it more hugepages or none",
				    p->config.name);
	for (x->queues = 0; x->queues < p->queues; x->queues++) {
		int rc = queue_open(x, p, x->queues, base);
		if (rc == 0)
			continue;
		x->queues++; // what there is of it is closed
		return port_because(why, rc, "%s: no AF_XDP socket on queue %u of %s: %s%s", p->config.name,
				    x->queues - 1, p->config.device, strerror(-rc),
				    rc == -EBUSY ? " (another process has one)" : "");
	}
	return 0;
}

struct port_xsk *port_xsk_open(struct port *p, const struct port_why *why, int *rc)
{
	const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
	struct port_xsk *x = NULL;
	setrlimit(RLIMIT_MEMLOCK, &all); // or CAP_IPC_LOCK: the kernel pins the pool
	size_t bytes = sizeof(*x) + p->queues * sizeof(x->queue[0]);
	if (posix_memalign((void **)&x, RTE_CACHE_LINE_SIZE, bytes) != 0) {
		*rc = -ENOMEM;
		return NULL;
	}
	memset(x, 0, bytes);
	x->ifindex = p->ifindex;
	x->program_fd = x->map_fd = -1;
	*rc = load(x, p, why);
	if (*rc == 0)
		*rc = sockets_open(x, p, why);
	if (*rc == 0)
		*rc = attach(x, p, why); // last: no frame comes before its socket is there
	if (*rc == 0)
		return x;
	port_xsk_close(x);
	return NULL;
}

static void give_back(struct rte_mempool *pool, void *arg, void *object, unsigned i)
{
	const struct xsk_queue *q = arg;
	uint64_t addr = (uint64_t)((uint8_t *)object - q->base - q->header);
	if (!q->lent[addr >> XSK_LENT_SHIFT])
		return;
	rte_pktmbuf_reset(object);
	rte_mbuf_raw_free(object);
}

bool port_xsk_attached(const struct port_xsk *x)
{
	return attached_id(x->ifindex) == x->program;
}

void port_xsk_close(struct port_xsk *x)
{
	LIBBPF_OPTS(bpf_xdp_attach_opts, only_ours, .old_prog_fd = x->program_fd);
	if (x->program && port_xsk_attached(x))
		bpf_xdp_detach((int)x->ifindex, XDP_FLAGS_REPLACE, &only_ours);
	for (uint16_t i = 0; i < x->queues; i++) {
		if (x->queue[i].socket)
			xsk_socket__delete(x->queue[i].socket);
		if (x->queue[i].umem)
			xsk_umem__delete(x->queue[i].umem);
	}
	if (x->queues) // all sockets are closed: what the kernel had is ours again
		rte_mempool_obj_iter(x->queue[0].pool, give_back, &x->queue[0]);
	if (x->object)
		bpf_object__close(x->object);
	else {
		if (x->program_fd >= 0)
			close(x->program_fd);
		if (x->map_fd >= 0)
			close(x->map_fd);
	}
	free(x->lent);
	free(x);
}

int port_xsk_fd(const struct port_xsk *x, uint16_t queue)
{
	return queue < x->queues ? x->queue[queue].fd : -1;
}

static void kernel_counted(const struct port_xsk *x, struct xdp_statistics *sum)
{
	memset(sum, 0, sizeof(*sum));
	for (uint16_t i = 0; i < x->queues; i++) {
		struct xdp_statistics s = {0};
		socklen_t len = sizeof(s);
		getsockopt(x->queue[i].fd, SOL_XDP, XDP_STATISTICS, &s, &len);
		for (size_t k = 0; k < sizeof(s) / sizeof(uint64_t); k++)
			((uint64_t *)sum)[k] += ((uint64_t *)&s)[k];
	}
}

void port_xsk_counters(const struct port_xsk *x, struct port_counters *c)
{
	struct xdp_statistics k;
	kernel_counted(x, &k);
	for (uint16_t i = 0; i < x->queues; i++) {
		const struct xsk_queue *q = &x->queue[i];
		c->rx += q->rx_frames;
		c->rx_bytes += q->rx_bytes;
		c->tx += q->tx_frames;
		c->tx_bytes += q->tx_bytes;
		c->no_mbuf += q->no_mbuf;
	}
	c->missed = k.rx_dropped + k.rx_ring_full;
	c->rx_errors = k.rx_invalid_descs;
	c->tx_errors = k.tx_invalid_descs;
}

void port_xsk_xstats(const struct port_xsk *x, void (*each)(void *arg, const char *name, uint64_t value), void *arg)
{
	static const char *const names[] = {
		"xsk_rx_dropped",   "xsk_rx_invalid_descs",         "xsk_tx_invalid_descs",
		"xsk_rx_ring_full", "xsk_rx_fill_ring_empty_descs", "xsk_tx_ring_empty_descs"};
	struct xdp_statistics k;
	kernel_counted(x, &k);
	for (size_t i = 0; i < RTE_DIM(names); i++)
		each(arg, names[i], ((uint64_t *)&k)[i]);
	for (uint16_t i = 0; i < x->queues; i++) {
		const struct xsk_queue *q = &x->queue[i];
		const uint64_t values[] = {q->rx_frames, q->rx_bytes, q->tx_frames,
					   q->tx_bytes,  q->tx_left,  q->no_mbuf};
		static const char *const of_queue[] = {"rx_frames", "rx_bytes", "tx_frames",
						       "tx_bytes",  "tx_left",  "no_mbuf"};
		for (size_t k2 = 0; k2 < RTE_DIM(values); k2++) {
			char name[64];
			snprintf(name, sizeof(name), "q%u_%s", i, of_queue[k2]);
			each(arg, name, values[k2]);
		}
	}
}
