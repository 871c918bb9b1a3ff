// SPDX-License-Identifier: BSD-3-Clause
//
// ThreadSanitizer sees only code that it instrumented, and DPDK's pool driver is a library: an mbuf that one thread
// frees and another takes would look like a race. So the driver's two calls are wrapped, and say what its ring does:
// the giving comes before the taking. DPDK's rings themselves are inline; meson.build asks for their C11 form there
// (RTE_USE_C11_MEM_MODEL; on x86 the other is plain stores between compiler barriers, which is no order to it).
//
// Part of a build with -Db_sanitize=thread only.
// Rejected: suppressing reports that name mbufs, which would hide every real one.
#include "eal_tsan.h"

#include <sanitizer/tsan_interface.h>

#include <rte_mempool.h>

static rte_mempool_enqueue_t enqueue;
static rte_mempool_dequeue_t dequeue;

static int give(struct rte_mempool *pool, void *const *objects, unsigned n)
{
	__tsan_release(pool);
	return enqueue(pool, objects, n);
}

static int take(struct rte_mempool *pool, void **objects, unsigned n)
{
	int rc = dequeue(pool, objects, n);
	__tsan_acquire(pool);
	return rc;
}

void eal_tsan_pool(struct rte_mempool *pool)
{
	struct rte_mempool_ops *ops = rte_mempool_get_ops(pool->ops_index);
	if (ops->enqueue == give)
		return;
	enqueue = ops->enqueue;
	dequeue = ops->dequeue;
	ops->enqueue = give;
	ops->dequeue = take;
}
