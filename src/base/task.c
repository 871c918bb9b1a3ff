// SPDX-License-Identifier: BSD-3-Clause
//
// Reads a thread's line of /proc. In comes its number, out its state and the time that it had on a core. Control
// thread; a file is opened, so never on a worker.
#include "base/task.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool task_look(int tid, struct task *t)
{
	char path[64], line[512];
	unsigned long user, system;
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	FILE *f = fopen(path, "re");
	if (!f)
		return false;
	size_t n = fread(line, 1, sizeof(line) - 1, f);
	fclose(f);
	line[n] = 0;
	const char *rest = strrchr(line, ')'); // what stands before it is the thread's name
	if (!rest ||
	    sscanf(rest, ") %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %lu %lu", &t->state, &user, &system) != 3)
		return false;
	t->ran_ns = (user + system) * (1000000000ull / (uint64_t)sysconf(_SC_CLK_TCK));
	return true;
}
