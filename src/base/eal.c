// SPDX-License-Identifier: BSD-3-Clause
//
// DPDK's environment. Called on the main thread, before any other. For a program that has no NIC (replay, bench, the
// tests) it never touches hugepages, PCI or /var/run, needs no root, and starts in some tens of milliseconds because
// no driver is loaded but the mempool's, and the clock's pace is not waited for. For live ports eal_live.c adds what
// they need.
//
// EAL has no option for either, so that two functions of libc are ours. Rejected: DPDK linked statically (its security
// updates would need a build of ours).
#include "base/eal.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#ifdef EAL_TSAN
#include "base/eal_tsan.h"
#endif

void eal_lcores(char *out, size_t len)
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

bool eal_named_drivers, mem_lazily;
static bool soon;

// In libc's place, for EAL alone, which so asks whether it is a shared library: where it is, it opens every driver of
// its plugin folder beside those of -d, 150 libraries and two thirds of the time that a start takes.
void *dlopen(const char *file, int mode)
{
	static void *(*libc)(const char *, int);
	if (eal_named_drivers && file && mode & RTLD_NOLOAD &&
	    strncmp(file, "librte_eal.so", strlen("librte_eal.so")) == 0)
		return NULL;
	if (!libc)
		*(void **)&libc = dlsym(RTLD_NEXT, "dlopen");
	return libc(file, mode);
}

#define PACE_NS 100000000L // what EAL sleeps to see how fast the TSC runs, which it then rounds to 10 MHz
#define SOON_NS 5000000L   // so that this is as good: two reads of clocks are 100 ns apart, 1/50,000 of it

// In libc's place, for EAL alone.
int nanosleep(const struct timespec *time, struct timespec *left)
{
	if (soon && time->tv_sec == 0 && time->tv_nsec == PACE_NS)
		time = &(struct timespec){0, SOON_NS};
	int rc = clock_nanosleep(CLOCK_REALTIME, 0, time, left);
	if (rc)
		errno = rc;
	return rc ? -1 : 0;
}

#define PAGE_BYTES 4096
#define STACK_BYTES (256 * 1024)

int eal_init(unsigned mem_mb)
{
	char mem[16], lcores[512];
	snprintf(mem, sizeof(mem), "%u", mem_mb);
	eal_lcores(lcores, sizeof(lcores));
	eal_named_drivers = true;
	soon = true;
	char *argv[] = {"sluice",
			"--no-huge",
			"--no-shconf",
			"--no-pci",
			"--no-telemetry",
			"--log-level=error",
			"-m",
			mem,
			"--lcores",
			lcores,
			"-d",
			"librte_mempool_ring" DPDK_PLUGIN,
			NULL};
	int rc = rte_eal_init(sizeof(argv) / sizeof(argv[0]) - 1, argv);
	soon = false;
	return rc < 0 ? -rte_errno : 0;
}

void eal_fini(void)
{
	rte_eal_cleanup();
}

static void touch(struct rte_mempool *pool, void *arg, void *object, unsigned i)
{
	struct rte_mbuf *m = object;
	(void)pool, (void)arg, (void)i;
	for (size_t at = 0; at < m->buf_len; at += PAGE_BYTES)
		((volatile uint8_t *)m->buf_addr)[at] = 0;
}

struct rte_mempool *eal_pool(const char *name, unsigned count, unsigned room)
{
	struct rte_mempool *pool =
		rte_pktmbuf_pool_create(name, count, count >= 1024 ? 256 : 0, RTE_ALIGN(sizeof(struct pkt), 8),
					room + RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY);
#ifdef EAL_TSAN
	if (pool)
		eal_tsan_pool(pool);
#endif
	return pool;
}

void eal_pool_touch(struct rte_mempool *pool)
{
	rte_mempool_obj_iter(pool, touch, NULL);
}

// Every segment of one loaded object: code, constants, and data that was not written yet.
static int settle_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size, (void)arg;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uintptr_t from = RTE_ALIGN_FLOOR(info->dlpi_addr + p->p_vaddr, (uintptr_t)PAGE_BYTES);
		uintptr_t to = RTE_ALIGN_CEIL(info->dlpi_addr + p->p_vaddr + p->p_memsz, (uintptr_t)PAGE_BYTES);
		if (p->p_type == PT_LOAD)
			madvise((void *)from, to - from, p->p_flags & PF_W ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
	}
	return 0;
}

void mem_settle(void)
{
	volatile uint8_t stack[STACK_BYTES];
	for (size_t at = 0; at < sizeof(stack); at += PAGE_BYTES)
		stack[at] = 0;
	dl_iterate_phdr(settle_object, NULL);
}

void *mem_take(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	madvise(p, bytes, MADV_HUGEPAGE);
	if (!mem_lazily)
		madvise(p, bytes, MADV_POPULATE_WRITE);
	return p;
}

void mem_give(void *p, size_t bytes)
{
	if (p)
		munmap(p, bytes);
}
