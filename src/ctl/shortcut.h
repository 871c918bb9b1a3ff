// SPDX-License-Identifier: BSD-3-Clause
//
// The fast path of an appliance: which of its ports have one, and when it is opened, taken and closed. See shortcut.c.
// Control thread.
#pragma once

#include <fastpath.h> // of include/

#include "ctl/appliance.h"

struct settle;

// Before ports are opened: nothing where no path has `fast_path`. 0, or -errno after it was said.
int shortcut_open(struct appliance *a);
// What the port has to be opened with.
void shortcut_config(const struct appliance *a, unsigned port, struct port_config *c);
// Just before its device is opened, the first time and whenever it comes back. 0 or -errno, why says it.
int shortcut_take(struct appliance *a, unsigned port, char *why, size_t why_size);
// Ports are open: workers may ask. 0, or -errno after it was said.
int shortcut_start(struct appliance *a);
// The worker asks, and beats. False: no memory.
bool shortcut_join(struct appliance *a, struct poll *p);
// Every frame comes up again, and what was counted is on its way to the workers. While the corridor is off (`stopped`,
// `bypass`) nothing that they ask for is done.
void shortcut_void(struct appliance *a);
// The port goes away (before shortcut_void), or its link: nothing settled leaves by it until it is there.
void shortcut_across(struct appliance *a, unsigned port, bool there);
// No more is asked for, and workers that still run have all counts. Then workers end, and ports close.
void shortcut_drain(struct appliance *a);
// False: frames are in no door's count, which is a bug.
bool shortcut_close(struct appliance *a);

// Frames of a port by the door they took in XDP. False: it has no fast path.
bool shortcut_doors(const struct appliance *a, unsigned port, struct fastpath_doors *doors);
// The four sums of the ledger (corridor.md 6).
uint64_t shortcut_sum(const struct fastpath_doors *doors, enum fastpath_whose whose);
