// SPDX-License-Identifier: BSD-3-Clause
//
// The keeper's thread: segments that all sinks have passed are deleted; where the spool comes near its bound, or its
// disk is full, segments are written anew without what is worth least. First all flows, oldest first, then
// transactions, alerts, verdicts; of the segment that a sink stands in what lies behind it. In the place of the last
// that went stands a gap, by worker and class: from which seq to which, and how many. In that of the first a sink whose
// cursor comes to stand between them, and that has to go back there, would not be told.
//
//   20.seg  f t f v t f      20.tmp  - t - v t g      rename(2): 20.seg is one or the other
//
// Positions stay. Neighbours of which little is left become one, so that neither files nor gaps pile up.
// The copy is written into blocks that were set aside for it (reserve.tmp): rewriting needs room just when there is
// none.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include <rte_common.h>

#include "base/clock.h"
#include "ship/spool_in.h"

#define RESERVE "reserve.tmp"
#define LOOK_NS 1000000000ull
#define OUT_ROOM (256 * 1024)
#define LIFT_SEGMENTS 4 // free before more is used of a disk that was full

// ---- the copy ----------------------------------------------------------------------------------------------------

struct lost { // of a worker and class; pos: of the last
	uint64_t pos, n, time_ns;
	uint32_t first, last;
};

struct copy {
	struct spool *spool;
	struct segment_head head;
	int fd;
	uint8_t *out;
	size_t have;
	uint64_t at; // place of out[0]
	unsigned drop;
	uint64_t from;     // what is before it stays as it is
	bool counts;       // nothing is written, `lost` is made
	bool bare;         // of this segment nothing stays that rules have names for
	struct lost *lost; // by worker and class
	uint64_t dropped[SPOOL_LOSABLE], kept[SPOOL_LOSABLE];
	struct metas { // by key, what was written last
		uint64_t key;
		struct meta *meta;
	} * meta;
	unsigned nmeta;
	int error;
};

static void copy_out(struct copy *c)
{
	if (c->error == 0 && c->have)
		c->error = spool_write(c->fd, c->out, c->have, c->at);
	c->at += c->have;
	c->have = 0;
}

static void copy_frame(struct copy *c, const struct frame *f)
{
	uint32_t len = frame_len(f);
	if (c->have + len > OUT_ROOM)
		copy_out(c);
	memcpy(c->out + c->have, f, len);
	frame_stamp((struct frame *)(c->out + c->have), c->head.crc);
	c->have += len;
}

struct gap_frame {
	struct frame head;
	struct record record;
};

static struct gap_frame gap_frame(const struct copy *c, unsigned i)
{
	const struct lost *l = &c->lost[i];
	struct gap_frame g = {.record = frame_gap(GAP_BOUND, (uint16_t)(i / SPOOL_LOSABLE), i % SPOOL_LOSABLE, l->first,
						  l->last, l->n, l->time_ns)};
	frame_set(&g.head, SPOOL_GAP, FRAME_LEN(sizeof(struct record)), l->pos);
	frame_stamp(&g.head, c->head.crc);
	return g;
}

static void lose(struct copy *c, const struct frame *f, unsigned class, uint32_t first, uint32_t last, uint64_t n)
{
	const struct record *r = (const struct record *)f->body;
	unsigned i = r->worker * SPOOL_LOSABLE + class;
	struct lost *l = &c->lost[i];
	if (!c->counts && l->pos == f->pos) {
		struct gap_frame g = gap_frame(c, i);
		copy_frame(c, &g.head);
	}
	if (!c->counts)
		return;
	if (l->n == 0)
		*l = (struct lost){.time_ns = r->time_ns, .first = first};
	l->pos = f->pos;
	l->last = last;
	l->n += n;
}

// Is it known in the copy already?
static bool known(struct copy *c, const struct meta *m)
{
	unsigned i = 0;
	while (i < c->nmeta && c->meta[i].key != m->key)
		i++;
	size_t size = sizeof(*m) + m->len;
	if (i < c->nmeta && c->meta[i].meta->len == m->len && !memcmp(c->meta[i].meta, m, size))
		return true;
	if (i == c->nmeta) {
		struct metas *more = realloc(c->meta, (c->nmeta + 1) * sizeof(*more));
		if (!more)
			return false;
		c->meta = more;
		c->meta[c->nmeta++] = (struct metas){.key = m->key};
	}
	free(c->meta[i].meta);
	c->meta[i].meta = malloc(size);
	if (c->meta[i].meta)
		memcpy(c->meta[i].meta, m, size);
	else
		c->meta[i] = c->meta[--c->nmeta];
	return false;
}

static void copy_one(struct copy *c, const struct frame *f, bool first)
{
	unsigned class = frame_class(f);
	const struct record *r = (const struct record *)f->body;
	const struct meta *m = (const struct meta *)f->body;
	bool fits = frame_counts(f) && r->worker < BEGIN_WORKERS_MAX && f->pos >= c->from;
	if (class < SPOOL_LOSABLE && c->drop & 1u << class && fits) {
		c->dropped[class] += c->counts;
		lose(c, f, class, r->seq, r->seq, 1);
		return;
	}
	if (class == SPOOL_GAP && r->tx_kind == GAP_BOUND && r->anomaly && fits) {
		lose(c, f, r->anomaly - 1u, r->seq, r->tx_id, r->pkts[0]);
		return;
	}
	if (class < SPOOL_LOSABLE)
		c->kept[class] += c->counts;
	if (c->counts)
		return;
	if (class == FRAME_BEGIN && !first)
		return;
	if (class == SPOOL_META && ((m->standing != META_STANDING && c->bare) || known(c, m)))
		return;
	copy_frame(c, f);
}

// All of one segment. 0; -EBADMSG: it is damaged, and readers have to find that; -errno.
static int copy_segment(struct copy *c, struct segment *g, uint64_t until, bool first)
{
	struct scan in;
	const struct frame *f;
	int fd = spool_segment_open(c->spool, g), rc = fd < 0 ? fd : scan_open(&in, fd, &g->head, g->bytes);
	if (rc == 0) {
		in.until = until;
		c->bare = c->from <= g->base;
		for (unsigned i = 0; i < SPOOL_LOSABLE; i++)
			c->bare = c->bare && (g->losable[i] == 0 || c->drop & 1u << i);
		while (c->error == 0 && (f = scan_next(&in)))
			copy_one(c, f, first);
		rc = c->error ? c->error : in.error;
		scan_close(&in);
	}
	if (fd >= 0)
		close(fd);
	return rc;
}

// through: where what it holds ends, if it holds several's.
static int copy_open(struct copy *c, struct spool *s, const struct segment *first, int fd, unsigned drop,
		     uint64_t through)
{
	*c = (struct copy){.spool = s, .head = first->head, .fd = fd, .drop = drop, .at = sizeof(first->head)};
	if (through)
		c->head.through = through;
	segment_head_stamp(&c->head);
	c->out = malloc(OUT_ROOM);
	c->lost = calloc(BEGIN_WORKERS_MAX * SPOOL_LOSABLE, sizeof(*c->lost));
	return c->out && c->lost ? spool_write(fd, &c->head, sizeof(c->head), 0) : -ENOMEM;
}

static void copy_close(struct copy *c)
{
	for (unsigned i = 0; i < c->nmeta; i++)
		free(c->meta[i].meta);
	free(c->meta);
	free(c->lost);
	free(c->out);
}

static int copy_end(struct copy *c)
{
	copy_out(c);
	if (c->error == 0 && ftruncate(c->fd, (off_t)c->at) != 0)
		c->error = -errno;
	if (c->error == 0 && !c->spool->memory && fdatasync(c->fd) != 0)
		c->error = -errno;
	return c->error;
}

// ---- the reserve -------------------------------------------------------------------------------------------------

// Not having it is no error: then a copy needs room that is free. It counts as taken from one to the next, while what
// was set aside becomes a segment, too: else what is written meanwhile has its room.
static void reserve(struct spool *s)
{
	if (s->memory || s->reserve)
		return;
	int fd = spool_own(s->dir, openat(s->dir, RESERVE, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640));
	uint64_t size = s->config.segment_bytes + FRAME_MAX;
	bool is = fd >= 0 && fallocate(fd, 0, 0, (off_t)size) == 0;
	bool never = !is && errno != ENOSPC && errno != EDQUOT;
	pthread_mutex_lock(&s->lock);
	s->reserve = is ? size : 0;
	s->bytes += s->reserve - s->aside;
	s->aside = s->reserve;
	s->unreserved = fd >= 0 && !is ? never : s->unreserved;
	pthread_mutex_unlock(&s->lock);
	if (fd < 0)
		return;
	if (!is)
		unlinkat(s->dir, RESERVE, 0);
	close(fd);
}

// What a copy is written to.
static int copy_fd(struct spool *s)
{
	if (s->memory)
		return spool_segment_create(s, 0, ".tmp");
	pthread_mutex_lock(&s->lock);
	s->reserve = 0;
	pthread_mutex_unlock(&s->lock);
	int fd = spool_own(s->dir, openat(s->dir, RESERVE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640));
	return fd < 0 ? -errno : fd;
}

// ---- in its place ------------------------------------------------------------------------------------------------

static struct segment *replacement(const struct copy *c, struct segment *const *old, int fd)
{
	struct segment *g = calloc(1, sizeof(*g));
	if (!g)
		return NULL;
	*g = (struct segment){.base = old[0]->base, .bytes = c->at, .head = c->head, .fd = c->spool->memory ? fd : -1};
	memcpy(g->losable, c->kept, sizeof(g->losable));
	for (unsigned i = 0; i < SPOOL_LOSABLE && c->drop; i++)
		g->thinned[i] = c->drop & 1u << i ? c->from : old[0]->thinned[i];
	return g;
}

// Durable: first the copy under the first one's name, then the others' end. A crash between leaves some of them over:
// the copy's head says so. *named: it is durable.
static int put_in_place(struct spool *s, struct segment *const *old, unsigned n, bool *named)
{
	char name[SPOOL_FILE_MAX];
	spool_segment_name(name, old[0]->base, ".seg");
	*named = s->memory;
	if (s->memory)
		return 0;
	if (renameat(s->dir, RESERVE, s->dir, name) != 0)
		return -errno;
	*named = fsync(s->dir) == 0;
	for (unsigned i = 1; i < n && *named; i++) {
		spool_segment_name(name, old[i]->base, ".seg");
		unlinkat(s->dir, name, 0);
	}
	return 0;
}

static void swap(struct spool *s, struct segment *const *old, unsigned n, struct segment *g, const struct copy *c)
{
	uint64_t dropped = 0;
	pthread_mutex_lock(&s->lock);
	for (unsigned i = 0; i < n; i++) {
		old[i]->became = true;
		spool_segment_take(s, old[i]);
	}
	spool_segment_put(s, g);
	for (unsigned i = 0; i < SPOOL_LOSABLE; i++) {
		s->counts.lost[SPOOL_LOSS_BOUND][i] += c->dropped[i];
		dropped += c->dropped[i];
	}
	for (unsigned i = 0; i < s->ncursors; i++)
		s->cursor[i].lost += s->cursor[i].pos <= c->from ? dropped : 0;
	s->counts.thinned++;
	pthread_mutex_unlock(&s->lock);
}

// From here on nobody enters, since a name may be another file's than the list says. A reader in one of several would
// not see what of the others has come into it: then there must be none.
static bool bar(struct spool *s, struct segment *const *old, unsigned n)
{
	bool free_of = true;
	pthread_mutex_lock(&s->lock);
	for (unsigned i = 0; i < n && n > 1; i++)
		free_of = free_of && old[i]->refs == 2; // the list's and ours
	for (unsigned i = 0; i < n; i++)
		old[i]->barred = free_of;
	pthread_mutex_unlock(&s->lock);
	return free_of;
}

// Who reads it would keep the blocks of the old one, and there may be no others: an fd that can empty it, or -1. What
// its reader may be given and has not read it finds in the new one.
static int held(struct spool *s, const struct segment *g)
{
	char name[SPOOL_FILE_MAX];
	pthread_mutex_lock(&s->lock);
	bool read = g->refs > 2; // the list's and ours
	pthread_mutex_unlock(&s->lock);
	if (!read || g->fd >= 0)
		return read ? fcntl(g->fd, F_DUPFD_CLOEXEC, 0) : -1;
	spool_segment_name(name, g->base, ".seg");
	return openat(s->dir, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
}

static int replace(struct spool *s, struct segment *const *old, unsigned n, struct segment *g, const struct copy *c)
{
	bool named;
	int was = held(s, old[0]), rc = put_in_place(s, old, n, &named);
	if (rc == 0)
		swap(s, old, n, g, c);
	if (was >= 0 && rc == 0 && named && ftruncate(was, 0) != 0)
		spool_failed(s, SPOOL_THIN, errno);
	if (was >= 0)
		close(was);
	return rc;
}

static void unref_all(struct spool *s, struct segment *const *old, unsigned n)
{
	pthread_mutex_lock(&s->lock);
	for (unsigned i = 0; i < n; i++) {
		old[i]->barred = false;
		old[i]->fence = 0;
		spool_segment_unref(old[i]);
	}
	s->changes++;
	pthread_cond_broadcast(&s->more);
	pthread_mutex_unlock(&s->lock);
}

// n neighbours become one without what is to be dropped. We hold a reference of each. 0; -EALREADY: nothing of it was
// there; -errno.
static int rewrite(struct spool *s, struct segment *const *old, unsigned n, const uint64_t *until, unsigned drop)
{
	struct copy c = {0};
	struct segment *g = NULL;
	int fd = copy_fd(s), rc = fd < 0 ? fd : copy_open(&c, s, old[0], fd, drop, n > 1 ? until[n - 1] : 0);
	uint64_t dropped = 0;
	c.from = old[0]->fence;
	c.counts = true;
	for (unsigned i = 0; i < n && rc == 0; i++)
		rc = copy_segment(&c, old[i], until[i], i == 0);
	for (unsigned i = 0; i < SPOOL_LOSABLE; i++)
		dropped += c.dropped[i];
	if (rc == 0 && n == 1 && dropped == 0) {
		rc = -EALREADY;
		memcpy(old[0]->losable, c.kept, sizeof(c.kept));
		for (unsigned i = 0; i < SPOOL_LOSABLE; i++)
			old[0]->thinned[i] = drop & 1u << i ? c.from : old[0]->thinned[i];
	}
	c.counts = false;
	for (unsigned i = 0; i < n && rc == 0; i++)
		rc = copy_segment(&c, old[i], until[i], i == 0);
	if (rc == 0)
		rc = copy_end(&c);
	if (rc == 0)
		rc = (g = replacement(&c, old, fd)) ? 0 : -ENOMEM;
	if (rc == 0 && !bar(s, old, n))
		rc = -EBUSY;
	if (rc == 0)
		rc = replace(s, old, n, g, &c);
	if (rc < 0)
		free(g);
	copy_close(&c);
	if (fd >= 0 && (rc < 0 || !s->memory))
		close(fd);
	if (rc < 0 && fd >= 0 && !s->memory)
		unlinkat(s->dir, RESERVE, 0);
	return rc;
}

// ---- which -------------------------------------------------------------------------------------------------------

static uint64_t end_of(const struct spool *s, unsigned i)
{
	return i + 1 < s->nsegments ? s->segment[i + 1]->base : UINT64_MAX;
}

// The place behind all sinks that stand in it, 0: none does. Strictly: what they have not acknowledged is before it.
static uint64_t stands(const struct spool *s, unsigned i, bool strictly)
{
	uint64_t from = s->segment[i]->base, to = end_of(s, i), at = 0;
	for (unsigned k = 0; k < s->ncursors; k++) {
		const struct cursor *c = &s->cursor[k];
		bool here = c->taken && c->read >= from && c->read < to;
		if (c->pos >= from && c->pos < to && c->pos > at)
			at = c->pos;
		if (here && RTE_MAX(c->read, c->given) > at)
			at = RTE_MAX(c->read, c->given);
		if (strictly && c->taken && c->pos < to && c->read >= to)
			at = to;
	}
	return at;
}

static bool over(struct spool *s)
{
	pthread_mutex_lock(&s->lock);
	bool is = s->tight || s->bytes + 2 * s->config.segment_bytes > spool_bound(s);
	pthread_mutex_unlock(&s->lock);
	return is;
}

static struct segment *victim(struct spool *s, unsigned class, bool strictly, uint64_t *until)
{
	for (unsigned i = 0; i < s->nsegments; i++) {
		struct segment *g = s->segment[i];
		uint64_t end = end_of(s, i), from = RTE_MAX(stands(s, i, strictly), g->base);
		bool none = g->losable[class] == 0 || (g->thinned[class] && g->thinned[class] <= from);
		if (g->live || g->spared || none || from >= end)
			continue;
		g->refs++;
		g->fence = from;
		*until = end;
		return g;
	}
	return NULL;
}

// The lowest class that there is, oldest first. False: nothing may go.
static bool thin(struct spool *s)
{
	struct segment *g = NULL;
	uint64_t until = 0;
	unsigned class = 0;
	pthread_mutex_lock(&s->lock);
	for (unsigned i = 0; i < 2 * SPOOL_LOSABLE && !g; i++) {
		class = i / 2;
		g = victim(s, class, i % 2 == 0, &until);
	}
	pthread_mutex_unlock(&s->lock);
	if (!g)
		return false;
	int rc = rewrite(s, &g, 1, &until, 1u << class);
	if (rc < 0 && rc != -EALREADY) {
		g->spared = rc == -EBADMSG || rc == -ENOENT; // readers will find out
		spool_failed(s, SPOOL_THIN, -rc);
	} else {
		spool_failed(s, SPOOL_THIN, 0);
	}
	unref_all(s, &g, 1);
	return rc == 0 || rc == -EALREADY || g->spared;
}

// ---- neighbours --------------------------------------------------------------------------------------------------

#define MERGE 8 // at least so many at once: what was merged is rewritten with seven others, not with each

// Little is in it, or nothing but gaps, which become one a worker and class.
static bool little(const struct spool *s, unsigned i)
{
	const struct segment *g = s->segment[i];
	uint64_t losable = 0;
	for (unsigned k = 0; k < SPOOL_LOSABLE; k++)
		losable |= g->losable[k];
	return !g->live && !g->spared && (losable == 0 || g->bytes <= s->config.segment_bytes / (2 * MERGE)) &&
	       g->refs == 1 && !stands(s, i, true);
}

// By lock held: so many in a row that are worth it, of one boot, from *first on.
static unsigned row(struct spool *s, unsigned *first)
{
	unsigned n = 0;
	for (unsigned i = 0; i < s->nsegments && n < MERGE; i++) {
		bool on = n && s->segment[i]->head.boot == s->segment[*first]->head.boot;
		if (!little(s, i)) {
			n = 0;
		} else if (on) {
			n++;
		} else {
			*first = i;
			n = 1;
		}
	}
	return n;
}

static bool merge(struct spool *s)
{
	struct segment *old[MERGE];
	uint64_t until[MERGE];
	unsigned first = 0;
	pthread_mutex_lock(&s->lock);
	bool any = row(s, &first) == MERGE;
	for (unsigned i = 0; i < MERGE && any; i++) {
		old[i] = s->segment[first + i];
		old[i]->refs++;
		old[i]->fence = old[i]->base; // else gaps that somebody is given meanwhile are given again in one
		until[i] = end_of(s, first + i);
		if (until[i] > s->durable)
			until[i] = s->durable;
	}
	pthread_mutex_unlock(&s->lock);
	if (!any)
		return false;
	int rc = rewrite(s, old, MERGE, until, 0);
	for (unsigned i = 0; i < MERGE && rc == -EBADMSG; i++)
		old[i]->spared = true;
	unref_all(s, old, MERGE);
	return rc == 0;
}

// ---- what is passed ----------------------------------------------------------------------------------------------

// The first one, if it is. What a boot left stays until the next one's first record, which says so, is durable.
static bool delete_passed(struct spool *s)
{
	char name[SPOOL_FILE_MAX];
	pthread_mutex_lock(&s->lock);
	bool passed = s->nsegments > 1 && !s->segment[0]->live && s->durable > s->begun &&
		      s->segment[1]->base <= spool_cursor_least(s);
	if (passed) {
		spool_segment_name(name, s->segment[0]->base, ".seg");
		spool_segment_take(s, s->segment[0]);
		s->tight = false;
	}
	pthread_mutex_unlock(&s->lock);
	if (!passed)
		return false;
	if (!s->memory)
		unlinkat(s->dir, name, 0);
	spool_tail_call(&s->tail);
	return true;
}

// A disk that has room again: a segment's a second.
static void lift(struct spool *s)
{
	struct statvfs st;
	bool roomy = fstatvfs(s->dir, &st) == 0 && st.f_bavail * st.f_frsize >= LIFT_SEGMENTS * s->config.segment_bytes;
	pthread_mutex_lock(&s->lock);
	if (s->ceiling && roomy)
		s->ceiling += s->config.segment_bytes;
	pthread_mutex_unlock(&s->lock);
}

static bool tidy(struct spool *s)
{
	spool_say_losses(s);
	while (delete_passed(s))
		;
	bool is_over = !s->config.wait && over(s), thinned = is_over && thin(s);
	if (is_over && !thinned && !s->reserve) {
		pthread_mutex_lock(&s->lock);
		s->unreserved = true;
		pthread_mutex_unlock(&s->lock);
	}
	if (thinned) { // first the reserve: else what was freed is written full, and nothing can be rewritten
		reserve(s);
		pthread_mutex_lock(&s->lock);
		s->tight = false;
		pthread_mutex_unlock(&s->lock);
		spool_tail_call(&s->tail);
	}
	return merge(s) || thinned;
}

void *spool_keep_run(void *spool)
{
	struct spool *s = spool;
	while (!s->stop) {
		uint64_t until = clock_ns(CLOCK_MONOTONIC) + LOOK_NS;
		struct timespec t = clock_time(until);
		lift(s);
		while (!s->stop && tidy(s))
			reserve(s);
		reserve(s);
		pthread_mutex_lock(&s->lock);
		if (!s->stop)
			pthread_cond_timedwait(&s->keep, &s->lock, &t);
		pthread_mutex_unlock(&s->lock);
	}
	if (!s->memory)
		unlinkat(s->dir, RESERVE, 0);
	return NULL;
}
