// SPDX-License-Identifier: BSD-3-Clause
//
// The items of a set from a file: one a line, "#" begins a comment (in string sets only at a line's beginning), white
// space around an item is dropped. The file is read whole (source.c), then looked at. Items of ASCII are made normal
// where they stand, so that a set of millions costs its file and 64 bytes an item.
#include "set.h"

#include <openssl/evp.h>
#include <string.h>

#include "policy/complaints.h"
#include "policy/source.h"

#define FILE_MAX (1ull << 30)
#define ITEMS_MAX (32u << 20)

struct lines {
	struct reading *r;
	struct set *s;
	const char *path;
	uint32_t line;
};

static void say(const struct lines *l, bool warning, uint32_t col, const char *p, uint32_t len, const char *why)
{
	struct place at = {l->path, l->line, col, l->s->place.pointer};
	complaints_add(l->r->complaints, warning, &at, "\"%.*s\"%s %s", len > 80 ? 80 : (int)len, p, warning ? "" : ":",
		       why);
}

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

static void line(struct lines *l, char *p, char *end)
{
	char *from = p;
	struct set *s = l->s;
	const char *why;
	while (p < end && blank(*p))
		p++;
	if (p < end && *p == '#')
		return;
	for (char *c = s->type == SET_STRING ? end : p; c < end; c++) {
		if (*c == '#' && blank(c[-1]))
			end = c;
	}
	while (end > p && blank(end[-1]))
		end--;
	if (p == end)
		return;
	struct set_item *item = &s->items[s->nitems];
	uint32_t len = (uint32_t)(end - p), col = (uint32_t)(p - from) + 1;
	if (!set_item(l->r->arena, s->type, p, len, item, &why)) {
		say(l, false, col, p, len, why);
		return;
	}
	item->place = (struct place){l->path, l->line, col, s->place.pointer};
	if (why)
		say(l, true, col, p, len, why);
	s->nitems++;
}

static void items(struct lines *l, char *text, size_t len)
{
	size_t n = 1;
	char *end = text + len;
	for (char *p = text; (p = memchr(p, '\n', (size_t)(end - p))); p++)
		n++;
	if (n > ITEMS_MAX) {
		say(l, false, 1, l->path, (uint32_t)strlen(l->path), "has more lines than a set can have (33554432)");
		return;
	}
	l->s->items = arena_take(l->r->arena, n * sizeof(*l->s->items));
	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
		text += 3;
	while (text < end) {
		char *stop = memchr(text, '\n', (size_t)(end - text));
		stop = stop ? stop : end;
		l->line++;
		line(l, text, stop);
		text = stop + 1;
	}
}

bool set_file(struct reading *r, struct set *s, uint32_t node, const char *file)
{
	char path[8192], *text;
	const char *why;
	size_t len;
	snprintf(path, sizeof(path), "%s%s%s", *file == '/' ? "" : r->folder, *file == '/' || !*r->folder ? "" : "/",
		 file);
	struct lines l = {.r = r, .s = s, .path = arena_text(r->arena, path, strlen(path))};
	uint32_t before = r->complaints->nerrors;
	if (!(text = source_read(path, FILE_MAX, r->arena, &len, &why))) {
		reading_wrong(r, node, "cannot read \"%s\": %s", file, why);
	} else if (len > FILE_MAX) {
		reading_wrong(r, node, "cannot read \"%s\": larger than a set's file can be (1 GiB)", file);
	} else {
		EVP_DigestUpdate(r->hash, text, len);
		if (r->ear)
			r->ear->read(r->ear->arg, file, text, len);
		items(&l, text, len);
	}
	return r->complaints->nerrors == before;
}
