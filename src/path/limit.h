// SPDX-License-Identifier: BSD-3-Clause
//
// Rates that rules set: buckets of tokens, shared by all workers. See limit.c.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct limits;

// Memory for buckets; NULL: none left. Taken at start, for all workers together.
struct limits *limits_new(uint64_t seed);
void limits_free(struct limits *l);
void limits_clear(struct limits *l); // all buckets are full

struct limit_rate {
	uint64_t bits, packets; // a second; the other is 0
	uint64_t burst;         // bytes, or packets
};
// Names a bucket: one for each rule and value. By the rule's id, so that it outlives a change of the policy.
uint64_t limits_key(const struct limits *l, const uint8_t *id, uint32_t id_len, const uint8_t *value, uint32_t len);
// Takes a frame's share out of a bucket. False: there is not enough in it, and nothing was taken.
bool limits_take(struct limits *l, uint64_t key, const struct limit_rate *rate, uint64_t now_ns, uint32_t bytes,
		 uint32_t packets);
