// SPDX-License-Identifier: BSD-3-Clause
//
// Groups whose keys are another program's: the object is kept as names and values, each judged by who will be given
// them (struct config_judge). {"ssl": {"ca.location": "x"}} is {"ssl.ca.location": "x"}: names with dots may be written
// either way. Off the path, main thread.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/config_key.h"

#define NAME 128

static struct config_free *free_of(struct config *c, const struct config_group *g)
{
	return (struct config_free *)config_element(c, g, 0);
}

// A relative name of a file is meant from the folder of the file that says it.
static const char *with_folder(struct reading *r, const struct config_group *g, const char *name, const char *value)
{
	if (!r->folder || !*value || *value == '/' || !g->judge->beside(name, value))
		return value;
	size_t len = strlen(r->folder);
	char *out = (char *)arena_bytes(r->arena, len + strlen(value) + 2);
	sprintf(out, "%s/%s", r->folder, value);
	return out;
}

// Is it a value of JSON as it stands? Values are text to their program: "5" and 5 are the same.
static bool bare(const char *p)
{
	return !strcmp(p, "true") || !strcmp(p, "false") || !strcmp(p, "0") ||
	       (*p && *p != '0' && p[strspn(p, "0123456789")] == 0);
}

static void take(struct reading *r, const struct config_group *g, const char *name, uint32_t node, const char *value,
		 struct config *c, uint32_t origin)
{
	struct config_free *f = free_of(c, g);
	char why[512] = "";
	int rc = g->judge->takes(name, value, why, sizeof(why));
	if (rc < 0) {
		reading_wrong(r, rc == -ENOENT && node ? r->doc.node[node].key : node, "%s", why);
		return;
	}
	for (unsigned o = 0; o < f->pairs.n; o++) {
		if (strcmp(pairs_name(&f->pairs, o), name) != 0 || (origin & CONFIG_BY_SET))
			continue;
		reading_wrong(r, r->doc.node[node].key, "duplicate key \"%s\" (first at %s:%u:%u)", name, r->doc.name,
			      f->origin[o] >> 12, f->origin[o] & 4095);
		return;
	}
	int i = pairs_set(&f->pairs, name, with_folder(r, g, name, value));
	if (i < 0)
		reading_wrong(r, node, "more than %s has room for: %u keys, %u bytes", g->name, PAIRS_MAX, PAIRS_TEXT);
	else
		f->origin[i] = origin;
}

static uint32_t origin_of(struct reading *r, uint32_t node)
{
	struct place at = doc_place(&r->doc, node);
	return at.line << 12 | (at.col < 4095 ? at.col : 4095);
}

// The same key twice in one object: doc.c has said it.
static bool said(const struct doc *d, uint32_t parent, uint32_t m)
{
	struct doc_span key = doc_string(d, d->node[m].key);
	for (uint32_t x = doc_first(d, parent); x < m; x = doc_next(d, x)) {
		struct doc_span have = doc_string(d, d->node[x].key);
		if (have.len == key.len && !memcmp(have.p, key.p, key.len))
			return true;
	}
	return false;
}

static void read_members(struct reading *r, const struct config_group *g, const char *prefix, uint32_t node,
			 struct config *c)
{
	struct doc *d = &r->doc;
	for (uint32_t m = doc_first(d, node); m < doc_end(d, node); m = doc_next(d, m)) {
		struct doc_span key = doc_string(d, d->node[m].key), text = doc_string(d, m);
		char name[NAME];
		enum doc_type type = d->node[m].type;
		if ((key.len && *key.p == '_') || said(d, node, m))
			continue; // a comment
		if ((size_t)snprintf(name, sizeof(name), "%s%s%.*s", prefix, *prefix ? "." : "", (int)key.len, key.p) >=
		    sizeof(name))
			reading_wrong(r, d->node[m].key, "longer than any key is");
		else if (type == DOC_OBJECT && doc_first(d, m) == doc_end(d, m)) // "msk_iam": {} would be plain text
			reading_wrong(r, m, "keys are expected in it");
		else if (type == DOC_OBJECT)
			read_members(r, g, name, m, c);
		else if (type == DOC_ARRAY || type == DOC_NULL || memchr(text.p, 0, text.len))
			reading_wrong(r, m, "a string, a number, true or false is expected");
		else
			take(r, g, name, m, arena_text(r->arena, text.p, text.len), c, origin_of(r, m));
	}
}

void config_free_read(struct reading *r, const struct config_group *g, uint32_t node, struct config *c)
{
	if (reading_expect(r, node, DOC_OBJECT, "an object"))
		read_members(r, g, "", node, c);
}

void config_free_set(struct reading *r, const struct config_group *g, const char *name, const char *value,
		     struct config *c)
{
	if (*name)
		take(r, g, name, 0, value, c, CONFIG_BY_SET);
	else
		reading_wrong(r, 0, "the name of a key is expected behind %s.", g->name);
}

static void print_string(const char *s, FILE *out)
{
	putc('"', out);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			putc('\\', out);
		if ((unsigned char)*s < 0x20)
			fprintf(out, "\\u%04x", *s);
		else
			putc(*s, out);
	}
	putc('"', out);
}

void config_free_each(const struct config *c, const struct config_group *g, config_cb *cb, void *arg)
{
	const struct config_free *f = (const struct config_free *)config_element(c, g, 0);
	for (unsigned i = 0; i < f->pairs.n; i++) {
		char name[NAME + 32], from[CONFIG_FILE + 16], *json;
		const char *value = pairs_value(&f->pairs, i);
		size_t len;
		FILE *out = open_memstream(&json, &len);
		if (!out)
			abort();
		if (g->judge->secret(pairs_name(&f->pairs, i)))
			fputs("\"***\"", out);
		else if (bare(value))
			fputs(value, out);
		else
			print_string(value, out);
		fclose(out);
		snprintf(name, sizeof(name), "%s.%s", g->name, pairs_name(&f->pairs, i));
		config_origin_say(c, f->origin[i], from, sizeof(from));
		cb(arg, name, json, from);
		free(json);
	}
}
