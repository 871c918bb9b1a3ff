// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum scan_kind { SCAN_CONTAINS, SCAN_PREFIX, SCAN_SUFFIX, SCAN_REGEX };

struct scan_pattern {
	const uint8_t *p;
	uint32_t len;
	enum scan_kind kind;
	bool nocase;
};

struct hs_database;
struct compile_options;

// One database of these patterns, for whole values or for what comes in pieces (stream), reported by their place in the
// list, from `first` on, each once a value; out of the cache where it is there. NULL: `error` says what is wrong, *bad
// is the pattern.
struct hs_database *scan_database(const struct scan_pattern *list, uint32_t n, uint32_t first, bool stream,
				  const struct compile_options *o, uint32_t *bad, char *error, size_t size);
