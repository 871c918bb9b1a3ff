// SPDX-License-Identifier: BSD-3-Clause
//
// A face: how a record looks as words. Called on the shipper's thread only, one record after the other.
#pragma once

#include "ship/outlet.h"
#include "ship/ship.h"
#include "ship/text.h"

struct communityid; // ship/communityid.h
struct record;

struct render {
	const struct ship_config *config;
	struct outlet out;
	struct communityid *communityid;
	struct text_clock clock;
	uint64_t seq;       // events shipped so far, for faces that number them
	uint64_t flow_base; // added to the flow ids of this capture
	void *state;        // the face's own
	// the capture as given, as a quoted JSON string and plainly
	char *path_json, *path;
	size_t path_json_len;
};

struct face {
	int (*open)(struct render *r);     // makes state; 0 or -errno
	void (*capture)(struct render *r); // another capture begins; r->path is set
	void (*record)(struct render *r, const struct record *rec);
	void (*close)(struct render *r);
};

extern const struct face table_face, eve_face, facts_face;
