// SPDX-License-Identifier: BSD-3-Clause
//
// A capture as a port: frames come in bursts, in the order of the file, numbered from 1.
#pragma once

#include "path/worker.h"

// Bytes of frame that lie in one mbuf; a longer frame is marked cut there, its tail hangs on as further segments.
#define CAPTURE_FRAME_ROOM 2048
#define CAPTURE_GIANT_ROOM (UINT16_MAX - RTE_PKTMBUF_HEADROOM)
#define CAPTURE_SNAPLEN_MAX 262144 // libpcap's own limit (MAXIMUM_SNAPLEN)
#define CAPTURE_ERROR_MAX 320

struct capture;

// How the file is made, as far as a writer wants to follow it.
struct capture_format {
	uint16_t link_type; // LINKTYPE_*: 0 1 9 101 104 108 113 228 229 276
	bool nanoseconds;   // resolution of the file's times
	bool swapped;       // byte order is not ours
	bool pcapng;        // frames may have other link types than link_type, the first interface's
	bool named;         // of a writer of pcapng: each frame says its interface
	uint8_t header_len; // 24 where header is that of a classic pcap file; 0 for pcapng and pcap's variants
	uint8_t header[24];
};

// What the burst ended with.
enum capture_state { CAPTURE_MORE, CAPTURE_END, CAPTURE_DAMAGED, CAPTURE_STARVED /* no mbuf free: call again */ };

// Opens path ("-": standard input); buffer_bytes of it are read at a time. NULL: err says why in one line, without
// the path.
struct capture *capture_open(const char *path, size_t buffer_bytes, char *err, size_t err_len);
struct capture *capture_open_memory(const void *p, size_t len, char *err, size_t err_len);
void capture_close(struct capture *c);

// Adds frames to the burst, up to BURST_SIZE, out of w's pools. Fills struct pkt as rx does.
enum capture_state capture_burst(struct capture *c, struct worker *w, struct burst *b);

const struct capture_format *capture_format(const struct capture *c);
const char *capture_error(const struct capture *c); // CAPTURE_DAMAGED: why, one line
uint64_t capture_frames(const struct capture *c);   // given out so far
uint64_t capture_taken(const struct capture *c);    // bytes of the file read so far, and its size; 0: not known
uint64_t capture_size(const struct capture *c);
bool capture_seekable(const struct capture *c); // can be opened a second time

// The clock of a capture: stamp_ns, but never less than before; running backwards is counted.
uint64_t capture_clock(struct worker *w, uint64_t *clock_ns, uint64_t stamp_ns);

// Several captures as one, merged by time; frames of equal time in the order of the captures.
// pkt.frame says which capture (FRAME_OF), pkt.order the place in the whole. NULL: no memory, or too many.
struct capture_join;
struct capture_join *capture_join_new(struct capture **captures, unsigned n); // takes over none of them
void capture_join_free(struct capture_join *j);
enum capture_state capture_join_burst(struct capture_join *j, struct worker *w, struct burst *b);
