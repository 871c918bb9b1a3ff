// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "path/worker.h"

// Starts DPDK's EAL as an ordinary user: no hugepages, no PCI, nothing left in /var/run. mem_mb: what pools take.
// 0 or -errno; the reason is logged by DPDK.
int eal_init(unsigned mem_mb);
void eal_fini(void);
extern bool eal_named_drivers; // from now on EAL opens no others
// --lcores: one on all processors that we may use. EAL would pin the thread (and those it starts) to one of them.
void eal_lcores(char *out, size_t len);

// The same for live ports, as root: hugepages where enough are free (nothing of it is left in a file system), else
// none, unless `pages` says so; of the drivers only those that the ports need; the PCI bus only where one of them is on
// it.
struct port_config;
enum eal_pages { EAL_PAGES_AUTO, EAL_PAGES_HUGE, EAL_PAGES_SMALL };
struct eal_live {
	const struct port_config *ports;
	unsigned nports;
	unsigned mem_mb; // what pools and drivers take
	enum eal_pages pages;
	// hears DPDK's log, a line at a time without its end, on whatever thread: level as in rte_log.h
	void (*say)(void *arg, unsigned level, const char *line);
	void *arg;
};
// -ENOMEM: too few huge pages; -EAGAIN: there seemed to be enough. EAL begins once in a process: to be started again,
// with EAL_SMALL in the environment
int eal_init_live(const struct eal_live *live);
#define EAL_SMALL "SLUICE_SMALL_PAGES"
bool eal_huge(void); // after it: whether memory is of hugepages

// Pools of frames whose mbufs have room for struct pkt. room: bytes of frame.
struct rte_mempool *eal_pool(const char *name, unsigned count, unsigned room);
// Touches every page of a pool, so that the path meets no page fault. Replay leaves it out: buffers of 64 KiB that a
// capture does not need would cost a tenth of a second at each start.
void eal_pool_touch(struct rte_mempool *pool);

// Brings in what the program would else fault in at its first use: code, data, stack.
void mem_settle(void);

// Memory that is there when asked for: zeroed, touched, huge pages where the kernel has them. NULL: none.
void *mem_take(size_t bytes);
// From now on it is touched when it is used: replay's captures seldom need a tenth of the tables.
extern bool mem_lazily;
void mem_give(void *p, size_t bytes);
