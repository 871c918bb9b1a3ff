// SPDX-License-Identifier: BSD-3-Clause
//
// What a segment begins with, made on the flusher's thread: its head, who had come to which seq, and the METAs that
// stand. Of what is not durable yet that is read off the frames in memory, so that nothing has to be taken back where
// the disk fails.
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "ship/spool_in.h"

static struct frame *image_frame(struct spool_image *m, unsigned class, uint32_t len, uint64_t pos)
{
	if (m->len + len > m->room) {
		size_t room = (m->len + len) * 2;
		uint8_t *more = realloc(m->bytes, room);
		if (!more)
			return NULL;
		m->bytes = more;
		m->room = room;
	}
	struct frame *f = (struct frame *)(m->bytes + m->len);
	memset(f, 0, len);
	frame_set(f, class, len, pos);
	m->len += len;
	return f;
}

// What workers had come to: in what is durable, and in what was written since.
static bool image_begin(struct spool_image *m, const struct spool *s, const struct segment_head *h)
{
	const struct spool_config *c = &s->config;
	uint32_t workers = c->workers * (uint32_t)sizeof(struct begin_worker), node = (uint32_t)strlen(c->node);
	struct frame *f = image_frame(m, FRAME_BEGIN, FRAME_LEN(sizeof(struct begin) + workers + node), h->base);
	if (!f)
		return false;
	struct begin *b = (struct begin *)f->body;
	*b = (struct begin){.nworkers = c->workers, .node_len = node};
	memcpy(b->worker, s->flush.worker, workers);
	memcpy((uint8_t *)b->worker + workers, c->node, node);
	for (uint64_t at = spool_durable(s); at < spool_written(s); at += frame_len(spool_tail_frame(&s->tail, at))) {
		const struct record *r = (const struct record *)spool_tail_frame(&s->tail, at)->body;
		if (frame_counts(spool_tail_frame(&s->tail, at)))
			begin_note(&b->worker[r->worker], r);
	}
	frame_stamp(f, h->crc);
	return true;
}

static bool image_meta(struct spool_image *m, const struct meta *from, const struct segment_head *h)
{
	uint32_t n = (uint32_t)sizeof(*from) + from->len;
	struct frame *f = image_frame(m, SPOOL_META, FRAME_LEN(n), h->base);
	if (!f)
		return false;
	memcpy(f->body, from, n);
	frame_stamp(f, h->crc);
	return true;
}

// Those that stand from what is not durable yet on, their ends too.
static bool image_standing(struct spool_image *m, const struct spool *s, const struct segment_head *h)
{
	const struct flush *w = &s->flush;
	bool ok = true;
	for (unsigned i = 0; i < w->nstanding && ok; i++)
		ok = image_meta(m, w->standing[i], h);
	for (uint64_t at = spool_durable(s); at < spool_written(s) && ok;
	     at += frame_len(spool_tail_frame(&s->tail, at))) {
		const struct meta *t = (const struct meta *)spool_tail_frame(&s->tail, at)->body;
		if (frame_class(spool_tail_frame(&s->tail, at)) == SPOOL_META && t->standing != META_ONCE)
			ok = image_meta(m, t, h);
	}
	return ok;
}

// Metas of a segment that could not be written on: what is still in memory needs them.
static void image_metas_of(struct spool_image *m, struct segment *old, const struct segment_head *h)
{
	struct scan c;
	const struct frame *f;
	if (scan_open(&c, old->fd, &old->head, old->bytes) < 0)
		return;
	while ((f = scan_next(&c)))
		if (frame_class(f) == SPOOL_META)
			image_meta(m, (const struct meta *)f->body, h);
	scan_close(&c);
}

bool spool_image_make(struct spool_image *m, struct spool *s, struct segment *old, struct segment_head *h)
{
	segment_head_make(h, spool_tail_frame(&s->tail, spool_written(s))->pos, s->config.boot,
			  clock_ns(CLOCK_REALTIME));
	m->room = 64 << 10;
	m->bytes = malloc(m->room);
	if (!m->bytes)
		return false;
	memcpy(m->bytes, h, sizeof(*h));
	m->len = sizeof(*h);
	bool ok = image_begin(m, s, h) && image_standing(m, s, h);
	if (old)
		image_metas_of(m, old, h);
	return ok;
}
