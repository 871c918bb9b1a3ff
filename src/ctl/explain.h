// SPDX-License-Identifier: BSD-3-Clause
//
// What explain shows, and its two faces.
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "policy/explain.h"

// Which bytes of which frame a value came from.
struct explain_origin {
	uint64_t frame;
	uint32_t off, len;
	const uint8_t *bytes; // nbytes of them; NULL: not kept
	uint32_t nbytes;
};

struct explain_view {
	const char *file; // of the policy
	const struct policy *policy;
	const struct explain *e;
	const struct facts *facts;
	const struct explain_origin *origin[FIELD_COUNT]; // of each value; NULL: a hypothetical
	bool rest_absent;                                 // fields not given count as absent
	bool overflow;                                    // there was more than is looked at: refused while open
	bool shadow;                                      // of a policy in shadow: nothing is waited for
};

// rule: number, or RULE_DEFAULT. Its id; "default".
const char *explain_rule_id(const struct policy *p, uint32_t rule);
extern const char *const explain_truth_names[3];
extern const char *const explain_state_names[4];

// The verdict; then what it comes from.
void explain_head(const struct explain_view *v, FILE *out, bool colour, unsigned width);
void explain_words(const struct explain_view *v, FILE *out, bool colour, unsigned width);
json_t *explain_json(const struct explain_view *v);
