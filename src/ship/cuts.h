// SPDX-License-Identifier: BSD-3-Clause
//
// Where objects of S3 begin and end in the spool: what stands beside the sink's cursor, so that after a crash the same
// objects are made again.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// An object: the frames [first, end) of what `key` (a hash) tells apart.
struct cut {
	uint64_t first, end, key;
	bool done, refused; // it has arrived; it goes to error/
	bool durable;       // it was written; not part of what is
};

#define CUTS_MAX 650 // of 25 bytes: SPOOL_STATE_MAX
struct cuts {
	unsigned n;
	struct cut of[CUTS_MAX];
};

// The one whose frames `at` is among. NULL: none.
struct cut *cuts_find(struct cuts *c, uint64_t key, uint64_t at);
// Adds it, or sets the end of the one that begins there. NULL: there is no room.
struct cut *cuts_set(struct cuts *c, uint64_t key, uint64_t first, uint64_t end);
// All before `acked` is done with.
void cuts_forget(struct cuts *c, uint64_t acked);
// As bytes, and back. What is not written by cuts_write is none.
size_t cuts_write(const struct cuts *c, void *out, size_t size);
void cuts_read(struct cuts *c, const void *p, size_t len);
