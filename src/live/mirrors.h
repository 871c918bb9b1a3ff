// SPDX-License-Identifier: BSD-3-Clause
//
// Where copies of mirror rules end: pcapng files, each frame with a comment that says why it is there.
#pragma once

#include <stdio.h>

#include "base/capture_out.h"
#include "policy_names.h"

#define MIRROR_FILES 16

// A file and what goes there.
struct mirror_to {
	const char *sink; // not ended; NULL: of all rules that no other file is named for
	size_t sink_len;
	const char *file;
	uint64_t rotate_bytes; // live: a new file when this one has so much; 0: never
	unsigned keep;         // earlier ones that stay; 0: all
};

struct mirrors_config {
	const struct mirror_to *to;
	unsigned nto;
	const char *const *sinks; // that are summed: those of the policies of a replay
	unsigned nsinks;
	const struct policy_names *const *names; // by version, from 1
	unsigned nnames;
	// live: one place in the walk says nothing of other workers; what cannot be written is lost and counted, and a
	// file that is there is put away (base/earlier.h), not overwritten
	bool live;
};

struct mirrors;
// What it says is kept, not copied. NULL: no memory.
struct mirrors *mirrors_new(const struct mirrors_config *config);
bool mirrors_is_of(const struct mirror_to *to, const char *sink);
void mirrors_free(struct mirrors *x);
// A ring of struct mirrored to be polled; made here, freed with x. NULL: no memory.
struct rte_ring *mirrors_ring(struct mirrors *x);
// Opens the files that are not open yet; link_type: of the first frames. NULL, or the file of which errno speaks.
const char *mirrors_open(struct mirrors *x, uint16_t link_type);

// Takes what the rings have, and writes what is for places of the walk up to this one, with which everybody was done
// before the call. True: there was something.
bool mirrors_poll(struct mirrors *x, uint64_t limit);
// Everything that is here is written: a capture is over.
void mirrors_flush(struct mirrors *x);
// A file that could not be written, once for each, and why (errno); NULL: none.
const char *mirrors_failed(struct mirrors *x, int *error);
// A reader of ours went away.
bool mirrors_left(const struct mirrors *x);
// Writes what is buffered and closes; the first error as from mirrors_failed.
const char *mirrors_close(struct mirrors *x, int *error);

// Live, now and then: writes what is buffered, begins files anew that are full, and those again that failed.
void mirrors_tick(struct mirrors *x, uint16_t link_type);
// Of the i-th file since the start; from any thread.
struct mirror_counts {
	uint64_t frames, bytes, lost, errors;
	int error;    // the last one, as errno; 0: none
	bool failing; // nothing can be written now
};
void mirrors_counts(const struct mirrors *x, unsigned i, struct mirror_counts *to);

// What was copied for a sink.
struct mirror_sum {
	const char *sink, *file; // file NULL: nothing is copied for it
	uint64_t frames, bytes;
};
// i-th sink of the policies; false: no more.
bool mirrors_sum(const struct mirrors *x, unsigned i, struct mirror_sum *s);
