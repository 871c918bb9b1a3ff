// SPDX-License-Identifier: BSD-3-Clause
//
// The action and response tables as the parser, the docs and the schema see them.
#pragma once

#include "policy/reading.h"

struct action_row {
	bool ends, denies;
	const char *help;
};
extern const struct action_row action_table[ACTION_COUNT];
extern const char *const response_help[RESPONSE_COUNT];

// "10Mbps", "100pps": bits or packets a second, the other 0. false: neither.
bool action_rate(const char *p, uint32_t len, uint64_t *bits, uint64_t *packets);
// A rate in bytes a second, which is none: meant is the same in bits.
bool action_rate_bytes(const char *p, uint32_t len, char *meant, size_t size);
// "64KB", "1MB", "1500": bytes, or packets ("20" or "20p"). false: none.
bool action_burst(const char *p, uint32_t len, bool packets, uint64_t *out);
// What of a `respond` or of `sinkhole`. false: said.
bool action_respond(struct reading *r, uint32_t node, struct rule *rule);
bool action_sinkhole(struct reading *r, uint32_t node, struct rule *rule);
