// SPDX-License-Identifier: BSD-3-Clause
//
// What is wrong with a policy, as it is found. All is counted; of errors and of warnings the first POLICY_SHOWN each
// are kept, with copies of their places, for they outlive a policy that is refused. Off the path, one thread.
#include "complaints.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "policy/doc.h"

// A copy that harms no terminal and no reader of JSON: control characters (those of two bytes, too) and what is not
// UTF-8 are written out.
static char *copy(const char *s)
{
	s = s ? s : "";
	size_t len = strlen(s), n = 0;
	const uint8_t *p = (const uint8_t *)s, *end = p + len;
	char *t = malloc(4 * len + 1);
	if (!t)
		abort();
	while (p < end) {
		unsigned k = doc_character(p, end);
		if (k == 0 || *p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0)) {
			n += (size_t)sprintf(t + n, "\\x%02x", *p++);
			continue;
		}
		memcpy(t + n, p, k);
		n += k;
		p += k;
	}
	t[n] = '\0';
	return t;
}

void complaints_add(struct complaints *c, bool warning, const struct place *at, const char *format, ...)
{
	uint32_t *count = warning ? &c->nwarnings : &c->nerrors;
	va_list args;
	char *text;
	if ((*count)++ >= POLICY_SHOWN)
		return;
	if (!c->list)
		c->list = calloc(2 * POLICY_SHOWN, sizeof(*c->list));
	if (!c->list)
		abort();
	struct complaint *k = &c->list[c->n++];
	*k = (struct complaint){.place = *at, .warning = warning};
	k->place.file = copy(at->file);
	k->place.pointer = copy(at->pointer);
	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		abort();
	k->text = copy(text);
	free(text);
	va_end(args);
}

static int by_place(const void *a, const void *b)
{
	const struct place *x = &((const struct complaint *)a)->place, *y = &((const struct complaint *)b)->place;
	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return x->col < y->col ? -1 : x->col > y->col;
}

void complaints_sort(struct complaints *c, const char *file)
{
	uint32_t own = 0;
	if (!c->n)
		return;
	struct complaint others[2 * POLICY_SHOWN];
	uint32_t n = 0;
	for (uint32_t i = 0; i < c->n; i++) {
		if (strcmp(c->list[i].place.file, file))
			others[n++] = c->list[i];
		else
			c->list[own++] = c->list[i];
	}
	qsort(c->list, own, sizeof(*c->list), by_place);
	memcpy(c->list + own, others, n * sizeof(*others));
}

void complaints_clear(struct complaints *c)
{
	for (uint32_t i = 0; i < c->n; i++) {
		free((void *)(uintptr_t)c->list[i].place.file);
		free((void *)(uintptr_t)c->list[i].place.pointer);
		free(c->list[i].text);
	}
	free(c->list);
	*c = (struct complaints){0};
}

static void one(const struct complaint *k, FILE *out)
{
	fputs(k->place.file, out);
	if (k->place.line)
		fprintf(out, ":%u:%u", k->place.line, k->place.col);
	fputs(": ", out);
	fprintf(out, "%s%s", k->place.pointer, *k->place.pointer ? ": " : "");
	fprintf(out, "%s%s\n", k->warning ? "warning: " : "", k->text);
}

void complaints_print(const struct complaints *c, FILE *out)
{
	uint32_t errors = c->nerrors < POLICY_SHOWN ? c->nerrors : POLICY_SHOWN, warnings = 0;
	for (uint32_t i = 0; i < c->n; i++) {
		if (c->list[i].warning && warnings + errors >= POLICY_SHOWN)
			continue;
		warnings += c->list[i].warning;
		one(&c->list[i], out);
	}
	if (c->nerrors > errors)
		fprintf(out, "and %u more errors\n", c->nerrors - errors);
	if (c->nwarnings > warnings)
		fprintf(out, "and %u more warnings\n", c->nwarnings - warnings);
}
