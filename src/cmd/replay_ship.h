// SPDX-License-Identifier: BSD-3-Clause
//
// replay -c CONFIG: its records go to the sinks of an appliance's configuration, by way of its spool.
#pragma once

#include "ctl/config.h"
#include "ctl/records.h"

struct options;
struct ship_config;

struct replay_ship {
	struct config config; // where options.config is set
	struct records records;
	uint64_t boot;
};

// Reads options.config; of it come sinks, spool, node, and, where -p is not given, policy and guards. -1: go on; else
// the exit code, after it was said.
int replay_ship_read(struct replay_ship *s, struct options *o);
// Opens spool and sinks, and fills in what the shipper is to know. False: said.
bool replay_ship_open(struct replay_ship *s, unsigned workers, struct ship_config *ship);
// The shipper has stopped: waits until the sinks have all, or for a signal. False: something stays in the spool.
bool replay_ship_close(struct replay_ship *s, bool progress);
