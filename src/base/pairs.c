// SPDX-License-Identifier: BSD-3-Clause
#include "base/pairs.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static unsigned find(const struct pairs *p, const char *name)
{
	unsigned i = 0;
	while (i < p->n && strcmp(pairs_name(p, i), name))
		i++;
	return i;
}

const char *pairs_get(const struct pairs *p, const char *name)
{
	unsigned i = find(p, name);
	return i < p->n ? pairs_value(p, i) : NULL;
}

static uint16_t keep(struct pairs *p, const char *text, size_t len)
{
	uint16_t at = p->used;
	memcpy(p->text + at, text, len);
	p->text[at + len] = 0;
	p->used = (uint16_t)(at + len + 1);
	return at;
}

// Over the one that is there, in its place: pairs that say the same in the same order are the same bytes.
static void replace(struct pairs *p, unsigned i, const char *value, size_t len)
{
	uint16_t at = p->pair[i].value;
	size_t had = strlen(p->text + at), end = p->used + len - had;
	char *rest = p->text + at + had + 1;
	memmove(rest + len - had, rest, (size_t)(p->text + p->used - rest));
	memcpy(p->text + at, value, len);
	p->text[at + len] = 0;
	if (end < p->used)
		memset(p->text + end, 0, p->used - end);
	p->used = (uint16_t)end;
	for (unsigned j = 0; j < p->n; j++) {
		p->pair[j].name = (uint16_t)(p->pair[j].name + (p->pair[j].name > at ? len - had : 0));
		p->pair[j].value = (uint16_t)(p->pair[j].value + (p->pair[j].value > at ? len - had : 0));
	}
}

int pairs_set(struct pairs *p, const char *name, const char *value)
{
	unsigned i = find(p, name);
	bool new = i == p->n;
	size_t named = strlen(name), len = strlen(value);
	size_t more = new ? named + len + 2 : len - strlen(pairs_value(p, i)); // wraps where it shrinks
	if (i == PAIRS_MAX || p->used + more > PAIRS_TEXT)
		return -ENOSPC;
	if (new) {
		p->pair[i].name = keep(p, name, named);
		p->pair[i].value = keep(p, value, len);
		p->n++;
	} else {
		replace(p, i, value, len);
	}
	return (int)i;
}
