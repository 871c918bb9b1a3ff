// SPDX-License-Identifier: BSD-3-Clause
//
// What the naive interpreter leaves to others: the time of day to the C library, a regex to Hyperscan, one by one.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <hs/hs.h>

#include "naive.h"

bool naive_in_schedule(const struct schedule *s, uint64_t now_ns)
{
	time_t now = now_ns / 1000000000;
	struct tm tm;
	if (s->zone) {
		setenv("TZ", s->zone, 1);
		tzset();
	}
	(s->zone ? localtime_r : gmtime_r)(&now, &tm);
	unsigned minute = tm.tm_hour * 60 + tm.tm_min, today = (tm.tm_wday + 6) % 7, yesterday = (today + 6) % 7;
	if (s->from < s->to)
		return s->days >> today & 1 && minute >= s->from && minute < s->to;
	return (s->days >> today & 1 && minute >= s->from) || (s->days >> yesterday & 1 && minute < s->to);
}

static int on_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *found)
{
	*(bool *)found = true;
	return 0;
}

// Compiled once a test; the tests of the policies before are forgotten, 64 at a time.
bool naive_matches(const struct test *t, const struct fact_value *v)
{
	static struct {
		char text[64];
		hs_database_t *db;
	} known[64];
	static hs_scratch_t *scratch;
	char text[64];
	unsigned slot = 0;
	hs_compile_error_t *error;
	snprintf(text, sizeof(text), "%s%.*s", t->nocase ? "(?i)" : "", (int)t->operand.len, t->operand.p);
	for (const char *c = text; *c; c++)
		slot = slot * 31 + (uint8_t)*c;
	slot %= 64;
	if (strcmp(known[slot].text, text) || !known[slot].db) {
		hs_free_database(known[slot].db);
		if (hs_compile(text, HS_FLAG_SINGLEMATCH, HS_MODE_BLOCK, NULL, &known[slot].db, &error) != HS_SUCCESS ||
		    hs_alloc_scratch(known[slot].db, &scratch) != HS_SUCCESS)
			abort();
		strcpy(known[slot].text, text);
	}
	bool found = false;
	hs_scan(known[slot].db, (const char *)v->p, v->len, 0, scratch, on_match, &found);
	return found;
}
