// SPDX-License-Identifier: BSD-3-Clause
//
// In: bytes as they came from the wire, numbers, addresses, nanoseconds. Out: characters. Called by the faces on the
// shipper's thread (and by tests). No state but what the caller hands in.
//
// Rejected: iconv and mbrtowc (depend on the locale), inet_ntop (its IPv6 goes through sprintf: 289 ns against 28),
// strftime for each record.
#include "ship/text.h"

#include <stdio.h>
#include <string.h>

unsigned text_utf8(const uint8_t *p, size_t len, uint32_t *code)
{
	if (len == 0)
		return 0;
	uint8_t a = p[0];
	if (a < 0x80) {
		*code = a;
		return 1;
	}
	unsigned n = a >= 0xc2 && a <= 0xdf ? 2 : (a & 0xf0) == 0xe0 ? 3 : a >= 0xf0 && a <= 0xf4 ? 4 : 0;
	if (n == 0 || len < n)
		return 0;
	uint32_t c = a & (0x7f >> n);
	for (unsigned i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	// RFC 3629 section 3: the shortest form only, no surrogates, nothing above U+10FFFF
	if ((n == 3 && (c < 0x800 || (c >= 0xd800 && c <= 0xdfff))) || (n == 4 && (c < 0x10000 || c > 0x10ffff)))
		return 0;
	*code = c;
	return n;
}

struct range {
	uint32_t from, to;
};

static bool within(const struct range *r, size_t n, uint32_t c)
{
	for (size_t i = 0; i < n; i++)
		if (c >= r[i].from && c <= r[i].to)
			return true;
	return false;
}

bool text_harmful(uint32_t c)
{
	// Unicode 15: category Cc; Bidi_Control; zero width and invisible; Zl, Zp; interlinear and tag characters
	static const struct range bad[] = {
		{0x7f, 0x9f},     {0xad, 0xad},     {0x61c, 0x61c},   {0x180e, 0x180e}, {0x200b, 0x200f},
		{0x2028, 0x202e}, {0x2060, 0x206f}, {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe0fff},
	};
	return c < 0x20 || (c >= 0x7f && within(bad, sizeof(bad) / sizeof(bad[0]), c));
}

unsigned text_columns(uint32_t c)
{
	static const struct range zero[] = {
		{0x300, 0x36f},   {0x483, 0x489},   {0x591, 0x5bd},   {0x610, 0x61a},   {0x64b, 0x65f},
		{0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f},
	};
	static const struct range wide[] = {
		{0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0xa4cf},   {0xa960, 0xa97f}, {0xac00, 0xd7a3},
		{0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},   {0xffe0, 0xffe6}, {0x1f300, 0x1f64f},
		{0x1f680, 0x1f6ff}, {0x1f900, 0x1faff}, {0x20000, 0x3fffd},
	};
	if (c < 0x300)
		return 1;
	if (within(zero, sizeof(zero) / sizeof(zero[0]), c))
		return 0;
	return within(wide, sizeof(wide) / sizeof(wide[0]), c) ? 2 : 1;
}

// 00 to 99.
#define TEN(d) #d "0" #d "1" #d "2" #d "3" #d "4" #d "5" #d "6" #d "7" #d "8" #d "9"
static const char pairs[] = TEN(0) TEN(1) TEN(2) TEN(3) TEN(4) TEN(5) TEN(6) TEN(7) TEN(8) TEN(9);

char *text_u64(char *at, uint64_t v)
{
	char digits[20], *p = digits + sizeof(digits);
	while (v >= 100) {
		p -= 2;
		memcpy(p, pairs + v % 100 * 2, 2);
		v /= 100;
	}
	if (v >= 10)
		memcpy(p -= 2, pairs + v * 2, 2);
	else
		*--p = (char)('0' + v);
	size_t n = (size_t)(digits + sizeof(digits) - p);
	memcpy(at, p, n);
	return at + n;
}

char *text_hex(char *at, const uint8_t *p, size_t len)
{
	static const char digit[] = "0123456789abcdef";
	for (size_t i = 0; i < len; i++) {
		*at++ = digit[p[i] >> 4];
		*at++ = digit[p[i] & 15];
	}
	return at;
}

static char *ip4(char *at, const uint8_t *a)
{
	for (unsigned i = 0; i < 4; i++) {
		if (i)
			*at++ = '.';
		unsigned v = a[i];
		if (v >= 100) {
			*at++ = (char)('0' + v / 100);
			memcpy(at, pairs + v % 100 * 2, 2);
			at += 2;
		} else if (v >= 10) {
			memcpy(at, pairs + v * 2, 2);
			at += 2;
		} else {
			*at++ = (char)('0' + v);
		}
	}
	return at;
}

static char *group(char *at, unsigned v)
{
	static const char digit[] = "0123456789abcdef";
	for (int shift = v >= 0x1000 ? 12 : v >= 0x100 ? 8 : v >= 0x10 ? 4 : 0; shift >= 0; shift -= 4)
		*at++ = digit[v >> shift & 15];
	return at;
}

// RFC 5952 4.2: the longest run of at least two zero groups, the first of equals, becomes "::".
static char *ip6(char *at, const uint8_t *a)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	if (memcmp(a, mapped, sizeof(mapped)) == 0) {
		memcpy(at, "::ffff:", 7);
		return ip4(at + 7, a + 12);
	}
	unsigned best = 8, best_len = 1;
	for (unsigned i = 0; i < 8; i++) {
		unsigned n = 0;
		while (i + n < 8 && a[2 * (i + n)] == 0 && a[2 * (i + n) + 1] == 0)
			n++;
		if (n > best_len) {
			best = i;
			best_len = n;
		}
		i += n;
	}
	for (unsigned i = 0; i < 8; i++) {
		if (i == best) {
			*at++ = ':';
			*at++ = ':';
			i += best_len - 1;
			continue;
		}
		if (i && i != best + best_len)
			*at++ = ':';
		at = group(at, (unsigned)a[2 * i] << 8 | a[2 * i + 1]);
	}
	return at;
}

char *text_ip(char *at, const uint8_t *addr, unsigned version)
{
	return version == 6 ? ip6(at, addr) : ip4(at, addr);
}

static void digits(char *at, unsigned n, unsigned v)
{
	while (n) {
		at[--n] = (char)('0' + v % 10);
		v /= 10;
	}
}

// Days since 1970-01-01 to a date of the Gregorian calendar; years are counted from March, so that the leap day is
// the last of its year.
static void date(char *at, uint64_t days)
{
	days += 719468; // 0000-03-01 to 1970-01-01
	unsigned era = (unsigned)(days / 146097), of_era = (unsigned)(days % 146097);
	unsigned year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	unsigned of_year = of_era - (365 * year + year / 4 - year / 100);
	unsigned month = (5 * of_year + 2) / 153;
	digits(at + 8, 2, of_year - (153 * month + 2) / 5 + 1);
	month = month < 10 ? month + 3 : month - 9;
	digits(at + 5, 2, month);
	digits(at, 4, year + era * 400 + (month <= 2));
}

char *text_time(char *at, struct text_clock *c, uint64_t time_ns)
{
	uint64_t second = time_ns / 1000000000;
	if (c->second != second || c->stamp[0] == 0) {
		memcpy(c->stamp, "0000-00-00T00:00:00.000000+0000", TEXT_TIME_LEN);
		c->second = second;
		date(c->stamp, second / 86400);
		digits(c->stamp + 11, 2, second / 3600 % 24);
		digits(c->stamp + 14, 2, second / 60 % 60);
		digits(c->stamp + 17, 2, second % 60);
	}
	uint32_t us = (uint32_t)(time_ns - second * 1000000000) / 1000;
	memcpy(at, c->stamp, TEXT_TIME_LEN);
	memcpy(at + 20, pairs + us / 10000 * 2, 2);
	memcpy(at + 22, pairs + us / 100 % 100 * 2, 2);
	memcpy(at + 24, pairs + us % 100 * 2, 2);
	return at + TEXT_TIME_LEN;
}

const char *text_size(uint64_t n, char out[16])
{
	static const char unit[] = " kMGTPE";
	double v = (double)n;
	unsigned u = 0;
	if (n < 100000) {
		*text_u64(out, n) = 0;
		return out;
	}
	while (v >= 1000 && u < sizeof(unit) - 2) {
		v /= 1000;
		u++;
	}
	snprintf(out, 16, "%.*f%c", v < 10 ? 2 : v < 100 ? 1 : 0, v, unit[u]);
	return out;
}
