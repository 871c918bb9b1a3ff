// SPDX-License-Identifier: BSD-3-Clause
//
// From a file and --set to struct config. Defaults are written first, the file over them, each --set over that: all
// three go through the same keys and the same checks (config_value.c), and leave where they came from beside the value.
// Off the path, main thread.
//
// Comments: a key that begins with _ is one, anywhere, with a string or a list of strings. Rejected: // and /* in the
// text, which no other JSON tool reads; a configuration is also written by programs.
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/word.h"
#include "ctl/config_key.h"
#include "policy/complaints.h"
#include "policy/source.h"

#define WORDS_MAX 32 // keys of a group, groups

struct loading {
	struct config *config;
	struct reading reading;
	bool set;         // by --set; else out of the file
	const char *only; // the one group of the file that is read; NULL: all
};

// ---- where values came from -------------------------------------------------------------------------------------

uint32_t *config_origin(struct config *c, const struct config_group *g, unsigned i, unsigned k)
{
	uint32_t at = 0;
	for (const struct config_group *o = config_groups; o < g; o++)
		at += (o->shape == CONFIG_ONE ? 1u : o->room) * (o->nkeys + 1u);
	at += i * (g->nkeys + 1u) + k;
	if (at >= CONFIG_ORIGINS)
		abort(); // the table has grown
	return &c->origin[at];
}

static void came_from(struct loading *l, const struct config_group *g, unsigned i, unsigned k, uint32_t node)
{
	uint32_t *o = config_origin(l->config, g, i, k);
	struct place at = {0};
	if (!l->set)
		at = doc_place(&l->reading.doc, node);
	*o = l->set ? CONFIG_BY_SET : at.line << 12 | (at.col < 4095 ? at.col : 4095);
}

// ---- elements ---------------------------------------------------------------------------------------------------

static void init_element(struct config *c, const struct config_group *g, unsigned i)
{
	struct arena a = {0};
	struct complaints wrong = {0};
	for (unsigned k = 0; k < g->nkeys; k++) {
		struct reading r = {.arena = &a, .complaints = &wrong};
		if (!g->keys[k].value)
			continue;
		char *json = config_value_json(&a, &g->keys[k], g->keys[k].value);
		if (doc_read(&r.doc, g->keys[k].name, json, strlen(json), &a, &wrong) < 0 ||
		    !config_value_read(&r, &g->keys[k], 0, c, config_element(c, g, i))) {
			complaints_print(&wrong, stderr);
			abort(); // the table is wrong
		}
		doc_free(&r.doc);
	}
	arena_free(&a);
}

// One more. -1: said.
static int add_element(struct loading *l, const struct config_group *g, uint32_t node)
{
	uint8_t *n = (uint8_t *)l->config + g->count_at;
	if (*n == g->room) {
		reading_wrong(&l->reading, node, "at most %u %ss", g->room, g->one);
		return -1;
	}
	init_element(l->config, g, *n);
	came_from(l, g, *n, g->nkeys, node);
	return (*n)++;
}

static bool good_name(struct doc_span s)
{
	bool good = s.len > 0 && s.len < CONFIG_NAME;
	for (uint32_t i = 0; i < s.len && good; i++)
		good = strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", s.p[i]) && s.p[i];
	return good;
}

// The one of that name, a new one where there is none. -1: said.
static int named_element(struct loading *l, const struct config_group *g, uint32_t node, struct doc_span name)
{
	struct config *c = l->config;
	for (unsigned i = 0; i < config_count(c, g); i++) {
		const char *have = config_element(c, g, i);
		if (strlen(have) == name.len && !memcmp(have, name.p, name.len))
			return (int)i;
	}
	if (!good_name(name)) {
		reading_wrong(&l->reading, node, "a %s's name is up to %u letters, digits, - and _", g->one,
			      CONFIG_NAME - 1);
		return -1;
	}
	int i = add_element(l, g, node);
	if (i >= 0)
		memcpy(config_element(c, g, (unsigned)i), name.p, name.len);
	return i;
}

// ---- the file ---------------------------------------------------------------------------------------------------

static void comment(struct reading *r, uint32_t node)
{
	struct doc *d = &r->doc;
	bool good = d->node[node].type == DOC_STRING || d->node[node].type == DOC_ARRAY;
	for (uint32_t i = doc_first(d, node); good && d->node[node].type == DOC_ARRAY && i < doc_end(d, node);
	     i = doc_next(d, i))
		good = d->node[i].type == DOC_STRING;
	if (!good)
		reading_wrong(r, node,
			      "a key that begins with _ is a comment: a string or a list of strings is expected");
}

static bool is_comment(struct doc_span key)
{
	return key.len && *key.p == '_';
}

static unsigned key_of(const struct config_group *g, struct doc_span name)
{
	unsigned k = 0;
	while (k < g->nkeys && (strlen(g->keys[k].name) != name.len || memcmp(g->keys[k].name, name.p, name.len)))
		k++;
	return k;
}

static unsigned group_of(struct doc_span name)
{
	unsigned i = 1;
	while (i < config_group_count &&
	       (strlen(config_groups[i].name) != name.len || memcmp(config_groups[i].name, name.p, name.len)))
		i++;
	return i;
}

static void read_value(struct loading *l, const struct config_group *g, unsigned i, unsigned k, uint32_t node)
{
	came_from(l, g, i, k, node);
	if (!config_value_read(&l->reading, &g->keys[k], node, l->config, config_element(l->config, g, i)))
		*config_origin(l->config, g, i, k) |= CONFIG_BAD;
}

// Keys of the top that were there, and what is written instead.
static const struct {
	const char *name, *now;
} gone[] = {
	{"mirrors",
	 "copies of frames go to \"sinks\": {\"type\": \"pcapng\", \"name\": SINK, \"path\": ...}; what had no "
	 "\"sink\" has \"others\": true"},
};

static bool was(struct reading *r, uint32_t node, struct doc_span key)
{
	unsigned i = 0, n = sizeof(gone) / sizeof(gone[0]);
	while (i < n && (strlen(gone[i].name) != key.len || memcmp(gone[i].name, key.p, key.len)))
		i++;
	if (i < n)
		reading_wrong(r, node, "there is no \"%s\" any more: %s", gone[i].name, gone[i].now);
	return i < n;
}

// A key that the group lacks; of the top, which has groups, too.
static void unknown(struct reading *r, const struct config_group *g, uint32_t node, struct doc_span key)
{
	const char *words[2 * WORDS_MAX];
	unsigned n = 0;
	if (g == config_groups && was(r, node, key))
		return;
	for (unsigned k = 0; k < g->nkeys; k++)
		words[n++] = g->keys[k].name;
	for (unsigned i = 1; g == config_groups && i < config_group_count; i++)
		words[n++] = config_groups[i].name;
	const char *near = reading_near(r, words, n, key.p, key.len);
	reading_wrong(r, node, "unknown key of %s%s \"%.*s\"%s%s%s",
		      g == config_groups       ? "the "
		      : g->shape == CONFIG_ONE ? ""
					       : "a ",
		      g->one, key.len > 80 ? 80 : (int)key.len, key.p, near ? " (did you mean \"" : "",
		      near ? near : "", near ? "\"?)" : "");
}

static void read_element(struct loading *l, const struct config_group *g, unsigned i, uint32_t node)
{
	struct doc *d = &l->reading.doc;
	if (!reading_expect(&l->reading, node, DOC_OBJECT, "an object"))
		return;
	for (uint32_t m = doc_first(d, node); m < doc_end(d, node); m = doc_next(d, m)) {
		struct doc_span key = doc_string(d, d->node[m].key);
		unsigned k = key_of(g, key);
		if (is_comment(key))
			comment(&l->reading, m);
		else if (k < g->nkeys)
			read_value(l, g, i, k, m);
		else
			unknown(&l->reading, g, d->node[m].key, key);
	}
}

static void read_named(struct loading *l, const struct config_group *g, uint32_t node)
{
	struct doc *d = &l->reading.doc;
	if (!reading_expect(&l->reading, node, DOC_OBJECT, "an object"))
		return;
	for (uint32_t m = doc_first(d, node); m < doc_end(d, node); m = doc_next(d, m)) {
		struct doc_span name = doc_string(d, d->node[m].key);
		if (is_comment(name)) {
			comment(&l->reading, m);
			continue;
		}
		int i = named_element(l, g, d->node[m].key, name);
		if (i >= 0)
			read_element(l, g, (unsigned)i, m);
	}
}

static void read_listed(struct loading *l, const struct config_group *g, uint32_t node)
{
	struct doc *d = &l->reading.doc;
	if (!reading_expect(&l->reading, node, DOC_ARRAY, "a list"))
		return;
	for (uint32_t m = doc_first(d, node); m < doc_end(d, node); m = doc_next(d, m)) {
		int i = add_element(l, g, m);
		if (i < 0)
			break;
		read_element(l, g, (unsigned)i, m);
	}
}

static void read_group(struct loading *l, const struct config_group *g, uint32_t node)
{
	if (g->shape == CONFIG_NAMED)
		read_named(l, g, node);
	else if (g->shape == CONFIG_LISTED)
		read_listed(l, g, node);
	else if (g->shape == CONFIG_FREE)
		config_free_read(&l->reading, g, node, l->config);
	else
		read_element(l, g, 0, node);
}

// Ports before paths, which name them, wherever they stand in the text.
static void read_top(struct loading *l)
{
	struct doc *d = &l->reading.doc;
	uint32_t of[WORDS_MAX] = {0};
	if (!reading_expect(&l->reading, 0, DOC_OBJECT, "a configuration (an object)"))
		return;
	for (uint32_t m = doc_first(d, 0); m < doc_end(d, 0); m = doc_next(d, m)) {
		struct doc_span key = doc_string(d, d->node[m].key);
		unsigned i = group_of(key), k = key_of(config_groups, key);
		if (l->only && (i == config_group_count || strcmp(config_groups[i].name, l->only) != 0))
			continue;
		if (is_comment(key))
			comment(&l->reading, m);
		else if (i < config_group_count)
			of[i] = m;
		else if (k < config_groups->nkeys)
			read_value(l, config_groups, 0, k, m);
		else
			unknown(&l->reading, config_groups, d->node[m].key, key);
	}
	for (unsigned i = 1; i < config_group_count; i++) {
		if (of[i])
			read_group(l, &config_groups[i], of[i]);
	}
}

// -1: it is no JSON.
static int read_file(struct config *c, const char *only, const char *text, size_t len, struct complaints *to)
{
	struct arena a = {0};
	struct loading l = {.config = c, .reading = {.arena = &a, .complaints = to}, .only = only};
	const char *name = c->file;
	const char *slash = strrchr(name, '/');
	l.reading.folder = slash ? arena_text(&a, name, slash == name ? 1 : (size_t)(slash - name)) : NULL;
	int rc = doc_read(&l.reading.doc, name, text, len, &a, to);
	if (rc == 0)
		read_top(&l);
	doc_free(&l.reading.doc);
	arena_free(&a);
	return rc;
}

// ---- configuration or policy? -----------------------------------------------------------------------------------

// Behind the string whose first quote is at p.
static const char *behind_string(const char *p, const char *end)
{
	for (p++; p < end && *p != '"'; p++)
		p += *p == '\\';
	return p < end ? p + 1 : end;
}

// Keys of the outermost object, without a parser: the text may be anything.
bool config_is_one(const char *text, size_t len)
{
	const char *end = text + (len < CONFIG_TEXT_MAX ? len : CONFIG_TEXT_MAX);
	unsigned depth = 0;
	for (const char *p = text; p < end; p++) {
		depth += *p == '{' || *p == '[';
		depth -= depth && (*p == '}' || *p == ']');
		if (*p != '"')
			continue;
		const char *next = behind_string(p, end);
		struct doc_span key = {p + 1, (uint32_t)(next - p) - (next - p > 1 ? 2 : 1)};
		p = next - 1;
		while (next < end && strchr(" \t\r\n", *next) && *next)
			next++;
		if (depth == 1 && next < end && *next == ':' &&
		    (group_of(key) < config_group_count || key_of(config_groups, key) < config_groups->nkeys))
			return true;
	}
	return false;
}

// ---- --set ------------------------------------------------------------------------------------------------------

static struct doc_span next_word(const char **at, const char *end)
{
	const char *p = *at, *dot = memchr(p, '.', (size_t)(end - p));
	*at = dot ? dot + 1 : end;
	return (struct doc_span){p, (uint32_t)((dot ? dot : end) - p)};
}

// The element that the path names: paths.0, ports.lan. -1: said.
static int set_element(struct loading *l, const struct config_group *g, struct doc_span word)
{
	char *end;
	if (g->shape == CONFIG_ONE)
		return 0;
	if (g->shape == CONFIG_NAMED)
		return named_element(l, g, 0, word);
	unsigned long i = strtoul(word.p, &end, 10), n = config_count(l->config, g);
	if (word.len == 0 || *word.p < '0' || *word.p > '9' || end != word.p + word.len || i > n) {
		reading_wrong(&l->reading, 0, "\"%.*s\" is no number of a %s: 0 to %lu is expected",
			      word.len > 80 ? 80 : (int)word.len, word.p, g->one, n);
		return -1;
	}
	return i == n ? add_element(l, g, 0) : (int)i;
}

static void set_value(struct loading *l, const struct config_group *g, unsigned i, struct doc_span word,
		      const char *value)
{
	struct reading *r = &l->reading;
	unsigned k = key_of(g, word);
	if (k == g->nkeys) {
		unknown(r, g, 0, word);
		return;
	}
	char *json = config_value_json(r->arena, &g->keys[k], value);
	const char *name = r->doc.name;
	doc_free(&r->doc);
	if (doc_read(&r->doc, name, json, strlen(json), r->arena, r->complaints) == 0)
		read_value(l, g, i, k, 0);
}

static void set_path(struct loading *l, const char *path, const char *end, const char *value)
{
	const char *at = path;
	struct doc_span word = next_word(&at, end);
	unsigned group = group_of(word);
	const struct config_group *g = &config_groups[group < config_group_count ? group : 0];
	int i = 0;
	if (g->shape == CONFIG_FREE) { // dots are the name's own
		config_free_set(&l->reading, g, arena_text(l->reading.arena, at, (size_t)(end - at)), value, l->config);
		return;
	}
	if (g->shape != CONFIG_ONE) {
		word = next_word(&at, end);
		i = set_element(l, g, word);
	}
	if (i < 0)
		return;
	if (group < config_group_count)
		word = next_word(&at, end);
	if (at != end && group == config_group_count && key_of(g, word) == g->nkeys)
		unknown(&l->reading, g, 0, word);
	else if (at != end)
		reading_wrong(&l->reading, 0, "\"%.*s\" has nothing in it that could be set", (int)(at - 1 - path),
			      path);
	else
		set_value(l, g, (unsigned)i, word, value);
}

// A complaint about it is "--set ports.lan.mtu_bytes: ...": a text of one line has no places.
static void read_set(struct config *c, const char *set, struct complaints *to)
{
	struct arena a = {0};
	struct complaints own = {0};
	struct loading l = {.config = c, .reading = {.arena = &a, .complaints = &own}, .set = true};
	const char *is = strchr(set, '='), *end = is ? is : set + strlen(set);
	char *name = (char *)arena_bytes(&a, (size_t)(end - set) + 7);
	sprintf(name, "--set %.*s", (int)(end - set), set);
	doc_read(&l.reading.doc, name, "0", 1, &a, &own);
	if (!is || is == set)
		reading_wrong(&l.reading, 0, "key=value is expected");
	else
		set_path(&l, set, end, is + 1);
	for (uint32_t i = 0; i < own.n; i++)
		complaints_add(to, own.list[i].warning, &(struct place){.file = name}, "%s", own.list[i].text);
	complaints_clear(&own);
	doc_free(&l.reading.doc);
	arena_free(&a);
}

// ---- all of it --------------------------------------------------------------------------------------------------

static void init(struct config *c)
{
	config_keys_init();
	memset(c, 0, sizeof(*c));
	for (unsigned i = 0; i < config_group_count; i++) {
		if (config_groups[i].shape == CONFIG_ONE)
			init_element(c, &config_groups[i], 0);
	}
}

// 0; -ENOENT: it cannot be read; -EINVAL: it is no JSON, and nothing is known of it.
static int load_file(struct config *c, const char *file, const char *only, struct complaints *to)
{
	struct arena a = {0};
	const char *why, *name = strcmp(file, SOURCE_STDIN) ? file : "stdin";
	size_t len = 0;
	struct place at = {.file = c->file};
	bool fits = (size_t)snprintf(c->file, sizeof(c->file), "%s", name) < sizeof(c->file);
	char *text = fits ? source_read(file, CONFIG_TEXT_MAX, &a, &len, &why) : NULL;
	if (!fits)
		complaints_add(to, false, &at, "the file's name is longer than %u bytes", CONFIG_FILE - 1);
	else if (!text)
		complaints_add(to, false, &at, "cannot read it: %s", why);
	else if (len > CONFIG_TEXT_MAX)
		complaints_add(to, false, &at, "longer than %u bytes: no configuration is", CONFIG_TEXT_MAX);
	int rc = !text ? -ENOENT : len > CONFIG_TEXT_MAX || read_file(c, only, text, len, to) < 0 ? -EINVAL : 0;
	arena_free(&a);
	to->unreadable = !text;
	return rc;
}

// What follows from other keys.
static void derive(struct config *c)
{
	for (unsigned i = 0; i < c->npaths; i++) {
		struct config_path *p = &c->paths[i];
		if (p->mode != CONFIG_GWLB)
			continue;
		p->transport = CONFIG_TRANSPORT_GWLB;
		for (unsigned j = 0; j < p->nports; j++)
			c->ports[p->ports[j]].port.large_headers = true;
	}
}

// What the file and the sets say, without what only all of it together can have wrong.
static int read_values(struct config *config, const char *file, const char *only, const char *const *sets,
		       unsigned nsets, struct complaints *to)
{
	init(config);
	int rc = file ? load_file(config, file, only, to) : 0;
	for (unsigned i = 0; i < nsets && rc == 0; i++)
		read_set(config, sets[i], to);
	return rc;
}

static int judged(const struct config *config, int rc, struct complaints *to)
{
	complaints_sort(to, config->file);
	return rc < 0 || to->nerrors == 0 ? rc : -EINVAL;
}

int config_read(struct config *config, const char *file, const char *const *sets, unsigned nsets, bool here,
		struct complaints *to)
{
	int rc = read_values(config, file, NULL, sets, nsets, to);
	if (rc == 0)
		config_check(config, here, to);
	derive(config);
	return judged(config, rc, to);
}

int config_load(struct config *config, const char *file, const char *const *sets, unsigned nsets, FILE *say)
{
	struct complaints wrong = {0};
	int rc = config_read(config, file, sets, nsets, true, &wrong);
	complaints_print(&wrong, say);
	complaints_clear(&wrong);
	return rc;
}

int config_load_kafka(struct config *config, const char *file, const char *const *sets, unsigned nsets, FILE *say)
{
	struct complaints wrong = {0};
	int rc = read_values(config, file, "kafka", sets, nsets, &wrong);
	if (rc == 0)
		config_check_kafka(config, &wrong);
	rc = judged(config, rc, &wrong);
	complaints_print(&wrong, say);
	complaints_clear(&wrong);
	return rc;
}
