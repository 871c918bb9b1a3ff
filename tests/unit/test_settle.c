// SPDX-License-Identifier: BSD-3-Clause
//
// Who is settled and who is not, by the corridor's back half under a policy; what is asked of the fast path, and what
// becomes of its counts. The helper thread's end of the rings is the test.
#include "hello_builder.h"
#include "judged_fixture.h"

#include <stdatomic.h>

#include <rte_ring.h>
#include <rte_ring_elem.h>

#include <fastpath.h>
#include "path/egress.h"
#include "path/limit.h"
#include "path/settle.h"

static const char text[] =
	"{\"rules\":["
	"{\"id\":\"name\",\"action\":\"deny\",\"when\":{\"host\":\"denied.example\"}},"
	"{\"id\":\"no\",\"action\":\"deny\",\"respond\":\"drop\",\"when\":{\"dport\":81}},"
	"{\"id\":\"slow\",\"action\":\"limit\",\"rate\":\"1Gbps\",\"by\":\"src\",\"when\":{\"dport\":82}}"
	"]}";

static struct judged_policy policy;
static struct egress out;
static _Atomic bool up = true;
static struct rte_ring *ops, *counts;
static struct fastpath_slot slots[4];
static uint16_t sport = 1000, dport;
static uint32_t next[2]; // of each side
static unsigned worlds;

static unsigned sent(void *arg, unsigned port, struct rte_mbuf **m, unsigned n)
{
	rte_pktmbuf_free_bulk(m, n);
	return n;
}

static struct rte_ring *ring(const char *what, unsigned size)
{
	char name[RTE_RING_NAMESIZE];
	snprintf(name, sizeof(name), "%s%u", what, worlds);
	struct rte_ring *r = rte_ring_create_elem(name, size, 64, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	assert_non_null(r);
	return r;
}

static int open_world(void **state)
{
	world_defaults();
	config.live = true;
	config.held = 64;
	config.hold_bytes = 4096;
	config.hold_ns = 10 * SECOND;
	config.policy_acts = true;
	config.policy_fields = 1ull << FIELD_HOST | 1ull << FIELD_PAYLOAD | 1ull << FIELD_DPORT;
	config.payload_depth = 65536;
	config.kept_bytes = 1 << 20;
	world_open();
	out = (struct egress){.nports = 2, .send = sent};
	for (unsigned i = 0; i < 2; i++)
		out.lane[i] = (struct lane){.mode = PATH_BRIDGE,
					    .out = !i,
					    .kernel = EGRESS_NO_PORT,
					    .mtu = 9000,
					    .up = &up,
					    .other_l2 = true};
	worker->egress = &out;
	worker->limits = limits_new(1);
	worlds++;
	ops = ring("ops", sizeof(struct fastpath_op));
	counts = ring("counts", sizeof(struct fastpath_count));
	struct settle_config c = {.ops = ops,
				  .counts = counts,
				  .slots = slots,
				  .link = {7, 8},
				  .across = {&up, &up},
				  .flows = config.flows,
				  .least = SETTLE_LEAST};
	memset(slots, 0, sizeof(slots));
	worker->settle = settle_new(&c);
	assert_non_null(worker->settle);
	atomic_store(&up, true);
	judged_load(&policy, text, 1);
	judge_use(worker, policy.judge);
	return 0;
}

static int close_world(void **state)
{
	path_drain(worker);
	egress_flush(worker);
	settle_free(worker->settle);
	judged_unload(&policy);
	world_close();
	rte_ring_free(ops);
	rte_ring_free(counts);
	return 0;
}

// One frame of the connection; its flow.
static struct flow *frame(unsigned dir, uint8_t proto, uint8_t flags, const char *data, uint32_t len)
{
	struct shape s = {.src = dir ? 2 : 1,
			  .dst = dir ? 1 : 2,
			  .sport = dir ? dport : sport,
			  .dport = dir ? sport : dport,
			  .proto = proto,
			  .flags = flags,
			  .seq = next[dir],
			  .ack = flags & 0x10 ? next[!dir] : 0,
			  .win = 60000,
			  .data = data,
			  .len = len};
	struct burst b = {.m = {make(&s)}, .n = 1};
	pkt_of(b.m[0])->order = frame_number;
	pkt_of(b.m[0])->port = (uint8_t)dir;
	next[dir] += len + !!(flags & 3);
	clock_ns += 1000000;
	steer_burst(worker, &b);
	path_back(worker, &b);
	egress_flush(worker);
	return &worker->flows->flows[0];
}

static void say(unsigned dir, const char *data)
{
	frame(dir, IPPROTO_TCP, 0x18, data, (uint32_t)strlen(data));
}

static void connect_to(uint16_t port)
{
	sport++;
	dport = port;
	next[0] = 1000;
	next[1] = 5000;
	frame(0, IPPROTO_TCP, 0x02, "", 0);
	frame(1, IPPROTO_TCP, 0x12, "", 0);
	frame(0, IPPROTO_TCP, 0x10, "", 0);
}

// Each side says so many segments, which the other acknowledges.
static void talk(unsigned segments, const char *up_, const char *down)
{
	for (unsigned i = 0; i < segments; i++) {
		say(0, up_);
		say(1, down);
		frame(0, IPPROTO_TCP, 0x10, "", 0);
	}
}

static bool asked(struct fastpath_op *op)
{
	return rte_ring_sc_dequeue_elem(ops, op, sizeof(*op)) == 0;
}

static void nothing_asked(void)
{
	struct fastpath_op op;
	assert_false(asked(&op));
}

static struct flow *flow_of_op(const struct fastpath_op *op)
{
	return &worker->flows->flows[op->hint - 1];
}

static const char opaque[] = "????????????????????????????????????????";

static void why(const struct flow *f, bool settled, const char *words)
{
	char said[128], few[8];
	assert_int_equal(settle_why(worker, f, 0, said, sizeof(said)), settled);
	assert_string_equal(said, words);
	settle_why(worker, f, 0, few, sizeof(few));
	assert_memory_equal(few, said, 7);
	assert_int_equal(few[7], 0);
}

// The newest flow.
static struct flow *flow_now(void)
{
	struct flow *found = NULL;
	for (uint32_t i = 0; i < config.flows; i++) {
		struct flow *f = &worker->flows->flows[i];
		if (f->key.version && (!found || f->id > found->id))
			found = f;
	}
	assert_non_null(found);
	return found;
}

// Both directions of an opaque flow; their ADDs in op.
static void settle_both(struct fastpath_op *op)
{
	connect_to(9999);
	talk(100, opaque, opaque);
	assert_true(asked(&op[0]));
	assert_true(asked(&op[1]));
	nothing_asked();
}

static void opaque_settles(void **state)
{
	struct fastpath_op op[2];
	settle_both(op);
	for (unsigned i = 0; i < 2; i++) {
		const struct fastpath_key *k = &op[i].key;
		unsigned dir = op[i].dir;
		assert_int_equal(op[i].ask, FASTPATH_ADD);
		assert_int_equal(op[i].verdict, FASTPATH_FORWARD);
		assert_int_equal(k->port, dir ? 8 : 7);
		assert_int_equal(k->src[3], dir ? 2 : 1);
		assert_int_equal(k->dst[3], dir ? 1 : 2);
		assert_int_equal(rte_be_to_cpu_16(k->sport_be), dir ? 9999 : sport);
		assert_int_equal(rte_be_to_cpu_16(k->dport_be), dir ? sport : 9999);
		assert_int_equal(k->version, 4);
		assert_int_equal(k->proto, IPPROTO_TCP);
		assert_int_equal(op[i].flow, flow_of_op(&op[i])->id);
	}
	assert_int_not_equal(op[0].dir, op[1].dir);
	why(flow_now(), true, "nothing more of it is judged");
}

static void short_ones_do_not(void **state)
{
	connect_to(9999);
	talk(14, opaque, opaque); // 30 frames of the client's
	nothing_asked();
}

static void http_does_not(void **state)
{
	connect_to(80);
	talk(60, "GET / HTTP/1.1\r\nHost: allowed.example\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
	nothing_asked();
	why(flow_now(), false, "rule name looks at each http request");
	connect_to(80); // nor within one long body
	say(0, "GET / HTTP/1.1\r\nHost: allowed.example\r\n\r\n");
	say(1, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
	for (unsigned i = 0; i < 60; i++) {
		say(1, opaque);
		frame(0, IPPROTO_TCP, 0x10, "", 0);
	}
	nothing_asked();
}

static void held_does_not(void **state)
{
	connect_to(80);
	say(0, "GET / HTTP/1.1\r\nHo");
	assert_int_equal(worker->held, 1);
	for (unsigned i = 0; i < 60; i++)
		frame(1, IPPROTO_TCP, 0x10, "", 0);
	nothing_asked();
	why(flow_now(), false, "frames of it wait for a verdict");
}

static void dns_does_not(void **state)
{
	static const char query[] = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01"
				    "a\x07"
				    "example\x00\x00\x01\x00\x01";
	sport++;
	dport = 53;
	char answer[sizeof(query)];
	memcpy(answer, query, sizeof(query));
	answer[2] = (char)0x81;
	answer[3] = (char)0x83; // no such name
	for (unsigned i = 0; i < 80; i++) {
		frame(0, IPPROTO_UDP, 0, query, sizeof(query) - 1);
		frame(1, IPPROTO_UDP, 0, answer, sizeof(query) - 1);
	}
	nothing_asked();
}

static void limited_does_not(void **state)
{
	connect_to(82);
	talk(100, opaque, opaque);
	nothing_asked();
	why(flow_now(), false, "rule slow looks at each of its packets");
}

static void denied_is_dropped(void **state)
{
	struct fastpath_op op;
	sport++;
	dport = 81;
	for (unsigned i = 0; i < 20; i++)
		frame(0, IPPROTO_UDP, 0, opaque, sizeof(opaque));
	assert_true(asked(&op));
	assert_int_equal(op.ask, FASTPATH_ADD);
	assert_int_equal(op.verdict, FASTPATH_DROP);
	nothing_asked();
	why(flow_now(), true, "denied, nothing more of it is judged");
}

static void nobody_across(void **state)
{
	atomic_store(&up, false);
	connect_to(9999);
	talk(100, opaque, opaque);
	nothing_asked();
	atomic_store(&up, true);
	talk(1, opaque, opaque);
	struct fastpath_op op;
	assert_true(asked(&op) && asked(&op));
	settle_no_more(worker->settle);
	connect_to(9999);
	talk(100, opaque, opaque);
	nothing_asked();
}

static void told(const struct fastpath_op *op, uint64_t packets, uint64_t bytes, enum fastpath_end end)
{
	struct fastpath_count c = {.flow = op->flow,
				   .packets = packets,
				   .bytes = bytes,
				   .last_ns = clock_ns,
				   .hint = op->hint,
				   .slot = op->dir,
				   .dir = op->dir,
				   .end = (uint8_t)end};
	assert_int_equal(rte_ring_sp_enqueue_elem(counts, &c, sizeof(c)), 0);
	assert_int_equal(settle_take(worker), 1);
}

static void counts_come_back(void **state)
{
	struct fastpath_op op[2], again;
	settle_both(op);
	struct flow *f = flow_of_op(&op[0]);
	unsigned dir = op[0].dir;
	uint64_t packets = f->pkts[dir], bytes = f->bytes[dir];
	told(&op[0], 1000, 1500000, FASTPATH_LIVES);
	assert_int_equal(f->pkts[dir], packets + 1000);
	assert_int_equal(f->bytes[dir], bytes + 1500000);
	talk(1, opaque, opaque); // frames that were under way
	nothing_asked();
	told(&op[0], 1, 1500, FASTPATH_AGED);
	talk(1, opaque, opaque);
	assert_true(asked(&again));
	assert_int_equal(again.ask, FASTPATH_ADD);
	assert_int_equal(again.dir, dir);
	struct fastpath_op other = op[0];
	other.flow++; // of another flow that was there before
	packets = f->pkts[dir];
	told(&other, 5, 500, FASTPATH_DELETED);
	assert_int_equal(f->pkts[dir], packets);
	struct settle_sums sums;
	settle_sums(worker->settle, &sums);
	assert_int_equal(sums.packets, 1001);
	assert_int_equal(sums.asked, 3);
}

// The thread has an entry in the map, and says its number.
static void entered(const struct fastpath_op *op)
{
	slots[op->dir] = (struct fastpath_slot){.key = op->key, .verdict = op->verdict, .flow = op->flow};
	told(op, 0, 0, FASTPATH_LIVES);
}

// What the slots have counted since they were last told is in the flow before its record is written, and nothing twice.
static void ends_with_all(void **state)
{
	struct fastpath_op op[2], del;
	settle_both(op);
	struct flow *f = flow_of_op(&op[0]);
	for (unsigned i = 0; i < 2; i++)
		entered(&op[i]);
	unsigned dir = op[0].dir;
	uint64_t packets = f->pkts[dir], other = f->pkts[!dir], bytes = f->bytes[dir];
	told(&op[0], 500, 500000, FASTPATH_LIVES);
	slots[dir].last_ns = clock_ns; // of the monotonic clock, which was told to be the same
	slots[dir].packets = 700;
	slots[dir].bytes = 700000;
	slots[!dir].packets = 3;
	struct fastpath_count last = {
		.flow = op[0].flow, .packets = 100, .bytes = 100000, .hint = op[0].hint, .slot = dir, .dir = dir};
	assert_int_equal(rte_ring_sp_enqueue_elem(counts, &last, sizeof(last)), 0); // on its way
	settle_end(worker, f);
	assert_int_equal(f->pkts[dir], packets + 700);
	assert_int_equal(f->bytes[dir], bytes + 700000);
	assert_int_equal(f->pkts[!dir], other + 3);
	assert_int_equal(f->last_ns, clock_ns);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(slots[i].verdict, FASTPATH_UP);
		assert_true(asked(&del));
		assert_int_equal(del.ask, FASTPATH_DEL);
	}
	settle_end(worker, f);
	assert_int_equal(f->pkts[dir], packets + 700);
	nothing_asked();
}

static void deny_all(struct judged_policy *deny)
{
	judged_load(deny, "{\"rules\":[{\"id\":\"no\",\"action\":\"deny\",\"when\":{\"dport\":9999}}]}", 3);
	judge_swap(worker, deny->judge);
	while (!judge_swap_some(worker, 64))
		;
}

static void allow_again(struct judged_policy *deny)
{
	judge_swap(worker, policy.judge);
	while (!judge_swap_some(worker, 64))
		;
	path_drain(worker);
	judged_unload(deny);
}

static uint32_t hello_for(uint8_t *to, const char *name, bool early)
{
	struct hello_made h = {.len = 0};
	hello_name(&h, name, (uint32_t)strlen(name));
	if (early)
		hello_extension(&h, 42, "", 0);
	return hello_record(to, &h, 16384);
}

// The client's side alone comes by: its hello, and so many records in cipher.
static struct flow *half_of_tls(bool early, unsigned records)
{
	static const char record[37] = "\x17\x03\x03\x00\x20";
	uint8_t hello[512];
	sport++;
	dport = 443;
	next[0] = 1000;
	next[1] = 5000;
	frame(0, IPPROTO_TCP, 0x02, "", 0);
	frame(0, IPPROTO_TCP, 0x10, "", 0);
	frame(0, IPPROTO_TCP, 0x18, (const char *)hello, hello_for(hello, "allowed.example", early));
	for (unsigned i = 0; i < records; i++)
		frame(0, IPPROTO_TCP, 0x18, record, sizeof(record));
	return flow_now();
}

// RFC 8446 4.2.10: behind early data there may be another hello. Where none was offered the first record decides; what
// decided, sent again as something else, comes up and is made equal.
static void one_way_settles(void **state)
{
	struct fastpath_op op;
	uint8_t hello[512];
	struct flow *f = half_of_tls(false, 40);
	assert_true(asked(&op));
	nothing_asked();
	assert_int_equal(op.dir, 0);
	assert_int_equal(op.verdict, FASTPATH_FORWARD);
	assert_in_range(op.care, 1001 + 37, next[0]);
	assert_false(fastpath_comes_up(IPPROTO_TCP, next[0], op.care));
	assert_true(fastpath_comes_up(IPPROTO_TCP, 1001, op.care));
	why(f, true, "nothing more of it is judged");
	uint64_t rewritten = worker->counters[COUNTER_STREAM_REWRITTEN];
	next[0] = 1001;
	frame(0, IPPROTO_TCP, 0x18, (const char *)hello, hello_for(hello, "denied.exampleX", false));
	frame(0, IPPROTO_TCP, 0x18, "\x16\x03\x03\x00\x20\x01", 6);
	assert_int_equal(worker->counters[COUNTER_STREAM_REWRITTEN], rewritten + 2);
	nothing_asked();

	f = half_of_tls(true, 60);
	nothing_asked();
	why(f, false, "rule name looks at its hello");
	half_of_tls(true, 100);
	assert_true(asked(&op));
	nothing_asked();
}

// More than any window has went by: nothing of it is kept, or compared, any more.
static void one_way_for_long(void **state)
{
	struct fastpath_op op;
	struct flow *f = half_of_tls(false, 40);
	assert_true(asked(&op));
	entered(&op);
	told(&op, 1000, 1ul << 30, FASTPATH_LIVES);
	nothing_asked();
	assert_int_not_equal(f->stream, 0);
	told(&op, 1, 1500, FASTPATH_LIVES);
	assert_int_equal(f->stream, 0);
	assert_true(asked(&op));
	assert_int_equal(op.ask, FASTPATH_DEL);
	told(&op, 0, 0, FASTPATH_DELETED);
	next[0] += 1u << 30;
	for (unsigned i = 0; i < 40; i++)
		say(0, "record");
	assert_true(asked(&op));
	assert_int_equal(op.verdict, FASTPATH_FORWARD);
	assert_int_equal(op.care, 0);
}

// The server's answer comes by after all: what it says is read.
static void other_half_comes(void **state)
{
	struct fastpath_op op;
	struct flow *f = half_of_tls(false, 40);
	assert_true(asked(&op));
	entered(&op);
	say(1, "what is this?");
	assert_int_equal(slots[0].verdict, FASTPATH_UP);
	assert_true(asked(&op));
	assert_int_equal(op.ask, FASTPATH_DEL);
	assert_int_not_equal(settle_no(worker, f, 0), SETTLE_NO_ALLOWED);
}

// More flows are denied than there is room to ask for: their frames come up all the same.
static void no_room_to_ask(void **state)
{
	struct judged_policy deny;
	struct fastpath_op op[2], rest = {0};
	settle_both(op);
	for (unsigned i = 0; i < 2; i++)
		entered(&op[i]);
	while (rte_ring_sp_enqueue_elem(ops, &rest, sizeof(rest)) == 0)
		;
	deny_all(&deny);
	assert_int_equal(slots[0].verdict, FASTPATH_UP);
	assert_int_equal(slots[1].verdict, FASTPATH_UP);
	allow_again(&deny);
}

// The policy was quicker than the thread, and again without room.
static void denied_before_it_was_there(void **state)
{
	struct judged_policy deny;
	struct fastpath_op op[2], del;
	settle_both(op);
	deny_all(&deny);
	while (asked(&del))
		; // lost
	for (unsigned i = 0; i < 2; i++) {
		entered(&op[i]);
		assert_int_equal(slots[op[i].dir].verdict, FASTPATH_UP);
		assert_true(asked(&del));
		assert_int_equal(del.ask, FASTPATH_DEL);
	}
	allow_again(&deny);
}

// The flow is gone when its entry comes to be; so has one of which the slot is another's by now.
static void ended_before_it_was_there(void **state)
{
	struct fastpath_op op[2], del;
	settle_both(op);
	settle_end(worker, flow_of_op(&op[0]));
	flow_of_op(&op[0])->id++;
	while (asked(&del))
		;
	entered(&op[0]);
	assert_int_equal(slots[op[0].dir].verdict, FASTPATH_UP);
	assert_true(asked(&del));
	slots[op[0].dir].verdict = FASTPATH_FORWARD;
	slots[op[0].dir].flow++;
	told(&op[0], 1, 1, FASTPATH_LIVES);
	assert_int_equal(slots[op[0].dir].verdict, FASTPATH_FORWARD);
}

static void refused_waits(void **state)
{
	struct fastpath_op op[2], again;
	settle_both(op);
	told(&op[0], 0, 0, FASTPATH_REFUSED);
	talk(1, opaque, opaque);
	nothing_asked();
	clock_ns += 100000000;
	worker->now_ns = clock_ns; // of the turn
	talk(1, opaque, opaque);
	assert_true(asked(&again));
	assert_int_equal(again.ask, FASTPATH_ADD);
}

// Megabytes went by without us; then the client's FIN comes up, and what follows is taken as it is.
static void numbers_resume(void **state)
{
	struct fastpath_op op[2], del;
	settle_both(op);
	struct flow *f = flow_of_op(&op[0]);
	uint64_t tx = worker->tx;
	next[0] += 30000000;
	next[1] += 50000000;
	frame(0, IPPROTO_TCP, 0x11, "", 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(asked(&del));
		assert_int_equal(del.ask, FASTPATH_DEL);
		assert_memory_equal(&del.key, op[del.dir == op[0].dir ? 0 : 1].key.src, sizeof(del.key));
	}
	told(&op[0], 20000, 30000000, FASTPATH_DELETED);
	told(&op[1], 30000, 50000000, FASTPATH_DELETED);
	frame(1, IPPROTO_TCP, 0x11, "", 0);
	frame(0, IPPROTO_TCP, 0x10, "", 0);
	assert_int_equal(worker->tx, tx + 3);
	assert_int_equal(f->tcp_state, TCP_CLOSED);
	assert_false(f->flags & FLOW_HOLES);
	nothing_asked();
}

// The other end lacks some of what went by; its answer makes this one reset at the byte that it lacks.
static void a_reset_behind_what_went_by(void **state)
{
	struct fastpath_op op[2], del;
	settle_both(op);
	uint64_t tx = worker->tx;
	next[0] += 3000;
	frame(0, IPPROTO_TCP, 0x10, "", 0);
	next[0] -= 1000;
	frame(0, IPPROTO_TCP, 0x04, "", 0);
	assert_int_equal(worker->tx, tx + 2);
	while (asked(&del))
		assert_int_equal(del.ask, FASTPATH_DEL);
}

// What went by while nobody looked is acknowledged bit by bit before its sender is heard again. Who was heard cannot
// have said more.
static void acknowledged_before_it_is_heard(void **state)
{
	connect_to(9999);
	talk(2, opaque, opaque);
	worker->unseen_ns = clock_ns + 1;
	uint64_t tx = worker->tx;
	for (unsigned i = 0; i < 3; i++) {
		next[1] += 100000;
		frame(0, IPPROTO_TCP, 0x10, "", 0);
	}
	assert_int_equal(worker->tx, tx + 3);
	next[1] += 100000;
	say(1, opaque);
	assert_int_equal(worker->tx, tx + 4);
	next[1] += 100000; // nobody said it
	frame(0, IPPROTO_TCP, 0x10, "", 0);
	assert_int_equal(worker->tx, tx + 4);
}

// Another policy: what it denies is taken back, what it does not touch stays.
static void policy_changes(void **state)
{
	struct judged_policy other, deny;
	struct fastpath_op op[2], del;
	settle_both(op);
	judged_load(&other, "{\"rules\":[{\"id\":\"else\",\"action\":\"deny\",\"when\":{\"host\":\"else.example\"}}]}",
		    2);
	judge_swap(worker, other.judge);
	while (!judge_swap_some(worker, 64))
		;
	talk(2, opaque, opaque);
	nothing_asked();
	judged_load(&deny, "{\"rules\":[{\"id\":\"no\",\"action\":\"deny\",\"when\":{\"dport\":9999}}]}", 3);
	judge_swap(worker, deny.judge);
	while (!judge_swap_some(worker, 64))
		;
	for (unsigned i = 0; i < 2; i++) {
		assert_true(asked(&del));
		assert_int_equal(del.ask, FASTPATH_DEL);
	}
	judge_swap(worker, policy.judge);
	while (!judge_swap_some(worker, 64))
		;
	path_drain(worker);
	judged_unload(&other);
	judged_unload(&deny);
}

// A flow that no rule for payload can be about, by what its first packet said, is not searched, and settles.
static void payload_of_others(void **state)
{
	struct judged_policy words;
	struct fastpath_op op;
	judged_load(&words,
		    "{\"rules\":["
		    "{\"id\":\"a\",\"action\":\"alert\",\"when\":{\"dport\":9999,\"payload\":{\"contains\":\"evil\"}}},"
		    "{\"id\":\"b\",\"action\":\"alert\",\"when\":{\"dport\":9999,\"payload\":{\"contains\":\"bad\"}}},"
		    "{\"id\":\"c\",\"action\":\"deny\",\"when\":{\"any\":[{\"dport\":9998},{\"dport\":9997}],"
		    "\"payload\":{\"contains\":\"evil\"}}}]}",
		    2);
	judge_use(worker, words.judge);
	for (unsigned port = 9996; port < 10001; port++) {
		bool is_asked = port > 9996 && port < 10000;
		connect_to((uint16_t)port);
		talk(100, opaque, "evil");
		struct flow *f = flow_now();
		bool denied = port == 9997 || port == 9998;
		assert_int_equal(!!(f->policy & POLICY_DENIED), denied);
		if (!is_asked)
			assert_true(asked(&op) && asked(&op));
		if (port == 9999)
			why(f, false, "rule a looks at its payload");
		while (denied && asked(&op))
			;
		nothing_asked();
	}
	sport = 50000; // above the server's
	dport = 10000; // each datagram of others is searched
	for (unsigned i = 0; i < 80; i++) {
		frame(0, IPPROTO_UDP, 0, opaque, sizeof(opaque));
		frame(1, IPPROTO_UDP, 0, opaque, sizeof(opaque));
	}
	assert_true(asked(&op) && asked(&op));
	dport = 9999;
	for (unsigned i = 0; i < 80; i++)
		frame(0, IPPROTO_UDP, 0, opaque, sizeof(opaque));
	nothing_asked();
	path_drain(worker);
	while (asked(&op))
		;
	judge_use(worker, policy.judge);
	judged_unload(&words);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, open_world, close_world)
	const struct CMUnitTest tests[] = {
		TEST(opaque_settles),
		TEST(short_ones_do_not),
		TEST(http_does_not),
		TEST(held_does_not),
		TEST(dns_does_not),
		TEST(limited_does_not),
		TEST(denied_is_dropped),
		TEST(nobody_across),
		TEST(counts_come_back),
		TEST(numbers_resume),
		TEST(a_reset_behind_what_went_by),
		TEST(acknowledged_before_it_is_heard),
		TEST(policy_changes),
		TEST(payload_of_others),
		TEST(ends_with_all),
		TEST(one_way_settles),
		TEST(one_way_for_long),
		TEST(other_half_comes),
		TEST(no_room_to_ask),
		TEST(denied_before_it_was_there),
		TEST(ended_before_it_was_there),
		TEST(refused_waits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
