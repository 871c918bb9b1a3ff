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
// Live: data that was on its way when its receiver sent the RST which ended the flow. Nobody takes it any more.
bool flow_tcp_late(const struct flow *f, unsigned dir, const struct segment *s, uint64_t now_ns);
// Segments went by unseen (tcp_unseen): numbers of such a side are what this one says, where it says later ones.
void flow_tcp_resume(struct flow *f, unsigned dir, const struct segment *s);
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

// The usual segment of a usual flow: in order, acknowledging what was seen, no options but a timestamp that is not
// stale. decap has seen to it that all of the header is there. It is taken as flow_tcp_track would have taken it. With
// timestamps every 64th of a direction is for flow_tcp_track, which samples them there.
enum orderly flow_tcp_orderly(struct flow *f, unsigned dir, const struct layer *l, const uint8_t *frame, bool live);

// Timestamp of a usual segment: NOP, NOP, timestamp (RFC 7323 appendix A), and not stale. False: ask flow_tcp_track.
static inline bool flow_tcp_stamped(const struct flow *f, unsigned dir, const uint8_t *tcp, uint32_t seq, bool live)
{
	struct flow_side *from = (struct flow_side *)(uintptr_t)&f->side[dir];
	if (unlikely(be32(tcp + 20) != 0x0101080a || (f->pkts[dir] & 63) == 63))
		return false;
	if (!(from->flags & SIDE_TS))
		return true;
	uint32_t ts = be32(tcp + 24);
	if (unlikely((int32_t)(ts - from->ts_recent) < 0))
		return false;
	if (live && (from->flags & SIDE_ACKED) && (int32_t)(seq - from->acked) <= 0)
		from->ts_recent = ts;
	return true;
}

// No FIN was seen, and bytes of both sides have been acknowledged: then the usual segment leaves the state alone.
static inline bool flow_tcp_settled(const struct flow *f)
{
	uint8_t both = f->side[0].flags & f->side[1].flags, any = f->side[0].flags | f->side[1].flags;
	return f->tcp_state == TCP_ESTABLISHED && (both & SIDE_ACKED) && !(any & SIDE_FIN);
}

// Header prediction (Van Jacobson's, RFC 1144): nearly every segment of an established connection is the next one, with
// ACK and perhaps PSH, ECE or CWR, and moves nothing but numbers. This is flow_tcp_orderly for flows that are settled;
// whatever fails here is asked for again there. False: nothing was done.
static __rte_always_inline bool flow_tcp_steady(struct flow *f, unsigned dir, const struct layer *l,
						const uint8_t *frame, bool live)
{
	struct flow_side *from = &f->side[dir], *to = &f->side[!dir];
	const uint8_t *t = frame + l->l4;
	uint16_t flags;
	memcpy(&flags, &l->tcp_flags, 2);
	if (unlikely((flags & (LAYER_FRAGMENT << 8 | 0x37)) != 0x10))
		return false;
	uint32_t seq = be32(t + 4);
	if (unlikely(seq != from->next || (live && seq - from->acked > to->win_max)))
		return false;
	uint32_t ack = be32(t + 8), una = to->acked, in_flight = to->next - una;
	if (unlikely(ack - una > in_flight || (int32_t)in_flight < 0))
		return false;
	uint32_t header = l->payload - l->l4;
	if (unlikely(header != 20) && (header != 32 || !flow_tcp_stamped(f, dir, t, seq, live)))
		return false;
	to->acked = ack;
	from->next = seq + l->wire_len;
	from->tcp_flags |= (uint8_t)flags;
	uint32_t win = be16(t + 14) << from->wscale;
	if (win > from->win_max)
		from->win_max = win;
	return true;
}
static_assert(offsetof(struct layer, flags) == offsetof(struct layer, tcp_flags) + 1, "both are read as a word");
