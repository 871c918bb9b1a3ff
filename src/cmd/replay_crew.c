// SPDX-License-Identifier: BSD-3-Clause
//
// Who walks a replay. With one worker the main thread does it all. With N the main thread walks the front half of the
// corridor (its own worker struct) and hands each packet to the worker that owns its flow, over one SPSC ring each.
//
// The result is the same for any N because everything that depends on order depends on the frame number alone:
// - the clock is the packet's own, clamped by the reader;
// - timers run when the capture's clock crosses a whole second, at that frame, on everybody, before what follows;
// - records carry their frame; the shipper merges the rings by (order, flow, seq) with the help of watermarks.
// So between packets a worker gets marks: TICK (time, frame), DONE (it has been given all frames up to this one,
// sent to everybody after each burst, also to those who got nothing), DRAIN, STOP.
//
// Nothing is lost: who finds a ring full yields until it is not. Only the main thread polls the exit rings, and it
// does so wherever it waits, so that it never waits for somebody who waits for it.
// Rejected: ticks by wall time (not repeatable), batches of frames by time slice (uneven, and late).
#include "replay_crew.h"
#include "replay_exits.h"
#include "replay_fast.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include <rte_lcore.h>
#include <rte_pause.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "base/capture.h"
#include "base/eal.h"
#include "path/path.h"
#include "path/limit.h"
#include "path/mirror.h"
#include "path/rooms.h"
#include "live/mirrors.h"

#define RING 512
#define TICK_NS 1000000000ull
#define SPINS 64    // before the processor is given away: about a microsecond
#define YIELDS 1000 // before a worker sleeps: the capture is slow, or over
#define IDLE_NS 100000

struct message {
	struct rte_mbuf *m;
	uint64_t order, frame, time_ns;
	uint64_t mark; // enum crew_mark
};

static void age(struct member *m, const struct message *at)
{
	m->w.now_ns = at->time_ns;
	m->w.frame = at->frame;
	m->w.order = at->order;
	while (path_age(&m->w, at->time_ns, at->frame))
		;
}

// What ends now ends at the capture's last frame, whichever frame this worker saw last.
static void drain(struct member *m, const struct message *at)
{
	m->w.now_ns = at->time_ns;
	m->w.frame = at->frame;
	m->w.order = at->order;
	path_drain(&m->w);
}

// What live flows become is said at this place in the capture.
static void swap(struct member *m, const struct message *at)
{
	m->w.now_ns = at->time_ns;
	m->w.frame = at->frame;
	m->w.order = at->order;
	publish_take(m->publish, &m->w);
	publish_step(m->publish, &m->w, UINT32_MAX);
}

static void give_way(unsigned *spins)
{
	if (++*spins < SPINS)
		rte_pause();
	else if (*spins < YIELDS)
		sched_yield();
	else
		nanosleep(&(struct timespec){.tv_nsec = IDLE_NS}, NULL);
}

// ---- the thread of a worker ----------------------------------------------------------------------------------

static void flush(struct member *m, struct burst *b)
{
	m->w.tagged = true; // another worker's decap may have seen tags
	if (b->n)
		path_back(&m->w, b);
	b->n = 0;
}

// False: stop.
static bool obey(struct member *m, struct burst *b, const struct message *msg)
{
	if (msg->mark == CREW_PACKET) {
		b->m[b->n++] = msg->m;
		if (b->n == BURST_SIZE)
			flush(m, b);
		return true;
	}
	flush(m, b);
	switch (msg->mark) {
	case CREW_DONE:
		atomic_store_explicit(&m->done, msg->order, memory_order_release);
		return true;
	case CREW_TICK:
		age(m, msg);
		return true;
	case CREW_SWAP:
		swap(m, msg);
		return true;
	case CREW_DRAIN:
		drain(m, msg);
		atomic_fetch_add_explicit(&m->rests, 1, memory_order_release);
		return true;
	default:
		return false;
	}
}

static void *work(void *arg)
{
	struct member *m = arg;
	struct message msgs[BURST_SIZE];
	struct burst b = {0};
	bool registered = rte_thread_register() == 0; // for the pools' per-thread caches; works without
	for (unsigned spins = 0, on = 1; on;) {
		unsigned n = rte_ring_sc_dequeue_burst_elem(m->in, msgs, sizeof(msgs[0]), BURST_SIZE, NULL);
		if (n == 0) {
			give_way(&spins);
			continue;
		}
		spins = 0;
		for (unsigned i = 0; i < n; i++)
			on = obey(m, &b, &msgs[i]);
	}
	if (registered)
		rte_thread_unregister();
	return NULL;
}

static void worker_wait(struct worker *w)
{
	sched_yield();
}

// Buckets are asked in the order of the walk: by nobody before all others are done with what comes before. The one with
// the first packet never waits, and what others wait for has been sent to them, since DONE follows every burst.
static void take_turn(struct worker *w, uint64_t order)
{
	struct member *me = (struct member *)w;
	const struct crew *c = me->crew;
	atomic_store_explicit(&me->turn, order - 1, memory_order_release);
	for (unsigned i = 0; i < c->n; i++) {
		const struct member *o = c->members[i];
		while (o != me && atomic_load_explicit(&o->turn, memory_order_acquire) < order - 1 &&
		       atomic_load_explicit(&o->done, memory_order_acquire) < order - 1)
			sched_yield();
	}
}

// ---- the front -------------------------------------------------------------------------------------------------

static void front_wait(struct worker *w)
{
	crew_wait(w->wait_arg);
}

// Frames up to this one have ended, and all that was made for them is in the rings.
static uint64_t done_with(const struct crew *c)
{
	uint64_t done = UINT64_MAX;
	for (unsigned i = 0; i < c->n; i++)
		done = RTE_MIN(done, atomic_load_explicit(&c->members[i]->done, memory_order_acquire));
	return done;
}

// Takes what workers have for the program. False: nothing.
static bool collect(struct crew *c)
{
	bool any = c->exits && exits_poll(c->exits, done_with(c));
	if (c->mirrors) {
		uint64_t front = atomic_load_explicit(&c->front->done, memory_order_relaxed);
		any |= mirrors_poll(c->mirrors, c->n ? done_with(c) : front);
	}
	return any;
}

void crew_wait(struct crew *c)
{
	if (!collect(c))
		sched_yield();
}

static void send(struct crew *c, struct member *m, const struct message *msg)
{
	while (rte_ring_sp_enqueue_elem(m->in, (void *)(uintptr_t)msg, sizeof(*msg)) != 0)
		crew_wait(c);
}

static void send_all(struct crew *c, const struct message *msg)
{
	for (unsigned i = 0; i < c->n; i++)
		send(c, c->members[i], msg);
}

static void walk(struct crew *c, struct burst *b)
{
	if (c->fast) {
		replay_fast_burst(c->fast, b);
		return;
	}
	if (c->n == 0) {
		path_burst(&c->front->w, b);
		return;
	}
	path_front(&c->front->w, b);
	for (unsigned i = 0; i < b->n; i++) {
		struct message msg = {.m = b->m[i], .mark = CREW_PACKET};
		uint32_t hash = moved_hash(&c->moved, &c->front->w.steer, b->m[i]);
		send(c, c->members[steer_owner(hash, c->n)], &msg);
	}
	b->n = 0;
}

static void tick(struct crew *c, const struct pkt *p)
{
	struct message msg = {.order = p->order, .frame = p->frame, .time_ns = p->time_ns, .mark = CREW_TICK};
	bool first = c->next_tick_ns == 0;
	c->next_tick_ns = (p->time_ns / TICK_NS + 1) * TICK_NS;
	if (first) {
		c->next_swap_ns = c->swaps ? c->swaps->begin(c->swaps->arg, p->time_ns) : UINT64_MAX;
		return;
	}
	age(c->front, &msg);
	send_all(c, &msg);
}

void crew_publish(struct crew *c, struct published *p, const struct crew_place *at)
{
	struct message msg = {.order = at->order, .frame = at->frame, .time_ns = at->time_ns, .mark = CREW_SWAP};
	struct message done = {.order = at->order > 2 ? at->order - 2 : 0, .mark = CREW_DONE};
	send_all(c, &done); // who waits for its turn before this place waits for others to have come so far
	publish_set(&c->publish, p);
	swap(c->front, &msg);
	send_all(c, &msg);
	while (!publish_done(&c->publish))
		crew_wait(c);
}

void crew_publish_rest(struct crew *c, struct published *p)
{
	publish_set(&c->publish, p);
	for (unsigned i = 0; i <= c->n; i++) {
		struct worker *w = i ? &c->members[i - 1]->w : &c->front->w;
		publish_take(&c->publish, w);
		publish_step(&c->publish, w, UINT32_MAX);
	}
}

static void swap_due(struct crew *c, const struct pkt *p)
{
	struct crew_place at = {p->order, p->frame, p->time_ns};
	while (p->time_ns >= c->next_swap_ns)
		c->next_swap_ns = c->swaps->swap(c->swaps->arg, &at);
}

void crew_burst(struct crew *c, struct burst *b)
{
	if (b->n == 0)
		return;
	const struct pkt *end = pkt_of(b->m[b->n - 1]);
	// one less than was given: when this was the last, the drain adds records to its frame
	struct message done = {.order = end->order - 1, .mark = CREW_DONE};
	c->last_order = end->order;
	c->last_frame = end->frame;
	c->last_ns = end->time_ns;
	if (likely(end->time_ns < c->next_tick_ns && end->time_ns < c->next_swap_ns)) {
		walk(c, b);
	} else {
		struct burst part = {0};
		for (unsigned i = 0; i < b->n; i++) {
			const struct pkt *p = pkt_of(b->m[i]);
			if (p->time_ns >= c->next_tick_ns || p->time_ns >= c->next_swap_ns) {
				if (part.n)
					walk(c, &part);
				if (p->time_ns >= c->next_tick_ns)
					tick(c, p);
				swap_due(c, p);
			}
			part.m[part.n++] = b->m[i];
		}
		walk(c, &part);
		b->n = 0;
	}
	atomic_store_explicit(&c->front->done, done.order, memory_order_release);
	send_all(c, &done);
	collect(c);
}

void crew_begin(struct crew *c)
{
	c->next_tick_ns = 0;
	c->next_swap_ns = UINT64_MAX;
	limits_clear(c->limits);
	moved_clear(&c->moved);
	c->last_order = c->last_frame = 0;
	c->last_ns = 0;
	for (unsigned i = 0; i <= c->n; i++) {
		struct member *m = i ? c->members[i - 1] : c->front;
		m->w.now_ns = 0;
		m->w.frame = m->w.order = 0;
		atomic_store(&m->done, 0);
		atomic_store(&m->turn, 0);
	}
}

void crew_drain(struct crew *c)
{
	struct message msg = {
		.order = c->last_order, .frame = c->last_frame, .time_ns = c->last_ns, .mark = CREW_DRAIN};
	drain(c->front, &msg);
	c->drains++;
	send_all(c, &msg);
	for (unsigned i = 0; i < c->n; i++) {
		while (atomic_load_explicit(&c->members[i]->rests, memory_order_acquire) != c->drains)
			crew_wait(c);
	}
	if (c->exits)
		exits_flush(c->exits);
	if (c->mirrors)
		mirrors_flush(c->mirrors);
}

// ---- start and stop ----------------------------------------------------------------------------------------------

// Frames that can be inside at a time: fragments held, what lies in rings, bursts in hand, pools' own caches.
static unsigned frames_wanted(const struct path_config *config, unsigned workers)
{
	unsigned threads = workers + 1;
	unsigned rings = (workers > 1 ? workers * RING : 0) + (config->exits ? threads * 1024 : 0);
	if (config->copies)
		rings += threads * (1024 + 2 * BURST_SIZE) + (config->before ? workers * mirror_frames(config) : 0);
	return config->fragments + workers * config->held + rings + threads * (256 * 3 / 2 + 4 * BURST_SIZE) + 1024;
}

// Few captures have jumbo frames; what lies untouched in a pool costs one page.
static unsigned giants_wanted(const struct path_config *config, unsigned workers)
{
	unsigned before = config->before ? workers * mirror_giants(config) : 0;
	return config->fragments / 2 + workers * config->held / 32 + (workers + 1) * 256 + before;
}

// Without huge pages no object of a pool lies over the end of a page, unless it is longer than one.
static size_t object_bytes(size_t room)
{
	size_t head = sizeof(struct rte_mbuf) + sizeof(struct pkt) + RTE_PKTMBUF_HEADROOM + 128;
	return RTE_ALIGN(head + room, 4096);
}

unsigned crew_mem_mb(const struct path_config *config, unsigned workers)
{
	size_t bytes = frames_wanted(config, workers) * object_bytes(CAPTURE_FRAME_ROOM) +
		       giants_wanted(config, workers) * object_bytes(CAPTURE_GIANT_ROOM);
	return bytes / (1 << 20) + 40 + workers * 4;
}

static struct member *member_new(struct crew *c, const struct path_config *config, unsigned id)
{
	struct member *m = mem_take(sizeof(*m));
	if (!m)
		return NULL;
	m->w.id = id;
	m->w.frames = c->frames;
	m->w.giants = c->giants;
	m->w.limits = c->limits;
	m->w.turn = c->n ? take_turn : NULL;
	m->crew = c;
	m->w.wait = id ? worker_wait : front_wait;
	m->w.wait_arg = c;
	m->publish = &c->publish;
	if (path_init(&m->w, config) < 0 || (config->exits && !(m->w.exits = exits_ring(c->exits))) ||
	    (config->copies && !(m->w.copies = mirrors_ring(c->mirrors)))) {
		path_fini(&m->w);
		mem_give(m, sizeof(*m));
		return NULL;
	}
	c->sources[c->nsources++] = (struct ship_source){m->w.records, &m->done};
	return m;
}

static int member_start(struct member *m)
{
	char name[RTE_RING_NAMESIZE];
	snprintf(name, sizeof(name), "worker%u", m->w.id);
	m->in = rte_ring_create_elem(name, sizeof(struct message), RING, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	if (!m->in)
		return -ENOMEM;
	int rc = pthread_create(&m->thread, NULL, work, m);
	m->running = rc == 0;
	return -rc;
}

int crew_start(struct crew *c, const struct path_config *config, unsigned workers, struct exits *exits,
	       struct mirrors *mirrors)
{
	*c = (struct crew){.n = workers > 1 ? workers : 0,
			   .config = *config,
			   .front_config = *config,
			   .exits = exits,
			   .mirrors = mirrors};
	if (c->n) { // the front of several has only outer layers to remember
		c->front_config.streams = 64;
		c->front_config.chunks = 64;
		c->front_config.apps = 64;
		c->front_config.arena_bytes = 1 << 20;
		c->front_config.held = 0;
		c->front_config.kept_bytes = RTE_MIN(config->kept_bytes, 4096u);
		c->front_config.before = 0;
	}
	c->frames = eal_pool("frames", frames_wanted(config, workers), CAPTURE_FRAME_ROOM);
	c->giants = eal_pool("giants", giants_wanted(config, workers), CAPTURE_GIANT_ROOM);
	if (publish_init(&c->publish, c->n + 1) < 0)
		return -ENOMEM;
	c->limits = limits_new(config->seed);
	if (!c->limits || !c->frames || !c->giants || !(c->front = member_new(c, &c->front_config, 0)))
		return -ENOMEM;
	for (unsigned i = 0; i < c->n; i++) {
		if (!(c->members[i] = member_new(c, &c->config, i + 1)))
			return -ENOMEM;
	}
	for (unsigned i = 0; i < c->n; i++) {
		int rc = member_start(c->members[i]);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static void member_free(struct member *m)
{
	if (!m)
		return;
	path_fini(&m->w);
	rte_ring_free(m->in);
	mem_give(m, sizeof(*m));
}

void crew_stop(struct crew *c)
{
	struct message msg = {.mark = CREW_STOP};
	for (unsigned i = 0; i < c->n; i++) {
		if (c->members[i] && c->members[i]->running) {
			send(c, c->members[i], &msg);
			pthread_join(c->members[i]->thread, NULL);
		}
	}
	for (unsigned i = 0; i < c->n; i++)
		member_free(c->members[i]);
	member_free(c->front);
	limits_free(c->limits);
	// The pools go with the process: to free them would write zeros over all of their memory first (60 ms).
}

const struct worker *crew_worker(const struct crew *c, unsigned i)
{
	if (i == 0)
		return &c->front->w;
	return i <= c->n ? &c->members[i - 1]->w : NULL;
}

unsigned crew_mbufs_in_use(const struct crew *c)
{
	return rte_mempool_in_use_count(c->frames) + rte_mempool_in_use_count(c->giants);
}
