// SPDX-License-Identifier: BSD-3-Clause
//
// Complaints about a configuration that has been read, as config_check.c and config_sinks.c make them: each at the
// place that wrote the value, and none about a value that was refused already.
#pragma once

#include "ctl/config_key.h"
#include "policy/complaints.h"

struct checking {
	struct config *c;
	struct complaints *to;
	bool here; // what this machine lacks is an error
};

// A value: where it stands is where it is complained about.
struct spot {
	const struct config_group *g;
	unsigned i, k;
};

struct spot config_spot(const char *group, unsigned i, const char *key);
__attribute__((format(printf, 4, 5))) void config_complain(const struct checking *k, bool warning, struct spot s,
							   const char *format, ...);
#define WRONG(k, ...) config_complain(k, false, __VA_ARGS__)
#define WARN(k, ...) config_complain(k, true, __VA_ARGS__)

// config_sinks.c: of all sinks; gives names to those that have none.
void config_sinks(const struct checking *k);
