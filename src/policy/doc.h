// SPDX-License-Identifier: BSD-3-Clause
//
// A JSON text with the place of everything in it.
#pragma once

#include <stdbool.h>

#include "policy/arena.h"
#include "policy/policy.h"

#define DOC_BYTES_MAX (256u << 20)
#define DOC_NODES_MAX (32u << 20) // 24 bytes each
#define DOC_DEPTH_MAX 64

enum doc_type { DOC_NULL, DOC_FALSE, DOC_TRUE, DOC_INTEGER, DOC_REAL, DOC_STRING, DOC_ARRAY, DOC_OBJECT };

// Nodes stand in the order of the text; members of an object are a key and its value, in turn.
struct doc_node {
	uint32_t off, end; // in the text; of strings without their quotes
	uint32_t next;     // the node after all that is in this one
	uint32_t parent;
	uint32_t key; // of a member's value: its key's node; of an array's element: its index
	uint8_t type; // enum doc_type
	bool escaped; // string: there is a backslash in it
	bool member;
};

struct doc {
	const char *name, *text;
	uint32_t len;
	struct doc_node *node;
	uint32_t n, room;
	uint32_t *lines; // line and column, in turn, at every DOC_STEP bytes
	struct {
		uint32_t off, line, col;
	} cursor;     // where the last place was
	bool unlined; // places have no lines: nobody has the text
	struct arena *arena;
};

// Reads the text. -1: it is no JSON; there is one complaint, reading ends there. 0: it is; all keys that stand twice
// are complained of. The text must outlive the doc; decoded strings and pointers are the arena's.
int doc_read(struct doc *d, const char *name, const char *text, size_t len, struct arena *a, struct complaints *c);
void doc_free(struct doc *d);

// Strings and keys, decoded; for other nodes the text itself. Not terminated.
struct doc_span {
	const char *p;
	uint32_t len;
};
struct doc_span doc_string(const struct doc *d, uint32_t node);
bool doc_is(const struct doc *d, uint32_t node, const char *word);
// Line, column (in characters) and pointer. A key's pointer is that of its object.
struct place doc_place(struct doc *d, uint32_t node);
// "a string", "a number", ...
const char *doc_kind(const struct doc *d, uint32_t node);

// Members of an object, elements of an array: for (i = doc_first(d, n); i < doc_end(d, n); i = doc_next(d, i)).
// In objects i is the value's node; its key is d->node[i].key.
static inline uint32_t doc_end(const struct doc *d, uint32_t node)
{
	return d->node[node].next;
}

static inline uint32_t doc_skip(const struct doc *d, uint32_t container, uint32_t i)
{
	return i < doc_end(d, container) && d->node[container].type == DOC_OBJECT ? i + 1 : i;
}

static inline uint32_t doc_first(const struct doc *d, uint32_t node)
{
	return doc_skip(d, node, node + 1);
}

static inline uint32_t doc_next(const struct doc *d, uint32_t i)
{
	return doc_skip(d, d->node[i].parent, d->node[i].next);
}
// Bytes of the UTF-8 character at p, 0: it is none.
unsigned doc_character(const uint8_t *p, const uint8_t *end);
// How many; of an object: members.
uint32_t doc_count(const struct doc *d, uint32_t node);
