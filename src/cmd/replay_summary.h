// SPDX-License-Identifier: BSD-3-Clause
//
// What a replay came to: the ledger and all that was counted, in words for eyes or as JSON.
#pragma once

#include <stdio.h>

#include "base/capture.h"
#include "base/senders.h"
#include "replay_policy.h"

struct outcome { // of one capture
	const char *path;
	uint64_t frames;
	char error[CAPTURE_ERROR_MAX]; // "": read to its end
};

#define SUMMARY_SENDERS 1000 // that are listed; all are counted

struct offloader {
	struct sender sender;
	unsigned outcome; // index of the capture
};

struct mirrors;

struct summary {
	uint64_t rx, own, tx, kernel, mirrored, held, rx_bytes, tx_bytes;
	bool fast;                         // --fast-path:
	uint64_t settled, settled_dropped; // frames that went by
	uint64_t drops[REASON_COUNT], counters[COUNTER_COUNT], anomalies[ANOMALY_COUNT];
	uint64_t records;
	uint64_t kept_bytes, kept_most; // arenas of kept facts, and how much of them was in use
	unsigned mbufs_in_use;
	double seconds;
	const struct replay_policies *policies; // NULL: there were none
	const struct mirrors *mirrors;
	const struct fail_modes *fail;
	const struct outcome *outcomes;
	unsigned noutcomes;
	uint64_t noffloaders; // found
	struct offloader offloaders[SUMMARY_SENDERS];
};

// Adds up the workers.
void summary_add(struct summary *s, const struct crew *c);
// What was decided by policies, by all workers.
void summary_policy(struct summary *s, struct replay_policies *p);
// Remembers who offloads in a capture.
void summary_senders(struct summary *s, const struct senders *senders, unsigned outcome);
// False: the ledger does not hold, frames are held or mbufs are in use: a bug, which is said.
bool summary_sound(const struct summary *s);
void summary_words(const struct summary *s, FILE *out, bool colour);
// 0 or -errno.
int summary_json(const struct summary *s, FILE *out);

// path or text as it may be shown: harmful and broken bytes as \xHH. Returns buf.
const char *summary_printable(const char *text, char *buf, size_t len);
