// SPDX-License-Identifier: BSD-3-Clause
//
// Elements of S3's and STS's answers: in, a NUL-terminated answer from outside; out, texts of bounded length. Any
// thread.
//
// Both services answer with elements of which each name means one thing, and neither uses attributes where we read, so
// that searching is enough; what does not look as published finds nothing. A parser (libxml2, expat) would read more
// than is wanted of a server that may be anybody.
#include "remote/xml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *entity;
	char c;
} entities[] = {{"&amp;", '&'},   {"&lt;", '<'},  {"&gt;", '>'},  {"&quot;", '"'},
		{"&apos;", '\''}, {"&#34;", '"'}, {"&#39;", '\''}};
#define ENTITIES (sizeof(entities) / sizeof(*entities))

const char *xml_element(const char *p, const char *name, const char **end)
{
	size_t n = strlen(name);

	while ((p = strchr(p, '<'))) {
		p++;
		if (strncmp(p, name, n) || !strchr("> \t\r\n", p[n]) || !p[n])
			continue;
		const char *text = strchr(p + n, '>');
		if (!text || text[-1] == '/')
			continue;
		for (const char *e = ++text; (e = strstr(e, "</")); e += 2)
			if (!strncmp(e + 2, name, n) && e[2 + n] == '>') {
				*end = e;
				return text;
			}
		return NULL;
	}
	return NULL;
}

const char *xml_text(const char *p, const char *name, char *out, size_t size)
{
	const char *end, *text = xml_element(p, name, &end);
	size_t n = 0;

	for (p = text; p && p < end && n + 1 < size; n++) {
		unsigned i = 0;
		out[n] = *p;
		for (; i < ENTITIES && strncmp(p, entities[i].entity, strlen(entities[i].entity)) != 0; i++)
			;
		if (i < ENTITIES)
			out[n] = entities[i].c;
		p += i < ENTITIES ? strlen(entities[i].entity) : 1;
	}
	out[n] = '\0';
	return text ? end : NULL;
}

size_t xml_quote(const char *text, char *out, size_t size)
{
	size_t n = 0;

	for (; *text; text++) {
		unsigned i = 0;
		for (; i < 5 && entities[i].c != *text; i++)
			;
		size_t len = i < 5 ? strlen(entities[i].entity) : 1;
		if (n + len < size)
			memcpy(out + n, i < 5 ? entities[i].entity : text, len);
		n += len;
	}
	if (size)
		out[n < size ? n : size - 1] = '\0';
	return n;
}
