// SPDX-License-Identifier: BSD-3-Clause
//
// TCP as its receiver will see it. In comes a segment and the flow it belongs to; out goes one of three:
//   taken: it moves the flow's state;
//   dropped by name: its receiver would discard it without a word (RFC 9293, 5961, 7323), so nothing behind us
//	may believe it;
//   passed without moving anything (PKT_NO_EVIDENCE): its receiver must answer it and takes nothing from it: a
//	keep-alive, an RST or SYN that earns a challenge ACK, bytes outside the window.
// Worker's thread. What must never happen here: that a segment which its receiver discards moves the flow.
//
// Live is strict. In replay frames may be missing, moved by 64 places within a direction, and the directions
// interleaved anyhow, so the same checks have slack:
//   - an ACK may be ahead of what was seen by 4 windows (at least 4 MiB) over the highest ACK or byte seen: ACKs
//     advance by a window at most each, so a direction that is read far ahead of the other still fits;
//   - TS.Recent is not the last segment's timestamp but one of 64 to 128 segments ago (sample_ts), except that the
//     SYN's counts at once: what is older than its own handshake is stale whatever the order;
//   - an RST within the window ends a flow of which RCV.NXT is not known (midstream, holes).
//
// The receiver's RCV.NXT is not kept: between `acked` and `next` of the sender, both ends of which are known. It was
// tried as a field of its own; without the list of what is out of order it sticks at the first hole.
#include "flow_tcp_in.h"

#include <netinet/in.h>
#include <string.h>

#include <rte_common.h>

#define WSCALE_NONE 0xfe // SYN without the option; until the other SYN is seen
#define TS_EXPIRY 30     // RFC 7323 5.5: 24 days, in 2^46 ns

// --- pieces of flow_tcp_track

static void set_window(struct flow_side *from, const struct segment *s)
{
	uint32_t win = s->win;
	if (from->wscale <= 14 && !(s->flags & SYN)) // RFC 7323 2.2: a SYN's window is not scaled
		win <<= from->wscale;
	if (win > from->win_max)
		from->win_max = win;
}

static void set_acked(struct flow_side *to, uint32_t ack)
{
	to->acked = to->flags & SIDE_ACKED ? later(to->acked, ack) : ack;
	to->flags |= SIDE_ACKED;
	if (!(to->flags & SIDE_FIN))
		return;
	if (to->acked == to->next)
		to->flags |= SIDE_FIN_ACKED;
	else if (diff(to->acked, to->next) > 0) // bytes behind it were received: it was not where it said
		to->flags &= (uint8_t) ~(SIDE_FIN | SIDE_FIN_ACKED);
}

static void set_next(struct flow_side *from, uint32_t end)
{
	from->next = from->flags & SIDE_SEEN ? later(from->next, end) : end;
	from->flags |= SIDE_SEEN;
}

// RFC 7323 4.3 moves TS.Recent by segments that cover Last.ACK.sent. In replay the order is not to be trusted: every
// 64th segment of a direction that is in order is noted, in ts_ahead, and becomes TS.Recent 64 later.
static void sample_ts(struct flow *f, unsigned dir, const struct segment *s, uint64_t now_ns, bool live)
{
	struct flow_side *from = &f->side[dir];
	if (!(from->flags & SIDE_TS)) {
		// midstream: the first 64 may come in any order
		if (!(f->flags & FLOW_MIDSTREAM))
			return;
		from->flags |= SIDE_TS;
		from->ts_recent = s->ts - (1u << 24);
	} else if (live) {
		if ((from->flags & SIDE_ACKED) && diff(s->seq, from->acked) <= 0 && diff(s->ts, from->ts_recent) > 0)
			from->ts_recent = s->ts;
	} else {
		// in units of 256 ticks; clocks that tick faster than 2^24 in 64 segments are followed at that distance
		from->ts_recent += (uint32_t)f->ts_ahead[dir] << 8;
		int32_t ahead = diff(s->ts, from->ts_recent);
		if (ahead > 1 << 24) {
			from->ts_recent = s->ts - (1 << 24);
			ahead = 1 << 24;
		}
		f->ts_ahead[dir] = ahead < 0 ? 0 : RTE_MIN((uint32_t)ahead >> 8, UINT16_MAX);
	}
	from->ts_age = (uint8_t)(now_ns >> 46);
}

static bool ts_stale(const struct flow_side *from, const struct segment *s, uint64_t now_ns)
{
	return (from->flags & SIDE_TS) && (s->options & SEGMENT_TS) && diff(s->ts, from->ts_recent) < 0 &&
	       (uint8_t)((uint8_t)(now_ns >> 46) - from->ts_age) < TS_EXPIRY;
}

// RFC 5961 5.2: SND.UNA - MAX.SND.WND <= SEG.ACK <= SND.NXT, of the side that is acknowledged.
static bool ack_acceptable(const struct flow_side *from, const struct flow_side *to, uint32_t ack, bool live)
{
	if ((to->flags & (SIDE_SEEN | SIDE_ACKED)) != (SIDE_SEEN | SIDE_ACKED))
		return true;
	uint32_t extra = slack(from, live);
	if (diff(ack, frontier(to) + extra) > 0)
		return false;
	return diff(ack, to->acked - RTE_MIN(window(from), SLACK_MAX) - extra) >= 0;
}

// What a side's SYN says, with or without ACK.
static void take_syn(struct flow_side *from, const struct segment *s, uint64_t now_ns)
{
	from->isn = s->seq;
	from->next = end_of(s);
	from->flags = SIDE_SEEN | SIDE_SYN | (from->flags & SIDE_ACKED);
	from->wscale = s->options & SEGMENT_WSCALE ? s->wscale : WSCALE_NONE;
	if (s->options & SEGMENT_SIGNED)
		from->flags |= SIDE_SIGNED;
	if (s->options & SEGMENT_TS) {
		from->flags |= SIDE_TS;
		from->ts_recent = s->ts;
		from->ts_age = (uint8_t)(now_ns >> 46);
	}
	from->win_max = 0;
	set_window(from, s);
}

// Both SYNs were seen: only what both carried is in use (RFC 7323 2.2, 3.2).
static void agree(struct flow *f)
{
	struct flow_side *a = &f->side[0], *b = &f->side[1];
	if (!(a->flags & b->flags & SIDE_SYN))
		return;
	if (!(a->flags & b->flags & SIDE_TS)) {
		a->flags &= ~SIDE_TS;
		b->flags &= ~SIDE_TS;
	}
	if (a->wscale == WSCALE_NONE || b->wscale == WSCALE_NONE)
		a->wscale = b->wscale = 0;
}

// The answer to a SYN. Where another SYN than the one last seen was answered, the answer counts: it is what its
// sender believes (data in a SYN may be acknowledged or not).
static void take_synack(struct flow *f, unsigned dir, const struct segment *s, uint64_t now_ns)
{
	struct flow_side *from = &f->side[dir], *to = &f->side[!dir];
	take_syn(from, s, now_ns);
	if (!(to->flags & SIDE_SYN) || diff(s->ack, to->isn + 1) < 0 || diff(s->ack, to->next) > 0) {
		to->isn = s->ack - 1;
		to->next = s->ack;
		to->flags |= SIDE_SEEN;
	}
	to->acked = s->ack;
	to->flags |= SIDE_ACKED;
	agree(f);
	f->tcp_state = TCP_SYN_RECV;
}

// A SYN that does not begin a new flow (flow_tcp_renews said so).
static void track_syn(struct flow *f, unsigned dir, const struct segment *s, uint64_t now_ns, uint16_t *pkt_flags)
{
	struct flow_side *from = &f->side[dir];
	bool ack = s->flags & ACK;
	if (ack && f->tcp_state <= TCP_SYN_SENT && dir == 1) {
		take_synack(f, dir, s, now_ns);
	} else if (!ack && f->tcp_state == TCP_NONE) {
		take_syn(from, s, now_ns);
		f->flags &= ~FLOW_MIDSTREAM;
		f->tcp_state = TCP_SYN_SENT;
	} else if (!ack && f->tcp_state == TCP_SYN_SENT) {
		take_syn(from, s, now_ns); // sent again, maybe with other options; or both open at once
		if (dir == 1)
			f->tcp_state = TCP_SYN_RECV;
		agree(f);
	} else if (!ack && f->tcp_state == TCP_SYN_RECV && !(from->flags & SIDE_SYN)) {
		uint32_t next = frontier(from); // its answer was seen before it, and may acknowledge its data
		if (next - s->seq - 1 > s->len) {
			*pkt_flags |= PKT_NO_EVIDENCE;
			return;
		}
		take_syn(from, s, now_ns);
		from->next = later(next, from->next);
		agree(f);
	} else if (!(from->flags & SIDE_SYN) || from->isn != s->seq) {
		*pkt_flags |= PKT_NO_EVIDENCE; // RFC 5961 4.2: a challenge ACK
	}
}

// RFC 5961 3.2: only an RST at RCV.NXT ends; inside the window it earns a challenge ACK; outside it is nothing. RCV.NXT
// is what was acknowledged last, or the end of what was sent where nothing is missing before it.
static bool rst_ends(const struct flow *f, unsigned dir, const struct segment *s)
{
	const struct flow_side *from = &f->side[dir], *to = &f->side[!dir];
	if (f->tcp_state == TCP_SYN_SENT && dir == 1 && !(from->flags & SIDE_SEEN)) // RFC 9293 3.10.7.3
		return (s->flags & ACK) && diff(s->ack, to->isn) > 0 && diff(s->ack, to->next) <= 0;
	if (!known(from))
		return true;
	if ((from->flags & SIDE_ACKED) && s->seq == from->acked)
		return true;
	return (from->flags & SIDE_SEEN) && s->seq == from->next && !(f->flags & FLOW_HOLES);
}

// Inside the window as far as it is known; in replay as far behind as ahead. Before a SYN|ACK there is none.
static bool rst_in_window(const struct flow *f, unsigned dir, const struct segment *s, bool live)
{
	const struct flow_side *from = &f->side[dir];
	uint32_t room = RTE_MAX(RTE_MIN(window(&f->side[!dir]), SLACK_MAX), 65535u);
	bool exact = live && (from->flags & SIDE_ACKED) && !(f->far & FAR_GUESSED << dir);
	uint32_t low = exact ? from->acked : frontier(from) - room;
	return !known(from) || f->tcp_state < TCP_SYN_RECV ||
	       (diff(s->seq, frontier(from) + room) < 0 && diff(s->seq, low) >= 0);
}

static uint16_t track_rst(struct flow *f, unsigned dir, const struct segment *s, uint64_t now_ns, bool live,
			  uint16_t *pkt_flags)
{
	struct flow_side *from = &f->side[dir], *to = &f->side[!dir];
	if (!rst_ends(f, dir, s)) {
		*pkt_flags |= PKT_NO_EVIDENCE;
		if (!rst_in_window(f, dir, s, live))
			return REASON_FLOW_TCP_BAD_RST;
		if (live || !(f->flags & (FLOW_MIDSTREAM | FLOW_HOLES)))
			return REASON_NONE;
		// replay, RCV.NXT is not known, so it may have been right: closed, unless data goes on where it was
		// (track_data): whoever was reset has nothing more to say
		f->flags |= FLOW_RST_UNSURE;
		f->tcp_state = TCP_CLOSED;
		return REASON_NONE;
	}
	// it says what its sender had received: that belongs to this flow even where it comes later
	if ((s->flags & ACK) && ack_acceptable(from, to, s->ack, live) && known(to))
		set_acked(to, s->ack);
	set_next(from, s->seq);
	from->flags |= SIDE_RST;
	f->tcp_state = TCP_CLOSED;
	if (live)
		f->reset_ms = (uint32_t)(now_ns / NS_MS);
	return REASON_NONE;
}

// States after the handshake follow from who closed and what was acknowledged (RFC 9293 3.3.2, the responder's view
// as Suricata has it).
static void progress(struct flow *f)
{
	uint8_t c = f->side[0].flags, s = f->side[1].flags;
	bool responder_first = f->tcp_state == TCP_FIN_WAIT1 || f->tcp_state == TCP_FIN_WAIT2 ||
			       f->tcp_state == TCP_CLOSING || f->tcp_state == TCP_TIME_WAIT;
	if (c & s & SIDE_FIN) {
		if (c & s & SIDE_FIN_ACKED)
			f->tcp_state = TCP_CLOSED;
		else if (!responder_first)
			f->tcp_state = TCP_LAST_ACK;
		else
			f->tcp_state = s & SIDE_FIN_ACKED ? TCP_TIME_WAIT : TCP_CLOSING;
	} else if (c & SIDE_FIN) {
		f->tcp_state = TCP_CLOSE_WAIT;
	} else if (s & SIDE_FIN) {
		f->tcp_state = s & SIDE_FIN_ACKED ? TCP_FIN_WAIT2 : TCP_FIN_WAIT1;
	}
}

// The states a usual segment moves: it has a FIN, acknowledges one, or ends the handshake.
static void progress_usual(struct flow *f, unsigned dir, bool data, bool fin)
{
	struct flow_side *from = &f->side[dir], *to = &f->side[!dir];
	to->flags |= SIDE_ACKED;
	if (fin)
		from->flags |= SIDE_FIN;
	if ((to->flags & SIDE_FIN) && to->acked == to->next)
		to->flags |= SIDE_FIN_ACKED;
	if (f->tcp_state < TCP_ESTABLISHED && (dir == 0 || data))
		f->tcp_state = TCP_ESTABLISHED;
	if (f->tcp_state >= TCP_ESTABLISHED)
		progress(f);
}

enum orderly flow_tcp_orderly(struct flow *f, unsigned dir, const struct layer *l, const uint8_t *frame, bool live)
{
	struct flow_side *from = &f->side[dir], *to = &f->side[!dir];
	const uint8_t *t = frame + l->l4;
	uint32_t header = l->payload - l->l4;
	uint32_t seq = be32(t + 4), ack = be32(t + 8), una = to->acked;
	uint8_t fin = l->tcp_flags & FIN, closing = (from->flags | to->flags) & SIDE_FIN;
	if (unlikely(!(to->flags & SIDE_ACKED))) {
		una = to->next; // the handshake's last ACK
		if (dir == 1)
			return ORDERLY_NOT;
	}
	uint32_t in_flight = to->next - una;
	// ACK, perhaps FIN, PSH, ECE, CWR (RFC 9293 3.1)
	if (unlikely((l->tcp_flags & (ACK | URG | RST | SYN)) != ACK || seq != from->next || (int32_t)in_flight < 0 ||
		     ack - una > in_flight || ((from->flags & SIDE_FIN) && (l->wire_len | fin))))
		return ORDERLY_NOT;
	if (live && seq - from->acked > to->win_max)
		return ORDERLY_NOT;
	if (header != 20 && (header != 32 || !flow_tcp_stamped(f, dir, t, seq, live)))
		return ORDERLY_NOT;
	uint32_t win = be16(t + 14) << from->wscale;
	from->win_max = RTE_MAX(win, from->win_max);
	from->next = seq + l->wire_len + fin;
	from->tcp_flags |= l->tcp_flags;
	to->acked = ack;
	if (!(fin | closing) && f->tcp_state == TCP_ESTABLISHED)
		return ORDERLY_SAME;
	progress_usual(f, dir, l->wire_len, fin);
	return ORDERLY_STATE;
}

// First segment of a flow that is no SYN.
static void pick_up(struct flow *f, unsigned dir, const struct segment *s)
{
	struct flow_side *from = &f->side[dir], *to = &f->side[!dir];
	f->flags |= FLOW_MIDSTREAM;
	set_next(from, end_of(s));
	from->isn = s->seq - 1; // not its ISN (no SIDE_SYN); all that is known is what came from here on
	if (!(s->flags & ACK))
		return;
	set_acked(to, s->ack);
	set_window(from, s);
	if (s->flags & FIN)
		from->flags |= SIDE_FIN;
	f->tcp_state = TCP_ESTABLISHED;
	progress(f);
}

// Segments that its receiver answers, taking nothing from them.
static bool is_no_evidence(const struct flow *f, unsigned dir, const struct segment *s, bool live)
{
	const struct flow_side *from = &f->side[dir];
	uint32_t end = end_of(s);
	if (!known(from))
		return false;
	if ((from->flags & SIDE_SYN) && s->len && diff(end, from->isn + 1) <= 0 && diff(end, from->next) <= 0)
		return true; // before the first byte, or sent again after 2 GiB: old either way
	if ((from->flags & SIDE_SEEN) && s->len <= 1 && s->seq == from->next - 1 && !(s->flags & FIN) &&
	    from->acked == from->next && (from->flags & SIDE_ACKED))
		return s->len == 1; // keep-alive with its byte of garbage (RFC 9293 3.8.4)
	// after its FIN; in replay one that was acknowledged, since it may have been a lie outside the window
	return (from->flags & SIDE_FIN) && (live || (from->flags & SIDE_FIN_ACKED)) && (s->len || (s->flags & FIN)) &&
	       diff(end, from->next) > 0;
}

// RFC 9293 3.10.7.4, first check. In replay also what is left of it by as much: it is from behind a hole of more than
// 2^31 bytes, or from nowhere.
static bool out_of_window(const struct flow *f, unsigned dir, const struct segment *s, bool live)
{
	const struct flow_side *from = &f->side[dir], *to = &f->side[!dir];
	if ((s->len == 0 && !(s->flags & FIN)) || !known(from) || !(to->flags & SIDE_SEEN) ||
	    !(f->flags & FLOW_REPLIED))
		return false;
	if (live)
		return (from->flags & SIDE_ACKED) && to->wscale != TCP_WSCALE_UNKNOWN &&
		       diff(s->seq, from->acked + window(to)) > 0;
	int64_t room = slack(to, false);
	return diff(s->seq, frontier(from)) > room || ((from->flags & SIDE_SEEN) && diff(s->seq, from->next) < -room);
}

// A capture with a hole: where a side's own bytes and its peer's ACKs both leave what was seen, they are believed.
// One of them alone is not: the other end, which is honest to its own numbers, would have to join in the lie.
static bool resync(struct flow *f, unsigned side, enum flow_far what, uint32_t seq, bool live)
{
	uint8_t both = (uint8_t)((FAR_SEQ | FAR_ACK) << side);
	if (live)
		return false;
	f->far |= (uint8_t)(what << side) & 15;
	if ((f->far & both) != both)
		return false;
	f->far &= (uint8_t)~both & 15;
	f->flags |= FLOW_HOLES;
	f->side[side].next = f->side[side].acked = seq;
	return true;
}

static uint16_t signature_fault(const struct flow *f, unsigned dir, const struct segment *s)
{
	if (!(f->side[0].flags & SIDE_SYN))
		return REASON_NONE;
	bool uses = f->side[0].flags & SIDE_SIGNED, has = s->options & SEGMENT_SIGNED;
	bool first = f->tcp_state == TCP_SYN_SENT && dir == 0 && (s->flags & SYN);
	return uses != has && !first ? REASON_FLOW_TCP_SIGNATURE : REASON_NONE;
}

// Data after an RST that may have been none: it was none. And where all that was sent is acknowledged, no hole is left.
static void mend(struct flow *f, bool data)
{
	const struct flow_side *a = &f->side[0], *b = &f->side[1];
	if ((f->flags & FLOW_RST_UNSURE) && data) {
		f->flags &= (uint16_t)~FLOW_RST_UNSURE;
		f->tcp_state = TCP_ESTABLISHED;
	}
	if ((a->flags & b->flags & SIDE_ACKED) && a->acked == a->next && b->acked == b->next)
		f->flags &= (uint16_t)~FLOW_HOLES;
}

// After handshake and RST are dealt with: RFC 9293 3.10.7.4 from the ACK on, RFC 7323 5.3 before it.
static uint16_t track_data(struct flow *f, unsigned dir, const struct segment *s, uint64_t now_ns, bool live,
			   uint16_t *pkt_flags)
{
	struct flow_side *from = &f->side[dir], *to = &f->side[!dir];
	if (!(s->flags & ACK)) {
		bool judged = !(f->flags & FLOW_MIDSTREAM) || (f->flags & FLOW_REPLIED);
		return judged ? REASON_FLOW_TCP_NO_ACK : REASON_NONE;
	}
	if (unlikely(ts_stale(from, s, now_ns)))
		return REASON_FLOW_TCP_PAWS;
	if (f->tcp_state == TCP_SYN_SENT && dir == 1) {
		// the SYN|ACK was missed (replay), or an old connection's challenge
		if (live || diff(s->ack, to->isn) <= 0 || diff(s->ack, to->next) > 0) {
			*pkt_flags |= PKT_NO_EVIDENCE;
			return REASON_NONE;
		}
	}
	if (unlikely(!ack_acceptable(from, to, s->ack, live)) && !resync(f, !dir, FAR_ACK, s->ack, live)) {
		// in SYN-RECEIVED it is answered by an RST (RFC 9293 3.10.7.4, fifth); without bytes there is nothing
		// that could be believed, and in replay it may be the first after a hole
		if (f->tcp_state != TCP_SYN_RECV && (live || s->len > 0))
			return REASON_FLOW_TCP_BAD_ACK;
		*pkt_flags |= PKT_NO_EVIDENCE;
		return REASON_NONE;
	}
	if ((unlikely(out_of_window(f, dir, s, live)) && !resync(f, dir, FAR_SEQ, s->seq, live)) ||
	    is_no_evidence(f, dir, s, live)) {
		*pkt_flags |= PKT_NO_EVIDENCE;
		return REASON_NONE;
	}
	if (!known(from) || diff(s->seq, from->next) > 0 || (known(to) && diff(s->ack, frontier(to)) > 0))
		f->flags |= FLOW_HOLES;
	bool in_order = s->seq == from->next;
	if (diff(end_of(s), from->next) > 0)
		from->flags &= (uint8_t) ~(SIDE_FIN | SIDE_FIN_ACKED); // of a FIN that was not acknowledged
	set_next(from, end_of(s));
	if ((s->flags & FIN) && end_of(s) == from->next)
		from->flags |= SIDE_FIN;
	set_acked(to, s->ack);
	set_window(from, s);
	if (unlikely(f->flags & (FLOW_RST_UNSURE | FLOW_HOLES)))
		mend(f, s->len > 0);
	if ((s->options & SEGMENT_TS) && (live || (in_order && (f->pkts[dir] & 63) == 0)))
		sample_ts(f, dir, s, now_ns, live);
	if (f->tcp_state == TCP_SYN_SENT || (f->tcp_state < TCP_ESTABLISHED && (dir == 0 || s->len > 0)))
		f->tcp_state = TCP_ESTABLISHED;
	if (f->tcp_state >= TCP_ESTABLISHED)
		progress(f);
	return REASON_NONE;
}

uint16_t flow_tcp_track(struct flow *f, unsigned dir, const struct segment *s, uint64_t now_ns, bool live,
			uint16_t *pkt_flags)
{
	f->side[dir].tcp_flags |= s->flags;
	if ((s->flags & (FIN | SYN | RST | PSH | ACK | URG)) == 0 || (s->flags & (SYN | FIN)) == (SYN | FIN) ||
	    (s->flags & (SYN | RST)) == (SYN | RST))
		return REASON_FLOW_TCP_FLAGS;
	uint16_t fault = signature_fault(f, dir, s);
	if (fault)
		return fault;
	if (s->flags & RST) {
		if (f->tcp_state == TCP_NONE && !known(&f->side[dir]))
			f->flags |= FLOW_MIDSTREAM;
		return track_rst(f, dir, s, now_ns, live, pkt_flags);
	} else if (live && unlikely(flow_tcp_late(f, dir, s, now_ns))) { // what nobody reads goes on its way
		return f->flags & FLOW_PASSED << dir ? REASON_NONE : REASON_STREAM_UNJUDGED;
	} else if (s->flags & SYN) {
		track_syn(f, dir, s, now_ns, pkt_flags);
	} else if (f->tcp_state == TCP_NONE && !known(&f->side[0]) && !known(&f->side[1])) {
		pick_up(f, dir, s);
	} else {
		return track_data(f, dir, s, now_ns, live, pkt_flags);
	}
	return REASON_NONE;
}

// More than any window behind what was known: 2 GiB and more have passed since.
static uint32_t resumed(uint32_t known, uint32_t seen)
{
	return diff(seen, known) > 0 || diff(seen, known) < -(int32_t)SLACK_MAX ? seen : known;
}

void flow_tcp_resume(struct flow *f, unsigned dir, const struct segment *s)
{
	struct flow_side *from = &f->side[dir], *to = &f->side[!dir];
	f->far |= (uint8_t)(FAR_GUESSED << dir) & 15;
	// what its peer acknowledged unseen; or the peer's window would end before it
	if (f->tcp_unseen & 1 << dir) {
		from->next = resumed(from->next, s->seq);
		from->acked = resumed(from->acked, s->seq);
		if (s->options & SEGMENT_TS)
			from->ts_recent = later(from->ts_recent, s->ts);
	} else {
		from->acked = later(from->acked, diff(s->seq, from->next) < 0 ? s->seq : from->next);
	}
	if (s->flags & ACK) {
		to->acked = resumed(to->acked, s->ack);
		to->next = resumed(to->next, s->ack);
	}
}
