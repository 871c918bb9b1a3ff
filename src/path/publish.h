// SPDX-License-Identifier: BSD-3-Clause
//
// How a policy comes into force, and when the one before may be freed: one pointer, and each worker's word (RCU).
#pragma once

#include <stdatomic.h>

#include "judge.h"

#define PUBLISH_WORKERS 64

// What is in force. Made and freed by the control thread; of[]: each worker's own, by its id.
struct published {
	uint16_t version;
	struct judge_policy *of[PUBLISH_WORKERS];
};

// What a worker judges by, and what it has come to: all its live flows were judged again.
struct publish_worker {
	struct published *takes;
	struct published *_Atomic has;
} __attribute__((aligned(64)));

struct publish {
	struct published *_Atomic now;
	unsigned workers;
	struct publish_worker worker[PUBLISH_WORKERS];
};

// Control thread. Workers have ids from 0. 0 or -ENOMEM: they are too many.
int publish_init(struct publish *p, unsigned workers);
// From now on `next` is what workers take. What was in force before is theirs until publish_done; set again only
// after that.
void publish_set(struct publish *p, struct published *next);
bool publish_done(struct publish *p);

// Worker, between bursts: judges by what is in force from here on.
void publish_take(struct publish *p, struct worker *w);
// The same, until it says true: judges up to so many live flows again. When all are done it holds nothing of what was
// in force before. A burst does some, too, its own first: between bursts nothing needs to be complete.
bool publish_step(struct publish *p, struct worker *w, uint32_t flows);
