// SPDX-License-Identifier: BSD-3-Clause
//
// Sets: their types, and items as they are compared. In: the member `sets` of a policy. Out: policy->sets, each item
// normal and with its place. Items of files are read in set_file.c. Off the path.
#include "set.h"

#include <string.h>

#include "base/word.h"
#include "policy/domain.h"
#include "policy/field.h"

const char *const set_type_names[SET_TYPES] = {"net", "domain", "string", "port", "ja3", "ja4"};

const struct set *set_find(const struct reading *r, const char *name, uint32_t len)
{
	uint32_t i = lookup_find(&r->sets, name, len);
	return i == LOOKUP_NONE ? NULL : &r->policy->sets[i];
}

const char *set_near(const struct reading *r, const char *name, size_t len)
{
	const struct policy *p = r->policy;
	if (r->complaints->nerrors >= POLICY_SHOWN)
		return NULL;
	for (uint32_t i = 0; i < p->nsets && i < 1000; i++) {
		const char *near = word_near(&p->sets[i].name, 1, name, len);
		if (near)
			return near;
	}
	return NULL;
}

// ---- items ------------------------------------------------------------------------------------------------------

static bool item_domain(struct arena *a, char *p, uint32_t len, struct set_item *out, const char **why)
{
	bool unicode = false;
	out->exact = len && *p == '=';
	p += out->exact;
	len -= out->exact;
	for (uint32_t i = 0; i < len; i++)
		unicode |= (uint8_t)p[i] >= 0x80;
	uint8_t *to = unicode ? arena_bytes(a, len > DOMAIN_MAX ? len : DOMAIN_MAX) : (uint8_t *)p;
	out->operand.p = to;
	out->operand.len = domain_normal(p, len, to, why);
	if (out->operand.len == 0 && len && *p == '.')
		*why = "begins with a dot: a name in a set already holds all below it";
	out->exact |= out->operand.len && to[out->operand.len - 1] <= '9' && domain_is_address(to, out->operand.len);
	return out->operand.len > 0;
}

// JA3 is an MD5 in hex; JA4 is a_b_c: 10 characters, and twice 12 hex digits (FoxIO's JA4.md).
static bool item_hex(char *p, uint32_t len, bool ja4, struct set_item *out, const char **why)
{
	bool good = len == (ja4 ? 36 : 32);
	for (uint32_t i = 0; i < len && good; i++) {
		p[i] |= p[i] >= 'A' && p[i] <= 'Z' ? 0x20 : 0;
		bool hex = (p[i] >= '0' && p[i] <= '9') || (p[i] >= 'a' && p[i] <= 'f');
		if (ja4 && i < 10)
			good = hex || (p[i] >= 'a' && p[i] <= 'z');
		else
			good = ja4 && (i == 10 || i == 23) ? p[i] == '_' : hex;
	}
	out->operand = (struct operand){.p = (const uint8_t *)p, .len = len};
	*why = ja4 ? "no JA4 (as t13d1516h2_8daaf6152771_b186095e22b6)" : "no JA3 (32 hex digits)";
	return good;
}

static bool item_net(struct arena *a, const char *p, uint32_t len, struct set_item *out, const char **why)
{
	uint8_t bytes[16];
	if (!field_net(p, len, &out->operand, bytes, why))
		return false;
	uint8_t *to = arena_bytes(a, out->operand.len);
	memcpy(to, bytes, out->operand.len);
	out->operand.p = to;
	return true;
}

bool set_item(struct arena *a, enum set_type type, char *p, uint32_t len, struct set_item *out, const char **why)
{
	*why = NULL;
	switch (type) {
	case SET_NET:
		return item_net(a, p, len, out, why);
	case SET_DOMAIN:
		return item_domain(a, p, len, out, why);
	case SET_PORT:
		*why = "no port (80) and no range of ports (8000-8100)";
		return field_ports(p, len, &out->operand) && out->operand.num_high <= 65535 && !(*why = NULL);
	case SET_JA3:
	case SET_JA4:
		return item_hex(p, len, type == SET_JA4, out, why) && !(*why = NULL);
	default:
		out->operand = (struct operand){.p = (const uint8_t *)p, .len = len};
		*why = len ? NULL : "empty";
		return len > 0;
	}
}

// ---- in the policy ----------------------------------------------------------------------------------------------

static void warn_item(struct reading *r, uint32_t node, struct set_item *item, const char *why)
{
	struct place at = doc_place(&r->doc, node);
	struct doc_span s = doc_string(&r->doc, node);
	item->place.pointer = at.pointer;
	reading_warn(r, &at, "\"%.*s\" %s", s.len > 80 ? 80 : (int)s.len, s.p, why);
}

static void inline_items(struct reading *r, struct set *s, uint32_t node)
{
	struct doc *d = &r->doc;
	if (!reading_expect(r, node, DOC_ARRAY, "a list of items"))
		return;
	s->items = arena_take(r->arena, doc_count(d, node) * sizeof(*s->items));
	for (uint32_t i = doc_first(d, node); i < doc_end(d, node); i = doc_next(d, i)) {
		struct set_item *item = &s->items[s->nitems];
		const char *why = NULL;
		bool number = s->type == SET_PORT && d->node[i].type == DOC_INTEGER;
		if (!number && !reading_expect(r, i, DOC_STRING, s->type == SET_PORT ? "a port" : "a string"))
			continue;
		struct doc_span text = doc_string(d, i);
		char *copy = arena_text(r->arena, text.p, text.len);
		if (!set_item(r->arena, s->type, copy, text.len, item, &why)) {
			reading_wrong(r, i, "\"%.*s\": %s", text.len > 80 ? 80 : (int)text.len, text.p, why);
			continue;
		}
		item->place = doc_place(d, i);
		if (why)
			warn_item(r, i, item, why);
		s->nitems++;
	}
}

static void one(struct reading *r, struct set *s, uint32_t node)
{
	static const char *const keys[] = {"type", "items", "file"};
	struct doc *d = &r->doc;
	uint32_t of[3] = {0};
	if (!reading_expect(r, node, DOC_OBJECT, "an object with \"type\" and \"items\" or \"file\""))
		return;
	bool good = reading_keys(r, node, keys, 3, "key of a set", of), read = false;
	if (!of[0]) {
		reading_wrong(r, node, "a set needs a \"type\": net, domain, string, port, ja3 or ja4");
		return;
	}
	s->type = reading_word(r, of[0], set_type_names, SET_TYPES, "type of a set");
	if (s->type == SET_TYPES)
		return;
	if (of[1] && of[2]) {
		reading_wrong(r, of[2], "a set has \"items\" or a \"file\", not both");
	} else if (of[1]) {
		inline_items(r, s, of[1]);
	} else if (of[2]) {
		s->file = reading_text(r, of[2], 4096);
		read = s->file && set_file(r, s, of[2], s->file);
	} else if (good) {
		reading_wrong(r, node, "a set needs \"items\" or a \"file\"");
	}
	if (s->nitems == 0 && (of[1] ? doc_count(d, of[1]) == 0 : read))
		reading_warn(r, &s->place, "the set is empty: \"in\" it is never true");
}

void set_read(struct reading *r, uint32_t node)
{
	struct doc *d = &r->doc;
	struct policy *p = r->policy;
	if (!reading_expect(r, node, DOC_OBJECT, "an object of sets"))
		return;
	p->sets = arena_take(r->arena, (doc_count(d, node) + 1) * sizeof(*p->sets));
	for (uint32_t i = doc_first(d, node); i < doc_end(d, node); i = doc_next(d, i)) {
		struct set *s = &p->sets[p->nsets++];
		struct doc_span key = doc_string(d, d->node[i].key);
		*s = (struct set){.name = arena_text(r->arena, key.p, key.len), .place = doc_place(d, i)};
		s->type = SET_TYPES; // until it is known
		lookup_add(&r->sets, s->name, (uint32_t)strlen(s->name), p->nsets - 1);
		one(r, s, i);
	}
}
