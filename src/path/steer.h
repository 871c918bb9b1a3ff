// SPDX-License-Identifier: BSD-3-Clause
//
// The hash of a five-tuple, for those who need one of a layer other than the innermost.
#pragma once

#include "worker.h"

struct steer_key {
	uint64_t k[4];
};

// Spreads a seed over the key; the same for every worker of a start.
struct steer_key steer_key(uint64_t seed);

// Symmetric: both directions of a flow have the same hash. frame: first byte of the frame that l's offsets count in.
uint32_t steer_hash(const struct steer_key *key, uint64_t tenant, const struct layer *l, const uint8_t *frame);
