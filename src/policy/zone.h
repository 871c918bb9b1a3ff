// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct zone_offset;

// Offsets of a time zone ("Europe/Berlin") by when they begin, from the system's database: *list is the caller's to
// free. How many, at least 1; 0: there is no such zone.
uint32_t zone_load(const char *name, struct zone_offset **list);
