// SPDX-License-Identifier: BSD-3-Clause
//
// A disk under the program that keeps what it was not asked to keep in a cache, and loses that with the power: between
// the spool and the C library (its calls are resolved here first). The folder holds what the process sees; beside it,
// in `shadow`, stands what would survive: contents as of their last fdatasync, names as of the folder's last fsync. An
// fdatasync that failed has dropped what it was to write, as Linux does: only what is written again is kept later. One
// that is slow keeps what was written before it began, and lets all other calls go on meanwhile.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// X(symbol): calls at which a process can be killed, before or after they are done.
#define DISK_CALLS(X)                                                                                                  \
	X(NONE)                                                                                                        \
	X(SEGMENT_CREATE)                                                                                              \
	X(SEGMENT_WRITE)                                                                                               \
	X(SEGMENT_SYNC) X(CURSOR_WRITE) X(CURSOR_SYNC) X(COPY_WRITE) X(COPY_SYNC) X(RENAME) X(UNLINK) X(FOLDER_SYNC)
enum disk_call {
#define X(symbol) DISK_##symbol,
	DISK_CALLS(X)
#undef X
		DISK_CALL_COUNT
};
extern const char *const disk_call_names[DISK_CALL_COUNT];

#define DISK_NAMES 512
struct disk_names {
	unsigned n;
	struct disk_name {
		char name[56];
		uint32_t serial;
	} name[DISK_NAMES];
};

// In memory that survives the process.
struct disk {
	char folder[128], shadow[128];
	enum disk_call kill;
	unsigned kill_at;
	bool kill_after;
	unsigned fault;         // one of so many calls fails; 0: none
	unsigned slow, slow_ms; // one of so many syncs of segments takes so long; 0: none
	uint64_t any;           // of faults
	unsigned calls[DISK_CALL_COUNT], faults;
	_Atomic unsigned slowed; // syncs that took long, begun
	bool killed;             // the process before ended so: what it had not asked to be kept is still not kept
	uint32_t serial;
	struct disk_names now, durable;
};

// The process's: from here on its calls are watched.
void disk_begin(struct disk *d);
// After its death. mixed: what was not asked to be kept is kept or not, by halves of a kilobyte.
void disk_power_lost(struct disk *d, bool mixed, uint64_t any);
