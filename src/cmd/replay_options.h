// SPDX-License-Identifier: BSD-3-Clause
//
// What a replay was asked to do: one table of options, used for parsing and for --help.
#pragma once

#include "base/fail.h"
#include "live/mirrors.h"
#include "replay_policy.h"

#define WORKERS_MAX 32
#define SETS_MAX 32

struct options {
	char **paths;
	unsigned npaths;
	const char *out;     // records; "-": standard output
	const char *write;   // -w
	const char *summary; // NULL: words on standard error
	const char *trace;
	const char *config; // -c: whose sinks get the records; NULL: none
	const char *sets[SETS_MAX];
	unsigned nsets;          // --set, over it
	const char *policy;      // -p; NULL: none
	struct guard guard;      // --guard
	const char *shadow;      // --shadow; NULL: none
	struct policy_at *swaps; // --policy-at, as given; free it
	unsigned nswaps;
	struct mirror_to mirrors[MIRROR_FILES]; // --mirror, as given, then -c's sinks for frames
	unsigned nmirrors, nsinks;              // nsinks: of these
	uint32_t before_frames;
	int ends; // descriptor for ends of frames, see replayed.h; 0: none
	uint32_t payload_depth;
	enum ship_format format;
	bool verbose, join;
	uint32_t fast_path; // frames of a direction before it may settle; 0: nothing settles
	double speed;       // 0: as fast as it goes, 1: as it was, X: so many times faster
	unsigned workers;
	uint32_t transports, flows;
	uint32_t hold_bytes, held_frames, kept_bytes;
	uint64_t hold_ns;
	struct fail_modes fail;
	char wrong[FAIL_SAY]; // what is wrong with a value, in more words than its option has; "": nothing
	enum checksum_mode checksum;
	uint64_t seed;
};

// Is this one of the captures?
bool options_is_input(const struct options *o, const char *out);
// -1: go on with a replay; else the exit code (help was asked for, or a mistake was said).
int options_parse(int argc, char **argv, struct options *o);
