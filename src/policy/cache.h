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
#define CACHE_PATH 4096
void cache_path(const char *folder, const struct cache_key *key, char path[CACHE_PATH]);
// NULL: not there, or `damaged`: what is there is not what was written.
struct hs_database *cache_get(const char *folder, const struct cache_key *key, bool *damaged);
// Written beside and renamed, so that no reader sees half a file. 0, or -errno: it could not be.
int cache_put(const char *folder, const struct cache_key *key, const struct hs_database *db);
