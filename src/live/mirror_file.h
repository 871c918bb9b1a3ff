// SPDX-License-Identifier: BSD-3-Clause
//
// One pcapng that copies go to: a file of replay's --mirror, or a sink of type `pcapng`. See mirror_file.c.
#pragma once

#include <pthread.h>

#include "base/capture_out.h"
#include "base/file.h"
#include "base/sink_counts.h"

// A file and what goes there.
struct mirror_to {
	const char *sink; // of rules, not ended; NULL: none
	size_t sink_len;
	bool others; // what no other file is for
	const char *file;
	const struct sink_config *as; // NULL: --mirror
};

struct mirror_file {
	const struct mirror_to *to;
	struct capture_out *out; // NULL: not open, or failed
	int error;               // of --mirror, as errno
	bool said;
	// what follows is a sink's
	bool wait; // nothing is lost to a slow reader
	struct file file;
	size_t rest;               // of a block whose beginning a pipe has had
	uint64_t pause_ns, due_ns; // when it is tried again
	uint64_t shown;            // errors of the file
	uint64_t tenants[SINK_LIST];
	pthread_mutex_t lock; // of what follows
	struct sink_counts counts;
};

void mirror_file_of(struct mirror_file *f, const struct mirror_to *to, bool wait);
// Of this tenant? A file of --mirror takes all.
bool mirror_file_takes(const struct mirror_file *f, uint64_t tenant);
// Where it is not open yet; link_type: of the first frames. 0 or -errno. A sink's file need not be there: see file.c.
int mirror_file_open(struct mirror_file *f, uint16_t link_type);
// frame NULL: it was lost on its way.
void mirror_file_put(struct mirror_file *f, const struct capture_record *frame, const char *const *comments,
		     unsigned n);
// Writes what is buffered; of a sink also what is due: rotated, reopened, tried again.
void mirror_file_flush(struct mirror_file *f);
// The same, and the end; error then says what was not written.
void mirror_file_close(struct mirror_file *f);
