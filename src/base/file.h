// SPDX-License-Identifier: BSD-3-Clause
//
// A sink's file while the appliance runs: rotated, reopened, and tried again when it cannot be written. See file.c.
// What stands in it are lines, or units of another kind that whoever writes it knows.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct file_config {
	const char *path;      // "-": standard output
	uint64_t rotate_bytes; // 0: never
	uint64_t rotate_s;     // 0: never
	unsigned keep;         // earlier files that stay; 0: all
	size_t unit_max;       // bytes of the longest line
	// For other units than lines. The rest: NULL, and a file that is there is written on. Else it is put away, and
	// a new one begins with head(arg).
	size_t (*whole)(const uint8_t *units, size_t n); // so many of these bytes are whole units
	const uint8_t *(*head)(const void *arg, size_t *n);
	const void *arg;
};

// Set by its thread, read by anybody.
struct file {
	struct file_config config;
	int fd; // -1: it cannot be opened now
	bool regular;
	uint64_t size, period; // bytes in it; which stretch of rotate_s it is of
	size_t head;           // of these, what a new one begins with
	bool begun;            // that is there
	uint64_t stamp_us;     // of the last one that was put away
	uint64_t tried_us;     // when something went wrong
	unsigned said;         // what has been said to be wrong, and is
	_Atomic bool again;    // its name may be another file's now
	_Atomic uint64_t errors, rotations;
	_Atomic int error;    // the last one's errno
	_Atomic bool failing; // nothing can be written now
};

void file_open(struct file *f, const struct file_config *config);
void file_close(struct file *f);
// Has something gone wrong since *shown that leaves it written, under whatever name it has? Then why it did.
bool file_trouble(const struct file *f, uint64_t *shown, char *why, size_t room);
// Lines (units) to its end. How many bytes were taken; of what is left over it is asked again later. Also without any
// now and then, for what is due. last: now or never.
size_t file_write(struct file *f, const void *lines, size_t n, bool last);
