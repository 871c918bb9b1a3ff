// SPDX-License-Identifier: BSD-3-Clause
//
// A writer of JSON objects, one a line, into memory that the caller owns. It streams: nothing is built, nothing is
// allocated; commas come by themselves. When the room is used up it goes on without writing and says so at the end.
//
// Named jsonl because symbols that begin with json_ belong to jansson.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct jsonl {
	char *at, *end;
	bool comma; // a member or element precedes at this level
	bool full;  // something did not fit: what was written is no JSON
};

// '{' '[' and their ends. As a member: jsonl_key first.
void jsonl_open(struct jsonl *j, char bracket);
void jsonl_close(struct jsonl *j, char bracket);
// Room for n bytes, else it is full from here on.
static inline bool jsonl_room(struct jsonl *j, size_t n)
{
	if (__builtin_expect((size_t)(j->end - j->at) >= n, true))
		return true;
	j->full = true;
	j->end = j->at;
	return false;
}
// A member's name, a literal of ours that needs no escape; its value follows. In line: where the name is a literal, so
// are the stores.
static inline __attribute__((always_inline)) void jsonl_name(struct jsonl *j, const char *name, size_t len)
{
	if (!jsonl_room(j, len + 4))
		return;
	char *at = j->at;
	*at = ',';
	at += j->comma;
	*at++ = '"';
	memcpy(at, name, len);
	at += len;
	*at++ = '"';
	*at++ = ':';
	j->at = at;
	j->comma = false;
}

// Values. Bytes are what came from the wire: valid UTF-8 stays, other bytes become the text \xHH, control and
// invisible characters a JSON escape (\u001b), so that neither a reader nor a terminal is harmed.
void jsonl_bytes(struct jsonl *j, const void *p, size_t len);
// The same with A-Z made a-z.
void jsonl_lower(struct jsonl *j, const void *p, size_t len);
void jsonl_string(struct jsonl *j, const char *s);
void jsonl_text(struct jsonl *j, const char *s); // ours: no escape needed
void jsonl_num(struct jsonl *j, uint64_t v);
void jsonl_digits(struct jsonl *j, uint64_t v); // a text: 64 bits are too many for many readers of JSON
void jsonl_bool(struct jsonl *j, bool v);
void jsonl_hex(struct jsonl *j, const uint8_t *p, size_t len); // as a string
void jsonl_ip(struct jsonl *j, const uint8_t *addr, unsigned version);
// JSON written before, as it stands.
void jsonl_raw(struct jsonl *j, const char *p, size_t len);
// Parts of one string: between jsonl_string_open and _close, the inner calls add to it.
void jsonl_string_open(struct jsonl *j);
void jsonl_string_close(struct jsonl *j);
void jsonl_string_bytes(struct jsonl *j, const void *p, size_t len, bool lower);
// Text of ours that needs no escape.
void jsonl_raw_part(struct jsonl *j, const char *p, size_t len);
void jsonl_string_num(struct jsonl *j, uint64_t v);
// The end of a line.
void jsonl_end(struct jsonl *j);

// Both at once.
static inline __attribute__((always_inline)) void jsonl_member(struct jsonl *j, const char *name)
{
	jsonl_name(j, name, strlen(name));
}
#define JSONL_MEMBER(what, type)                                                                                       \
	static inline                                                                                                  \
		__attribute__((always_inline)) void jsonl_member_##what(struct jsonl *j, const char *name, type value) \
	{                                                                                                              \
		jsonl_member(j, name);                                                                                 \
		jsonl_##what(j, value);                                                                                \
	}
JSONL_MEMBER(open, char)
JSONL_MEMBER(num, uint64_t)
JSONL_MEMBER(digits, uint64_t)
JSONL_MEMBER(bool, bool)
JSONL_MEMBER(text, const char *)
JSONL_MEMBER(string, const char *)
#undef JSONL_MEMBER

static inline __attribute__((always_inline)) void jsonl_member_hex(struct jsonl *j, const char *name, const uint8_t *p,
								   size_t len)
{
	jsonl_member(j, name);
	jsonl_hex(j, p, len);
}

static inline __attribute__((always_inline)) void jsonl_member_ip(struct jsonl *j, const char *name,
								  const uint8_t *addr, unsigned version)
{
	jsonl_member(j, name);
	jsonl_ip(j, addr, version);
}

static inline __attribute__((always_inline)) void jsonl_member_bytes(struct jsonl *j, const char *name, const void *p,
								     size_t len)
{
	jsonl_member(j, name);
	jsonl_bytes(j, p, len);
}
