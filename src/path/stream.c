// SPDX-License-Identifier: BSD-3-Clause
//
// The stream room: TCP segments come in, with their flow; the bytes of each direction go into ordered chunks for
// inspect, and what differs from bytes that already left is rewritten or dropped (corridor.md 3: the first copy
// of a byte that left the box is the truth). Worker's thread.
//
// What must never happen here: that inspect reads other bytes than a receiver can. So a byte counts as sent once
// its first copy passed; a later copy is compared with it while the peer may still take it (until its ACK); and
// where the copy is gone although it was evidence, the segment is refused (STREAM_NO_COPY).
//
// Offsets are 64 bits from the first byte, so sequence numbers wrap as often as they like. ACKs are read from the
// packets here, not from flow: flow may already have seen the rest of the burst. And inspect sees each packet's data
// before the flow's next is added (inspect_earlier): what is read and said does not depend on how packets fell into
// bursts, hence not on the number of workers.
//
// stream_pool.c has the memory, stream_chain.c the list, stream_rewrite.c the comparison, stream_view.c the
// reading side.
#include <netinet/in.h>
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_byteorder.h>
#include <rte_common.h>
#include <rte_tcp.h>

#include "act.h"
#include "hold.h"
#include "judge.h"
#include "mirror.h"
#include "rooms.h"
#include "stream_pool.h"

#define FIN RTE_TCP_FIN_FLAG
#define SYN RTE_TCP_SYN_FLAG
#define RST RTE_TCP_RST_FLAG
#define ACK RTE_TCP_ACK_FLAG
#define URG RTE_TCP_URG_FLAG
#define STALE_SYN (1u << 24) // 64 places of 64 KiB, four times

// One segment on its walk through the room.
struct segment {
	struct worker *w;
	struct rte_mbuf *m;
	struct pkt *p;
	const struct layer *l;
	struct flow *f;
	struct stream *st;
	struct stream_side *s;
	const struct rte_tcp_hdr *tcp;
	uint64_t at;  // offset of its first byte
	uint64_t end; // of the last, as sent
	const uint8_t *data;
	uint32_t len;     // bytes that are there (fewer than sent where the frame was cut)
	uint32_t off;     // of data[0] in the frame
	uint32_t pending; // before it
	bool evidence;    // the receiver will take it
	bool unread;      // bytes of it found no room
	bool before;      // it lies before all that is read, and its receiver may take it
};

static int64_t offset_of(const struct stream_side *s, uint32_t seq)
{
	return (int64_t)s->highest + (int32_t)(seq - (s->base_seq + (uint32_t)s->highest));
}

// Offset 0: behind the SYN, or what the peer asks for, or what comes first. A SYN whose number the peer's ACK belies
// (a server that began anew with another one) is none; nearer than STALE_SYN the difference may be reordering.
static void base(struct segment *g, uint32_t seq)
{
	const struct flow_side *fs = &g->f->side[g->p->dir];
	bool asked = (g->s->flags & STREAM_ASKED) && seq - g->s->base_seq < STREAM_PENDING_MAX;
	bool syn = (fs->flags & SIDE_SYN) && !(asked && g->s->base_seq - (fs->isn + 1) > STALE_SYN);
	if (!syn && asked && (g->f->flags & FLOW_MIDSTREAM))
		g->s->first = seq - g->s->base_seq;
	if (syn)
		seq = fs->isn + 1;
	else if (asked)
		seq = g->s->base_seq;
	else if (!(g->s->flags & STREAM_ASKED) || (int32_t)(seq - g->s->base_seq) > 0)
		g->s->flags |= STREAM_LOOSE;
	g->s->base_seq = seq;
	g->s->flags |= STREAM_BASED;
}

static inline bool keeps(const struct stream_side *s)
{
	return s->head || s->nlost;
}

// `o` is acknowledged by a packet of the other direction. Only copies wait for it.
static void acknowledge(struct worker *w, struct flow *f, struct stream *st, struct stream_side *o, uint32_t ack)
{
	int64_t to = offset_of(o, ack);
	if (to <= (int64_t)o->acked)
		return;
	// what was not seen yet cannot be forgotten: an ACK may come before its data where captures are merged
	o->acked = RTE_MIN((uint64_t)to, o->highest);
	stream_chain_release(w->streams, o);
	stream_idle(f, st);
}

static bool passed(const struct flow *f)
{
	const uint16_t both = FLOW_PASSED | FLOW_PASSED << 1;
	return (f->flags & both) == both;
}

// Nobody will look at the flow's stream again: it is given back while it is in the cache, not when the flow ends.
static void retire(struct worker *w, struct flow *f, const struct pkt *p)
{
	worker_at(w, p);
	inspect_end(w, f);
	stream_end(w, f);
}

void stream_idle(struct flow *f, const struct stream *st)
{
	const struct stream_side *a = &st->side[0], *b = &st->side[1];
	// data of what was refused is still to be dropped
	if (keeps(a) || keeps(b) || (f->flags & (FLOW_REFUSED | FLOW_REFUSED << 1)))
		return;
	for (unsigned dir = 0; dir < 2; dir++) {
		// a direction that was not seen yet begins where the other's ACKs say
		const uint16_t done = STREAM_STOPPED, placed = STREAM_STOPPED | STREAM_BASED | STREAM_ASKED;
		if ((st->side[dir].flags & done) && (st->side[!dir].flags & placed))
			f->flags |= (uint16_t)(FLOW_PASSED << dir);
	}
}

static struct origin origin_in(const struct segment *g, uint64_t at, uint32_t len)
{
	return (struct origin){g->p->frame, g->off + (uint32_t)(at - g->at), len};
}

// Bytes that were sent before, against their first copies. False: the packet does not leave.
static bool consistent(struct segment *g)
{
	struct stream_pool *p = g->w->streams;
	if (stream_chain_lost(g->s, g->at, g->at + g->len)) {
		pkt_drop(g->p, REASON_STREAM_NO_COPY);
		return false;
	}
	if (likely(!stream_differs(p, g->s, g->at, g->data, g->len)))
		return true;
	// RFC 9293 3.8.4: a keep-alive's octet is garbage, and the receiver has the true one
	if (g->len == 1 && g->end <= g->s->acked)
		return true;
	g->f->flags |= FLOW_AMBIGUOUS;
	if (g->p->flags & PKT_VIRTUAL) { // its fragments leave as they are, or not at all
		stream_anomaly(g->w, g->f, g->p->dir, ANOMALY_STREAM_AMBIGUOUS, defrag_origin(g->m, g->off, g->len));
		pkt_drop(g->p, REASON_DEFRAG_REWRITE);
		return false;
	}
	uint8_t *frame = pkt_data(g->m);
	if (unlikely(g->w->mirrors))
		mirror_keep(g->w, g->m);
	stream_rewrite(p, g->s, g->at, frame + g->l->l4, frame + g->off, g->len);
	g->p->flags |= PKT_REWRITTEN;
	count(g->w, COUNTER_STREAM_REWRITTEN);
	stream_anomaly(g->w, g->f, g->p->dir, ANOMALY_STREAM_REWRITTEN, origin_in(g, g->at, g->len));
	return true;
}

// Stores [from, to), of which there is no copy. Where memory lacks the bytes are given up: they left unseen, so
// what comes for them later must not be taken for the first copy.
static void store(struct segment *g, uint64_t from, uint64_t to)
{
	struct stream_side *s = g->s;
	g->f->flags &= (uint16_t) ~(FLOW_PASSED | FLOW_PASSED << 1); // its copy waits for an ACK
	bool room = stream_pending(s) < STREAM_PENDING_MAX + STREAM_SEGMENT_MAX;
	uint32_t len = to - from, done = 0;
	while (room && done < len) { // once; for a datagram out of fragments, once a fragment
		struct origin o = {g->p->frame, g->off + (uint32_t)(from - g->at) + done, len - done};
		if (unlikely(g->p->flags & PKT_VIRTUAL))
			o = defrag_origin(g->m, o.off, o.len);
		struct stream_bytes b = {
			.data = g->data + (from - g->at) + done,
			.at = from + done,
			.frame = o.frame,
			.off = o.off,
			.len = o.len,
			.cut_to = g->at + g->len == from + done + o.len && to < g->end ? g->end : 0,
		};
		uint32_t n = stream_chain_store(g->w, s, &b);
		done += n;
		if (n < b.len)
			break;
	}
	if (likely(done == len))
		return;
	room &= s->nchunks < STREAM_CHUNKS_MAX;
	count(g->w, room ? COUNTER_STREAM_POOL_EMPTY : COUNTER_STREAM_BUDGET);
	g->unread = true;
	if (room)
		s->flags |= STREAM_STARVED;
	stream_chain_advance(g->w->streams, s);
	if (s->flags & STREAM_GIVEN_UP)
		s->give_to = RTE_MAX(s->give_to, to);
	else
		stream_give_up(g->w, g->f, g->p->dir, s, to);
}

// New bytes between the copies that are there already.
static void take(struct segment *g)
{
	struct stream_side *s = g->s;
	struct stream_pool *p = g->w->streams;
	uint64_t from = RTE_MAX(g->at, s->flags & STREAM_GIVEN_UP ? RTE_MAX(s->give_to, s->next) : s->next);
	uint64_t to = RTE_MIN(g->at + g->len, s->fin); // data behind a FIN is ignored by every receiver
	while (from < to) {
		const struct chunk *c = stream_chain_find(p, s, from);
		uint64_t until = c && c->start < to ? c->start : to;
		uint64_t behind = c ? chunk_end(c) : to;
		if (from < until)
			store(g, from, until);
		from = RTE_MAX(behind, until);
	}
	stream_chain_advance(p, s);
	// nothing of it was captured
	if (unlikely(g->len == 0 && g->end > g->at) && g->at == s->next && !(s->flags & STREAM_GIVEN_UP) &&
	    !stream_chain_beyond(p, s))
		stream_give_up(g->w, g->f, g->p->dir, s, g->end);
}

static void finish(struct segment *g, uint8_t flags)
{
	struct stream_side *s = g->s, *o = &g->st->side[!g->p->dir];
	// the end is behind all that was sent; a FIN among old data is not one
	if (s->fin == STREAM_NONE && (g->end >= s->highest || (flags & RST)))
		s->fin = RTE_MAX(g->end, s->highest);
	// Live, a RST ends the other half as well. In replay its data may merely stand later in the capture.
	if ((flags & RST) && path_inline(g->w->config, g->p->port) && o->fin == STREAM_NONE)
		o->fin = o->highest;
}

// What inspect has to look at, now that the segment is in.
static bool news(const struct stream_side *s, uint64_t next, bool ended)
{
	if (s->flags & STREAM_STOPPED)
		return false;
	if ((s->flags & STREAM_GIVEN_UP) || (s->next >= s->fin && !ended))
		return true;
	return s->next > next && s->next - s->parsed >= s->need && s->next > s->parsed;
}

static void data(struct segment *g, uint8_t flags)
{
	struct stream_side *s = g->s;
	if (unlikely(s->flags & STREAM_GIVEN_UP) && s->parsed == s->next)
		stream_cross(g->w, s); // inspect has been told
	uint64_t next = s->next;
	bool ended = next >= s->fin;
	s->segs += g->end > g->at;
	// in order, and nothing behind: it overlaps nothing
	bool append = g->at == next && s->tail == s->fill;
	if (g->len && !append && keeps(s) && !consistent(g))
		return;
	if (!g->evidence)
		return;
	if (flags & (FIN | RST))
		finish(g, flags);
	if (!(s->flags & STREAM_STOPPED) && g->end > g->at) {
		if (g->end > s->next)
			take(g);
		bool full = g->pending >= STREAM_PENDING_MAX || s->nchunks >= STREAM_CHUNKS_MAX - 1;
		if (unlikely(full || s->tail != s->fill || g->w->streams->chunks[s->fill].cut_to))
			stream_gap_due(g->w, g->f, g->p->dir, s, full);
	}
	s->highest = RTE_MAX(s->highest, g->end);
	bool spent = s->next == s->parsed && !(s->flags & STREAM_GIVEN_UP);
	if (news(s, next, ended) && !(spent && inspect_ended(g->w, g->f, g->p->dir)))
		g->p->flags |= PKT_HAS_DATA;
}

// Bytes before the first one seen, which the peer may not have yet. True: the direction begins with them. Else they
// pass unread, and that is said.
static bool begins_earlier(struct segment *g, uint64_t by)
{
	struct stream_side *s = g->s;
	if (!(s->flags & STREAM_LOOSE) || !g->l->wire_len || s->acked)
		return false;
	if (by <= STREAM_BACK_MAX && !inspect_chosen(g->w, g->f) && stream_chain_back(g->w->streams, s, by)) {
		if (unlikely(g->st->hold) && g->p->dir == 0)
			hold_back(g->w, g->f, by);
		return true;
	}
	s->flags &= ~STREAM_LOOSE;
	stream_gap_said(g->w, g->f, g->p->dir, s, (struct origin){g->p->frame, g->l->payload, 0});
	return false;
}

// The part of a segment that lies before offset 0 is old, or begins the direction anew.
static bool place(struct segment *g, uint32_t seq)
{
	int64_t at = offset_of(g->s, seq);
	if (unlikely(at < 0) && g->evidence && begins_earlier(g, (uint64_t)-at))
		at = 0;
	uint64_t before = at < 0 ? (uint64_t)-at : 0;
	g->before = before && g->evidence && (g->f->flags & FLOW_MIDSTREAM) && !g->s->acked;
	if (before && before >= g->l->wire_len)
		return false;
	g->at = at < 0 ? 0 : (uint64_t)at;
	g->end = (uint64_t)(at + (int64_t)g->l->wire_len);
	g->len = g->l->payload_len > before ? g->l->payload_len - (uint32_t)before : 0;
	g->off = g->l->payload + (uint32_t)before;
	g->data = pkt_data(g->m) + g->off;
	return true;
}

// The flow's data packet before this one, where inspect has not seen it yet.
static void inspect_earlier(struct worker *w, const struct burst *b, struct stream *st)
{
	if (likely(!st->waits || st->burst != w->streams->burst))
		return;
	struct rte_mbuf *m = b->m[st->waits - 1];
	st->waits = 0;
	inspect_packet(w, m);
	pkt_of(m)->flags &= ~PKT_HAS_DATA;
}

// An urgent segment, after what the flow brought before it. False: the packet does not leave.
static __rte_noinline bool urgent(struct worker *w, const struct burst *b, unsigned i)
{
	struct stream *st = stream_of(w, pkt_of(b->m[i])->flow);
	if (st)
		inspect_earlier(w, b, st);
	return stream_in_line(w, b->m[i], st);
}

// The flow's stream; made with the first byte that somebody could read, and where a server ends without one: whether
// that has left has to be known when a request is denied (act_left.c). NULL: none.
static struct stream *stream_made(struct worker *w, const struct pkt *p, const struct layer *l)
{
	struct flow *f = p->flow;
	bool end = (l->tcp_flags & FIN) && p->dir && (f->policy & POLICY_OPEN);
	if ((l->wire_len == 0 && !end) || (p->flags & PKT_NO_EVIDENCE) || (f->flags & FLOW_STREAM_TRIED) ||
	    (l->tcp_flags & RST))
		return NULL;
	f->flags |= FLOW_STREAM_TRIED;
	struct stream *st = stream_pool_stream(w->streams, f);
	if (!st)
		count(w, COUNTER_STREAM_POOL_EMPTY);
	return st;
}

// The usual data: whole, in one frame, the next of a direction of which nothing is missing and nothing given up, that
// has not ended and is within its budgets. Then there is nothing to compare with and no hole to be given up, so that of
// place, data, take and store this is what remains. False: it is another one, and nothing was done.
static bool next_data(struct segment *g, uint32_t seq, uint8_t flags)
{
	struct stream_side *s = g->s;
	struct pkt *p = g->p;
	const struct layer *l = g->l;
	uint32_t len = l->wire_len;
	if (seq != s->base_seq + (uint32_t)s->next || s->highest != s->next || s->fin != STREAM_NONE ||
	    (flags & (FIN | RST | SYN)) || (s->flags & (STREAM_GIVEN_UP | STREAM_STOPPED)) || !len ||
	    l->payload_len != len || (p->flags & (PKT_VIRTUAL | PKT_NO_EVIDENCE)) ||
	    stream_pending(s) >= STREAM_PENDING_MAX || s->nchunks >= STREAM_CHUNKS_MAX - 2)
		return false;
	struct stream_bytes b = {
		.data = pkt_data(g->m) + l->payload, .at = s->next, .frame = p->frame, .off = l->payload, .len = len};
	s->segs++;
	if (!stream_chain_next(g->w->streams, s, &b, p->time_ns)) {
		s->segs--;
		return false;
	}
	worker_at(g->w, p);
	s->highest = g->end = s->next;
	g->f->flags &= (uint16_t) ~(FLOW_PASSED | FLOW_PASSED << 1); // its copy waits for an ACK
	if (s->next - s->parsed >= s->need)
		p->flags |= PKT_HAS_DATA;
	return true;
}

// A segment that moves its direction: data, or an end.
static void moved(struct segment *g, uint8_t flags)
{
	uint32_t seq = rte_be_to_cpu_32(g->tcp->sent_seq) + !!(flags & SYN);
	g->evidence = !(g->p->flags & PKT_NO_EVIDENCE);
	if (!(g->s->flags & STREAM_BASED)) {
		bool known = g->f->side[g->p->dir].flags & SIDE_SYN || g->s->flags & STREAM_ASKED;
		if (!g->evidence || (!known && !g->l->wire_len)) // the end of what was not seen
			return;
		base(g, seq);
	}
	if (likely(next_data(g, seq, flags)))
		return;
	g->pending = stream_pending(g->s);
	if (!place(g, seq))
		return;
	if (flags & RST) { // what a RST carries is a message to people (RFC 9293 3.5.3)
		g->len = 0;
		g->end = g->at;
	}
	worker_at(g->w, g->p);
	data(g, flags);
}

// Of an open flow each packet is looked at in its turn, before the flow's next, so that what becomes of it does not
// depend on bursts. Then it leaves, or waits (hold.c) if bytes of it, or a FIN, lie beyond the line. A RST passes: what
// it leaves behind has no reader.
static __rte_noinline void moved_open(struct segment *g, uint8_t flags)
{
	struct worker *w = g->w;
	struct pkt *p = g->p;
	struct flow *f = g->f;
	const struct stream_side *s = g->s;
	uint64_t highest = s->highest, fin = s->fin;
	uint32_t kept = s->kept;
	if ((flags & RST) && f->holds)
		return; // it may never come to its receiver, and then what is held has a reader
	moved(g, flags);
	bool brought = s->kept != kept || s->highest != highest || s->fin != fin;
	if (p->flags & PKT_HAS_DATA) {
		inspect_packet(w, g->m);
		p->flags &= (uint16_t)~PKT_HAS_DATA;
	}
	if ((f->policy & POLICY_MARKED) && p->dir == 0 && brought && !pkt_decided(p) && hold_went_on(w, f))
		pkt_drop(p, inspect_refusal(w, f));
	if (unlikely(g->unread) && p->dir == 0)
		(s->flags & STREAM_STARVED ? hold_starved : hold_exceeded)(w, f);
	if (unlikely((f->flags & FLOW_REFUSED) && g->unread && p->dir == 0))
		pkt_drop(p, inspect_refusal(w, f));
	hold_settle(w, f);
	if (pkt_decided(p) || !(f->policy & POLICY_OPEN))
		return;
	if (p->dir != 0) {
		if (g->l->wire_len)
			hold_undecided(w, f, g->m);
		return;
	}
	if (unlikely(g->before) && !(s->flags & STREAM_STOPPED)) {
		pkt_drop(p, REASON_STREAM_UNJUDGED);
		return;
	}
	if ((flags & RST) || g->end <= stream_line(w, f, 0))
		return;
	p->end = g->end;
	if (!g->evidence && g->l->wire_len)
		pkt_drop(p, REASON_STREAM_UNJUDGED);
	else if (!g->evidence)
		return; // an end that is none
	else if (!brought)
		pkt_drop(p, REASON_STREAM_DUPLICATE);
	else
		hold_frame(w, f, g->m);
}

// Client data of an open flow of which no stream is kept. (Where there was one that is done with, all was read.)
static __rte_noinline void unread(struct worker *w, struct pkt *p, const struct layer *l, uint32_t seq)
{
	struct flow *f = p->flow;
	const struct flow_side *side = &f->side[0];
	if (!l->wire_len || (l->tcp_flags & RST) || passed(f))
		return;
	if (p->flags & PKT_NO_EVIDENCE) {
		bool old = (side->flags & SIDE_SYN) && (int32_t)(seq + l->wire_len - (side->isn + 1)) <= 0;
		if (!old)
			pkt_drop(p, REASON_STREAM_UNJUDGED);
		return;
	}
	worker_at(w, p);
	if (!(f->policy & POLICY_MARKED))
		hold_starved(w, f);
	if (f->flags & FLOW_REFUSED)
		pkt_drop(p, inspect_refusal(w, f));
}

// Segments that change nothing but how far the direction reaches: nobody keeps bytes of either direction, and what is
// in it is not wanted (all of an ACK, the body that inspect passed over). True: that was all.
static __rte_always_inline bool unwanted(struct pkt *p, const struct layer *l, struct stream *st, const uint8_t *frame)
{
	const struct flow *f = p->flow;
	struct stream_side *s = &st->side[p->dir], *o = &st->side[!p->dir];
	if ((l->tcp_flags & ~(RTE_TCP_PSH_FLAG | RTE_TCP_ECE_FLAG | RTE_TCP_CWR_FLAG)) != ACK || keeps(o) ||
	    !(o->flags & (STREAM_BASED | STREAM_ASKED)))
		return false;
	if (l->wire_len == 0)
		return true;
	if (keeps(s) || (p->flags & PKT_NO_EVIDENCE) || (f->flags & FLOW_REFUSED << p->dir))
		return false;
	if (s->flags & STREAM_STOPPED)
		return true;
	const struct rte_tcp_hdr *tcp = (const struct rte_tcp_hdr *)(frame + l->l4);
	int64_t at = offset_of(s, rte_be_to_cpu_32(tcp->sent_seq)), end = at + l->wire_len;
	if (!(s->flags & STREAM_BASED) || (s->flags & STREAM_GIVEN_UP) || at < 0 || end > (int64_t)s->next ||
	    s->next >= s->fin)
		return false;
	s->segs++;
	s->highest = RTE_MAX(s->highest, (uint64_t)end);
	return true;
}

// Of an open flow, where all are asked what waits first. What its parser passed over may not have been judged yet.
static __rte_noinline bool unwanted_open(const struct worker *w, struct pkt *p, const struct layer *l,
					 struct stream *st, const uint8_t *frame)
{
	const struct rte_tcp_hdr *tcp = (const struct rte_tcp_hdr *)(frame + l->l4);
	int64_t end = offset_of(&st->side[p->dir], rte_be_to_cpu_32(tcp->sent_seq)) + l->wire_len;
	if (p->dir == 0 && l->wire_len && end > 0 && (uint64_t)end > stream_line(w, p->flow, 0))
		return false;
	return unwanted(p, l, st, frame);
}

static __rte_noinline void segment(struct worker *w, struct burst *b, unsigned i, struct pkt *p, const struct layer *l)
{
	struct flow *f = p->flow;
	struct stream *st = stream_of(w, f);
	const struct rte_tcp_hdr *tcp = (const struct rte_tcp_hdr *)(pkt_data(b->m[i]) + l->l4);
	uint8_t flags = l->tcp_flags;
	if (unlikely(f->policy & POLICY_ENDING))
		act_so_far(w, b, i);
	if (unlikely(f->policy & POLICY_OPEN) && !l->wire_len && hold_undecided(w, f, b->m[i]))
		return;
	if (unlikely(!st)) {
		if (!(st = stream_made(w, p, l))) {
			if (unlikely(f->policy & POLICY_OPEN) && p->dir == 0)
				unread(w, p, l, rte_be_to_cpu_32(tcp->sent_seq));
			return;
		}
	} else if (unlikely(f->policy & (POLICY_OPEN | POLICY_ENDING)) &&
		   unwanted_open(w, p, l, st, pkt_data(b->m[i]))) {
		return; // of others stream_burst has asked
	}
	inspect_earlier(w, b, st);
	if (unlikely(st->hold))
		hold_due(w, f, p->time_ns);
	if (unlikely(f->policy & POLICY_DENIED)) { // nothing of it is read any more
		pkt_drop(p, REASON_POLICY_DENY);
		return;
	}
	struct stream_side *s = &st->side[p->dir], *o = &st->side[!p->dir];
	if (unlikely(f->policy & POLICY_OPEN) && p->dir == 0 && s->fin != STREAM_NONE && l->wire_len &&
	    offset_of(s, rte_be_to_cpu_32(tcp->sent_seq)) + l->wire_len > (int64_t)s->fin) {
		pkt_drop(p, REASON_STREAM_UNJUDGED); // behind its end: judged by nobody, and wanted by nobody honest
		return;
	}
	if ((flags & ACK) && keeps(o)) {
		acknowledge(w, f, st, o, rte_be_to_cpu_32(tcp->recv_ack));
		if (passed(f)) {
			retire(w, f, p);
			return;
		}
	} else if (unlikely(!(o->flags & STREAM_BASED)) && (flags & ACK) && !(p->flags & PKT_NO_EVIDENCE)) {
		o->base_seq = rte_be_to_cpu_32(tcp->recv_ack);
		o->flags |= STREAM_ASKED;
	}
	if (l->wire_len == 0 && !(flags & (FIN | RST)))
		return;
	if (unlikely(f->flags & FLOW_REFUSED << p->dir) && l->wire_len) {
		pkt_drop(p, inspect_refusal(w, f));
		return;
	}
	if ((s->flags & STREAM_STOPPED) && !keeps(s) && !(flags & RST))
		return; // nothing is wanted, and nothing is left to compare with
	struct segment g = {.w = w, .m = b->m[i], .p = p, .l = l, .f = f, .st = st, .s = s, .tcp = tcp};
	if (unlikely(f->policy & POLICY_OPEN)) {
		moved_open(&g, flags);
		return;
	}
	moved(&g, flags);
	if (p->flags & PKT_HAS_DATA) {
		st->burst = w->streams->burst;
		st->waits = i + 1;
	}
}

// False: the segment has nothing for this room; of flows that are not open, where even what has nothing may release
// what waits.
static __rte_always_inline bool wants(const struct flow *f, struct pkt *p, const struct layer *l,
				      struct stream *streams, const uint8_t *frame)
{
	if (unlikely((f->policy & (POLICY_OPEN | POLICY_ENDING)) || (l->tcp_flags & URG)))
		return true;
	return f->stream ? !unwanted(p, l, &streams[f->stream], frame) : l->wire_len > 0;
}

void stream_burst(struct worker *w, struct burst *b)
{
	const bool scans = w->scans;
	struct stream *const streams = w->streams->streams;
	uint32_t idle = 0; // those with nothing for inspect
	w->streams->burst++;
	for (uint32_t left = b->wanted; left; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctz(left);
		struct pkt *p = pkt_of(b->m[i]);
		const struct layer *l = p->inner;
		struct flow *f = p->flow;
		if (unlikely(pkt_decided(p)) || l->proto != IPPROTO_TCP || (l->flags & LAYER_FRAGMENT))
			continue;
		if (unlikely(scans) && (f->flags >> p->dir & FLOW_PASSED)) { // nobody reads it any more
			judge_payload(w, b->m[i]);
			continue;
		}
		if (wants(f, p, l, streams, pkt_data(b->m[i])) && (likely(!(l->tcp_flags & URG)) || urgent(w, b, i)))
			segment(w, b, i, p, l);
		idle |= (uint32_t) !(p->flags & PKT_HAS_DATA) << i;
		if (unlikely(scans))
			judge_payload(w, b->m[i]);
	}
	b->wanted &= ~idle;
}
