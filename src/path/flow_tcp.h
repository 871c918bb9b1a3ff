// SPDX-License-Identifier: BSD-3-Clause
//
// What a TCP segment means to the flow it belongs to. See flow_tcp.c; the usual segment is done with here.
#pragma once

#include <string.h>

#include <rte_common.h>

#include "base/be.h"
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
bool flow_tcp_read(const struct layer *l, const uint8_t *frame, uint32_t frame_len, struct segment *s);
// True where the segment cannot belong to this flow, so that a new one begins with it: a tuple used again.
bool flow_tcp_renews(const struct flow *f, unsigned dir, const struct segment *s, bool live);
// True where the segment has a SYN, and if so, whether it came from the responder.
bool flow_tcp_opens(const struct segment *s);
bool flow_tcp_from_responder(const struct segment *s);
// Takes the segment into the flow's state (counters of the packet included already). Returns REASON_NONE or why it
// is dropped; sets PKT_NO_EVIDENCE in *pkt_flags.
uint16_t flow_tcp_track(struct flow *f, unsigned dir, const struct segment *s, uint64_t now_ns, bool live,
			uint16_t *pkt_flags);

// True where flow_tcp_orderly may be asked: known from both sides, nothing special in use, not over.
static inline bool flow_tcp_usual(const struct flow *f)
{
	uint8_t both = f->side[0].flags & f->side[1].flags, any = f->side[0].flags | f->side[1].flags;
	return f->tcp_state >= TCP_SYN_RECV && f->tcp_state < TCP_CLOSED &&
	       !(f->flags & (FLOW_HOLES | FLOW_RST_UNSURE)) && (both & SIDE_SEEN) && (f->side[0].flags & SIDE_ACKED) &&
	       !(any & SIDE_SIGNED) && f->side[0].wscale <= 14 && f->side[1].wscale <= 14 && f->pkts[0] && f->pkts[1];
}

// What the usual segment of a usual flow changes.
enum orderly {
	ORDERLY_NOT,   // not usual: nothing was done, ask flow_tcp_track
	ORDERLY_SAME,  // taken
	ORDERLY_STATE, // taken, and tcp_state may have moved
};

// The states a usual segment moves: it has a FIN, acknowledges one, or ends the handshake. See flow_tcp.c.
void flow_tcp_progress(struct flow *f, unsigned dir, bool data, bool fin);

// The usual segment of a usual flow: in order, acknowledging what was seen, no options but a timestamp that is not
// stale. decap has seen to it that all of the header is there. It is taken as flow_tcp_track would have taken it. Every
// 64th of a direction is for flow_tcp_track, which samples timestamps there.
static inline enum orderly flow_tcp_orderly(struct flow *f, unsigned dir, const struct layer *l, const uint8_t *frame,
					    bool live)
{
	struct flow_side *from = &f->side[dir], *to = &f->side[!dir];
	const uint8_t *t = frame + l->l4;
	uint32_t header = l->payload - l->l4;
	uint32_t seq = be32(t + 4), ack = be32(t + 8), una = to->acked;
	uint8_t fin = l->tcp_flags & 1, closing = (from->flags | to->flags) & SIDE_FIN;
	if (unlikely(!(to->flags & SIDE_ACKED))) {
		una = to->next; // the handshake's last ACK
		if (dir == 1)
			return ORDERLY_NOT;
	}
	uint32_t in_flight = to->next - una;
	// ACK, perhaps FIN, PSH, ECE, CWR (RFC 9293 3.1)
	if (unlikely((l->tcp_flags & 0x36) != 0x10 || seq != from->next || (int32_t)in_flight < 0 ||
		     ack - una > in_flight || (f->pkts[dir] & 63) == 63 ||
		     ((from->flags & SIDE_FIN) && (l->wire_len | fin))))
		return ORDERLY_NOT;
	if (header == 32) { // RFC 7323 appendix A: NOP, NOP, timestamp
		if (unlikely(be32(t + 20) != 0x0101080a))
			return ORDERLY_NOT;
		uint32_t ts = be32(t + 24);
		if (from->flags & SIDE_TS) {
			if (unlikely((int32_t)(ts - from->ts_recent) < 0))
				return ORDERLY_NOT;
			if (live && (from->flags & SIDE_ACKED) && (int32_t)(seq - from->acked) <= 0)
				from->ts_recent = ts;
		}
	} else if (unlikely(header != 20)) {
		return ORDERLY_NOT;
	}
	if (live && seq - from->acked > to->win_max)
		return ORDERLY_NOT;
	uint32_t win = (uint32_t)(t[14] << 8 | t[15]) << from->wscale;
	from->win_max = RTE_MAX(win, from->win_max);
	from->next = seq + l->wire_len + fin;
	from->tcp_flags |= l->tcp_flags;
	to->acked = ack;
	if (likely(!(fin | closing) && f->tcp_state == TCP_ESTABLISHED))
		return ORDERLY_SAME;
	flow_tcp_progress(f, dir, l->wire_len, fin);
	return ORDERLY_STATE;
}
