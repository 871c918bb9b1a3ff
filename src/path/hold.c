// SPDX-License-Identifier: BSD-3-Clause
//
// Frames that wait for a verdict. In comes a frame of an open flow with bytes that were not judged; out it goes by tx,
// in its own place of the walk, when they are, or by the reason for which the flow is refused. Worker's thread; all
// memory is taken at start.
//
//   flow -> held { first -> ... -> last }    in order of the bytes' end (TCP), or as they came
//             ^ older / newer: all that are held, by when the first frame of each came
//
// What must never happen: a frame that leaves before its bytes were judged, one that is forgotten (worker's `held` says
// how many there are), a flow or a sender that holds more than its share. The bounds: hold_bytes of one flow and
// FLOW_FRAMES frames, hold_ns from its first frame on however many follow, `held` frames of a worker. When one is
// reached the flow that reached it is decided by hold_exceeded; all others wait on. (That the oldest gives way, as
// fragments do, was rejected: one sender could then push others out of the hold before their time.)
//
// A frame of the burst in work stays in the burst while it is held (PKT_HELD, tx passes over it), so what is released
// before tx comes leaves there; PKT_AWAY says that it did not.
#include "hold.h"

#include <errno.h>
#include <netinet/in.h>

#include <rte_common.h>

#include "answer.h"
#include "base/eal.h"
#include "judge.h"
#include "rooms.h"
#include "rules.h"
#include "stream_pool.h"

#define FLOW_FRAMES 2048   // a hello of 1,800 bytes, a byte a frame; a walk over them is 50 us
#define GIANTS 32          // one in so many of the frames held may be larger than ordinary frames are
#define AGE_WORK 64        // frames let go in one call of hold_age, and the rest of that flow's
#define PIECE_NS 200000000 // longer than the answer to what came before takes, mostly
// Of a message that went on unjudged, how much is read again with each packet: hellos and heads have less; beyond it
// the message is judged when it is whole, so that work stays in proportion to bytes.
#define GLIMPSE_AGAIN (16 * 1024)
#define NOBODY 0

struct held {
	struct flow *f;
	struct rte_mbuf *first, *last;
	uint64_t since_ns;
	uint32_t bytes, frames;
	uint32_t older, newer; // newer also links the free ones
};

struct hold {
	struct held *held; // [0] is nobody's
	uint32_t size, free;
	uint32_t oldest, newest;
	uint32_t whole; // the oldest of which no piece was thought of
	uint32_t frames, giants;
};

int hold_init(struct worker *w)
{
	struct hold *t = mem_take(sizeof(*t));
	if (!t)
		return -ENOMEM;
	w->hold = t;
	t->size = w->config->held + 1;
	t->held = mem_take(t->size * sizeof(struct held));
	if (!t->held)
		return -ENOMEM;
	for (uint32_t i = 1; i < t->size; i++)
		t->held[i].newer = i + 1 < t->size ? i + 1 : NOBODY;
	t->free = t->size > 1 ? 1 : NOBODY;
	return 0;
}

void hold_fini(struct worker *w)
{
	struct hold *t = w->hold;
	if (!t)
		return;
	if (t->held)
		mem_give(t->held, t->size * sizeof(struct held));
	mem_give(t, sizeof(*t));
	w->hold = NULL;
}

// Where a flow keeps the number of what is held of it. NULL: it cannot hold anything.
static uint32_t *number_of(struct worker *w, struct flow *f)
{
	if (f->key.proto != IPPROTO_TCP)
		return &f->hold;
	struct stream *st = stream_of(w, f);
	return st ? &st->hold : NULL;
}

static struct held *held_of(struct worker *w, struct flow *f)
{
	const uint32_t *n = number_of(w, f);
	return n && *n ? &w->hold->held[*n] : NULL;
}

struct rte_mbuf *hold_first(struct worker *w, struct flow *f)
{
	const struct held *h = held_of(w, f);
	return h ? h->first : NULL;
}

static struct held *held_new(struct worker *w, struct flow *f)
{
	struct hold *t = w->hold;
	uint32_t *n = number_of(w, f), i = t->free;
	if (!n || !i)
		return NULL;
	struct held *h = &t->held[i];
	t->free = h->newer;
	*h = (struct held){.f = f, .since_ns = w->now_ns, .older = t->newest};
	*(t->newest ? &t->held[t->newest].newer : &t->oldest) = i;
	t->newest = i;
	if (!t->whole)
		t->whole = i;
	*n = i;
	f->holds = true;
	return h;
}

static void held_free(struct worker *w, struct held *h)
{
	struct hold *t = w->hold;
	uint32_t *n = number_of(w, h->f);
	if (t->whole == *n)
		t->whole = h->newer;
	*(h->newer ? &t->held[h->newer].older : &t->newest) = h->older;
	*(h->older ? &t->held[h->older].newer : &t->oldest) = h->newer;
	h->newer = t->free;
	t->free = *n;
	h->f->holds = false;
	*n = NOBODY;
}

static uint32_t frames_of(const struct pkt *p)
{
	return p->flags & PKT_VIRTUAL ? p->nfragments : 1;
}

static uint32_t bytes_of(const struct pkt *p)
{
	return p->inner->payload_len;
}

static bool giant(const struct worker *w, const struct rte_mbuf *m)
{
	return m->pool == w->giants && w->giants != w->frames;
}

// In order of their ends; what came in order is the last.
static void insert(struct held *h, struct rte_mbuf *m)
{
	struct pkt *p = pkt_of(m);
	if (!h->first || pkt_of(h->last)->end <= p->end) {
		p->next = NULL;
		*(h->first ? &pkt_of(h->last)->next : &h->first) = m;
		h->last = m;
		return;
	}
	struct rte_mbuf **at = &h->first;
	while (pkt_of(*at)->end <= p->end)
		at = &pkt_of(*at)->next;
	p->next = *at;
	*at = m;
}

static void take(struct worker *w, struct held *h, struct rte_mbuf *m)
{
	struct pkt *p = pkt_of(m);
	uint32_t n = frames_of(p);
	judge_hears_held(w, m);
	insert(h, m);
	p->flags |= PKT_HELD | PKT_WAITED;
	h->frames += n;
	h->bytes += bytes_of(p);
	w->hold->frames += n;
	w->hold->giants += giant(w, m);
	w->held += n;
	w->counters[COUNTER_HELD] += n;
}

// The first of those held leaves: by tx, or by a reason.
static void let_go(struct worker *w, struct held *h, uint16_t reason)
{
	struct rte_mbuf *m = h->first;
	struct pkt *p = pkt_of(m);
	uint32_t n = frames_of(p);
	judge_hears_left(w, m, reason);
	h->first = p->next;
	h->frames -= n;
	h->bytes -= bytes_of(p);
	w->hold->frames -= n;
	w->hold->giants -= giant(w, m);
	w->held -= n;
	p->next = NULL;
	p->flags &= (uint16_t)~PKT_HELD;
	if (reason)
		pkt_drop(p, reason);
	if (p->flags & PKT_AWAY) // else with its burst
		tx_one(w, m);
}

void hold_release(struct worker *w, struct flow *f, uint64_t line)
{
	struct held *h = held_of(w, f);
	while (h && h->first && (line == UINT64_MAX || pkt_of(h->first)->end <= line))
		let_go(w, h, REASON_NONE);
	if (h && !h->first)
		held_free(w, h);
}

void hold_drop(struct worker *w, struct flow *f, uint16_t reason)
{
	struct held *h = held_of(w, f);
	if (!h)
		return;
	while (h->first)
		let_go(w, h, reason);
	held_free(w, h);
}

// The first frame begins with bytes that may leave, and others wait behind them: those leave by themselves. When the
// frame leaves later, whole, its receiver has them already.
static void piece(struct worker *w, struct held *h)
{
	struct rte_mbuf *m = h->first;
	const struct pkt *p = pkt_of(m);
	if (h->f->key.proto != IPPROTO_TCP || (p->flags & PKT_VIRTUAL) || p->dir != 0)
		return;
	uint64_t line = stream_line(w, h->f, 0), start = p->end - p->inner->wire_len;
	if (line <= start || line >= p->end)
		return;
	struct rte_mbuf *part = answer_piece(w, m, 0, (uint32_t)(line - start));
	if (part)
		tx_own(w, part, h->f->id);
}

void hold_settle(struct worker *w, struct flow *f)
{
	if (likely(!held_of(w, f)))
		return;
	if (f->policy & POLICY_DENIED) {
		hold_drop(w, f, REASON_POLICY_DENY);
		return;
	}
	if (f->key.proto == IPPROTO_TCP)
		hold_release(w, f, f->policy & POLICY_OPEN ? stream_line(w, f, 0) : UINT64_MAX);
	struct held *h = held_of(w, f);
	if (!h || !(f->flags & FLOW_REFUSED))
		return;
	piece(w, h);
	hold_drop(w, f, inspect_refusal(w, f));
}

// ---- bounds ------------------------------------------------------------------------------------------------------

void hold_exceeded(struct worker *w, struct flow *f)
{
	judge_catch_up(w, f);
	enum hold_mode mode = w->config->fail.hold_exceeded;
	bool held = f->holds;
	if (mode == HOLD_ABSENT && inspect_hurry(w, f)) {
		hold_settle(w, f);
		if ((held && !f->holds) || (f->policy & POLICY_DENIED))
			return;
	}
	if (mode == HOLD_ABSENT && inspect_glimpse(w, f, UINT32_MAX)) { // absent is only what was not seen
		hold_settle(w, f);
		return;
	}
	f->policy |= POLICY_MARKED;
	count(w, COUNTER_HOLD_EXCEEDED);
	if (mode == HOLD_PASS || (mode == HOLD_ABSENT && judge_absent(w, f))) {
		if (f->key.proto == IPPROTO_TCP)
			stream_let_all(w, f, 0);
		hold_release(w, f, UINT64_MAX);
		return;
	}
	f->flags |= FLOW_REFUSED;
	hold_drop(w, f, inspect_refusal(w, f));
}

bool hold_went_on(struct worker *w, struct flow *f)
{
	bool goes = f->key.proto != IPPROTO_TCP || stream_line(w, f, 0) == UINT64_MAX;
	return goes && w->config->fail.hold_exceeded == HOLD_ABSENT && inspect_glimpse(w, f, GLIMPSE_AGAIN);
}

void hold_starved(struct worker *w, struct flow *f)
{
	if (w->config->fail.memory_open) {
		hold_exceeded(w, f);
		return;
	}
	f->policy |= POLICY_MARKED;
	count(w, COUNTER_HOLD_EXCEEDED);
	f->flags |= FLOW_REFUSED;
	hold_drop(w, f, REASON_POLICY_MEMORY);
}

bool hold_frame(struct worker *w, struct flow *f, struct rte_mbuf *m)
{
	struct hold *t = w->hold;
	struct pkt *p = pkt_of(m);
	struct held *h = held_of(w, f);
	uint32_t n = frames_of(p);
	bool room = t->frames + n <= w->config->held && (!giant(w, m) || t->giants < w->config->held / GIANTS);
	if (room && !h)
		h = held_new(w, f);
	if (room && h && h->frames + n <= FLOW_FRAMES && h->bytes + bytes_of(p) <= w->config->hold_bytes) {
		take(w, h, m);
		return true;
	}
	hold_exceeded(w, f);
	if ((f->flags & FLOW_REFUSED) || (f->policy & POLICY_DENIED))
		pkt_drop(p, inspect_refusal(w, f));
	return false;
}

void hold_due(struct worker *w, struct flow *f, uint64_t time_ns)
{
	const struct held *h = held_of(w, f);
	if (h && time_ns - h->since_ns >= w->config->hold_ns)
		hold_exceeded(w, f);
}

// Segments without data until somebody spoke, the server's words until the client's were judged. What waits of the
// server stands in front of all that the client said (its end is 1): it leaves with the first of that.
bool hold_undecided(struct worker *w, struct flow *f, struct rte_mbuf *m)
{
	struct pkt *p = pkt_of(m);
	const struct stream *st = stream_of(w, f);
	bool data = p->inner->wire_len > 0, read = st || (f->flags & FLOW_STREAM_TRIED);
	if (!w->rules || (data && p->dir == 0) || (read && stream_line(w, f, 0)))
		return false;
	if (hold_bars(f, data ? w->rules->server_first : w->rules->handshake)) {
		pkt_drop(p, REASON_POLICY_UNDECIDED);
		return true;
	}
	if (!data || w->rules->server_first != UNDECIDED_HOLD || !st || (f->policy & POLICY_MARKED))
		return false;
	p->end = 1;
	hold_frame(w, f, m);
	return true;
}

bool hold_answers(const struct worker *w, const struct flow *f)
{
	return (f->policy & POLICY_OPEN) && !stream_line(w, f, 0) &&
	       (w->rules->server_first == UNDECIDED_HOLD || hold_bars(f, w->rules->server_first) ||
		hold_bars(f, w->rules->handshake));
}

void hold_follow(struct worker *w, struct flow *f, const struct flow *judged)
{
	if (judged->policy & POLICY_DENIED) {
		f->policy |= POLICY_DENIED;
		judge_stands(w, f, judged->rule);
		hold_drop(w, f, REASON_POLICY_DENY);
		return;
	}
	hold_release(w, f, UINT64_MAX);
}

void hold_back(struct worker *w, struct flow *f, uint32_t by)
{
	const struct held *h = held_of(w, f);
	for (struct rte_mbuf *m = h ? h->first : NULL; m; m = pkt_of(m)->next)
		pkt_of(m)->end += by;
}

bool hold_age(struct worker *w, uint64_t time_ns)
{
	struct hold *t = w->hold;
	uint64_t left = w->held > AGE_WORK ? w->held - AGE_WORK : 0;
	for (unsigned n = 0; t->whole && time_ns - t->held[t->whole].since_ns >= PIECE_NS; n++) {
		struct held *h = &t->held[t->whole];
		if (n == AGE_WORK)
			return true;
		struct flow *f = h->f;
		t->whole = h->newer;
		piece(w, h);
		w->now_ns = time_ns;
		w->packet = NULL;
		inspect_pause(w, f);
		hold_settle(w, f);
	}
	while (t->oldest && time_ns - t->held[t->oldest].since_ns >= w->config->hold_ns) {
		if (left && w->held <= left)
			return true;
		w->now_ns = time_ns;
		w->packet = NULL;
		hold_exceeded(w, t->held[t->oldest].f);
	}
	return false;
}

void hold_end(struct worker *w, struct flow *f)
{
	hold_settle(w, f);
	if (likely(!held_of(w, f)))
		return;
	if (f->key.proto == IPPROTO_TCP && ((f->side[0].flags | f->side[1].flags) & SIDE_RST))
		hold_drop(w, f, REASON_STREAM_UNJUDGED);
	else if (judge_absent(w, f))
		hold_release(w, f, UINT64_MAX);
	else
		hold_drop(w, f, REASON_POLICY_DENY);
}
