// SPDX-License-Identifier: BSD-3-Clause
//
// Records as they are, one after the other: for another thread or process of this same program (explain, diff), never
// for files, since the layout is this build's. A record of kind RECORD_NONE says that a capture begins.
#include <string.h>

#include "ship/face.h"

static void put(struct render *r, const struct record *rec)
{
	struct jsonl j = outlet_line(&r->out);
	if ((size_t)(j.end - j.at) < rec->len) {
		j.full = true; // never: a record is shorter than a line
	} else {
		memcpy(j.at, rec, rec->len);
		j.at += rec->len;
	}
	outlet_put(&r->out, &j);
}

static int raw_open(struct render *r)
{
	return 0;
}

// Its only fact is the capture's name: those that cannot be opened never begin.
static void raw_capture(struct render *r)
{
	union {
		struct record head;
		uint8_t bytes[sizeof(struct record) + FACT_SIZE(FACT_VALUE_MAX)];
	} begins = {.head = {.kind = RECORD_NONE, .nfacts = 1}};
	if (!r->npaths)
		return;
	size_t len = strnlen(r->paths[0].plain, FACT_VALUE_MAX);
	struct fact *f = (struct fact *)(&begins.head + 1);
	f->len = (uint32_t)len;
	memcpy(f->value, r->paths[0].plain, len);
	begins.head.len = (uint32_t)(sizeof(begins.head) + FACT_SIZE(len));
	put(r, &begins.head);
}

const struct face raw_face = {raw_open, raw_capture, put, NULL};
