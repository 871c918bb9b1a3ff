// SPDX-License-Identifier: BSD-3-Clause
//
// How far the requests of each partition are answered. See progress.c.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROGRESS_OPEN 8192 // requests of a partition that wait for their decision's delivery

struct progress_open {
	int64_t offset;
	uint64_t deadline_ms; // CLOCK_REALTIME; 0: none
	uint64_t taken_ns;
	bool done;
};

struct progress {
	int32_t partition;
	bool owned;
	int64_t next;        // below it all is answered; -1: not known yet
	int64_t seen;        // the last one that was taken; -1: none
	int64_t known_below; // what is below was answered by somebody; only its ids are wanted
	int64_t again_below; // what is below may have been answered by who had the partition before
	int64_t committed;   // what the broker knows
	bool left_clean;     // we had it last, and left nothing open
	uint32_t first, n;   // of the ring, counted from the start
	struct progress_open open[PROGRESS_OPEN];
};

// A place in a ring, in 64 bits; what it is about may be gone when it is used. 0: there is no room.
uint64_t progress_take(struct progress *p, unsigned index, int64_t offset, uint64_t deadline_ms, uint64_t now_ns);
unsigned progress_index(uint64_t token);
// NULL: it is none of this ownership's any more.
struct progress_open *progress_at(struct progress *p, uint64_t token);
// It is answered, or needs no answer.
void progress_done(struct progress *p, uint64_t token);
// Nobody here is to answer what is open; tokens of it are void.
void progress_begin(struct progress *p);
