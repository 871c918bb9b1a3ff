// SPDX-License-Identifier: BSD-3-Clause
//
// Streams and chunks: taken at start, handed out and taken back in O(1), last out first (the one still in the
// cache). Numbers never used are handed out in order, so that a small capture touches little memory.
// Worker's thread; when a pool is empty the caller says so by a counter, never by waiting.
#include "stream_pool.h"

#include <errno.h>
#include <string.h>

#include "base/eal.h"
#include "rooms.h"

int stream_init(struct worker *w)
{
	struct stream_pool *p = mem_take(sizeof(*p));
	if (!p)
		return -ENOMEM;
	w->streams = p;
	p->nstreams = w->config->streams;
	p->nchunks = w->config->chunks;
	p->streams = mem_take((p->nstreams + 1ull) * sizeof(struct stream));
	p->chunks = mem_take((p->nchunks + 1ull) * sizeof(struct chunk));
	p->scratch = mem_take(STREAM_SCRATCH);
	p->streams_fresh = p->chunks_fresh = 1;
	return p->streams && p->chunks && p->scratch ? 0 : -ENOMEM;
}

void stream_fini(struct worker *w)
{
	struct stream_pool *p = w->streams;
	if (!p)
		return;
	mem_give(p->streams, (p->nstreams + 1ull) * sizeof(struct stream));
	mem_give(p->chunks, (p->nchunks + 1ull) * sizeof(struct chunk));
	mem_give(p->scratch, STREAM_SCRATCH);
	mem_give(p, sizeof(*p));
	w->streams = NULL;
}

struct stream *stream_pool_stream(struct stream_pool *p, struct flow *f)
{
	uint32_t i = p->streams_free;
	if (i)
		p->streams_free = p->streams[i].free;
	else if (p->streams_fresh <= p->nstreams)
		i = p->streams_fresh++;
	else
		return NULL;
	struct stream *s = &p->streams[i];
	memset(s, 0, sizeof(*s));
	s->side[0].fin = s->side[1].fin = STREAM_NONE;
	f->stream = i;
	return s;
}

void stream_pool_stream_free(struct stream_pool *p, struct flow *f)
{
	p->streams[f->stream].free = p->streams_free;
	p->streams_free = f->stream;
	f->stream = 0;
}

uint32_t stream_pool_chunk(struct stream_pool *p)
{
	uint32_t i = p->chunks_free;
	if (i)
		p->chunks_free = p->chunks[i].next;
	else if (p->chunks_fresh <= p->nchunks)
		i = p->chunks_fresh++;
	else
		return 0;
	struct chunk *c = &p->chunks[i];
	c->cut_to = 0;
	c->len = c->nbreaks = 0;
	c->next = c->prev = 0;
	return i;
}

void stream_pool_chunk_free(struct stream_pool *p, uint32_t i)
{
	p->chunks[i].next = p->chunks_free;
	p->chunks_free = i;
}

void stream_end(struct worker *w, struct flow *f)
{
	struct stream *st = stream_of(w, f);
	if (!st)
		return;
	RTE_VERIFY(!st->hold);
	stream_chain_clear(w->streams, &st->side[0]);
	stream_chain_clear(w->streams, &st->side[1]);
	stream_pool_stream_free(w->streams, f);
}
