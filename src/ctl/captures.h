// SPDX-License-Identifier: BSD-3-Clause
//
// `capture start|stop` and `show captures`. See captures.c.
#pragma once

#include "ctl/appliance.h"
#include "ctl/command.h"

json_t *captures_start(struct appliance *a, struct call *c);
json_t *captures_stop(struct appliance *a, struct call *c);
json_t *captures_show(struct appliance *a, struct call *c);
json_t *captures_numbers(struct appliance *a);
json_t *captures_options(struct appliance *a);

struct captures_sum {
	unsigned running;
	uint64_t frames, lost; // since the start
};
struct captures_sum captures_sum(const struct appliance *a);
// Workers and errands have ended: so do the captures. False: one still waits for something, and its memory is in use.
bool captures_close(struct appliance *a);
