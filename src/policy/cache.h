// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct hs_database;

struct cache_key {
	uint8_t digest[32];
};

// Key of a database: its patterns and their flags, Hyperscan's version and what it would compile for on this CPU.
struct cache_key cache_key(char *const *text, const unsigned *flags, uint32_t n, unsigned mode);
// NULL: not there, damaged, or made for something else.
struct hs_database *cache_get(const char *folder, const struct cache_key *key);
// Written beside and renamed, so that no reader sees half a file. False: it could not be.
bool cache_put(const char *folder, const struct cache_key *key, const struct hs_database *db);
