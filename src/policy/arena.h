// SPDX-License-Identifier: BSD-3-Clause
//
// Memory that is taken in small pieces and given back at once: what a policy owns.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct arena_block;

struct arena {
	struct arena_block *last;
	size_t at, room; // in the last block
};

// Zeroed, aligned to 16 bytes. Ends the program where there is no memory, as everything off the path at load.
void *arena_take(struct arena *a, size_t len);
// A copy with a zero byte behind it.
char *arena_text(struct arena *a, const void *p, size_t len);
// Bytes for a text or an address: not aligned.
uint8_t *arena_bytes(struct arena *a, size_t len);
void arena_free(struct arena *a);
