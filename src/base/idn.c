// SPDX-License-Identifier: BSD-3-Clause
//
// U-labels into A-labels (RFC 5890 2.3.2.1) by Punycode (RFC 3492), for names that hostile clients send: pure, no
// memory but 64 code points of stack, work bounded by a label's 63 bytes squared.
//
// Mapped is what software does to a name before it encodes it, as far as a few rows say it: capital letters of Latin,
// Greek, Cyrillic and Armenian, and the full stops of East Asia (UTS 46 4). Not mapped: decomposed letters (NFC),
// compatibility forms. Those need Unicode's tables, which libidn2 has, and allocates for; it makes the names of
// policies when they are loaded.
#include "idn.h"

#include <stdbool.h>
#include <string.h>

#define LABEL_MAX 63
#define INVALID UINT32_MAX

// RFC 3492 5
enum { BASE = 36, TMIN = 1, TMAX = 26, SKEW = 38, DAMP = 700, INITIAL_BIAS = 72, INITIAL_N = 128 };

// Of each row's letters, `step` apart from one another, `by` leads to the small one.
static const struct {
	uint16_t first, last;
	uint8_t step, by;
} capitals[] = {
	{'A', 'Z', 1, 32},       {0x00c0, 0x00d6, 1, 32}, {0x00d8, 0x00de, 1, 32}, {0x0100, 0x012e, 2, 1},
	{0x0132, 0x0136, 2, 1},  {0x0139, 0x0147, 2, 1},  {0x014a, 0x0176, 2, 1},  {0x0179, 0x017d, 2, 1},
	{0x0391, 0x03a1, 1, 32}, {0x03a3, 0x03ab, 1, 32}, {0x0400, 0x040f, 1, 80}, {0x0410, 0x042f, 1, 32},
	{0x0460, 0x0480, 2, 1},  {0x048a, 0x04be, 2, 1},  {0x04d0, 0x052e, 2, 1},  {0x0531, 0x0556, 1, 48},
	{0x1e00, 0x1e94, 2, 1},  {0x1ea0, 0x1efe, 2, 1},
};

static uint32_t mapped(uint32_t c)
{
	if (c == 0x3002 || c == 0xff0e || c == 0xff61)
		return '.';
	for (unsigned i = 0; i < sizeof(capitals) / sizeof(capitals[0]) && c >= capitals[i].first; i++)
		if (c <= capitals[i].last && (c - capitals[i].first) % capitals[i].step == 0)
			return c + capitals[i].by;
	return c;
}

// The code point at *at (RFC 3629 4: shortest form, no surrogates).
static uint32_t point(const uint8_t *p, uint32_t len, uint32_t *at)
{
	static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
	uint8_t c = p[(*at)++];
	unsigned more = c < 0x80 ? 0 : c >> 5 == 6 ? 1 : c >> 4 == 14 ? 2 : c >> 3 == 30 ? 3 : 4;
	uint32_t v = more ? c & (0x3f >> more) : c;
	if (more == 4 || more > len - *at)
		return INVALID;
	for (unsigned i = 0; i < more; i++, (*at)++) {
		if (p[*at] >> 6 != 2)
			return INVALID;
		v = v << 6 | (p[*at] & 0x3f);
	}
	return v < least[more] || v > 0x10ffff || v >> 11 == 0x1b ? INVALID : v;
}

// RFC 3492 6.1
static uint32_t adapt(uint32_t delta, uint32_t points, bool first)
{
	uint32_t k = 0;
	delta = first ? delta / DAMP : delta / 2;
	for (delta += delta / points; delta > (BASE - TMIN) * TMAX / 2; k += BASE)
		delta /= BASE - TMIN;
	return k + (BASE - TMIN + 1) * delta / (delta + SKEW);
}

struct text {
	uint8_t *p;
	uint32_t len, room;
};

static void put(struct text *t, uint32_t c)
{
	if (t->len < t->room)
		t->p[t->len] = (uint8_t)c;
	t->len++; // beyond room: said by the length
}

static void put_digits(struct text *t, uint32_t q, uint32_t bias)
{
	for (uint32_t k = BASE;; k += BASE) {
		uint32_t least = k <= bias ? TMIN : k >= bias + TMAX ? TMAX : k - bias;
		uint32_t digit = q < least ? q : least + (q - least) % (BASE - least);
		put(t, digit < 26 ? 'a' + digit : '0' + digit - 26);
		if (q < least)
			return;
		q = (q - least) / (BASE - least);
	}
}

// RFC 3492 6.3. No sum overflows: 64 points below 2^21.
static void put_label(struct text *t, const uint32_t *c, uint32_t n)
{
	uint32_t next = INITIAL_N, delta = 0, bias = INITIAL_BIAS, basic = 0;
	for (uint32_t i = 0; i < n; i++)
		basic += c[i] < 0x80;
	for (uint32_t i = 0; basic < n && i < 4; i++)
		put(t, (uint8_t) "xn--"[i]);
	for (uint32_t i = 0; i < n; i++)
		if (c[i] < 0x80)
			put(t, c[i]);
	if (basic && basic < n)
		put(t, '-');
	for (uint32_t done = basic; done < n; delta++, next++) {
		uint32_t least = INVALID;
		for (uint32_t i = 0; i < n; i++)
			least = c[i] >= next && c[i] < least ? c[i] : least;
		delta += (least - next) * (done + 1);
		next = least;
		for (uint32_t i = 0; i < n; i++) {
			delta += c[i] < next;
			if (c[i] != next)
				continue;
			put_digits(t, delta, bias);
			bias = adapt(delta, done + 1, done == basic);
			delta = 0;
			done++;
		}
	}
}

static bool is_ascii(const uint8_t *p, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		if (p[i] >= 0x80)
			return false;
	return true;
}

uint32_t idn_ascii(const uint8_t *p, uint32_t len, uint8_t *out)
{
	uint32_t c[LABEL_MAX], n = 0;
	struct text t = {out, 0, IDN_NAME_MAX};
	if (len > 4 * IDN_NAME_MAX || is_ascii(p, len))
		return 0;
	for (uint32_t at = 0; at < len;) {
		uint32_t v = point(p, len, &at);
		v = v == INVALID ? v : mapped(v);
		if (v == INVALID || (v != '.' && n == LABEL_MAX) || (v == '.' && n == 0))
			return 0;
		if (v != '.')
			c[n++] = v;
		if (v != '.' && at < len)
			continue;
		uint32_t from = t.len;
		put_label(&t, c, n);
		if (t.len - from > LABEL_MAX)
			return 0;
		n = 0;
		if (at < len)
			put(&t, '.');
	}
	return t.len <= IDN_NAME_MAX ? t.len : 0;
}
