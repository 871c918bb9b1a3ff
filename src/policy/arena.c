// SPDX-License-Identifier: BSD-3-Clause
//
// Memory of a policy: blocks that double up to 1 MiB, big pieces by themselves; nothing is given back before all is.
// Off the path, one thread. Rejected: malloc for each string (a policy of 100,000 rules has a million).
#include "arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct arena_block {
	struct arena_block *before;
	size_t pad; // what follows is aligned to 16
	uint8_t data[];
};
#define BLOCK_MIN 4096u
#define BLOCK_MAX (1u << 20)

static struct arena_block *block_new(size_t len)
{
	struct arena_block *b = calloc(1, sizeof(*b) + len);
	if (!b) {
		fputs("sluice: not enough memory for this policy\n", stderr);
		abort();
	}
	return b;
}

static void *take(struct arena *a, size_t len, size_t align)
{
	size_t at = (a->at + align - 1) & ~(align - 1);
	if (a->last && at <= a->room && len <= a->room - at) {
		a->at = at + len;
		return a->last->data + at;
	}
	if (a->last && len > BLOCK_MAX / 4) { // its own block, behind the one in use
		struct arena_block *big = block_new(len);
		big->before = a->last->before;
		a->last->before = big;
		return big->data;
	}
	size_t room = a->room ? a->room * 2 : BLOCK_MIN;
	room = room > BLOCK_MAX ? BLOCK_MAX : room;
	room = room < len ? len : room;
	struct arena_block *b = block_new(room);
	b->before = a->last;
	a->last = b;
	a->room = room;
	a->at = len;
	return b->data;
}

void *arena_take(struct arena *a, size_t len)
{
	return take(a, len, 16);
}

uint8_t *arena_bytes(struct arena *a, size_t len)
{
	return take(a, len ? len : 1, 1);
}

char *arena_text(struct arena *a, const void *p, size_t len)
{
	char *t = take(a, len + 1, 1);
	if (len)
		memcpy(t, p, len);
	t[len] = '\0';
	return t;
}

void arena_free(struct arena *a)
{
	for (struct arena_block *b = a->last, *before; b; b = before) {
		before = b->before;
		free(b);
	}
	*a = (struct arena){0};
}
