// SPDX-License-Identifier: BSD-3-Clause
//
// What stands in the spool's files, and how it is read. Nothing that a file says is believed before it is checked.
//
//   segment:  | struct segment_head | frame BEGIN | frame | frame | ...
//   frame:    | len, class | crc | pos | body, a multiple of 8 bytes |
//   body:     BEGIN struct begin; META struct meta; END nothing; all others struct record with its facts
//
// A frame's crc begins with that of its segment's head: it is whole in that segment only. Numbers are the host's: a
// spool does not move between machines.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ship/spool.h"

#define SEGMENT_MAGIC "SLUSPOOL"
#define SEGMENT_VERSION 1
struct segment_head {
	char magic[8];
	uint32_t version; // magic, version and crc stand where they stand in all versions to come
	uint32_t layout;  // frame_layout of who wrote it
	uint64_t base;    // lowest position that a frame of it may have
	uint64_t boot, time_ns;
	uint64_t through; // of what several became: segments that begin before it are in this one, and left over
	uint8_t zero[12];
	uint32_t crc; // of what is before
};
_Static_assert(sizeof(struct segment_head) == 64, "as on disk");

enum { FRAME_BEGIN = SPOOL_CLASS_COUNT, FRAME_END, FRAME_ROLL /* in memory only */, FRAME_CLASSES };
struct frame {
	uint32_t len_class;
	uint32_t crc; // CRC32C of all else in it
	uint64_t pos; // META, BEGIN, END: of the next that has one
	uint64_t body[];
};
#define FRAME_LEN(body) (uint32_t)((sizeof(struct frame) + (body) + 7) & ~7ull)
#define FRAME_MAX (80 * 1024)
#define FRAME_POS_MAX (1ull << 62)

static inline uint32_t frame_len(const struct frame *f)
{
	return f->len_class >> 8;
}

static inline unsigned frame_class(const struct frame *f)
{
	return f->len_class & 255;
}

// Has it a position of its own?
static inline bool frame_counts(const struct frame *f)
{
	return frame_class(f) < SPOOL_META;
}

struct meta {
	uint64_t key;
	uint32_t len;
	uint32_t standing; // 2: no more
	uint8_t bytes[];
};
enum { META_ONCE, META_STANDING, META_ENDS };

struct begin {
	uint32_t nworkers, node_len;
	struct begin_worker {
		uint32_t next, any; // seq that its next record would have had when the segment began
	} worker[];
	// then the node
};
// A record of that worker is there, or was: all before its seq is there or in a gap. (What a gap of refused ones says
// is of its class alone.)
static inline void begin_note(struct begin_worker *w, const struct record *r)
{
	uint32_t next = (r->kind == RECORD_GAP ? r->tx_id : r->seq) + 1;
	if (r->kind == RECORD_GAP && r->tx_kind == GAP_MEMORY)
		return;
	if (!w->any || (int32_t)(next - w->next) > 0)
		*w = (struct begin_worker){next, 1};
}
#define BEGIN_WORKERS_MAX 1024
#define BEGIN_NODE_MAX 255

// Of this program: of another one the numbers in records may mean something else.
uint32_t frame_layout(void);
void frame_set(struct frame *f, unsigned class, uint32_t len, uint64_t pos);
void frame_stamp(struct frame *f, uint32_t seed);
// A gap in whose place a reader would look for n records of class; class SPOOL_LOSABLE: any.
struct record frame_gap(enum gap_cause cause, uint16_t worker, unsigned class, uint32_t first, uint32_t last,
			uint64_t n, uint64_t time_ns);

void segment_head_make(struct segment_head *h, uint64_t base, uint64_t boot, uint64_t time_ns);
void segment_head_stamp(struct segment_head *h);
// 0; -ENODATA: nothing was ever written; -EBADMSG: damaged, or none of ours; -EPROTO: of a later version or another
// layout, and whole.
int segment_head_check(const struct segment_head *h);

// Frames of one file, one after the other.
struct scan {
	int fd;
	uint32_t seed;
	uint64_t at, end; // place of the next frame; bytes that may be read
	uint64_t pos;     // the lowest that may follow
	uint64_t until;   // from there on they are the next segment's
	uint8_t *buf;
	uint64_t from; // place of buf[0]
	size_t have;
	int error; // when scan_next has no more: 0, -EBADMSG: the next is not whole; else of pread
};
// 0 or -ENOMEM.
int scan_open(struct scan *c, int fd, const struct segment_head *h, uint64_t end);
void scan_close(struct scan *c);
// Valid until the next call. NULL: no more, see error.
const struct frame *scan_next(struct scan *c);
