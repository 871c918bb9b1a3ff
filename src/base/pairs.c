// SPDX-License-Identifier: BSD-3-Clause
#include "base/pairs.h"

#include <errno.h>
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

// What a value was before stays in the text: it is set over once, by --set.
int pairs_set(struct pairs *p, const char *name, const char *value, bool bare)
{
	unsigned i = find(p, name);
	size_t named = i == p->n ? strlen(name) : 0, len = strlen(value);
	if (i == PAIRS_MAX || named + len + 2 + p->used > PAIRS_TEXT)
		return -ENOSPC;
	if (i == p->n) {
		p->pair[i].name = keep(p, name, named);
		p->n++;
	}
	p->pair[i].value = keep(p, value, len);
	p->pair[i].bare = bare;
	return (int)i;
}
