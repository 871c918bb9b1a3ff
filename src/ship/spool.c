// SPDX-License-Identifier: BSD-3-Clause
//
// The spool's beginning and end, and what is shown of it. Its parts, as a record meets them:
//
//   spool_tail.c     from the shipper's thread into memory
//   spool_flush.c    from memory to the disk: written
//   spool_sync.c     ... and durable
//   spool_reader.c   from the disk to a sink
//   spool_cursor.c   what a sink has done with
//   spool_keep.c     what has been passed goes; what is over the bound is thinned
//   spool_recover.c  what is found at the start
#include "ship/spool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "ship/spool_in.h"

static const struct spool_config usual = {
	.max_bytes = 1ull << 30,
	.segment_bytes = 64ull << 20,
	.tail_bytes = 64ull << 20,
	.flush_bytes = 1ull << 20,
	.flush_ms = 100,
};
#define SEGMENT_LEAST 16384
#define SEGMENTS_LEAST 8
#define CLOSE_MS 2000 // for a disk that does not take what waits

static bool name_valid(const char *name)
{
	size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-");
	return n && n <= SPOOL_NAME_MAX && !name[n] && name[0] != '.';
}

static int set_sinks(struct spool *s, const struct spool_config *c)
{
	if (c->nsinks > SPOOL_SINKS)
		return -EINVAL;
	for (unsigned i = 0; i < c->nsinks; i++) {
		struct cursor *k = &s->cursor[s->ncursors++];
		k->fd = -1;
		k->state = malloc(SPOOL_STATE_MAX);
		if (!k->state)
			return -ENOMEM;
		if (!name_valid(c->sinks[i]))
			return -EINVAL;
		strcpy(k->name, c->sinks[i]);
		for (unsigned o = 0; o < i; o++)
			if (!strcmp(s->cursor[o].name, k->name))
				return -EINVAL;
	}
	return 0;
}

static int set_config(struct spool *s, const struct spool_config *from)
{
	struct spool_config *c = &s->config;
	*c = *from;
	c->sinks = NULL;
	s->memory = !from->path || !*from->path;
	c->path = strdup(s->memory ? "" : from->path);
	c->node = strdup(from->node ? from->node : "");
	c->max_bytes = c->max_bytes ? c->max_bytes : usual.max_bytes;
	c->segment_bytes = c->segment_bytes ? c->segment_bytes : usual.segment_bytes;
	c->tail_bytes = c->tail_bytes ? c->tail_bytes : usual.tail_bytes;
	c->flush_bytes = c->flush_bytes ? c->flush_bytes : usual.flush_bytes;
	c->flush_ms = c->flush_ms ? c->flush_ms : usual.flush_ms;
	if (c->segment_bytes > c->max_bytes / SEGMENTS_LEAST)
		c->segment_bytes = c->max_bytes / SEGMENTS_LEAST;
	if (c->segment_bytes < SEGMENT_LEAST)
		c->segment_bytes = SEGMENT_LEAST;
	if (c->flush_bytes > c->tail_bytes / 4)
		c->flush_bytes = c->tail_bytes / 4;
	if (!c->path || !c->node)
		return -ENOMEM;
	if (!c->workers || c->workers > BEGIN_WORKERS_MAX || strlen(c->node) > BEGIN_NODE_MAX)
		return -EINVAL;
	s->flush.worker = calloc(c->workers, sizeof(*s->flush.worker));
	s->mark = calloc(SPOOL_MARKS, sizeof(*s->mark));
	return s->flush.worker && s->mark ? set_sinks(s, from) : -ENOMEM;
}

enum { SYNCER, FLUSHER, KEEPER };

static int start(struct spool *s)
{
	static void *(*const runs[SPOOL_THREADS])(void *) = {
		[SYNCER] = spool_sync_run, [FLUSHER] = spool_flush_run, [KEEPER] = spool_keep_run};
	int rc = 0;
	for (unsigned i = 0; i < SPOOL_THREADS && rc == 0; i++) {
		rc = -pthread_create(&s->thread[i], NULL, runs[i], s);
		s->threads += rc == 0;
	}
	return rc;
}

static void set_locks(struct spool *s)
{
	pthread_condattr_t steady;
	pthread_condattr_init(&steady);
	pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->more, &steady);
	pthread_cond_init(&s->keep, &steady);
	pthread_condattr_destroy(&steady);
	sem_init(&s->sync.ask, 0, 0);
}

struct spool *spool_open(const struct spool_config *config, char error[SPOOL_ERROR])
{
	struct spool *s = aligned_alloc(_Alignof(struct spool), sizeof(*s)); // its rings' ends have a cache line each
	error[0] = 0;
	if (s)
		memset(s, 0, sizeof(*s));
	if (!s) {
		snprintf(error, SPOOL_ERROR, "spool: %s", strerror(ENOMEM));
		return NULL;
	}
	s->dir = -1;
	set_locks(s);
	int rc = set_config(s, config);
	if (rc == 0)
		rc = spool_tail_open(s);
	if (rc == 0 && !s->memory)
		rc = spool_folder_open(s, error);
	if (rc == 0)
		rc = spool_recover(s, error);
	if (rc == 0)
		rc = start(s);
	if (rc == 0)
		return s;
	if (!error[0])
		snprintf(error, SPOOL_ERROR, "spool %s: %s", s->config.path ? s->config.path : "", strerror(-rc));
	spool_close(s);
	return NULL;
}

static void end(struct spool *s)
{
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_broadcast(&s->more);
	pthread_cond_broadcast(&s->keep);
	pthread_mutex_unlock(&s->lock);
	for (unsigned i = s->threads; i-- > 0;) {
		if (i == FLUSHER)
			sem_post(&s->tail.call);
		if (i == SYNCER) // nobody asks it any more
			sem_post(&s->sync.ask);
		pthread_join(s->thread[i], NULL);
	}
}

void spool_close(struct spool *s)
{
	if (s->threads == SPOOL_THREADS) { // a keeper that makes room is still there
		spool_tail_last(s);
		spool_flush_wait(s, CLOSE_MS);
	}
	end(s);
	if (s->threads == SPOOL_THREADS)
		spool_flush_close(s);
	spool_tail_close(s);
	while (s->nsegments)
		spool_segment_take(s, s->segment[0]);
	for (unsigned i = 0; i < s->ncursors; i++) {
		if (s->cursor[i].fd >= 0)
			close(s->cursor[i].fd);
		free(s->cursor[i].state);
	}
	if (s->dir >= 0)
		close(s->dir);
	sem_destroy(&s->sync.ask);
	pthread_cond_destroy(&s->keep);
	pthread_cond_destroy(&s->more);
	pthread_mutex_destroy(&s->lock);
	free((char *)s->config.path);
	free((char *)s->config.node);
	free(s->flush.worker);
	free(s->segment);
	free(s->mark);
	free(s->left);
	free(s);
}

const struct spool_left *spool_recovered(const struct spool *s, unsigned *n)
{
	*n = s->nleft;
	return s->left;
}

int spool_flush_wait(struct spool *s, unsigned timeout_ms)
{
	uint64_t head = atomic_load_explicit(&s->tail.head, memory_order_acquire);
	uint64_t until = clock_ns(CLOCK_MONOTONIC) + timeout_ms * 1000000ull;
	struct timespec t = clock_time(until);
	int rc = 0;
	spool_tail_call(&s->tail);
	pthread_mutex_lock(&s->lock);
	while (s->done < head && rc == 0)
		rc = pthread_cond_timedwait(&s->more, &s->lock, &t);
	rc = s->done < head ? -ETIMEDOUT : 0;
	pthread_mutex_unlock(&s->lock);
	return rc;
}

// ---- what is shown -----------------------------------------------------------------------------------------------

void spool_look(struct spool *s, struct spool_look *to)
{
	pthread_mutex_lock(&s->lock);
	*to = s->counts;
	to->bytes = s->bytes;
	to->segments = s->nsegments;
	to->durable = s->durable;
	to->waits = s->done;
	pthread_mutex_unlock(&s->lock);
	to->max_bytes = s->config.max_bytes;
	to->waits = atomic_load_explicit(&s->tail.head, memory_order_relaxed) - to->waits;
	to->records = s->tail.records;
	for (unsigned i = 0; i < SPOOL_LOSABLE; i++)
		to->lost[SPOOL_LOSS_MEMORY][i] = s->tail.lost[i];
}

// When what stands at pos was written: the last mark before it, else when its segment was begun.
static uint64_t written_ns(const struct spool *s, uint64_t pos)
{
	uint64_t when = 0;
	for (unsigned i = 0; i < s->nsegments && (i == 0 || s->segment[i]->base <= pos); i++)
		when = s->segment[i]->head.time_ns;
	for (unsigned i = 0; i < s->nmarks && s->mark[i].pos <= pos; i++)
		when = s->mark[i].time_ns > when ? s->mark[i].time_ns : when;
	return when;
}

void spool_look_behind(const struct spool *s, const struct cursor *c, struct spool_reader_look *to)
{
	*to = (struct spool_reader_look){.cursor = c->pos, .read = c->read, .lost = c->lost + spool_refused(s)};
	if (c->pos >= s->durable)
		return;
	to->oldest_ns = written_ns(s, c->pos);
	for (unsigned i = 0; i < s->nsegments; i++)
		if (i + 1 == s->nsegments || s->segment[i + 1]->base > c->pos)
			to->behind_bytes += s->segment[i]->bytes;
}

bool spool_in_memory(const struct spool *s)
{
	return s->memory;
}

bool spool_look_sink(struct spool *s, const char *name, struct spool_reader_look *to)
{
	bool found = false;
	pthread_mutex_lock(&s->lock);
	for (unsigned i = 0; i < s->ncursors && !found; i++)
		if (!strcmp(s->cursor[i].name, name)) {
			spool_look_behind(s, &s->cursor[i], to);
			found = true;
		}
	pthread_mutex_unlock(&s->lock);
	return found;
}
