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

const bool compile_action_ends[ACTION_COUNT] = {
#define X(symbol, name, ends, denies, help) ends,
	ACTIONS(X)
#undef X
};

static uint32_t buffer_of(struct compiler *c, const struct condition *on)
{
	struct ruleset *rs = c->rs;
	uint32_t len = on->header ? strlen(on->header) : 0, at = 0;
	if (len)
		at = compile_bytes(c, (const uint8_t *)on->header, len, false);
	for (uint32_t i = 0; i < rs->nbuffers; i++)
		if (rs->buffers[i].field == on->field && rs->buffers[i].at == at && rs->buffers[i].len == len)
			return i;
	rs->buffers = compile_grow(rs->buffers, rs->nbuffers, sizeof(*rs->buffers));
	c->pending = compile_grow(c->pending, rs->nbuffers, sizeof(*c->pending));
	rs->buffers[rs->nbuffers] = (struct ruleset_buffer){
		.field = on->field, .at = at, .len = len, .rows = many[on->field] ? FACTS_MAX : 1};
	c->pending[rs->nbuffers] = (struct pending){0};
	return rs->nbuffers++;
}

uint32_t compile_pattern(struct compiler *c, uint32_t node, const struct condition *on, enum scan_kind kind,
			 const struct operand *o, bool nocase)
{
	uint32_t buffer = buffer_of(c, on);
	struct pending *p = &c->pending[buffer];
	p->list = compile_grow(p->list, p->n, sizeof(*p->list));
	p->places = compile_grow(p->places, p->n, sizeof(*p->places));
	p->list[p->n] = (struct scan_pattern){.p = o->p, .len = o->len, .kind = kind, .nocase = nocase};
	p->places[p->n] = on->place;
	c->rs->nodes[node].at = p->n;
	c->rs->nodes[node].len = buffer;
	return p->n++;
}

static bool database(struct compiler *c, struct ruleset_buffer *b, const struct pending *p)
{
	uint32_t bad;
	char text[256];
	b->db = scan_database(p->list, p->n, c->options, &bad, text, sizeof(text));
	if (!b->db) {
		snprintf(c->error, c->size, "%s: %.*s: %s", p->places[bad].pointer ? p->places[bad].pointer : "pattern",
			 (int)p->list[bad].len, p->list[bad].p, text);
		return false;
	}
	if (hs_alloc_scratch(b->db, &c->rs->scan) != HS_SUCCESS) {
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
		free(c->pending[i].places);
	}
	free(c->pending);
}
