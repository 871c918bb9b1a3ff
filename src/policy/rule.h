// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "policy/reading.h"

// Keys of a rule: which actions have them (bits 1 << enum action), what stands there, in words.
struct rule_key {
	const char *name;
	bool (*read)(struct reading *r, struct rule *rule, uint32_t node);
	uint32_t actions;
	const char *value, *help;
	const char *schema; // JSON schema of the value
};
extern const struct rule_key rule_keys[];
extern const unsigned rule_key_count;

// Reads the member `rules` into the policy.
void rule_read(struct reading *r, uint32_t node);
// The number by which EVE names a rule that has no sid of its own: the same for the same id, from 2^30 on.
uint32_t rule_sid(const char *id);
