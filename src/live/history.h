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
	uint32_t rules, machines;
	char version[48], author[128], why[256]; // of one that came from Kafka; "": it did not
};

// What is loaded, as it was read: files may have changed when the load ends. Not on the control thread: sets are large.
struct history_draft {
	const char *folder;
	char made[HISTORY_PATH];            // FOLDER/.new
	unsigned last;                      // number of the newest entry; 0: none
	int rc;                             // what could not be written
	const char *version, *author, *why; // of one from Kafka, set after history_begin; NULL
	uint32_t machines;                  // of its rules machines have written
};
void history_begin(struct history_draft *d, const char *folder);
// policy_ear's: d hears it.
void history_read(void *d, const char *name, const char *text, size_t len);
// The policy has come into force: keeps it, unless it is the newest already; the oldest beyond `keep` go, and of what
// machines wrote over one version (N.m) all but the newest. NULL: it has not. 0 or -errno.
int history_end(struct history_draft *d, unsigned keep, const struct policy *policy, const char *file);
// Newest first, free() it; how many, or -errno.
int history_list(const char *folder, struct history_entry **list);
// Of a list: the newest policy that came before the one of that hash, and is another; a rollback stands where it leads.
// A hash that is not kept is newer than all. -1: none.
int history_before(const char *folder, const struct history_entry *list, int n, const char *hash);
// Of one list: the entry of people's version N.0 that a machine-written N.m stands over. -1: none, or it is none.
int history_people(const struct history_entry *list, int n, const char *version);
// The policy's file in an entry, for standing_load.
void history_file(const char *folder, unsigned number, char path[HISTORY_PATH]);
