// SPDX-License-Identifier: BSD-3-Clause
//
// Looks through the values that are known with Hyperscan: one database a named buffer (a field, or one header), each
// pattern reported once a value. What is found is a row of bits a value, which rules then read as often as they like.
//
// hs_scan works in the worker's own scratch and neither allocates nor locks. Bits are cleared one by one as they were
// set: a row of 10,000 patterns is 1.2 KB, and most values set none.
#include <string.h>

#include <hs/hs_runtime.h>

#include "policy_in.h"
#include "rules_hash.h"

struct row {
	struct policy_scratch *s;
	uint32_t first; // word
	uint32_t buffer;
	uint8_t field;
};

static int on_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *arg)
{
	struct row *r = arg;
	uint32_t word = r->first + id / 64;
	const struct ruleset *rs = r->s->rs;
	if (!r->s->found[word])
		r->s->dirty[r->s->ndirty++] = word;
	r->s->found[word] |= 1ull << id % 64;
	if (rs->keyed[KEY_PATTERN] >> r->field & 1)
		policy_index_key(r->s, KEY_PATTERN, r->field, rules_mix(rs->seed, (uint64_t)r->buffer << 32 | id));
	return 0;
}

static void value(struct policy_scratch *s, const struct ruleset_buffer *b, const struct fact_value *v, uint32_t i)
{
	struct row r = {s, b->found + i * b->words, b - s->rs->buffers, b->field};
	if (b->len && (v->name_len != b->len || memcmp(v->name, s->rs->bytes + b->at, b->len)))
		return;
	if (v->p && i < b->rows)
		hs_scan(b->db, (const char *)v->p, v->len, 0, s->scan, on_match, &r);
}

void policy_scan(struct policy_scratch *s)
{
	const struct facts *f = s->facts;
	while (s->ndirty)
		s->found[s->dirty[--s->ndirty]] = 0;
	for (uint32_t i = 0; i < s->rs->nbuffers; i++) {
		const struct ruleset_buffer *b = &s->rs->buffers[i];
		bool known = f->state[b->field] == FACT_SOME || f->state[b->field] == FACT_ALL;
		for (uint32_t k = 0; known && b->field != FIELD_TAG && k < f->n[b->field]; k++)
			value(s, b, &f->value[b->field][k], k);
	}
}

void policy_scan_tag(struct policy_scratch *s, uint32_t tag)
{
	for (uint32_t i = 0; i < s->rs->nbuffers; i++)
		if (s->rs->buffers[i].field == FIELD_TAG)
			value(s, &s->rs->buffers[i], &s->tag[tag], tag);
}
