// SPDX-License-Identifier: BSD-3-Clause
//
// The list of chunks of one direction: history, pending and out-of-order bytes in one ascending order. Bytes come
// in where none are yet; they go out at the head, when parsed and acknowledged, or when the history's bound is
// reached; then it is remembered where evidence was, so that what overlaps it can be refused.
//
// Cost: in order O(1) a segment. Out of order a walk back from the tail; that is as far as the segment came late,
// at most STREAM_CHUNKS_MAX steps. Each byte is moved at most once more, when a hole before it closes. A tree was
// rejected: the list is one or two chunks long for nearly every flow.
#include <string.h>

#include <rte_common.h>

#include "stream_pool.h"

static void unlink_chunk(struct stream_pool *p, struct stream_side *s, uint32_t i)
{
	struct chunk *c = &p->chunks[i];
	if (c->prev)
		p->chunks[c->prev].next = c->next;
	else
		s->head = c->next;
	if (c->next)
		p->chunks[c->next].prev = c->prev;
	else
		s->tail = c->prev;
	if (s->parse == i)
		s->parse = c->next;
	if (s->fill == i)
		s->fill = 0;
	s->nchunks--;
	stream_pool_chunk_free(p, i);
}

static uint32_t insert_after(struct stream_pool *p, struct stream_side *s, uint32_t prev)
{
	uint32_t i = s->nchunks < STREAM_CHUNKS_MAX ? stream_pool_chunk(p) : 0;
	if (!i)
		return 0;
	struct chunk *c = &p->chunks[i];
	c->prev = prev;
	c->next = prev ? p->chunks[prev].next : s->head;
	if (prev)
		p->chunks[prev].next = i;
	else
		s->head = i;
	if (c->next)
		p->chunks[c->next].prev = i;
	else
		s->tail = i;
	s->nchunks++;
	// new bytes are always unparsed
	if (!s->parse || s->parse == c->next)
		s->parse = i;
	return i;
}

// A chunk that was parsed whole gets more bytes: it is pending again.
static void reopen(struct stream_side *s, struct chunk *c, uint32_t i)
{
	if (c->len && chunk_end(c) <= s->parsed) {
		s->history -= c->len;
		s->parse = i;
	}
}

static uint32_t append(struct stream_side *s, struct chunk *c, uint32_t i, const struct stream_bytes *b, uint32_t done)
{
	uint32_t left = chunk_left(c);
	if (left <= sizeof(struct chunk_break))
		return 0;
	uint32_t n = RTE_MIN(b->len - done, left - (uint32_t)sizeof(struct chunk_break));
	reopen(s, c, i);
	*chunk_break_at(c, c->nbreaks++) = (struct chunk_break){.frame = b->frame, .off = b->off + done, .at = c->len};
	memcpy(c->room + c->len, b->data + done, n);
	c->len += n;
	s->kept += n;
	return n;
}

uint32_t stream_chain_store(struct worker *w, struct stream_side *s, const struct stream_bytes *b)
{
	struct stream_pool *p = w->streams;
	uint32_t i = s->tail, done = 0;
	while (i && p->chunks[i].start > b->at)
		i = p->chunks[i].prev;
	struct chunk *c = chunk_of(p, i);
	if (c && chunk_end(c) == b->at && !c->cut_to)
		done = append(s, c, i, b, 0);
	while (done < b->len) {
		uint32_t fresh = insert_after(p, s, i);
		if (!fresh)
			return done;
		i = fresh;
		c = &p->chunks[i];
		c->start = b->at + done;
		c->born = s->segs;
		c->born_ns = w->now_ns;
		done += append(s, c, i, b, done);
	}
	if (done == b->len && b->cut_to)
		c->cut_to = b->cut_to;
	return done;
}

bool stream_chain_next(struct stream_pool *p, struct stream_side *s, const struct stream_bytes *b, uint64_t now_ns)
{
	uint32_t i = s->tail;
	struct chunk *c = &p->chunks[i];
	if (s->fill != i || b->len > CHUNK_ROOM - sizeof(struct chunk_break))
		return false;
	if (i) {
		if (c->cut_to || chunk_left(c) < b->len + sizeof(struct chunk_break))
			return false;
	} else {
		if (!(i = insert_after(p, s, 0)))
			return false;
		c = &p->chunks[i];
		c->start = b->at;
		c->born = s->segs;
		c->born_ns = now_ns;
	}
	append(s, c, i, b, 0);
	s->fill = i;
	s->next += b->len;
	return true;
}

// The chunk behind the closed hole moves into the one before, if it fits: else a stream that came in reverse
// would hold a chunk for each segment.
static bool absorb(struct stream_pool *p, struct stream_side *s, struct chunk *c, uint32_t i)
{
	struct chunk *n = &p->chunks[c->next];
	uint32_t breaks = n->nbreaks * (uint32_t)sizeof(struct chunk_break);
	if (c->cut_to || n->len + breaks > chunk_left(c))
		return false;
	reopen(s, c, i);
	for (unsigned k = 0; k < n->nbreaks; k++) {
		struct chunk_break *to = chunk_break_at(c, c->nbreaks++);
		*to = *chunk_break_at(n, k);
		to->at += c->len;
	}
	memcpy(c->room + c->len, n->room, n->len);
	c->len += n->len;
	c->cut_to = n->cut_to;
	unlink_chunk(p, s, c->next);
	return true;
}

void stream_chain_advance(struct stream_pool *p, struct stream_side *s)
{
	uint32_t i = s->fill ? s->fill : s->parse;
	struct chunk *c = chunk_of(p, i);
	if (!c || c->start > s->next)
		return;
	while (c->next && p->chunks[c->next].start == chunk_end(c)) {
		if (!absorb(p, s, c, i)) {
			i = c->next;
			c = &p->chunks[i];
		}
	}
	s->fill = i;
	s->next = chunk_end(c);
}

struct chunk *stream_chain_find(struct stream_pool *p, const struct stream_side *s, uint64_t at)
{
	struct chunk *c = chunk_of(p, s->tail);
	if (!c || chunk_end(c) <= at)
		return NULL;
	while (c->prev && chunk_end(&p->chunks[c->prev]) > at)
		c = &p->chunks[c->prev];
	return c;
}

struct chunk *stream_chain_beyond(struct stream_pool *p, const struct stream_side *s)
{
	struct chunk *c = chunk_of(p, s->fill ? p->chunks[s->fill].next : s->parse);
	return c && c->start > s->next ? c : NULL;
}

static uint64_t acked(const struct stream_side *s)
{
	uint64_t far = s->highest > STREAM_WINDOW_MAX ? s->highest - STREAM_WINDOW_MAX : 0;
	return RTE_MAX(s->acked, far);
}

void stream_chain_lose(struct stream_side *s, uint64_t from, uint64_t to)
{
	struct stream_lost *l = s->lost;
	unsigned at = s->nlost;
	if (from >= to)
		return;
	if (s->nlost == STREAM_LOST) { // the two lowest become one: what lay between is refused as well
		l[1].from = l[0].from;
		memmove(l, l + 1, (STREAM_LOST - 1) * sizeof(*l));
		at = --s->nlost;
	}
	while (at && l[at - 1].from > from)
		at--;
	memmove(l + at + 1, l + at, (s->nlost - at) * sizeof(*l));
	l[at] = (struct stream_lost){from, to};
	s->nlost++;
}

static void remember_lost(struct stream_side *s, uint64_t from, uint64_t to)
{
	struct stream_lost *l = s->lost;
	while (s->nlost && l[0].to <= acked(s))
		memmove(l, l + 1, --s->nlost * sizeof(*l));
	if (s->nlost && l[s->nlost - 1].to == from)
		l[s->nlost - 1].to = to;
	else
		stream_chain_lose(s, from, to);
}

bool stream_chain_lost(const struct stream_side *s, uint64_t from, uint64_t to)
{
	from = RTE_MAX(from, acked(s));
	for (unsigned i = 0; i < s->nlost; i++)
		if (from < s->lost[i].to && to > s->lost[i].from && from < to)
			return true;
	return false;
}

static void drop_head(struct stream_pool *p, struct stream_side *s)
{
	struct chunk *c = &p->chunks[s->head];
	s->history -= c->len;
	s->kept -= c->len;
	unlink_chunk(p, s, s->head);
}

void stream_chain_release(struct stream_pool *p, struct stream_side *s)
{
	uint64_t to = acked(s);
	while (s->head && s->head != s->parse && chunk_end(&p->chunks[s->head]) <= to)
		drop_head(p, s);
	while (s->nlost && s->lost[0].to <= to)
		memmove(s->lost, s->lost + 1, --s->nlost * sizeof(s->lost[0]));
}

void stream_chain_parsed(struct stream_pool *p, struct stream_side *s, uint64_t parsed)
{
	s->parsed = parsed;
	struct chunk *c;
	while ((c = chunk_of(p, s->parse)) && chunk_end(c) <= parsed) {
		s->history += c->len;
		s->parse = c->next;
	}
	stream_chain_release(p, s);
	while ((s->history > STREAM_HISTORY_MAX || s->nchunks > STREAM_CHUNKS_MAX / 2) && s->head != s->parse) {
		c = &p->chunks[s->head];
		remember_lost(s, RTE_MAX(c->start, acked(s)), chunk_end(c));
		drop_head(p, s);
	}
}

// Cuts off the bytes of a chunk from `len` on.
static void shorten(struct stream_side *s, struct chunk *c, uint32_t len)
{
	s->kept -= c->len - len;
	c->len = len;
	c->cut_to = 0;
	while (c->nbreaks && chunk_break_at(c, c->nbreaks - 1)->at >= len)
		c->nbreaks--;
}

void stream_chain_skip(struct stream_pool *p, struct stream_side *s, uint64_t to)
{
	struct chunk *c = chunk_of(p, s->parse);
	if (c && c->start < s->parsed && chunk_end(c) <= to) {
		shorten(s, c, s->parsed - c->start);
		s->history += c->len;
		if (s->fill == s->parse)
			s->fill = 0;
		s->parse = c->next;
	}
	while ((c = chunk_of(p, s->parse)) && chunk_end(c) <= to) {
		s->kept -= c->len;
		unlink_chunk(p, s, s->parse);
	}
	if (to > s->next) {
		s->next = to;
		s->fill = 0;
	}
	stream_chain_parsed(p, s, to);
	stream_chain_advance(p, s);
}

bool stream_chain_back(struct stream_pool *p, struct stream_side *s, uint32_t by)
{
	if (s->acked || s->nlost || (s->head ? p->chunks[s->head].start : s->highest))
		return false;
	if (s->flags & (STREAM_GIVEN_UP | STREAM_STOPPED) || s->first > STREAM_PENDING_MAX)
		return false;
	for (struct chunk *c = chunk_of(p, s->head); c; c = chunk_of(p, c->next)) {
		c->start += by;
		c->cut_to += c->cut_to ? by : 0;
	}
	s->base_seq -= by;
	s->highest += by;
	s->first += by;
	s->backed = s->segs;
	s->fin += s->fin == STREAM_NONE ? 0 : by;
	s->flags &= ~STREAM_AFTER_GAP;
	s->next = s->parsed = s->judged = 0;
	s->parse = s->head;
	s->fill = 0;
	s->history = 0;
	return true;
}

void stream_chain_clear(struct stream_pool *p, struct stream_side *s)
{
	while (s->head)
		unlink_chunk(p, s, s->head);
	s->kept = s->history = 0;
}
