// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "policy/policy.h"

#define GUARD_MAX 64
#define GUARD_ID "guard" // of the rule that stands above all others

// Addresses that no policy can cut off: management, the way to whoever loads policies.
struct guard {
	struct operand list[GUARD_MAX];
	uint8_t bytes[GUARD_MAX][16];
	uint32_t n;
};

// "192.0.2.1" or "2001:db8::1". False: it is none, or there are too many.
bool guard_add(struct guard *g, const char *address);
// Puts a rule above all others that allows what comes from or goes to these. False: a rule or a set that is asked for
// src or dst names one of them, or a rule has the guard's id; said, and the policy is not to be used.
bool guard_policy(const struct guard *g, struct policy *p, struct complaints *c);
