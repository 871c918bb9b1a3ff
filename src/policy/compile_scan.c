// SPDX-License-Identifier: BSD-3-Clause
//
// The named buffers of a rule set: which patterns look through which field or header, and their databases.
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
	rs->buffers = compile_grow(rs->buffers, rs->nbuffers, sizeof(*rs->buffers));
	c->pending = compile_grow(c->pending, rs->nbuffers, sizeof(*c->pending));
	rs->buffers[rs->nbuffers] = (struct ruleset_buffer){
		.field = on->field, .at = on->at, .len = on->len, .rows = many[on->field] ? FACTS_MAX : 1};
	c->pending[rs->nbuffers] = (struct pending){0};
	return rs->nbuffers++;
}

static uint32_t add(struct compiler *c, uint32_t buffer, struct pattern made)
{
	struct pending *p = &c->pending[buffer];
	p->list = compile_grow(p->list, p->n, sizeof(*p->list));
	p->list[p->n] = made;
	return p->n++;
}

void compile_regex(struct compiler *c, uint32_t node, uint32_t field, const struct test *t)
{
	uint32_t at = compile_bytes(c, t->operand.p, t->operand.len, false);
	uint32_t buffer = buffer_of(c, &c->rs->nodes[field]);
	struct pattern made = {at, t->operand.len, SCAN_REGEX, t->nocase, t->place};
	c->rs->nodes[node].at = add(c, buffer, made);
	c->rs->nodes[node].len = buffer;
}

uint32_t compile_literal(struct compiler *c, const struct node *on, const struct node *n, uint32_t *buffer)
{
	enum scan_kind kind = n->op == NODE_PREFIX ? SCAN_PREFIX : n->op == NODE_SUFFIX ? SCAN_SUFFIX : SCAN_CONTAINS;
	*buffer = buffer_of(c, on);
	return add(c, *buffer, (struct pattern){.at = n->at, .len = n->len, .kind = kind, .nocase = n->nocase});
}

static bool database(struct compiler *c, struct ruleset_buffer *b, const struct pending *p)
{
	uint32_t bad;
	char text[256];
	struct scan_pattern *list = calloc(p->n, sizeof(*list));
	if (!list)
		abort();
	for (uint32_t i = 0; i < p->n; i++)
		list[i] = (struct scan_pattern){c->rs->bytes + p->list[i].at, p->list[i].len, p->list[i].kind,
						p->list[i].nocase};
	b->db = scan_database(list, p->n, false, c->options, &bad, text, sizeof(text));
	if (b->db && b->field == FIELD_PAYLOAD)
		b->stream = scan_database(list, p->n, true, c->options, &bad, text, sizeof(text));
	free(list);
	if (!b->db || (b->field == FIELD_PAYLOAD && !b->stream)) {
		const struct pattern *w = &p->list[bad];
		snprintf(c->error, c->size, "%s: %.*s: %s", w->place.pointer ? w->place.pointer : "pattern",
			 (int)w->len, c->rs->bytes + w->at, text);
		return false;
	}
	if (hs_alloc_scratch(b->db, &c->rs->scan) != HS_SUCCESS ||
	    (b->stream && hs_alloc_scratch(b->stream, &c->rs->scan) != HS_SUCCESS)) {
		snprintf(c->error, c->size, "no memory");
		return false;
	}
	b->npatterns = p->n;
	b->words = (p->n + 63) / 64;
	b->found = c->rs->nfound;
	c->rs->nfound += b->words * b->rows;
	return true;
}

void compile_buffers(struct compiler *c)
{
	for (uint32_t i = 0; i < c->rs->nbuffers; i++) {
		if (!c->failed && !database(c, &c->rs->buffers[i], &c->pending[i]))
			c->failed = true;
		free(c->pending[i].list);
	}
	free(c->pending);
}
