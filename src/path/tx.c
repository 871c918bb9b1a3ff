// SPDX-License-Identifier: BSD-3-Clause
//
// The last room: every packet leaves here, by tx or by its reason, and is counted exactly once. A datagram put
// together from fragments is not a frame: its fragments leave in its place, with its verdict, all or none.
//
// Live, what is sent goes on to egress.c. Where somebody wants to see the ends (-w, --trace) each is reported on the
// exit ring, and what is sent is handed over with it; otherwise frames are freed here. Worker's thread; the exit ring's
// far end is the program's.
#include "rooms.h"

#include <string.h>

#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "egress.h"
#include "flow.h"
#include "judge.h"
#include "settle.h"

static void report(struct worker *w, const struct exit *e)
{
	while (rte_ring_sp_enqueue_elem(w->exits, (void *)(uintptr_t)e, sizeof(*e)) != 0)
		w->wait(w);
}

uint32_t tx_rule(const struct worker *w, const struct pkt *p, uint32_t *version)
{
	if (p->reason < REASON_POLICY_DENY || p->reason > REASON_LIMIT_EXCEEDED)
		return RULE_NONE;
	uint32_t rule = judge_rule(w, p->flow, version);
	if (p->reason == REASON_POLICY_UNDECIDED) // no rule has decided yet
		return p->inner && !p->inner->wire_len ? RULE_HANDSHAKE : p->dir ? RULE_SERVER_FIRST : RULE_PRELUDE;
	return p->reason == REASON_LIMIT_EXCEEDED || !p->flow ? p->rule : rule;
}

// What does not leave is counted, not freed.
static void dropped(struct worker *w, struct rte_mbuf *m, uint16_t reason)
{
	if (unlikely(w->settle != NULL) && reason == REASON_POLICY_DENY)
		settle_packet(w, m);
	worker_drops(w, m, reason);
}

// A frame of the burst, which nobody watches.
static void refuse(struct worker *w, struct rte_mbuf *m, const struct pkt *p)
{
	w->order = p->order;
	drop_say(w, m, 1, false);
	dropped(w, m, p->reason);
}

static void account(struct worker *w, struct rte_mbuf *m, uint16_t reason)
{
	struct pkt *p = pkt_of(m);
	struct exit e = {.order = p->order,
			 .left = w->order,
			 .frame = p->frame,
			 .door = reason ? DOOR_DROP : DOOR_TX,
			 .reason = reason,
			 .rule = RULE_NONE};
	if (unlikely(w->settle != NULL) && !reason)
		settle_packet(w, m);
	if (!reason && w->egress) {
		if (!egress_wait(w, m))
			egress_leave(w, m);
		return;
	}
	if (reason) {
		dropped(w, m, reason);
	} else {
		w->tx++;
		w->tx_bytes += rte_pktmbuf_pkt_len(m);
	}
	if (!w->exits) {
		rte_pktmbuf_free(m);
		return;
	}
	e.flow = p->flow ? p->flow->id : 0;
	if (reason)
		e.rule = tx_rule(w, p, &e.policy);
	if (reason)
		rte_pktmbuf_free(m);
	else
		e.m = m;
	report(w, &e);
}

static void let_go(struct worker *w, struct rte_mbuf *m)
{
	struct pkt *p = pkt_of(m);
	if (likely(!(p->flags & PKT_VIRTUAL))) {
		account(w, m, p->reason);
		return;
	}
	uint16_t reason = p->reason;
	for (struct rte_mbuf *f = p->fragments, *next; f; f = next) {
		next = pkt_of(f)->next;
		pkt_of(f)->flow = p->flow;
		pkt_of(f)->dir = p->dir;
		// a fragment of a fragmented tunnel packet may itself stand for fragments
		if (reason) {
			pkt_of(f)->rule = p->rule;
			pkt_drop(pkt_of(f), reason);
		}
		let_go(w, f);
	}
	rte_pktmbuf_free(m);
}

static void end(struct worker *w, struct rte_mbuf *m, bool was_held)
{
	const struct pkt *p = pkt_of(m);
	if (p->reason)
		drop_say(w, m, p->flags & PKT_VIRTUAL ? p->nfragments : 1, was_held);
	let_go(w, m);
}

void tx_one(struct worker *w, struct rte_mbuf *m)
{
	end(w, m, true);
}

void tx_own(struct worker *w, struct rte_mbuf *m, uint64_t flow_id)
{
	struct pkt *p = pkt_of(m);
	if (w->egress && w->egress->lane[p->port].mode == PATH_MIRROR) { // who only listens does not answer
		rte_pktmbuf_free(m);
		return;
	}
	if (w->own_order != p->order)
		w->own_n = 0;
	w->own_order = p->order;
	struct exit e = {.order = p->order, .frame = flow_id, .m = m, .door = DOOR_TX, .own = ++w->own_n};
	w->own++;
	if (w->egress) {
		account(w, m, REASON_NONE);
		return;
	}
	w->tx++;
	w->tx_bytes += rte_pktmbuf_pkt_len(m);
	if (w->exits)
		report(w, &e);
	else
		rte_pktmbuf_free(m);
}

// What is freed without a look: no datagram of fragments, not held; one segment of its own, that nobody else points to.
// Then it goes back to its pool as it is.
static inline bool plain(struct rte_mbuf *m, const struct rte_mempool *pool)
{
	const struct pkt *p = pkt_of(m);
	uint32_t owners;
	memcpy(&owners, (const uint8_t *)m + offsetof(struct rte_mbuf, refcnt), 4); // and segments
	return !(p->flags & (PKT_VIRTUAL | PKT_HELD)) && owners == 0x10001 && !m->next && RTE_MBUF_DIRECT(m) &&
	       m->pool == pool;
}
static_assert(offsetof(struct rte_mbuf, nb_segs) == offsetof(struct rte_mbuf, refcnt) + 2, "read as a word");

static void leave(struct worker *w, struct rte_mbuf *m)
{
	struct pkt *p = pkt_of(m);
	if (p->flags & PKT_HELD) { // hold.c's from here on
		p->flags |= PKT_AWAY;
		return;
	}
	if (unlikely(p->reason) && !w->exits && plain(m, m->pool)) { // a flood's
		refuse(w, m, p);
		rte_mbuf_raw_free(m);
		return;
	}
	w->order = p->order;
	end(w, m, false);
}

// Live: what left out of the walk's midst takes its place among the burst's frames.
static void leave_live(struct worker *w, struct burst *b)
{
	struct egress *e = w->egress;
	bool walking = e->walking;
	egress_walked(w, false);
	for (unsigned i = 0; i < b->n; i++) {
		uint64_t order = pkt_of(b->m[i])->order; // the frame may be gone after leave
		if (unlikely(e->nlate))
			egress_before(w, order);
		leave(w, b->m[i]);
		if (unlikely(e->nlate))
			egress_behind(w, order);
	}
	egress_walked(w, true);
	e->walking = walking;
	b->n = 0;
}

// Where nobody watches, frames go back to their pool together, as rte_pktmbuf_free_bulk would do it, which is a
// call a burst and 40 instructions a frame because it expects any chain of segments. The sums are written once a burst.
void tx_burst(struct worker *w, struct burst *b)
{
	uint64_t bytes = 0;
	unsigned sent = 0, back = 0, n = b->n;
	if (unlikely(n == 0))
		return;
	if (w->egress) {
		leave_live(w, b);
		return;
	}
	struct rte_mempool *pool = w->exits ? NULL : b->m[0]->pool;
	for (unsigned i = 0; i < n; i++) {
		struct rte_mbuf *m = b->m[i];
		if (unlikely(!plain(m, pool))) {
			leave(w, m);
			continue;
		}
		b->m[back++] = m;
		if (unlikely(pkt_of(m)->reason)) {
			refuse(w, m, pkt_of(m));
			continue;
		}
		bytes += rte_pktmbuf_pkt_len(m);
		sent++;
	}
	w->tx += sent;
	w->tx_bytes += bytes;
	if (likely(back))
		rte_mempool_put_bulk(pool, (void **)b->m, back);
	b->n = 0;
}
