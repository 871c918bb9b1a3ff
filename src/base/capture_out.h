// SPDX-License-Identifier: BSD-3-Clause
//
// The writer of captures (-w): what left, in a file like the one that came in.
#pragma once

#include "capture.h"

struct capture_out;

// Opens path ("-": standard output). A classic pcap is written with its own header, byte order and resolution, so
// that what was not changed is byte for byte the input; a pcapng becomes a pcapng with an interface for each link type;
// anything else becomes pcap with nanoseconds. NULL: errno.
struct capture_out *capture_out_open(const char *path, const struct capture_format *format);

// The same on a descriptor, which becomes its own.
struct capture_out *capture_out_on(int fd, const struct capture_format *format);

// One that gathers in memory for a writer of its own, who may begin a new file at any block: a pcapng whose interfaces
// keep their numbers (link types alone make them), and whose sections each describe them all. NULL: no memory.
struct capture_out *capture_out_gather(uint16_t link_type);
// What every file begins with; what is gathered behind that, in whole blocks, the first n bytes of which then go.
const uint8_t *capture_out_head(const struct capture_out *o, size_t *n);
const uint8_t *capture_out_gathered(const struct capture_out *o, size_t *n);
void capture_out_gone(struct capture_out *o, size_t n);
// How long the block is that begins here, of what is gathered; *type NULL: not asked for. Those of this type are
// frames.
#define CAPTURE_PACKET 6
uint32_t capture_out_block(const uint8_t *block, uint32_t *type);

// One frame, or a record made of one earlier. Buffered; errors are kept and said by close.
struct capture_record {
	uint64_t stamp_ns;
	uint32_t wire_len, len;
	uint16_t link_type;
	uint8_t way;      // of a pcapng: 1 it came in, 2 it went out; 0: not said
	const char *port; // the same: name of its interface, the same pointer for all of its frames; NULL: it has none
	uint8_t data[];
};
void capture_out_frame(struct capture_out *o, const struct rte_mbuf *m);
void capture_out_record(struct capture_out *o, const struct capture_record *r);
// The same with comments; of a pcapng. False: there is no room to gather it.
bool capture_out_said(struct capture_out *o, const struct capture_record *r, const char *const *comments, unsigned n);
// A copy of a frame that outlives its mbuf; free() it. NULL: no memory.
struct capture_record *capture_record_of(const struct rte_mbuf *m);

// Writes what is buffered.
void capture_out_flush(struct capture_out *o);
// Of the file, what is buffered among them.
uint64_t capture_out_bytes(const struct capture_out *o);
// Frames left out because their link type is not the file's (pcap can hold only one).
uint64_t capture_out_left_out(const struct capture_out *o);
// First error of write(2), as -errno; 0: none yet. After one nothing more is written.
int capture_out_error(const struct capture_out *o);
int capture_out_close(struct capture_out *o); // writes what is buffered; frees. 0 or -errno
