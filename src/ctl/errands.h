// SPDX-License-Identifier: BSD-3-Clause
//
// Errands to the workers, one at a time, the others in the order in which they were asked. Control thread; it waits for
// nobody. See errands.c.
#pragma once

#include "ctl/appliance.h"

// Called once: all workers are done; or some did not get to it in time (`late`: how many), and then nothing of the
// errand may be looked at. Then, when it is nobody's any more, free_it.
struct errand_ask {
	struct errand *errand;
	void (*done)(struct appliance *a, void *arg, unsigned late);
	void (*free_it)(void *arg);
	void *arg;
};
// 0 or -ENOMEM, and then neither is called.
int errands_ask(struct appliance *a, const struct errand_ask *ask);
// The workers have ended.
void errands_close(struct appliance *a);
