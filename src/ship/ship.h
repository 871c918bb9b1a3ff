// SPDX-License-Identifier: BSD-3-Clause
//
// The shipper: one thread that drains the workers' record rings, puts what they wrote into one order, and lets faces
// (table, eve, facts) render each record into sinks. Live, each worker's records go on as they were written; who lacks
// some finds a record of kind RECORD_GAP in their place, and nobody waits.
//
// Order (replay): (frame, flow_id, seq), whatever the number of workers. A worker writes a burst room by room, so its
// ring is not in order of frames. What is complete the watermark alone says: `*done` = f means "every record of frames
// <= f is in my ring" and is stored (release) after the records. A worker that has nothing to do must publish the frame
// up to which it has been given everything, else the others' records wait for it. It only grows within a capture. What
// path_drain writes carries the same frame on every worker, the capture's last, which no watermark has reached.
//
// Life: ship_start; for each capture { ship_capture; workers run; path_drain; }; ship_stop. The rings live longer
// than the shipper.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "record.h"

struct policy_names;
struct record_out;
struct ship;
struct spool;

enum ship_format { SHIP_TABLE, SHIP_EVE, SHIP_OCSF, SHIP_FACTS, SHIP_RAW };
#define SHIP_FORMATS 5
// "table", "eve", "ocsf", "facts": the values of --format; "raw" is for this program's own ears
extern const char *const ship_format_names[SHIP_FORMATS];

struct ship_source {
	struct record_out *ring;
	const _Atomic uint64_t *done; // watermark, see above
};

// Where a replay's records go.
struct ship_sink {
	enum ship_format format;
	int fd;            // written to, never closed
	bool verbose;      // -v: facts that were not asked for, and where each came from
	bool colour;       // table
	unsigned width;    // table: columns of the terminal; 0: nothing is cut
	const char *cloud; // ocsf: where this runs, provider/region/account; NULL or "": not known
};

struct ship_config {
	const struct ship_sink *sink; // copied; NULL: none
	struct spool *spool;          // NULL: none. What sinks read (deliver.h) is written there
	const char *node;             // eve: who writes; NULL: "replay"
	bool live;                    // no order, no watermarks
	bool starts;                  // spool: flows' starts too, which the face of facts alone shows
	uint64_t boot;                // eve: which start of it; 0 in replay, so that its output is the same each time
	bool renumber; // eve: seq counts the records as shipped, worker is 0 (replay: same for any number of workers)
	const char *const *ports; // eve: live, by number, the ports' names; they stay
	unsigned nports;
	struct ship_source *sources;
	unsigned nsources;
	// by version, from 1: what records' rules are called; none where there is no policy
	const struct policy_names *const *policies;
	unsigned npolicies;
	const struct policy_names *shadow; // of the second policy; NULL: `would` is by the first
};

// Colour and width for fd as it is: colour where it is a terminal and NO_COLOR is unset; COLUMNS, else the
// terminal's own width; 0 where it is none.
void ship_look(int fd, bool *colour, unsigned *width);

// Starts the thread. The sources and the strings are used until ship_stop. NULL: errno says why.
struct ship *ship_start(const struct ship_config *config);

// A capture begins, or several joined: `paths` are what facts say in "pcap" (copied); `before` is how many frames
// earlier captures had, which keeps flow ids apart. Call with the workers at rest (drained): returns when everything
// written so far has been rendered; watermarks may be set back to 0 after it, before it no longer.
void ship_capture(struct ship *s, const char *const *paths, unsigned npaths, uint64_t before);

// The reader of fd has gone (EPIPE): what follows is drained and thrown away, the program may as well
// end.
bool ship_closed(const struct ship *s);

struct ship_result {
	int error;             // first error of write(2), as errno; 0: all is written. EPIPE is no error, see closed
	bool closed;           // EPIPE
	uint64_t records;      // handed on
	uint64_t lines, bytes; // written
};

// Renders what is left (watermarks are not waited for: the workers are at rest), flushes, ends the thread, frees.
struct ship_result ship_stop(struct ship *s);
