// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "policy/policy.h"

// Counts a complaint, and keeps it with copies of everything where it is one of the first.
void complaints_add(struct complaints *c, bool warning, const struct place *at, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
// Order of appearance: those of `file` by their place, then those of other files as they were found.
void complaints_sort(struct complaints *c, const char *file);
