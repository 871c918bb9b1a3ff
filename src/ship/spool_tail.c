// SPDX-License-Identifier: BSD-3-Clause
//
// From the shipper's thread to the flusher's: a ring of bytes in which frames stand as they will on disk, but for their
// crc. Whoever appends copies and goes on: no lock, no system call but to call the flusher, once a batch. Where there
// is no room the lowest classes are refused first, and a gap says which of whom once there is room again.
//
// The ring is mapped twice, one behind the other: no frame is ever cut. Segments end by the count of bytes here, so
// that who appends knows which segment he writes to (spool_segment).
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "ship/spool_in.h"

#define ROLL_ROOM 64   // for the marks between segments
#define WAIT_NS 200000 // of who appends, where it waits
#define LEAST (4 * FRAME_MAX)
#define KINDS (SPOOL_LOSABLE + 1) // of what a worker has that is refused: by class, and what its ring had no room for
#define GAP_LEN FRAME_LEN(sizeof(struct record))

static uint8_t *map_twice(uint64_t size)
{
	int fd = memfd_create("spool tail", MFD_CLOEXEC);
	uint8_t *at = MAP_FAILED;
	if (fd >= 0 && ftruncate(fd, (off_t)size) == 0)
		at = mmap(NULL, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (unsigned i = 0; i < 2 && at != MAP_FAILED; i++)
		if (mmap(at + i * size, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED) {
			munmap(at, 2 * size);
			at = MAP_FAILED;
		}
	if (fd >= 0)
		close(fd);
	return at == MAP_FAILED ? NULL : at;
}

int spool_tail_open(struct spool *s)
{
	struct tail *t = &s->tail;
	uint64_t want = s->config.tail_bytes > LEAST ? s->config.tail_bytes : LEAST;
	for (t->size = 1 << 16; t->size < want;)
		t->size *= 2;
	// a flow leaves a quarter to what is worth more
	static const unsigned parts[SPOOL_META + 1] = {
		[SPOOL_FLOW] = 12,  [SPOOL_TRANSACTION] = 13, [SPOOL_ALERT] = 14, [SPOOL_VERDICT] = 15,
		[SPOOL_STATE] = 16, [SPOOL_GAP] = 16,         [SPOOL_META] = 16};
	for (unsigned i = 0; i <= SPOOL_META; i++)
		t->limit[i] = t->size / 16 * parts[i] - ROLL_ROOM;
	t->order = 1;
	t->ring = map_twice(t->size);
	t->refused = calloc((size_t)s->config.workers * KINDS, sizeof(*t->refused));
	if (!t->ring || !t->refused)
		return -ENOMEM;
	return sem_init(&t->call, 0, 0) == 0 ? 0 : -errno;
}

void spool_tail_close(struct spool *s)
{
	if (s->tail.ring)
		munmap(s->tail.ring, 2 * s->tail.size);
	free(s->tail.refused);
	sem_destroy(&s->tail.call);
}

void spool_tail_call(struct tail *t)
{
	if (!atomic_exchange_explicit(&t->called, true, memory_order_acq_rel))
		sem_post(&t->call);
}

static bool has_room(struct tail *t, uint32_t len, uint64_t limit)
{
	if (t->at + len - t->seen <= limit)
		return true;
	t->seen = atomic_load_explicit(&t->tail, memory_order_acquire);
	return t->at + len - t->seen <= limit;
}

static bool wait_for_room(struct spool *s, uint32_t len, unsigned class)
{
	struct timespec pause = {.tv_nsec = WAIT_NS};
	while (!has_room(&s->tail, len, s->tail.limit[class])) {
		if (!s->config.wait || (s->config.stop && *s->config.stop))
			return false;
		spool_tail_call(&s->tail);
		nanosleep(&pause, NULL);
	}
	return true;
}

static struct frame *frame_put(struct spool *s, unsigned class, uint32_t len)
{
	struct tail *t = &s->tail;
	struct frame *f = (struct frame *)(t->ring + (t->at & (t->size - 1)));
	frame_set(f, class, len, t->pos);
	t->at += len;
	t->filled += len;
	return f;
}

static void publish(struct spool *s)
{
	struct tail *t = &s->tail;
	atomic_store_explicit(&t->head, t->at, memory_order_release);
	if (t->at - t->taken < s->config.flush_bytes)
		return;
	t->taken = atomic_load_explicit(&t->written, memory_order_relaxed);
	if (t->at - t->taken >= s->config.flush_bytes)
		spool_tail_call(t);
}

static void put_record(struct spool *s, unsigned class, const struct record *r)
{
	struct tail *t = &s->tail;
	memcpy(frame_put(s, class, FRAME_LEN(r->len))->body, r, r->len);
	t->pos++;
	if (t->filled >= s->config.segment_bytes) {
		frame_put(s, FRAME_ROLL, FRAME_LEN(0));
		t->filled = 0;
		t->order++;
	}
	publish(s);
}

// ---- what found no room ------------------------------------------------------------------------------------------

static int refuse(struct spool *s, unsigned class, const struct record *r)
{
	struct tail *t = &s->tail;
	bool ring = class == SPOOL_GAP;
	if (class >= SPOOL_LOSABLE && !ring)
		return -ENOBUFS; // a sixteenth of the memory is theirs alone
	struct refused *n = &t->refused[r->worker * KINDS + (ring ? SPOOL_LOSABLE : class)];
	if (n->n == 0)
		n->first = r->seq;
	n->last = ring ? r->tx_id : r->seq;
	n->n += ring ? r->pkts[0] : 1;
	t->refuses = true;
	if (!ring)
		atomic_store_explicit(&t->lost[class], t->lost[class] + 1, memory_order_relaxed);
	spool_tail_call(t);
	return ring ? 0 : -ENOBUFS;
}

static bool say_one(struct spool *s, unsigned i, uint64_t time_ns)
{
	struct tail *t = &s->tail;
	struct refused *n = &t->refused[i];
	unsigned class = i % KINDS;
	if (n->n == 0)
		return true;
	if (!has_room(t, GAP_LEN, t->limit[SPOOL_GAP]))
		return false;
	struct record gap = frame_gap(class == SPOOL_LOSABLE ? GAP_RING : GAP_MEMORY, (uint16_t)(i / KINDS), class,
				      n->first, n->last, n->n, time_ns);
	put_record(s, SPOOL_GAP, &gap);
	*n = (struct refused){0};
	return true;
}

static bool say_refused(struct spool *s, unsigned from, unsigned to, uint64_t time_ns)
{
	bool all = true;
	for (unsigned i = from * KINDS; i < to * KINDS; i++)
		all = say_one(s, i, time_ns) && all;
	return all;
}

static void say_all(struct spool *s, uint64_t time_ns)
{
	s->tail.refuses = !say_refused(s, 0, s->config.workers, time_ns);
}

// Before a worker's record stands what of it was refused before: a crash between them would leave a hole that nobody
// names. Those of other workers wait until there is room for all classes.
static bool say_before(struct spool *s, uint32_t len, unsigned class, const struct record *r)
{
	struct tail *t = &s->tail;
	if (has_room(t, len, t->limit[SPOOL_FLOW] - t->size / 8))
		say_all(s, r->time_ns);
	return has_room(t, len + KINDS * GAP_LEN, t->limit[class]) &&
	       say_refused(s, r->worker, r->worker + 1u, r->time_ns);
}

void spool_tail_last(struct spool *s)
{
	if (s->tail.refuses)
		say_all(s, clock_ns(CLOCK_REALTIME));
}

// ---- in ----------------------------------------------------------------------------------------------------------

int spool_append(struct spool *s, enum spool_class class, const struct record *r)
{
	struct tail *t = &s->tail;
	uint32_t len = FRAME_LEN(r->len);
	if (r->worker >= s->config.workers || r->len > RECORD_MAX || class >= SPOOL_META)
		return -EINVAL;
	if (t->refuses && !say_before(s, len, class, r))
		return refuse(s, class, r);
	if (!has_room(t, len, t->limit[class]) && !wait_for_room(s, len, class))
		return refuse(s, class, r);
	put_record(s, class, r);
	atomic_store_explicit(&t->records, t->records + 1, memory_order_relaxed);
	return 0;
}

static int put_meta(struct spool *s, uint64_t key, const void *bytes, uint32_t n, unsigned standing)
{
	uint32_t len = FRAME_LEN(sizeof(struct meta) + n);
	if (n > SPOOL_META_MAX)
		return -EMSGSIZE;
	if (!wait_for_room(s, len, SPOOL_META))
		return -ENOBUFS;
	struct frame *f = frame_put(s, SPOOL_META, len);
	struct meta *m = (struct meta *)f->body;
	memset((uint8_t *)f + len - 8, 0, 8); // what fills it up to 8
	*m = (struct meta){.key = key, .len = n, .standing = standing};
	memcpy(m->bytes, bytes, n);
	publish(s);
	return 0;
}

int spool_meta(struct spool *s, uint64_t key, const void *bytes, uint32_t len, bool standing)
{
	return put_meta(s, key, bytes, len, standing ? META_STANDING : META_ONCE);
}

void spool_meta_end(struct spool *s, uint64_t key)
{
	put_meta(s, key, "", 0, META_ENDS);
}

uint64_t spool_segment(const struct spool *s)
{
	return s->tail.order;
}
