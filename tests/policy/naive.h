// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "policy/policy.h"

// First match, straight over the tree: the meaning of a policy. fired: rules that do not end the search and are true
// above the verdict's, at most max; returns how many.
uint32_t naive_judge(const struct policy *p, const struct facts *f, bool would, struct verdict *v, uint32_t *fired,
		     uint32_t max);

// naive_outside.c
bool naive_in_schedule(const struct schedule *s, uint64_t now_ns);
bool naive_matches(const struct test *t, const struct fact_value *v);
