// SPDX-License-Identifier: BSD-3-Clause
//
// The reading side: what inspect sees of a direction, and how it says what it is done with. Worker's thread, called
// from inspect and from the end of a flow.
//
// Holes: a hole that will not close is given up (stream_give_up). The bytes before it are then shown with `end`,
// and when they are consumed the next view begins behind the hole, with `after_gap`. Nothing is thrown away: what
// the parser left before a hole is consumed by inspect.
#include <string.h>

#include <rte_common.h>

#include "record_out.h"
#include "stream_pool.h"

void stream_anomaly(struct worker *w, struct flow *f, unsigned dir, enum anomaly a, struct origin o)
{
	struct record *r = record_begin(w, RECORD_ANOMALY);
	flow_record(w, f, r);
	r->anomaly = a;
	r->dir = dir;
	w->anomalies[a]++;
	record_num(w, a == ANOMALY_STREAM_GAP ? FACT_STREAM_GAP : FACT_STREAM_AMBIGUOUS, 1, o);
	record_write(w);
}

void stream_give_up(struct worker *w, struct flow *f, unsigned dir, struct stream_side *s, uint64_t to)
{
	struct origin o = stream_origin(w, f, dir, s->next ? s->next - 1 : 0, 0);
	s->flags |= STREAM_GIVEN_UP;
	s->give_to = to;
	if (unlikely((f->policy & POLICY_OPEN) && dir == 0)) // they were not judged, so they must not come now
		stream_chain_lose(s, s->next, to);
	stream_gap_said(w, f, dir, s, o);
}

void stream_gap_said(struct worker *w, struct flow *f, unsigned dir, struct stream_side *s, struct origin o)
{
	f->flags |= FLOW_GAP;
	count(w, COUNTER_STREAM_GAP);
	if (s->flags & STREAM_GAP_SAID) // the counter has them all, the log one a direction
		return;
	s->flags |= STREAM_GAP_SAID;
	stream_anomaly(w, f, dir, ANOMALY_STREAM_GAP, o);
}

// A hole in front of what came first: where a stream was picked up that is older than the capture, and no loss.
static bool before_first(const struct stream_side *s, const struct chunk *beyond)
{
	return beyond && beyond->start <= s->first;
}

static void give_up_hole(struct worker *w, struct flow *f, unsigned dir, struct stream_side *s,
			 const struct chunk *beyond, uint64_t to)
{
	if (!before_first(s, beyond)) {
		stream_give_up(w, f, dir, s, to);
		return;
	}
	s->flags |= STREAM_GIVEN_UP;
	s->give_to = to;
}

bool stream_gap_due(struct worker *w, struct flow *f, unsigned dir, struct stream_side *s, bool full)
{
	struct stream_pool *p = w->streams;
	const struct chunk *fill = chunk_of(p, s->fill), *beyond = stream_chain_beyond(p, s);
	// what waits for a verdict waits for the hole to close, as long as hold.c has it
	bool held = (f->policy & POLICY_OPEN) && dir == 0 && !(s->flags & STREAM_LET);
	uint64_t to;
	if (s->flags & (STREAM_GIVEN_UP | STREAM_STOPPED))
		return false;
	if (fill && fill->cut_to > s->next) { // was never captured: it cannot come
		to = beyond ? RTE_MIN(fill->cut_to, beyond->start) : fill->cut_to;
	} else if (full) {
		count(w, COUNTER_STREAM_BUDGET);
		to = beyond ? beyond->start : s->next;
	} else if (beyond && !held && s->segs - beyond->born > STREAM_GAP_SEGMENTS) {
		to = beyond->start;
	} else if (before_first(s, beyond) && s->segs - beyond->born > STREAM_BEGIN_SEGMENTS) {
		to = beyond->start;
	} else if (beyond && w->config->live && !held && w->now_ns - beyond->born_ns > STREAM_GAP_NS) {
		// only live: in replay reordering by some places must not lose facts, whatever the stamps say
		to = beyond->start;
	} else {
		return false;
	}
	give_up_hole(w, f, dir, s, beyond, to);
	return true;
}

void stream_cross(struct worker *w, struct stream_side *s)
{
	struct stream_pool *p = w->streams;
	s->flags &= ~STREAM_GIVEN_UP;
	s->flags |= STREAM_AFTER_GAP;
	s->next = RTE_MAX(s->next, s->give_to);
	s->fill = 0;
	stream_chain_parsed(p, s, s->next);
	stream_chain_advance(p, s);
}

static struct stream_side *side_of(struct worker *w, const struct flow *f, unsigned dir)
{
	struct stream *st = stream_of(w, f);
	return st ? &st->side[dir] : NULL;
}

bool stream_view(struct worker *w, struct flow *f, unsigned dir, struct stream_view *v)
{
	struct stream *st = stream_of(w, f);
	struct stream_pool *p = w->streams;
	if (!st || (st->side[dir].flags & STREAM_STOPPED))
		return false;
	struct stream_side *s = &st->side[dir];
	// bounded: each round leaves a cut chunk behind
	while ((s->flags & STREAM_GIVEN_UP) && s->parsed == s->next) {
		stream_cross(w, s);
		stream_gap_due(w, f, dir, s, false);
	}
	v->offset = s->parsed;
	v->len = RTE_MIN(s->next - s->parsed, (uint64_t)STREAM_SCRATCH);
	v->end = (s->flags & STREAM_GIVEN_UP) || s->next >= s->fin;
	v->after_gap = s->flags & STREAM_AFTER_GAP;
	v->data = p->scratch;
	v->need = s->need;
	v->app_state = st->app;
	if (v->len == 0)
		return v->end;
	const struct chunk *c = &p->chunks[s->parse];
	if (chunk_end(c) >= s->parsed + v->len) {
		v->data = c->room + (s->parsed - c->start);
		return true;
	}
	for (uint32_t done = 0; done < v->len; c = &p->chunks[c->next]) {
		uint32_t skip = s->parsed + done - c->start, n = RTE_MIN(c->len - skip, v->len - done);
		memcpy(p->scratch + done, c->room + skip, n);
		done += n;
	}
	return true;
}

static void consume(struct worker *w, struct stream_side *s, uint32_t n)
{
	if (n == 0 || (s->flags & STREAM_STOPPED))
		return;
	s->flags &= ~STREAM_AFTER_GAP;
	stream_chain_parsed(w->streams, s, s->parsed + RTE_MIN(n, s->next - s->parsed));
}

static void skip(struct worker *w, struct stream_side *s, uint64_t n)
{
	if (n == 0 || (s->flags & STREAM_STOPPED))
		return;
	s->flags &= ~STREAM_AFTER_GAP;
	stream_chain_skip(w->streams, s, s->parsed + RTE_MIN(n, STREAM_NONE / 4));
	if ((s->flags & STREAM_GIVEN_UP) && s->next >= s->give_to)
		s->flags &= ~STREAM_GIVEN_UP;
}

void stream_consume(struct worker *w, struct flow *f, unsigned dir, uint32_t n)
{
	struct stream_side *s = side_of(w, f, dir);
	if (s)
		consume(w, s, n);
}

void stream_skip(struct worker *w, struct flow *f, unsigned dir, uint64_t n)
{
	struct stream_side *s = side_of(w, f, dir);
	if (s)
		skip(w, s, n);
}

void stream_took(struct worker *w, struct flow *f, unsigned dir, uint32_t consumed, uint64_t skipped, uint32_t need)
{
	struct stream_side *s = side_of(w, f, dir);
	if (!s)
		return;
	consume(w, s, consumed);
	skip(w, s, skipped);
	s->need = need;
}

void stream_need(struct worker *w, struct flow *f, unsigned dir, uint32_t need)
{
	struct stream_side *s = side_of(w, f, dir);
	if (s)
		s->need = need;
}

void stream_stop(struct worker *w, struct flow *f, unsigned dir)
{
	struct stream *st = stream_of(w, f);
	struct stream_side *s = side_of(w, f, dir);
	if (!s || (s->flags & STREAM_STOPPED))
		return;
	stream_chain_skip(w->streams, s, RTE_MAX(s->highest, s->next));
	s->flags |= STREAM_STOPPED;
	s->flags &= ~STREAM_GIVEN_UP;
	stream_idle(f, st);
}

uint64_t stream_line(const struct worker *w, const struct flow *f, unsigned dir)
{
	const struct stream *st = stream_of(w, f);
	if (!st)
		return UINT64_MAX;
	bool all = st->side[dir].flags & (STREAM_STOPPED | STREAM_LET) && !(f->flags & FLOW_REFUSED << dir);
	return all ? UINT64_MAX : st->side[dir].judged;
}

void stream_let(struct worker *w, struct flow *f, unsigned dir, uint64_t to)
{
	struct stream_side *s = side_of(w, f, dir);
	if (s)
		s->judged = RTE_MAX(s->judged, to);
}

void stream_let_parsed(struct worker *w, struct flow *f, unsigned dir)
{
	struct stream_side *s = side_of(w, f, dir);
	if (s)
		s->judged = RTE_MAX(s->judged, s->parsed);
}

void stream_let_all(struct worker *w, struct flow *f, unsigned dir)
{
	struct stream_side *s = side_of(w, f, dir);
	if (s)
		s->flags |= STREAM_LET;
}

void stream_hold_again(struct worker *w, struct flow *f, unsigned dir)
{
	struct stream_side *s = side_of(w, f, dir);
	if (!s || !(s->flags & STREAM_LET))
		return;
	s->flags &= ~STREAM_LET;
	s->judged = s->highest;
}

bool stream_spent(const struct worker *w, const struct flow *f, unsigned dir)
{
	const struct stream_side *s = &stream_of(w, f)->side[dir];
	bool read = s->parsed == s->next && s->next >= s->highest;
	return (s->flags & STREAM_STOPPED) || (read && !(s->flags & STREAM_GIVEN_UP));
}

uint32_t stream_stopped(const struct worker *w, const struct flow *f, unsigned dir)
{
	const struct stream *st = stream_of(w, f);
	const struct stream_side *s = st ? &st->side[dir] : NULL;
	return s && (s->flags & STREAM_STOPPED) ? RTE_MAX(s->base_seq + (uint32_t)s->highest, 1u) : 0;
}

bool stream_crowded(const struct worker *w, const struct flow *f, unsigned dir, uint32_t len)
{
	return stream_of(w, f)->side[dir].history + len > STREAM_HISTORY_MAX / 2;
}

bool stream_unsettled(const struct worker *w, const struct flow *f, unsigned dir)
{
	const struct stream_side *s = &stream_of(w, f)->side[dir];
	return (s->flags & STREAM_LOOSE) && !s->acked && s->segs - s->backed <= STREAM_BEGIN_SEGMENTS;
}

bool stream_starved(const struct worker *w, const struct flow *f, unsigned dir)
{
	const struct stream *st = stream_of(w, f);
	return st ? st->side[dir].flags & STREAM_STARVED : f->flags & FLOW_STREAM_TRIED;
}

bool stream_flush(struct worker *w, struct flow *f, unsigned dir)
{
	struct stream_side *s = side_of(w, f, dir);
	if (!s || (s->flags & STREAM_STOPPED))
		return false;
	if (s->flags & STREAM_GIVEN_UP) { // inspect would not have what lies before: go on
		stream_cross(w, s);
		return true;
	}
	const struct chunk *beyond = stream_chain_beyond(w->streams, s);
	if (beyond)
		give_up_hole(w, f, dir, s, beyond, beyond->start);
	return beyond != NULL;
}

bool stream_run(struct worker *w, const struct flow *f, unsigned dir, uint64_t offset, struct stream_run *r)
{
	const struct stream_side *s = side_of(w, f, dir);
	if (!s)
		return false;
	const struct chunk *c = chunk_of(w->streams, s->parse); // where the parser is, mostly
	if (!c || offset - c->start >= c->len)
		c = stream_chain_find(w->streams, s, offset);
	if (!c || c->start > offset)
		return false;
	unsigned lo = 0, hi = c->nbreaks, at = offset - c->start;
	while (hi - lo > 1) { // breaks ascend
		unsigned mid = (lo + hi) / 2;
		if (chunk_break_at(c, mid)->at <= at)
			lo = mid;
		else
			hi = mid;
	}
	const struct chunk_break *k = chunk_break_at(c, lo);
	uint32_t to = lo + 1u < c->nbreaks ? chunk_break_at(c, lo + 1)->at : c->len;
	*r = (struct stream_run){c->start + k->at, k->frame, k->off, to - k->at};
	return true;
}

struct origin stream_origin(struct worker *w, const struct flow *f, unsigned dir, uint64_t offset, uint32_t len)
{
	struct stream_run r;
	if (!stream_run(w, f, dir, offset, &r))
		return (struct origin){0, 0, len};
	return (struct origin){r.frame, r.off + (uint32_t)(offset - r.from), len};
}

void *stream_app_state(struct worker *w, struct flow *f)
{
	struct stream *st = stream_of(w, f);
	return st ? st->app : NULL;
}

uint32_t *stream_inspect_words(struct worker *w, struct flow *f)
{
	struct stream *st = stream_of(w, f);
	return st ? st->words : NULL;
}
