// SPDX-License-Identifier: BSD-3-Clause
//
// The spool as its own files know it. Who may touch what:
//
//   tail     the shipper's thread puts in at `head`, the flusher takes out at `tail`; no lock
//   flush    the flusher's alone
//   sync     the flusher's while it is idle or done, the syncer's while it is asked
//   rest     under `lock`, which nobody holds across a system call that may wait for a disk
//
// Segments do not change once they are closed: a thinned one is another struct segment in its place. Who reads one may
// be given what it says before, SPOOL_LEASE positions at a time, and asks for more under the lock: where somebody
// stands the keeper thins what lies behind, and who has come so far waits, and goes on in the new one.
#pragma once

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "ship/spool_disk.h"

#define SPOOL_FILE_MAX 96 // of a name in its folder
#define SPOOL_MARKS 4096
#define SPOOL_THREADS 3
#define SPOOL_LEASE 32
#define SPOOL_AHEAD ".ahead"

struct segment {
	uint64_t base, bytes;            // bytes: that can be read
	uint64_t losable[SPOOL_LOSABLE]; // frames that may be in it; UINT64_MAX: not counted yet
	uint64_t thinned[SPOOL_LOSABLE]; // of this class nothing is left from there on; 0: nothing went
	struct segment_head head;
	uint64_t fence; // it is being thinned from there on, which nobody is given meanwhile; 0: it is not
	int fd;         // -1: opened again by its name
	unsigned refs;
	bool live;    // the flusher writes it
	bool ahead;   // found at the start: it may not count
	bool barred;  // readers wait: it becomes another
	bool became;  // another one
	bool spared;  // it could not be
	bool damaged; // that has been counted
	// the flusher's, until all of it is durable
	struct segment *after;
	uint64_t wrote, end; // bytes written; place in the tail where it ends, once it is full
	bool full;
};

struct cursor {
	char name[SPOOL_NAME_MAX + 1];
	uint64_t pos, read, given; // of the reader that it has: where it stands at least, before which it is at most
	uint64_t generation, lost;
	void *state;
	uint32_t state_len;
	int fd;
	bool taken, said;
};

struct tail {
	uint8_t *ring; // mapped twice, one behind the other
	uint64_t size, limit[SPOOL_META + 1];
	uint64_t at, seen, taken; // shipper: head; tail and written as they were last seen
	uint64_t pos;
	uint64_t filled, order; // of the segment that it appends to
	struct refused {
		uint32_t first, last;
		uint64_t n;
	} * refused; // by worker, class and a kind more
	bool refuses;
	_Alignas(64) _Atomic uint64_t head;
	_Atomic uint64_t records, lost[SPOOL_LOSABLE];
	_Atomic bool called;
	_Alignas(64) _Atomic uint64_t tail, written; // what is before them is durable; outlives the process
	sem_t call;                                  // the flusher has to do
};

struct flush {
	struct segment *first, *live; // what readers see of, what is written to; between them by `after`
	bool named;                   // the folder durably has the first
	struct begin_worker *worker;  // of what is durable
	struct meta **standing;
	unsigned nstanding;
	uint64_t due_ns;            // what waits is written then
	uint64_t retry_ns, back_ns; // when it failed: not before, and how long then
	uint64_t wrong_at;          // it works again once what is behind this place is durable
	unsigned failed;            // times in a row
	bool full;                  // for lack of room
};

struct sync {
	sem_t ask;
	int fd, rc;
	bool name;   // the folder, too
	uint64_t to; // place in the tail that will be durable
	_Atomic enum { SYNC_IDLE, SYNC_ASKED, SYNC_DONE } state;
};

struct spool {
	struct spool_config config;
	bool memory;
	int dir;
	struct tail tail;
	struct flush flush;
	struct sync sync;
	struct spool_left *left;
	unsigned nleft;
	pthread_t thread[SPOOL_THREADS];
	unsigned threads;
	_Atomic bool stop;

	pthread_mutex_t lock;
	pthread_cond_t more, keep; // more: something became durable, or was woken; keep: the keeper has to do
	struct segment **segment;
	unsigned nsegments, room;
	uint64_t bytes;         // of them, and of what is set aside
	uint64_t begun;         // first position of this boot
	uint64_t durable, done; // position, place in the tail
	uint64_t changes;       // what readers wait for
	struct cursor cursor[SPOOL_SINKS];
	unsigned ncursors;
	struct mark {
		uint64_t pos, time_ns;
	} * mark; // when what was written
	unsigned nmarks;
	bool tight;              // the flusher waits for room on disk
	uint64_t ceiling;        // of bytes: the disk was full with so many; 0: it was not
	uint64_t reserve, aside; // bytes set aside for rewriting; counted in bytes for that
	bool unreserved;         // there cannot be any, or there is nothing to rewrite
	struct spool_look counts;
	uint64_t lost, lost_ns; // as they were last looked at, and when they had grown
	struct failing {
		bool said;
		uint64_t next_ns;
	} failing[2]; // by enum spool_attempt
};

// spool_tail.c
int spool_tail_open(struct spool *s);
void spool_tail_close(struct spool *s);
void spool_tail_call(struct tail *t);  // the flusher shall write now
void spool_tail_last(struct spool *s); // what was refused is said, if there is room

static inline const struct frame *spool_tail_frame(const struct tail *t, uint64_t at)
{
	return (const struct frame *)(t->ring + (at & (t->size - 1)));
}

// Places in the tail, for the flusher's thread.
static inline uint64_t spool_durable(const struct spool *s)
{
	return atomic_load_explicit(&s->tail.tail, memory_order_relaxed);
}

static inline uint64_t spool_written(const struct spool *s)
{
	return atomic_load_explicit(&s->tail.written, memory_order_relaxed);
}

// spool_image.c: what a segment begins with that goes on where the tail is written, instead of old or NULL; the caller
// frees bytes, also of half of one (false: no memory).
struct spool_image {
	uint8_t *bytes;
	size_t len, room;
};
bool spool_image_make(struct spool_image *m, struct spool *s, struct segment *old, struct segment_head *h);

// spool_flush.c: thread
void *spool_flush_run(void *spool);
void spool_flush_close(struct spool *s);

// spool_sync.c: thread; one request at a time. Asked where no thread is (in memory, at the end) it is done at once.
void *spool_sync_run(void *spool);
void spool_sync_ask(struct spool *s, int fd, bool name, uint64_t to);
bool spool_sync_done(struct spool *s); // then s->sync.rc says how it went, and it is idle

// spool_keep.c: thread; deletes, thins, merges
void *spool_keep_run(void *spool);

// spool_recover.c: what is in the folder; 0, or -errno and why.
int spool_recover(struct spool *s, char error[SPOOL_ERROR]);

// spool_folder.c
int spool_folder_open(struct spool *s, char error[SPOOL_ERROR]);
int spool_folder_again(struct spool *s); // it is gone: made anew
// A file that root has made is the folder's owner's: the process may become him. The fd, which may be none (-1).
int spool_own(int dir, int fd);
void spool_segment_name(char name[SPOOL_FILE_MAX], uint64_t base, const char *suffix);
int spool_segment_create(struct spool *s, uint64_t base, const char *suffix); // fd or -errno
int spool_segment_open(struct spool *s, const struct segment *g);             // fd of its own, or -errno
// One begun while those before it were not durable: .ahead becomes .seg. 0 or -errno.
int spool_segment_admit(struct spool *s, uint64_t base);
// By lock held: into the list in its place; out of it.
int spool_segment_put(struct spool *s, struct segment *g);
void spool_segment_take(struct spool *s, struct segment *g);
void spool_segment_unref(struct segment *g);   // by lock held
uint64_t spool_refused(const struct spool *s); // that memory had no room for
void spool_say_losses(struct spool *s);        // once, and when for a minute nothing was lost
uint64_t spool_bound(const struct spool *s);   // by lock held: the configured one, or what the disk has room for
int spool_write(int fd, const void *p, uint64_t n, uint64_t at);
// Counted, said the first time; error 0: it works again.
enum spool_attempt { SPOOL_WRITE, SPOOL_THIN };
void spool_failed(struct spool *s, enum spool_attempt what, int error);

// spool_cursor.c
int spool_cursor_load(struct spool *s, struct cursor *c); // 1: there was one; 0: none that can be read; -errno
int spool_cursor_save(struct spool *s, struct cursor *c, uint64_t pos, const void *state, uint32_t len);
void spool_look_behind(const struct spool *s, const struct cursor *c, struct spool_reader_look *to); // under lock
bool spool_cursor_unused(struct spool *s, const char *file); // moved aside, if it is one that no sink has
uint64_t spool_cursor_least(const struct spool *s);          // by lock held
