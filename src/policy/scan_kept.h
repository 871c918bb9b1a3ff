// SPDX-License-Identifier: BSD-3-Clause
//
// Patterns of one named buffer with the database that was made of them, shared by the rule sets that use it. See
// scan_kept.c.
#pragma once

#include "policy/scan.h"

#define SCAN_NONE UINT32_MAX
#define SCAN_MORE                                                                                                      \
	64 // patterns that a second, small database may have, or a quarter of the large one's; of more a new
	   // large one is made

// A field, or one header of it.
struct scan_name {
	uint8_t field;
	const uint8_t *p;
	uint32_t len;
};

struct scan_kept;
// In the making: empty, of the caller alone. Patterns are numbered from `first` on.
struct scan_kept *scan_kept_new(const struct scan_name *name, uint32_t first);
// The pattern's number, where it is there; else SCAN_NONE.
uint32_t scan_kept_find(const struct scan_kept *k, const struct scan_pattern *s);
// The same; where it was not there it is now. Not once it is compiled.
uint32_t scan_kept_add(struct scan_kept *k, const struct scan_pattern *s);
uint32_t scan_kept_patterns(const struct scan_kept *k);
const struct scan_pattern *scan_kept_pattern(const struct scan_kept *k, uint32_t i); // from 0
// Makes its databases: for whole values, and for what comes in pieces where `stream`. As scan_database; *bad counts
// from 0.
bool scan_kept_compile(struct scan_kept *k, bool stream, const struct compile_options *o, uint32_t *bad, char *error,
		       size_t size);
struct hs_database *scan_kept_database(const struct scan_kept *k, bool stream);
struct scan_kept *scan_kept_hold(struct scan_kept *k);
// The last who lets go frees it; NULL is none.
void scan_kept_let_go(struct scan_kept *k);

// Large databases that were made, one a buffer, for the rule sets that come. Any thread.
struct scan_store;
struct scan_store *scan_store_new(void);
void scan_store_free(struct scan_store *s);
// Held; NULL: none.
struct scan_kept *scan_store_get(struct scan_store *s, const struct scan_name *name);
// What it had of that buffer is forgotten.
void scan_store_put(struct scan_store *s, struct scan_kept *k);
// A rule set in force uses these of the large one (bits), and some more: what the next large one is to be made of.
void scan_store_wish(struct scan_store *s, struct scan_kept *base, const uint64_t *used, struct scan_kept *more);
// Makes what is wished for, on the caller's thread, as long as that takes; rule sets may be compiled meanwhile. How
// many it made.
unsigned scan_store_merge(struct scan_store *s, const struct compile_options *o);
