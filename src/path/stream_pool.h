// SPDX-License-Identifier: BSD-3-Clause
//
// Memory of the stream room: a fixed number of streams (both directions of a TCP flow) and of chunks, a worker.
// Private to stream*.c. Chunk and stream numbers are indices, 0 is none.
//
// A chunk holds bytes that are contiguous in the direction, and says for each which frame brought it:
//
//   room:  | data -> ...                      ... <- breaks |
//
// A *break* is a place where the bytes of another frame begin. Data and breaks share the room, so that 2 KiB of
// full segments and 130 segments of one byte both fit. A separate table of 16 breaks was tried: a stream of
// one-byte segments then took 2 KiB for 16 bytes.
#pragma once

#include "stream.h"

#define CHUNK_ROOM 2328
#define STREAM_PENDING_MAX (64 * 1024) // unparsed bytes a direction, corridor.md 5's default budget
#define STREAM_HISTORY_MAX (16 * 1024) // parsed bytes kept for comparison until acknowledged
#define STREAM_CHUNKS_MAX 768          // chunks a direction: both budgets filled with one-byte segments
#define STREAM_SEGMENT_MAX (64 * 1024) // a segment that a capture shows whole (GRO, TSO)
#define STREAM_GAP_SEGMENTS 256        // corridor.md 3
#define STREAM_BEGIN_SEGMENTS 3        // as many late ones are taken for a loss (RFC 5681 3.2)
#define STREAM_BACK_MAX (16 * 1024)    // an initial window: what may come before the first byte seen (RFC 6928 2)
#define STREAM_GAP_NS 1000000000ull    // corridor.md 3
#define STREAM_WINDOW_MAX (1ull << 30) // no window is larger (RFC 7323 2.3): what lies further back was acked
#define STREAM_SCRATCH (STREAM_PENDING_MAX + 2 * STREAM_SEGMENT_MAX)
#define STREAM_LOST 4
#define STREAM_NONE UINT64_MAX

struct chunk_break {
	uint64_t frame;
	uint32_t off; // in the frame, of the byte at `at`
	uint16_t at;  // in the chunk
	uint16_t pad;
};

struct chunk {
	uint64_t start;   // offset of data[0] in the direction
	uint64_t cut_to;  // the snap length cut what follows, up to here; 0: nothing was cut
	uint64_t born_ns; // when its first byte came
	uint32_t born;    // same, in segments of the direction
	uint32_t next, prev;
	uint16_t len, nbreaks;
	uint8_t room[CHUNK_ROOM];
};
static_assert(sizeof(struct chunk) == 37 * 64, "whole cache lines");

static inline uint64_t chunk_end(const struct chunk *c)
{
	return c->start + c->len;
}

static inline struct chunk_break *chunk_break_at(const struct chunk *c, unsigned i)
{
	return (struct chunk_break *)(uintptr_t)(c->room + CHUNK_ROOM) - 1 - i;
}

static inline uint32_t chunk_left(const struct chunk *c)
{
	return CHUNK_ROOM - c->len - c->nbreaks * (uint32_t)sizeof(struct chunk_break);
}

enum stream_flag {
	STREAM_BASED = 1 << 0,   // base_seq is known
	STREAM_STOPPED = 1 << 1, // nothing more is wanted
	STREAM_GIVEN_UP =
		1 << 2, // bytes [next, give_to) will not be waited for; what lies before is to be parsed first
	STREAM_AFTER_GAP = 1 << 3, // bytes before `parsed` were passed over
	STREAM_GAP_SAID = 1 << 4,
	STREAM_URGENT_SAID = 1 << 5,
	STREAM_ASKED = 1 << 6,   // not based yet: base_seq is the peer's last ACK
	STREAM_LOOSE = 1 << 7,   // offset 0 is what came first: earlier bytes may still come
	STREAM_STARVED = 1 << 9, // bytes of it found no memory
	STREAM_LET = 1 << 8, // of an open flow: it waited for too long, so bytes leave until a transaction is judged
};

// One direction. All offsets count from its first byte:
//
//   head                parsed              next                    highest
//    | history, unacked   | pending           | hole | out of order ... |
//
// One list of chunks in ascending order carries the three. Bytes of the list never change.
struct stream_side {
	uint64_t next;    // end of what is contiguous
	uint64_t parsed;  // consumed or skipped up to here; <= next
	uint64_t highest; // end of the furthest segment seen
	uint64_t acked;   // by the peer, as seen on this flow
	uint32_t base_seq;
	uint32_t head, tail;
	uint32_t fill;  // chunk that ends at next; 0: none
	uint32_t parse; // first chunk with unparsed bytes; 0: none
	uint32_t need;  // inspect waits for so many bytes
	uint32_t segs;  // data segments so far: the clock of holes
	uint16_t flags; // enum stream_flag
	uint16_t nlost;
	// second line
	uint64_t give_to;
	uint64_t fin;     // offset of the end; STREAM_NONE: not known
	uint64_t judged;  // the line of an open flow: bytes below it may leave
	uint32_t kept;    // bytes in the list
	uint32_t history; // of them in chunks that are parsed whole
	uint32_t nchunks;
	uint32_t first;  // offset of what came first, where the beginning was not seen: holes before it are no loss
	uint32_t backed; // segs when the direction last turned out to begin earlier than was thought
	uint32_t left;   // act's: number behind the last byte that left; valid with has_left
	bool has_left;
	struct stream_lost { // evidence of which no copy is left, lowest first
		uint64_t from, to;
	} lost[STREAM_LOST];
};

struct stream {
	struct stream_side side[2];
	uint64_t app[APP_STATE_BYTES / 8];
	uint32_t words[2];
	uint32_t free;  // next in the list of free ones
	uint32_t burst; // in this burst packet `waits` - 1 has data that inspect has not seen; waits 0: none has
	uint32_t waits;
	uint32_t hold; // hold.c's, frames that wait for a verdict; 0: none does
};

struct stream_pool {
	struct stream *streams;
	struct chunk *chunks;
	uint8_t *scratch;
	uint32_t nstreams, nchunks;           // as taken, without number 0
	uint32_t streams_fresh, chunks_fresh; // never used yet: numbers from here
	uint32_t streams_free, chunks_free;   // given back: heads of lists
	uint32_t burst;                       // number of the burst in work
};

static inline struct stream *stream_of(const struct worker *w, const struct flow *f)
{
	return f->stream ? &w->streams->streams[f->stream] : NULL;
}

static inline struct chunk *chunk_of(const struct stream_pool *p, uint32_t i)
{
	return i ? &p->chunks[i] : NULL;
}

// Gives the flow a zeroed stream. NULL: none left.
struct stream *stream_pool_stream(struct stream_pool *p, struct flow *f);
void stream_pool_stream_free(struct stream_pool *p, struct flow *f);
// A chunk without bytes; 0: none left.
uint32_t stream_pool_chunk(struct stream_pool *p);
void stream_pool_chunk_free(struct stream_pool *p, uint32_t i);

// ---- stream_chain.c: the list of a direction ----------------------------------------------------------------
struct stream_bytes { // of one frame, to be stored
	const uint8_t *data;
	uint64_t at, frame;
	uint32_t off; // of data[0] in the frame
	uint32_t len;
	uint64_t cut_to;
};
// Stores bytes of which the list has none yet. Returns how many found room.
uint32_t stream_chain_store(struct worker *w, struct stream_side *s, const struct stream_bytes *b);
// Stores bytes that begin at `next` in a list that ends there, and advances it. False: they do not fit into one chunk,
// and nothing was done.
bool stream_chain_next(struct stream_pool *p, struct stream_side *s, const struct stream_bytes *b, uint64_t now_ns);
// Advances `next` over what has become contiguous.
void stream_chain_advance(struct stream_pool *p, struct stream_side *s);
// First chunk that ends behind offset `at`; NULL: none.
struct chunk *stream_chain_find(struct stream_pool *p, const struct stream_side *s, uint64_t at);
// First chunk behind the hole at `next`; NULL: there is no hole.
struct chunk *stream_chain_beyond(struct stream_pool *p, const struct stream_side *s);
// `parsed` has moved forward to at most `next`.
void stream_chain_parsed(struct stream_pool *p, struct stream_side *s, uint64_t parsed);
// Bytes [parsed, to) are of no interest: their copies go, `parsed` and `next` move to `to` at least.
void stream_chain_skip(struct stream_pool *p, struct stream_side *s, uint64_t to);
// Forgets the copies of what is parsed and acknowledged.
void stream_chain_release(struct stream_pool *p, struct stream_side *s);
void stream_chain_clear(struct stream_pool *p, struct stream_side *s);
// The direction begins `by` bytes earlier; all of it is to be read again. False: it was acknowledged, or a copy is
// gone.
bool stream_chain_back(struct stream_pool *p, struct stream_side *s, uint32_t by);
// Bytes [from, to) were passed over: what comes for them later is refused.
void stream_chain_lose(struct stream_side *s, uint64_t from, uint64_t to);
// Whether evidence in [from, to) was sent that is neither acknowledged nor kept.
bool stream_chain_lost(const struct stream_side *s, uint64_t from, uint64_t to);

static inline uint32_t stream_pending(const struct stream_side *s)
{
	return s->kept - s->history;
}

// ---- stream_rewrite.c ---------------------------------------------------------------------------------------
// Compares the payload at offset `at` of the direction with the copies that are kept. True: some byte differs.
bool stream_differs(struct stream_pool *p, const struct stream_side *s, uint64_t at, const uint8_t *data, uint32_t len);
// Takes flag and pointer of urgent data out of a TCP header, and mends the checksum.
void stream_not_urgent(uint8_t *tcp);
// Stacks read the byte at the urgent pointer in line, skip it, or skip the one before (RFC 1122 4.2.2.4, RFC 6093 3.2):
// three streams of one. While bytes of the direction may be evidence the pointer is taken out, so that every receiver
// reads the one that is judged here. The pointer may be ahead of its byte, so segments without data are no exception.
// Rejected: judging three streams (which one does the server read?). False: the packet does not leave.
bool stream_in_line(struct worker *w, struct rte_mbuf *m, struct stream *st);
// Makes them equal, and mends the TCP checksum.
void stream_rewrite(struct stream_pool *p, const struct stream_side *s, uint64_t at, uint8_t *tcp, uint8_t *data,
		    uint32_t len);

// ---- stream_view.c ------------------------------------------------------------------------------------------
// Moves over the bytes that were given up.
void stream_cross(struct worker *w, struct stream_side *s);
// Whether a hole is to be given up; marks it and counts it. full: the direction has used its share of memory, and
// inspect had its chance.
bool stream_gap_due(struct worker *w, struct flow *f, unsigned dir, struct stream_side *s, bool full);
void stream_give_up(struct worker *w, struct flow *f, unsigned dir, struct stream_side *s, uint64_t to);
// Bytes are not read: counted, and the first time said.
void stream_gap_said(struct worker *w, struct flow *f, unsigned dir, struct stream_side *s, struct origin o);
// Where no copy is left in either: the segments of a direction that has stopped need no look any more, unless its ACKs
// are to say where the other begins.
void stream_idle(struct flow *f, const struct stream *st);
void stream_anomaly(struct worker *w, struct flow *f, unsigned dir, enum anomaly a, struct origin o);
