// SPDX-License-Identifier: BSD-3-Clause
//
// What happens to a running appliance between start and end. See run_life.c.
#pragma once

#include "ctl/control.h"

#define SETS_MAX 64

struct run {
	char **argv; // of the program
	const char *file, *sets[SETS_MAX];
	unsigned nsets;
	struct config config;
	struct appliance appliance;
	struct loop *loop;
	unsigned tried; // policies of the history, at start
	bool begun;     // the first policy is in force, or none can be
};

// log.level, for all rooms.
void life_level(const struct config *config);
// Before privileges go: the folders of earlier policies and of the control socket.
void life_folders(struct run *r);
// The first policy: the config's, or the last good one.
void life_begin(struct run *r);
// SIGHUP.
void life_reload(struct run *r);
// A worker is stuck: the program from its beginning.
void life_again(struct run *r);
// From here on the end comes in so many milliseconds at the latest, and with another signal at once.
void life_deadline(const struct run *r, unsigned ms);
// All is out and written: from now on the deadline ends it with this status.
void life_ended(int status);
