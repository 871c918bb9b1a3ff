// SPDX-License-Identifier: BSD-3-Clause
//
// From the config's paths to what a worker needs of them. See lanes.c.
#pragma once

#include "ctl/appliance.h"

// Which encapsulations a path takes off: bits of enum transport_set.
uint32_t lanes_transports(const struct config_path *path);
// Ports are open: fills the worker's queues and its egress.
void lanes_set(struct appliance *a, struct poll *p);
// A port has another MTU; workers may run.
void lanes_mtu(struct appliance *a);
