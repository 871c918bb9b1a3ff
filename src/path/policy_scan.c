// SPDX-License-Identifier: BSD-3-Clause
//
// Looks through the values that are known with Hyperscan: one database a named buffer (a field, or one header), each
// pattern reported once a value. What is found is a row of bits a value, which rules then read as often as they like.
//
// hs_scan works in the worker's own scratch and neither allocates nor locks. Bits are cleared one by one as they were
// set: a row of 10,000 patterns is 1.2 KB, and most values set none.
#include <string.h>

#include <hs/hs_runtime.h>
#include <rte_branch_prediction.h>
#include <rte_common.h>

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

// What was found in pieces, as if it were found now.
static void found_before(struct row *r, const struct ruleset_buffer *b, const uint64_t *found)
{
	for (uint32_t k = 0; k < b->words; k++)
		for (uint64_t left = found[k]; left; left &= left - 1)
			on_match(k * 64 + (unsigned)__builtin_ctzll(left), 0, 0, 0, r);
}

static inline void scan(struct policy_scratch *s, const struct ruleset_buffer *b, const struct fact_value *v,
			struct row *r)
{
	if (b->db)
		hs_scan(b->db, (const char *)v->p, v->len, 0, s->scan, on_match, r);
	if (unlikely(b->more != NULL))
		hs_scan(b->more, (const char *)v->p, v->len, 0, s->scan, on_match, r);
}

static void value(struct policy_scratch *s, const struct ruleset_buffer *b, const struct fact_value *v, uint32_t i)
{
	struct row r = {s, b->found + i * b->words, b - s->rs->buffers, b->field};
	if (b->len && (v->name_len != b->len || memcmp(v->name, s->rs->bytes + b->at, b->len)))
		return;
	if (!v->p && b->field == FIELD_PAYLOAD && i < 2 && s->facts->found[i])
		found_before(&r, b, s->facts->found[i]);
	else if (v->p && i < b->rows)
		scan(s, b, v, &r);
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

// ---- payload -------------------------------------------------------------------------------------------------------

// All patterns of payload are in one buffer. NULL: there are none.
static const struct ruleset_buffer *payload(const struct ruleset *rs)
{
	for (uint32_t i = 0; i < rs->nbuffers; i++)
		if (rs->buffers[i].field == FIELD_PAYLOAD)
			return &rs->buffers[i];
	return NULL;
}

struct pieces {
	uint64_t *row;
	bool news;
};

static int on_piece(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *arg)
{
	struct pieces *x = arg;
	uint64_t bit = 1ull << id % 64;
	x->news |= !(x->row[id / 64] & bit);
	x->row[id / 64] |= bit;
	return 0;
}

uint32_t policy_payload_words(const struct ruleset *rs)
{
	const struct ruleset_buffer *b = payload(rs);
	return b ? b->words : 1;
}

// Where the stream that is being opened is to lie: Hyperscan asks for memory by a callback that is told its size alone.
static _Thread_local struct {
	void *at;
	size_t room;
} place;

static void *placed(size_t bytes)
{
	return bytes <= place.room ? place.at : NULL;
}

static void stays(void *p) {}

// One direction's: of what a database, and the small one beside it, have seen of it. Both lie behind this.
struct policy_stream {
	struct hs_stream *of[2]; // NULL: there is none
};

static size_t stream_bytes(const hs_database_t *db)
{
	size_t bytes = 0;
	if (!db || hs_stream_size(db, &bytes) != HS_SUCCESS)
		return 0;
	return RTE_ALIGN_CEIL(bytes + 64, 64ul); // and head
}

size_t policy_payload_bytes(const struct ruleset *rs)
{
	const struct ruleset_buffer *b = payload(rs);
	hs_set_stream_allocator(placed, stays);
	return b ? 64 + stream_bytes(b->stream) + stream_bytes(b->more_stream) : 0;
}

struct policy_stream *policy_payload_open(const struct ruleset *rs, void *at)
{
	const struct ruleset_buffer *b = payload(rs);
	static struct policy_stream none; // rules that only ask whether there is payload
	struct policy_stream *made = at;
	if (!b)
		return &none;
	const hs_database_t *const db[2] = {b->stream, b->more_stream};
	place.at = (uint8_t *)at + 64;
	for (unsigned i = 0; i < 2; i++) {
		made->of[i] = NULL;
		place.room = stream_bytes(db[i]);
		if (db[i] && hs_open_stream(db[i], 0, &made->of[i]) != HS_SUCCESS)
			return NULL;
		place.at = (uint8_t *)place.at + place.room;
	}
	return made;
}

void policy_payload_reset(struct policy_scratch *s, struct policy_stream *stream)
{
	for (unsigned i = 0; i < 2; i++)
		if (stream->of[i])
			hs_reset_stream(stream->of[i], 0, s->scan, NULL, NULL);
}

bool policy_payload_scan(struct policy_scratch *s, struct policy_stream *stream, const void *p, uint32_t len,
			 uint64_t *row)
{
	struct pieces x = {row, false};
	for (unsigned i = 0; i < 2; i++)
		if (stream->of[i])
			hs_scan_stream(stream->of[i], p, len, 0, s->scan, on_piece, &x);
	return x.news;
}

bool policy_payload_block(struct policy_scratch *s, const void *p, uint32_t len, uint64_t *row)
{
	const struct ruleset_buffer *b = payload(s->rs);
	struct pieces x = {row, false};
	if (b && b->db)
		hs_scan(b->db, p, len, 0, s->scan, on_piece, &x);
	if (b && b->more)
		hs_scan(b->more, p, len, 0, s->scan, on_piece, &x);
	return x.news;
}
