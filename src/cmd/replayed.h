// SPDX-License-Identifier: BSD-3-Clause
//
// A replay that another verb listens to: the same walk as `sluice replay`, in a process of its own, whose records (and,
// where asked for, ends of frames) come back here.
#pragma once

#include <stdbool.h>

#include "record.h"
#include "replay_exits.h"

struct replayed;
struct judge_ear;

// Fail modes, in words.
#define REPLAYED_FAILS 32
struct replayed_fails {
	char *words[REPLAYED_FAILS]; // KEY=VALUE
	unsigned n;
};
// One more. NULL: it is taken; else what is wrong with it, "": it is no KEY=VALUE, or one too many.
const char *replayed_fail(struct replayed_fails *f, const char *text);

struct replayed_config {
	const char *policy, *shadow; // NULL: none
	char *const *swaps;          // --policy-at
	unsigned nswaps;
	char *const *guards; // addresses
	unsigned nguards;
	const struct replayed_fails *fails;
	struct judge_ear *ear; // hears its judge, in its own process; NULL: nobody
	char *const *captures;
	unsigned ncaptures;
	bool ends;  // ends of frames are wanted
	bool quiet; // its words on standard error are not wanted
};

// Starts it. NULL: errno says why.
struct replayed *replayed_start(const struct replayed_config *config);

enum replayed_what { REPLAYED_RECORDS = 1 << 0, REPLAYED_ENDS = 1 << 1 };
// Waits until some of n replays has more of what is wanted of it (enum replayed_what, as bits). False: there is no more
// of any of it.
bool replayed_wait(struct replayed *const *list, const unsigned *wanted, unsigned n);
// The next record that has come, until the next wait; capture: index of the one it is of. NULL: there is none yet.
const struct record *replayed_record(struct replayed *r, unsigned *capture);
void replayed_record_done(struct replayed *r, const struct record *rec);
// The same of ends of frames, in order of the frames. An order of 0 ends a capture; in the next it begins anew at 1.
const struct exits_end *replayed_end(const struct replayed *r);
void replayed_end_done(struct replayed *r);
// Nothing more will come than what has.
bool replayed_over(const struct replayed *r, enum replayed_what what);
// Listens no more. What it exited with.
int replayed_stop(struct replayed *r);
