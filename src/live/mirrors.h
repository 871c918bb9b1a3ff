// SPDX-License-Identifier: BSD-3-Clause
//
// Where copies of mirror rules end: pcapng files, each frame with a comment that says why it is there.
#pragma once

#include "live/mirror_file.h"
#include "policy_names.h"

#define MIRROR_OPTIONS 16 // of --mirror
#define MIRROR_FILES 32   // and sinks

struct mirrors_config {
	const struct mirror_to *to; // of two for the same sink the first has it
	unsigned nto;
	const char *const *sinks; // that are summed: those of the policies of a replay
	unsigned nsinks;
	const struct policy_names *const *names; // by version, from 1
	unsigned nnames;
	bool live; // one place in the walk says nothing of other workers, and nobody is waited for
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

// Live, now and then: writes what is buffered, and what else is due.
void mirrors_tick(struct mirrors *x);
// Names of sinks' files may be others' now (logrotate). From any thread, as what follows.
void mirrors_reopen(struct mirrors *x);
// Of the sink of this name. False: it is none of these.
bool mirrors_counts(struct mirrors *x, const char *sink, struct sink_counts *to);

// What was copied for a sink.
struct mirror_sum {
	const char *sink, *file; // file NULL: nothing is copied for it
	uint64_t frames, bytes;
};
// i-th sink of the policies; false: no more.
bool mirrors_sum(const struct mirrors *x, unsigned i, struct mirror_sum *s);
