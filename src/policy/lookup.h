// SPDX-License-Identifier: BSD-3-Clause
//
// Where something was seen first: bytes to a number. Keys are not copied.
#pragma once

#include <stdint.h>

struct lookup {
	struct lookup_slot {
		const char *p;
		uint32_t len, value;
	} * slot;
	uint32_t size, n;
};
#define LOOKUP_NONE UINT32_MAX

// The number of the key; LOOKUP_NONE: not there.
uint32_t lookup_find(const struct lookup *l, const char *p, uint32_t len);
// The same, and where it was not there it is now, with this value.
uint32_t lookup_add(struct lookup *l, const char *p, uint32_t len, uint32_t value);
void lookup_free(struct lookup *l);
