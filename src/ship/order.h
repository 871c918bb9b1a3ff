// SPDX-License-Identifier: BSD-3-Clause
//
// Several workers' records in one order: (frame, flow_id, seq), the same for any number of workers.
#pragma once

#include <stdbool.h>

#include "ship/ship.h"

struct record;
struct order;

// sources are used until order_free. NULL: no memory.
struct order *order_new(const struct ship_source *sources, unsigned nsources);
void order_free(struct order *o);

typedef void order_each(void *arg, const struct record *r);

// Hands on what is complete, some thousand records at most. all: the workers are at rest, do not wait for
// watermarks. Returns how many records were taken from the rings or handed on; 0: there is nothing to do now.
unsigned order_take(struct order *o, bool all, order_each *each, void *arg);
