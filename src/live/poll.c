// SPDX-License-Identifier: BSD-3-Clause
//
// The loop of a live worker. In come frames from the queues of its ports and packets of its flows that other workers
// received; out go frames to ports (egress.c), packets to the workers that own their flows, and records. One thread, on
// a core of its own; after start it takes no memory but mbufs, no lock, and waits for nobody. What it calls of the
// kernel is the ports' own (AF_PACKET, TAP), the clock (vDSO), and sleep, where nothing has come for a while.
//
// While somebody captures (sniff.c), frames are shown where they come in; a worker whom nobody asked reads one word for
// it.
//
//   turn:  rule set -> heartbeat, counts of the fast path -> [ receive -> front -> own: back | others': ring -> send ]
//   for each queue -> rings -> back -> timers -> a step of what the control thread asked for -> send
//
// The clock is read once a turn, and knows no steps (base/clock.c); records carry the time of day.
//
// A frame's number is the worker's, above it who the worker is: flow ids are made of it, are the same in every record
// of a flow, and stay below 2^53, beyond which readers of JSON lose digits.
//
// Bypass passes frames from port to port without a look: it must work where the corridor is what is wrong.
#include "live/poll.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <rte_ether.h>
#include <rte_lcore.h>
#include <rte_pause.h>
#include <rte_ring.h>

#include "base/port.h"
#include "live/sniff.h"
#include "path/path.h"
#include "path/rooms.h"
#include "base/clock.h"
#include "path/settle.h"
#include "path/shed.h"
#include <fastpath.h>

#define LINKTYPE_ETHERNET 1
#define WORKER_SHIFT 44
#define REJUDGED 64          // live flows a turn after a swap
#define SPINS 256            // empty turns before the thread sleeps
#define SLEEP_MIN_NS 10000   // a turn with one frame takes less than this
#define SLEEP_MAX_NS 1000000 // what the first packet after a pause may wait; docs/live.md has what it costs
#define WAIT_MS 10           // in interrupt mode: timers, and what other workers hand over
#define ALL_KNOW_NS 20000000 // many turns
#define REST_TRIES 2000

struct turn {
	struct poll *p;
	uint64_t now_ns; // the worker's time, which never runs back: timers count on it
	uint64_t frames, aged_ns, sleep_ns, beat_ns;
	unsigned empty;
	bool full; // a port gave as many frames as a burst takes
	bool due;  // timers have more than they did
	bool bypassed;
	uint64_t unseen_again_ns; // 0: never
	const struct published *seen;
};

static void rules(struct turn *t)
{
	struct poll *p = t->p;
	const struct published *now = atomic_load_explicit(&p->publish->now, memory_order_acquire);
	if (unlikely(now != t->seen)) {
		publish_take(p->publish, &p->w);
		t->seen = now;
	}
	publish_step(p->publish, &p->w, REJUDGED);
}

// ---- the fast path -----------------------------------------------------------------------------------------------

static struct fastpath_port *fast_of(const struct poll *p, const struct poll_queue *q)
{
	bool up = p->fast && atomic_load_explicit(&q->port->up, memory_order_acquire);
	return up ? p->fast[q->number] : NULL;
}

// The coarse clock moves each few milliseconds; the line is the XDP program's, too, and written no more often.
static void fast(struct turn *t)
{
	struct poll *p = t->p;
	if (!p->fast)
		return;
	uint64_t now = clock_ns(CLOCK_MONOTONIC_COARSE);
	for (unsigned i = 0; i < p->nrx && now != t->beat_ns; i++) {
		struct fastpath_port *f = fast_of(p, &p->rx[i]);
		if (f)
			fastpath_beat(f, p->rx[i].queue, now);
	}
	if (unlikely(now - t->beat_ns > FASTPATH_STALE_MS * 1000000ull)) // the program did as fail.stalled says
		p->w.unseen_ns = p->w.now_ns;
	t->beat_ns = now;
	settle_take(&p->w);
}

// What the program put before the frame, or in front of it where the driver keeps no metadata. False: it was not there,
// and this is no frame of its.
static bool untag(const struct fastpath_port *f, struct rte_mbuf *m)
{
	struct fastpath_tag tag;
	uint32_t len = rte_pktmbuf_pkt_len(m);
	if (f->carrier != FASTPATH_PREFIX)
		return m->data_off >= FASTPATH_TAG_BYTES &&
		       fastpath_tag_read(rte_pktmbuf_mtod(m, const uint8_t *) - FASTPATH_TAG_BYTES, len, f, &tag);
	if (rte_pktmbuf_data_len(m) < FASTPATH_TAG_BYTES ||
	    !fastpath_tag_read(rte_pktmbuf_mtod(m, const uint8_t *), len - FASTPATH_TAG_BYTES, f, &tag))
		return false;
	rte_pktmbuf_adj(m, FASTPATH_TAG_BYTES);
	return true;
}

// When a bypass ends, flows have moved on. And again when all workers know it has ended: one of them may still have
// passed frames of another's flows.
static void bypass(struct turn *t)
{
	struct worker *w = &t->p->w;
	bool on = atomic_load_explicit(&t->p->bypass, memory_order_relaxed);
	if (unlikely(t->bypassed && !on)) {
		w->unseen_ns = w->now_ns;
		t->unseen_again_ns = t->p->nworkers > 1 ? w->now_ns + ALL_KNOW_NS : 0;
	} else if (unlikely(t->unseen_again_ns && w->now_ns >= t->unseen_again_ns)) {
		w->unseen_ns = w->now_ns;
		t->unseen_again_ns = 0;
	}
	t->bypassed = on;
}

static void stand_at(struct turn *t)
{
	struct worker *w = &t->p->w;
	w->frame = w->order = (uint64_t)w->id << WORKER_SHIFT | t->frames;
}

static void errand(struct turn *t)
{
	struct errand *e = atomic_load_explicit(&t->p->errand, memory_order_acquire);
	if (likely(!e))
		return;
	stand_at(t);
	t->empty = 0; // the next step soon
	if (e->step(e, &t->p->w))
		atomic_store_explicit(&t->p->errand, NULL, memory_order_release);
}

// ---- in ----------------------------------------------------------------------------------------------------------

// A frame as it was on the wire: in one piece, with the tag that the port took off it. False: there is no room for
// that.
static bool whole(struct rte_mbuf **m)
{
	if (unlikely((*m)->nb_segs > 1) && rte_pktmbuf_linearize(*m) != 0)
		return false;
	if (unlikely((*m)->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED)) {
		(*m)->ol_flags &= ~(RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_TX_VLAN);
		return rte_vlan_insert(m) == 0;
	}
	return true;
}

static void begin(struct turn *t, struct rte_mbuf *m, const struct poll_queue *q)
{
	struct poll *p = t->p;
	struct pkt *k = pkt_of(m);
	uint64_t frame = (uint64_t)p->w.id << WORKER_SHIFT | ++t->frames;
	pkt_begin(k, frame, t->now_ns + p->w.wall_ns, t->now_ns, rte_pktmbuf_pkt_len(m), LINKTYPE_ETHERNET, false);
	k->port = q->number;
	k->tenant = q->tenant;
	if (q->kind != POLL_QUEUE_KERNEL)
		p->w.rx_bytes += rte_pktmbuf_pkt_len(m);
}

static void pass(struct turn *t, struct burst *b, bool routed)
{
	struct worker *w = &t->p->w;
	t->p->bypassed += b->n;
	if (routed) // whose way out needs to know where headers are
		decap_burst(w, b);
	for (unsigned i = 0; i < b->n; i++) {
		ingress_finish(b->m[i]);
		tx_one(w, b->m[i]);
	}
	b->n = 0;
}

// What this worker received and owns stays in the burst.
static void hand_over(struct poll *p, struct burst *b)
{
	unsigned kept = 0;
	for (unsigned i = 0; i < b->n; i++) {
		unsigned owner = steer_owner(pkt_of(b->m[i])->hash, p->nworkers);
		if (owner == p->w.id)
			b->m[kept++] = b->m[i];
		else if (rte_ring_sp_enqueue(p->to[owner], b->m[i]) != 0) {
			pkt_drop(pkt_of(b->m[i]), REASON_STEER_FULL);
			tx_one(&p->w, b->m[i]);
		}
	}
	b->n = (uint16_t)kept;
}

static void back(struct poll *p, struct burst *b)
{
	egress_walk(&p->egress);
	path_back(&p->w, b);
	egress_walked(&p->w, true);
}

static unsigned receive(struct turn *t, const struct poll_queue *q)
{
	struct poll *p = t->p;
	struct burst b = {0};
	if (!atomic_load_explicit(&q->port->up, memory_order_acquire))
		return 0;
	unsigned n = port_rx(q->port, q->queue, b.m, BURST_SIZE);
	if (n == 0)
		return 0;
	b.n = (uint16_t)n;
	t->full |= n == BURST_SIZE;
	p->w.now_ns = t->now_ns; // not that of the last packet, which may have been held for long
	p->w.rx += n;
	const struct fastpath_port *f = fast_of(p, q);
	for (unsigned i = 0; i < n; i++) {
		bool tagged = !f || untag(f, b.m[i]), all = whole(&b.m[i]);
		begin(t, b.m[i], q);
		if (unlikely(!all || !tagged))
			pkt_drop(pkt_of(b.m[i]), all ? REASON_RX_TAG : REASON_RX_PIECES);
	}
	for (unsigned i = 0; unlikely(p->w.seer != NULL) && i < n; i++)
		sniff_in(&p->w, b.m[i]);
	if (q->kind == POLL_QUEUE_OWN)
		ingress_burst(&p->w, &b);
	if (unlikely(t->bypassed)) {
		pass(t, &b, q->kind == POLL_QUEUE_OWN);
		return n;
	}
	path_front(&p->w, &b);
	if (p->nworkers > 1)
		hand_over(p, &b);
	if (b.n)
		back(p, &b);
	return n;
}

// What the kernel sends by its end of a port.
static unsigned from_kernel(struct turn *t, const struct poll_queue *q)
{
	struct rte_mbuf *m[BURST_SIZE];
	unsigned n = port_rx(q->port, q->queue, m, BURST_SIZE);
	for (unsigned i = 0; i < n; i++) {
		bool all = whole(&m[i]);
		begin(t, m[i], q);
		if (unlikely(!all))
			pkt_drop(pkt_of(m[i]), REASON_RX_PIECES);
		egress_from_kernel(&t->p->w, m[i]);
	}
	return n;
}

static unsigned take_in(struct turn *t, struct rte_ring *ring)
{
	struct poll *p = t->p;
	struct burst b = {0};
	b.n = (uint16_t)rte_ring_sc_dequeue_burst(ring, (void **)b.m, BURST_SIZE, NULL);
	unsigned n = b.n;
	t->full |= n == BURST_SIZE;
	if (n) { // what was stamped by another worker's clock came now
		t->now_ns = p->w.now_ns = clock_steady_ns();
		for (unsigned i = 0; i < n; i++)
			pkt_of(b.m[i])->time_ns = t->now_ns;
		p->w.tagged = true; // another worker's decap may have seen tags
		back(p, &b);
	}
	return n;
}

// ---- the turn ----------------------------------------------------------------------------------------------------

// n: frames that this turn brought. What is due beyond the bound of a call is done in the turns to come.
static void age(struct turn *t, unsigned n)
{
	struct worker *w = &t->p->w;
	if (t->now_ns < t->aged_ns && (n || !t->due))
		return;
	w->now_ns = t->now_ns;
	stand_at(t);
	t->due = path_age(w, w->now_ns, w->frame);
	t->aged_ns = w->now_ns + (t->due ? PATH_AGE_SOON_NS : PATH_AGE_NS);
}

static void nap(struct turn *t)
{
	nanosleep(&(struct timespec){.tv_nsec = (long)t->sleep_ns}, NULL);
	t->sleep_ns = RTE_MIN(t->sleep_ns * 2, (uint64_t)SLEEP_MAX_NS);
}

// Until a frame comes. A port that is away has nothing to wait on; it comes back by the control thread.
static void wait_for_frames(struct poll *p)
{
	struct pollfd fd[EGRESS_PORTS];
	nfds_t n = 0;
	for (unsigned i = 0; i < p->nrx; i++)
		if (atomic_load_explicit(&p->rx[i].port->up, memory_order_acquire))
			fd[n++] = (struct pollfd){.fd = port_fd(p->rx[i].port, p->rx[i].queue), .events = POLLIN};
	poll(fd, n, p->nworkers > 1 ? 1 : WAIT_MS);
}

static void idle(struct turn *t, unsigned n)
{
	struct poll *p = t->p;
	if (n || t->due) {
		t->empty = 0;
		t->sleep_ns = SLEEP_MIN_NS;
		return;
	}
	if (p->idle == POLL_BUSY || ++t->empty < SPINS) {
		rte_pause();
		return;
	}
	uint64_t at = clock_ns(CLOCK_MONOTONIC);
	if (p->idle == POLL_INTERRUPT)
		wait_for_frames(p);
	else
		nap(t);
	at = clock_ns(CLOCK_MONOTONIC) - at;
	atomic_store_explicit(&p->idle_ns, atomic_load_explicit(&p->idle_ns, memory_order_relaxed) + at,
			      memory_order_relaxed);
}

static void turn(struct turn *t)
{
	struct poll *p = t->p;
	uint64_t now = t->now_ns = p->w.now_ns = clock_steady_ns();
	unsigned n = 0;
	p->w.wall_ns = atomic_load_explicit(&clock_wall_ns, memory_order_relaxed);
	shed_turn(&p->w, t->full);
	t->full = false;
	rules(t);
	fast(t);
	bypass(t);
	for (unsigned i = 0; i < p->nrx; i++) {
		unsigned got = p->rx[i].kind == POLL_QUEUE_KERNEL ? from_kernel(t, &p->rx[i]) : receive(t, &p->rx[i]);
		if (got) // now: the look at the next queue can be a call of the kernel
			egress_flush(&p->w);
		n += got;
	}
	for (unsigned i = 0; i < p->nworkers; i++)
		if (p->from[i])
			n += take_in(t, p->from[i]);
	age(t, n);
	errand(t);
	egress_flush(&p->w);
	if (n) {
		uint64_t took = clock_steady_ns() - now;
		if (took < 1000000000ull && took > atomic_load_explicit(&p->burst_max_ns, memory_order_relaxed))
			atomic_store_explicit(&p->burst_max_ns, took, memory_order_relaxed);
	}
	atomic_store_explicit(&p->beats, atomic_load_explicit(&p->beats, memory_order_relaxed) + 1,
			      memory_order_release);
	idle(t, n);
}

static void rest(struct turn *t)
{
	struct poll *p = t->p;
	atomic_store_explicit(&p->resting, true, memory_order_release);
	while (atomic_load_explicit(&p->rest, memory_order_acquire) &&
	       !atomic_load_explicit(&p->stop, memory_order_acquire)) {
		rules(t);
		fast(t);
		errand(t);
		atomic_fetch_add_explicit(&p->beats, 1, memory_order_release);
		nanosleep(&(struct timespec){.tv_nsec = SLEEP_MAX_NS}, NULL);
	}
	atomic_store_explicit(&p->resting, false, memory_order_release);
}

static void drain(struct turn *t)
{
	struct poll *p = t->p;
	for (unsigned i = 0; i < p->nworkers; i++)
		while (p->from[i] && take_in(t, p->from[i]))
			;
	while (p->fast && settle_take(&p->w))
		;
	stand_at(t);
	path_drain(&p->w);
	egress_drain(&p->w);
	rules(t);
}

static void *run(void *arg)
{
	struct turn t = {.p = arg, .sleep_ns = SLEEP_MIN_NS};
	bool registered = rte_thread_register() == 0; // for the pools' per-thread caches; works without
	atomic_store(&t.p->tid, gettid());
	prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0); // sleeps are short, and end when they should
	if (t.p->begun)
		t.p->begun(t.p);
	while (!atomic_load_explicit(&t.p->stop, memory_order_acquire)) {
		turn(&t);
		if (unlikely(atomic_load_explicit(&t.p->rest, memory_order_acquire)))
			rest(&t);
	}
	drain(&t);
	if (registered)
		rte_thread_unregister();
	return NULL;
}

// ---- for the control thread --------------------------------------------------------------------------------------

static void pin(struct poll *p)
{
	cpu_set_t set;
	char name[16];
	snprintf(name, sizeof(name), "worker%u", p->w.id);
	pthread_setname_np(p->thread, name);
	if (p->core < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET((unsigned)p->core, &set);
	pthread_setaffinity_np(p->thread, sizeof(set), &set);
}

int poll_start(struct poll *p)
{
	int rc = pthread_create(&p->thread, NULL, run, p);
	if (rc)
		return -rc;
	p->running = true;
	pin(p);
	return 0;
}

void poll_stop(struct poll *p)
{
	if (!p->running)
		return;
	atomic_store_explicit(&p->stop, true, memory_order_release);
	pthread_join(p->thread, NULL);
	p->running = false;
}

int poll_rest(struct poll *p)
{
	atomic_store_explicit(&p->rest, true, memory_order_release);
	for (unsigned i = 0; i < REST_TRIES && p->running; i++) {
		if (atomic_load_explicit(&p->resting, memory_order_acquire))
			return 0;
		nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
	}
	return p->running ? -ETIMEDOUT : 0;
}

void poll_resume(struct poll *p)
{
	atomic_store_explicit(&p->rest, false, memory_order_release);
}
