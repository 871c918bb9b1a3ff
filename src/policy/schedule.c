// SPDX-License-Identifier: BSD-3-Clause
//
// Times as policies write them: days and hours in a zone, and instants of RFC 3339. Off the path; no clock is read.
#include "schedule.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/word.h"

static const char *const days[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
static const char *const keys[] = {"days", "from", "to", "zone"};

// "mon", "mon-fri", "sat-mon" (over the week's end). 0: none.
static uint8_t day_range(const char *p, size_t len)
{
	uint8_t bits = 0;
	if (len != 3 && (len != 7 || p[3] != '-'))
		return 0;
	unsigned from = word_find(days, 7, p, 3), to = len == 7 ? word_find(days, 7, p + 4, 3) : from;
	if (from == 7 || to == 7)
		return 0;
	for (unsigned d = from;; d = (d + 1) % 7) {
		bits |= (uint8_t)(1u << d);
		if (d == to)
			return bits;
	}
}

// Ranges with commas between.
static uint8_t day_list(const char *p, size_t len)
{
	uint8_t bits = 0;
	for (const char *end = p + len; p < end;) {
		const char *comma = memchr(p, ',', (size_t)(end - p)), *stop = comma ? comma : end;
		while (p < stop && *p == ' ')
			p++;
		uint8_t some = day_range(p, (size_t)(stop - p));
		if (!some || (comma && comma + 1 == end))
			return 0;
		bits |= some;
		p = comma ? comma + 1 : end;
	}
	return bits;
}

static bool read_days(struct reading *r, uint32_t node, struct schedule *s)
{
	struct doc *d = &r->doc;
	s->days = 0;
	if (d->node[node].type == DOC_ARRAY) {
		for (uint32_t i = doc_first(d, node); i < doc_end(d, node); i = doc_next(d, i)) {
			struct doc_span t = doc_string(d, i);
			uint8_t bits = d->node[i].type == DOC_STRING ? day_range(t.p, t.len) : 0;
			if (!bits)
				return reading_wrong(r, i, "no day: mon, tue, wed, thu, fri, sat, sun, or mon-fri");
			s->days |= bits;
		}
	} else if (d->node[node].type == DOC_STRING) {
		struct doc_span t = doc_string(d, node);
		s->days = day_list(t.p, t.len);
	}
	return s->days || reading_wrong(r, node, "days are expected, as \"mon-fri\" or \"mon,wed,sat-sun\"");
}

// "08:00"; 24:00 is the end of a day.
static bool read_minutes(struct reading *r, uint32_t node, bool end, uint16_t *out)
{
	struct doc_span s = doc_string(&r->doc, node);
	unsigned v[4] = {0};
	bool good = r->doc.node[node].type == DOC_STRING && s.len == 5 && s.p[2] == ':';
	for (unsigned i = 0, at = 0; i < 4 && good; i++, at += at == 1 ? 2 : 1) {
		good = s.p[at] >= '0' && s.p[at] <= '9';
		v[i] = (unsigned)(s.p[at] - '0');
	}
	unsigned minutes = (v[0] * 10 + v[1]) * 60 + v[2] * 10 + v[3];
	if (!good || v[2] > 5 || minutes > (end ? 1440 : 1439))
		return reading_wrong(r, node, "a time of day is expected, as \"08:00\"");
	*out = (uint16_t)minutes;
	return true;
}

static bool read_zone(struct reading *r, uint32_t node, struct schedule *s)
{
	char path[512];
	const char *folder = getenv("TZDIR");
	s->zone = reading_text(r, node, 128);
	if (!s->zone)
		return false;
	if (!strcmp(s->zone, "UTC")) {
		s->zone = NULL;
		return true;
	}
	snprintf(path, sizeof(path), "%s/%s", folder ? folder : "/usr/share/zoneinfo", s->zone);
	if (*s->zone == '/' || strstr(s->zone, "..") || access(path, R_OK) < 0)
		return reading_wrong(r, node,
				     "unknown zone \"%s\": a name of the tz database is expected, as \"Europe/Berlin\"",
				     s->zone);
	return true;
}

struct schedule *schedule_read(struct reading *r, uint32_t node)
{
	struct doc *d = &r->doc;
	if (!reading_expect(r, node, DOC_OBJECT, "an object with days, from, to, zone"))
		return NULL;
	struct schedule *s = arena_take(r->arena, sizeof(*s));
	*s = (struct schedule){.days = 0x7f, .to = 1440};
	bool good = true;
	for (uint32_t i = doc_first(d, node); i < doc_end(d, node); i = doc_next(d, i)) {
		struct doc_span key = doc_string(d, d->node[i].key);
		switch (word_find(keys, 4, key.p, key.len)) {
		case 0:
			good &= read_days(r, i, s);
			break;
		case 1:
			good &= read_minutes(r, i, false, &s->from);
			break;
		case 2:
			good &= read_minutes(r, i, true, &s->to);
			break;
		case 3:
			good &= read_zone(r, i, s);
			break;
		default:
			good = reading_unknown(r, d->node[i].key, "key of a time",
					       reading_near(r, keys, 4, key.p, key.len));
		}
	}
	if (good && s->from == s->to)
		good = reading_wrong(r, node, "a time that is empty: from and to are the same");
	return good ? s : NULL;
}

static bool digits(const char *p, unsigned n, unsigned *out)
{
	*out = 0;
	for (unsigned i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return false;
		*out = *out * 10 + (unsigned)(p[i] - '0');
	}
	return true;
}

// RFC 3339 5.6: date-time, with its zone. Leap seconds are the second before.
bool schedule_instant(const char *p, uint32_t len, uint64_t *ns)
{
	static const unsigned month_days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	unsigned y, mo, d, h, mi, s, zh = 0, zm = 0;
	uint64_t fraction = 0, unit = 100000000;
	uint32_t at = 19;
	if (len < 20 || !digits(p, 4, &y) || p[4] != '-' || !digits(p + 5, 2, &mo) || p[7] != '-' ||
	    !digits(p + 8, 2, &d) || ((p[10] | 0x20) != 't' && p[10] != ' ') || !digits(p + 11, 2, &h) ||
	    p[13] != ':' || !digits(p + 14, 2, &mi) || p[16] != ':' || !digits(p + 17, 2, &s))
		return false;
	if (y < 1970 || y > 2400 || mo < 1 || mo > 12 || d < 1 || d > month_days[mo - 1] || h > 23 || mi > 59 || s > 60)
		return false;
	if (mo == 2 && d == 29 && (y % 4 || (y % 100 == 0 && y % 400)))
		return false;
	if (p[at] == '.') {
		for (at++; at < len && p[at] >= '0' && p[at] <= '9'; at++, unit /= 10)
			fraction += (uint64_t)(p[at] - '0') * unit;
	}
	bool zulu = at + 1 == len && (p[at] | 0x20) == 'z';
	bool offset = at + 6 == len && (p[at] == '+' || p[at] == '-') && digits(p + at + 1, 2, &zh) &&
		      p[at + 3] == ':' && digits(p + at + 4, 2, &zm) && zh < 24 && zm < 60;
	if (!zulu && !offset)
		return false;
	struct tm tm = {.tm_year = (int)y - 1900,
			.tm_mon = (int)mo - 1,
			.tm_mday = (int)d,
			.tm_hour = (int)h,
			.tm_min = (int)mi,
			.tm_sec = (int)(s == 60 ? 59 : s)};
	int64_t t = timegm(&tm), shift = (int64_t)(zh * 3600 + zm * 60);
	t += offset && p[at] == '+' ? -shift : shift;
	if (t <= 0)
		return false;
	*ns = (uint64_t)t * 1000000000ull + fraction;
	return true;
}
