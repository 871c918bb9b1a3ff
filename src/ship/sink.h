// SPDX-License-Identifier: BSD-3-Clause
//
// One of the places where records go: its face, its outlet, what it could not take. Shipper's thread, but for the
// counters.
#pragma once

#include "ship/face.h"
#include "ship/file.h"

struct sink {
	struct ship_sink config;
	const struct face *face;
	struct render render;
	struct file file;
	struct sink_refused { // by worker: since when, and how many
		uint32_t first, last;
		uint64_t n;
	} * refused;
	bool refuses;
	_Atomic uint64_t records, lost; // lost: of records
};

// communityid: the shipper's. 0 or -errno.
int sink_open(struct sink *k, const struct ship_config *config, unsigned number, struct communityid *communityid);
void sink_close(struct sink *k);
// To its face, or counted; once it can be taken again a RECORD_GAP says what was not.
void sink_record(struct sink *k, const struct record *rec);
// Writes what there is. last: now or never.
void sink_flush(struct sink *k, bool last);
// A record that says that those of a worker from first to last are missing.
void sink_gap(struct sink *k, uint16_t worker, uint32_t first, uint32_t last, uint64_t n, bool ring, uint64_t time_ns);
