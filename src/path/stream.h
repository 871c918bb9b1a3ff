// SPDX-License-Identifier: BSD-3-Clause
//
// Bytes of a TCP direction in order, with where each came from. stream fills, inspect reads and consumes.
//
//     base            parsed            next                highest
//      | copies kept    | not yet parsed | gap | out of order |
//      |  until acked   |                |     |              |
//
// Everything is counted from the direction's first byte (offset 0), wrap of sequence numbers is stream.c's affair.
#pragma once

#include "flow.h"

// What inspect sees of a direction.
struct stream_view {
	const uint8_t *data; // contiguous unparsed bytes; valid until the next call into stream
	uint32_t len;
	uint64_t offset; // of data[0] in the direction
	bool end;        // no byte will follow these: FIN or RST reached, a gap was given up, the flow ends
	bool after_gap;  // bytes before data[0] were skipped
	uint32_t need;   // as the parser said last
	void *app_state; // see stream_app_state
};

// Contiguous unparsed bytes of direction dir; linearised into the worker's scratch where they lie in several
// chunks. False where there are none and the end was not reached, or the flow has no stream.
bool stream_view(struct worker *w, struct flow *f, unsigned dir, struct stream_view *v);
// n bytes of the view have been parsed. They are kept as evidence until acknowledged.
void stream_consume(struct worker *w, struct flow *f, unsigned dir, uint32_t n);
// The next n bytes after what was consumed (bodies) are no evidence: not stored, not compared. May exceed the view.
void stream_skip(struct worker *w, struct flow *f, unsigned dir, uint64_t n);
// Do not call the parser of this direction before `need` bytes are in the view, or its end.
void stream_need(struct worker *w, struct flow *f, unsigned dir, uint32_t need);
// The three above at once: what a call of the parser did to its direction.
void stream_took(struct worker *w, struct flow *f, unsigned dir, uint32_t consumed, uint64_t skip, uint32_t need);
// Nothing more of this direction is wanted: later bytes pass unstored; copies of evidence stay until acked.
void stream_stop(struct worker *w, struct flow *f, unsigned dir);
// Of an open flow: the line, below which bytes may leave (UINT64_MAX: all of them).
uint64_t stream_line(const struct worker *w, const struct flow *f, unsigned dir);
// What was parsed so far may leave; bytes [0, to) may; all may, until a transaction is judged.
void stream_let_parsed(struct worker *w, struct flow *f, unsigned dir);
void stream_let(struct worker *w, struct flow *f, unsigned dir, uint64_t to);
void stream_let_all(struct worker *w, struct flow *f, unsigned dir);
// One was: the line is where it ends, and what left already.
void stream_hold_again(struct worker *w, struct flow *f, unsigned dir);
// Where the byte at `offset` of the direction came from; len as given, frame 0 where no longer known.
struct origin stream_origin(struct worker *w, const struct flow *f, unsigned dir, uint64_t offset, uint32_t len);
// The bytes of the direction that came from the same frame as the one at `offset`, and follow one another there. False:
// no longer known.
struct stream_run {
	uint64_t from; // offset in the direction
	uint64_t frame;
	uint32_t off, len; // where `from` lies in the frame, and how many bytes
};
bool stream_run(struct worker *w, const struct flow *f, unsigned dir, uint64_t offset, struct stream_run *r);
// The direction was picked up in its middle, so lately that what came first may not be the beginning of what was said.
bool stream_unsettled(const struct worker *w, const struct flow *f, unsigned dir);
// There was no memory to read the direction in.
bool stream_starved(const struct worker *w, const struct flow *f, unsigned dir);
// At the end of a flow: gives up the first hole of the direction, so that view shows what lies behind it. False: none
// left.
bool stream_flush(struct worker *w, struct flow *f, unsigned dir);
// With `len` bytes more there is little room left for copies of what waits for an ACK.
bool stream_crowded(const struct worker *w, const struct flow *f, unsigned dir, uint32_t len);
// Nothing more of the direction is wanted: the sequence number behind all that was seen of it. 0: it is.
uint32_t stream_stopped(const struct worker *w, const struct flow *f, unsigned dir);
// No byte of the direction is left to be parsed, nor behind a hole; or none is wanted.
bool stream_spent(const struct worker *w, const struct flow *f, unsigned dir);
// APP_STATE_BYTES of zeroed memory that live as long as the stream, for the parser in charge. NULL: no stream.
#define APP_STATE_BYTES 192
void *stream_app_state(struct worker *w, struct flow *f);
// Inspect's private word pair of a stream (detection state), same life.
uint32_t *stream_inspect_words(struct worker *w, struct flow *f);
