// SPDX-License-Identifier: BSD-3-Clause
//
// What is this, and what does it say. Streams and datagrams come in, facts go out by the parsers of app/. This file
// decides which parser speaks: by content, never by port (port 53 alone lowers DNS's threshold, inside dns.c).
//
// A TCP stream has one parser at a time for both directions. While it has none, each direction's first bytes are
// shown to every row of the table; the first "yes" takes the stream. A parser can hand the stream back
// (APP_SWITCH: after CONNECT, STARTTLS, SOCKS; APP_UPGRADE: after 101), and what follows is detected anew. Directions
// may come in any order (a capture can show all of the server before the client): a parser that needs the other side
// first says APP_WAIT and is asked again when the other side has moved.
//
// Worker's thread. Every loop is bounded: a packet can cause at most STEPS_MAX calls of parsers.
#include "inspect.h"

#include <errno.h>
#include <netinet/in.h>

#include "base/eal.h"
#include "hold.h"
#include "inspect_in.h"
#include "judge.h"
#include "rooms.h"
#include "rules.h"

#define STEPS_MAX 256      // a 64 KiB segment of pipelined requests; what is left waits for the next packet
#define MIDSTREAM_TRIES 64 // segments of a stream picked up in its middle that are tried as a beginning
// Nobody's words wait for the other side's first, which may tell whose they are (FTP's FEAT before its greeting was
// seen, a broken status line before its request was), up to so many bytes.
#define OTHER_TELLS 4096

// The bytes of a datagram that came together with the one at `at`.
static bool datagram_run(const struct app_in *in, uint64_t at, struct stream_run *r)
{
	uint32_t left = at < in->len ? in->len - (uint32_t)at : 1;
	struct origin o = defrag_origin(in->m, (uint32_t)(in->data - pkt_data(in->m) + at), left);
	*r = (struct stream_run){.from = at, .frame = o.frame, .off = o.off, .len = o.len};
	return true;
}

struct origin app_origin_find(const struct app_in *in, uint64_t offset, uint32_t len)
{
	if (in->decoded)
		return (struct origin){in->run.frame, in->run.off, (uint32_t)in->run.from};
	struct stream_run *r = (struct stream_run *)(uintptr_t)&in->run; // what it remembers is no part of the answer
	if (!(in->m ? datagram_run(in, offset, r) : stream_run(in->w, in->f, in->dir, offset, r)))
		return (struct origin){0, 0, len};
	return (struct origin){r->frame, r->off + (uint32_t)(offset - r->from), len};
}

bool inspect_chosen(struct worker *w, struct flow *f)
{
	const struct words *s = words_of(w, f);
	return s && s->parser;
}

// ---- open flows ----------------------------------------------------------------------------------------------------
// Client bytes leave when what they say was judged. A parser consumes a hello, a head, a query when it is whole and
// judged (judge_txn); bytes that it consumed before, or that no parser wants, leave once names were judged as absent.

static inline bool is_open(const struct flow *f, unsigned dir)
{
	return unlikely((f->policy & POLICY_OPEN) && dir == 0);
}

// Nothing is said here. False: then the flow may not go on.
static bool absent(struct worker *w, struct flow *f, struct words *s)
{
	if (!s->absent && !(f->policy & POLICY_DENIED))
		s->absent = judge_absent(w, f);
	return s->absent;
}

static void stop(struct worker *w, struct flow *f, struct words *s, unsigned dir)
{
	if (is_open(f, dir) && !s->judged)
		absent(w, f, s);
	s->stopped |= 1 << dir;
	stream_stop(w, f, dir);
	if (s->stopped == 3)
		f->flags |= FLOW_APP_DONE;
}

// Nothing of the client leaves, nor is it read.
static void bar_prelude(struct worker *w, struct flow *f, struct words *s)
{
	f->flags |= FLOW_REFUSED;
	s->judged = 1;
	stop(w, f, s, 0);
}

// What a parser did to the client's direction: how far may its bytes leave?
static void let(struct worker *w, struct flow *f, struct words *s, const struct app_in *in)
{
	if (in->judged)
		stream_hold_again(w, f, 0);
	s->judged |= in->judged;
	if (in->drop)
		stream_let(w, f, 0, in->offset + in->allowed);
	else if (inspect_parsers[s->parser].prelude && !s->judged && w->rules && hold_bars(f, w->rules->prelude))
		bar_prelude(w, f, s);
	else if (s->judged || inspect_parsers[s->parser].prelude)
		stream_let_parsed(w, f, 0);
}

// Where a line that is a request's begins; not before `from`, up to which all has left. len: nowhere.
static uint32_t request_within(const uint8_t *p, uint32_t len, uint32_t from)
{
	static const char version[] = " HTTP/1.";
	const uint8_t *at = memmem(p + from, len - from, version, sizeof(version) - 1);
	if (!at)
		return len;
	while (at > p + from && at[-1] != '\n')
		at--;
	return http_looks(at, len - (uint32_t)(at - p)) > 0 ? (uint32_t)(at - p) : len;
}

// An open flow's client goes on in what is nobody's. Does a hello begin, or a request? Where it begins in the middle of
// what came together, what stands before goes first. True: it does, or more is needed to tell.
static bool turns(struct worker *w, struct flow *f, struct words *s, struct stream_view *v)
{
	uint64_t line = stream_line(w, f, 0);
	uint32_t at = tls_hello_within(v->data, v->len);
	bool end = v->end;
	if (at == v->len)
		at = request_within(v->data, v->len, line - v->offset < v->len ? (uint32_t)(line - v->offset) : 0);
	if (at && at < v->len) {
		if (absent(w, f, s))
			stream_let(w, f, 0, v->offset + at);
		stream_consume(w, f, 0, at);
		stream_view(w, f, 0, v);
		v->end |= end;
	}
	for (unsigned i = 1; i < INSPECT_PARSERS; i++) {
		if (!inspect_parsers[i].late || (s->upgraded && inspect_parsers[i].app == APP_HTTP))
			continue;
		int yes = inspect_parsers[i].looks(v->data, v->len);
		if (yes < 0 && inspect_parsers[i].app == APP_TLS && !v->end) { // letters are anybody's
			stream_need(w, f, 0, v->len + 1);
			return true;
		}
		if (yes <= 0)
			continue;
		struct stream_view other; // what the server has said in the other protocol
		if (stream_view(w, f, 1, &other))
			stream_consume(w, f, 1, other.len);
		s->parser = i;
		s->wait = s->not_start = s->nobodys = 0;
		stream_need(w, f, 1, 0);
		f->app = inspect_parsers[i].app;
		return true;
	}
	return false;
}

// First bytes of a direction: whose are they? Returns whether anything moved.
static bool detect(struct worker *w, struct flow *f, struct words *s, unsigned dir, struct stream_view *v, bool last)
{
	bool start = !(s->not_start & (1 << dir)) || v->after_gap;
	bool midway = (f->flags & FLOW_MIDSTREAM) || v->after_gap;
	bool midway_looks = midway || (s->upgraded && dir); // HTTP/2's server has no preface
	if (start || ((f->flags & FLOW_MIDSTREAM) && s->tries[dir] < MIDSTREAM_TRIES)) {
		bool unsure = false;
		for (unsigned i = 1; i < INSPECT_PARSERS; i++) {
			const struct parser *r = &inspect_parsers[i];
			if (s->upgraded && r->app == APP_HTTP)
				continue;
			int yes =
				v->len ? (midway_looks && r->looks_midway ? r->looks_midway : r->looks)(v->data, v->len)
				       : 0;
			if (yes == 0 && v->len && r->home)
				yes = r->home(f, v->data, v->len);
			if (yes > 0) {
				s->parser = i;
				s->wait = s->not_start = s->nobodys = 0;
				s->by_server = dir;
				stream_need(w, f, !dir, 0); // what other rows asked for; this side's parser says anew
				if (inspect_parsers[i].app)
					f->app = inspect_parsers[i].app;
				return true;
			}
			unsure |= yes < 0;
		}
		if (unsure && !v->end) {
			stream_need(w, f, dir, v->len + 1);
			return false;
		}
	}
	if (v->len == 0)
		return false;
	if (is_open(f, dir) && turns(w, f, s, v))
		return s->parser;
	if (is_open(f, dir) && !v->end && stream_unsettled(w, f, dir)) { // its first bytes may still come
		stream_need(w, f, dir, v->len + 1);
		return false;
	}
	if (is_open(f, dir) && absent(w, f, s)) // whoever answers must have heard it
		stream_let(w, f, dir, v->offset + v->len);
	s->nobodys |= 1 << dir;
	if (start && !midway && !last && v->len < OTHER_TELLS && !((s->nobodys | s->stopped) & (1 << !dir))) {
		stream_need(w, f, dir, v->len + 1);
		return false;
	}
	s->not_start |= 1 << dir;
	// what was read is kept until it is acknowledged: where no more can be kept, no more is read
	bool crowded = stream_crowded(w, f, dir, v->len);
	stream_consume(w, f, dir, crowded ? RTE_MIN(v->len, OTHER_TELLS) : v->len);
	if (s->nobodys & (1 << !dir))
		stream_need(w, f, !dir, 0); // it waited in vain
	bool more = ((f->flags & (FLOW_MIDSTREAM | FLOW_GAP)) || is_open(f, dir)) && ++s->tries[dir] < MIDSTREAM_TRIES;
	if (!more || crowded)
		stop(w, f, s, dir);
	return false;
}

static void switch_protocol(struct worker *w, struct flow *f, struct words *s)
{
	void *state = stream_app_state(w, f);
	if (inspect_parsers[s->parser].end) {
		struct app_in in = {.w = w, .f = f, .state = state, .scratch = w->inspect->scratch, .end = true};
		inspect_parsers[s->parser].end(&in);
	}
	memset(state, 0, APP_STATE_BYTES);
	*s = (struct words){.stopped = s->stopped, .ended = s->ended, .upgraded = s->upgraded};
	stream_need(w, f, 0, 0);
	stream_need(w, f, 1, 0);
}

// A parser was chosen by the server's words. The client's first ones may be another protocol's: a greeting of SMTP, or
// an HTTP response that nobody has asked for, says nothing about whether a hello follows. False: they are too few.
static bool client_agrees(struct worker *w, struct flow *f, struct words *s, const struct stream_view *v)
{
	const struct parser *now = &inspect_parsers[s->parser];
	bool unsure = false;
	int own = now->looks(v->data, v->len);
	for (unsigned i = 1; i < INSPECT_PARSERS && own <= 0; i++) {
		int yes = i == s->parser ? own : inspect_parsers[i].looks(v->data, v->len);
		unsure |= yes < 0;
		if (yes <= 0)
			continue;
		switch_protocol(w, f, s);
		s->parser = i;
		if (inspect_parsers[i].app)
			f->app = inspect_parsers[i].app;
		return true;
	}
	if (own <= 0 && unsure && !v->end) {
		stream_need(w, f, 0, v->len + 1);
		return false;
	}
	s->by_server = 0;
	return true;
}

enum moved {
	MOVED = 1, // the stream moved on: the other side, which may wait for this one, is worth a look
	DRY = 2,   // with MOVED: all that was there is done with, another call would find nothing
};

// One call of the parser on one direction.
static unsigned step(struct worker *w, struct flow *f, struct words *s, unsigned dir, bool last, uint16_t *drop)
{
	struct stream_view v;
	unsigned found = 0;
	if ((s->stopped & (1 << dir)) || !stream_view(w, f, dir, &v))
		return 0;
	v.end |= last;
	if ((v.len < v.need && !v.end) || (v.len == 0 && (s->ended & (1 << dir))))
		return 0;
	if (!s->parser) {
		if (!detect(w, f, s, dir, &v, last))
			return 0;
		found = MOVED;
	} else if (unlikely(s->by_server) && dir == 0 && v.len && !client_agrees(w, f, s, &v)) {
		return 0;
	}
	if (v.len == 0 && inspect_parsers[s->parser].endless && !is_open(f, dir)) { // what is below would come to this
		s->wait &= ~(1 << dir);
		s->ended |= 1 << dir;
		stream_need(w, f, dir, 0);
		return found;
	}
	struct app_in in = {
		.w = w,
		.f = f,
		.state = v.app_state,
		.data = v.data,
		.len = v.len,
		.dir = dir,
		.end = v.end,
		// whoever went on before it was judged waits for nobody's word any more
		.last = last || w->inspect->alone || (f->policy & POLICY_MARKED),
		.after_gap = v.after_gap,
		.upgraded = s->upgraded,
		.offset = v.offset,
		.scratch = w->inspect->scratch,
	};
	enum app_step st = inspect_parsers[s->parser].data(&in);
	if (in.drop) {
		*drop = in.drop;
		f->flags |= FLOW_REFUSED << dir;
	}
	s->wait &= ~(1 << dir);
	stream_took(w, f, dir, in.consumed, in.skip, in.need);
	if (is_open(f, dir))
		let(w, f, s, &in);
	if (unlikely(in.drop == REASON_POLICY_DENY)) { // nothing that follows will leave
		stop(w, f, s, dir);
		if (f->policy & POLICY_DENIED)
			stop(w, f, s, !dir);
		return found;
	}
	switch (st) {
	case APP_WAIT:
		s->wait |= 1 << dir;
		if (!last)
			return found | (in.consumed > 0 ? MOVED : 0);
		break; // nothing will move any more: fall to the end's handling
	case APP_SWITCH:
	case APP_UPGRADE:
		if (is_open(f, dir) && inspect_parsers[s->parser].app == APP_TLS && absent(w, f, s))
			stream_let_parsed(w, f, dir);
		switch_protocol(w, f, s);
		s->upgraded |= st == APP_UPGRADE;
		return MOVED;
	case APP_NOT:
		s->parser = 0;
		s->not_start |= 1 << dir;
		f->app = APP_OTHER;
		return found | (in.consumed < v.len && (f->flags & FLOW_MIDSTREAM) ? MOVED : 0);
	case APP_DONE:
		stop(w, f, s, dir);
		return MOVED | DRY;
	case APP_CLOSE:
		if (is_open(f, 0) && inspect_parsers[s->parser].prelude && f->app != APP_HTTP2 &&
		    !in.drop) { // what it leads to may come later
			memset(v.app_state, 0, APP_STATE_BYTES);
			s->parser = 0;
			s->not_start = 3;
			stream_need(w, f, 0, 0);
			stop(w, f, s, 1);
			return MOVED;
		}
		stop(w, f, s, 0);
		stop(w, f, s, 1);
		return found;
	case APP_MORE:
		break;
	}
	if (v.end && in.consumed + in.skip < v.len && in.consumed == 0 && in.skip == 0) {
		stream_consume(w, f, dir, v.len); // what a parser leaves at the end is nobody's
		if (is_open(f, dir) && absent(w, f, s))
			stream_let_parsed(w, f, dir);
		in.consumed = v.len;
	}
	if (v.end && v.len == in.consumed)
		s->ended |= 1 << dir;
	if (v.end || in.skip || in.consumed < v.len) // a skip may end behind a hole, where more waits
		return found | (in.consumed > 0 || in.skip > 0 ? MOVED : 0);
	return MOVED | DRY;
}

// What step does of an end without bytes, where run would do nothing else.
bool inspect_ended(struct worker *w, struct flow *f, unsigned dir)
{
	struct words *s = words_of(w, f);
	if (!s || !inspect_parsers[s->parser].endless || (f->policy & (POLICY_OPEN | POLICY_DENIED)))
		return false;
	s->wait &= ~(1 << dir);
	s->ended |= 1 << dir;
	stream_need(w, f, dir, 0);
	return true;
}

// The direction of the packet in work, and the other where it is concerned: it waits for this one, this one waits
// for it, or it came first and was kept until somebody knew the protocol. Both go on until neither moves.
static uint16_t run(struct worker *w, struct flow *f, unsigned dir, bool last)
{
	uint16_t drop = REASON_NONE, not_ours; // a reason found in the other direction is not this packet's
	struct words *s = words_of(w, f);
	bool other = false;
	if (!s)
		return drop;
	for (unsigned n = 0; n < STEPS_MAX; n++) {
		uint8_t parser = s->parser;
		unsigned did = step(w, f, s, dir, last, &drop);
		bool chosen = s->parser && s->parser != parser;
		if (chosen && !(did & DRY))
			other = true; // after this side, which the parser was chosen by, has been read
		else if (chosen || other || ((did & MOVED) && !s->parser) || (s->wait & (did & MOVED ? 3 : 1 << dir)) ||
			 (s->nobodys == 3 && s->not_start == 1 << dir))
			other = step(w, f, s, !dir, last, &not_ours) & MOVED;
		if (!other && did != MOVED)
			break;
	}
	return drop;
}

bool inspect_hurry(struct worker *w, struct flow *f)
{
	uint16_t drop = REASON_NONE;
	struct words *s = f->key.proto == IPPROTO_TCP ? words_of(w, f) : NULL;
	if (!s || !(s->wait & 1))
		return false;
	// unlike at the end, what is not whole is not taken for all: two bytes of a hello may go on
	w->inspect->alone = true;
	for (unsigned n = 0; n < STEPS_MAX && (step(w, f, s, 0, false, &drop) & MOVED); n++)
		;
	w->inspect->alone = false;
	return true;
}

void inspect_client_step(struct worker *w, struct flow *f, bool last)
{
	uint16_t drop = REASON_NONE;
	step(w, f, words_of(w, f), 0, last, &drop);
}

void inspect_opened(struct worker *w, struct flow *f, bool judged)
{
	if (f->key.proto != IPPROTO_TCP) {
		f->far |= judged ? ASKED_SAID : 0;
		return;
	}
	struct words *s = words_of(w, f);
	if (!s)
		return;
	s->judged |= judged;
	stream_let_all(w, f, 0); // what has left has left
	stream_hold_again(w, f, 0);
}

// What was dropped must not get in when it is sent again, and nothing behind the hole can be read by the receiver. The
// reason follows from the protocol, so that it outlives the stream.
uint16_t inspect_refusal(const struct worker *w, const struct flow *f)
{
	if (f->policy & (POLICY_DENIED | POLICY_ENDING))
		return REASON_POLICY_DENY;
	if ((f->policy & POLICY_MARKED) && w->config->fail.hold_exceeded == HOLD_DROP)
		return REASON_POLICY_HOLD;
	if ((f->policy & POLICY_MARKED) && f->key.proto == IPPROTO_TCP && stream_starved(w, f, 0))
		return REASON_POLICY_MEMORY;
	switch (f->app) {
	case APP_HTTP:
	case APP_HTTP2:
		return REASON_HTTP_AMBIGUOUS;
	case APP_DNS:
		return REASON_DNS_BAD_NAME;
	case APP_TLS:
	case APP_DTLS:
	case APP_QUIC:
		return REASON_TLS_BAD_NAME;
	default: // a prelude that may not pass
		return REASON_POLICY_UNDECIDED;
	}
}

// stream marks TCP packets that brought bytes: most packets are passed over by one look at their flags.
static inline void packet(struct worker *w, struct rte_mbuf *m)
{
	struct pkt *p = pkt_of(m);
	struct flow *f = p->flow;
	if (!(p->flags & PKT_HAS_DATA) && (!f || p->inner->proto != IPPROTO_UDP))
		return;
	if (!f || (f->flags & FLOW_APP_DONE) || pkt_decided(p)) {
		if (unlikely(w->scans) && f && f->key.proto == IPPROTO_UDP)
			judge_payload(w, m);
		return;
	}
	worker_at(w, p);
	w->packet = m;
	if (f->key.proto == IPPROTO_UDP) {
		inspect_datagram(w, m, p);
		if (unlikely(w->scans))
			judge_payload(w, m);
		return;
	}
	uint16_t drop = run(w, f, p->dir, false);
	if (unlikely(f->policy & POLICY_DENIED)) // maybe by what the other side had said before
		drop = REASON_POLICY_DENY;
	if (drop)
		pkt_drop(p, drop);
}

void inspect_packet(struct worker *w, struct rte_mbuf *m)
{
	packet(w, m);
}

void inspect_burst(struct worker *w, struct burst *b)
{
	for (uint32_t left = b->wanted; left; left &= left - 1)
		packet(w, b->m[__builtin_ctz(left)]);
}

// Nothing of either direction is left to be read, and the parser knows.
static bool at_rest(struct worker *w, struct flow *f, const struct words *s)
{
	return (s->stopped | s->ended) == 3 && stream_spent(w, f, 0) && stream_spent(w, f, 1);
}

// Nothing more will come: what waits is parsed as far as it goes, holes given up one by one.
static void read_rest(struct worker *w, struct flow *f)
{
	for (unsigned n = 0; n < STEPS_MAX; n++) {
		run(w, f, 0, false);
		run(w, f, 1, false);
		bool more = stream_flush(w, f, 0);
		if (!(stream_flush(w, f, 1) || more))
			break;
	}
	run(w, f, 0, true);
	run(w, f, 1, true);
}

static void end_stream(struct worker *w, struct flow *f)
{
	struct words *s = words_of(w, f);
	if (!s)
		return;
	if (!at_rest(w, f, s) && !(f->policy & POLICY_DENIED)) // what nobody will get is not read
		read_rest(w, f);
	if (inspect_parsers[s->parser].end) {
		struct app_in in = {
			.w = w, .f = f, .state = stream_app_state(w, f), .end = true, .scratch = w->inspect->scratch};
		inspect_parsers[s->parser].end(&in);
	}
}

void inspect_end(struct worker *w, struct flow *f)
{
	judge_catch_up(w, f);
	if (f->key.proto == IPPROTO_TCP && f->stream)
		end_stream(w, f);
	if (unlikely(f->policy))
		hold_end(w, f);
	if (f->key.proto == IPPROTO_TCP || !f->app_state)
		return;
	struct app_in in = {.w = w, .f = f, .end = true, .scratch = w->inspect->scratch};
	if (f->app == APP_QUIC)
		quic_end(&in);
	else if (f->app == APP_DTLS)
		dtls_end(&in);
}

int inspect_init(struct worker *w)
{
	struct inspect *n = mem_take(sizeof(*n));
	if (!n)
		return -ENOMEM;
	w->inspect = n;
	n->quic = quic_new(w->config);
	n->dtls = dtls_new(w->config);
	n->http2 = http2_new(w->config);
	n->arena = txn_arena_new(w->config->arena_bytes);
	n->scratch = mem_take(APP_SCRATCH_BYTES);
	return n->quic && n->dtls && n->http2 && n->arena && n->scratch ? 0 : -ENOMEM;
}

void inspect_fini(struct worker *w)
{
	struct inspect *n = w->inspect;
	if (!n)
		return;
	if (n->quic)
		quic_free(n->quic);
	if (n->dtls)
		dtls_free(n->dtls);
	if (n->http2)
		http2_free(n->http2);
	txn_arena_free(n->arena);
	mem_give(n->scratch, APP_SCRATCH_BYTES);
	mem_give(n, sizeof(*n));
	w->inspect = NULL;
}
