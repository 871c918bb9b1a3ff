// SPDX-License-Identifier: BSD-3-Clause
//
// Patterns of one named buffer made one Hyperscan database. Literals go in as literals written in hex, which Hyperscan
// takes for what they are and searches with its literal matchers; so one scan of a buffer does for both kinds. Tried
// and rejected: a second database made by hs_compile_lit_multi, which costs a second scan of each value.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <hs/hs.h>

#include "policy/cache.h"
#include "policy/compile.h"
#include "policy/regex.h"
#include "base/clock.h"
#include "policy/scan.h"

static char *expression(const struct scan_pattern *s)
{
	char *text = malloc(s->len * 4 + 8), *at = text;
	if (!text)
		return NULL;
	if (s->kind == SCAN_REGEX) {
		memcpy(text, s->p, s->len);
		text[s->len] = 0;
		return text;
	}
	if (s->kind == SCAN_PREFIX)
		*at++ = '^';
	for (uint32_t i = 0; i < s->len; i++)
		at += sprintf(at, "\\x%02x", s->p[i]);
	strcpy(at, s->kind == SCAN_SUFFIX ? "\\z" : "");
	return text;
}

static hs_database_t *compile(char *const *text, const unsigned *flags, const unsigned *ids, uint32_t n, unsigned mode,
			      uint32_t *bad, char *error, size_t size)
{
	hs_database_t *db = NULL;
	hs_compile_error_t *e = NULL;
	if (hs_compile_multi((const char *const *)text, flags, ids, n, mode, NULL, &db, &e) == HS_SUCCESS)
		return db;
	*bad = e && e->expression >= 0 ? (uint32_t)e->expression : 0;
	snprintf(error, size, "%s", e ? e->message : "no memory");
	hs_free_compile_error(e);
	return NULL;
}

// A database made anew is kept. What makes the next start slow is said, once it was slow.
static void keep(const struct hs_database *db, const struct cache_key *key, const struct compile_options *o,
		 bool damaged, uint64_t took_ns)
{
	char path[CACHE_PATH], text[CACHE_PATH + 128];
	int rc = cache_put(o->cache, key, db);
	cache_path(o->cache, key, path);
	if (rc && took_ns >= o->slow_ns)
		snprintf(text, sizeof(text), "cannot write %s: %s; every start compiles anew", o->cache, strerror(-rc));
	else if (damaged)
		snprintf(text, sizeof(text), rc ? "cache %s is damaged, compiled anew" : "cache %s is damaged, rebuilt",
			 path);
	else
		return;
	if (o->warn)
		o->warn(text);
}

struct hs_database *scan_database(const struct scan_pattern *list, uint32_t n, uint32_t first, bool stream,
				  const struct compile_options *o, uint32_t *bad, char *error, size_t size)
{
	hs_database_t *db = NULL;
	unsigned mode = stream ? HS_MODE_STREAM : HS_MODE_BLOCK;
	char **text = calloc(n, sizeof(*text));
	unsigned *flags = calloc(n, sizeof(*flags)), *ids = calloc(n, sizeof(*ids));
	bool whole = text && flags && ids;
	for (uint32_t i = 0; whole && i < n; i++) {
		text[i] = expression(&list[i]);
		whole = text[i] != NULL;
		flags[i] = regex_flags(list[i].nocase) | HS_FLAG_SINGLEMATCH;
		ids[i] = first + i;
	}
	*bad = 0;
	snprintf(error, size, "no memory");
	if (whole) {
		struct cache_key key = cache_key(text, flags, n, mode);
		bool damaged = false;
		db = o->cache ? cache_get(o->cache, &key, &damaged) : NULL;
		if (!db) {
			uint64_t begun = clock_ns(CLOCK_MONOTONIC);
			db = compile(text, flags, ids, n, mode, bad, error, size);
			if (db && o->cache)
				keep(db, &key, o, damaged, clock_ns(CLOCK_MONOTONIC) - begun);
		}
	}
	for (uint32_t i = 0; text && i < n; i++)
		free(text[i]);
	free(text);
	free(flags);
	free(ids);
	return db;
}
