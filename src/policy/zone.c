// SPDX-License-Identifier: BSD-3-Clause
//
// Time zones as lists of offsets, so that the corridor can tell the time of day without the C library, which would
// take a lock and read files. From the system's TZif files (RFC 8536), their 64-bit part. What such a file says only as
// a rule for the years after its last transition (its footer; 2037 with Debian, whose files are written out until
// then) is not read.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/zone.h"

#include "path/rules.h"

#define TZIF_MAX (1 << 20)

static uint64_t be(const uint8_t *p, unsigned n)
{
	uint64_t v = 0;
	while (n--)
		v = v << 8 | *p++;
	return v;
}

static uint8_t *slurp(const char *name, size_t *len)
{
	char path[512];
	const char *folder = getenv("TZDIR");
	if (!*name || *name == '/' || strstr(name, "..") ||
	    snprintf(path, sizeof(path), "%s/%s", folder ? folder : "/usr/share/zoneinfo", name) >= (int)sizeof(path))
		return NULL;
	FILE *f = fopen(path, "rbe");
	uint8_t *p = f ? malloc(TZIF_MAX) : NULL;
	*len = p ? fread(p, 1, TZIF_MAX, f) : 0;
	if (f)
		fclose(f);
	return p;
}

struct tzif { // counts of a header, RFC 8536 3.1
	uint64_t isut, isstd, leap, time, type, chars;
};

static bool header(const uint8_t *p, size_t left, struct tzif *h)
{
	if (left < 44 || memcmp(p, "TZif", 4))
		return false;
	*h = (struct tzif){be(p + 20, 4), be(p + 24, 4), be(p + 28, 4), be(p + 32, 4), be(p + 36, 4), be(p + 40, 4)};
	return true;
}

static uint64_t block(const struct tzif *h, unsigned word)
{
	return h->time * (word + 1) + h->type * 6 + h->chars + h->leap * (word + 4) + h->isstd + h->isut;
}

uint32_t zone_load(const char *name, struct zone_offset **list)
{
	size_t len;
	uint8_t *p = slurp(name, &len);
	struct tzif h;
	uint32_t n = 0;
	*list = NULL;
	if (p && header(p, len, &h) && p[4] >= '2' && 44 + block(&h, 4) <= len) {
		size_t at = 44 + block(&h, 4);
		if (header(p + at, len - at, &h) && at + 44 + block(&h, 8) <= len && h.type) {
			const uint8_t *times = p + at + 44, *which = times + h.time * 8, *types = which + h.time;
			*list = calloc(h.time + 1, sizeof(**list));
			if (*list)
				(*list)[n++] = (struct zone_offset){INT64_MIN, (int32_t)be(types, 4)};
			for (uint64_t i = 0; *list && i < h.time; i++)
				if (which[i] < h.type)
					(*list)[n++] = (struct zone_offset){(int64_t)be(times + i * 8, 8),
									    (int32_t)be(types + which[i] * 6, 4)};
		}
	}
	free(p);
	return n;
}
