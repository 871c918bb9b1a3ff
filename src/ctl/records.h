// SPDX-License-Identifier: BSD-3-Clause
//
// Where records go, as a configuration has it: the spool and its sinks, opened and closed together. By the program's
// thread; `run` and `replay -c` use it. Sinks of frames are copies.c's.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct config;
struct deliver;
struct spool;

struct records {
	struct spool *spool; // NULL: the configuration has no sinks for records
	struct deliver *deliver;
};

struct records_writer {
	uint64_t boot;
	unsigned workers;        // records' worker is below it
	bool wait;               // whoever writes waits for the disk and the sinks (replay) ...
	const _Atomic int *stop; // ... until it is not 0
};

// Does a sink show flows' starts? Workers need not write them else.
bool records_starts(const struct config *c);
// 0, or -errno after it was said.
int records_open(struct records *r, const struct config *c, const struct records_writer *by);
// That the spool could not keep for want of room.
uint64_t records_lost(const struct records *r);
// Files of the spool that were damaged at the start, and whose they were is not known.
unsigned records_aside(const struct records *r);
// Nobody writes any more. What was written is flushed, and handed on until the deadline (CLOCK_MONOTONIC); the rest
// stays in the spool. True: nothing stays.
bool records_close(struct records *r, uint64_t deadline_ns);
