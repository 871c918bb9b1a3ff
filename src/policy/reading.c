// SPDX-License-Identifier: BSD-3-Clause
//
// What all parts of the parser do with a node: take a text, a number or a word of it, or say by place what is wrong.
#include "reading.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/word.h"
#include "policy/complaints.h"

static void say(struct reading *r, bool warning, const struct place *at, const char *format, va_list args)
{
	char *text;
	if (vasprintf(&text, format, args) < 0)
		abort();
	complaints_add(r->complaints, warning, at, "%s", text);
	free(text);
}

bool reading_wrong(struct reading *r, uint32_t node, const char *format, ...)
{
	va_list args;
	struct place at = {0};
	if (r->complaints->nerrors < POLICY_SHOWN) // the place is looked for only where it will be shown
		at = doc_place(&r->doc, node);
	va_start(args, format);
	say(r, false, &at, format, args);
	va_end(args);
	return false;
}

void reading_warn(struct reading *r, const struct place *at, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	say(r, true, at, format, args);
	va_end(args);
}

bool reading_unknown(struct reading *r, uint32_t key, const char *what, const char *near)
{
	struct doc_span s = doc_string(&r->doc, key);
	int len = s.len > 80 ? 80 : (int)s.len;
	if (near)
		return reading_wrong(r, key, "unknown %s \"%.*s\" (did you mean \"%s\"?)", what, len, s.p, near);
	return reading_wrong(r, key, "unknown %s \"%.*s\"", what, len, s.p);
}

bool reading_expect(struct reading *r, uint32_t node, enum doc_type type, const char *what)
{
	if (r->doc.node[node].type == type)
		return true;
	return reading_wrong(r, node, "%s is expected, not %s", what, doc_kind(&r->doc, node));
}

const char *reading_text(struct reading *r, uint32_t node, uint32_t longest)
{
	if (!reading_expect(r, node, DOC_STRING, "a string"))
		return NULL;
	struct doc_span s = doc_string(&r->doc, node);
	if (s.len == 0 || s.len > longest) {
		reading_wrong(r, node, s.len ? "longer than %u bytes" : "a string that is not empty is expected",
			      longest);
		return NULL;
	}
	for (uint32_t i = 0; i < s.len; i++) {
		if ((uint8_t)s.p[i] < 0x20 || s.p[i] == 0x7f) {
			reading_wrong(r, node, "control characters cannot be in it");
			return NULL;
		}
	}
	return arena_text(r->arena, s.p, s.len);
}

bool reading_number(struct reading *r, uint32_t node, uint64_t low, uint64_t high, uint64_t *out)
{
	struct doc_span s = doc_string(&r->doc, node);
	uint64_t v = 0;
	if (r->doc.node[node].type != DOC_INTEGER)
		return reading_wrong(r, node, "a whole number is expected, not %s",
				     r->doc.node[node].type == DOC_REAL ? "a fraction" : doc_kind(&r->doc, node));
	bool good = *s.p != '-';
	for (uint32_t i = 0; i < s.len && good; i++) {
		good = v <= (UINT64_MAX - 9) / 10;
		v = v * 10 + (uint64_t)(s.p[i] - '0');
	}
	if (!good || v < low || v > high)
		return reading_wrong(r, node, "a number from %lu to %lu is expected", low, high);
	*out = v;
	return true;
}

bool reading_bool(struct reading *r, uint32_t node, bool *out)
{
	uint8_t type = r->doc.node[node].type;
	if (type != DOC_TRUE && type != DOC_FALSE)
		return reading_wrong(r, node, "true or false is expected, not %s", doc_kind(&r->doc, node));
	*out = type == DOC_TRUE;
	return true;
}

const char *reading_near(const struct reading *r, const char *const *words, unsigned n, const char *p, size_t len)
{
	return r->complaints->nerrors < POLICY_SHOWN ? word_near(words, n, p, len) : NULL;
}

#define LISTED 8 // words that are said where none is near what was written

static void wrong_word(struct reading *r, uint32_t node, const char *const *words, unsigned n, const char *what)
{
	char all[256] = "";
	struct doc_span s = doc_string(&r->doc, node);
	for (unsigned i = 0, at = 0; i < n && at < sizeof(all); i++)
		at += (unsigned)snprintf(all + at, sizeof(all) - at, "%s%s",
					 i == 0      ? ""
					 : i + 1 < n ? ", "
						     : " or ",
					 words[i]);
	reading_wrong(r, node, "unknown %s \"%.*s\": %s is expected", what, s.len > 80 ? 80 : (int)s.len, s.p, all);
}

unsigned reading_word(struct reading *r, uint32_t node, const char *const *words, unsigned n, const char *what)
{
	if (!reading_expect(r, node, DOC_STRING, "a string"))
		return n;
	struct doc_span s = doc_string(&r->doc, node);
	unsigned i = word_find(words, n, s.p, s.len);
	const char *near = i == n ? reading_near(r, words, n, s.p, s.len) : NULL;
	if (i == n && !near && n <= LISTED)
		wrong_word(r, node, words, n, what);
	else if (i == n)
		reading_unknown(r, node, what, near);
	return i;
}

bool reading_keys(struct reading *r, uint32_t node, const char *const *keys, unsigned n, const char *what, uint32_t *of)
{
	struct doc *d = &r->doc;
	bool good = true;
	for (uint32_t i = doc_first(d, node); i < doc_end(d, node); i = doc_next(d, i)) {
		struct doc_span key = doc_string(d, d->node[i].key);
		unsigned k = word_find(keys, n, key.p, key.len);
		if (k < n)
			of[k] = i;
		else
			good = reading_unknown(r, d->node[i].key, what, reading_near(r, keys, n, key.p, key.len));
	}
	return good;
}
