// SPDX-License-Identifier: BSD-3-Clause
//
// Header blocks of HTTP/2, HPACK (RFC 7541): one direction's dynamic table, and the fields of a block by and by. See
// hpack.c.
#pragma once

#include "http_span.h"

#define HPACK_TABLE_MAX 16384  // what a client is known to offer (the JDK's); all others offer 4,096
#define HPACK_TABLE_FIRST 4096 // RFC 9113 6.5.2
#define HPACK_ENTRIES_MAX (HPACK_TABLE_MAX / 32)

struct hpack_entry {
	uint16_t at, name, value; // place of its name in bytes, the value behind it; lengths
};

struct hpack {
	uint32_t allowed; // the most that the reader has offered (SETTINGS_HEADER_TABLE_SIZE)
	uint32_t max;     // what the writer has chosen
	uint32_t size;    // RFC 7541 4.1
	uint32_t newest, count;
	uint32_t head; // where the next entry's bytes go
	struct hpack_entry entry[HPACK_ENTRIES_MAX];
	uint8_t bytes[HPACK_TABLE_MAX]; // a ring
};

enum hpack_step {
	HPACK_FIELD,
	HPACK_END,
	HPACK_BAD,  // no header block, or a table that nobody offered; the table is not known any more
	HPACK_LONG, // more than there is room for; the same
	HPACK_BIG,  // a table that was offered, and is larger than ours; the same
};

struct hpack_block {
	const uint8_t *p;
	uint32_t len, at;
	uint8_t *out; // fields are written there, each as "name: value\n"
	uint32_t room, used;
	bool begun; // a field was read
	enum hpack_step fault;
};

struct hpack_field {
	struct http_span name, value; // in out
};

void hpack_start(struct hpack *h, uint32_t allowed);
// The next field of the block.
enum hpack_step hpack_next(struct hpack *h, struct hpack_block *b, struct hpack_field *f);
