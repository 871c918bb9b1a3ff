// SPDX-License-Identifier: BSD-3-Clause
//
// The flusher's thread: what waits in memory is written to the segment, each flush_ms, whatever the disk does; the
// syncer makes it durable, and only then it is seen by readers and taken out of memory.
//
//   tail ----------------------- written ----------------- head      places in memory; only grow
//    | durable, readers have it    | outlives the process    | outlives nothing yet
//
//   write what waits -> syncer: fdatasync, and the folder, where the file is new -> `durable` -> readers
//
// Where a segment is full before all of it is durable, writing goes on in the next one, which nobody sees: it has no
// name of a segment (.ahead) until those before it are durable. So only the last .seg of a boot can lack something, and
// what stands in an .ahead counts where all before it is whole (spool_recover.c).
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

// ---- the segment -------------------------------------------------------------------------------------------------

// Bytes in files that readers do not see yet. By lock held.
static uint64_t unseen(const struct spool *s)
{
	const struct segment *first = s->flush.first;
	uint64_t n = 0;
	for (const struct segment *g = first; g; g = g->after)
		n += g->wrote;
	return first ? n - first->bytes : 0;
}

// Is there room for another one?
static bool bound_allows(struct spool *s)
{
	pthread_mutex_lock(&s->lock);
	uint64_t bytes = s->bytes + unseen(s);
	s->tight = bytes + s->config.segment_bytes > spool_bound(s);
	bool tight = s->tight;
	if (bytes + 2 * s->config.segment_bytes > spool_bound(s))
		pthread_cond_signal(&s->keep);
	pthread_mutex_unlock(&s->lock);
	return !tight;
}

// It is what readers see of next.
static void enlist(struct spool *s, struct segment *g)
{
	pthread_mutex_lock(&s->lock);
	g->live = true;
	spool_segment_put(s, g);
	g->refs++; // the flusher's
	pthread_mutex_unlock(&s->lock);
	s->flush.first = g;
	s->flush.named = s->memory;
}

static void forget(struct spool *s, struct segment *g, const char *suffix)
{
	char name[SPOOL_FILE_MAX];
	spool_segment_name(name, g->head.base, suffix);
	if (g->fd > 0 && !s->memory) // half of one is dropped at the next start, too
		unlinkat(s->dir, name, 0);
	if (g->fd > 0)
		close(g->fd);
	free(g);
}

// What stands in it is durable with the first frames.
static int segment_new(struct spool *s, struct segment *old)
{
	struct flush *w = &s->flush;
	const char *suffix = w->first ? SPOOL_AHEAD : ".seg";
	struct spool_image m = {0};
	struct segment *g = calloc(1, sizeof(*g));
	int rc = g && spool_image_make(&m, s, old, &g->head) ? 0 : -ENOMEM;
	if (rc == 0)
		rc = g->fd = spool_segment_create(s, g->head.base, suffix);
	if (rc >= 0)
		rc = spool_write(g->fd, m.bytes, m.len, 0);
	free(m.bytes);
	if (rc < 0) {
		if (g)
			forget(s, g, suffix);
		return rc;
	}
	g->base = g->head.base;
	g->bytes = g->wrote = m.len;
	if (w->first)
		w->live->after = g;
	else
		enlist(s, g);
	w->live = g;
	w->failed = 0;
	return 0;
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
}

// What is not durable is to be written again; `from`, and what comes after it, are no more.
static void forget_ahead(struct spool *s, struct segment *from)
{
	for (struct segment *g = from, *after; g; g = after) {
		after = g->after;
		forget(s, g, SPOOL_AHEAD);
	}
	atomic_store_explicit(&s->tail.written, spool_durable(s), memory_order_relaxed);
}

static void back(struct spool *s)
{
	struct segment *g = s->flush.live = s->flush.first;
	forget_ahead(s, g ? g->after : NULL);
	if (!g)
		return;
	g->after = NULL;
	g->wrote = g->bytes;
	g->full = false;
}

// A new one goes on behind the last durable frame. One without any would have the same name.
static int segment_instead(struct spool *s)
{
	struct flush *w = &s->flush;
	struct segment *old = w->first;
	bool none = old->base == s->durable;
	back(s);
	if (none) {
		pthread_mutex_lock(&s->lock);
		spool_segment_take(s, old);
		pthread_mutex_unlock(&s->lock);
	}
	w->first = w->live = NULL;
	int rc = segment_new(s, old);
	if (rc == 0 || none)
		segment_done(s, old);
	else
		w->first = w->live = old;
	return rc;
}

// ---- what goes ---------------------------------------------------------------------------------------------------

// Up to where the next write goes, stamped for that segment; *roll: the segment ends there.
static uint64_t stamp(struct tail *t, uint32_t seed, uint64_t from, uint64_t to, bool *roll)
{
	uint64_t at = from;
	*roll = false;
	for (struct frame *f; at < to; at += frame_len(f)) {
		f = (struct frame *)spool_tail_frame(t, at);
		*roll = frame_class(f) == FRAME_ROLL;
		if (*roll || at - from >= MOST)
			break;
		frame_stamp(f, seed);
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
	for (; at < to; at += frame_len(spool_tail_frame(&s->tail, at))) {
		const struct frame *f = spool_tail_frame(&s->tail, at);
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
	struct segment *g = s->flush.first;
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

static int write_some(struct spool *s, uint64_t head)
{
	struct segment *g = s->flush.live;
	uint64_t from = spool_written(s), to = stamp(&s->tail, g->head.crc, from, head, &g->full);
	int rc = to == from ? 0 : spool_write(g->fd, spool_tail_frame(&s->tail, from), to - from, g->wrote);
	if (rc < 0) {
		g->full = false;
		return rc;
	}
	g->wrote += to - from;
	g->end = to;
	atomic_store_explicit(&s->tail.written, g->full ? to + FRAME_LEN(0) : to, memory_order_relaxed);
	return 0;
}

// Those of which all is durable are done with. 0 or -errno. First the next one has its name, which is durable with its
// first frames: who came after the rewriting of one that is done with would not be seen to follow on it.
static int pass_on(struct spool *s)
{
	int rc = 0;
	for (struct segment *g; rc == 0 && (g = s->flush.first) && g->full && g->end == spool_durable(s);) {
		uint64_t to = g->end + FRAME_LEN(0);
		struct segment *after = g->after;
		rc = after ? spool_segment_admit(s, after->base) : 0;
		segment_done(s, g);
		atomic_store_explicit(&s->tail.tail, to, memory_order_release);
		pthread_mutex_lock(&s->lock);
		s->done = to;
		pthread_cond_broadcast(&s->more);
		pthread_mutex_unlock(&s->lock);
		if (after && rc == 0) {
			enlist(s, after);
			continue;
		}
		forget_ahead(s, after);
		s->flush.first = s->flush.live = NULL;
	}
	return rc;
}

// After a failure only what is written anew is asked for.
static void ask(struct spool *s)
{
	const struct flush *w = &s->flush;
	const struct segment *g = w->first;
	uint64_t to = !g ? 0 : g->full ? g->end : spool_written(s);
	if (to > spool_durable(s) && !w->failed && s->sync.state == SYNC_IDLE)
		spool_sync_ask(s, g->fd, !w->named, to);
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
	w->wrong_at = spool_written(s);
	if (w->full) {
		// what was written in part is given back: the keeper may need it to make room
		if (w->live && ftruncate(w->live->fd, (off_t)w->live->wrote) != 0)
			w->failed++;
		pthread_mutex_lock(&s->lock);
		s->tight = true;
		if (s->bytes + unseen(s) < spool_bound(s)) // from now on room is made before it is missing
			s->ceiling = s->bytes + unseen(s);
		pthread_cond_signal(&s->keep);
		pthread_mutex_unlock(&s->lock);
	} else {
		w->failed++;
	}
	back_off(s);
}

// The syncer's answer, if it is there. 0 or -errno.
static int synced(struct spool *s)
{
	struct flush *w = &s->flush;
	if (!spool_sync_done(s))
		return 0;
	if (s->sync.rc < 0) {
		back(s);
		return s->sync.rc;
	}
	w->named = true;
	publish(s, spool_durable(s), s->sync.to);
	if (s->sync.to > w->wrong_at) {
		w->retry_ns = w->back_ns = 0;
		spool_failed(s, SPOOL_WRITE, 0);
	}
	return 0;
}

// As far as the disk has come; what is written by now is asked for. 0 or -errno.
static int settle(struct spool *s)
{
	int rc;
	do {
		rc = synced(s);
		rc = rc < 0 ? rc : pass_on(s);
		ask(s);
	} while (rc == 0 && s->sync.state == SYNC_DONE);
	return rc;
}

// A segment to write to: the one there is, if it can be trusted.
static int have_segment(struct spool *s)
{
	struct flush *w = &s->flush;
	if (w->failed && spool_folder_again(s) < 0)
		return -errno;
	if (w->failed && w->first)
		return segment_instead(s);
	return w->live && !w->live->full ? 0 : segment_new(s, NULL);
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

// Can anything be written now?
static bool writable(struct spool *s)
{
	const struct flush *w = &s->flush;
	bool begins = !w->live || w->live->full;
	return clock_ns(CLOCK_MONOTONIC) >= w->retry_ns && !(w->failed && s->sync.state != SYNC_IDLE) &&
	       (!begins || bound_allows(s)) && !held(s);
}

// All that waits. 0 or -errno.
static int write_all(struct spool *s)
{
	uint64_t head = atomic_load_explicit(&s->tail.head, memory_order_acquire);
	int rc = 0;
	s->flush.due_ns = clock_ns(CLOCK_MONOTONIC) + s->config.flush_ms * 1000000ull;
	while (rc == 0 && spool_written(s) < head && writable(s)) {
		rc = have_segment(s);
		rc = rc < 0 ? rc : write_some(s, head);
		rc = rc < 0 ? rc : settle(s);
	}
	return rc;
}

static void round_of(struct spool *s)
{
	int rc = settle(s);
	if (rc == 0 && clock_ns(CLOCK_MONOTONIC) >= s->flush.due_ns)
		rc = write_all(s);
	if (rc < 0)
		went_wrong(s, rc);
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
	struct flush *w = &s->flush;
	bool failing = w->retry_ns > clock_ns(CLOCK_MONOTONIC);
	uint64_t until = failing ? w->retry_ns : w->due_ns;
	struct timespec t = clock_time(until);
	while (sem_clockwait(&s->tail.call, CLOCK_MONOTONIC, &t) == 0 && failing && !s->stop && !roomy(s) &&
	       s->sync.state != SYNC_DONE)
		;
	if (failing && roomy(s))
		w->retry_ns = 0;
	if (atomic_exchange_explicit(&s->tail.called, false, memory_order_acq_rel) || failing)
		w->due_ns = 0;
}

void *spool_flush_run(void *spool)
{
	struct spool *s = spool;
	while (!s->stop) {
		wait_for_work(s);
		round_of(s);
	}
	return NULL;
}

static void say_lost(struct spool *s)
{
	uint64_t at = s->tail.tail, head = s->tail.head, n = 0;
	for (; at < head; at += frame_len(spool_tail_frame(&s->tail, at)))
		n += frame_counts(spool_tail_frame(&s->tail, at));
	if (n)
		log_say(LOG_ERROR, "ship", "spool: %llu records could not be written before the end and are lost",
			(unsigned long long)n);
}

// All threads have ended: what is asked of the disk is done here.
void spool_flush_close(struct spool *s)
{
	struct flush *w = &s->flush;
	uint64_t before;
	spool_tail_last(s);
	w->retry_ns = 0;
	do {
		before = spool_durable(s);
		w->due_ns = 0;
		round_of(s);
	} while (spool_durable(s) != before || s->sync.state != SYNC_IDLE);
	say_lost(s);
	if (w->first) {
		struct frame end;
		back(s);
		frame_set(&end, FRAME_END, sizeof(end), s->durable);
		frame_stamp(&end, w->first->head.crc);
		if (spool_write(w->first->fd, &end, sizeof(end), w->first->bytes) == 0)
			spool_sync_ask(s, w->first->fd, !w->named, 0);
		segment_done(s, w->first);
	}
	for (unsigned i = 0; i < w->nstanding; i++)
		free(w->standing[i]);
	free(w->standing);
}
