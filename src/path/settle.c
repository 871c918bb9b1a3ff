// SPDX-License-Identifier: BSD-3-Clause
//
// When a flow is settled, and what becomes of it then. In come packets at the end of their walk; out go questions to
// the fast path's helper thread, one for each direction of a flow, and back come the frames that it let pass or
// dropped, which go into the flow's counters: no byte is lost to accounting. Worker's thread; never waits: where the
// ring is full, the next packet asks again.
//
// Settled is a direction of a flow of which no rule in force could say anything else, whatever it still carries: what
// comes this way is read by nobody (TLS behind the ServerHello, QUIC's short headers when the hello of its one
// connection was judged, what is no protocol's), nothing is held, limited or mirrored, and it is allowed; or it is
// denied for good, and that was said. HTTP/1 and DNS are never: each request is looked at. Where rules ask for payload,
// a direction goes when its own depth was searched; what is found in the other takes the entry back, as does a second
// connection of QUIC. What opens or ends a flow comes up all the same (bpf/fastpath.bpf.c).
//
// Of routes that are not symmetric one side comes by. Nobody here sees its bytes acknowledged, so what was read of it
// could be sent again as something else: it is kept, and what lies below it comes up and is compared, until more bytes
// than any window has went by. Rejected: to move that line with the numbers that go by, since one forged segment, far
// ahead, would move it too.
//
// A client whose words are nobody's may yet say a hello, for its first 64 segments (inspect.c): under rules for names
// its direction stays that long, but what the server sends goes, as long as no byte of the client's waits for an ACK.
//
//   state, a byte a flow:   | - | - | unasked 1 | 0 | drops 1 | 0 | asked 1 | 0 |
//
// An entry is taken back twice: at once, by a store into its slot, from where its frames come up; and by a question,
// for the slot to be free again. The first does not depend on room in the ring: ten thousand flows that a policy ends
// have ended. Where the slot's number is still on its way (`unasked`) the store follows when it comes.
//
// A flow that ends (evicted, replaced by a SYN, over) does not wait for the count that follows a second later: its
// worker reads the slots itself. A frame that a processor is counting in that very moment is lost to the record; it is
// in the doors.
//
// What TCP is expected to say next is unknown while frames pass without us, and until a segment of that direction came
// up after the entry ended (tcp_unseen): numbers are taken as they come, as of a flow picked up midstream.
#include "settle.h"

#include <netinet/in.h>
#include <stdatomic.h>
#include <string.h>

#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "base/eal.h"
#include <fastpath.h>
#include "act_in.h"
#include "app/app.h"
#include "flow_table.h"
#include "flow_tcp.h"
#include "hold.h"
#include "judge.h"
#include "stream_pool.h"

#define ASKED 1u
#define DROPS 4u
#define UNASKED 16u
#define UNANSWERED 8            // packets of a denied flow to which nothing is said: nothing will be
#define COUNTS 64               // taken a turn
#define TURNS_MAX 64            // of counts that a flow which ends takes: more than wait in a ring
#define REFUSED_NS 100000000ull // there was no room: for so long nothing is asked for

// What a flow's entries were asked with, beside its key. Frames of the other direction with other tags stay with us.
struct mark {
	uint8_t state, nvlans;
	uint8_t port[2]; // by direction
	uint16_t vlan[2];
	uint32_t since[2];   // packets of the direction when it was last wanted
	uint32_t slot[2];    // number + 1; 0: not told yet
	uint32_t packets[2]; // of the entry, that are in the flow's counters
	uint64_t bytes[2];
};

struct settle {
	struct settle_config config;
	uint64_t not_before_ns;
	uint64_t clock_ns; // as in counts
	struct settle_sums sums;
	_Atomic bool no_more;
	struct mark marks[]; // by flow
};

static size_t bytes_of(uint32_t flows)
{
	return sizeof(struct settle) + flows * sizeof(struct mark);
}

struct settle *settle_new(const struct settle_config *config)
{
	struct settle *s = mem_take(bytes_of(config->flows));
	if (s)
		s->config = *config;
	return s;
}

void settle_free(struct settle *s)
{
	if (s)
		mem_give(s, bytes_of(s->config.flows));
}

void settle_no_more(struct settle *s)
{
	atomic_store_explicit(&s->no_more, true, memory_order_relaxed);
}

void settle_sums(const struct settle *s, struct settle_sums *sums)
{
	*sums = s->sums;
}

static inline struct mark *mark_of(const struct worker *w, const struct flow *f)
{
	return &w->settle->marks[flow_table_number(w->flows, f)];
}

// ---- is it? ------------------------------------------------------------------------------------------------------

// The other side does not come by, and nothing more is wanted of this one.
static bool alone(const struct worker *w, const struct flow *f, unsigned dir)
{
	const uint8_t never = SIDE_FIN | SIDE_RST | SIDE_SIGNED;
	return !(f->flags & (FLOW_REPLIED | FLOW_RST_UNSURE)) && f->pkts[dir] && f->key.proto == IPPROTO_TCP &&
	       f->tcp_state == TCP_ESTABLISHED && !(f->side[dir].flags & never) && !(dir && hold_answers(w, f)) &&
	       ((f->flags & FLOW_PASSED << dir) || stream_stopped(w, f, dir));
}

// Something that comes this way is still read. POLICY_OPEN or not: without a parser no transaction will come.
static bool is_read(const struct worker *w, const struct flow *f, unsigned dir)
{
	if (f->app == APP_QUIC && f->key.proto == IPPROTO_UDP)
		return !quic_settled(w, f);
	return !(f->flags & FLOW_PASSED << dir) && !alone(w, f, dir);
}

// Datagrams of a denied flow are read all the same: each query is answered. Not so when they were nobody's for long.
static bool denied(const struct worker *w, const struct flow *f, unsigned dir)
{
	bool done = (f->flags & FLOW_APP_DONE) || f->app == APP_OTHER ||
		    (f->key.proto == IPPROTO_UDP && !is_read(w, f, dir));
	// of TCP an end believes only what fits what it has: as long as it may be told, what it says comes up
	bool waits = w->config->live && f->key.proto == IPPROTO_TCP;
	bool said = f->policy & POLICY_SAID ? act_answered(w, f, dir) : !waits && f->pkts[0] + f->pkts[1] >= UNANSWERED;
	return (f->policy & (POLICY_DENIED | POLICY_ENDING)) == POLICY_DENIED && done && said && !f->holds;
}

enum settle_no settle_no(const struct worker *w, const struct flow *f, unsigned dir)
{
	if (f->key.outer)
		return SETTLE_NO_OUTER;
	if (denied(w, f, dir))
		return SETTLE_NO_DENIED;
	if (f->policy & (POLICY_DENIED | POLICY_ENDING))
		return SETTLE_NO_ENDING;
	if (w->rules && !(f->policy & POLICY_JUDGED))
		return SETTLE_NO_UNJUDGED;
	if (f->policy & POLICY_ACTS)
		return SETTLE_NO_ACTS;
	if (f->holds)
		return SETTLE_NO_HELD;
	if (is_read(w, f, dir))
		return SETTLE_NO_READ;
	if (f->flags & (FLOW_REFUSED | FLOW_REFUSED << 1))
		return SETTLE_NO_REFUSED;
	if (w->scans && !judge_payload_over(w, f, dir))
		return SETTLE_NO_PAYLOAD;
	bool moves = !f->steady && f->key.proto != IPPROTO_UDP && !alone(w, f, dir);
	return moves ? SETTLE_NO_MOVES : SETTLE_NO_ALLOWED;
}

// What the fast path may do for a direction of the flow; FASTPATH_UP: nothing.
static enum fastpath_verdict verdict_of(const struct worker *w, const struct flow *f, unsigned dir, uint32_t since,
					bool forwards)
{
	if (w->swapping)
		return FASTPATH_UP;
	enum settle_no no = settle_no(w, f, dir);
	if (no == SETTLE_NO_DENIED)
		return FASTPATH_DROP;
	return no == SETTLE_NO_ALLOWED && forwards && f->pkts[dir] - since >= w->settle->config.least ? FASTPATH_FORWARD
												      : FASTPATH_UP;
}

// ---- asking ------------------------------------------------------------------------------------------------------

static bool may_have_key(const struct pkt *p)
{
	const struct layer *l = p->inner;
	return p->nlayers == 1 && p->nvlans <= 2 && !(l->flags & LAYER_FRAGMENT) &&
	       !(p->flags & (PKT_OWN | PKT_VIRTUAL | PKT_TRANSPORT)) &&
	       (l->proto == IPPROTO_TCP || l->proto == IPPROTO_UDP);
}

static void key_of(const struct settle *s, const struct flow *f, const struct mark *mark, unsigned dir,
		   struct fastpath_key *k)
{
	bool from_a = dir == !!(f->flags & FLOW_SWAPPED);
	unsigned n = f->key.version == 4 ? 4 : 16;
	*k = (struct fastpath_key){.sport_be = from_a ? f->key.aport_be : f->key.bport_be,
				   .dport_be = from_a ? f->key.bport_be : f->key.aport_be,
				   .port = (uint16_t)s->config.link[mark->port[dir]],
				   .version = f->key.version,
				   .proto = f->key.proto};
	memcpy(k->src, from_a ? f->key.a : f->key.b, n);
	memcpy(k->dst, from_a ? f->key.b : f->key.a, n);
	for (unsigned i = 0; i < mark->nvlans; i++)
		k->vlan[i] = FASTPATH_TAGGED | mark->vlan[i];
}

// False: entries of the flow have other tags.
static bool mark_tags(struct mark *mark, const struct pkt *p)
{
	uint16_t vlan[2] = {0};
	for (unsigned i = 0; i < p->nvlans; i++)
		vlan[i] = p->vlan[i] & 0x0fff;
	if (mark->state & (ASKED | ASKED << 1))
		return mark->nvlans == p->nvlans && !memcmp(mark->vlan, vlan, sizeof(vlan));
	mark->nvlans = p->nvlans;
	memcpy(mark->vlan, vlan, sizeof(vlan));
	return true;
}

// Who sends too much for the way out has to be told, which XDP does not.
static bool crosses(const struct worker *w, unsigned port)
{
	const _Atomic bool *up = w->settle->config.across[port];
	return up && atomic_load_explicit(up, memory_order_relaxed) &&
	       !(w->egress && atomic_load_explicit(&w->egress->lane[port].narrow, memory_order_relaxed));
}

static bool ask(struct settle *s, const struct fastpath_op *op)
{
	return rte_ring_sp_enqueue_elem(s->config.ops, (void *)(uintptr_t)op, sizeof(*op)) == 0;
}

static void take_back(struct worker *w, const struct flow *f, struct mark *mark, unsigned dir)
{
	struct settle *s = w->settle;
	struct fastpath_op op = {.ask = FASTPATH_DEL, .dir = (uint8_t)dir, .flow = f->id};
	struct fastpath_slot *slot = mark->slot[dir] ? &s->config.slots[mark->slot[dir] - 1] : NULL;
	if (slot ? slot->verdict == FASTPATH_UP : !!(mark->state & UNASKED << dir)) // it was before
		return;
	mark->since[dir] = f->pkts[dir];
	if (slot)
		fastpath_slot_up(slot, f->id);
	else
		mark->state |= (uint8_t)(UNASKED << dir);
	op.hint = flow_table_number(w->flows, f) + 1;
	key_of(s, f, mark, dir, &op.key);
	ask(s, &op); // full: it ages, since no frame meets it any more
}

void settle_again(struct worker *w, struct flow *f)
{
	struct mark *mark = mark_of(w, f);
	for (unsigned dir = 0; dir < 2; dir++) {
		enum settle_no as = mark->state & DROPS << dir ? SETTLE_NO_DENIED : SETTLE_NO_ALLOWED;
		if ((mark->state & ASKED << dir) && settle_no(w, f, dir) != as)
			take_back(w, f, mark, dir);
	}
}

// What comes up all the same (fastpath.h). Where nobody sees an ACK, what was read is kept, and whatever may be sent
// again in its place is compared.
static uint32_t care_of(const struct worker *w, const struct flow *f, unsigned dir)
{
	if (f->key.proto == IPPROTO_UDP)
		return f->app == APP_QUIC;
	return alone(w, f, dir) ? stream_stopped(w, f, dir) : 0;
}

void settle_packet(struct worker *w, struct rte_mbuf *m)
{
	struct settle *s = w->settle;
	const struct pkt *p = pkt_of(m);
	struct flow *f = p->flow;
	struct fastpath_op op = {.ask = FASTPATH_ADD};
	if (!f || f->key.outer || s->config.link[p->port] < 0)
		return;
	struct mark *mark = mark_of(w, f);
	if (f->key.proto == IPPROTO_TCP && !(f->flags & (FLOW_APP_DONE | FLOW_PASSED << !p->dir)))
		mark->since[!p->dir] = f->pkts[!p->dir]; // it says what waits for the other side's ACK
	if (mark->state & (ASKED | ASKED << 1)) // what came up all the same may begin something: another connection
		settle_again(w, f);
	if ((mark->state & ASKED << p->dir) || w->now_ns < s->not_before_ns ||
	    atomic_load_explicit(&s->no_more, memory_order_relaxed))
		return;
	op.verdict = (uint8_t)verdict_of(w, f, p->dir, mark->since[p->dir], crosses(w, p->port));
	if (op.verdict == FASTPATH_UP || !may_have_key(p) || !mark_tags(mark, p))
		return;
	mark->port[p->dir] = p->port;
	key_of(s, f, mark, p->dir, &op.key);
	op.care = care_of(w, f, p->dir);
	op.dir = p->dir;
	op.hint = flow_table_number(w->flows, f) + 1;
	op.flow = f->id;
	if (!ask(s, &op))
		return;
	mark->state |= (uint8_t)((ASKED | (op.verdict == FASTPATH_DROP ? DROPS : 0)) << p->dir);
	if (f->key.proto == IPPROTO_TCP)
		f->tcp_unseen |= (uint8_t)(1 << p->dir) & 3;
	s->sums.asked++;
}

// ---- what was done -----------------------------------------------------------------------------------------------

static void credit(struct settle *s, struct flow *f, struct mark *mark, unsigned dir, uint32_t packets, uint64_t bytes)
{
	bool drops = mark->state & DROPS << dir;
	f->pkts[dir] += packets;
	f->bytes[dir] += bytes;
	mark->packets[dir] += packets;
	mark->bytes[dir] += bytes;
	s->sums.packets += drops ? 0 : packets;
	s->sums.dropped_packets += drops ? packets : 0;
	s->sums.bytes += bytes;
}

static void last_count(struct worker *w, struct flow *f, struct mark *mark, unsigned dir)
{
	uint64_t packets, bytes, last_ns;
	if (!(mark->state & ASKED << dir) || !mark->slot[dir] ||
	    !fastpath_slot_read(&w->settle->config.slots[mark->slot[dir] - 1], f->id, &packets, &bytes, &last_ns))
		return;
	credit(w->settle, f, mark, dir, (uint32_t)packets - mark->packets[dir], bytes - mark->bytes[dir]);
	if (last_ns)
		f->last_ns = RTE_MAX(f->last_ns, last_ns + w->settle->clock_ns);
}

void settle_end(struct worker *w, struct flow *f)
{
	struct mark *mark = mark_of(w, f);
	if (!(mark->state & (ASKED | ASKED << 1))) {
		*mark = (struct mark){0};
		return;
	}
	for (unsigned n = 0; n < TURNS_MAX && settle_take(w); n++)
		;
	for (unsigned dir = 0; dir < 2; dir++)
		if (mark->state & ASKED << dir)
			take_back(w, f, mark, dir);
	for (unsigned dir = 0; dir < 2; dir++)
		last_count(w, f, mark, dir);
	*mark = (struct mark){0};
}

bool settle_goes_by(struct worker *w, struct flow *f, unsigned dir, bool ends)
{
	struct mark *mark = mark_of(w, f);
	for (unsigned d = 0; d < 2 && ends; d++)
		if (mark->state & ASKED << d)
			take_back(w, f, mark, d);
	return mark->state & ASKED << dir;
}

// Of a flow that has ended: its entry may not have been there yet when it did.
static void late(struct settle *s, const struct fastpath_count *c)
{
	struct fastpath_op op = {.ask = FASTPATH_DEL, .flow = c->flow, .hint = c->hint, .dir = c->dir};
	if (c->end != FASTPATH_LIVES)
		return;
	op.key = s->config.slots[c->slot].key;
	fastpath_slot_up(&s->config.slots[c->slot], c->flow);
	ask(s, &op);
}

// So many bytes of one side went by that what was kept of it was taken long since (RFC 7323 2.3).
static __rte_noinline void forget(struct worker *w, struct flow *f)
{
	inspect_end(w, f);
	stream_end(w, f);
	f->flags |= FLOW_APP_DONE | FLOW_PASSED | FLOW_PASSED << 1;
}

static void count_in(struct worker *w, const struct fastpath_count *c)
{
	struct settle *s = w->settle;
	uint32_t n = c->hint - 1;
	if (n >= s->config.flows)
		return;
	struct flow *f = &w->flows->flows[n];
	struct mark *mark = &s->marks[n];
	unsigned dir = c->dir;
	s->sums.ended += c->end != FASTPATH_LIVES;
	if (c->end == FASTPATH_REFUSED) {
		s->sums.refused++;
		s->not_before_ns = w->now_ns + REFUSED_NS;
	}
	if (f->id != c->flow || f->key.version == 0) {
		late(s, c);
		return;
	}
	s->clock_ns = c->clock_ns;
	credit(s, f, mark, dir, (uint32_t)c->packets, c->bytes);
	f->last_ns = RTE_MAX(f->last_ns, c->last_ns);
	mark->slot[dir] = c->slot + 1;
	if (c->end == FASTPATH_LIVES) {
		if (unlikely(mark->bytes[dir] > STREAM_WINDOW_MAX && f->stream && alone(w, f, dir)))
			forget(w, f);
		else if (likely(!(mark->state & UNASKED << dir)))
			return;
		take_back(w, f, mark, dir);
		return;
	}
	mark->state &= (uint8_t) ~((ASKED | DROPS | UNASKED) << dir);
	mark->slot[dir] = mark->packets[dir] = 0;
	mark->bytes[dir] = 0;
}

unsigned settle_take(struct worker *w)
{
	struct fastpath_count c[COUNTS];
	unsigned n = rte_ring_sc_dequeue_burst_elem(w->settle->config.counts, c, sizeof(c[0]), COUNTS, NULL);
	for (unsigned i = 0; i < n; i++)
		count_in(w, &c[i]);
	return n;
}
