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

struct replayed_config {
	const char *policy, *shadow; // NULL: none
	char *const *guards;         // addresses
	unsigned nguards;
	struct judge_ear *ear; // hears its judge, in its own process; NULL: nobody
	char *const *captures;
	unsigned ncaptures;
	bool ends;  // ends of frames are wanted: replayed_end
	bool quiet; // its words on standard error are not wanted
};

// Starts it. NULL: errno says why.
struct replayed *replayed_start(const struct replayed_config *config);
// The next record, until the next call; capture: index of the one it is of. NULL: there is no more.
const struct record *replayed_record(struct replayed *r, unsigned *capture);
// The next end of a frame, in order of the frames, capture after capture (order begins anew at 1). To be asked when
// records are over. False: there is no more.
bool replayed_end(struct replayed *r, struct exits_end *e);
// Listens no more. What it exited with.
int replayed_stop(struct replayed *r);
