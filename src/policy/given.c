// SPDX-License-Identifier: BSD-3-Clause
//
// What is given of a transaction, in words, becomes struct facts: values are read as those of policies are, so that
// they are spelled as facts are. Off the path; all input is hostile.
//
// `host` is every name that is given. A name is only ever added, never taken back.
#include "given.h"

#include <stdlib.h>
#include <string.h>

#include "path/app/http_name.h"
#include "policy/complaints.h"
#include "policy/field.h"
#include "policy/schedule.h"
#include "record.h"

#define VALUE_MAX 8192 // FACT_VALUE_MAX: no value of a fact is longer

void given_begin(struct given *g, bool absent)
{
	memset(&g->facts, 0, sizeof(g->facts));
	g->fields = 0;
	for (enum field f = 0; f < FIELD_COUNT; f++)
		g->facts.state[f] = absent && strcmp(field_table[f].absent, "never") ? FACT_ABSENT : FACT_UNKNOWN;
	g->facts.state[FIELD_TIME] = FACT_ALL;
}

static struct fact_value *value_new(struct given *g, uint32_t node, enum field f)
{
	if (g->facts.n[f] == FACTS_MAX) {
		reading_wrong(&g->r, node, "more than %u values", FACTS_MAX);
		return NULL;
	}
	g->facts.state[f] = FACT_ALL;
	g->facts.value[f] = g->values[f];
	struct fact_value *v = &g->values[f][g->facts.n[f]++];
	*v = (struct fact_value){0};
	return v;
}

static bool instant(struct given *g, uint32_t node)
{
	struct doc_span s = doc_string(&g->r.doc, node);
	return (g->r.doc.node[node].type == DOC_STRING && schedule_instant(s.p, s.len, &g->facts.now_ns)) ||
	       reading_wrong(&g->r, node, "a time of RFC 3339 is expected, as \"2027-01-31T18:00:00Z\"");
}

static bool value(struct given *g, uint32_t node, enum field f, const char *header)
{
	struct operand o;
	if (f == FIELD_TIME)
		return instant(g, node);
	if (!field_operand(&g->r, node, f, TEST_IS, &o))
		return false;
	if (field_table[f].type == FIELD_TYPE_ADDR && o.bits != o.len * 8)
		return reading_wrong(&g->r, node, "an address is expected, not a network");
	struct fact_value *v = value_new(g, node, f);
	if (!v)
		return false;
	*v = (struct fact_value){.p = o.p, .len = o.len, .num = o.num};
	if (header) {
		v->name = (const uint8_t *)header;
		v->name_len = (uint32_t)strlen(header);
	}
	if (field_table[f].type != FIELD_TYPE_NAME || f == FIELD_HOST)
		return true;
	struct fact_value *host = value_new(g, node, FIELD_HOST);
	if (host)
		*host = *v;
	return host != NULL;
}

bool given_member(struct given *g, uint32_t node)
{
	const char *header;
	struct doc *d = &g->r.doc;
	enum field f = field_of_key(&g->r, d->node[node].key, &header);
	bool good = true;
	if (f == FIELD_COUNT)
		return false;
	g->fields |= 1ull << f;
	if (d->node[node].type == DOC_NULL) {
		g->facts.state[f] = FACT_ABSENT;
		return true;
	}
	if (d->node[node].type != DOC_ARRAY)
		return value(g, node, f, header);
	if (!field_table[f].many)
		return reading_wrong(&g->r, node, "%s has one value", field_names[f]);
	for (uint32_t i = doc_first(d, node); i < doc_end(d, node); i = doc_next(d, i))
		good &= value(g, i, f, header);
	return good;
}

bool given_unknown(struct given *g, uint32_t node)
{
	struct doc *d = &g->r.doc;
	if (!reading_expect(&g->r, node, DOC_ARRAY, "a list of fields"))
		return false;
	for (uint32_t i = doc_first(d, node); i < doc_end(d, node); i = doc_next(d, i)) {
		unsigned f = reading_word(&g->r, i, field_names, FIELD_COUNT, "field");
		if (f == FIELD_COUNT)
			return false;
		g->facts.state[f] = FACT_UNKNOWN;
		g->facts.n[f] = 0;
	}
	return true;
}

// ---- arguments --------------------------------------------------------------------------------------------------

// A value stands bare in JSON where its field takes numbers or true and false.
static bool bare(enum field f, const char *value)
{
	const struct field_words *w = f < FIELD_COUNT ? field_words(f) : NULL;
	size_t digits = strspn(value, "0123456789");
	if (f == FIELD_COUNT)
		return false;
	switch ((enum field_type)field_table[f].type) {
	case FIELD_TYPE_PORT:
	case FIELD_TYPE_NUM:
		return digits && !value[digits] && (digits == 1 || *value != '0');
	case FIELD_TYPE_BOOL:
		return !strcmp(value, "true") || !strcmp(value, "false");
	case FIELD_TYPE_WORD:
		return w && w->highest && digits && !value[digits] && (digits == 1 || *value != '0');
	default:
		return false;
	}
}

// A string of JSON. Bytes that are not UTF-8 are what doc_read says of them.
static size_t quote(const char *p, char *out)
{
	size_t n = 0;
	out[n++] = '"';
	for (; *p; p++) {
		uint8_t c = (uint8_t)*p;
		if (c < 0x20 || c == '"' || c == '\\')
			n += (size_t)sprintf(out + n, "\\u%04x", c);
		else
			out[n++] = *p;
	}
	out[n++] = '"';
	return n;
}

static enum field field_named(const char *name)
{
	for (enum field f = 0; f < FIELD_COUNT; f++)
		if (!strcmp(field_names[f], name))
			return f;
	return FIELD_COUNT;
}

static bool repeated(struct given *g, const char *name, const char *at)
{
	enum field f = field_named(name);
	struct place place = {.file = at};
	bool given = f < FIELD_COUNT && (g->fields >> f & 1 || (f == FIELD_URL && g->facts.n[FIELD_HTTP_PATH]));
	if (!given || field_table[f].many)
		return false;
	complaints_add(g->r.complaints, false, &place, "given twice; %s has one value", name);
	return true;
}

// {"NAME": VALUE} as a document of its own: places in it mean nothing, so complaints lose theirs.
static bool member(struct given *g, const char *name, const char *value, const char *at)
{
	size_t room = 6 * (strlen(name) + strlen(value)) + 16, n = 0;
	uint32_t before = g->r.complaints->n;
	char *text = arena_take(g->r.arena, room);
	text[n++] = '{';
	n += quote(name, text + n);
	text[n++] = ':';
	if (bare(field_named(name), value))
		n += (size_t)sprintf(text + n, "%s", value);
	else
		n += quote(value, text + n);
	text[n++] = '}';
	bool good = doc_read(&g->r.doc, at, text, n, g->r.arena, g->r.complaints) == 0 &&
		    given_member(g, doc_first(&g->r.doc, 0));
	doc_free(&g->r.doc);
	for (uint32_t i = before; i < g->r.complaints->n; i++) {
		struct complaint *c = &g->r.complaints->list[i];
		c->place.line = c->place.col = 0;
		if (c->place.pointer)
			*(char *)(uintptr_t)c->place.pointer = '\0'; // complaints_add made a copy of it
	}
	return good;
}

// A URL is what a request to it shows: of https the name alone.
static bool url(struct given *g, const char *value, const char *at)
{
	struct place place = {.file = at};
	bool tls = !strncmp(value, "https://", 8);
	if (!tls && strncmp(value, "http://", 7)) {
		complaints_add(g->r.complaints, false, &place, "\"%.80s\": http:// or https:// is expected", value);
		return false;
	}
	const char *authority = value + (tls ? 8 : 7), *target = authority + strcspn(authority, "/?#");
	struct http_authority a =
		http_name_authority((struct http_span){(const uint8_t *)authority, (uint32_t)(target - authority)});
	if (a.bad || a.name.len == 0) {
		complaints_add(g->r.complaints, false, &place, "\"%.80s\": no server in it", value);
		return false;
	}
	char *host = arena_text(g->r.arena, a.name.p, a.name.len);
	if (!member(g, tls ? "tls.sni" : "http.host", host, at))
		return false;
	if (tls)
		return true;
	uint32_t cut = (uint32_t)strcspn(target, "#");
	char *uri = cut ? arena_text(g->r.arena, target, cut) : arena_text(g->r.arena, "/", 1);
	if (!member(g, "url", value, at) || !member(g, "http.uri", uri, at))
		return false;
	uint32_t len = (uint32_t)strlen(uri);
	uint8_t *path = arena_bytes(g->r.arena, len + 1);
	g->fields |= 1ull << FIELD_HTTP_PATH;
	*value_new(g, 0, FIELD_HTTP_PATH) = (struct fact_value){
		.p = path, .len = http_name_path((struct http_span){(const uint8_t *)uri, len}, path, len + 1)};
	return true;
}

bool given_argument(struct given *g, const char *name, const char *value)
{
	struct place at = {0};
	size_t n = strnlen(name, 300);
	char *file = arena_take(g->r.arena, n + 3);
	snprintf(file, n + 3, "--%s", name);
	at.file = file;
	if (n == 300 || strlen(value) > VALUE_MAX) {
		complaints_add(g->r.complaints, false, &at, "longer than a value can be (%u)", VALUE_MAX);
		return false;
	}
	if (repeated(g, name, file))
		return false;
	return strcmp(name, "url") ? member(g, name, value, file) : url(g, value, file);
}

// ---- what follows -----------------------------------------------------------------------------------------------

static void set_num(struct given *g, enum field f, uint64_t num)
{
	g->values[f][0] = (struct fact_value){.num = num};
	g->facts.value[f] = g->values[f];
	g->facts.n[f] = 1;
	g->facts.state[f] = FACT_ALL;
}

static void set_app(struct given *g, enum app app)
{
	g->values[FIELD_APP][0] =
		(struct fact_value){.p = (const uint8_t *)app_names[app], .len = (uint32_t)strlen(app_names[app])};
	g->facts.value[FIELD_APP] = g->values[FIELD_APP];
	g->facts.n[FIELD_APP] = 1;
	g->facts.state[FIELD_APP] = FACT_ALL;
}

// X(beginning of a field's name, the application that it tells, others that have it)
#define OWNERS(X)                                                                                                      \
	X("quic.", QUIC, QUIC, QUIC)                                                                                   \
	X("tls.", TLS, DTLS, QUIC)                                                                                     \
	X("http.", HTTP, HTTP, HTTP)                                                                                   \
	X("url", HTTP, HTTP, HTTP)                                                                                     \
	X("dns.", DNS, DNS, DNS)                                                                                       \
	X("ssh.", SSH, SSH, SSH)

static const struct owner {
	const char *fields;
	uint8_t app[3];
} owners[] = {
#define X(fields, tells, b, c) {fields, {APP_##tells, APP_##b, APP_##c}},
	OWNERS(X)
#undef X
};
#define OWNERS_N (sizeof(owners) / sizeof(owners[0]))

static const struct owner *owner_of(enum field f)
{
	for (unsigned i = 0; i < OWNERS_N; i++)
		if (!strncmp(field_names[f], owners[i].fields, strlen(owners[i].fields)))
			return &owners[i];
	return NULL;
}

static enum app app_given(const struct given *g)
{
	const struct fact_value *v = g->facts.value[FIELD_APP];
	if (!g->facts.n[FIELD_APP])
		return APP_NONE;
	for (unsigned a = 1; a < APP_COUNT; a++)
		if (v->len == strlen(app_names[a]) && !memcmp(v->p, app_names[a], v->len))
			return (enum app)a;
	return APP_NONE;
}

static void tell_app(struct given *g)
{
	const struct owner *told = NULL;
	for (unsigned i = 0; i < OWNERS_N && !told; i++) // quic before tls, which it has too
		for (enum field f = 0; f < FIELD_COUNT; f++)
			if (g->facts.n[f] && owner_of(f) == &owners[i])
				told = &owners[i];
	if (told && !g->facts.n[FIELD_APP] && !(g->fields >> FIELD_APP & 1))
		set_app(g, told->app[0]);
}

static void make_absent(struct given *g, enum field f)
{
	if (!g->facts.n[f] && !(g->fields >> f & 1) && strcmp(field_table[f].absent, "never"))
		g->facts.state[f] = FACT_ABSENT;
}

static void others_absent(struct given *g, enum app app)
{
	for (enum field f = 0; f < FIELD_COUNT; f++) {
		const struct owner *o = owner_of(f);
		if (o && o->app[0] != app && o->app[1] != app && o->app[2] != app)
			make_absent(g, f);
	}
}

void given_complete(struct given *g, bool rest_absent)
{
	const struct fact_value *v = g->facts.n[FIELD_SRC] ? g->facts.value[FIELD_SRC] : g->facts.value[FIELD_DST];
	if (!g->facts.n[FIELD_IP_VERSION] && (g->facts.n[FIELD_SRC] || g->facts.n[FIELD_DST]))
		set_num(g, FIELD_IP_VERSION, v->len == 4 ? 4 : 6);
	tell_app(g);
	enum app app = app_given(g);
	if (app != APP_NONE)
		others_absent(g, app);
	if (g->facts.n[FIELD_PROTO]) {
		uint64_t proto = g->facts.value[FIELD_PROTO]->num;
		if (proto != 6)
			make_absent(g, FIELD_TCP_FLAGS);
		if (proto != 6 && proto != 17 && proto != 132)
			make_absent(g, FIELD_SPORT), make_absent(g, FIELD_DPORT);
	}
	for (enum field f = 0; rest_absent && f < FIELD_COUNT; f++)
		if (f != FIELD_TIME && g->facts.state[f] == FACT_UNKNOWN)
			make_absent(g, f);
}
