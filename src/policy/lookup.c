// SPDX-License-Identifier: BSD-3-Clause
//
// A table of byte strings, open addressing, at most half full. Off the path, one thread.
#include "lookup.h"

#include <stdlib.h>
#include <string.h>

// Eight bytes at a time, multiplied and folded: conditions are long.
static uint32_t hash(const char *p, uint32_t len)
{
	uint64_t h = 0xcbf29ce484222325ull ^ len, v;
	for (uint32_t at = 0; at < len; at += 8) {
		v = 0;
		memcpy(&v, p + at, len - at < 8 ? len - at : 8);
		h = (h ^ v) * 0x9e3779b97f4a7c15ull;
		h ^= h >> 32;
	}
	return (uint32_t)h;
}

// Its slot, or the empty one where it belongs.
static struct lookup_slot *slot_of(const struct lookup *l, const char *p, uint32_t len)
{
	uint32_t i = hash(p, len) & (l->size - 1);
	while (l->slot[i].p && (l->slot[i].len != len || memcmp(l->slot[i].p, p, len)))
		i = (i + 1) & (l->size - 1);
	return &l->slot[i];
}

static void grow(struct lookup *l)
{
	struct lookup old = *l;
	l->size = old.size ? old.size * 2 : 64;
	l->slot = calloc(l->size, sizeof(*l->slot));
	if (!l->slot)
		abort();
	for (uint32_t i = 0; i < old.size; i++) {
		if (old.slot[i].p)
			*slot_of(l, old.slot[i].p, old.slot[i].len) = old.slot[i];
	}
	free(old.slot);
}

uint32_t lookup_find(const struct lookup *l, const char *p, uint32_t len)
{
	if (l->n == 0)
		return LOOKUP_NONE;
	const struct lookup_slot *s = slot_of(l, p, len);
	return s->p ? s->value : LOOKUP_NONE;
}

uint32_t lookup_add(struct lookup *l, const char *p, uint32_t len, uint32_t value)
{
	if (2 * l->n >= l->size)
		grow(l);
	struct lookup_slot *s = slot_of(l, p, len);
	if (s->p)
		return s->value;
	*s = (struct lookup_slot){p, len, value};
	l->n++;
	return LOOKUP_NONE;
}

void lookup_free(struct lookup *l)
{
	free(l->slot);
	*l = (struct lookup){0};
}
