// SPDX-License-Identifier: BSD-3-Clause
//
// A sink's way through the log: segment after segment, from its head on (METAs), what stands before its place left out.
// Only what is durable is read, so that nothing that a sink was given can be taken back by a crash.
//
// A segment that cannot be read on (a flipped bit, a file gone) is left at its last whole frame. What it had is
// missing: each segment begins with the seq that workers had come to, so the next one of that boot says who misses
// what, and the sink is given a gap in its place. So it is with one that is not there at all: within a boot a segment
// begins where the one before it ends. Rejected: to look for whole frames behind the damage (what a client sent could
// be made to look like one).
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "ship/spool_in.h"

struct spool_reader {
	struct spool *spool;
	struct cursor *cursor;
	struct segment *at; // NULL: none is open
	struct scan scan;
	uint64_t pos;     // of what is given next, at least
	uint64_t given;   // what is before it may be
	uint64_t changes; // as last seen
	_Atomic bool woken;
	char node[BEGIN_NODE_MAX + 1];
	struct spool_frame frame;
	// what workers had come to, and have to be at where the segment begins
	struct begin_worker worker[BEGIN_WORKERS_MAX], now[BEGIN_WORKERS_MAX];
	unsigned workers, nnow, said; // said: of `now`, how many have been looked at
	uint64_t lost_pos;            // from there to the next segment nothing could be read
	uint64_t boot;
	bool lost, known; // known: `worker` is of `boot`, and all of it has been seen
	struct record gap;
};

// Was it so before?
static bool take(struct spool *s, struct cursor *c, bool taken)
{
	pthread_mutex_lock(&s->lock);
	bool was = c->taken;
	c->taken = taken;
	pthread_mutex_unlock(&s->lock);
	return was;
}

struct spool_reader *spool_reader_open(struct spool *s, const char *name, void *state, uint32_t *len)
{
	struct cursor *c = NULL;
	for (unsigned i = 0; i < s->ncursors; i++)
		if (!strcmp(s->cursor[i].name, name))
			c = &s->cursor[i];
	struct spool_reader *r = c ? calloc(1, sizeof(*r)) : NULL;
	if (!r) {
		errno = c ? ENOMEM : ENOENT;
		return NULL;
	}
	if (take(s, c, true)) {
		free(r);
		errno = EBUSY;
		return NULL;
	}
	r->spool = s;
	r->cursor = c;
	r->pos = c->pos;
	memcpy(state, c->state, c->state_len);
	*len = c->state_len;
	return r;
}

static void leave(struct spool_reader *r)
{
	if (!r->at)
		return;
	if (r->scan.fd >= 0)
		close(r->scan.fd);
	scan_close(&r->scan);
	pthread_mutex_lock(&r->spool->lock);
	spool_segment_unref(r->at);
	pthread_mutex_unlock(&r->spool->lock);
	r->at = NULL;
}

void spool_reader_close(struct spool_reader *r)
{
	leave(r);
	take(r->spool, r->cursor, false);
	free(r);
}

// ---- from one segment to the next --------------------------------------------------------------------------------

// That which pos is in, or the first behind it. By lock held.
static bool find(struct spool_reader *r, unsigned *at)
{
	const struct spool *s = r->spool;
	unsigned low = 0, high = s->nsegments;
	while (low < high) { // the first that begins behind pos
		unsigned mid = (low + high) / 2;
		if (s->segment[mid]->base > r->pos)
			high = mid;
		else
			low = mid + 1;
	}
	*at = low ? low - 1 : 0;
	return s->nsegments > 0;
}

// From its place to pos nothing can be read. Between two boots there may be nothing; BEGIN says.
static void lose_to(struct spool_reader *r, uint64_t pos)
{
	if (!r->lost)
		r->lost_pos = r->pos;
	r->lost = true;
	r->pos = pos;
}

static void damaged(struct spool_reader *r, int error)
{
	struct spool *s = r->spool;
	pthread_mutex_lock(&s->lock);
	bool first = !r->at->damaged;
	r->at->damaged = true;
	pthread_mutex_unlock(&s->lock);
	if (first)
		log_say(LOG_ERROR, "ship",
			"spool: segment %020llu cannot be read on from byte %llu: %s; what follows in it is lost",
			(unsigned long long)r->at->base, (unsigned long long)r->scan.at,
			error == -EBADMSG ? "damaged" : strerror(-error));
	lose_to(r, r->pos);
}

static bool became(struct spool_reader *r)
{
	pthread_mutex_lock(&r->spool->lock);
	bool is = r->at->became;
	pthread_mutex_unlock(&r->spool->lock);
	return is;
}

// What more() has seen, so that nothing that comes after it is slept over. By lock held.
static void seen(struct spool_reader *r)
{
	r->changes = r->spool->changes;
	r->cursor->read = r->pos;
}

// False: there is none, or there is no memory or descriptor now.
static bool enter(struct spool_reader *r)
{
	struct spool *s = r->spool;
	unsigned i;
	int fd = -ENOENT;
	pthread_mutex_lock(&s->lock);
	if (find(r, &i) && !s->segment[i]->barred && (!s->segment[i]->fence || r->pos < s->segment[i]->fence)) {
		r->at = s->segment[i];
		r->at->refs++;
		if (r->pos < r->at->base)
			lose_to(r, r->at->base);
		r->given = r->cursor->given = r->pos;
		fd = spool_segment_open(s, r->at);
	}
	seen(r);
	pthread_mutex_unlock(&s->lock);
	if (!r->at)
		return false;
	int rc = fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM ? fd : scan_open(&r->scan, fd, &r->at->head, 0);
	if (rc < 0) {
		r->scan.fd = fd;
		leave(r);
	} else if (fd < 0) {
		damaged(r, fd);
	}
	return rc == 0;
}

// The next one, if there is one. One that took the place of this one before a record stood in it is that, too.
static const struct segment *follower(const struct spool_reader *r)
{
	const struct spool *s = r->spool;
	for (unsigned i = 0; i < s->nsegments; i++) {
		const struct segment *g = s->segment[i];
		if (g->base > r->at->base || (g->base == r->at->base && g != r->at && r->pos == g->base))
			return g;
	}
	return NULL;
}

static bool pass(struct spool_reader *r)
{
	pthread_mutex_lock(&r->spool->lock);
	bool became = r->at->became;
	const struct segment *g = became ? NULL : follower(r);
	uint64_t next = g ? g->base : 0;
	seen(r);
	pthread_mutex_unlock(&r->spool->lock);
	if (!g && !became)
		return false;
	leave(r);
	if (r->pos < next)
		lose_to(r, next);
	return true;
}

// ---- one frame ---------------------------------------------------------------------------------------------------

static const struct spool_frame *give(struct spool_reader *r, uint64_t pos, unsigned class)
{
	r->frame = (struct spool_frame){.pos = pos, .class = class, .node = r->node, .boot = r->at->head.boot};
	return &r->frame;
}

static void begin(struct spool_reader *r, const struct begin *b)
{
	size_t size = b->nworkers * sizeof(b->worker[0]);
	memcpy(r->node, (const uint8_t *)b->worker + size, b->node_len);
	r->node[b->node_len] = 0;
	if (r->boot != r->at->head.boot) {
		memset(r->worker, 0, sizeof(r->worker));
		r->known = false;
	}
	memcpy(r->lost ? r->now : r->worker, b->worker, size);
	r->nnow = r->lost ? b->nworkers : 0;
	r->said = 0;
	r->workers = b->nworkers;
	r->boot = r->at->head.boot;
	r->known = !r->lost || r->known;
}

static void count_lost(struct spool_reader *r, uint64_t n)
{
	pthread_mutex_lock(&r->spool->lock);
	r->spool->counts.lost_unknown += n;
	r->cursor->lost += n;
	pthread_mutex_unlock(&r->spool->lock);
}

// What was lost before this segment, a worker at a time.
static const struct spool_frame *say_lost(struct spool_reader *r)
{
	while (r->said < r->nnow) {
		unsigned i = r->said++;
		uint32_t first = r->worker[i].any ? r->worker[i].next : 0;
		uint32_t n = r->now[i].any ? r->now[i].next - first : 0;
		if (!r->known && n > r->at->base - r->lost_pos) // there were not more frames than that
			n = (uint32_t)(r->at->base - r->lost_pos);
		first = r->now[i].next - n;
		r->worker[i] = r->now[i];
		if (n == 0)
			continue;
		count_lost(r, n);
		log_say(LOG_ERROR, "ship",
			"spool: sink=%s: %u records of worker=%u that stood before segment %020llu are not there: a "
			"gap says which",
			r->cursor->name, n, i, (unsigned long long)r->at->base);
		r->gap = frame_gap(GAP_DAMAGED, (uint16_t)i, SPOOL_LOSABLE, first, first + n - 1, n,
				   r->at->head.time_ns);
		give(r, r->lost_pos, SPOOL_GAP);
		r->lost_pos += r->lost_pos + 1 < r->at->base; // not known how many: no more than there is room for
		r->frame.record = &r->gap;
		return &r->frame;
	}
	r->lost = false;
	r->known = true;
	return NULL;
}

// May it be given what stands at pos, and some more? Else it is another segment's now, or soon.
static bool lease(struct spool_reader *r, uint64_t pos)
{
	const struct segment *g = r->at;
	pthread_mutex_lock(&r->spool->lock);
	bool may = !g->became && (!g->fence || pos < g->fence);
	if (may) {
		r->given = g->fence && g->fence < pos + SPOOL_LEASE ? g->fence : pos + SPOOL_LEASE;
		r->cursor->read = pos;
		r->cursor->given = r->given;
	}
	pthread_mutex_unlock(&r->spool->lock);
	return may;
}

static const struct spool_frame *give_record(struct spool_reader *r, const struct frame *f)
{
	const struct record *rec = (const struct record *)f->body;
	if (f->pos >= r->pos && f->pos >= r->given && !lease(r, f->pos)) {
		r->pos = f->pos;
		leave(r);
		return NULL;
	}
	if (rec->worker < r->workers)
		begin_note(&r->worker[rec->worker], rec);
	if (f->pos < r->pos)
		return NULL;
	give(r, f->pos, frame_class(f));
	r->frame.record = rec;
	r->pos = f->pos + 1;
	return &r->frame;
}

static const struct spool_frame *give_meta(struct spool_reader *r, const struct frame *f)
{
	const struct meta *m = (const struct meta *)f->body;
	if (m->standing == META_ENDS)
		return NULL;
	give(r, f->pos > r->pos ? f->pos : r->pos, SPOOL_META);
	r->frame.key = m->key;
	r->frame.bytes = m->bytes;
	r->frame.len = m->len;
	return &r->frame;
}

// NULL: it is not for sinks.
static const struct spool_frame *look(struct spool_reader *r, const struct frame *f)
{
	switch (frame_class(f)) {
	case FRAME_BEGIN:
		begin(r, (const struct begin *)f->body);
		return say_lost(r);
	case FRAME_END:
		return NULL;
	case SPOOL_META:
		return give_meta(r, f);
	default:
		return give_record(r, f);
	}
}

// ---- next --------------------------------------------------------------------------------------------------------

// More of this segment has become durable, or it is done with and there is another. False: neither.
static bool more(struct spool_reader *r)
{
	struct spool *s = r->spool;
	if (!r->at)
		return enter(r);
	pthread_mutex_lock(&s->lock);
	const struct segment *next = follower(r);
	bool live = r->at->live && !r->at->became, unread = !r->at->became && r->at->bytes > r->scan.end;
	r->scan.end = r->at->bytes;
	r->scan.until = next ? next->base : UINT64_MAX;
	seen(r);
	pthread_mutex_unlock(&s->lock);
	return unread || (!live && pass(r));
}

static const struct spool_frame *step(struct spool_reader *r, bool *stuck)
{
	*stuck = false;
	if (r->at && r->lost && r->said < r->nnow) {
		const struct spool_frame *gap = say_lost(r);
		if (gap)
			return gap;
	}
	const struct frame *f = r->at && r->scan.fd >= 0 ? scan_next(&r->scan) : NULL;
	if (f)
		return look(r, f);
	if (r->at && (r->scan.fd < 0 || r->scan.error < 0)) {
		if (r->scan.fd >= 0 && !became(r))
			damaged(r, r->scan.error);
		*stuck = !pass(r);
		return NULL;
	}
	*stuck = !more(r);
	return NULL;
}

// Until something becomes durable. False: the time is over, or somebody woke it.
static bool sleep_until(struct spool_reader *r, uint64_t until)
{
	struct spool *s = r->spool;
	struct timespec t = clock_time(until);
	pthread_mutex_lock(&s->lock);
	int rc = 0;
	while (rc == 0 && !r->woken && !s->stop && r->changes == s->changes)
		rc = pthread_cond_timedwait(&s->more, &s->lock, &t);
	bool on = rc == 0 && !r->woken && !s->stop;
	pthread_mutex_unlock(&s->lock);
	return on;
}

const struct spool_frame *spool_next(struct spool_reader *r, unsigned timeout_ms)
{
	uint64_t until = 0;
	bool stuck;
	for (;;) {
		const struct spool_frame *f = step(r, &stuck);
		if (f)
			return f;
		if (!stuck)
			continue;
		if (!until)
			until = clock_ns(CLOCK_MONOTONIC) + timeout_ms * 1000000ull;
		if (!sleep_until(r, until))
			break;
	}
	r->woken = false;
	return NULL;
}

void spool_seek(struct spool_reader *r, uint64_t pos)
{
	leave(r);
	r->pos = pos;
	r->lost = r->known = false;
	r->boot = 0;
	memset(r->worker, 0, sizeof(r->worker));
}

int spool_ack(struct spool_reader *r, uint64_t pos, const void *state, uint32_t len)
{
	struct spool *s = r->spool;
	pthread_mutex_lock(&s->lock);
	bool there = pos <= s->durable;
	pthread_mutex_unlock(&s->lock);
	if (len > SPOOL_STATE_MAX || !there)
		return -EINVAL;
	int rc = spool_cursor_save(s, r->cursor, pos > r->cursor->pos ? pos : r->cursor->pos, state, len);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&s->lock);
	if (s->nsegments > 1 && s->segment[1]->base <= pos)
		pthread_cond_signal(&s->keep);
	pthread_mutex_unlock(&s->lock);
	return 0;
}

uint64_t spool_cursor(const struct spool_reader *r)
{
	return r->cursor->pos;
}

void spool_wake(struct spool_reader *r)
{
	pthread_mutex_lock(&r->spool->lock);
	r->woken = true;
	pthread_cond_broadcast(&r->spool->more);
	pthread_mutex_unlock(&r->spool->lock);
}
