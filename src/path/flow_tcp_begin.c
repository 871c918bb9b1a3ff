// SPDX-License-Identifier: BSD-3-Clause
//
// Which segment begins a connection, or another one on the key of one that is known, and which is late for one that has
// ended. In comes a segment and the flow that its key names; nothing moves here (flow_tcp.c). Worker's thread. What
// must never happen: that a segment which its receiver counts to the old connection begins a new one, whose verdict
// would be another.
#include "flow_tcp_in.h"

#define LATE_MS 1000 // what is sent a second after a RST did not hear of it: the RST was lost, or no RST

static bool reset(const struct flow *f)
{
	return (f->side[0].flags | f->side[1].flags) & SIDE_RST;
}

bool flow_tcp_opens(const struct segment *s)
{
	return s->flags & SYN;
}

bool flow_tcp_from_responder(const struct segment *s)
{
	return (s->flags & (SYN | ACK | RST)) == (SYN | ACK);
}

// A SYN without ACK on a key that lives (RFC 9293 3.10.7, RFC 5961 4.2, RFC 6191).
static bool syn_renews(const struct flow *f, unsigned dir, const struct segment *s, bool live)
{
	const struct flow_side *from = &f->side[dir];
	bool again = (from->flags & SIDE_SYN) && from->isn == s->seq;
	if (again)
		return false;
	// the flow began with a SYN|ACK of this sender's that nobody had asked for: who begins is who says SYN
	if (dir == 1 && (from->flags & SIDE_SYN) && !(f->side[0].flags & SIDE_SYN))
		return true;
	switch (f->tcp_state) {
	case TCP_NONE:
		return known(from) || known(&f->side[!dir]) || dir == 1;
	case TCP_CLOSED:
	case TCP_TIME_WAIT:
		return true;
	case TCP_SYN_SENT:
		return dir == 0; // the other way: both open at once
	case TCP_SYN_RECV:
	case TCP_LAST_ACK:
	case TCP_CLOSING:
		return false;
	default: // a challenge ACK will tell; where nobody is seen to answer, the SYN is all we get
		return !live && !(f->flags & FLOW_REPLIED) && known(from) && dir == 0;
	}
}

// The responder answers a SYN with a number of its own: whatever was before, now this connection is.
static bool synack_renews(const struct flow *f, unsigned dir, const struct segment *s)
{
	const struct flow_side *from = &f->side[dir], *to = &f->side[!dir];
	if (f->tcp_state == TCP_SYN_SENT || ((from->flags & SIDE_SYN) && from->isn == s->seq))
		return false;
	if (f->tcp_state == TCP_CLOSED || f->tcp_state == TCP_TIME_WAIT || f->tcp_state == TCP_NONE)
		return true;
	if (dir == 0) // nobody asked the initiator: its own peer would challenge it
		return false;
	if (from->flags & SIDE_SYN)
		return true;
	// picked up midstream: a late copy of its SYN|ACK, unless the numbers have nothing to do with the flow's
	bool near = known(from) && (uint32_t)(frontier(from) - s->seq) < SLACK_MAX;
	return !near && !(to->flags & SIDE_SYN);
}

bool flow_tcp_renews(const struct flow *f, unsigned dir, const struct segment *s, bool live)
{
	if (likely(!(s->flags & SYN) && f->tcp_state != TCP_CLOSED && f->tcp_state != TCP_NONE))
		return false;
	if (s->flags & RST)
		return false;
	// both ends were told that a denied connection is over: who begins another may take the same port at once
	if ((f->policy & POLICY_SAID) && (s->flags & (SYN | ACK | FIN)) == SYN && s->seq != f->side[dir].isn)
		return true;
	if (s->flags & SYN && !(s->flags & FIN))
		return s->flags & ACK ? synack_renews(f, dir, s) : syn_renews(f, dir, s, live);
	const struct flow_side *from = &f->side[dir];
	if (f->tcp_state != TCP_CLOSED || s->len == 0)
		return false;
	// after a RST: what the client had not sent before it. What is known to exist is late, and the old flow's
	if (reset(f) && dir == 0 && f->holds && s->seq == from->next)
		return false; // who holds back what came before the RST holds this, too: its receiver may not have had
			      // it
	if (reset(f))
		return (dir == 0 || (f->flags & FLOW_MIDSTREAM)) &&
		       (!known(from) || diff(end_of(s), frontier(from)) > 0);
	// after both FINs: numbers that are not of this connection, whose SYN was missed
	int32_t ahead = diff(s->seq, frontier(from));
	return !live && known(from) && (uint32_t)(ahead < 0 ? -(int64_t)ahead : ahead) > slack(&f->side[!dir], false);
}

bool flow_tcp_late(const struct flow *f, unsigned dir, const struct segment *s, uint64_t now_ns)
{
	const struct flow_side *from = &f->side[dir];
	return f->tcp_state == TCP_CLOSED && (f->side[!dir].flags & SIDE_RST) &&
	       (dir == 0 || (f->flags & FLOW_MIDSTREAM)) && s->len && !(s->flags & (SYN | RST)) && known(from) &&
	       (uint32_t)(now_ns / NS_MS) - f->reset_ms < LATE_MS &&
	       diff(end_of(s), frontier(from) + window(&f->side[!dir])) <= 0;
}
