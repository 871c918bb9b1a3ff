// SPDX-License-Identifier: BSD-3-Clause
//
// Entries of the fast path, by the number of their slot. Buckets and slots are memory shared with the program, which
// looks but never writes, counters apart: an entry is there from the store of its mark on, and gone with it.
//
//   ADD -> lives -> (DEL, age, void: its frames come up from here on) -> dying, 100 ms -> the last count is told ->
//   free
//
// An entry dies slowly because a processor may still be counting in its slot: the program runs for microseconds, with
// no preemption, so that after 100 ms nobody does. So no frame is lost to accounting, and none is told to a wrong flow.
//
// A policy edit: workers judge their live flows again (publish.h) and take back what the edit touched, in the order of
// their ring. Rejected: an epoch in each entry, compared with the policy's (an edit would void everything); rules by
// number, compared between policies here (what an edit touches would be worked out twice, once wrongly).
//
// Runs on the thread of fastpath.c or, for void, on the control thread, under a lock of theirs.
#include "ctl/fastpath_flows.h"
#include "base/clock.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_ring_elem.h>

#define OPS_AT_ONCE 64
#define OPS_A_ROUND 4096
#define GRACE_NS 100000000ull
#define ROUNDS_A_SWEEP 100 // a round is 10 ms: each entry is looked at once a second
// Whoever sends from many addresses has as many denied flows as he likes: the settled ones keep half of the places.
#define DROPS_MAX (FASTPATH_FLOWS / 2)

enum entry_state { ENTRY_FREE, ENTRY_LIVES, ENTRY_DYING };

struct entry {
	uint32_t hint;
	uint64_t flow;
	uint64_t packets, bytes; // told
	uint64_t since_ns;       // CLOCK_MONOTONIC: added, or dying
	uint16_t worker;
	uint8_t state, dir;
	uint8_t end; // of what it dies
	bool drops;
};

struct fastpath_flows {
	struct fastpath_slot *slots;
	struct fastpath_bucket *buckets;
	const uint64_t *secret;
	struct entry *entries; // by number
	uint32_t *free, nfree; // numbers
	uint32_t *dying;       // a ring of numbers, oldest first
	uint32_t dying_head, dying_tail;
	uint32_t swept; // number at which the sweep goes on
	uint64_t now_ns, path_ns, idle_ns;
	uint32_t drops; // live entries that do
	bool paused;    // nothing is taken in
	unsigned workers;
	struct rte_ring **ops, **counts;
	struct fastpath_numbers said;
};

// The number's frames since it was last told. False: its worker has no room now.
static bool tell(struct fastpath_flows *t, uint32_t number, enum fastpath_end end)
{
	struct entry *e = &t->entries[number];
	const struct fastpath_slot *s = &t->slots[number];
	uint64_t packets = __atomic_load_n(&s->packets, __ATOMIC_RELAXED);
	uint64_t bytes = __atomic_load_n(&s->bytes, __ATOMIC_RELAXED);
	uint64_t last_ns = __atomic_load_n(&s->last_ns, __ATOMIC_RELAXED);
	struct fastpath_count c = {.flow = e->flow,
				   .packets = packets - e->packets,
				   .bytes = bytes - e->bytes,
				   .last_ns = last_ns ? last_ns - t->now_ns + t->path_ns : 0,
				   .clock_ns = t->path_ns - t->now_ns,
				   .hint = e->hint,
				   .slot = number,
				   .dir = e->dir,
				   .end = end};
	if (end == FASTPATH_LIVES && c.packets == 0)
		return true;
	if (rte_ring_sp_enqueue_elem(t->counts[e->worker], &c, sizeof(c)))
		return false;
	e->packets = packets;
	e->bytes = bytes;
	return true;
}

static void verdict_store(struct fastpath_slot *s, uint32_t verdict)
{
	__atomic_store_n(&s->verdict, verdict, __ATOMIC_RELEASE);
}

// The way in a bucket that has this mark, or FASTPATH_WAYS.
static unsigned way_of(const struct fastpath_bucket *b, uint32_t mark)
{
	unsigned way = 0;
	while (way < FASTPATH_WAYS && b->mark[way] != mark)
		way++;
	return way;
}

static struct fastpath_bucket *bucket_of(const struct fastpath_flows *t, const struct fastpath_key *k, uint32_t *mark)
{
	uint64_t hash = fastpath_hash(k, t->secret);
	*mark = fastpath_mark_of(hash);
	return &t->buckets[fastpath_bucket_of(hash)];
}

static int64_t number_of(const struct fastpath_flows *t, const struct fastpath_key *k)
{
	uint32_t mark;
	const struct fastpath_bucket *b = bucket_of(t, k, &mark);
	unsigned way = way_of(b, mark);
	if (way == FASTPATH_WAYS || memcmp(&t->slots[b->number[way]].key, k, sizeof(*k)) != 0)
		return -1;
	return b->number[way];
}

// From here on its frames come up: those that look for it, and those that have just found it.
static void take_back(struct fastpath_flows *t, uint32_t number, enum fastpath_end end)
{
	struct entry *e = &t->entries[number];
	uint32_t mark;
	struct fastpath_bucket *b = bucket_of(t, &t->slots[number].key, &mark);
	__atomic_store_n(&b->mark[way_of(b, mark)], 0, __ATOMIC_RELEASE);
	verdict_store(&t->slots[number], FASTPATH_UP);
	e->state = ENTRY_DYING;
	e->end = end;
	t->drops -= e->drops;
	e->since_ns = t->now_ns;
	t->dying[t->dying_head++ % FASTPATH_FLOWS] = number;
	uint64_t *said[] = {[FASTPATH_DELETED] = &t->said.deleted,
			    [FASTPATH_AGED] = &t->said.aged,
			    [FASTPATH_VOIDED] = &t->said.voided};
	++*said[end];
}

static void slot_set(struct fastpath_slot *s, const struct fastpath_op *op)
{
	s->hint = op->hint;
	s->care = op->care;
	verdict_store(s, op->verdict);
}

// What was another's is nobody's until all of it is this one's: the former's worker may be reading it.
static void slot_take(struct fastpath_slot *s, const struct fastpath_op *op)
{
	__atomic_store_n(&s->flow, 0, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	s->key = op->key;
	s->packets = s->bytes = s->last_ns = 0;
	slot_set(s, op);
	__atomic_store_n(&s->flow, op->flow, __ATOMIC_RELEASE);
}

// Without room there is no number, and so nothing that could die.
static void refuse(struct fastpath_flows *t, const struct fastpath_op *op, unsigned worker)
{
	struct fastpath_count c = {.flow = op->flow, .hint = op->hint, .dir = op->dir, .end = FASTPATH_REFUSED};
	rte_ring_sp_enqueue_elem(t->counts[worker], &c, sizeof(c)); // serve() has seen that there is room
	t->said.refused++;
}

static void add(struct fastpath_flows *t, const struct fastpath_op *op, unsigned worker)
{
	int64_t there = number_of(t, &op->key);
	if (there >= 0)
		take_back(t, there, FASTPATH_DELETED);
	uint32_t mark;
	struct fastpath_bucket *b = bucket_of(t, &op->key, &mark);
	unsigned way = way_of(b, 0);
	bool drops = op->verdict == FASTPATH_DROP;
	if (way == FASTPATH_WAYS || way_of(b, mark) < FASTPATH_WAYS || t->nfree == 0 || t->paused ||
	    (drops && t->drops >= DROPS_MAX)) {
		refuse(t, op, worker);
		return;
	}
	uint32_t number = t->free[--t->nfree];
	slot_take(&t->slots[number], op);
	t->entries[number] = (struct entry){.hint = op->hint,
					    .flow = op->flow,
					    .since_ns = t->now_ns,
					    .worker = worker,
					    .state = ENTRY_LIVES,
					    .dir = op->dir,
					    .drops = drops};
	b->number[way] = number;
	__atomic_store_n(&b->mark[way], mark, __ATOMIC_RELEASE);
	t->said.added++;
	t->said.entries++;
	t->drops += drops;
	struct fastpath_count c = {
		.flow = op->flow, .clock_ns = t->path_ns - t->now_ns, .hint = op->hint, .slot = number, .dir = op->dir};
	rte_ring_sp_enqueue_elem(t->counts[worker], &c, sizeof(c)); // serve() has seen that there is room
}

static void apply(struct fastpath_flows *t, const struct fastpath_op *op, unsigned worker)
{
	if (op->ask == FASTPATH_ADD) {
		add(t, op, worker);
		return;
	}
	int64_t at = number_of(t, &op->key);
	if (at < 0 || t->entries[at].flow != op->flow)
		return;
	if (op->ask == FASTPATH_DEL) {
		take_back(t, at, FASTPATH_DELETED);
		return;
	}
	t->entries[at].hint = op->hint;
	slot_set(&t->slots[at], op);
	t->said.changed++;
}

static void serve(struct fastpath_flows *t, unsigned worker)
{
	struct fastpath_op ops[OPS_AT_ONCE];
	unsigned n, total = 0;
	do { // every op may be answered at once
		unsigned room = rte_ring_free_count(t->counts[worker]);
		n = rte_ring_sc_dequeue_burst_elem(t->ops[worker], ops, sizeof(ops[0]),
						   RTE_MIN(room, (unsigned)OPS_AT_ONCE), NULL);
		for (unsigned i = 0; i < n; i++)
			apply(t, &ops[i], worker);
		total += n;
	} while (n == OPS_AT_ONCE && total < OPS_A_ROUND);
}

// A worker that does not listen keeps its own waiting, and nobody else's: they go to the end.
static void bury(struct fastpath_flows *t)
{
	for (uint32_t n = t->dying_head - t->dying_tail; n; n--) {
		uint32_t number = t->dying[t->dying_tail % FASTPATH_FLOWS];
		struct entry *e = &t->entries[number];
		if (t->now_ns - e->since_ns < GRACE_NS)
			return;
		t->dying_tail++;
		if (!tell(t, number, e->end)) {
			t->dying[t->dying_head++ % FASTPATH_FLOWS] = number;
			continue;
		}
		e->state = ENTRY_FREE;
		t->free[t->nfree++] = number;
		t->said.entries--;
	}
}

static void sweep(struct fastpath_flows *t)
{
	for (unsigned n = 0; n < FASTPATH_FLOWS / ROUNDS_A_SWEEP + 1; n++) {
		uint32_t number = t->swept++ % FASTPATH_FLOWS;
		const struct entry *e = &t->entries[number];
		if (e->state != ENTRY_LIVES)
			continue;
		tell(t, number, FASTPATH_LIVES);
		uint64_t last_ns = RTE_MAX(t->slots[number].last_ns, e->since_ns);
		if ((int64_t)(t->now_ns - last_ns) > (int64_t)t->idle_ns)
			take_back(t, number, FASTPATH_AGED);
	}
}

static void look_at_clocks(struct fastpath_flows *t)
{
	t->now_ns = clock_ns(CLOCK_MONOTONIC);
	t->path_ns = clock_steady_ns();
}

void fastpath_flows_round(struct fastpath_flows *t)
{
	look_at_clocks(t);
	for (unsigned w = 0; w < t->workers; w++)
		serve(t, w);
	sweep(t);
	bury(t);
}

// What was asked for before is ended with the rest, and does not come behind it.
void fastpath_flows_void(struct fastpath_flows *t, bool pause)
{
	look_at_clocks(t);
	t->paused = pause;
	for (unsigned w = 0; w < t->workers; w++)
		serve(t, w);
	for (uint32_t number = 0; number < FASTPATH_FLOWS; number++)
		if (t->entries[number].state == ENTRY_LIVES)
			take_back(t, number, FASTPATH_VOIDED);
}

struct rte_ring *fastpath_flows_ops(const struct fastpath_flows *t, unsigned worker)
{
	return t->ops[worker];
}

struct rte_ring *fastpath_flows_counts(const struct fastpath_flows *t, unsigned worker)
{
	return t->counts[worker];
}

const struct fastpath_numbers *fastpath_flows_numbers(const struct fastpath_flows *t)
{
	return &t->said;
}

static struct rte_ring *ring(const char *what, unsigned worker, uint32_t bytes, uint32_t count)
{
	char name[RTE_RING_NAMESIZE];
	snprintf(name, sizeof(name), "fastpath_%s_%u", what, worker);
	return rte_ring_create_elem(name, bytes, count, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
}

static bool rings(struct fastpath_flows *t, uint32_t count)
{
	t->ops = calloc(t->workers, sizeof(*t->ops));
	t->counts = calloc(t->workers, sizeof(*t->counts));
	if (!t->ops || !t->counts)
		return false;
	for (unsigned w = 0; w < t->workers; w++) {
		t->ops[w] = ring("ops", w, sizeof(struct fastpath_op), count);
		t->counts[w] = ring("counts", w, sizeof(struct fastpath_count), count);
		if (!t->ops[w] || !t->counts[w])
			return false;
	}
	return true;
}

struct fastpath_flows *fastpath_flows_new(struct fastpath_slot *slots, struct fastpath_bucket *buckets,
					  const uint64_t *secret, const struct fastpath_options *o)
{
	struct fastpath_flows *t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->slots = slots;
	t->buckets = buckets;
	t->secret = secret;
	t->idle_ns = o->idle_ms * 1000000ull;
	t->workers = o->workers;
	t->entries = calloc(FASTPATH_FLOWS, sizeof(*t->entries));
	t->dying = calloc(FASTPATH_FLOWS, sizeof(*t->dying));
	t->free = calloc(FASTPATH_FLOWS, sizeof(*t->free));
	if (!t->entries || !t->dying || !t->free || !rings(t, o->ring)) {
		fastpath_flows_free(t);
		return NULL;
	}
	for (; t->nfree < FASTPATH_FLOWS; t->nfree++) // taken from the end: the first first
		t->free[t->nfree] = FASTPATH_FLOWS - 1 - t->nfree;
	return t;
}

void fastpath_flows_free(struct fastpath_flows *t)
{
	if (!t)
		return;
	for (unsigned w = 0; w < t->workers; w++) {
		rte_ring_free(t->ops ? t->ops[w] : NULL);
		rte_ring_free(t->counts ? t->counts[w] : NULL);
	}
	free(t->ops);
	free(t->counts);
	free(t->entries);
	free(t->dying);
	free(t->free);
	free(t);
}
