// SPDX-License-Identifier: BSD-3-Clause
//
// What a face writes into: a large buffer before write(2) to a descriptor of the caller's, which is waited for
// (replay); or memory alone, out of which a sink takes each record's lines.
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
	int fd;              // -1: memory; taken by outlet_take
	int error;           // first errno; EPIPE is none
	_Atomic bool closed; // EPIPE: the reader went, which is nobody's fault
	bool over;           // after an error of write(2) nothing is written any more
	uint64_t lines, lost;
	_Atomic uint64_t bytes;
};

// 0 or -ENOMEM.
int outlet_open(struct outlet *o, int fd);
void outlet_close(struct outlet *o); // does not flush, does not close fd

// A writer with room for a line; put back by outlet_put, which counts a line. A line that did not fit is taken
// back (error EMSGSIZE), so that the file never holds half of one.
struct jsonl outlet_line(struct outlet *o);
void outlet_put(struct outlet *o, const struct jsonl *j);
void outlet_flush(struct outlet *o);
// Of memory: what was put since the last time, valid until the next line.
const char *outlet_take(struct outlet *o, size_t *len);
