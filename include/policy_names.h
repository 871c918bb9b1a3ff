// SPDX-License-Identifier: BSD-3-Clause
//
// What the numbers in records mean that say which rule decided: one table for each version of the policy that was in
// force. Made where policies are loaded, read by the shipper and by whoever shows records; never changed.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct rule_name {
	const char *id, *reason; // reason NULL: none was given
	const char *sink;        // of a rule that mirrors; else NULL
	uint32_t sid;
	uint32_t sample; // one record of so many is written; 0, 1: all
	uint8_t action;  // enum action
	uint8_t severity;
	bool shadow; // it is counted and named, and does nothing
};

struct policy_names {
	const char *file, *hash; // SHA-256 in hex
	uint16_t version;        // from 1, as in records
	uint32_t nrules;
	const struct rule_name *rule; // [nrules]: the default
	const struct policy_names
		*would; // of the policy in shadow, whose rules `would` names; NULL: none, it is by this one
};

#define POLICY_NAMES_REJUDGE (UINT32_MAX - 2) // RULE_REJUDGE, and those below it: settings of the policy, no rules

// The names of a rule of a record.
static inline const struct rule_name *policy_names_rule(const struct policy_names *p, uint32_t rule)
{
	static const struct rule_name settings[] = {{.id = "rejudge_unknown"},
						    {.id = "undecided.handshake"},
						    {.id = "undecided.server_first"},
						    {.id = "undecided.prelude"},
						    {.id = "flow kill"}};
	if (POLICY_NAMES_REJUDGE - rule < sizeof(settings) / sizeof(settings[0]))
		return &settings[POLICY_NAMES_REJUDGE - rule];
	return &p->rule[rule < p->nrules ? rule : p->nrules];
}
