// SPDX-License-Identifier: BSD-3-Clause
//
// How a policy comes into force, and when the one before may be freed: one pointer, and quiescent states (RCU).
#pragma once

#include <stdatomic.h>

#include "judge.h"

struct rte_rcu_qsbr;

#define PUBLISH_WORKERS 64

// What is in force. Made and freed by the control thread; of[]: each worker's own, by its id.
struct published {
	uint16_t version;
	struct judge_policy *of[PUBLISH_WORKERS];
};

struct publish {
	struct published *_Atomic now;
	struct rte_rcu_qsbr *qs;
	size_t qs_bytes;
	uint64_t token; // of the last publish_set
	unsigned workers;
};

// Control thread. Workers have ids from 0. 0 or -ENOMEM.
int publish_init(struct publish *p, unsigned workers);
void publish_fini(struct publish *p);
// From now on `next` is what workers take. What was in force before is theirs until publish_done; set again only
// after that.
void publish_set(struct publish *p, struct published *next);
bool publish_done(struct publish *p);

// Worker, between bursts: judges by what is in force from here on.
void publish_take(struct publish *p, struct worker *w);
// The same, until it says true: judges up to so many live flows again. When all are done it holds nothing of what was
// in force before. A burst does some, too, its own first: between bursts nothing needs to be complete.
bool publish_step(struct publish *p, struct worker *w, uint32_t flows);
