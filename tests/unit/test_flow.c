// SPDX-License-Identifier: BSD-3-Clause
//
// The flow room: keys, hash, table, ageing, records.
#include "flow_fixture.h"
#include "path/shed.h"

static int setup(void **state)
{
	world_defaults();
	return 0;
}

static struct shape udp(uint32_t src, uint16_t sport, uint32_t dst, uint16_t dport)
{
	return (struct shape){.src = src, .dst = dst, .sport = sport, .dport = dport, .proto = IPPROTO_UDP, .len = 10};
}

static void bytes_a_flow(void **state)
{
	for (uint32_t size = 1 << 20; size <= 4 << 20; size *= 4)
		assert_true(flow_table_bytes(size) / size <= 192);
	// sizes that people ask for are not powers of two
	assert_true(flow_table_bytes(1000000) / 1000000 <= 192);
}

static uint32_t hash_of(const struct steer_key *key, uint64_t tenant, const struct layer *l, const uint8_t *frame)
{
	struct tuple t;
	bool swap = steer_tuple(l, frame, &t);
	return steer_hash(key, tenant, &t, frame + l->l3, swap);
}

static void hash_is_symmetric_and_keyed(void **state)
{
	struct steer_key one = steer_key(1), two = steer_key(2);
	uint8_t frame[64] = {0}, back[64] = {0};
	for (unsigned version = 4; version <= 6; version += 2) {
		unsigned at = version == 4 ? 12 : 8, len = version == 4 ? 4 : 16;
		for (unsigned i = 0; i < len; i++) {
			frame[at + i] = back[at + len + i] = (uint8_t)rand();
			frame[at + len + i] = back[at + i] = (uint8_t)rand();
		}
		struct layer l = {.version = (uint8_t)version, .proto = 6, .sport_be = 77, .dport_be = 9999}, r = l;
		r.sport_be = l.dport_be;
		r.dport_be = l.sport_be;
		assert_int_equal(hash_of(&one, 5, &l, frame), hash_of(&one, 5, &r, back));
		assert_int_not_equal(hash_of(&one, 5, &l, frame), hash_of(&one, 6, &l, frame));
		assert_int_not_equal(hash_of(&one, 5, &l, frame), hash_of(&two, 5, &l, frame));
		// ports exchanged between the ends are another flow
		assert_int_not_equal(hash_of(&one, 5, &l, frame), hash_of(&one, 5, &r, frame));
		l.proto = 17;
		assert_int_not_equal(hash_of(&one, 5, &l, frame), hash_of(&one, 5, &r, back));
	}
}

// Neighbouring addresses and ports, as a scan has them, spread over buckets and workers like random ones.
static void hash_spreads(void **state)
{
	enum { N = 1 << 16, BUCKETS = 1024 };
	static unsigned high[BUCKETS], low[BUCKETS];
	struct steer_key key = steer_key(99);
	uint8_t frame[64] = {0};
	for (unsigned i = 0; i < N; i++) {
		frame[12] = 10;
		frame[15] = (uint8_t)(i >> 8);
		frame[16] = 192;
		struct layer l = {.version = 4, .proto = 6, .sport_be = (uint16_t)i, .dport_be = 80};
		uint32_t h = hash_of(&key, 0, &l, frame);
		high[h >> 22]++;
		low[h & (BUCKETS - 1)]++;
	}
	// 64 a bucket on average; +-6.5 standard deviations of a Poisson distribution
	for (unsigned i = 0; i < BUCKETS; i++) {
		assert_in_range(high[i], 12, 116);
		assert_in_range(low[i], 12, 116);
	}
}

static void both_directions_are_one_flow(void **state)
{
	world_open();
	struct shape there = udp(0x0a000001, 40000, 0x0a000002, 5000), back = udp(0x0a000002, 5000, 0x0a000001, 40000);
	assert_int_equal(walk(&there), 0);
	struct flow *f = last_flow;
	assert_non_null(f);
	assert_int_equal(last_dir, 0);
	assert_int_equal(walk(&back), 0);
	assert_ptr_equal(last_flow, f);
	assert_int_equal(last_dir, 1);
	there.tenant = 7;
	assert_int_equal(walk(&there), 0);
	assert_ptr_not_equal(last_flow, f);
	flow_drain(worker);
	const struct record *r = next_record(RECORD_FLOW);
	assert_int_equal(r->flow_id, 1 << 3);
	assert_int_equal(r->pkts[0], 1);
	assert_int_equal(r->pkts[1], 1);
	assert_int_equal(r->bytes[0], 52);
	assert_int_equal(r->sport, 40000);
	assert_int_equal(r->dport, 5000);
	assert_int_equal(r->flow_end, FLOW_END_SHUTDOWN);
	r = next_record(RECORD_FLOW);
	assert_int_equal(r->tenant, 7);
	assert_null(next_record(RECORD_FLOW));
	world_close();
}

// The same over IPv6, and often enough for the short way of known flows.
static void both_directions_are_one_flow_ipv6(void **state)
{
	world_open();
	for (unsigned i = 0; i < 300; i++) {
		struct shape s = udp(0x0a000001, 40000, 0x0a000002, 5000);
		struct burst b = {.m = {make(&s)}, .n = 1};
		struct pkt *p = pkt_of(b.m[0]);
		uint8_t *ip = pkt_data(b.m[0]) + 14;
		unsigned way = i & 1, host = i / 2 % 3; // addresses differ in their last byte only, or the first
		memset(ip, 0, 40);
		ip[0] = 0x60;
		memset(ip + 8, 0x20, 32);
		ip[way ? 39 : 23] = (uint8_t)host;
		ip[way ? 24 : 8] = (uint8_t)(0x20 + host);
		p->layer[0].version = 6;
		p->layer[0].sport_be = rte_cpu_to_be_16(way ? 5000 : 40000);
		p->layer[0].dport_be = rte_cpu_to_be_16(way ? 40000 : 5000);
		steer_burst(worker, &b);
		flow_burst(worker, &b);
		assert_int_equal(p->reason, 0);
		assert_int_equal(p->dir, way);
		assert_int_equal(p->flow->id >> 3, host * 2 + 1);
		rte_pktmbuf_free(b.m[0]);
	}
	assert_int_equal(worker->counters[COUNTER_FLOWS], 3);
	flow_drain(worker);
	const struct record *r = next_record(RECORD_FLOW);
	assert_int_equal(r->pkts[0], 50);
	assert_int_equal(r->pkts[1], 50);
	assert_int_equal(r->ip_version, 6);
	world_close();
}

static void answers_of_services_come_from_the_responder(void **state)
{
	world_open();
	struct shape s = udp(0x0a000001, 53, 0x0a000002, 40000);
	walk(&s);
	assert_int_equal(last_dir, 1);
	s = udp(0x0a000001, 123, 0x0a000002, 53); // both are: the first packet's sender
	walk(&s);
	assert_int_equal(last_dir, 0);
	s = udp(0x0a000001, 40000, 0x0a000002, 40001);
	walk(&s);
	assert_int_equal(last_dir, 0);
	flow_drain(worker);
	world_close();
}

static void icmp_is_one_flow_and_keeps_its_first_type(void **state)
{
	world_open();
	struct shape s = {.src = 1, .dst = 2, .proto = IPPROTO_ICMP, .icmp_type = 8, .icmp_code = 0, .len = 8};
	walk(&s);
	struct flow *f = last_flow;
	s = (struct shape){.src = 2, .dst = 1, .proto = IPPROTO_ICMP, .icmp_type = 3, .icmp_code = 4, .len = 8};
	walk(&s);
	assert_ptr_equal(last_flow, f);
	flow_drain(worker);
	const struct record *r = next_record(RECORD_FLOW);
	assert_int_equal(r->icmp_type, 8);
	assert_int_equal(r->icmp_code, 0);
	assert_int_equal(r->pkts[0] + r->pkts[1], 2);
	world_close();
}

static void a_burst_of_one_new_flow_is_one_flow(void **state)
{
	world_open();
	struct burst b = {0};
	for (unsigned i = 0; i < BURST_SIZE; i++) {
		struct shape s = i & 1 ? udp(1, 2000, 2, 3000) : udp(2, 3000, 1, 2000);
		b.m[b.n++] = make(&s);
	}
	steer_burst(worker, &b);
	flow_burst(worker, &b);
	for (unsigned i = 0; i < BURST_SIZE; i++) {
		assert_ptr_equal(pkt_of(b.m[i])->flow, pkt_of(b.m[0])->flow);
		assert_int_equal(pkt_of(b.m[i])->dir, i & 1);
		rte_pktmbuf_free(b.m[i]);
	}
	assert_int_equal(worker->counters[COUNTER_FLOWS], 1);
	flow_drain(worker);
	world_close();
}

// A flow that would end while an earlier packet of the burst points to it: the burst is cut.
static void a_burst_is_cut_before_its_own_flow_ends(void **state)
{
	world_open();
	struct burst b = {0};
	for (unsigned i = 0; i < 4; i++) {
		struct shape s = udp(1, 2000, 2, 3000);
		if (i == 2)
			clock_ns += 100 * SECOND;
		b.m[b.n++] = make(&s);
	}
	steer_burst(worker, &b);
	flow_burst(worker, &b);
	assert_int_equal(b.n, 2);
	assert_int_equal(pkt_of(b.m[0])->flow->id, 1 << 3);
	rte_pktmbuf_free_bulk(b.m, 2);
	assert_true(flow_rest(worker, &b));
	assert_int_equal(b.n, 2);
	flow_burst(worker, &b);
	assert_int_equal(b.n, 2);
	assert_int_equal(pkt_of(b.m[0])->flow->id, 3 << 3);
	assert_ptr_equal(pkt_of(b.m[1])->flow, pkt_of(b.m[0])->flow);
	rte_pktmbuf_free_bulk(b.m, 2);
	assert_false(flow_rest(worker, &b));
	flow_drain(worker);
	world_close();
}

static void age_fully(uint64_t time_ns, uint64_t frame)
{
	while (flow_age(worker, time_ns, frame))
		;
}

static void flows_end_when_their_time_is_over(void **state)
{
	world_open();
	struct shape s = udp(1, 2000, 2, 3000), t = udp(5, 2000, 6, 3000), back = udp(2, 3000, 1, 2000);
	walk(&s);
	clock_ns += 10 * SECOND;
	walk(&t);
	walk(&back); // the first is replied: 300 s from here
	age_fully(clock_ns + 25 * SECOND, 7);
	assert_null(next_record(RECORD_FLOW));
	age_fully(clock_ns + 32 * SECOND, 8);
	const struct record *r = next_record(RECORD_FLOW);
	assert_non_null(r);
	assert_int_equal(r->flow_id, 2 << 3);
	assert_int_equal(r->packet, 8);
	assert_int_equal(r->flow_end, FLOW_END_TIMEOUT);
	assert_null(next_record(RECORD_FLOW));
	age_fully(clock_ns + 299 * SECOND, 9);
	assert_null(next_record(RECORD_FLOW));
	age_fully(clock_ns + 302 * SECOND, 10);
	r = next_record(RECORD_FLOW);
	assert_non_null(r);
	assert_int_equal(r->packet, 10);
	assert_int_equal(r->pkts[1], 1);
	world_close();
}

// The work of a call is bounded, and in replay the order is that of flow ids whatever the order of the slots.
static void ageing_is_bounded_and_ordered(void **state)
{
	world_open();
	for (unsigned i = 0; i < 500; i++) {
		struct shape s = udp(1, (uint16_t)(2000 + i), 2, 3000);
		walk(&s);
	}
	clock_ns += 5 * SECOND;
	for (unsigned i = 0; i < 500; i += 3) { // some are seen later, in another order
		struct shape s = udp(1, (uint16_t)(2499 - i), 2, 3000);
		walk(&s);
	}
	uint64_t before = worker->counters[COUNTER_RECORDS], last = 0;
	while (flow_age(worker, clock_ns + 100 * SECOND, 9999)) {
		assert_in_range(worker->counters[COUNTER_RECORDS] - before, 0, 64);
		before = worker->counters[COUNTER_RECORDS];
	}
	unsigned n = 0;
	for (const struct record *r; (r = next_record(RECORD_FLOW)); n++) {
		assert_true(r->flow_id > last);
		last = r->flow_id;
	}
	assert_int_equal(n, 500);
	assert_int_equal(worker->flows->used, 0);
	world_close();
}

static void leaps_of_time_end_everything_once(void **state)
{
	world_open();
	struct shape s = udp(1, 2000, 2, 3000), back = udp(2, 3000, 1, 2000);
	walk(&s);
	walk(&back);
	age_fully(clock_ns + 400ull * 86400 * SECOND, 5);
	assert_non_null(next_record(RECORD_FLOW));
	clock_ns += 400ull * 86400 * SECOND;
	walk(&s);
	age_fully(clock_ns + 31 * SECOND, 6);
	age_fully(clock_ns + 33 * SECOND, 7);
	assert_non_null(next_record(RECORD_FLOW));
	assert_null(next_record(RECORD_FLOW));
	world_close();
}

// Bursts come full: few flows are begun, those that are known go on. Bursts that are not: all is as before.
static void who_is_behind_begins_fewer_flows(void **state)
{
	unsigned begun = 0;
	struct shape known = udp(1, 2000, 2, 3000);
	world_open();
	assert_int_equal(walk(&known), 0);
	for (unsigned i = 0; i < 1000; i++)
		shed_turn(worker, true);
	for (unsigned burst = 0; burst < 64; burst++, shed_turn(worker, true)) {
		for (unsigned i = 0; i < BURST_SIZE; i++) {
			struct shape s = udp(3, (uint16_t)(2000 + burst * BURST_SIZE + i), 2, 3000);
			uint16_t reason = walk(&s);
			assert_true(reason == 0 || reason == REASON_SHED_NEW);
			begun += reason == 0;
		}
		assert_int_equal(walk(&known), 0);
	}
	assert_in_range(begun, 64 / 4, 64 / 4 + BURST_SIZE); // and what was left of before
	assert_int_equal(worker->counters[COUNTER_FLOWS], 1 + begun);
	for (unsigned i = 0; i < SHED_MOST; i++)
		shed_turn(worker, false);
	for (unsigned i = 0; i < 1000; i++) {
		struct shape s = udp(4, (uint16_t)(2000 + i), 2, 3000);
		assert_int_equal(walk(&s), 0);
	}
	flow_drain(worker);
	world_close();
}

static void half_open_gives_way_established_does_not(void **state)
{
	config.flows = 64;
	config.record_cells = 1 << 14;
	world_open();
	for (unsigned i = 0; i < 32; i++) { // established: replied
		struct shape s = udp(1, (uint16_t)(2000 + i), 2, 3000), back = udp(2, 3000, 1, (uint16_t)(2000 + i));
		walk(&s);
		walk(&back);
	}
	for (unsigned i = 0; i < 1000; i++) { // a flood
		struct shape s = udp(3, (uint16_t)(2000 + i), 2, 3000);
		assert_int_equal(walk(&s), 0);
		assert_true(worker->flows->used <= 64);
	}
	assert_int_equal(worker->counters[COUNTER_FLOWS_EVICTED], 1000 - 32);
	for (unsigned i = 0; i < 32; i++) {
		struct shape s = udp(1, (uint16_t)(2000 + i), 2, 3000);
		assert_int_equal(walk(&s), 0);
		assert_int_equal(last_flow->pkts[0], 2);
	}
	for (unsigned i = 0; i < 32; i++) { // the flood is answered: nobody is left to give way
		struct shape back = udp(2, 3000, 3, (uint16_t)(2000 + 1000 - 32 + i));
		assert_int_equal(walk(&back), 0);
	}
	struct shape s = udp(9, 1, 2, 3000);
	assert_int_equal(walk(&s), REASON_FLOW_TABLE_FULL);
	assert_null(last_flow);
	flow_drain(worker);
	world_close();
}

// Fills the table to the last flow, at twice and at odd sizes, empties it and fills it again.
static void the_whole_table_can_be_used(void **state)
{
	config.flows = 100003;
	world_open();
	struct flow_table *t = worker->flows;
	struct flow **all = calloc(config.flows, sizeof(*all));
	struct flow_key key = {.proto = 17, .version = 4};
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < config.flows; i++) {
			memcpy(key.a, &i, 4);
			key.bport_be = (uint16_t)round;
			all[i] = flow_table_add(t, &key, flow_table_hash(t, &key));
			assert_non_null(all[i]);
			all[i]->id = i + 1;
		}
		assert_null(flow_table_add(t, &key, 1));
		for (unsigned i = 0; i < config.flows; i++) {
			memcpy(key.a, &i, 4);
			struct flow_place at = flow_table_place(t, flow_table_hash(t, &key));
			assert_ptr_equal(flow_table_find(t, &at, &key), all[i]);
		}
		for (unsigned i = 0; i < config.flows; i++)
			flow_table_remove(t, all[(i * 7ull) % config.flows]);
		assert_int_equal(t->used, 0);
	}
	free(all);
	world_close();
}

// Half the hashes are impossible for a worker (their upper bits chose it): the table is full-size all the same.
static void hashes_of_one_worker_fill_the_table(void **state)
{
	config.flows = 65536;
	world_open();
	struct flow_table *t = worker->flows;
	struct flow_key key = {.proto = 17, .version = 4};
	for (uint32_t i = 0, n = 0; n < config.flows; i++) {
		memcpy(key.a, &i, 4);
		uint32_t hash = flow_table_hash(t, &key);
		if (steer_owner(hash, 4) != 2)
			continue;
		assert_non_null(flow_table_add(t, &key, hash));
		n++;
	}
	world_close();
}

static unsigned facts(const struct record *r, unsigned field)
{
	unsigned n = 0;
	const struct fact *f = record_first(r);
	for (unsigned i = 0; i < r->nfacts; i++, f = fact_next(f))
		n += f->field == field;
	return n;
}

static void starts_say_what_is_around(void **state)
{
	world_open();
	for (unsigned i = 0; i < 3; i++) {
		struct shape s = i == 1 ? udp(2, 3000, 1, 2000) : udp(1, 2000, 2, 3000);
		struct burst b = {.m = {make(&s)}, .n = 1};
		struct pkt *p = pkt_of(b.m[0]);
		p->nvlans = 2;
		p->vlan[0] = 10;
		p->vlan[1] = 20;
		p->nvnis = 1;
		p->vni[0] = 77;
		p->nlayers = 2; // the same header twice will do
		p->layer[1] = p->layer[0];
		p->inner = &p->layer[1];
		worker->outer_layers++;
		flow_outer_burst(worker, &b);
		steer_burst(worker, &b);
		flow_burst(worker, &b);
		assert_int_equal(p->flow->key.outer, 0);
		rte_pktmbuf_free(b.m[0]);
	}
	const struct record *r = next_record(RECORD_FLOW_START); // outer
	assert_int_equal(r->layer, 1);
	assert_int_equal(r->flow_id, 1 << 3);
	assert_int_equal(facts(r, FACT_FLOW), 1);
	assert_int_equal(facts(r, FACT_VLAN), 0);
	r = next_record(RECORD_FLOW_START); // inner
	assert_int_equal(r->layer, 0);
	assert_int_equal(r->flow_id, 1 << 3 | 1);
	assert_int_equal(facts(r, FACT_FLOW), 1);
	assert_int_equal(facts(r, FACT_VLAN), 2);
	assert_int_equal(facts(r, FACT_VNI), 1);
	assert_int_equal(facts(r, FACT_OUTER_IP), 2);
	r = next_record(RECORD_FLOW_START); // the way back
	assert_int_equal(r->flow_id, 1 << 3 | 1);
	assert_int_equal(r->dir, 1);
	assert_int_equal(facts(r, FACT_FLOW), 0);
	assert_int_equal(facts(r, FACT_VLAN), 2);
	assert_null(next_record(RECORD_FLOW_START));
	flow_drain(worker);
	r = next_record(RECORD_FLOW);
	assert_int_equal(r->layer, 1);
	assert_int_equal(r->pkts[0], 2);
	assert_int_equal(r->pkts[1], 1);
	r = next_record(RECORD_FLOW);
	assert_int_equal(r->layer, 0);
	world_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_a_flow),
		cmocka_unit_test(hash_is_symmetric_and_keyed),
		cmocka_unit_test(hash_spreads),
		cmocka_unit_test_setup(both_directions_are_one_flow, setup),
		cmocka_unit_test_setup(both_directions_are_one_flow_ipv6, setup),
		cmocka_unit_test_setup(answers_of_services_come_from_the_responder, setup),
		cmocka_unit_test_setup(icmp_is_one_flow_and_keeps_its_first_type, setup),
		cmocka_unit_test_setup(a_burst_of_one_new_flow_is_one_flow, setup),
		cmocka_unit_test_setup(a_burst_is_cut_before_its_own_flow_ends, setup),
		cmocka_unit_test_setup(flows_end_when_their_time_is_over, setup),
		cmocka_unit_test_setup(ageing_is_bounded_and_ordered, setup),
		cmocka_unit_test_setup(leaps_of_time_end_everything_once, setup),
		cmocka_unit_test_setup(who_is_behind_begins_fewer_flows, setup),
		cmocka_unit_test_setup(half_open_gives_way_established_does_not, setup),
		cmocka_unit_test_setup(the_whole_table_can_be_used, setup),
		cmocka_unit_test_setup(hashes_of_one_worker_fill_the_table, setup),
		cmocka_unit_test_setup(starts_say_what_is_around, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
