// SPDX-License-Identifier: BSD-3-Clause
//
// What a face writes into: a large buffer before write(2), and one memory of what went wrong. A descriptor of the
// caller's is written until it fails, and waited for (replay); a file of its own is file.c's matter (live): what it
// does not take now stays in the buffer, and lines that find no room there are lost and counted.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ship/jsonl.h"

// What one line may take at most. A record is 32 KiB at most; a byte of it becomes 6 at most (\u001b), each of its
// at most 1,000 facts costs up to 200 bytes of names and repeated values, the rest is the head and the path.
#define OUTLET_LINE_MAX (512 * 1024)
#define OUTLET_WRITE (256 * 1024) // a write(2) when this much has gathered

struct outlet {
	char *base, *at, *end;
	int fd;
	struct file *file;   // instead of fd
	int error;           // first errno; EPIPE is none
	_Atomic bool closed; // EPIPE: the reader went, which is nobody's fault
	bool over;           // after an error of write(2) nothing is written any more
	uint64_t lines, lost;
	_Atomic uint64_t bytes;
};

// 0 or -ENOMEM.
int outlet_open(struct outlet *o, int fd, struct file *file);
void outlet_close(struct outlet *o); // does not flush, does not close fd

// A writer with room for a line; put back by outlet_put, which counts a line. A line that did not fit is taken
// back (error EMSGSIZE), so that the file never holds half of one.
struct jsonl outlet_line(struct outlet *o);
void outlet_put(struct outlet *o, const struct jsonl *j);
void outlet_flush(struct outlet *o);
// Is there room for a record's lines, once what can leave has left?
bool outlet_takes(struct outlet *o);
// Writes the rest, now or never; what does not go is lost.
void outlet_end(struct outlet *o);
