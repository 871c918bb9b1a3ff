// SPDX-License-Identifier: BSD-3-Clause
//
// What became of the appliance, as records among those of its traffic (event_type state). Control thread.
#pragma once

#include <stdint.h>

struct appliance;

struct state_fact {
	const char *name, *text; // text NULL: the number
	uint64_t number;
};
#define STATE_TEXT(name, text)                                                                                         \
	{                                                                                                              \
		name, text, 0                                                                                          \
	}
#define STATE_NUMBER(name, number)                                                                                     \
	{                                                                                                              \
		name, NULL, number                                                                                     \
	}

// After the EAL, before whatever has something to say. 0 or -ENOMEM.
int state_open(struct appliance *a);
// After the shipper has ended.
void state_close(struct appliance *a);
// Never waits. Names of events and facts: docs/eve.schema.json.
void state_say(struct appliance *a, const char *event, const struct state_fact *facts, unsigned n);
#define STATE_SAY(a, event, ...)                                                                                       \
	state_say(a, event, (const struct state_fact[]){__VA_ARGS__},                                                  \
		  sizeof((const struct state_fact[]){__VA_ARGS__}) / sizeof(struct state_fact))
// The first records of a start: what the spool still has of those before, so that a reader can tell what a crash took.
void state_recovered(struct appliance *a);
