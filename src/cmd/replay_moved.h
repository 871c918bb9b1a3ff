// SPDX-License-Identifier: BSD-3-Clause
//
// Clients of QUIC that go on from another port before their hello is whole: both five-tuples belong to one worker. The
// front's thread, with several workers only. See replay_moved.c.
#pragma once

#include "path/worker.h"

#define MOVED_IDS 4096  // connection ids remembered; a newcomer replaces
#define MOVED_FLOWS 256 // five-tuples that go elsewhere, in sets of 4

struct moved {
	struct moved_id {
		uint64_t id; // hash of id, server and tenant; 0: none
		uint32_t tuple;
	} ids[MOVED_IDS];
	struct moved_flow {
		uint32_t tuple, to; // hashes: whose owner is asked instead
	} flows[MOVED_FLOWS];
	unsigned nflows;
};

void moved_clear(struct moved *t);
// The hash by which a packet's owner is found.
uint32_t moved_hash(struct moved *t, const struct steer_key *key, struct rte_mbuf *m);
