// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "policy/reading.h"

extern const char *const set_type_names[SET_TYPES];

// Reads the member `sets` into the policy.
void set_read(struct reading *r, uint32_t node);
const struct set *set_find(const struct reading *r, const char *name, uint32_t len);
// The name of a set that was meant, for a suggestion. NULL: none is near.
const char *set_near(const struct reading *r, const char *name, size_t len);
// One item as written, into its normal form; for domains of ASCII in place. false: *why.
bool set_item(struct arena *a, enum set_type type, char *p, uint32_t len, struct set_item *out, const char **why);
// Reads the items of a set from its file, one a line. false: said.
bool set_file(struct reading *r, struct set *s, uint32_t node, const char *file);
