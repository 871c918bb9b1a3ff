// SPDX-License-Identifier: BSD-3-Clause
//
// Files of mirror rules while the appliance runs. See copies.c.
#pragma once

#include "ctl/appliance.h"
#include "live/mirrors.h"
#include "policy/complaints.h"

struct policy;

// Files and rings, none where the config has no mirrors; the thread that writes. 0 or -errno, which was said.
int copies_open(struct appliance *a);
// Workers are at rest: what they handed over is written.
void copies_close(struct appliance *a);
// Of the config's i-th mirror.
void copies_counts(const struct appliance *a, unsigned i, struct mirror_counts *to);
// Warns of rules whose copies nobody takes.
void copies_check(const struct config *c, const struct policy *p, struct complaints *to);
