// SPDX-License-Identifier: BSD-3-Clause
//
// Text in, a zstd frame, a gzip member or the same text out, piece by piece: equal text gives equal bytes.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pack_kind { PACK_ZSTD, PACK_GZIP, PACK_NONE };
#define PACK_KINDS 3
extern const char *const pack_suffixes[PACK_KINDS]; // ".zst"

struct pack_bytes {
	char *p;
	size_t n, room;
};
bool pack_reserve(struct pack_bytes *b, size_t more); // false: no memory

struct pack {
	enum pack_kind kind;
	struct pack_bytes text; // not packed yet: what stays small needs no state
	void *state;
};

// False: no memory, and what is in `out` is spoilt.
bool pack_add(struct pack *k, const char *text, size_t n, struct pack_bytes *out);
bool pack_end(struct pack *k, struct pack_bytes *out);
size_t pack_memory(const struct pack *k);
void pack_free(struct pack *k);
