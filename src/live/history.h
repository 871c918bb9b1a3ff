// SPDX-License-Identifier: BSD-3-Clause
//
// Policies that were in force, on disk: the last good one when the file is broken, and the way back. See history.c.
#pragma once

#include "policy/policy.h"

#define HISTORY_PATH 512

struct history_entry {
	unsigned number; // counts on over starts
	char hash[65];   // the policy's
	char time[24];   // when it came into force, UTC
	char from[256];  // the file that it was read from
	uint32_t rules;
};

// Keeps a policy that has come into force, unless it is the newest already; the oldest beyond `keep` go. 0 or -errno.
// Not on the control thread: set files may be large.
int history_keep(const char *folder, unsigned keep, const struct policy *policy, const char *file);
// Newest first, free() it; how many, or -errno.
int history_list(const char *folder, struct history_entry **list);
// The policy's file in an entry, for standing_load.
void history_file(const char *folder, unsigned number, char path[HISTORY_PATH]);
