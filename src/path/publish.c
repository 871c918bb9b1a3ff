// SPDX-License-Identifier: BSD-3-Clause
//
// One pointer, taken by each worker between two bursts, so that no packet is judged by a mix of two policies. The
// control thread sets it and waits, at its leisure, until every worker has said that it holds nothing of what was in
// force before (rte_rcu_qsbr: a quiescent state each, when its last live flow was judged again); only then is that
// freed. Workers wait for nobody.
//
// Live, a worker looks at the pointer at each burst. In replay it takes it where a mark tells it to, which stands at
// the same place in the capture for any number of workers: the result is the same each time.
#include "publish.h"

#include <errno.h>

#include <rte_rcu_qsbr.h>

#include "base/eal.h"

int publish_init(struct publish *p, unsigned workers)
{
	*p = (struct publish){.workers = workers, .qs_bytes = rte_rcu_qsbr_get_memsize(workers)};
	p->qs = mem_take(p->qs_bytes);
	if (!p->qs || workers > PUBLISH_WORKERS || rte_rcu_qsbr_init(p->qs, workers) != 0)
		return -ENOMEM;
	for (unsigned i = 0; i < workers; i++) {
		if (rte_rcu_qsbr_thread_register(p->qs, i) != 0)
			return -ENOMEM;
		rte_rcu_qsbr_thread_online(p->qs, i);
	}
	return 0;
}

void publish_fini(struct publish *p)
{
	if (p->qs)
		mem_give(p->qs, p->qs_bytes);
	p->qs = NULL;
}

void publish_set(struct publish *p, struct published *next)
{
	atomic_store_explicit(&p->now, next, memory_order_release);
	p->token = rte_rcu_qsbr_start(p->qs);
}

bool publish_done(struct publish *p)
{
	return !p->token || rte_rcu_qsbr_check(p->qs, p->token, false) == 1;
}

void publish_take(struct publish *p, struct worker *w)
{
	struct published *now = atomic_load_explicit(&p->now, memory_order_acquire);
	judge_swap(w, now ? now->of[w->id] : NULL);
}

bool publish_step(struct publish *p, struct worker *w, uint32_t flows)
{
	if (!judge_swap_some(w, flows))
		return false;
	rte_rcu_qsbr_quiescent(p->qs, w->id);
	judge_swap_edits(w);
	return true;
}
