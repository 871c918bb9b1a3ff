// SPDX-License-Identifier: BSD-3-Clause
#pragma once

struct rte_mempool;

// Only in a build with -Db_sanitize=thread: tells ThreadSanitizer that what a thread did with an object comes before
// what the next one does with it, as the pool's ring guarantees. Before the pool is shared.
void eal_tsan_pool(struct rte_mempool *pool);
