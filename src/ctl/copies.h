// SPDX-License-Identifier: BSD-3-Clause
//
// Sinks of type `pcapng`: copies of mirror rules' frames, while the appliance runs. See copies.c.
#pragma once

#include "ctl/appliance.h"
#include "live/mirrors.h"
#include "policy/complaints.h"

struct policy;

// Sinks that take copies, into to[CONFIG_SINKS]. How many.
unsigned copies_sinks(const struct config *c, struct mirror_to *to);
// Files and rings, none where the config has no such sink; the thread that writes. 0 or -errno, which was said.
int copies_open(struct appliance *a);
// Workers are at rest: what they handed over is written.
void copies_close(struct appliance *a);
// SIGHUP.
void copies_reopen(const struct appliance *a);
// False: this one takes no copies.
bool copies_counts(const struct appliance *a, const char *sink, struct sink_counts *to);
// Warns of rules whose copies nobody takes.
void copies_check(const struct config *c, const struct policy *p, struct complaints *to);
