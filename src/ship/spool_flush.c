// SPDX-License-Identifier: BSD-3-Clause
//
// The flusher's thread: what waits in memory goes to the segment that is being written, is made durable, and only then
// seen by readers and taken out of memory.
//
//   write what waits -> fdatasync -> the folder, where the file is new -> `durable` -> readers
//
// What failed stays in memory and is tried again: on a full disk in the same place, once the keeper has made room; else
// in a new segment, since nobody knows what the disk has of the old one (a second fdatasync says nothing of the first
// one's pages). Frames that stand twice for this are no harm: a segment ends where the next begins.
// A folder that was removed under us is made anew. Our file has no name any more; readers in this process still have
// it.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "ship/spool_in.h"

#define BACK_MIN_NS 20000000ull
#define BACK_MAX_NS 5000000000ull
#define MOST (8u << 20) // written at once: until then nobody sees anything of it

static const struct frame *frame_at(const struct tail *t, uint64_t at)
{
	return (const struct frame *)(t->ring + (at & (t->size - 1)));
}

// ---- the segment -------------------------------------------------------------------------------------------------

struct image {
	uint8_t *bytes;
	size_t len, room;
};

static struct frame *image_frame(struct image *m, unsigned class, uint32_t len, uint64_t pos)
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

static bool image_begin(struct image *m, const struct spool *s, const struct segment_head *h)
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
	frame_stamp(f, h->crc);
	return true;
}

static bool image_meta(struct image *m, const struct meta *from, const struct segment_head *h)
{
	uint32_t n = (uint32_t)sizeof(*from) + from->len;
	struct frame *f = image_frame(m, SPOOL_META, FRAME_LEN(n), h->base);
	if (!f)
		return false;
	memcpy(f->body, from, n);
	frame_stamp(f, h->crc);
	return true;
}

// Metas of a segment that could not be written on: what is still in memory needs them.
static void image_metas_of(struct image *m, struct segment *old, const struct segment_head *h)
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

static bool image_make(struct image *m, struct spool *s, struct segment *old, struct segment_head *h)
{
	struct flush *w = &s->flush;
	segment_head_make(h, s->durable, s->config.boot, clock_ns(CLOCK_REALTIME));
	m->room = 64 << 10;
	m->bytes = malloc(m->room);
	if (!m->bytes)
		return false;
	memcpy(m->bytes, h, sizeof(*h));
	m->len = sizeof(*h);
	bool ok = image_begin(m, s, h);
	for (unsigned i = 0; i < w->nstanding && ok; i++)
		ok = image_meta(m, w->standing[i], h);
	if (old)
		image_metas_of(m, old, h);
	return ok;
}

// Is there room for another one?
static bool bound_allows(struct spool *s)
{
	pthread_mutex_lock(&s->lock);
	s->tight = s->bytes + s->config.segment_bytes > spool_bound(s);
	bool tight = s->tight;
	if (s->bytes + 2 * s->config.segment_bytes > spool_bound(s))
		pthread_cond_signal(&s->keep);
	pthread_mutex_unlock(&s->lock);
	return !tight;
}

static void enlist(struct spool *s, struct segment *g)
{
	pthread_mutex_lock(&s->lock);
	spool_segment_put(s, g);
	g->refs++; // the flusher's
	pthread_mutex_unlock(&s->lock);
	s->flush.live = g;
	s->flush.named = s->memory;
	s->flush.failed = 0;
}

// What stands in it is durable with the first frames.
static int segment_new(struct spool *s, struct segment *old)
{
	struct image m = {0};
	struct segment *g = calloc(1, sizeof(*g));
	int rc = g && image_make(&m, s, old, &g->head) ? 0 : -ENOMEM;
	if (rc == 0)
		rc = g->fd = spool_segment_create(s, g->head.base, ".seg");
	if (rc >= 0)
		rc = spool_write(g->fd, m.bytes, m.len, 0);
	if (rc == 0) {
		g->base = g->head.base;
		g->bytes = m.len;
		g->live = true;
		enlist(s, g);
	} else {
		if (g && g->fd > 0) { // half of one is dropped at the next start, too
			char name[SPOOL_FILE_MAX];
			spool_segment_name(name, g->head.base, ".seg");
			close(g->fd);
			unlinkat(s->dir, name, 0);
		}
		free(g);
	}
	free(m.bytes);
	return rc;
}

// Nothing more goes into it. One without a name stays open for its readers.
static void segment_done(struct spool *s, struct segment *g)
{
	struct stat st;
	bool nameless = s->memory || (fstat(g->fd, &st) == 0 && st.st_nlink == 0);
	pthread_mutex_lock(&s->lock);
	g->live = false;
	if (!nameless) {
		close(g->fd);
		g->fd = -1;
	}
	spool_segment_unref(g);
	s->changes++;
	pthread_cond_broadcast(&s->more);
	pthread_cond_signal(&s->keep);
	pthread_mutex_unlock(&s->lock);
	if (s->flush.live == g)
		s->flush.live = NULL;
}

// A new one goes on behind the last durable frame. One without any would have the same name.
static int segment_instead(struct spool *s, struct segment *old)
{
	bool none = old->base == s->durable;
	if (none) {
		pthread_mutex_lock(&s->lock);
		spool_segment_take(s, old);
		pthread_mutex_unlock(&s->lock);
	}
	int rc = segment_new(s, old);
	if (rc == 0 || none)
		segment_done(s, old);
	return rc;
}

// ---- what goes ---------------------------------------------------------------------------------------------------

// Up to where the next write goes, stamped for that segment; *roll: the segment ends there.
static uint64_t stamp(struct tail *t, uint32_t seed, uint64_t from, uint64_t to, bool *roll)
{
	uint64_t at = from;
	*roll = false;
	while (at < to && at - from < MOST) {
		struct frame *f = (struct frame *)frame_at(t, at);
		if (frame_class(f) == FRAME_ROLL) {
			*roll = true;
			break;
		}
		frame_stamp(f, seed);
		at += frame_len(f);
	}
	return at;
}

static void standing(struct flush *w, const struct meta *m)
{
	unsigned i = 0;
	while (i < w->nstanding && w->standing[i]->key != m->key)
		i++;
	if (i < w->nstanding) {
		free(w->standing[i]);
		w->standing[i] = w->standing[--w->nstanding];
	}
	if (m->standing != META_STANDING)
		return;
	struct meta **more = realloc(w->standing, (w->nstanding + 1) * sizeof(struct meta *));
	struct meta *copy = malloc(sizeof(*copy) + m->len);
	if (more)
		w->standing = more;
	if (!more || !copy) {
		free(copy);
		return;
	}
	memcpy(copy, m, sizeof(*m) + m->len);
	w->standing[w->nstanding++] = copy;
}

// It is durable: what the next segment begins with, and what may be lost of this one.
static uint64_t note(struct spool *s, uint64_t at, uint64_t to, uint64_t losable[SPOOL_LOSABLE])
{
	uint64_t pos = 0;
	for (; at < to; at += frame_len(frame_at(&s->tail, at))) {
		const struct frame *f = frame_at(&s->tail, at);
		unsigned class = frame_class(f);
		pos = f->pos + frame_counts(f);
		if (class == SPOOL_META && ((const struct meta *)f->body)->standing != META_ONCE)
			standing(&s->flush, (const struct meta *)f->body);
		if (frame_counts(f))
			begin_note(&s->flush.worker[((const struct record *)f->body)->worker],
				   (const struct record *)f->body);
		if (class < SPOOL_LOSABLE)
			losable[class]++;
	}
	return pos;
}

static void mark(struct spool *s, uint64_t pos)
{
	uint64_t now = clock_ns(CLOCK_REALTIME);
	if (s->nmarks && now < s->mark[s->nmarks - 1].time_ns + 1000000000ull)
		return;
	if (s->nmarks == SPOOL_MARKS) { // every other one
		s->nmarks /= 2;
		for (unsigned i = 0; i < s->nmarks; i++)
			s->mark[i] = s->mark[2 * i];
	}
	s->mark[s->nmarks++] = (struct mark){pos, now};
}

static void publish(struct spool *s, uint64_t from, uint64_t to)
{
	struct segment *g = s->flush.live;
	uint64_t losable[SPOOL_LOSABLE] = {0}, pos = note(s, from, to, losable);
	atomic_store_explicit(&s->tail.tail, to, memory_order_release); // who waits until it is done finds room then
	pthread_mutex_lock(&s->lock);
	mark(s, s->durable);
	g->bytes += to - from;
	s->bytes += to - from;
	for (unsigned i = 0; i < SPOOL_LOSABLE; i++)
		g->losable[i] += losable[i];
	s->durable = pos;
	s->done = to;
	s->counts.flushes++;
	s->changes++;
	pthread_cond_broadcast(&s->more);
	pthread_mutex_unlock(&s->lock);
}

// ---- to the disk -------------------------------------------------------------------------------------------------

static int make_durable(struct spool *s, struct segment *g)
{
	struct stat st;
	if (s->memory)
		return 0;
#ifndef SPOOL_MUTANT_NO_FSYNC
	if (fdatasync(g->fd) != 0)
		return -errno;
#endif
	if (fstat(g->fd, &st) != 0)
		return -errno;
	if (st.st_nlink == 0)
		return -ESTALE;
#ifndef SPOOL_MUTANT_NO_DIRSYNC
	if (!s->flush.named && fsync(s->dir) != 0)
		return -errno;
#endif
	s->flush.named = true;
	return 0;
}

static int write_some(struct spool *s, uint64_t from, uint64_t head)
{
	struct segment *g = s->flush.live;
	bool roll;
	uint64_t to = stamp(&s->tail, g->head.crc, from, head, &roll);
	int rc = to == from ? 0 : spool_write(g->fd, frame_at(&s->tail, from), to - from, g->bytes);
	if (rc == 0 && to != from)
		rc = make_durable(s, g);
	if (rc < 0)
		return rc;
	if (to != from)
		publish(s, from, to);
	if (roll) {
		to += FRAME_LEN(0);
		segment_done(s, g);
		atomic_store_explicit(&s->tail.tail, to, memory_order_release);
		pthread_mutex_lock(&s->lock);
		s->done = to;
		pthread_cond_broadcast(&s->more);
		pthread_mutex_unlock(&s->lock);
	}
	return 0;
}

static void back_off(struct spool *s)
{
	struct flush *w = &s->flush;
	w->back_ns = w->back_ns * 2 > BACK_MAX_NS ? BACK_MAX_NS : w->back_ns ? w->back_ns * 2 : BACK_MIN_NS;
	w->retry_ns = clock_ns(CLOCK_MONOTONIC) + w->back_ns;
}

static void went_wrong(struct spool *s, int error)
{
	struct flush *w = &s->flush;
	spool_failed(s, SPOOL_WRITE, -error);
	w->full = error == -ENOSPC || error == -EDQUOT;
	if (w->full) {
		// what was written in part is given back: the keeper may need it to make room
		if (w->live && ftruncate(w->live->fd, (off_t)w->live->bytes) != 0)
			w->failed++;
		pthread_mutex_lock(&s->lock);
		s->tight = true;
		if (s->bytes < spool_bound(s)) // from now on room is made before it is missing
			s->ceiling = s->bytes;
		pthread_cond_signal(&s->keep);
		pthread_mutex_unlock(&s->lock);
	} else {
		w->failed++;
	}
	back_off(s);
}

// A segment to write to: the one there is, if it can be trusted.
static int have_segment(struct spool *s)
{
	struct flush *w = &s->flush;
	if (w->failed && spool_folder_again(s) < 0)
		return -errno;
	if (w->live)
		return w->failed ? segment_instead(s, w->live) : 0;
	return segment_new(s, NULL);
}

// On a disk that was full nothing is written while the keeper has no blocks set aside: it would take the room that is
// needed to make room.
static bool held(struct spool *s)
{
	pthread_mutex_lock(&s->lock);
	bool is = s->ceiling && !s->reserve && !s->unreserved;
	pthread_mutex_unlock(&s->lock);
	return is;
}

// Did anything go? False also where it has to wait.
static bool round_of(struct spool *s)
{
	struct tail *t = &s->tail;
	uint64_t from = atomic_load_explicit(&t->tail, memory_order_relaxed);
	uint64_t head = atomic_load_explicit(&t->head, memory_order_acquire);
	if (from == head || clock_ns(CLOCK_MONOTONIC) < s->flush.retry_ns || (!s->flush.live && !bound_allows(s)) ||
	    held(s))
		return false;
	int rc = have_segment(s);
	if (rc == 0)
		rc = write_some(s, from, head);
	if (rc < 0) {
		went_wrong(s, rc);
		return false;
	}
	s->flush.retry_ns = s->flush.back_ns = 0;
	spool_failed(s, SPOOL_WRITE, 0);
	return true;
}

// ---- the thread --------------------------------------------------------------------------------------------------

// Has the keeper made room, since the disk was full?
static bool roomy(struct spool *s)
{
	pthread_mutex_lock(&s->lock);
	bool is = s->flush.full && !s->tight;
	pthread_mutex_unlock(&s->lock);
	return is;
}

// Until there is enough, or the time is over, or somebody asks. What failed is not asked for.
static void wait_for_work(struct spool *s)
{
	uint64_t now = clock_ns(CLOCK_MONOTONIC), until = now + s->config.flush_ms * 1000000ull;
	bool failing = s->flush.retry_ns > now;
	if (failing)
		until = s->flush.retry_ns;
	struct timespec t = {(time_t)(until / 1000000000), (long)(until % 1000000000)};
	while (sem_clockwait(&s->tail.call, CLOCK_MONOTONIC, &t) == 0 && failing && !s->stop && !roomy(s))
		;
	if (failing && roomy(s))
		s->flush.retry_ns = 0;
	atomic_store_explicit(&s->tail.called, false, memory_order_release);
}

void *spool_flush_run(void *spool)
{
	struct spool *s = spool;
	while (!s->stop) {
		wait_for_work(s);
		while (round_of(s))
			;
	}
	return NULL;
}

static void say_lost(struct spool *s)
{
	uint64_t at = s->tail.tail, head = s->tail.head, n = 0;
	for (; at < head; at += frame_len(frame_at(&s->tail, at)))
		n += frame_counts(frame_at(&s->tail, at));
	if (n)
		log_say(LOG_ERROR, "ship", "spool: %llu records could not be written before the end and are lost",
			(unsigned long long)n);
}

// Both threads have ended.
void spool_flush_close(struct spool *s)
{
	struct flush *w = &s->flush;
	spool_tail_last(s);
	s->flush.retry_ns = 0;
	while (round_of(s))
		;
	say_lost(s);
	if (w->live) {
		struct frame end;
		frame_set(&end, FRAME_END, sizeof(end), s->durable);
		frame_stamp(&end, w->live->head.crc);
		if (spool_write(w->live->fd, &end, sizeof(end), w->live->bytes) == 0)
			make_durable(s, w->live);
		segment_done(s, w->live);
	}
	for (unsigned i = 0; i < w->nstanding; i++)
		free(w->standing[i]);
	free(w->standing);
}
