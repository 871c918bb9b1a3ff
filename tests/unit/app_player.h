// SPDX-License-Identifier: BSD-3-Clause
//
// Plays a TCP conversation to one parser of src/path/app/, in any pieces and any order of the directions, and
// writes down what it says. The transactions, the arena and the record ring are the real ones; what is played here
// is only what stream does: keep bytes until they are consumed, pass over what is skipped.
#pragma once

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_byteorder.h>

#include "base/eal.h"
#include "record_ring.h"
#include "path/app/app.h"
#include "path/inspect.h"
#include "path/record_out.h"
#include "path/rooms.h"
#include "path/stream.h"
#include "ship/fingerprint.h"

struct player_side {
	uint8_t *bytes;
	uint32_t have, at; // at: consumed or skipped so far
	uint64_t skip;
	uint32_t need;
	bool ended, gap, done;
};

struct player {
	struct worker w;
	struct flow f;
	struct player_side side[2];
	uint8_t state[APP_STATE_BYTES];
	enum app_step (*data)(struct app_in *);
	void (*end)(struct app_in *);
	enum app_step fate; // APP_MORE while the parser is in charge
	uint16_t drop;
	char said[1 << 20]; // "name=value\n" a fact, "anomaly name\n", "--\n" after each record
	size_t nsaid;
};

__attribute__((format(printf, 2, 3))) static inline void player_note(struct player *p, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int n = vsnprintf(p->said + p->nsaid, sizeof(p->said) - p->nsaid, format, args);
	va_end(args);
	p->nsaid = p->nsaid + n < sizeof(p->said) ? p->nsaid + n : sizeof(p->said) - 1;
}

static inline void player_fact(struct player *p, const struct fact *f)
{
	player_note(p, "%s=", fact_names[f->field]);
	if (fact_types[f->field] == FACT_TYPE_NUM) {
		uint64_t n;
		memcpy(&n, f->value, sizeof(n));
		player_note(p, "%lu\n", (unsigned long)n);
		return;
	}
	p->nsaid +=
		snprintf(p->said + p->nsaid, sizeof(p->said) - p->nsaid, "%.*s\n", (int)f->len, (const char *)f->value);
}

static inline void player_collect(struct player *p)
{
	const struct record *r;

	while ((r = record_peek(p->w.records))) {
		if (r->anomaly)
			player_note(p, "anomaly %s\n", anomaly_names[r->anomaly]);
		else {
			struct fingerprint *fingerprint = fingerprint_new();
			const struct record *said = fingerprint_record(fingerprint, r);
			const struct fact *f = record_first(said);
			for (unsigned i = 0; i < said->nfacts; i++, f = fact_next(f))
				player_fact(p, f);
			player_note(p, "--\n");
			fingerprint_free(fingerprint);
		}
		record_done(p->w.records, r);
	}
}

static inline struct player *player_new(void)
{
	static const struct path_config config = {
		.flows = 16, .streams = 16, .chunks = 64, .apps = 4, .arena_bytes = 1 << 20, .record_cells = 1 << 14};
	struct player *p = calloc(1, sizeof(*p));

	p->w.config = &config;
	if (record_out_init(&p->w) || inspect_init(&p->w))
		abort();
	for (unsigned d = 0; d < 2; d++)
		p->side[d].bytes = malloc(1 << 20);
	return p;
}

static inline void player_free(struct player *p)
{
	inspect_fini(&p->w);
	record_out_fini(&p->w);
	for (unsigned d = 0; d < 2; d++)
		free(p->side[d].bytes);
	free(p);
}

// A new conversation.
static inline void player_start(struct player *p, enum app_step (*data)(struct app_in *), void (*end)(struct app_in *))
{
	player_collect(p);
	for (unsigned d = 0; d < 2; d++)
		p->side[d] = (struct player_side){.bytes = p->side[d].bytes};
	memset(p->state, 0, sizeof(p->state));
	memset(&p->f, 0, sizeof(p->f));
	p->f.flags = FLOW_REPLIED;
	p->f.key.proto = 6;
	p->f.key.version = 4;
	p->data = data;
	p->end = end;
	p->fate = APP_MORE;
	p->drop = 0;
	p->nsaid = 0;
	p->said[0] = 0;
}

static inline void player_skip(struct player_side *s)
{
	uint64_t now = s->skip < s->have - s->at ? s->skip : s->have - s->at;

	s->at += now;
	s->skip -= now;
}

// One call. Returns whether something moved.
static inline bool player_step(struct player *p, unsigned dir, bool last)
{
	struct player_side *s = &p->side[dir];

	player_skip(s);
	uint32_t len = s->have - s->at;
	if (p->fate != APP_MORE || s->done || (!len && !last) || (len < s->need && !last && !s->ended))
		return false;
	// an exact copy, so that a sanitizer sees a read beyond it
	uint8_t *copy = malloc(len ? len : 1);
	memcpy(copy, s->bytes + s->at, len);
	struct app_in in = {.w = &p->w,
			    .f = &p->f,
			    .state = p->state,
			    .data = copy,
			    .len = len,
			    .dir = dir,
			    .end = s->ended || last,
			    .last = last,
			    .after_gap = s->gap,
			    .offset = s->at,
			    .scratch = p->w.inspect->scratch};
	enum app_step step = p->data(&in);
	free(copy);
	if (in.consumed > len)
		abort();
	if (in.consumed)
		s->gap = false;
	s->at += in.consumed;
	s->skip = in.skip;
	s->need = in.need;
	p->drop = in.drop ? in.drop : p->drop;
	player_skip(s);
	if (step == APP_DONE)
		s->done = true;
	else if (step != APP_MORE && step != APP_WAIT)
		p->fate = step;
	return step != APP_WAIT ? in.consumed || in.skip || step != APP_MORE : in.consumed != 0;
}

static inline void player_run(struct player *p, bool last)
{
	for (unsigned n = 0; n < 1 << 20; n++)
		if (!(player_step(p, 0, last) | player_step(p, 1, last)))
			return;
	abort(); // a parser that never comes to rest
}

static inline void player_say(struct player *p, unsigned dir, const void *bytes, size_t len)
{
	struct player_side *s = &p->side[dir];

	if (s->have + len > 1 << 20)
		abort();
	memcpy(s->bytes + s->have, bytes, len);
	s->have += len;
	player_run(p, false);
}

static inline void player_text(struct player *p, unsigned dir, const char *text)
{
	player_say(p, dir, text, strlen(text));
}

// The flow ends: everything that is still known is said.
static inline const char *player_end(struct player *p)
{
	if (p->fate == APP_MORE)
		player_run(p, true);
	if (p->end) {
		struct app_in in = {.w = &p->w, .f = &p->f, .state = p->state, .end = true, .last = true};
		p->end(&in);
	}
	player_collect(p);
	return p->said;
}

// The switch has ended the parser: where the bytes of the next protocol begin.
static inline const char *player_left(struct player *p, unsigned dir)
{
	p->side[dir].bytes[p->side[dir].have] = 0;
	return (const char *)p->side[dir].bytes + p->side[dir].at;
}
