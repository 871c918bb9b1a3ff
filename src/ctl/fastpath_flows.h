// SPDX-License-Identifier: BSD-3-Clause
//
// Entries of the map of verdicts: from what workers ask for to what is in the map, and back. See fastpath_flows.c.
#pragma once

#include "ctl/fastpath.h"

struct fastpath_flows;

// All are mapped, and secret is the ports'. NULL: no memory.
struct fastpath_flows *fastpath_flows_new(struct fastpath_slot *slots, struct fastpath_bucket *buckets,
					  const uint64_t *secret, const struct fastpath_options *o);
void fastpath_flows_free(struct fastpath_flows *t);

// One round; any thread, one at a time.
void fastpath_flows_round(struct fastpath_flows *t);
void fastpath_flows_void(struct fastpath_flows *t, bool pause);
struct rte_ring *fastpath_flows_ops(const struct fastpath_flows *t, unsigned worker);
struct rte_ring *fastpath_flows_counts(const struct fastpath_flows *t, unsigned worker);
const struct fastpath_numbers *fastpath_flows_numbers(const struct fastpath_flows *t);
