// SPDX-License-Identifier: BSD-3-Clause
//
// A policy is loaded on a thread of its own, and whoever asked hears of it on the control thread. See reload.c.
#pragma once

#include "ctl/appliance.h"
#include "live/standing.h"

struct loop;

struct reload {
	int rc; // as standing_load's
	struct standing_done done;
	const char *said; // complaints, by line
	const char *file;
};
// Called on the control thread; r is gone when it returns.
typedef void reload_done(void *arg, const struct reload *r);

// 0; -EBUSY: another load is under way; -ENOMEM.
int reload_begin(struct appliance *a, struct loop *loop, const char *file, reload_done *done, void *arg);
// To be called when nothing is being loaded any more; the last who asks is.
void reload_after(struct appliance *a, void (*call)(void *arg), void *arg);
// At the end: nothing is being loaded any more. The asker of what was is not called.
bool reload_ended(struct appliance *a);
