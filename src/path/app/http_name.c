// SPDX-License-Identifier: BSD-3-Clause
//
// What a request's target and Host say, in the one spelling in which policies compare. In: bytes as sent.
// Out: the same, decoded once. Runs on the worker; touches nothing but its arguments; every loop is over the input.
//
// Decoding once and only once is the point: a server decodes once too, so "%252e" is a name with a percent sign
// for both. Slashes that come out of decoding count as slashes: some servers see them so, and a path rule that
// could be dodged by %2F would be none. Rejected: decoding unreserved bytes only (RFC 3986 6.2.2.2), for that.
#include "http_name.h"

#include <string.h>

#include <rte_common.h>

#include "bytes.h"

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// One byte of a percent-encoded text; *at moves behind it. A percent sign without two hex digits is itself.
static uint8_t decode_one(struct http_span s, uint32_t *at)
{
	uint32_t i = (*at)++;

	if (s.p[i] != '%' || s.len - i < 3)
		return s.p[i];
	int hi = hex_digit(s.p[i + 1]), lo = hex_digit(s.p[i + 2]);
	if (hi < 0 || lo < 0)
		return '%';
	*at = i + 3;
	return (uint8_t)(hi << 4 | lo);
}

// What ends a part of a target, and what no authority has. A table: strchr for each byte cost twice as much.
enum { ENDS_SCHEME = 1, ENDS_AUTHORITY = 2, ENDS_PATH = 4, NOT_IN_NAME = 8 };
static const uint8_t class[256] = {
	[0 ... ' '] = NOT_IN_NAME, ['#'] = ENDS_SCHEME | ENDS_AUTHORITY | ENDS_PATH | NOT_IN_NAME,
	[','] = NOT_IN_NAME,       ['/'] = ENDS_SCHEME | ENDS_AUTHORITY | NOT_IN_NAME,
	[':'] = ENDS_SCHEME,       ['?'] = ENDS_SCHEME | ENDS_AUTHORITY | ENDS_PATH | NOT_IN_NAME,
	['\\'] = NOT_IN_NAME,      [0x7f] = NOT_IN_NAME,
};

static uint32_t find(struct http_span s, uint8_t ends)
{
	uint32_t i = 0;

	while (i < s.len && !(class[s.p[i]] & ends))
		i++;
	return i;
}

struct http_span http_name_absolute(struct http_span t)
{
	uint32_t colon = find(t, ENDS_SCHEME);

	if (t.len - colon < 3 || memcmp(t.p + colon, "://", 3) || colon == 0)
		return (struct http_span){0};
	struct http_span rest = {t.p + colon + 3, t.len - colon - 3};
	rest.len = find(rest, ENDS_AUTHORITY);
	return rest;
}

// ":80" at the end, where what follows the last colon is digits only (RFC 3986 3.2.3 allows none).
static void split_port(struct http_authority *a)
{
	struct http_span n = a->name;
	uint32_t colon = n.len, port = 0;

	while (colon && n.p[colon - 1] != ':' && n.p[colon - 1] != ']')
		colon--;
	if (!colon || n.p[colon - 1] == ']') {
		a->bad |= colon && colon < n.len;
		return;
	}
	for (uint32_t i = colon; i < n.len; i++) {
		if (n.p[i] < '0' || n.p[i] > '9' || port > 65535) {
			a->bad = true;
			return;
		}
		port = port * 10 + n.p[i] - '0';
	}
	a->bad |= port > 65535;
	a->port = port <= 65535 ? port : 0;
	a->name.len = colon - 1;
}

// Nothing but letters, digits, dots and the like: no part to be split off, nothing to be decoded.
static bool plain_name(struct http_span in)
{
	for (uint32_t at = 0; at < in.len; at += 16) {
		uint32_t left = in.len - at;
		__m128i v = bytes_load(in.p + at, left), low = bytes_lower(v);
		__m128i letter = _mm_and_si128(_mm_cmpgt_epi8(low, _mm_set1_epi8('a' - 1)),
					       _mm_cmplt_epi8(low, _mm_set1_epi8('z' + 1)));
		// '-' '.' '/' '0' to '9' follow one another
		__m128i other = _mm_and_si128(_mm_cmpgt_epi8(v, _mm_set1_epi8('-' - 1)),
					      _mm_cmplt_epi8(v, _mm_set1_epi8('9' + 1)));
		uint32_t plain = bytes_bits(_mm_or_si128(letter, other)) & ~bytes_equal(v, '/');
		if (~plain & bytes_there(left))
			return false;
	}
	return true;
}

struct http_authority http_name_authority(struct http_span in)
{
	struct http_authority a = {.name = in};

	if (likely(plain_name(in)))
		return a;

	// The last '@' ends the user information: what a browser does with two (WHATWG URL, authority state).
	for (uint32_t i = in.len; i > 0; i--)
		if (in.p[i - 1] == '@') {
			a.userinfo = true;
			a.bad = memchr(in.p, '\\', i) != NULL; // where browsers let the path begin (WHATWG URL 4.4)
			a.name = (struct http_span){in.p + i, in.len - i};
			break;
		}
	split_port(&a);
	for (uint32_t i = 0; i < a.name.len; i++)
		a.bad |= (class[a.name.p[i]] & NOT_IN_NAME) != 0;
	return a;
}

uint32_t http_name_host(struct http_span name, uint8_t *out, uint32_t room)
{
	uint32_t n = 0, at = 0;

	// 16 at a time, as long as nothing is to be decoded
	for (; at < name.len && n + 16 <= room; at += 16, n += 16) {
		__m128i v = bytes_load(name.p + at, name.len - at);
		if (bytes_equal(v, '%'))
			break;
		_mm_storeu_si128((__m128i *)(out + n), bytes_lower(v));
	}
	n = at = RTE_MIN(n, name.len);
	while (at < name.len && n < room) {
		uint8_t c = decode_one(name, &at);
		out[n++] = c >= 'A' && c <= 'Z' ? c | 0x20 : c;
	}
	if (n > 1 && out[n - 1] == '.')
		n--;
	return n;
}

// Drops the last segment that was written: out[0..n) without "/x" at its end.
static uint32_t drop_segment(const uint8_t *out, uint32_t n)
{
	while (n && out[n - 1] != '/')
		n--;
	return n ? n - 1 : 0;
}

// out[0..n) ends with a whole segment that began at `from` (behind its slash): "." and ".." take effect.
// last: nothing follows, so that a dot segment leaves its slash ("/a/.." is "/").
static uint32_t close_segment(uint8_t *out, uint32_t n, uint32_t from, bool last)
{
	uint32_t len = n - from;

	if (!(len == 1 && out[from] == '.') && !(len == 2 && out[from] == '.' && out[from + 1] == '.'))
		return n;
	n = from - 1;
	if (len == 2)
		n = drop_segment(out, n);
	if (last)
		out[n++] = '/';
	return n;
}

// A path that is what it will be: nothing to decode, no empty or dotted segment. Writes it to out and returns its
// length; 0: it is none such.
static uint32_t plain_path(struct http_span t, uint8_t *out, uint32_t room)
{
	uint32_t n = 0, after_slash = 0; // bit 0: the byte before this block is a slash

	for (; n < t.len && n + 16 <= room; n += 16) {
		uint32_t left = t.len - n;
		__m128i v = bytes_load(t.p + n, left);
		uint32_t slash = bytes_equal(v, '/'), after = slash << 1 | after_slash;
		uint32_t end = bytes_equal(v, '?') | bytes_equal(v, '#') | ~bytes_there(left);
		uint32_t path = end ? (1u << __builtin_ctz(end)) - 1 : 0xffff;
		if ((bytes_equal(v, '%') | (after & (slash | bytes_equal(v, '.')))) & path)
			return 0;
		_mm_storeu_si128((__m128i *)(out + n), v);
		if (path != 0xffff)
			return n + (uint32_t)__builtin_ctz(end);
		after_slash = slash >> 15;
	}
	return n == t.len ? n : 0;
}

uint32_t http_name_path(struct http_span t, uint8_t *out, uint32_t room)
{
	struct http_span auth = {0};
	uint32_t n = 0, from = 1;

	if (t.len && t.p[0] == '/') {
		n = plain_path(t, out, room);
		if (n)
			return n;
	} else {
		auth = http_name_absolute(t);
	}

	if (auth.p) {
		uint32_t before = (uint32_t)(auth.p - t.p) + auth.len;
		t = (struct http_span){t.p + before, t.len - before};
	}
	t.len = find(t, ENDS_PATH);
	if (!t.len && auth.p)
		return room ? (out[0] = '/', 1) : 0;
	if (!t.len || t.p[0] != '/') { // "*", or what no request has: decoded, else as it is
		for (uint32_t at = 0; at < t.len && n < room;)
			out[n++] = decode_one(t, &at);
		return n;
	}
	for (uint32_t at = 0; at < t.len && n < room;) {
		uint8_t c = decode_one(t, &at);
		if (c == '/') {
			if (n)
				n = close_segment(out, n, from, false);
			if (n && out[n - 1] == '/')
				n--;
			from = n + 1;
		}
		out[n++] = c;
	}
	return n ? close_segment(out, n, from, true) : 0;
}
