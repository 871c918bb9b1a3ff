// SPDX-License-Identifier: BSD-3-Clause
//
// Where copies of mirror rules end: pcapng files, each frame with a comment that says why it is there.
#pragma once

#include <stdio.h>

#include "base/capture_out.h"
#include "policy_names.h"

#define MIRROR_FILES 16

// --mirror
struct mirror_to {
	const char *sink; // not ended; NULL: of all rules that no other file is named for
	size_t sink_len;
	const char *file;
};

struct mirrors;
struct options;
struct path_config;
struct replay_policies;

// What workers need for it, into their configuration. False: a sink is named that no rule of any policy has, which was
// said.
bool mirrors_plan(const struct options *o, const struct replay_policies *p, struct path_config *config);
// What both say is kept, not copied. NULL: no memory.
struct mirrors *mirrors_new(const struct options *o, const struct replay_policies *p);
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

// What was copied for a sink.
struct mirror_sum {
	const char *sink, *file; // file NULL: nothing is copied for it
	uint64_t frames, bytes;
};
// i-th sink of the policies; false: no more.
bool mirrors_sum(const struct mirrors *x, unsigned i, struct mirror_sum *s);
