// SPDX-License-Identifier: BSD-3-Clause
//
// The loop of a live worker, on a port that needs no card: what it owes to workers that do not move. With real clients
// it is tested by tests/live.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>
#include <time.h>

#include <rte_ring.h>
#include <rte_ring_elem.h>

#include <fastpath.h>
#include <record_ring.h>

#include "base/clock.h"
#include "base/eal.h"
#include "base/port.h"
#include "live/poll.h"
#include "path/path.h"
#include "path/record_out.h"
#include "path/settle.h"

static struct path_config config = {.flows = 1024,
				    .streams = 64,
				    .chunks = 256,
				    .apps = 16,
				    .fragments = 64,
				    .arena_bytes = 1 << 16,
				    .record_cells = 1024,
				    .checksum = CHECKSUM_ENFORCE,
				    .live = true};

static struct poll p;
static struct publish publish;
static struct port port;
static struct rte_mempool *frames;

static unsigned take_nothing(void *arg, unsigned to, struct rte_mbuf **m, unsigned n)
{
	return 0;
}

static int begin(void **state)
{
	static const struct port_config flood = {.name = "flood", .type = PORT_NULL, .flood = true};
	char why[256];
	if (!frames) {
		assert_int_equal(eal_init_live(&(struct eal_live){
					 .ports = &flood, .nports = 1, .mem_mb = 128, .pages = EAL_PAGES_SMALL}),
				 0);
		frames = eal_pool("frames", 8191, 2048);
		assert_non_null(frames);
	}
	memset(&p, 0, sizeof(p));
	assert_int_equal(port_open(&port, &flood, frames, 2, NULL, why, sizeof(why)), 0);
	assert_int_equal(publish_init(&publish, 2), 0);
	p.w.frames = p.w.giants = frames;
	p.w.egress = &p.egress;
	p.core = -1;
	p.nworkers = 1;
	p.publish = &publish;
	p.port[0] = &port;
	p.rx[p.nrx++] = (struct poll_queue){.port = &port};
	p.egress.nports = 1;
	p.egress.send = take_nothing;
	p.egress.lane[0] = (struct lane){.mode = PATH_BRIDGE, .mtu = 1500, .up = &port.up, .mac = port.mac.addr_bytes};
	return 0;
}

static int end(void **state)
{
	port_close(&port);
	return rte_mempool_in_use_count(frames) == 0 ? 0 : -1;
}

static void run_until(enum reason reason)
{
	assert_int_equal(path_init(&p.w, &config), 0);
	assert_int_equal(poll_start(&p), 0);
	for (unsigned i = 0; i < 1000 && *(volatile uint64_t *)&p.w.drops[reason] == 0; i++)
		nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
	poll_stop(&p);
	path_fini(&p.w);
	assert_true(p.w.drops[reason] > 0);
}

// A worker that looked just before a policy came says nothing of it: the one before is still in use.
static void what_was_not_taken_is_not_done(void **state)
{
	static struct published next;
	assert_int_equal(path_init(&p.w, &config), 0);
	assert_int_equal(publish_init(&publish, 1), 0);
	assert_true(publish_done(&publish));
	publish_set(&publish, &next);
	assert_true(publish_step(&publish, &p.w, 1));
	assert_false(publish_done(&publish));
	publish_take(&publish, &p.w);
	assert_false(publish_done(&publish));
	assert_true(publish_step(&publish, &p.w, 1));
	assert_true(publish_done(&publish));
	path_fini(&p.w);
}

// Worker 1 of two has the port. What it brings has no flow, so worker 0 owns it, which never runs: its ring fills up.
static void a_full_ring_drops_by_name(void **state)
{
	p.w.id = 1;
	p.nworkers = 2;
	p.to[0] = rte_ring_create("to0", POLL_RING, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	assert_non_null(p.to[0]);
	run_until(REASON_STEER_FULL);
	unsigned waiting = rte_ring_count(p.to[0]);
	assert_int_equal(waiting, POLL_RING - 1);
	assert_int_equal(p.w.rx, waiting + p.w.drops[REASON_STEER_FULL]);
	for (struct rte_mbuf *m; rte_ring_sc_dequeue(p.to[0], (void **)&m) == 0;)
		rte_pktmbuf_free(m);
	rte_ring_free(p.to[0]);
}

// Worker 1 brings what worker 0 owns. Both rest before the first of them ends: nothing comes behind its end, and what
// came before has left.
static void what_was_handed_over_leaves(void **state)
{
	static struct poll owner;
	p.nworkers = 2;
	owner = p;
	owner.w.egress = &owner.egress;
	owner.nrx = 0;
	owner.from[1] = p.to[0] = rte_ring_create("owner", POLL_RING, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	p.w.id = 1;
	struct poll *const both[] = {&owner, &p};
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(path_init(&both[i]->w, &config), 0);
		assert_int_equal(poll_start(both[i]), 0);
	}
	while (*(volatile uint64_t *)&owner.w.drops[REASON_EGRESS_FULL] == 0)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(poll_rest(both[i]), 0);
	for (unsigned i = 0; i < 2; i++)
		poll_stop(both[i]);
	assert_int_equal(rte_ring_count(p.to[0]), 0);
	for (unsigned i = 0; i < 2; i++)
		path_fini(&both[i]->w);
	rte_ring_free(p.to[0]);
}

// The fast path writes a tag before each frame, or in front of it; these have none.
static void a_frame_without_its_tag_goes_no_further(void **state)
{
	static struct fastpath_port tagged = {.carrier = FASTPATH_METADATA, .secret = {1, 2, 3}};
	static struct fastpath_port *const fast[EGRESS_PORTS] = {&tagged};
	struct settle_config settled = {
		.ops = rte_ring_create_elem("ops", sizeof(struct fastpath_op), 64, SOCKET_ID_ANY, 0),
		.counts = rte_ring_create_elem("counts", sizeof(struct fastpath_count), 64, SOCKET_ID_ANY, 0),
		.flows = config.flows};
	assert_non_null(settled.ops);
	assert_non_null(settled.counts);
	assert_non_null(p.w.settle = settle_new(&settled));
	p.fast = fast;
	run_until(REASON_RX_TAG);
	assert_int_equal(p.w.rx, p.w.drops[REASON_RX_TAG]);
	settle_free(p.w.settle);
	rte_ring_free(settled.ops);
	rte_ring_free(settled.counts);
	tagged.carrier = FASTPATH_PREFIX; // the second time
}

// What is written follows, and the workers' time goes on.
static void the_time_of_day_is_set_back(void **state)
{
	const uint64_t second = 1000000000, hour = 3600 * second;
	uint64_t at = clock_ns(CLOCK_MONOTONIC), real = at + 1000 * hour, last = 0;
	clock_follow(at, real);
	assert_int_equal(clock_follow(at + second, real + second + 500), 0);
	uint64_t before = clock_steady_ns();
	assert_int_equal(clock_follow(at + 2 * second, real + 2 * second - hour), -hour);
	assert_int_equal(clock_follow(at + 3 * second, real + 3 * second - hour), 0);
	assert_int_equal(path_init(&p.w, &config), 0);
	assert_int_equal(poll_start(&p), 0);
	while (atomic_load(&p.beats) < 2)
		;
	poll_stop(&p);
	assert_true(p.w.now_ns >= before);
	record_begin(&p.w, RECORD_STATE);
	record_write(&p.w);
	for (const struct record *r; (r = record_peek(p.w.records)); record_done(p.w.records, r))
		last = r->time_ns;
	assert_int_equal(last, p.w.now_ns - hour);
	path_fini(&p.w);
	clock_follow(at, real);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_not_taken_is_not_done, begin, end),
		cmocka_unit_test_setup_teardown(what_was_handed_over_leaves, begin, end),
		cmocka_unit_test_setup_teardown(a_full_ring_drops_by_name, begin, end),
		cmocka_unit_test_setup_teardown(a_frame_without_its_tag_goes_no_further, begin, end),
		cmocka_unit_test_setup_teardown(a_frame_without_its_tag_goes_no_further, begin, end),
		cmocka_unit_test_setup_teardown(the_time_of_day_is_set_back, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
