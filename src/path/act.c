// SPDX-License-Identifier: BSD-3-Clause
//
// What a verdict does. In comes a burst whose flows have been judged; packets of denied flows get the reason
// POLICY_DENY, and the ends are told (act_answer.c); all others pass. Worker's thread. Where there is no policy nothing
// is looked at.
//
// A flow is denied while inspect reads one packet of it, but the same burst may have earlier ones, which leave: so what
// was denied is noted with its packet (act_deny) and taken up here, in the order of the walk. The result does not
// depend on how packets fell into bursts: of a flow that is denied nothing more is read, and one that is ending is
// acted on up to its next data before that is read (act_so_far). Flow's room alone has seen the whole burst.
//
// HTTP: when request k of a connection is denied, the responses to those before it are still on their way. The flow is
// *ending* until they have passed whole, then comes the page. Where their end cannot be known (a body up to the
// connection's end, a gap) both ends are reset at once.
//
//   client   GET 1 | GET 2 | GET 3 (denied) ...   nothing from GET 3 on leaves
//   server           200 for 1 | 200 for 2 | page, FIN
#include "act_in.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "app/app.h"
#include "base/be.h"
#include "base/eal.h"
#include "egress.h"
#include "hold.h"
#include "mirror.h"
#include "rooms.h"
#include "settle.h"
#include "stream_pool.h"

int act_init(struct worker *w)
{
	w->act = mem_take(sizeof(*w->act));
	if (!w->act)
		return -ENOMEM;
	if (w->config->policy_acts && !(w->act->acting = mem_take(w->config->flows * sizeof(struct acting))))
		return -ENOMEM;
	return mirror_init(w);
}

void act_fini(struct worker *w)
{
	if (!w->act)
		return;
	mirror_fini(w);
	mem_give(w->act->acting, w->config->flows * sizeof(struct acting));
	mem_give(w->act, sizeof(*w->act));
	w->act = NULL;
}

void act_drain(struct worker *w)
{
	mirror_drain(w);
	if (!w->rules)
		return;
	memset(w->act->said, 0, sizeof(w->act->said));
	w->act->ndenials = 0;
}

// ---- what inspect says ----------------------------------------------------------------------------------------------

static void take_query(const struct act *a, struct denial *d)
{
	d->query_len = (uint16_t)RTE_MIN(a->query_len, (uint32_t)ACT_QUERY_MAX);
	memcpy(d->query, a->query, d->query_len);
}

void act_query(struct worker *w, const uint8_t *p, uint32_t len)
{
	if (likely(!w->rules))
		return;
	struct act *a = w->act;
	a->query = p;
	a->query_len = len;
	for (unsigned i = 0; p && i < a->ndenials; i++) // denied before it was read
		if (a->denial[i].m == w->packet && !a->denial[i].query_len)
			take_query(a, &a->denial[i]);
}

// Denied is a request: the page comes when the responses before it have passed.
static uint8_t page_or_reset(struct worker *w, struct denial *d)
{
	const struct act *a = w->act;
	if (!a->query || http_rest(stream_app_state(w, d->f)) == HTTP_REST_UNKNOWN)
		return RESPONSE_RESET;
	d->head = a->query_len >= 5 && !memcmp(a->query, "HEAD ", 5);
	d->f->policy = (uint8_t)((d->f->policy & ~POLICY_DENIED) | POLICY_ENDING);
	return RESPONSE_PAGE;
}

static void denial_fill(struct worker *w, struct denial *d, struct flow *f, struct rte_mbuf *m, unsigned dir,
			uint32_t tx_id)
{
	d->f = f;
	d->m = m;
	d->tx_id = tx_id;
	d->rule = f->rule;
	d->dir = (uint8_t)dir;
	d->head = d->reached = false;
	d->query_len = 0;
	d->response = act_response(w->rules, f, f->rule, dir);
}

// Denied because time went by: what is held is what there is to answer.
static void deny_held(struct worker *w, struct flow *f, uint32_t tx_id)
{
	struct rte_mbuf *m = hold_first(w, f);
	uint64_t now_ns = w->now_ns, frame = w->frame, order = w->order;
	struct denial d;
	if (!m) {
		count(w, COUNTER_UNANSWERED);
		return;
	}
	denial_fill(w, &d, f, m, 0, tx_id);
	if (d.response == RESPONSE_PAGE)
		d.response = RESPONSE_RESET;
	act_answer(w, &d);
	f->policy |= POLICY_SAID;
	w->now_ns = now_ns;
	w->frame = frame;
	w->order = order;
}

void act_deny(struct worker *w, struct flow *f, struct rte_mbuf *m, unsigned dir, uint32_t tx_id)
{
	struct act *a = w->act;
	if (unlikely(w->settle != NULL))
		settle_again(w, f);
	if (f->policy & POLICY_ENDING) { // a request behind the one that is answered
		f->policy &= (uint8_t)~POLICY_DENIED;
		return;
	}
	if (!m) {
		deny_held(w, f, tx_id);
		return;
	}
	if (m != w->packet || pkt_of(m)->flow != f || a->ndenials == BURST_SIZE) {
		count(w, COUNTER_UNANSWERED);
		return;
	}
	struct denial *d = &a->denial[a->ndenials++];
	denial_fill(w, d, f, m, dir, tx_id);
	if (d->response == RESPONSE_PAGE)
		d->response = page_or_reset(w, d);
	if (a->query && f->app == APP_DNS)
		take_query(a, d);
}

// ---- HTTP: until earlier responses have passed ----------------------------------------------------------------------

static void end_now(struct flow *f)
{
	f->policy = (uint8_t)((f->policy & ~POLICY_ENDING) | POLICY_DENIED | POLICY_SAID);
}

// The number in the server's direction behind the last response that passes. False: not known.
static bool boundary(struct worker *w, struct flow *f, unsigned server, uint32_t *seq)
{
	const struct stream *st = stream_of(w, f);
	if (!st || !(st->side[server].flags & (STREAM_BASED | STREAM_ASKED)))
		return false;
	*seq = st->side[server].base_seq + (uint32_t)st->side[server].parsed;
	return true;
}

// Nothing of a direction leaves from this number on; what stands before it in the same segment does.
static void cut(struct worker *w, struct rte_mbuf *m, uint32_t seq)
{
	struct pkt *p = pkt_of(m);
	const struct layer *l = p->inner;
	if (l->payload > m->data_len || (p->reason && p->reason != REASON_POLICY_DENY))
		return;
	uint32_t from = be32(pkt_data(m) + l->l4 + 4), end = from + l->wire_len + (l->tcp_flags & 1);
	if ((int32_t)(end - seq) <= 0)
		return;
	pkt_drop(p, REASON_POLICY_DENY);
	if ((int32_t)(from - seq) >= 0)
		return;
	struct rte_mbuf *piece = answer_piece(w, m, 0, seq - from);
	if (!piece)
		return;
	tx_own(w, piece, p->flow->id);
	act_left_at(w, p->flow, p->dir, seq);
}

// There is no place for a page.
static void give_up(struct worker *w, struct rte_mbuf *m, struct denial *d)
{
	struct pkt *p = pkt_of(m);
	end_now(p->flow);
	pkt_drop(p, REASON_POLICY_DENY);
	d->f = p->flow;
	d->m = m;
	act_reset(w, d);
}

static void ending(struct worker *w, struct rte_mbuf *m, struct pkt *p)
{
	struct flow *f = p->flow;
	struct denial d;
	uint32_t seq, left;
	worker_at(w, p);
	if (!act_ending(w, m, &d) || !stream_of(w, f) || http_rest(stream_app_state(w, f)) == HTTP_REST_UNKNOWN ||
	    !boundary(w, f, !d.dir, &seq)) {
		give_up(w, m, &d);
		return;
	}
	if (http_rest(stream_app_state(w, f)) == HTTP_REST_SOME)
		return;
	if (p->dir != d.dir) {
		cut(w, m, seq);
		if (!p->reason)
			act_left(w, m);
	}
	const struct flow_side *server = &f->side[!d.dir];
	if (act_left_to(w, f, !d.dir, &left)) {
		// more has left than was asked for (a response to nothing), or the server's FIN
		bool beyond = (int32_t)(left - seq) > 0 || ((server->flags & SIDE_FIN) && left == server->next);
		if (beyond)
			give_up(w, m, &d);
		if (left != seq || beyond)
			return;
	}
	end_now(f);
	act_answer(w, &d);
}

// ---- a packet -------------------------------------------------------------------------------------------------------

// The denial of this very packet, else that of its flow.
static struct denial *denial_of(struct act *a, const struct rte_mbuf *m, const struct flow *f)
{
	struct denial *found = NULL;
	for (unsigned i = 0; i < a->ndenials; i++) {
		struct denial *d = &a->denial[i];
		if (d->m == m)
			return d;
		if (!found && d->f == f)
			found = d;
	}
	return found;
}

static inline bool leaves(const struct pkt *p)
{
	return !p->reason && !(p->flags & PKT_HELD);
}

// The packet at which its flow, or its query, was denied.
static void denied_here(struct worker *w, struct rte_mbuf *m, struct pkt *p, struct denial *d)
{
	uint32_t line;
	d->reached = true;
	if (p->flow->key.proto == IPPROTO_TCP && p->dir == d->dir && !(p->flags & PKT_HELD) &&
	    act_left_to(w, p->flow, p->dir, &line))
		cut(w, m, line); // of pipelined requests those before it leave
	if (p->flow->policy & POLICY_ENDING) {
		act_ending_begins(w, d);
		return;
	}
	if (p->flow->policy & POLICY_DENIED)
		pkt_drop(p, REASON_POLICY_DENY);
	if (p->flow->key.proto == IPPROTO_UDP) // known what it is only now, where its addresses were denied
		d->response = act_response(w->rules, p->flow, d->rule, d->dir);
	act_answer(w, d);
	p->flow->policy |= POLICY_SAID;
}

// The first packet of a flow that was denied while none was at hand, or since what was said is forgotten. What would
// have to stand in the place of a request or a hello comes too late.
static void denied_since(struct worker *w, struct rte_mbuf *m, struct pkt *p)
{
	struct flow *f = p->flow;
	struct denial d;
	denial_fill(w, &d, f, m, p->dir, f->tx_count ? f->tx_count - 1u : 0);
	if (f->key.proto == IPPROTO_TCP && d.response != RESPONSE_DROP && d.response != RESPONSE_UNREACHABLE)
		d.response = RESPONSE_RESET;
	if (f->key.proto == IPPROTO_UDP && f->app == APP_DNS &&
	    p->inner->payload + p->inner->payload_len <= m->data_len) {
		d.query_len = (uint16_t)RTE_MIN((uint32_t)p->inner->payload_len, (uint32_t)ACT_QUERY_MAX);
		memcpy(d.query, pkt_data(m) + p->inner->payload, d.query_len);
	}
	act_answer(w, &d);
	f->policy |= POLICY_SAID;
}

static void policed(struct worker *w, struct rte_mbuf *m, struct pkt *p)
{
	struct act *a = w->act;
	struct flow *f = p->flow;
	if (unlikely((f->policy & POLICY_DENIED) && f->rule == RULE_DEFAULT && w->egress && egress_spares(w, m)))
		return;
	struct denial *d = a->ndenials ? denial_of(a, m, f) : NULL;
	bool here = d && d->m == m, before = d && !here && !d->reached;
	if (here)
		denied_here(w, m, p, d);
	if (!before && (f->policy & POLICY_ENDING)) {
		ending(w, m, p);
	} else if (!before && !here && (f->policy & POLICY_DENIED)) {
		if (p->reason == REASON_FLOW_TCP_BAD_ACK) // it acknowledges our answer
			p->reason = REASON_POLICY_DENY;
		pkt_drop(p, REASON_POLICY_DENY);
		if (p->reason != REASON_POLICY_DENY || (p->flags & PKT_HELD))
			return;
		if (!(f->policy & POLICY_SAID) || !act_answer_again(w, m))
			denied_since(w, m, p);
		return;
	}
	if (leaves(p) && (f->policy & POLICY_ACTS))
		act_on(w, m);
	if (leaves(p) && f->key.proto == IPPROTO_TCP && (f->policy & (POLICY_OPEN | POLICY_ENDING)))
		act_left(w, m);
}

static void act_until(struct worker *w, struct burst *b, unsigned n)
{
	struct act *a = w->act;
	for (unsigned i = a->done; i < n; i++) {
		struct pkt *p = pkt_of(b->m[i]);
		const struct flow *f = p->flow;
		if (f && (a->ndenials || (f->policy & (POLICY_OPEN | POLICY_DENIED | POLICY_ENDING | POLICY_ACTS))))
			policed(w, b->m[i], p);
		if (unlikely(w->mirrors) && f)
			mirror_packet(w, b->m[i]);
	}
	a->done = n;
}

void act_so_far(struct worker *w, struct burst *b, unsigned n)
{
	for (uint32_t left = b->wanted & ((1u << n) - 1); left; left &= left - 1) {
		struct rte_mbuf *m = b->m[__builtin_ctz(left)];
		inspect_packet(w, m);
		pkt_of(m)->flags &= (uint16_t)~PKT_HAS_DATA;
	}
	b->wanted &= ~((1u << n) - 1);
	act_until(w, b, n);
}

void act_burst(struct worker *w, struct burst *b)
{
	if (likely(!w->rules))
		return;
	struct act *a = w->act;
	act_until(w, b, b->n);
	if (unlikely(w->mirrors))
		mirror_burst_end(w);
	a->ndenials = a->done = 0;
	w->packet = NULL;
}
