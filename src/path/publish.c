// SPDX-License-Identifier: BSD-3-Clause
//
// One pointer, taken by each worker between two bursts, so that no packet is judged by a mix of two policies. The
// control thread sets it and waits, at its leisure, until every worker has said that it holds nothing but this (when
// its last live flow was judged again); only then is freed what was in force before. Workers wait for nobody.
//
// Each worker says which policy it has come to, and that is compared. Rejected: rte_rcu_qsbr, whose quiescent state
// stands for "nothing of before now", with a now of its own: a worker that looked at the pointer just before it was set
// said so for the policy that it still had, which was freed under it (once in some 1,300 reloads of a loaded machine).
//
// Live, a worker looks at the pointer at each burst. In replay it takes it where a mark tells it to, which stands at
// the same place in the capture for any number of workers: the result is the same each time.
#include "publish.h"

#include <errno.h>

int publish_init(struct publish *p, unsigned workers)
{
	*p = (struct publish){.workers = workers};
	return workers <= PUBLISH_WORKERS ? 0 : -ENOMEM;
}

void publish_set(struct publish *p, struct published *next)
{
	atomic_store_explicit(&p->now, next, memory_order_release);
}

bool publish_done(struct publish *p)
{
	const struct published *now = atomic_load_explicit(&p->now, memory_order_relaxed);
	for (unsigned i = 0; i < p->workers; i++)
		if (atomic_load_explicit(&p->worker[i].has, memory_order_acquire) != now)
			return false;
	return true;
}

void publish_take(struct publish *p, struct worker *w)
{
	struct published *now = atomic_load_explicit(&p->now, memory_order_acquire);
	p->worker[w->id].takes = now;
	judge_swap(w, now ? now->of[w->id] : NULL);
}

bool publish_step(struct publish *p, struct worker *w, uint32_t flows)
{
	if (!judge_swap_some(w, flows))
		return false;
	struct publish_worker *own = &p->worker[w->id];
	if (unlikely(atomic_load_explicit(&own->has, memory_order_relaxed) != own->takes))
		atomic_store_explicit(&own->has, own->takes, memory_order_release);
	judge_swap_edits(w);
	return true;
}
