// SPDX-License-Identifier: BSD-3-Clause
//
// In: names of ours, values of strangers. Out: JSON (RFC 8259) in the caller's memory. Shipper's thread.
//
// Why not jansson, which the program has: it builds a tree (a malloc for each value),
// refuses bytes that are not UTF-8, and leaves DEL, C1 and bidirectional controls as they are.
#include "ship/jsonl.h"

#include <string.h>

#include "ship/text.h"

// Room for a value of n bytes, with the comma before it written.
static bool value(struct jsonl *j, size_t n)
{
	if (!jsonl_room(j, n + 1))
		return false;
	*j->at = ',';
	j->at += j->comma;
	j->comma = true;
	return true;
}

void jsonl_open(struct jsonl *j, char bracket)
{
	if (!value(j, 1))
		return;
	*j->at++ = bracket;
	j->comma = false;
}

void jsonl_close(struct jsonl *j, char bracket)
{
	if (!jsonl_room(j, 1))
		return;
	*j->at++ = bracket;
	j->comma = true;
}

// Characters that stand for themselves: printable ASCII but " and \ .
static bool plain(uint8_t c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

// All of eight: no byte is below 0x20, above 0x7e, " or \\ . A byte is zero where a term has its top bit set, and the
// bytes below it have not borrowed (Hacker's Delight 6-1): enough, since any is.
#define EACH(c) (0x0101010101010101ull * (c))

static bool plain_eight(uint64_t v)
{
	uint64_t quote = v ^ EACH('"'), backslash = v ^ EACH('\\'), del = v ^ EACH(0x7f);
	uint64_t bad = v | (v - EACH(0x20)) | (quote - EACH(1)) | (backslash - EACH(1)) | (del - EACH(1));
	return !(bad & EACH(0x80));
}

static char *escape_unit(char *at, uint32_t unit)
{
	memcpy(at, "\\u", 2);
	uint8_t be[2] = {(uint8_t)(unit >> 8), (uint8_t)unit};
	return text_hex(at + 2, be, 2);
}

// One character that is not plain. Longest: 12 bytes (a surrogate pair). Returns how many bytes of p it took.
static unsigned escape(char **at, const uint8_t *p, size_t len)
{
	uint32_t c = 0;
	unsigned n = text_utf8(p, len, &c);
	if (n == 0) { // no UTF-8: \xHH, the backslash escaped
		memcpy(*at, "\\\\x", 3);
		*at = text_hex(*at + 3, p, 1);
		return 1;
	}
	if (c == '"' || c == '\\') {
		*(*at)++ = '\\';
		*(*at)++ = (char)c;
	} else if (!text_harmful(c)) {
		memcpy(*at, p, n);
		*at += n;
	} else if (c < 0x10000) {
		*at = escape_unit(*at, c);
	} else {
		*at = escape_unit(*at, 0xd800 + ((c - 0x10000) >> 10));
		*at = escape_unit(*at, 0xdc00 + ((c - 0x10000) & 0x3ff));
	}
	return n;
}

#define ESCAPE_MAX 6 // bytes written for one byte read: \u001b; a pair is 12 for 4

void jsonl_string_bytes(struct jsonl *j, const void *bytes, size_t len, bool lower)
{
	const uint8_t *p = bytes;
	if (len > SIZE_MAX / ESCAPE_MAX || !jsonl_room(j, len * ESCAPE_MAX))
		return;
	char *at = j->at;
	for (size_t i = 0; i < len;) {
		uint64_t eight;
		if (len - i >= 8 && !lower) {
			memcpy(&eight, p + i, 8);
			if (plain_eight(eight)) {
				memcpy(at, &eight, 8);
				at += 8;
				i += 8;
				continue;
			}
		}
		if (plain(p[i])) {
			uint8_t c = p[i++];
			*at++ = (char)(lower && c >= 'A' && c <= 'Z' ? c | 0x20 : c);
		} else {
			i += escape(&at, p + i, len - i);
		}
	}
	j->at = at;
}

void jsonl_string_open(struct jsonl *j)
{
	if (value(j, 1))
		*j->at++ = '"';
}

void jsonl_string_close(struct jsonl *j)
{
	if (jsonl_room(j, 1))
		*j->at++ = '"';
}

void jsonl_raw_part(struct jsonl *j, const char *p, size_t len)
{
	if (!jsonl_room(j, len))
		return;
	memcpy(j->at, p, len);
	j->at += len;
}

void jsonl_string_num(struct jsonl *j, uint64_t v)
{
	if (jsonl_room(j, 20))
		j->at = text_u64(j->at, v);
}

void jsonl_bytes(struct jsonl *j, const void *p, size_t len)
{
	jsonl_string_open(j);
	jsonl_string_bytes(j, p, len, false);
	jsonl_string_close(j);
}

void jsonl_string(struct jsonl *j, const char *s)
{
	jsonl_bytes(j, s, strlen(s));
}

void jsonl_lower(struct jsonl *j, const void *p, size_t len)
{
	jsonl_string_open(j);
	jsonl_string_bytes(j, p, len, true);
	jsonl_string_close(j);
}

void jsonl_text(struct jsonl *j, const char *s)
{
	size_t len = strlen(s);
	if (!value(j, len + 2))
		return;
	*j->at++ = '"';
	memcpy(j->at, s, len);
	j->at += len;
	*j->at++ = '"';
}

void jsonl_num(struct jsonl *j, uint64_t v)
{
	if (value(j, 20))
		j->at = text_u64(j->at, v);
}

void jsonl_digits(struct jsonl *j, uint64_t v)
{
	jsonl_string_open(j);
	jsonl_string_num(j, v);
	jsonl_string_close(j);
}

void jsonl_bool(struct jsonl *j, bool v)
{
	jsonl_raw(j, v ? "true" : "false", v ? 4 : 5);
}

void jsonl_hex(struct jsonl *j, const uint8_t *p, size_t len)
{
	jsonl_string_open(j);
	if (jsonl_room(j, len * 2))
		j->at = text_hex(j->at, p, len);
	jsonl_string_close(j);
}

void jsonl_ip(struct jsonl *j, const uint8_t *addr, unsigned version)
{
	if (!value(j, TEXT_IP_MAX + 2))
		return;
	*j->at++ = '"';
	j->at = text_ip(j->at, addr, version);
	*j->at++ = '"';
}

void jsonl_raw(struct jsonl *j, const char *p, size_t len)
{
	if (!value(j, len))
		return;
	memcpy(j->at, p, len);
	j->at += len;
}

void jsonl_end(struct jsonl *j)
{
	if (jsonl_room(j, 1))
		*j->at++ = '\n';
	j->comma = false;
}
