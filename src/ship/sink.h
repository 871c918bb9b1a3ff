// SPDX-License-Identifier: BSD-3-Clause
//
// One of the places where records go, as its kind sees it (sink_file.c, sink_kafka.c, ...). Each has a thread of its
// own, on which all of this is called; what happens to one harms no other. See deliver.c.
//
//   spool -> filter, redact, face -> kind.put -> the place -> sink_acked -> cursor
#pragma once

#include "ship/face.h"
#include "sink_config.h"

struct sink;

// A record on its way. Valid during the call.
struct sink_item {
	uint64_t at, end; // its place in the spool, and what is acknowledged when it has arrived
	const struct record *record;
	const char *text; // its line or lines by the sink's face, each ends in '\n'
	size_t len;
	const char *node; // who wrote it, which may be an earlier start
	uint64_t boot;
};

enum sink_took {
	SINK_TOOK,   // taken; sink_acked says when it has arrived
	SINK_BUSY,   // no room now: given again within milliseconds
	SINK_DOWN,   // sink_fails was called: given again after a pause that grows
	SINK_REFUSED // never, for what it is: why stands in k->refusal; goes to error(), or is counted alone
};

struct sink_kind {
	const char *name;
	size_t size; // of k->own, zeroed
	// 0 or -errno: no memory, nonsense. The far end need not be there: that is put's and idle's matter.
	int (*open)(struct sink *k);
	enum sink_took (*put)(struct sink *k, const struct sink_item *item);
	// At least each SINK_IDLE_MS, and when nothing more has come: what is due. False: it is down.
	bool (*idle)(struct sink *k);
	// The end nears: pushes out what was put. True: all of it has been acknowledged.
	bool (*drain)(struct sink *k);
	void (*error)(struct sink *k, const struct sink_item *item); // NULL: it has no error place
	void (*reopen)(struct sink *k);                              // SIGHUP; NULL
	void (*close)(struct sink *k);
};
#define SINK_IDLE_MS 50
extern const struct sink_kind *const sink_kinds[SINK_TYPE_COUNT]; // NULL: not built in

struct sink {
	const struct sink_config *config;
	void *own;
	char refusal[SINK_TEXT];
	// what the cursor brought: S3's cuts. Written with the next sink_acked.
	uint8_t *state;
	size_t state_len;
	struct delivery *delivery; // deliver.c's
};

// All before `end` has arrived. The cursor follows within SINK_CURSOR_MS, now: before this returns. True: cursor and
// state are on the disk.
bool sink_acked(struct sink *k, uint64_t end, bool now);
#define SINK_CURSOR_MS 500
// What was put and has not arrived is lost on its way (a producer that was made anew, a file that could not be synced):
// it is given again, from what was acknowledged last on. Within put or idle; put's own item is given again with it.
void sink_rewind(struct sink *k);
// What stands beside the cursor (at most SPOOL_STATE_MAX bytes) is this from the next sink_acked on.
int sink_state(struct sink *k, const void *state, size_t len);
// Its place takes nothing, takes again: said in the log once, shown by `show sinks` with since when.
void sink_fails(struct sink *k, const char *why, ...) __attribute__((format(printf, 2, 3)));
void sink_works(struct sink *k);
// Something is wrong, and it goes on all the same: counted, and shown as its last error.
void sink_troubled(struct sink *k, const char *why);
// So long its place may be waited for: at the end no longer than the drain.
int sink_wait(struct sink *k, int most_ms);
// Bytes that went there.
void sink_sent(struct sink *k, uint64_t bytes);
