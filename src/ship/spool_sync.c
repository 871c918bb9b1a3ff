// SPDX-License-Identifier: BSD-3-Clause
//
// The syncer's thread waits for the disk, so that the flusher need not: what is written outlives the process
// (kill -9), what is synced the machine, too. A disk that takes seconds to sync keeps sinks waiting that long; what a
// kill takes is still no older than spool.flush_ms.
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ship/spool_in.h"

static int make_durable(const struct spool *s)
{
	const struct sync *y = &s->sync;
	struct stat st;
	if (s->memory)
		return 0;
#ifndef SPOOL_MUTANT_NO_FSYNC
	if (fdatasync(y->fd) != 0)
		return -errno;
#endif
	if (fstat(y->fd, &st) != 0)
		return -errno;
	if (st.st_nlink == 0)
		return -ESTALE;
#ifndef SPOOL_MUTANT_NO_DIRSYNC
	if (y->name && fsync(s->dir) != 0)
		return -errno;
#endif
	return 0;
}

static void answer(struct spool *s)
{
	s->sync.rc = make_durable(s);
	atomic_store_explicit(&s->sync.state, SYNC_DONE, memory_order_release);
}

static bool asked(struct spool *s)
{
	return atomic_load_explicit(&s->sync.state, memory_order_acquire) == SYNC_ASKED;
}

// Called without a question: the end.
void *spool_sync_run(void *spool)
{
	struct spool *s = spool;
	for (;;) {
		while (sem_wait(&s->sync.ask) != 0)
			;
		if (!asked(s))
			return NULL;
		answer(s);
		sem_post(&s->tail.call);
	}
}

void spool_sync_ask(struct spool *s, int fd, bool name, uint64_t to)
{
	struct sync *y = &s->sync;
	bool here = s->memory || s->stop;
#ifdef SPOOL_MUTANT_WRITE_WAITS
	here = true;
#endif
	y->fd = fd;
	y->name = name;
	y->to = to;
	atomic_store_explicit(&y->state, SYNC_ASKED, memory_order_release);
	if (here)
		answer(s);
	else
		sem_post(&y->ask);
}

bool spool_sync_done(struct spool *s)
{
	struct sync *y = &s->sync;
	if (atomic_load_explicit(&y->state, memory_order_acquire) != SYNC_DONE)
		return false;
	atomic_store_explicit(&y->state, SYNC_IDLE, memory_order_relaxed);
	return true;
}
