// SPDX-License-Identifier: BSD-3-Clause
//
// In: a JSON text (RFC 8259), hostile. Out: a flat array of nodes in the order of the text, each with its bytes.
// Bounded in size, in nodes and in depth; recursion is as deep as DOC_DEPTH_MAX. Off the path, one thread.
//
// Why not jansson: a complaint names line, column and pointer of a value, and a key that stands twice names both of
// its places; jansson keeps neither. To find them again one must read the text once more, key by key, escapes and all,
// which is this parser. It also takes a twentieth of the memory (24 bytes a value; a jansson object takes 500), which
// is what makes a policy of 200 MB harmless. fuzz_policy.c holds it against jansson: the same texts are accepted.
#include "doc.h"

#include <stdlib.h>
#include <string.h>

#include "policy/complaints.h"
#include "policy/lookup.h"

#define DOC_STEP 4096 // bytes between two known places

struct reader {
	struct doc *d;
	struct complaints *c;
	const uint8_t *p, *end;
	uint32_t key; // of the node that comes next
	bool member;
	bool bad;
};

static uint32_t offset(const struct reader *r)
{
	return (uint32_t)(r->p - (const uint8_t *)r->d->text);
}

// ---- places -----------------------------------------------------------------------------------------------------

static bool begins_character(char c)
{
	return ((uint8_t)c & 0xc0) != 0x80;
}

static void walk(const struct doc *d, uint32_t to, uint32_t *from, uint32_t *line, uint32_t *col)
{
	for (; *from < to; (*from)++) {
		if (d->text[*from] == '\n') {
			(*line)++;
			*col = 1;
		} else {
			*col += begins_character(d->text[*from]);
		}
	}
}

// One pass over the text, at the first place that is asked for.
static void index_lines(struct doc *d)
{
	uint32_t steps = d->len / DOC_STEP + 1, off = 0, line = 1, col = 1;
	d->lines = malloc(steps * 2 * sizeof(*d->lines));
	if (!d->lines)
		abort();
	for (uint32_t i = 0; i < steps; i++) {
		walk(d, i * DOC_STEP, &off, &line, &col);
		d->lines[2 * i] = line;
		d->lines[2 * i + 1] = col;
	}
}

// Places are mostly asked for in the order of the text: the way from the last one is short.
static void place_at(struct doc *d, uint32_t off, struct place *at)
{
	at->file = d->name;
	if (d->unlined)
		return;
	if (!d->lines)
		index_lines(d);
	if (d->cursor.line == 0 || off < d->cursor.off || off - d->cursor.off > DOC_STEP) {
		d->cursor.off = off / DOC_STEP * DOC_STEP;
		d->cursor.line = d->lines[2 * (off / DOC_STEP)];
		d->cursor.col = d->lines[2 * (off / DOC_STEP) + 1];
	}
	walk(d, off, &d->cursor.off, &d->cursor.line, &d->cursor.col);
	at->line = d->cursor.line;
	at->col = d->cursor.col;
}

// RFC 6901: ~ and / of a key are written ~0 and ~1. Written from the end to the beginning; a longer key is cut.
#define POINTER_MAX 1024
static const char *digits_of(uint32_t n, char *end)
{
	do
		*--end = (char)('0' + n % 10);
	while (n /= 10);
	return end;
}

static const char *pointer(const struct doc *d, uint32_t i)
{
	char text[POINTER_MAX], *at = text + sizeof(text);
	for (; i; i = d->node[i].parent) {
		const struct doc_node *n = &d->node[i];
		char number[16];
		struct doc_span key = {number, 0};
		if (d->node[n->parent].type == DOC_OBJECT) {
			if (!n->member) // a key: its object's pointer
				continue;
			key = doc_string(d, n->key);
		} else {
			key.p = digits_of(n->key, number + sizeof(number));
			key.len = (uint32_t)(number + sizeof(number) - key.p);
		}
		if ((size_t)(at - text) < 2 * (size_t)key.len + 2)
			break;
		for (uint32_t k = key.len; k--;) {
			char c = key.p[k];
			if (c == '~' || c == '/') {
				*--at = c == '~' ? '0' : '1';
				c = '~';
			}
			*--at = c;
		}
		*--at = '/';
	}
	return arena_text(d->arena, at, (size_t)(text + sizeof(text) - at));
}

struct place doc_place(struct doc *d, uint32_t node)
{
	struct place at = {0};
	const struct doc_node *n = &d->node[node];
	place_at(d, n->type == DOC_STRING ? n->off - 1 : n->off, &at);
	at.pointer = pointer(d, node);
	return at;
}

// ---- syntax -----------------------------------------------------------------------------------------------------

static void wrong(struct reader *r, uint32_t inside, const char *what)
{
	struct place at = {0};
	if (r->bad)
		return;
	r->bad = true;
	place_at(r->d, offset(r), &at);
	at.pointer = r->d->n ? pointer(r->d, inside) : "";
	complaints_add(r->c, false, &at, "%s", what);
}

static void space(struct reader *r)
{
	while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\r' || *r->p == '\t'))
		r->p++;
}

static uint32_t node_new(struct reader *r, uint32_t parent, enum doc_type type)
{
	struct doc *d = r->d;
	if (d->n == DOC_NODES_MAX) {
		wrong(r, parent, "more values than a policy may have (33554432)");
		return 0;
	}
	if (d->n == d->room) {
		d->room = d->room ? d->room * 2 : 256;
		d->node = realloc(d->node, d->room * sizeof(*d->node));
		if (!d->node)
			abort();
	}
	d->node[d->n] = (struct doc_node){
		.off = offset(r), .parent = parent, .key = r->key, .type = (uint8_t)type, .member = r->member};
	r->key = 0;
	r->member = false;
	return d->n++;
}

static void node_end(struct reader *r, uint32_t i)
{
	r->d->node[i].end = offset(r);
	r->d->node[i].next = r->d->n;
}

// RFC 3629: no surrogates, nothing longer than needed, up to U+10FFFF.
unsigned doc_character(const uint8_t *p, const uint8_t *end)
{
	uint8_t c = p[0], low = 0x80, high = 0xbf;
	unsigned n = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
	if (n < 2)
		return n;
	if ((size_t)(end - p) < n)
		return 0;
	low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : low;
	high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : high;
	if (p[1] < low || p[1] > high)
		return 0;
	for (unsigned i = 2; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	return n;
}

static int hex4(const uint8_t *p, const uint8_t *end)
{
	int v = 0;
	if (end - p < 4)
		return -1;
	for (unsigned i = 0; i < 4; i++) {
		uint8_t c = p[i], low = c | 0x20;
		if (c >= '0' && c <= '9')
			v = v << 4 | (c - '0');
		else if (low >= 'a' && low <= 'f')
			v = v << 4 | (low - 'a' + 10);
		else
			return -1;
	}
	return v;
}

// The escape at p (its backslash). Moves behind it; a text that is none is said.
static void escape(struct reader *r, uint32_t inside)
{
	const uint8_t *p = r->p;
	if (r->end - p < 2) {
		wrong(r, inside, "the text ends inside a string");
	} else if (p[1] == 'u') {
		int v = hex4(p + 2, r->end);
		bool high = v >= 0xd800 && v < 0xdc00;
		int w = high && r->end - p >= 12 && p[6] == '\\' && p[7] == 'u' ? hex4(p + 8, r->end) : -1;
		if (v < 0)
			wrong(r, inside, "\\u without four hex digits");
		else if ((high && (w < 0xdc00 || w > 0xdfff)) || (v >= 0xdc00 && v < 0xe000))
			wrong(r, inside, "half a surrogate pair is no character");
		else if (v == 0)
			wrong(r, inside, "\\u0000 cannot be in a string (in a regex: \\\\x00)");
		else
			r->p += high ? 12 : 6;
	} else if (p[1] && strchr("\"\\/bfnrt", p[1])) {
		r->p += 2;
	} else {
		wrong(r, inside, "no escape of JSON");
	}
}

static uint32_t string(struct reader *r, uint32_t parent)
{
	r->p++;
	uint32_t i = node_new(r, parent, DOC_STRING);
	while (!r->bad) {
		if (r->p == r->end) {
			wrong(r, parent, "the text ends inside a string");
		} else if (*r->p == '"') {
			node_end(r, i);
			r->p++;
			break;
		} else if (*r->p == '\\') {
			r->d->node[i].escaped = true;
			escape(r, parent);
		} else if (*r->p < 0x20) {
			wrong(r, parent,
			      *r->p == '\n' ? "the line ends inside a string"
					    : "control characters in a string must be escaped");
		} else {
			unsigned n = doc_character(r->p, r->end);
			if (n == 0)
				wrong(r, parent, "not UTF-8");
			r->p += n;
		}
	}
	return i;
}

static bool digits(struct reader *r)
{
	const uint8_t *from = r->p;
	while (r->p < r->end && *r->p >= '0' && *r->p <= '9')
		r->p++;
	return r->p > from;
}

static void number(struct reader *r, uint32_t parent)
{
	uint32_t i = node_new(r, parent, DOC_INTEGER);
	bool good;
	r->p += *r->p == '-';
	if (r->p < r->end && *r->p == '0') {
		r->p++;
		good = r->p == r->end || *r->p < '0' || *r->p > '9';
	} else {
		good = digits(r);
	}
	if (good && r->p < r->end && *r->p == '.') {
		r->p++;
		r->d->node[i].type = DOC_REAL;
		good = digits(r);
	}
	if (good && r->p < r->end && (*r->p | 0x20) == 'e') {
		r->p++;
		r->d->node[i].type = DOC_REAL;
		if (r->p < r->end && (*r->p == '+' || *r->p == '-'))
			r->p++;
		good = digits(r);
	}
	if (!good)
		wrong(r, parent, "no number of JSON");
	node_end(r, i);
}

static void word(struct reader *r, uint32_t parent)
{
	static const char *const words[] = {"null", "false", "true"}; // order of enum doc_type
	for (unsigned i = 0; i < 3; i++) {
		size_t n = strlen(words[i]);
		if ((size_t)(r->end - r->p) >= n && !memcmp(r->p, words[i], n)) {
			uint32_t k = node_new(r, parent, (enum doc_type)i);
			r->p += n;
			node_end(r, k);
			return;
		}
	}
	wrong(r, parent,
	      r->p == r->end                                  ? "the text ends where a value is expected"
	      : *r->p == '}' || *r->p == ']'                  ? "a value is expected (no comma before the end)"
	      : *r->p == '/' || *r->p == '#'                  ? "a value is expected (JSON has no comments)"
	      : *r->p == '\''                                 ? "a value is expected (strings stand in double quotes)"
	      : *r->p >= 0x80 && !doc_character(r->p, r->end) ? "not UTF-8"
							      : "a value is expected");
}

static void value(struct reader *r, uint32_t parent, unsigned depth);

// Behind an element: true where another one follows.
static bool more(struct reader *r, uint32_t i, char close)
{
	space(r);
	if (r->bad)
		return false;
	if (r->p < r->end && *r->p == ',') {
		r->p++;
		space(r);
		return true;
	}
	if (r->p < r->end && *r->p == close)
		return false;
	wrong(r, i,
	      r->p == r->end ? (close == '}' ? "the text ends inside an object" : "the text ends inside an array")
	      : close == '}' ? "\",\" or \"}\" is expected"
			     : "\",\" or \"]\" is expected");
	return false;
}

static void array(struct reader *r, uint32_t parent, unsigned depth)
{
	uint32_t i = node_new(r, parent, DOC_ARRAY), index = 0;
	r->p++;
	space(r);
	if (r->p == r->end || *r->p != ']') {
		do {
			r->key = index++;
			value(r, i, depth + 1);
		} while (more(r, i, ']'));
	}
	if (r->bad)
		return;
	r->p++;
	node_end(r, i);
}

static void object(struct reader *r, uint32_t parent, unsigned depth)
{
	uint32_t i = node_new(r, parent, DOC_OBJECT);
	r->p++;
	space(r);
	if (r->p == r->end || *r->p != '}') {
		do {
			if (r->p == r->end || *r->p != '"') {
				wrong(r, i,
				      r->p == r->end ? "the text ends inside an object"
				      : *r->p == '}' ? "a key is expected (no comma before the end)"
						     : "a key in double quotes is expected");
				break;
			}
			uint32_t key = string(r, i);
			space(r);
			if (!r->bad && (r->p == r->end || *r->p != ':'))
				wrong(r, i, "\":\" is expected after a key");
			if (r->bad)
				break;
			r->p++;
			space(r);
			r->key = key;
			r->member = true;
			value(r, i, depth + 1);
		} while (more(r, i, '}'));
	}
	if (r->bad)
		return;
	r->p++;
	node_end(r, i);
}

static void value(struct reader *r, uint32_t parent, unsigned depth)
{
	if (r->bad)
		return;
	uint8_t c = r->p < r->end ? *r->p : 0;
	if (depth > DOC_DEPTH_MAX)
		wrong(r, parent, "nested deeper than 64 levels");
	else if (c == '{')
		object(r, parent, depth);
	else if (c == '[')
		array(r, parent, depth);
	else if (c == '"')
		string(r, parent);
	else if (c == '-' || (c >= '0' && c <= '9'))
		number(r, parent);
	else
		word(r, parent);
}

// ---- keys that stand twice --------------------------------------------------------------------------------------

static bool same(const struct doc *d, uint32_t a, uint32_t b)
{
	struct doc_span x = doc_string(d, a), y = doc_string(d, b);
	return x.len == y.len && !memcmp(x.p, y.p, x.len);
}

static void twice(struct doc *d, uint32_t first, uint32_t second, struct complaints *c)
{
	struct place a = doc_place(d, first), b = doc_place(d, second);
	struct doc_span key = doc_string(d, second);
	complaints_add(c, false, &b, "duplicate key \"%.*s\" (first at %s:%u:%u)", key.len > 80 ? 80 : (int)key.len,
		       key.p, d->name, a.line, a.col);
}

// Few keys are compared with each other, many are looked up in a table.
static void check_keys(struct doc *d, uint32_t object_, struct complaints *c)
{
	uint32_t few[16], k = 0;
	struct lookup seen = {0};
	bool many = doc_count(d, object_) > 16;
	for (uint32_t i = doc_first(d, object_); i < doc_end(d, object_); i = doc_next(d, i)) {
		uint32_t key = d->node[i].key, j = 0;
		if (many) {
			struct doc_span s = doc_string(d, key);
			uint32_t first = lookup_add(&seen, s.p, s.len, key);
			if (first != LOOKUP_NONE)
				twice(d, first, key, c);
			continue;
		}
		while (j < k && !same(d, few[j], key))
			j++;
		if (j < k)
			twice(d, few[j], key, c);
		else
			few[k++] = key;
	}
	lookup_free(&seen);
}

// ---- reading what was parsed ------------------------------------------------------------------------------------

static uint8_t *put_character(uint8_t *to, uint32_t v)
{
	if (v < 0x80) {
		*to++ = (uint8_t)v;
	} else if (v < 0x800) {
		*to++ = (uint8_t)(0xc0 | v >> 6);
		*to++ = (uint8_t)(0x80 | (v & 63));
	} else if (v < 0x10000) {
		*to++ = (uint8_t)(0xe0 | v >> 12);
		*to++ = (uint8_t)(0x80 | (v >> 6 & 63));
		*to++ = (uint8_t)(0x80 | (v & 63));
	} else {
		*to++ = (uint8_t)(0xf0 | v >> 18);
		*to++ = (uint8_t)(0x80 | (v >> 12 & 63));
		*to++ = (uint8_t)(0x80 | (v >> 6 & 63));
		*to++ = (uint8_t)(0x80 | (v & 63));
	}
	return to;
}

// Escapes were checked when they were read; a decoded text is never longer.
static struct doc_span decode(const struct doc *d, const struct doc_node *n)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const uint8_t *p = (const uint8_t *)d->text + n->off, *end = (const uint8_t *)d->text + n->end;
	uint8_t *out = arena_bytes(d->arena, n->end - n->off), *at = out;
	while (p < end) {
		if (*p != '\\') {
			*at++ = *p++;
		} else if (p[1] != 'u') {
			*at++ = (uint8_t)to[strchr(from, p[1]) - from];
			p += 2;
		} else {
			uint32_t v = (uint32_t)hex4(p + 2, end);
			p += 6;
			if (v >= 0xd800 && v < 0xdc00) {
				v = 0x10000 + ((v - 0xd800) << 10) + ((uint32_t)hex4(p + 2, end) - 0xdc00);
				p += 6;
			}
			at = put_character(at, v);
		}
	}
	return (struct doc_span){(const char *)out, (uint32_t)(at - out)};
}

struct doc_span doc_string(const struct doc *d, uint32_t node)
{
	const struct doc_node *n = &d->node[node];
	if (n->type == DOC_STRING && n->escaped)
		return decode(d, n);
	return (struct doc_span){d->text + n->off, n->end - n->off};
}

bool doc_is(const struct doc *d, uint32_t node, const char *w)
{
	struct doc_span s = doc_string(d, node);
	return s.len == strlen(w) && !memcmp(s.p, w, s.len);
}

const char *doc_kind(const struct doc *d, uint32_t node)
{
	static const char *const kinds[] = {"null",     "true or false", "true or false", "a number",
					    "a number", "a string",      "a list",        "an object"};
	return kinds[d->node[node].type];
}

uint32_t doc_count(const struct doc *d, uint32_t node)
{
	uint32_t n = 0;
	for (uint32_t i = doc_first(d, node); i < doc_end(d, node); i = doc_next(d, i))
		n++;
	return n;
}

int doc_read(struct doc *d, const char *name, const char *text, size_t len, struct arena *a, struct complaints *c)
{
	*d = (struct doc){.name = name, .text = text, .arena = a};
	struct place whole = {.file = name};
	if (len > DOC_BYTES_MAX) {
		complaints_add(c, false, &whole, "%zu bytes; a policy may have 268435456", len);
		return -1;
	}
	d->len = (uint32_t)len;
	struct reader r = {.d = d, .c = c, .p = (const uint8_t *)text, .end = (const uint8_t *)text + len};
	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) // a byte order mark, as some editors leave it
		r.p += 3;
	space(&r);
	value(&r, 0, 1);
	space(&r);
	if (!r.bad && r.p < r.end)
		wrong(&r, 0, "something stands behind its end");
	if (r.bad)
		return -1;
	for (uint32_t i = 0; i < d->n; i++) {
		if (d->node[i].type == DOC_OBJECT)
			check_keys(d, i, c);
	}
	return 0;
}

void doc_free(struct doc *d)
{
	free(d->node);
	free(d->lines);
	*d = (struct doc){0};
}
