// SPDX-License-Identifier: BSD-3-Clause
//
// Entries of the fast path, by the number of their slot. A key stands in three places: here (rte_hash, whose positions
// are the numbers), in the kernel's map, and in the worker that asked for it. The verdict stands in the slot, which is
// memory shared with the program: taking an entry back is one store, whatever the map still says.
//
//   ADD -> lives -> (DEL, age, void: verdict is UP from here on) -> dying, 100 ms -> the last count is told -> free
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

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include <bpf/bpf.h>
#include <rte_hash.h>
#include <rte_jhash.h>
#include <rte_random.h>
#include <rte_ring_elem.h>

#define BATCH 64
#define OPS_A_ROUND 4096
#define GRACE_NS 100000000ull
#define ROUNDS_A_SWEEP 100 // a round is 10 ms: each entry is looked at once a second

enum entry_state { ENTRY_FREE, ENTRY_LIVES, ENTRY_DYING };

struct entry {
	struct fastpath_key key;
	uint32_t hint;
	uint64_t flow;
	uint64_t packets, bytes; // told
	uint64_t since_ns;       // CLOCK_MONOTONIC: added, or dying
	uint16_t worker;
	uint8_t state, dir;
	uint8_t end; // of what it dies
};

struct fastpath_flows {
	int map;
	struct fastpath_slot *slots;
	struct rte_hash *numbers; // key -> number
	struct entry *entries;
	uint32_t *dying; // a ring of numbers, oldest first
	uint32_t dying_head, dying_tail;
	uint32_t swept; // number at which the sweep goes on
	uint64_t now_ns, real_ns, idle_ns;
	unsigned workers;
	struct rte_ring **ops, **counts;
	struct fastpath_numbers said;
	// on their way to the map: all of a kind
	bool adding;
	uint32_t pending;
	struct fastpath_key keys[BATCH];
	uint32_t values[BATCH];
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
				   .last_ns = last_ns ? last_ns - t->now_ns + t->real_ns : 0,
				   .hint = e->hint,
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

// From here on its frames come up.
static void dies(struct fastpath_flows *t, uint32_t number, enum fastpath_end end)
{
	struct entry *e = &t->entries[number];
	verdict_store(&t->slots[number], FASTPATH_UP);
	rte_hash_del_key(t->numbers, &e->key);
	e->state = ENTRY_DYING;
	e->end = end;
	e->since_ns = t->now_ns;
	t->dying[t->dying_head++ % FASTPATH_FLOWS] = number;
	uint64_t *said[] = {[FASTPATH_DELETED] = &t->said.deleted,
			    [FASTPATH_AGED] = &t->said.aged,
			    [FASTPATH_REFUSED] = &t->said.refused,
			    [FASTPATH_VOIDED] = &t->said.voided};
	++*said[end];
}

static uint32_t batch(struct fastpath_flows *t, uint32_t from)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	uint32_t n = t->pending - from;
	int rc = t->adding ? bpf_map_update_batch(t->map, t->keys + from, t->values + from, &n, &opts)
			   : bpf_map_delete_batch(t->map, t->keys + from, &n, &opts);
	t->said.batches++;
	return rc < 0 && n >= t->pending - from ? 0 : n; // refused as a whole, the number is as it was
}

// A batch stops at the first that the kernel does not take: to add, it has no memory; to delete, it is not there.
static void flush(struct fastpath_flows *t)
{
	for (uint32_t done = 0; done < t->pending; done++) {
		done += batch(t, done);
		if (done < t->pending && t->adding)
			dies(t, t->values[done], FASTPATH_REFUSED);
	}
	t->pending = 0;
}

static void to_map(struct fastpath_flows *t, bool adding, uint32_t number)
{
	if (t->pending == BATCH || t->adding != adding)
		flush(t);
	t->adding = adding;
	t->keys[t->pending] = t->entries[number].key;
	t->values[t->pending++] = number;
}

static void take_back(struct fastpath_flows *t, uint32_t number, enum fastpath_end end)
{
	dies(t, number, end);
	to_map(t, false, number);
}

static void slot_set(struct fastpath_slot *s, const struct fastpath_op *op)
{
	s->hint = op->hint;
	s->quic = op->quic;
	verdict_store(s, op->verdict);
}

// Without room for the key there is no number, and so nothing that could die.
static void refuse(struct fastpath_flows *t, const struct fastpath_op *op, unsigned worker)
{
	struct fastpath_count c = {.flow = op->flow, .hint = op->hint, .dir = op->dir, .end = FASTPATH_REFUSED};
	rte_ring_sp_enqueue_elem(t->counts[worker], &c, sizeof(c)); // fastpath_flows_round has seen that there is room
	t->said.refused++;
}

static void add(struct fastpath_flows *t, const struct fastpath_op *op, unsigned worker)
{
	int at = rte_hash_lookup(t->numbers, &op->key);
	if (at >= 0)
		take_back(t, at, FASTPATH_DELETED);
	at = rte_hash_add_key(t->numbers, &op->key);
	if (at < 0) {
		refuse(t, op, worker);
		return;
	}
	t->slots[at] = (struct fastpath_slot){0};
	slot_set(&t->slots[at], op);
	t->entries[at] = (struct entry){.key = op->key,
					.hint = op->hint,
					.flow = op->flow,
					.since_ns = t->now_ns,
					.worker = worker,
					.state = ENTRY_LIVES,
					.dir = op->dir};
	t->said.added++;
	t->said.entries++;
	to_map(t, true, at);
}

static void apply(struct fastpath_flows *t, const struct fastpath_op *op, unsigned worker)
{
	if (op->ask == FASTPATH_ADD) {
		add(t, op, worker);
		return;
	}
	int at = rte_hash_lookup(t->numbers, &op->key);
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
	struct fastpath_op ops[BATCH];
	unsigned n, total = 0;
	do { // every op may be answered at once
		unsigned room = rte_ring_free_count(t->counts[worker]);
		n = rte_ring_sc_dequeue_burst_elem(t->ops[worker], ops, sizeof(ops[0]), RTE_MIN(room, (unsigned)BATCH),
						   NULL);
		for (unsigned i = 0; i < n; i++)
			apply(t, &ops[i], worker);
		total += n;
	} while (n == BATCH && total < OPS_A_ROUND);
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
		rte_hash_free_key_with_position(t->numbers, number);
		e->state = ENTRY_FREE;
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

static uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;
	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

void fastpath_flows_round(struct fastpath_flows *t)
{
	t->now_ns = clock_ns(CLOCK_MONOTONIC);
	t->real_ns = clock_ns(CLOCK_REALTIME);
	for (unsigned w = 0; w < t->workers; w++)
		serve(t, w);
	sweep(t);
	flush(t);
	bury(t);
}

void fastpath_flows_void(struct fastpath_flows *t)
{
	t->now_ns = clock_ns(CLOCK_MONOTONIC);
	for (uint32_t number = 0; number < FASTPATH_FLOWS; number++)
		if (t->entries[number].state == ENTRY_LIVES)
			take_back(t, number, FASTPATH_VOIDED);
	flush(t);
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

struct fastpath_flows *fastpath_flows_new(int map, struct fastpath_slot *slots, const struct fastpath_options *o)
{
	struct rte_hash_parameters p = {.name = "fastpath_flows",
					.entries = FASTPATH_FLOWS,
					.key_len = sizeof(struct fastpath_key),
					.hash_func = rte_jhash,
					.hash_func_init_val = rte_rand(), // whoever sends frames chooses keys
					.socket_id = SOCKET_ID_ANY,
					.extra_flag = RTE_HASH_EXTRA_FLAGS_NO_FREE_ON_DEL};
	struct fastpath_flows *t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->map = map;
	t->slots = slots;
	t->idle_ns = o->idle_ms * 1000000ull;
	t->workers = o->workers;
	t->numbers = rte_hash_create(&p);
	t->entries = calloc(FASTPATH_FLOWS, sizeof(*t->entries));
	t->dying = calloc(FASTPATH_FLOWS, sizeof(*t->dying));
	if (t->numbers && t->entries && t->dying && rings(t, o->ring))
		return t;
	fastpath_flows_free(t);
	return NULL;
}

void fastpath_flows_free(struct fastpath_flows *t)
{
	if (!t)
		return;
	for (unsigned w = 0; w < t->workers; w++) {
		rte_ring_free(t->ops ? t->ops[w] : NULL);
		rte_ring_free(t->counts ? t->counts[w] : NULL);
	}
	rte_hash_free(t->numbers);
	free(t->ops);
	free(t->counts);
	free(t->entries);
	free(t->dying);
	free(t);
}
