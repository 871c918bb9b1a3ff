// SPDX-License-Identifier: BSD-3-Clause
//
// The file that a face writes into: a large buffer before write(2), and one memory of what went wrong.
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
	int error;           // first errno; EPIPE is none
	_Atomic bool closed; // EPIPE: the reader went, which is nobody's fault
	bool over;           // after an error of write(2) nothing is written any more
	uint64_t lines, bytes;
};

// 0 or -ENOMEM.
int outlet_open(struct outlet *o, int fd);
void outlet_close(struct outlet *o); // does not flush, does not close fd

// A writer with room for a line; put back by outlet_put, which counts a line. A line that did not fit is taken
// back (error EMSGSIZE), so that the file never holds half of one.
struct jsonl outlet_line(struct outlet *o);
void outlet_put(struct outlet *o, const struct jsonl *j);
void outlet_flush(struct outlet *o);
