// SPDX-License-Identifier: BSD-3-Clause
//
// What differs between two replays of the same captures: matched by flow and transaction, grouped by what became what.
#pragma once

#include <stdio.h>

#include "policy/policy.h"
#include "record.h"

enum diff_side { DIFF_OLD, DIFF_NEW };

struct diff_policy {
	const char *file;
	const struct policy *policy;
};

struct diff_changes;

struct diff_changes *diff_changes_new(const struct diff_policy policies[2], char *const *captures);
void diff_changes_free(struct diff_changes *d);
// A record of one side. Those that are no verdict of a flow or transaction are passed over.
void diff_changes_record(struct diff_changes *d, enum diff_side side, unsigned capture, const struct record *rec);
// Both sides are through with a capture: what only one has is a change.
void diff_changes_capture(struct diff_changes *d);
// A frame leaves on one side only.
struct exits_end;
void diff_changes_frame(struct diff_changes *d, unsigned capture, const struct exits_end *was,
			const struct exits_end *is);
// How many there were on both sides, and on one.
void diff_changes_frames(struct diff_changes *d, uint64_t compared, uint64_t alone);
// How many changed.
uint64_t diff_changes_count(const struct diff_changes *d);

void diff_changes_words(struct diff_changes *d, FILE *out, bool colour);
int diff_changes_json(struct diff_changes *d, FILE *out);
