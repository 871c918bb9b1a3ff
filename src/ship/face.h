// SPDX-License-Identifier: BSD-3-Clause
//
// A face: how a record looks as words. Called on the shipper's thread only, one record after the other.
#pragma once

#include "ship/outlet.h"
#include "ship/ship.h"
#include "ship/text.h"

struct communityid; // ship/communityid.h

struct render {
	const struct ship_config *config;
	const struct ship_sink *sink;
	struct outlet out;
	struct communityid *communityid;
	struct text_clock clock;
	uint64_t seq;    // events shipped so far, for faces that number them
	uint64_t before; // frames of earlier captures
	void *state;     // the face's own
	// the captures of this world as given, plainly and as quoted JSON strings; one, but where they are joined
	struct render_path {
		char *plain, *json; // the latter with its quotes
		size_t json_len;
	} * paths;
	unsigned npaths;
};

// The capture that a frame (FRAME_OF of record.h) is of.
static inline const struct render_path *render_path(const struct render *r, uint64_t frame)
{
	static const struct render_path none = {"", "\"\"", 2};
	unsigned i = frame_capture(frame);
	return i < r->npaths ? &r->paths[i] : &none;
}

struct face {
	int (*open)(struct render *r);     // makes state; 0 or -errno
	void (*capture)(struct render *r); // another capture begins; r->paths are set
	void (*record)(struct render *r, const struct record *rec);
	void (*close)(struct render *r);
};

extern const struct face table_face, eve_face, facts_face, raw_face, ocsf_face;
