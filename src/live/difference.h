// SPDX-License-Identifier: BSD-3-Clause
//
// What another policy changes: rules and sets by their ids, and by what they say. Off the path.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct policy;

enum difference_kind { DIFFERENCE_ADDED, DIFFERENCE_REMOVED, DIFFERENCE_CHANGED, DIFFERENCE_KINDS };
extern const char *const difference_names[DIFFERENCE_KINDS];

struct difference {
	uint32_t rules[DIFFERENCE_KINDS], sets[DIFFERENCE_KINDS];
	bool moved;  // rules that both have stand in another order
	bool others; // what is done where no rule decides, or not yet
};
// Of two policies, one of which may be NULL. each hears of every one, in the order of `is`, then those that were
// removed; NULL: only the sums are wanted. False: no memory.
typedef void difference_each(void *arg, enum difference_kind kind, bool set, const char *id);
bool difference(const struct policy *was, const struct policy *is, struct difference *d, difference_each *each,
		void *arg);
