// SPDX-License-Identifier: BSD-3-Clause
//
// The fast path, played for a replay. In come bursts; frames whose direction the worker has called settled (settle.c)
// leave at once, by tx or POLICY_DENY, and only their flow's counters hear of it. All others walk the corridor, one at
// a time, so that the verdict on a frame holds for the next: sooner than any machine could do it. What must come up
// comes up, as in bpf/fastpath.bpf.c: SYN, FIN, RST, long headers, what is encapsulated, fragments.
//
// So a replay with it and one without have to say the same (tests/replay/settled_test.py), and its sum is the share of
// a capture that a policy lets settle. The main thread; one worker.
//
// Frames are found by the same key as there, in a table with chains. Rejected: the program itself by BPF_PROG_TEST_RUN
// (root, and a system call a frame).
#include "replay_fast.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "base/be.h"
#include <fastpath.h>
#include "path/flow_table.h"
#include "path/judge.h"
#include "path/path.h"
#include "path/settle.h"

#define RING 256 // a packet asks for few entries, counts are taken one by one
#define HEADS 65536

struct entry {
	struct fastpath_op op;
	uint32_t next; // number + 1
	bool lives;
};

struct replay_fast {
	struct worker *w;
	struct rte_ring *ops, *counts;
	struct fastpath_slot *slots; // of each entry
	uint64_t secret[FASTPATH_SECRET_WORDS];
	uint32_t head[HEADS]; // number + 1
	struct entry entry[]; // by flow and direction
};

static _Atomic bool always = true;

static void end_of(struct replay_fast *x)
{
	rte_ring_free(x->ops);
	rte_ring_free(x->counts);
	free(x->slots);
	free(x);
}

struct replay_fast *replay_fast_new(struct worker *w, uint32_t least)
{
	struct replay_fast *x = calloc(1, sizeof(*x) + 2ul * w->config->flows * sizeof(struct entry));
	if (!x)
		return NULL;
	x->w = w;
	for (unsigned i = 0; i < FASTPATH_SECRET_WORDS; i++)
		x->secret[i] = (w->config->seed + i + 1) * 0x9e3779b97f4a7c15;
	x->ops = rte_ring_create_elem("fast_ops", sizeof(struct fastpath_op), RING, SOCKET_ID_ANY, 0);
	x->counts = rte_ring_create_elem("fast_counts", sizeof(struct fastpath_count), RING, SOCKET_ID_ANY, 0);
	x->slots = calloc(2ul * w->config->flows, sizeof(*x->slots));
	struct settle_config c = {.ops = x->ops,
				  .counts = x->counts,
				  .slots = x->slots,
				  .across = {&always},
				  .flows = w->config->flows,
				  .least = least};
	if (x->ops && x->counts && x->slots && (w->settle = settle_new(&c)))
		return x;
	end_of(x);
	return NULL;
}

void replay_fast_free(struct replay_fast *x)
{
	if (!x)
		return;
	settle_free(x->w->settle);
	x->w->settle = NULL;
	end_of(x);
}

void replay_fast_sums(const struct replay_fast *x, uint64_t *frames, uint64_t *dropped)
{
	struct settle_sums s;
	settle_sums(x->w->settle, &s);
	*frames = s.packets + s.dropped_packets;
	*dropped = s.dropped_packets;
}

static uint32_t *head_of(struct replay_fast *x, const struct fastpath_key *k)
{
	return &x->head[fastpath_hash(k, x->secret) >> 48 & (HEADS - 1)];
}

// ---- a frame -------------------------------------------------------------------------------------------------------

// False: it always comes up.
static bool key_of(struct rte_mbuf *m, struct fastpath_key *k, uint32_t *says)
{
	const struct pkt *p = pkt_of(m);
	const struct layer *l = p->inner;
	const uint8_t *frame = pkt_data(m);
	if (p->reason || p->nlayers != 1 || p->nvlans > 2 || (l->flags & LAYER_FRAGMENT) ||
	    (p->flags & (PKT_VIRTUAL | PKT_TRANSPORT)) || (l->proto != IPPROTO_TCP && l->proto != IPPROTO_UDP) ||
	    (l->proto == IPPROTO_TCP && (l->tcp_flags & 7)))
		return false;
	const uint8_t *l3 = frame + l->l3;
	unsigned n = l->version == 4 ? 4 : 16;
	*k = (struct fastpath_key){.version = l->version, .proto = l->proto};
	memcpy(k->src, l3 + (n == 4 ? 12 : 8), n);
	memcpy(k->dst, l3 + (n == 4 ? 16 : 24), n);
	memcpy(&k->sport_be, frame + l->l4, 2);
	memcpy(&k->dport_be, frame + l->l4 + 2, 2);
	for (unsigned i = 0; i < p->nvlans; i++)
		k->vlan[i] = FASTPATH_TAGGED | (p->vlan[i] & 0x0fff);
	*says = l->proto == IPPROTO_TCP ? be32(frame + l->l4 + 4) : l->payload_len ? frame[l->payload] : 0;
	return true;
}

static struct entry *find(struct replay_fast *x, const struct fastpath_key *k)
{
	for (uint32_t i = *head_of(x, k); i; i = x->entry[i - 1].next)
		if (!memcmp(&x->entry[i - 1].op.key, k, sizeof(*k)))
			return &x->entry[i - 1];
	return NULL;
}

static void tell(struct replay_fast *x, const struct entry *e, const struct pkt *p, enum fastpath_end end)
{
	struct fastpath_count c = {.flow = e->op.flow,
				   .packets = p ? 1 : 0,
				   .bytes = p ? p->wire_len : 0,
				   .last_ns = p ? p->time_ns : 0,
				   .hint = e->op.hint,
				   .slot = (uint32_t)(e - x->entry),
				   .dir = e->op.dir,
				   .end = (uint8_t)end};
	rte_ring_sp_enqueue_elem(x->counts, &c, sizeof(c));
	settle_take(x->w);
}

// The frame leaves without the corridor.
static bool takes(struct replay_fast *x, struct rte_mbuf *m)
{
	struct pkt *p = pkt_of(m);
	struct fastpath_key k;
	uint32_t says;
	struct entry *e = key_of(m, &k, &says) ? find(x, &k) : NULL;
	if (!e || x->slots[e - x->entry].verdict == FASTPATH_UP || fastpath_comes_up(k.proto, says, e->op.care))
		return false;
	p->flow = &x->w->flows->flows[e->op.hint - 1];
	p->dir = e->op.dir;
	worker_at(x->w, p);
	x->slots[e - x->entry].packets++;
	x->slots[e - x->entry].bytes += p->wire_len;
	tell(x, e, p, FASTPATH_LIVES);
	if (e->op.verdict == FASTPATH_DROP)
		pkt_drop(p, REASON_POLICY_DENY);
	return true;
}

// ---- what the worker asks for --------------------------------------------------------------------------------------

static void forget(struct replay_fast *x, struct entry *e)
{
	uint32_t *link = head_of(x, &e->op.key), number = (uint32_t)(e - x->entry) + 1;
	while (*link != number)
		link = &x->entry[*link - 1].next;
	*link = e->next;
	e->lives = false;
	x->slots[e - x->entry].flow = 0;
	tell(x, e, NULL, FASTPATH_DELETED);
}

static void answer(struct replay_fast *x)
{
	struct fastpath_op op;
	while (rte_ring_sc_dequeue_elem(x->ops, &op, sizeof(op)) == 0) {
		struct entry *e = &x->entry[2 * (op.hint - 1) + op.dir], *other = find(x, &op.key);
		if (e->lives && (op.ask == FASTPATH_DEL ? e->op.flow == op.flow : true))
			forget(x, e);
		if (op.ask == FASTPATH_DEL)
			continue;
		if (other && other->lives && other != e) // another flow left it there
			forget(x, other);
		e->op = op;
		e->lives = true;
		e->next = *head_of(x, &op.key);
		*head_of(x, &op.key) = (uint32_t)(e - x->entry) + 1;
		x->slots[e - x->entry] =
			(struct fastpath_slot){.key = op.key, .verdict = op.verdict, .care = op.care, .flow = op.flow};
		tell(x, e, NULL, FASTPATH_LIVES);
	}
}

void replay_fast_burst(struct replay_fast *x, struct burst *b)
{
	path_front(x->w, b);
	for (unsigned i = 0; i < b->n; i++) {
		struct burst one = {.m = {b->m[i]}, .n = 1};
		while (x->w->swapping &&
		       !judge_swap_some(x->w, UINT32_MAX)) // another policy's word goes for entries, too
			;
		answer(x); // timers may have ended flows
		if (takes(x, b->m[i]))
			path_rooms[PATH_ROOMS - 1].burst(x->w, &one);
		else
			path_back(x->w, &one);
		answer(x);
	}
	b->n = 0;
}
