// SPDX-License-Identifier: BSD-3-Clause
//
// What a TCP segment means to the flow it belongs to. See flow_tcp.c.
#pragma once

#include "flow.h"

#define TCP_WSCALE_UNKNOWN 0xff // of a side whose SYN was not seen; what a new flow starts with

enum segment_option {
	SEGMENT_TS = 1 << 0,
	SEGMENT_WSCALE = 1 << 1,
	SEGMENT_SIGNED = 1 << 2, // MD5 (RFC 2385) or AO (RFC 5925)
};

// A TCP header, read.
struct segment {
	uint32_t seq, ack, ts;
	uint32_t len; // bytes of payload on the wire
	uint16_t win;
	uint8_t flags;
	uint8_t options; // enum segment_option
	uint8_t wscale;
};

// Reads the header of a layer; false where the frame was cut before its end.
bool tcp_read(const struct layer *l, const uint8_t *frame, uint32_t frame_len, struct segment *s);
// True where the segment cannot belong to this flow, so that a new one begins with it: a tuple used again.
bool tcp_renews(const struct flow *f, unsigned dir, const struct segment *s, bool live);
// True where the segment has a SYN, and if so, whether it came from the responder.
bool tcp_opens(const struct segment *s);
bool tcp_from_responder(const struct segment *s);
// Takes the segment into the flow's state (counters of the packet included already). Returns REASON_NONE or why it
// is dropped; sets PKT_NO_EVIDENCE in *pkt_flags.
uint16_t tcp_track(struct flow *f, unsigned dir, const struct segment *s, uint64_t now_ns, bool live,
		   uint16_t *pkt_flags);
