// SPDX-License-Identifier: BSD-3-Clause
//
// DPDK's environment for a program that has no NIC: replay, bench and the tests. Called on the main thread,
// before any other. It never touches hugepages, PCI or /var/run, needs no root, and starts in some tens of
// milliseconds because no driver is loaded but the mempool's.
#include "base/eal.h"

#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

// One lcore on all processors that we may use: EAL would pin the thread (and those it starts) to one of them.
static void lcores_floating(char *out, size_t len)
{
	cpu_set_t set;
	size_t at = snprintf(out, len, "0");
	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return;
	for (unsigned cpu = 0, n = 0; cpu < CPU_SETSIZE && at + 8 < len; cpu++) {
		if (CPU_ISSET(cpu, &set))
			at += snprintf(out + at, len - at, "%s%u", n++ ? "," : "@(", cpu);
	}
	snprintf(out + at, len - at, ")");
}

int eal_init(unsigned mem_mb)
{
	char mem[16], lcores[512];
	snprintf(mem, sizeof(mem), "%u", mem_mb);
	lcores_floating(lcores, sizeof(lcores));
	// -d with the one driver needed: by default EAL opens every driver of its plugin folder (0.2 s)
	char *argv[] = {"sluice", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry", "--log-level=error",
			"-m", mem, "--lcores", lcores, "-d", "librte_mempool_ring.so", NULL};
	int rc = rte_eal_init(sizeof(argv) / sizeof(argv[0]) - 1, argv);
	return rc < 0 ? -rte_errno : 0;
}

void eal_fini(void) { rte_eal_cleanup(); }

struct rte_mempool *eal_pool(const char *name, unsigned count, unsigned room)
{
	return rte_pktmbuf_pool_create(name, count, count >= 1024 ? 256 : 0, RTE_ALIGN(sizeof(struct pkt), 8),
				       room + RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY);
}

void *mem_take(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	madvise(p, bytes, MADV_HUGEPAGE);
	madvise(p, bytes, MADV_POPULATE_WRITE);
	return p;
}

void mem_give(void *p, size_t bytes)
{
	if (p)
		munmap(p, bytes);
}
