// SPDX-License-Identifier: BSD-3-Clause
//
// The spool: what leaves stands here until every sink has passed it, on disk. One log of frames; segments of files,
// each frame with length, checksum and position (docs/durability.md has the picture).
//
// Threads: one shipper (spool_append, spool_meta, spool_segment), which only copies into memory and waits for nobody;
// one thread a sink, each with its reader; the spool's own, which write, flush, thin and delete. What a reader is given
// is durable already. What a sink acknowledged is durable when spool_ack returns.
//
// Positions: each frame but META has one, higher than that of the frame before it. There may be holes in positions
// (what was thinned, a new boot); what is missing of workers' seq is said by records of kind RECORD_GAP in the log.
// A cursor is the position of the first frame that its sink has not done with.
//
// Over its bound the spool loses the lowest class first. It never stops whoever appends, unless `wait` says so.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "record.h"

struct spool;
struct spool_reader;

// X(symbol, name): what goes first when not all can stay; those from STATE on never go.
#define SPOOL_CLASSES(X)                                                                                               \
	X(FLOW, "flow")                                                                                                \
	X(TRANSACTION, "transaction")                                                                                  \
	X(ALERT, "alert")                                                                                              \
	X(VERDICT, "verdict")                                                                                          \
	X(STATE, "state")                                                                                              \
	X(GAP, "gap")                                                                                                  \
	X(META, "meta")
enum spool_class {
#define X(symbol, name) SPOOL_##symbol,
	SPOOL_CLASSES(X)
#undef X
		SPOOL_CLASS_COUNT
};
#define SPOOL_LOSABLE SPOOL_STATE // classes below it
extern const char *const spool_class_names[SPOOL_CLASS_COUNT];

// X(symbol, name, help): why records are lost; tx_kind of a RECORD_GAP is one of enum gap_cause (record.h).
#define SPOOL_LOSSES(X)                                                                                                \
	X(BOUND, "bound", "over the spool's bound, or its disk was full")                                              \
	X(MEMORY, "memory", "could not be written for longer than memory lasts")                                       \
	X(DAMAGED, "damaged", "could not be read back")
enum spool_loss {
#define X(symbol, name, help) SPOOL_LOSS_##symbol,
	SPOOL_LOSSES(X)
#undef X
		SPOOL_LOSS_COUNT
};
extern const char *const spool_loss_names[SPOOL_LOSS_COUNT];

#define SPOOL_ERROR 512
#define SPOOL_META_MAX (64 * 1024)
#define SPOOL_STATE_MAX (16 * 1024)
#define SPOOL_SINKS 16
#define SPOOL_NAME_MAX 63 // of a sink: [A-Za-z0-9_.-], not first a dot

struct spool_config {       // strings are copied
	const char *path;   // its folder, made where there is none. NULL, "": in memory (memfd), gone with the process
	uint64_t max_bytes; // bound of all segments, 0: 1 GiB
	uint64_t segment_bytes; // 0: 64 MiB; at most an eighth of max_bytes
	uint64_t tail_bytes;    // memory between shipper and disk; 0: 64 MiB; rounded up to a power of 2
	uint64_t flush_bytes;   // written when so much waits, 0: 1 MiB
	unsigned flush_ms;      // or for so long, 0: 100
	const char *node;       // of frames that are written now
	uint64_t boot;
	const char *const *sinks; // names of those that will read; others' cursors hold nothing any more
	unsigned nsinks;
	unsigned workers;        // records' worker is below it
	bool wait;               // replay: nothing is lost, who appends waits for disk and sinks ...
	const _Atomic int *stop; // ... NULL, or until it is not 0
};

// Opens, or makes, and reads what is there; starts its threads. A sink without a cursor is given all there is. A disk
// that cannot be written now is no error: that is said in the log and tried again. NULL: another
// process has it, it is of a later version, its folder cannot be made or read: `error` says which.
struct spool *spool_open(const struct spool_config *config, char error[SPOOL_ERROR]);
// Writes what waits (a disk that does not take it: once more, then it is lost and said), ends the threads, frees.
// Readers are closed before it.
void spool_close(struct spool *s);

// What was left by boots that no later boot's record follows: by worker the last seq of which the spool has a record,
// or has a gap that names it. For the first record of this boot. Stays until spool_close.
struct spool_left {
	uint64_t boot;
	uint32_t seq;
	uint16_t worker;
	bool clean; // it was closed: nothing followed
};
const struct spool_left *spool_recovered(const struct spool *s, unsigned *n);

// ---- shipper's thread ----

// Of a record by itself: what it is and what was decided.
enum spool_class spool_class(const struct record *r);
// Copied. 0; -ENOBUFS: there is no room in memory, it is counted and a gap will say so. Memory keeps room for higher
// classes: a flow is refused before a verdict is.
int spool_append(struct spool *s, enum spool_class class, const struct record *r);
// What readers need to know to say a record: bytes under a key, which replace those of that key before; copied. Stands
// before the records that are appended after it. standing: repeated by the spool at the head of each segment until
// spool_meta_end; else it stands in this segment only (spool_segment says which that is). 0; -ENOBUFS; -EMSGSIZE.
int spool_meta(struct spool *s, uint64_t key, const void *bytes, uint32_t len, bool standing);
void spool_meta_end(struct spool *s, uint64_t key);
// The number of the segment that what is appended next goes to, up to and including one record; from 1, grows. What
// has not been told in this segment has to be told before a record that needs it.
uint64_t spool_segment(const struct spool *s);

// Any thread but a reader's: all that was appended before is durable. 0; -ETIMEDOUT.
int spool_flush_wait(struct spool *s, unsigned timeout_ms);

// ---- a sink's thread ----

struct spool_frame {
	uint64_t pos; // META: of the next frame that has one
	enum spool_class class;
	const char *node; // who wrote it, which start of it
	uint64_t boot;
	const struct record *record; // NULL: META
	uint64_t key;                // META
	const void *bytes;
	uint32_t len;
};

// One a name. state: what was given with the last spool_ack, into room for SPOOL_STATE_MAX bytes; *len 0: none. NULL:
// the name is not of spool_config.sinks, is taken, or there is no memory (errno).
struct spool_reader *spool_reader_open(struct spool *s, const char *name, void *state, uint32_t *len);
void spool_reader_close(struct spool_reader *r);
// The next frame; before the first of a segment, and after a seek, METAs. Valid until the next call. NULL: there was
// none in time, or spool_wake.
const struct spool_frame *spool_next(struct spool_reader *r, unsigned timeout_ms);
// Goes on with the first frame at pos or behind it: back to what is not acknowledged yet, or ahead.
void spool_seek(struct spool_reader *r, uint64_t pos);
// All before pos is done with; state (may be empty) replaces the one before. One write and one flush of the disk a
// call: call it for a batch. The cursor only grows; the same pos again keeps the new state. 0: it is durable; -errno:
// it is not, after a crash more will be given again; call it again later.
int spool_ack(struct spool_reader *r, uint64_t pos, const void *state, uint32_t len);
// Position of the cursor.
uint64_t spool_cursor(const struct spool_reader *r);
// From any thread: spool_next returns.
void spool_wake(struct spool_reader *r);

// ---- any thread ----

bool spool_in_memory(const struct spool *s);

struct spool_look {
	uint64_t bytes, max_bytes; // of all segments
	unsigned segments;
	uint64_t waits;            // bytes in memory, not durable yet
	uint64_t durable;          // position that the next durable frame will have at least
	uint64_t records;          // appended since the start
	uint64_t flushes, thinned; // thinned: segments rewritten
	uint64_t aside;            // files that were damaged at the start, and are not read
	uint64_t lost[SPOOL_LOSS_COUNT][SPOOL_LOSABLE];
	uint64_t lost_unknown; // damaged, class not known
	uint64_t errors;       // attempts to write, flush or thin that failed
	int error;             // the last one's errno, 0: none
	bool failing;          // nothing can be written now
	bool losing;           // within the last minute something was lost, over the bound or for want of memory
};
void spool_look(struct spool *s, struct spool_look *to);

struct spool_reader_look {
	uint64_t cursor, read; // acknowledged, given out (next position)
	uint64_t lost;         // since the start, of what it had yet to be given
	uint64_t behind_bytes; // of the segments from the cursor on, about
	uint64_t oldest_ns;    // wall clock when the first frame behind the cursor was written, to 1 s; 0: all is done
};
// By name, whether it is open or not. False: no such sink.
bool spool_look_sink(struct spool *s, const char *name, struct spool_reader_look *to);
