// SPDX-License-Identifier: BSD-3-Clause
//
// Random policies and random facts out of small pools of values, so that they often meet. Everything comes out of one
// seed.
#pragma once

#include "policy/policy.h"

struct random {
	uint64_t state;
	uint8_t *memory; // of one case; all of it goes at once
	size_t used, size;
};

void random_init(struct random *r, uint64_t seed, size_t bytes);
void random_fini(struct random *r);
uint32_t random_below(struct random *r, uint32_t n);
// A policy of up to max rules; lives until random_fini or random_reset.
struct policy *random_policy(struct random *r, uint32_t max);
// Partial facts; live until the next random_facts.
const struct facts *random_facts(struct random *r);
void random_reset(struct random *r);
// For messages: what a case was.
void random_print(const struct policy *p, const struct facts *f);
