// SPDX-License-Identifier: BSD-3-Clause
//
// The named buffers of a rule set: which patterns look through which field or header, and their databases. Those that
// an earlier rule set has are used again, what is new goes into a small one beside (scan_kept.c).
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hs/hs.h>

#include "policy/compile_in.h"

const uint8_t compile_field_types[FIELD_COUNT] = {
#define X(symbol, name, type, many, hold, known, absent, help) FIELD_TYPE_##type,
	FIELDS(X)
#undef X
};

static const bool many[FIELD_COUNT] = {
#define X(symbol, name, type, many, hold, known, absent, help) many,
	FIELDS(X)
#undef X
};

#define X(symbol, name, type, many, hold, known, absent, help) (uint64_t) hold << FIELD_##symbol |
const uint64_t compile_holdable = FIELDS(X) 0;
#undef X

static uint32_t buffer_of(struct compiler *c, const struct node *on)
{
	struct ruleset *rs = c->rs;
	for (uint32_t i = 0; i < rs->nbuffers; i++)
		if (rs->buffers[i].field == on->field && rs->buffers[i].at == on->at && rs->buffers[i].len == on->len)
			return i;
	struct scan_name name = {on->field, rs->bytes + on->at, on->len};
	struct scan_kept *base = c->anew ? NULL : scan_store_get(c->options->store, &name);
	uint32_t n = scan_kept_patterns(base);
	rs->buffers = compile_grow(rs->buffers, rs->nbuffers, sizeof(*rs->buffers));
	c->pending = compile_grow(c->pending, rs->nbuffers, sizeof(*c->pending));
	rs->buffers[rs->nbuffers] = (struct ruleset_buffer){
		.field = on->field, .at = on->at, .len = on->len, .rows = many[on->field] ? FACTS_MAX : 1};
	c->pending[rs->nbuffers] = (struct pending){
		.base = base, .more = scan_kept_new(&name, n), .used = calloc(n / 64 + 1ul, sizeof(uint64_t))};
	if (!c->pending[rs->nbuffers].used)
		abort();
	return rs->nbuffers++;
}

// Equal patterns are one.
static uint32_t add(struct compiler *c, uint32_t buffer, const struct scan_pattern *s, const struct place *place)
{
	struct pending *p = &c->pending[buffer];
	uint32_t n = scan_kept_patterns(p->more), at = scan_kept_find(p->base, s);
	if (at != SCAN_NONE) {
		p->nused += !(p->used[at / 64] >> at % 64 & 1);
		p->used[at / 64] |= 1ull << at % 64;
		return at;
	}
	at = scan_kept_add(p->more, s);
	if (scan_kept_patterns(p->more) == n)
		return at;
	p->places = compile_grow(p->places, p->nplaces, sizeof(*p->places));
	p->places[p->nplaces++] = *place;
	return at;
}

void compile_regex(struct compiler *c, uint32_t node, uint32_t field, const struct test *t)
{
	uint32_t buffer = buffer_of(c, &c->rs->nodes[field]);
	struct scan_pattern made = {t->operand.p, t->operand.len, SCAN_REGEX, t->nocase};
	c->rs->nodes[node].at = add(c, buffer, &made, &t->place);
	c->rs->nodes[node].len = buffer;
}

uint32_t compile_literal(struct compiler *c, const struct node *on, const struct node *n, uint32_t *buffer)
{
	enum scan_kind kind = n->op == NODE_PREFIX ? SCAN_PREFIX : n->op == NODE_SUFFIX ? SCAN_SUFFIX : SCAN_CONTAINS;
	*buffer = buffer_of(c, on);
	struct scan_pattern made = {c->rs->bytes + n->at, n->len, kind, n->nocase};
	return add(c, *buffer, &made, &(struct place){0});
}

static bool refused(struct compiler *c, const struct pending *p, uint32_t bad, const char *why)
{
	const struct scan_pattern *s = scan_kept_pattern(p->more, bad);
	const char *where = p->places[bad].pointer;
	snprintf(c->error, c->size, "%s: %.*s: %s", where ? where : "pattern", (int)s->len, s->p, why);
	return false;
}

// What the buffer is searched by: `more` is all of it where there is no base.
static bool database(struct compiler *c, struct ruleset_buffer *b, struct pending *p)
{
	struct hs_scratch **scratch = &c->rs->scan;
	uint32_t bad;
	char text[256];
	bool stream = b->field == FIELD_PAYLOAD, some = scan_kept_patterns(p->more);
	if (some && !scan_kept_compile(p->more, stream, c->options, &bad, text, sizeof(text)))
		return refused(c, p, bad, text);
	if (!p->base)
		scan_store_put(c->options->store, p->more);
	else
		scan_store_wish(c->options->store, p->base, p->used, p->more);
	b->kept[0] = scan_kept_hold(p->base ? p->base : p->more);
	b->kept[1] = scan_kept_hold(p->base && some ? p->more : NULL);
	b->db = scan_kept_database(b->kept[0], false);
	b->stream = scan_kept_database(b->kept[0], true);
	b->more = scan_kept_database(b->kept[1], false);
	b->more_stream = scan_kept_database(b->kept[1], true);
	struct hs_database *const of[] = {b->db, b->stream, b->more, b->more_stream};
	for (unsigned i = 0; i < 4; i++)
		if (of[i] && hs_alloc_scratch(of[i], scratch) != HS_SUCCESS) {
			snprintf(c->error, c->size, "no memory");
			return false;
		}
	b->npatterns = scan_kept_patterns(p->base) + scan_kept_patterns(p->more);
	b->words = (b->npatterns + 63) / 64;
	b->found = c->rs->nfound;
	c->rs->nfound += b->words * b->rows;
	return true;
}

static bool is_of_use(const struct pending *p)
{
	uint32_t base = scan_kept_patterns(p->base), more = scan_kept_patterns(p->more);
	return !p->base || ((more <= SCAN_MORE || more <= base / 4) && p->nused * 2 >= base);
}

bool compile_buffers(struct compiler *c)
{
	bool good = true;
	for (uint32_t i = 0; i < c->rs->nbuffers; i++)
		good &= is_of_use(&c->pending[i]);
	for (uint32_t i = 0; i < c->rs->nbuffers; i++) {
		struct pending *p = &c->pending[i];
		if (good && !c->failed && !database(c, &c->rs->buffers[i], p))
			c->failed = true;
		scan_kept_let_go(p->base);
		scan_kept_let_go(p->more);
		free(p->used);
		free(p->places);
	}
	free(c->pending);
	return good;
}
