// SPDX-License-Identifier: BSD-3-Clause
//
// What the control thread asks of workers: a look at, or a change of, what only they may touch. A worker that is asked
// nothing reads one word a turn; one that is asked does a bounded step a turn, and nobody waits for it.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

struct worker;

// The same for all workers at once: what is a worker's own in it stands by its id. It is the workers' from the moment
// on at which it is set (poll.errand) until each has taken it back to NULL.
struct errand {
	bool (*step)(struct errand *e, struct worker *w); // between two bursts, bounded; true: done
};
