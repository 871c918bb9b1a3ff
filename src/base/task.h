// SPDX-License-Identifier: BSD-3-Clause
//
// What the kernel says of one of our own threads (proc(5), /proc/self/task/TID/stat).
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct task {
	char state;      // R: it runs or waits for a core; S, D: for something else; T, t: it was stopped
	uint64_t ran_ns; // on a core so far, to a clock tick
};

// False: there is none of that number, or the kernel does not say.
bool task_look(int tid, struct task *t);
