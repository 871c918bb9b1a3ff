// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "policy/policy.h"

struct trial_result {
	uint32_t cases, failed;
};

// Judges the cases of a file by a policy: [{"given": {fields}, "unknown": [fields], "expect": {"verdict", "rule"}}].
// What differs, and what is no case, is complained of by its place. 0, or -EIO: the file cannot be read, which is said
// too.
int trial_run(const struct policy *p, const char *file, struct complaints *c, struct trial_result *result);
