// SPDX-License-Identifier: BSD-3-Clause
//
// Copies of frames for rules that mirror. In comes each packet after the verdict did to it what it does; out go, over a
// ring, references to its frames as they came in: of a datagram its fragments, of all else the frame itself, with the
// rules that want it and what the flow stands by. Whether it leaves, waits or is dropped makes no difference. Worker's
// thread.
//
//   packet -> rules true for its flow? -- yes, for the first time --> earlier frames of the flow, oldest first
//          |                           `- yes ---------------------> ring -> the program
//          `-> remembered, where some rule has `before`
//
// A copy is a reference to the mbuf, which nobody changes any more. One that stream is about to change (bytes that
// differ, urgent data) is copied before (mirror_keep), out of the same pools; live, so is one whose way out changes its
// headers (routed, gwlb, a clamped SYN). What must never happen: waiting, live. A
// copy that finds the ring full is lost there, and counted; in replay the worker waits.
//
// What is remembered is the last frames of all flows together, in a ring, linked by flow; no more than config->before
// frames of the walk back, so that what a match finds does not depend on the number of workers. Of its frames only
// one in GIANTS may be longer than ordinary ones are. All of it is taken at start, and only where some policy of this
// start asks for it.
// Rejected: a list and a share for each flow (most flows never match, and many short ones would need all the memory);
// copying out what is remembered (each frame would be copied for the few that are wanted).
#include "mirror.h"

#include <errno.h>
#include <string.h>

#include <rte_common.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "act_in.h"
#include "base/eal.h"
#include "egress.h"
#include "flow_table.h"
#include "judge_in.h"

#define GIANTS 32
static_assert(MIRROR_RULES == ACTING_RULES, "a copy may be for all rules of its flow");

// Places count up from 1 and are never used again; 0: none.
struct remembered {
	struct rte_mbuf *m; // NULL: given up
	uint64_t flow, order;
	uint64_t earlier, later; // places of the same flow
	uint16_t reason;
	uint8_t sent; // bits of the flow's acting rules, for which it was handed over
};

struct last {
	uint64_t flow, place;
};

// A flow stood by `rule` up to the packet of this place.
struct note {
	uint64_t flow, order;
	uint32_t rule;
};
#define NOTES (2 * BURST_SIZE) // a packet changes its own flow, and at most one that followed it

struct mirror {
	uint64_t n; // handed over
	struct note note[NOTES];
	uint64_t nnotes; // of this capture; the last NOTES are there
	struct {
		struct rte_mbuf *m, *copy;
	} kept[BURST_SIZE];
	unsigned nkept;
	bool remembers;          // some rule in force has `before`
	bool any_sent;           // of what is remembered something was handed over
	struct remembered *ring; // NULL: no policy of this start asks for any
	uint64_t mask;
	uint64_t oldest, next; // places
	uint64_t floor;        // what is older is of a capture that is over
	uint32_t giants;
	struct last *last; // by flow
};

// Fragments of before the walk that is looked back over may have been remembered late, with their datagram.
uint32_t mirror_frames(const struct path_config *c)
{
	return c->before + c->fragments + BURST_SIZE;
}

static size_t ring_bytes(const struct path_config *c)
{
	return rte_align32pow2(mirror_frames(c)) * sizeof(struct remembered);
}

uint32_t mirror_giants(const struct path_config *c)
{
	return mirror_frames(c) / GIANTS;
}

int mirror_init(struct worker *w)
{
	const struct path_config *c = w->config;
	if (!c->copies)
		return 0;
	struct mirror *x = w->mirror = mem_take(sizeof(*x));
	if (!x)
		return -ENOMEM;
	x->oldest = x->next = x->floor = 1;
	if (!c->before)
		return 0;
	x->mask = rte_align32pow2(mirror_frames(c)) - 1;
	x->ring = mem_take(ring_bytes(c));
	x->last = mem_take(c->flows * sizeof(*x->last));
	return x->ring && x->last ? 0 : -ENOMEM;
}

void mirror_fini(struct worker *w)
{
	struct mirror *x = w->mirror;
	if (!x)
		return;
	mirror_drain(w);
	mem_give(x->ring, ring_bytes(w->config));
	mem_give(x->last, w->config->flows * sizeof(*x->last));
	mem_give(x, sizeof(*x));
	w->mirror = NULL;
}

// ---- what is remembered -----------------------------------------------------------------------------------------

static struct remembered *at(const struct mirror *x, uint64_t place)
{
	return &x->ring[place & x->mask];
}

static bool giant(const struct worker *w, const struct rte_mbuf *m)
{
	return m->pool == w->giants || m->nb_segs > 1;
}

static void give_up(struct worker *w, struct remembered *r)
{
	if (!r->m)
		return;
	w->mirror->giants -= giant(w, r->m);
	rte_pktmbuf_free(r->m);
	r->m = NULL;
}

void mirror_drain(struct worker *w)
{
	struct mirror *x = w->mirror;
	if (!x)
		return;
	x->nnotes = 0;
	while (x->oldest < x->next)
		give_up(w, at(x, x->oldest++));
	x->floor = x->next;
}

void mirror_use(struct worker *w, bool mirrors, uint32_t before)
{
	struct mirror *x = w->mirror;
	w->mirrors = mirrors && x;
	if (!x || !x->ring)
		return;
	x->remembers = w->mirrors && before;
	if (!x->remembers)
		mirror_drain(w);
	for (uint64_t place = x->oldest; x->any_sent && place < x->next; place++)
		if (at(x, place)->sent) // to the rules of another policy
			give_up(w, at(x, place));
	x->any_sent = false;
}

// Of the flow's last frame; 0: none is known.
static uint64_t last_place(const struct worker *w, const struct flow *f)
{
	const struct last *l = &w->mirror->last[flow_table_number(w->flows, f)];
	return l->flow == f->id && l->place >= w->mirror->floor ? l->place : 0;
}

// What becomes of a frame that was held is known before this room, or after, as bursts fall: it is not said.
static uint16_t fate(const struct pkt *p)
{
	return p->flags & PKT_WAITED ? REASON_NONE : p->reason;
}

static struct rte_mbuf *copy_of(struct worker *w, struct rte_mbuf *m)
{
	struct rte_mbuf *copy = rte_pktmbuf_copy(m, giant(w, m) ? w->giants : w->frames, 0, UINT32_MAX);
	if (copy)
		*pkt_of(copy) = *pkt_of(m);
	else
		count(w, COUNTER_MIRROR_LOST);
	return copy;
}

// One more owner of a frame that stays as it is. NULL: no memory, which is counted.
static struct rte_mbuf *share(struct worker *w, struct rte_mbuf *m)
{
	const struct lane *in = w->egress ? &w->egress->lane[pkt_of(m)->port] : NULL;
	if (in && (in->mode == PATH_ROUTED || in->mode == PATH_GWLB || in->mss))
		return copy_of(w, m);
	rte_pktmbuf_refcnt_update(m, 1);
	return m;
}

static void remember(struct worker *w, struct rte_mbuf *m, const struct pkt *p, uint32_t sent)
{
	struct mirror *x = w->mirror;
	struct flow *f = p->flow;
	if (pkt_of(m)->flags & PKT_VIRTUAL) {
		for (struct rte_mbuf *frame = pkt_of(m)->fragments; frame; frame = pkt_of(frame)->next)
			remember(w, frame, p, sent);
		return;
	}
	uint64_t place = x->next, earlier = last_place(w, f);
	while (place - x->oldest >= mirror_frames(w->config) || (giant(w, m) && x->giants >= mirror_giants(w->config)))
		give_up(w, at(x, x->oldest++));
	if (!(m = share(w, m)))
		return;
	x->giants += giant(w, m);
	*at(x, place) = (struct remembered){
		.m = m, .flow = f->id, .order = p->order, .earlier = earlier, .reason = fate(p), .sent = (uint8_t)sent};
	if (earlier >= x->oldest)
		at(x, earlier)->later = place;
	x->any_sent |= sent != 0;
	x->last[flow_table_number(w->flows, f)] = (struct last){f->id, place};
	x->next++;
}

// ---- handing over -----------------------------------------------------------------------------------------------

static void hand(struct worker *w, struct rte_mbuf *m, struct mirrored *e)
{
	if (pkt_of(m)->flags & PKT_VIRTUAL) {
		for (struct rte_mbuf *frame = pkt_of(m)->fragments; frame; frame = pkt_of(frame)->next)
			hand(w, frame, e);
		return;
	}
	if (!(e->m = share(w, m)))
		return;
	e->n = ++w->mirror->n;
	while (rte_ring_sp_enqueue_elem(w->copies, e, sizeof(*e)) != 0) {
		if (!w->wait) {
			rte_pktmbuf_free(e->m);
			count(w, COUNTER_MIRROR_LOST);
			return;
		}
		w->wait(w);
	}
	count(w, COUNTER_MIRROR_COPIES);
}

// Judging is ahead of this room by a burst, so what was true at a packet is noted where it changes.
void mirror_note(struct worker *w, const struct flow *f)
{
	struct mirror *x = w->mirror;
	const struct note *last = &x->note[(x->nnotes - 1) % NOTES];
	bool noted = x->nnotes && last->flow == f->id && last->order == w->order; // by this packet
	if ((f->policy & POLICY_JUDGED) && !noted)
		x->note[x->nnotes++ % NOTES] = (struct note){f->id, w->order, f->rule};
}

static uint32_t rule_at(const struct mirror *x, const struct flow *f, uint64_t order)
{
	for (uint64_t i = x->nnotes < NOTES ? 0 : x->nnotes - NOTES; i < x->nnotes; i++) {
		const struct note *n = &x->note[i % NOTES];
		if (n->flow == f->id && n->order > order)
			return n->rule;
	}
	return f->rule;
}

// What the flow stood by at the packet in work.
static struct mirrored word_of(const struct worker *w, struct flow *f, const struct acting *g)
{
	struct judge_word word = {.rule = RULE_NONE};
	uint32_t now = f->rule, then = rule_at(w->mirror, f, w->order);
	bool waits = then < JUDGE_KEPT && (then & JUDGE_WAITS);
	f->rule = then;
	judge_word(w, f, &word);
	f->rule = now;
	return (struct mirrored){.order = w->order,
				 .flow = f->id,
				 .tenant = f->key.tenant,
				 .policy = g->version,
				 .decided = word.rule,
				 .decided_policy = word.version,
				 .action = word.action,
				 .flags = waits ? MIRRORED_OPEN : 0};
}

static void for_rules(struct mirrored *e, const struct acting *g, uint32_t which)
{
	e->nrules = 0;
	for (unsigned i = 0; i < ACTING_RULES; i++)
		if (which >> i & 1)
			e->rule[e->nrules++] = g->of[i].rule;
}

static bool same_sink(const struct ruleset *rs, uint32_t a, uint32_t b)
{
	const struct ruleset_deed *x = &rs->deeds[a], *y = &rs->deeds[b];
	return x->sink_len == y->sink_len && !memcmp(rs->bytes + x->sink, rs->bytes + y->sink, x->sink_len);
}

// The rules that want a frame which came `ago` frames before: it was not handed over for their sink yet.
static uint32_t wanted(const struct ruleset *rs, const struct acting *g, uint32_t which, uint32_t ago, uint32_t sent)
{
	uint32_t wants = 0;
	for (unsigned i = 0; i < ACTING_RULES; i++) {
		bool there = rs->deeds[g->of[i].rule].before < ago;
		for (unsigned k = 0; k < ACTING_RULES && !there; k++)
			there = (sent >> k & 1) && same_sink(rs, g->of[i].rule, g->of[k].rule);
		wants |= (uint32_t)((which >> i & 1) && !there) << i;
	}
	return wants;
}

// Rules have become true: what they want of earlier frames.
static void hand_earlier(struct worker *w, struct flow *f, struct acting *g, uint32_t which)
{
	struct mirror *x = w->mirror;
	uint32_t want = 0, n = 0;
	for (unsigned i = 0; i < ACTING_RULES; i++) {
		struct acting_rule *r = &g->of[i];
		if (!(which >> i & 1))
			continue;
		r->begun = true;
		want = RTE_MAX(want, w->rules->deeds[r->rule].before);
	}
	if (!want || !x->remembers || f->key.outer)
		return;
	uint64_t first = 0;
	for (uint64_t place = last_place(w, f); place && n < want; place = at(x, place)->earlier) {
		if (place < x->oldest || at(x, place)->order + w->config->before <= w->order) {
			count(w, COUNTER_MIRROR_SHORT);
			break;
		}
		first = place;
		n++;
	}
	struct mirrored e = word_of(w, f, g);
	e.flags |= MIRRORED_BEFORE;
	for (uint64_t place = first; place; place = at(x, place)->later, n--) {
		struct remembered *r = at(x, place);
		uint32_t wants = r->m ? wanted(w->rules, g, which, n, r->sent) : 0;
		if (!wants)
			continue;
		for_rules(&e, g, wants);
		e.reason = r->reason;
		hand(w, r->m, &e);
		r->sent |= (uint8_t)wants;
		x->any_sent = true;
	}
}

// Mirrors that are true at this place of the walk; fresh: those of them that were not before.
static uint32_t due(const struct acting *g, uint64_t order, uint32_t *fresh)
{
	uint32_t which = 0;
	*fresh = 0;
	for (unsigned i = 0; i < g->n && i < ACTING_RULES; i++) {
		if (g->of[i].action != ACTION_MIRROR || order < g->of[i].since)
			continue;
		which |= 1u << i;
		*fresh |= (uint32_t)!g->of[i].begun << i;
	}
	return which;
}

static uint32_t hand_packet(struct worker *w, struct rte_mbuf *m, const struct pkt *p, struct flow *f)
{
	struct acting *g = f->policy & POLICY_ACTS ? act_acting(w, f) : NULL;
	uint32_t fresh, which = g ? due(g, p->order, &fresh) : 0;
	if (!which)
		return 0;
	worker_at(w, p);
	if (fresh)
		hand_earlier(w, f, g, fresh);
	struct mirrored e = word_of(w, f, g);
	for_rules(&e, g, which);
	e.reason = fate(p);
	e.flags |= p->flags & PKT_WAITED ? MIRRORED_HELD : 0;
	hand(w, m, &e);
	return which;
}

// ---- packets ----------------------------------------------------------------------------------------------------

// As it came in. NULL: there was no memory to keep it.
static struct rte_mbuf *original(const struct mirror *x, struct rte_mbuf *m)
{
	for (unsigned i = 0; i < x->nkept; i++)
		if (x->kept[i].m == m)
			return x->kept[i].copy;
	return m;
}

void mirror_keep(struct worker *w, struct rte_mbuf *m)
{
	struct mirror *x = w->mirror;
	if (x->nkept == BURST_SIZE || original(x, m) != m) // a burst has no more packets; it is kept
		return;
	x->kept[x->nkept].m = m;
	x->kept[x->nkept++].copy = copy_of(w, m);
}

void mirror_packet(struct worker *w, struct rte_mbuf *m)
{
	const struct pkt *p = pkt_of(m);
	struct rte_mbuf *came = original(w->mirror, m);
	uint32_t sent = came ? hand_packet(w, came, p, p->flow) : 0;
	if (came && w->mirror->remembers)
		remember(w, came, p, sent);
}

// The frame is on its way to stream, which may change it; fragments nobody changes.
void mirror_layer(struct worker *w, struct rte_mbuf *m, struct flow *f)
{
	uint32_t fresh;
	const struct acting *g = f->policy & POLICY_ACTS ? act_acting(w, f) : NULL;
	if (!g || !due(g, pkt_of(m)->order, &fresh))
		return;
	struct rte_mbuf *copy = pkt_of(m)->flags & PKT_VIRTUAL ? NULL : copy_of(w, m);
	hand_packet(w, copy ? copy : m, pkt_of(m), f);
	rte_pktmbuf_free(copy);
}

void mirror_burst_end(struct worker *w)
{
	struct mirror *x = w->mirror;
	for (; x->nkept; x->nkept--)
		rte_pktmbuf_free(x->kept[x->nkept - 1].copy);
}

void mirror_flow_end(struct worker *w, struct flow *f)
{
	uint32_t fresh;
	struct acting *g = w->mirrors ? act_acting(w, f) : NULL;
	if (!g)
		return;
	due(g, UINT64_MAX, &fresh);
	if (fresh)
		hand_earlier(w, f, g, fresh);
}
