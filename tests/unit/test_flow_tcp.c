// SPDX-License-Identifier: BSD-3-Clause
//
// TCP tracking: what moves a flow, what is dropped by name, what passes without being believed. Sequence numbers of
// client and server start just below 2^32, so that every test wraps.
#include "flow_fixture.h"

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };
enum { C, S }; // who sends

#define CI 0xfffffff0u // client's ISN
#define SI 0xffffff00u // server's

static uint8_t options[40];
static unsigned noptions;
static uint32_t ts_value[2];
static bool ts_used;
static uint16_t win = 1000;
static uint8_t signed_kind;

static void opt_ts(uint32_t value)
{
	uint32_t be = rte_cpu_to_be_32(value);
	memcpy(options + noptions, (uint8_t[]){1, 1, 8, 10}, 4);
	memcpy(options + noptions + 4, &be, 4);
	memset(options + noptions + 8, 0, 4);
	noptions += 12;
}

static void opt_signature(void)
{
	memset(options + noptions, 0, 20);
	memcpy(options + noptions, (uint8_t[]){19, 18}, 2);
	noptions += 20;
}

// One segment. Returns the reason; last_flow, last_dir, last_flags are set.
static uint16_t seg(unsigned who, uint8_t flags, uint32_t seq, uint32_t ack, uint32_t len)
{
	noptions = 0;
	if (ts_used)
		opt_ts(ts_value[who]);
	if (signed_kind)
		opt_signature();
	struct shape s = {.src = who == C ? 1 : 2,
			  .dst = who == C ? 2 : 1,
			  .sport = who == C ? 40000 : 8080,
			  .dport = who == C ? 8080 : 40000,
			  .proto = IPPROTO_TCP,
			  .flags = flags,
			  .seq = seq,
			  .ack = ack,
			  .win = win,
			  .len = len,
			  .options = options,
			  .noptions = noptions};
	return walk(&s);
}

static bool believed(void)
{
	return !(last_flags & PKT_NO_EVIDENCE);
}

static void handshake(void)
{
	assert_int_equal(seg(C, SYN, CI, 0, 0), 0);
	assert_int_equal(seg(S, SYN | ACK, SI, CI + 1, 0), 0);
	assert_int_equal(seg(C, ACK, CI + 1, SI + 1, 0), 0);
	assert_int_equal(last_flow->tcp_state, TCP_ESTABLISHED);
	assert_int_equal(last_dir, 0);
}

static int setup(void **state)
{
	world_defaults();
	ts_used = false;
	signed_kind = 0;
	win = 1000;
	world_open();
	return 0;
}

static int setup_live(void **state)
{
	int rc = setup(state);
	config.live = true;
	return rc;
}

static int teardown(void **state)
{
	flow_drain(worker);
	world_close();
	return 0;
}

static void a_connection_from_syn_to_fin(void **state)
{
	handshake();
	struct flow *f = last_flow;
	assert_int_equal(seg(C, ACK | PSH, CI + 1, SI + 1, 100), 0);
	assert_int_equal(f->side[0].next, CI + 101);
	assert_int_equal(seg(S, ACK, SI + 1, CI + 101, 500), 0);
	assert_int_equal(f->side[0].acked, CI + 101);
	assert_int_equal(seg(C, FIN | ACK, CI + 101, SI + 501, 0), 0);
	assert_int_equal(f->tcp_state, TCP_CLOSE_WAIT);
	assert_int_equal(seg(S, ACK, SI + 501, CI + 102, 10), 0);
	assert_int_equal(seg(S, FIN | ACK, SI + 511, CI + 102, 0), 0);
	assert_int_equal(f->tcp_state, TCP_LAST_ACK);
	assert_int_equal(seg(C, ACK, CI + 102, SI + 512, 0), 0);
	assert_int_equal(f->tcp_state, TCP_CLOSED);
	assert_int_equal(f->age_class, AGE_CLASS_CLOSED);
	while (flow_age(worker, clock_ns + 12 * SECOND, 50))
		;
	const struct record *r = next_record(RECORD_FLOW);
	assert_non_null(r);
	assert_int_equal(r->flow_end, FLOW_END_CLOSED);
	assert_int_equal(r->tcp_flags[0], SYN | ACK | PSH | FIN);
	assert_int_equal(r->tcp_state, TCP_CLOSED);
}

static void the_server_may_close_first(void **state)
{
	handshake();
	assert_int_equal(seg(S, FIN | ACK, SI + 1, CI + 1, 0), 0);
	assert_int_equal(last_flow->tcp_state, TCP_FIN_WAIT1);
	assert_int_equal(seg(C, ACK, CI + 1, SI + 2, 0), 0);
	assert_int_equal(last_flow->tcp_state, TCP_FIN_WAIT2);
	assert_int_equal(seg(C, FIN | ACK, CI + 1, SI + 2, 0), 0);
	assert_int_equal(last_flow->tcp_state, TCP_TIME_WAIT);
	assert_int_equal(seg(S, ACK, SI + 2, CI + 2, 0), 0);
	assert_int_equal(last_flow->tcp_state, TCP_CLOSED);
}

static void impossible_flags(void **state)
{
	handshake();
	uint32_t next = last_flow->side[0].next;
	assert_int_equal(seg(C, 0, CI + 1, 0, 5), REASON_FLOW_TCP_FLAGS);
	assert_int_equal(seg(C, SYN | FIN, CI + 1, 0, 5), REASON_FLOW_TCP_FLAGS);
	assert_int_equal(seg(C, SYN | RST, CI + 1, 0, 5), REASON_FLOW_TCP_FLAGS);
	assert_int_equal(last_flow->side[0].next, next);
	assert_int_equal(last_flow->tcp_state, TCP_ESTABLISHED);
}

static void no_ack(void **state)
{
	handshake();
	assert_int_equal(seg(C, PSH, CI + 1, 0, 5), REASON_FLOW_TCP_NO_ACK);
	assert_int_equal(seg(C, FIN, CI + 1, 0, 0), REASON_FLOW_TCP_NO_ACK);
	assert_int_equal(last_flow->tcp_state, TCP_ESTABLISHED);
	assert_int_equal(last_flow->side[0].next, CI + 1);
}

// RFC 5961 5.2, to the number: SND.UNA - MAX.SND.WND <= SEG.ACK <= SND.NXT.
static void bad_ack_live(void **state)
{
	handshake();
	assert_int_equal(seg(S, ACK, SI + 1, CI + 1, 700), 0);
	assert_int_equal(seg(C, ACK, CI + 1, SI + 701 + 1, 5), REASON_FLOW_TCP_BAD_ACK);
	assert_int_equal(last_flow->side[0].next, CI + 1);
	assert_int_equal(seg(C, ACK, CI + 1, SI + 701, 5), 0);
	assert_int_equal(seg(C, ACK, CI + 6, SI + 701 - win, 5), 0);
	assert_true(believed());
	assert_int_equal(seg(C, ACK, CI + 11, SI + 701 - win - 1, 5), REASON_FLOW_TCP_BAD_ACK);
	assert_int_equal(last_flow->side[0].next, CI + 11);
	assert_int_equal(last_flow->side[1].acked, SI + 701);
}

// Replay: frames may be missing or yet to come, but not by more than windows allow.
static void bad_ack_replay(void **state)
{
	handshake();
	assert_int_equal(seg(C, ACK, CI + 1, SI + 1 + 1000000, 5), 0);
	assert_true(believed());
	assert_int_equal(seg(C, ACK, CI + 6, SI + 1 + 4000000, 5), 0); // ACKs advance by windows
	assert_int_equal(seg(C, ACK, CI + 11, SI + 1 + 0x1000000, 5), REASON_FLOW_TCP_BAD_ACK);
	assert_int_equal(seg(C, ACK, CI + 11, SI + 1 - 0x1000000, 5), REASON_FLOW_TCP_BAD_ACK);
	assert_int_equal(seg(C, ACK, CI + 11, SI + 1 + 0x1000000, 0), 0); // no bytes: passes, moves nothing
	assert_false(believed());
	assert_int_equal(last_flow->side[0].next, CI + 11);
	assert_int_equal(last_flow->side[1].acked, SI + 1 + 4000000);
	assert_int_equal(seg(C, ACK, CI + 11, SI + 1, 5), 0); // all client frames first: their ACKs are old then
	assert_true(believed());
}

// A capture with a hole of gigabytes: both sides' numbers leave what was seen, and agree.
static void holes_are_followed(void **state)
{
	handshake();
	uint32_t far = SI + 0xa0000000;
	assert_int_equal(seg(C, ACK, CI + 1, far, 0), 0);
	assert_false(believed());
	assert_int_equal(seg(S, ACK, far, CI + 1, 100), 0);
	assert_true(believed());
	assert_int_equal(seg(C, ACK, CI + 1, far + 100, 10), 0);
	assert_true(believed());
	// alone it is not believed
	assert_int_equal(seg(S, ACK, far + 0x50000000, CI + 11, 10), 0);
	assert_false(believed());
	assert_int_equal(last_flow->side[1].next, far + 100);
}

static void handshake_ts(void)
{
	ts_used = true;
	ts_value[C] = 0xfffffff0;
	ts_value[S] = 77000;
	handshake();
}

static void paws_live(void **state)
{
	handshake_ts();
	ts_value[C] += 100; // wraps
	assert_int_equal(seg(C, ACK, CI + 1, SI + 1, 5), 0);
	assert_int_equal(seg(S, ACK, SI + 1, CI + 6, 0), 0);
	assert_int_equal(seg(C, ACK, CI + 6, SI + 1, 5), 0);
	ts_value[C] -= 1;
	assert_int_equal(seg(C, ACK, CI + 11, SI + 1, 5), REASON_FLOW_TCP_PAWS);
	assert_int_equal(last_flow->side[0].next, CI + 11);
	assert_int_equal(seg(C, RST | ACK, CI + 11, SI + 1, 0), 0); // RFC 7323 5.2: not applied to RST
	assert_int_equal(last_flow->tcp_state, TCP_CLOSED);
}

// RFC 7323 5.5: after 24 days the timestamp may have wrapped.
static void paws_expires_after_24_days(void **state)
{
	handshake_ts();
	for (unsigned day = 0; day < 26; day++) { // the server keeps the flow alive, by the half hour
		for (unsigned i = 0; i < 48; i++) {
			clock_ns += 1800 * SECOND;
			assert_int_equal(seg(S, ACK, SI + 1, CI + 1, 0), 0);
		}
	}
	ts_value[C] -= 1000;
	assert_int_equal(seg(C, ACK, CI + 1, SI + 1, 5), 0);
	assert_int_equal(worker->counters[COUNTER_FLOWS], 1);
}

static void paws_replay(void **state)
{
	handshake_ts();
	uint32_t base = ts_value[C], seq = CI + 1;
	ts_value[C] = base - 1; // older than the handshake: whatever the order
	assert_int_equal(seg(C, ACK, seq, SI + 1, 5), REASON_FLOW_TCP_PAWS);
	// within 64 segments the order is not to be trusted
	for (unsigned i = 0; i < 60; i++, seq += 5) {
		ts_value[C] = base + 1000 - i;
		assert_int_equal(seg(C, ACK, seq, SI + 1, 5), 0);
	}
	// in the long run it is
	for (unsigned i = 0; i < 300; i++, seq += 5) {
		ts_value[C] = base + 1000 + i * 1000;
		assert_int_equal(seg(C, ACK, seq, SI + 1, 5), 0);
	}
	ts_value[C] = base + 100000;
	assert_int_equal(seg(C, ACK, seq, SI + 1, 5), REASON_FLOW_TCP_PAWS);
	ts_value[C] = base + 300000;
	assert_int_equal(seg(C, ACK, seq, SI + 1, 5), 0);
	// a clock of microseconds that outruns what is noted
	for (unsigned i = 0; i < 2000; i++, seq += 5) {
		ts_value[C] += 5000000;
		assert_int_equal(seg(C, ACK, seq, SI + 1, 5), 0);
	}
}

static void paws_needs_both_syns(void **state)
{
	ts_used = true;
	ts_value[C] = 5000;
	assert_int_equal(seg(C, SYN, CI, 0, 0), 0);
	ts_used = false;
	assert_int_equal(seg(S, SYN | ACK, SI, CI + 1, 0), 0);
	ts_used = true;
	ts_value[C] = 1;
	assert_int_equal(seg(C, ACK, CI + 1, SI + 1, 5), 0);
	assert_true(believed());
}

static void signatures(void **state)
{
	handshake();
	signed_kind = 19;
	assert_int_equal(seg(C, ACK, CI + 1, SI + 1, 5), REASON_FLOW_TCP_SIGNATURE);
	assert_int_equal(seg(S, RST, SI + 1, 0, 0), REASON_FLOW_TCP_SIGNATURE);
	assert_int_equal(last_flow->tcp_state, TCP_ESTABLISHED);
	assert_int_equal(last_flow->side[0].next, CI + 1);
}

static void signatures_that_are_missing(void **state)
{
	signed_kind = 19;
	handshake();
	assert_int_equal(seg(C, ACK, CI + 1, SI + 1, 5), 0);
	signed_kind = 0;
	assert_int_equal(seg(C, ACK, CI + 6, SI + 1, 5), REASON_FLOW_TCP_SIGNATURE);
	assert_int_equal(seg(S, RST, SI + 1, 0, 0), REASON_FLOW_TCP_SIGNATURE);
}

// A signed SYN that the server does not take, then a plain one that it does.
static void the_last_syn_decides_about_signatures(void **state)
{
	signed_kind = 19;
	assert_int_equal(seg(C, SYN, CI, 0, 0), 0);
	signed_kind = 0;
	handshake();
	assert_int_equal(seg(C, ACK, CI + 1, SI + 1, 5), 0);
}

static void resets(void **state)
{
	handshake();
	assert_int_equal(seg(C, ACK, CI + 1, SI + 1, 100), 0);
	assert_int_equal(seg(S, RST, SI + 5, 0, 0), 0); // inside the window: a challenge ACK
	assert_false(believed());
	assert_int_equal(last_flow->tcp_state, TCP_ESTABLISHED);
	assert_int_equal(seg(S, RST, SI + 1 - 5000, 0, 0), config.live ? REASON_FLOW_TCP_BAD_RST : 0); // late
	assert_false(believed());
	assert_int_equal(last_flow->tcp_state, TCP_ESTABLISHED);
	assert_int_equal(seg(S, RST, SI + 1 + 0x1000000, 0, 0), REASON_FLOW_TCP_BAD_RST);
	assert_int_equal(seg(S, RST, SI + 1 - 0x1000000, 0, 0), REASON_FLOW_TCP_BAD_RST);
	assert_int_equal(last_flow->tcp_state, TCP_ESTABLISHED);
	assert_int_equal(seg(S, RST, SI + 1, 0, 0), 0);
	assert_true(believed());
	assert_int_equal(last_flow->tcp_state, TCP_CLOSED);
	assert_int_equal(last_flow->age_class, AGE_CLASS_CLOSED);
}

// What was on its way when its receiver reset is late, and no connection of its own; but not for ever.
static void data_after_a_reset_is_late(void **state)
{
	handshake();
	uint64_t id = last_flow->id;
	assert_int_equal(seg(C, ACK, CI + 1, SI + 1, 100), 0);
	assert_int_equal(seg(S, RST | ACK, SI + 1, CI + 1, 0), 0);
	assert_int_equal(seg(C, ACK, CI + 101, SI + 1, 100), REASON_STREAM_UNJUDGED);
	assert_int_equal(seg(C, ACK, CI + 1, SI + 1, 100), REASON_STREAM_UNJUDGED);
	assert_true(last_flow->id == id);
	last_flow->flags |= FLOW_PASSED; // nobody reads it
	assert_int_equal(seg(C, ACK, CI + 201, SI + 1, 100), 0);
	assert_true(last_flow->id == id && last_flow->tcp_state == TCP_CLOSED);
	last_flow->reset_ms -= 1001;
	assert_int_equal(seg(C, ACK, CI + 301, SI + 1, 100), 0);
	assert_true(last_flow->id != id);
}

static void resets_of_half_open_flows(void **state)
{
	assert_int_equal(seg(C, SYN, CI, 0, 0), 0);
	assert_int_equal(seg(S, RST, 0, 0, 0), 0); // without ACK: discarded
	assert_int_equal(last_flow->tcp_state, TCP_SYN_SENT);
	assert_int_equal(seg(S, RST | ACK, 0, CI + 50, 0), 0);
	assert_int_equal(last_flow->tcp_state, TCP_SYN_SENT);
	assert_int_equal(seg(S, RST | ACK, 0, CI + 1, 0), 0);
	assert_int_equal(last_flow->tcp_state, TCP_CLOSED);
	struct flow *f = last_flow;
	uint64_t id = f->id;
	assert_int_equal(seg(C, SYN, CI, 0, 0), 0); // a copy of the SYN
	assert_int_equal(last_flow->id, id);
	assert_int_equal(seg(C, SYN, CI + 5000, 0, 0), 0); // tried again
	assert_int_not_equal(last_flow->id, id);
	assert_int_equal(last_flow->tcp_state, TCP_SYN_SENT);
}

// After a RST the key lingers: what the client sends then is judged anew; what it had sent before is not.
static void data_after_a_reset_is_another_flow(void **state)
{
	handshake();
	uint64_t id = last_flow->id;
	assert_int_equal(seg(C, ACK, CI + 1, SI + 1, 100), 0);
	assert_int_equal(seg(S, RST | ACK, SI + 1, CI + 151, 0), 0); // 50 more were received: they come late
	assert_int_equal(seg(C, ACK, CI + 101, SI + 1, 50), 0);
	assert_int_equal(last_flow->id, id);
	assert_int_equal(seg(S, ACK, SI + 1, CI + 151, 20), 0); // the server's: not the client's
	assert_int_equal(last_flow->id, id);
	assert_int_equal(seg(C, ACK, CI + 151, SI + 1, 10), 0);
	assert_int_not_equal(last_flow->id, id);
	assert_int_equal(last_flow->flags & FLOW_MIDSTREAM, FLOW_MIDSTREAM);
	assert_int_equal(last_dir, 0);
	const struct record *r = next_record(RECORD_FLOW);
	assert_int_equal(r->flow_id, id);
	assert_int_equal(r->flow_end, FLOW_END_RESET);
}

static void keep_alive_is_no_evidence(void **state)
{
	handshake();
	assert_int_equal(seg(C, ACK, CI + 1, SI + 1, 10), 0);
	assert_int_equal(seg(S, ACK, SI + 1, CI + 11, 0), 0);
	assert_int_equal(seg(C, ACK, CI + 10, SI + 1, 1), 0);
	assert_false(believed());
	assert_int_equal(last_flow->side[0].next, CI + 11);
	assert_int_equal(seg(C, ACK, CI - 5, SI + 1, 3), 0); // before the first byte
	assert_false(believed());
}

static void outside_the_window_is_no_evidence(void **state)
{
	handshake();
	assert_int_equal(seg(C, ACK, CI + 1 + 0x1000000, SI + 1, 10), 0);
	assert_false(believed());
	assert_int_equal(last_flow->side[0].next, CI + 1);
	assert_int_equal(seg(C, ACK, CI + 1 + 2000000, SI + 1, 10), 0); // replay: something is missing
	assert_true(believed());
}

static void outside_the_window_is_no_evidence_live(void **state)
{
	handshake();
	assert_int_equal(seg(C, ACK, CI + 1 + win + 1, SI + 1, 10), 0);
	assert_false(believed());
	assert_int_equal(seg(C, ACK, CI + 1 + win, SI + 1, 1), 0); // a window probe
	assert_int_equal(seg(C, ACK, CI + 1, SI + 1, 10), 0);
	assert_true(believed());
}

static void data_after_fin_is_no_evidence(void **state)
{
	handshake();
	assert_int_equal(seg(C, FIN | ACK, CI + 11, SI + 1, 0), 0); // before its data
	assert_int_equal(seg(C, ACK, CI + 1, SI + 1, 10), 0);
	assert_true(believed());
	assert_int_equal(seg(S, ACK, SI + 1, CI + 12, 0), 0);
	assert_int_equal(last_flow->tcp_state, TCP_CLOSE_WAIT);
	assert_int_equal(seg(C, ACK, CI + 12, SI + 1, 10), 0);
	assert_false(believed());
	assert_int_equal(last_flow->side[0].next, CI + 12);
}

// Lies that a client may tell in a capture to be believed less than it is by its server.

static void a_fin_that_nobody_acknowledged(void **state)
{
	handshake();
	assert_int_equal(seg(C, FIN | ACK, CI + 1 + 100000, SI + 1, 0), 0); // outside the server's window
	for (unsigned i = 0; i < 200; i++) {
		assert_int_equal(seg(C, ACK, CI + 1 + i * 1000, SI + 1, 1000), 0);
		assert_true(believed());
		assert_int_equal(seg(S, ACK, SI + 1, CI + 1 + (i + 1) * 1000, 0), 0);
	}
	assert_int_equal(last_flow->side[0].flags & SIDE_FIN, 0);
}

static void an_rst_behind_a_hole(void **state)
{
	handshake();
	uint64_t id = last_flow->id;
	assert_int_equal(seg(C, ACK, CI + 1, SI + 1, 10), 0);
	assert_int_equal(seg(C, ACK, CI + 21, SI + 1, 10), 0); // a hole of 10
	assert_int_equal(seg(C, RST | ACK, CI + 31, SI + 1, 0), 0);
	assert_false(believed());
	assert_int_equal(seg(C, ACK, CI + 11, SI + 1, 10), 0);
	assert_int_equal(seg(C, ACK, CI + 31, SI + 1, 10), 0);
	assert_true(believed());
	assert_int_equal(last_flow->id, id);
	assert_int_equal(last_flow->tcp_state, TCP_ESTABLISHED);
	assert_int_equal(seg(S, ACK, SI + 1, CI + 41, 0), 0);
	assert_int_equal(last_flow->flags & FLOW_HOLES, 0);
	assert_int_equal(seg(C, RST | ACK, CI + 41, SI + 1, 0), 0);
	assert_true(believed());
	assert_int_equal(last_flow->tcp_state, TCP_CLOSED);
}

static void a_synack_of_the_client(void **state)
{
	handshake();
	uint64_t id = last_flow->id;
	assert_int_equal(seg(C, SYN | ACK, CI + 5000, SI + 1, 0), 0);
	assert_int_equal(last_flow->id, id);
	assert_false(believed());
	assert_int_equal(seg(C, ACK, CI + 1, SI + 1, 10), 0);
	assert_int_equal(last_flow->id, id);
	assert_true(believed());
}

static void a_syn_on_a_live_key(void **state)
{
	handshake();
	uint64_t id = last_flow->id;
	assert_int_equal(seg(C, SYN, CI, 0, 0), 0); // a copy
	assert_int_equal(last_flow->id, id);
	assert_int_equal(seg(C, SYN, CI + 70000, 0, 0), 0); // the client began anew: the server will challenge
	assert_int_equal(last_flow->id, id);
	assert_false(believed());
	assert_int_equal(last_flow->side[0].isn, CI);
	assert_int_equal(seg(C, ACK, CI + 1, SI + 1, 10), 0); // or it did not
	assert_true(believed());
	// the server answers: it has a new connection
	assert_int_equal(seg(S, SYN | ACK, SI + 90000, CI + 70001, 0), 0);
	assert_int_not_equal(last_flow->id, id);
	assert_int_equal(last_flow->tcp_state, TCP_SYN_RECV);
	assert_int_equal(last_dir, 1);
	assert_int_equal(seg(C, ACK, CI + 70001, SI + 90001, 10), 0);
	assert_true(believed());
	assert_int_equal(last_flow->tcp_state, TCP_ESTABLISHED);
	const struct record *r = next_record(RECORD_FLOW);
	assert_int_equal(r->flow_end, FLOW_END_REUSED);
}

static void a_tuple_used_again_after_its_end(void **state)
{
	handshake();
	uint64_t id = last_flow->id;
	seg(C, FIN | ACK, CI + 1, SI + 1, 0);
	seg(S, FIN | ACK, SI + 1, CI + 2, 0);
	seg(C, ACK, CI + 2, SI + 2, 0);
	assert_int_equal(last_flow->tcp_state, TCP_CLOSED);
	assert_int_equal(seg(C, SYN, CI + 7777, 0, 0), 0);
	assert_int_not_equal(last_flow->id, id);
	assert_int_equal(worker->counters[COUNTER_FLOWS], 2);
}

// The server answers a SYN other than the last: it has that connection.
static void the_answered_syn_counts(void **state)
{
	assert_int_equal(seg(C, SYN, CI, 0, 0), 0);
	assert_int_equal(seg(C, SYN, CI + 5000, 0, 0), 0);
	assert_int_equal(seg(S, SYN | ACK, SI, CI + 1, 0), 0);
	assert_int_equal(seg(C, ACK, CI + 1, SI + 1, 10), 0);
	assert_true(believed());
	assert_int_equal(last_flow->tcp_state, TCP_ESTABLISHED);
	assert_int_equal(last_flow->side[0].isn, CI);
}

static void the_answer_may_come_before_the_syn(void **state)
{
	assert_int_equal(seg(S, SYN | ACK, SI, CI + 1, 0), 0);
	assert_int_equal(last_dir, 1);
	uint64_t id = last_flow->id;
	assert_int_equal(seg(C, SYN, CI, 0, 0), 0);
	assert_int_equal(last_dir, 0);
	assert_int_equal(seg(C, ACK, CI + 1, SI + 1, 10), 0);
	assert_int_equal(last_flow->id, id);
	assert_int_equal(last_flow->tcp_state, TCP_ESTABLISHED);
	assert_int_equal(last_flow->side[0].flags & SIDE_SYN, SIDE_SYN);
}

static void picked_up_midstream(void **state)
{
	assert_int_equal(seg(S, ACK, SI + 1, CI + 1, 500), 0);
	assert_int_equal(last_dir, 1); // 8080 is a service
	uint64_t id = last_flow->id;
	assert_int_equal(seg(C, ACK, CI + 1, SI + 501, 10), 0);
	assert_int_equal(last_dir, 0);
	assert_true(believed());
	assert_int_equal(last_flow->tcp_state, TCP_ESTABLISHED);
	assert_int_equal(last_flow->age_class, AGE_CLASS_TCP);
	assert_int_equal(seg(C, SYN, CI + 9000, 0, 0), 0); // does not swap or end it
	assert_int_equal(last_flow->id, id);
	assert_int_equal(seg(S, RST, SI + 700, 0, 0), 0); // RCV.NXT is not known
	assert_int_equal(last_flow->tcp_state, TCP_CLOSED);
}

static void window_scale(void **state)
{
	static const uint8_t scale[] = {2, 4, 5, 180, 1, 3, 3, 7};
	struct shape s = {.src = 1,
			  .dst = 2,
			  .sport = 40000,
			  .dport = 8080,
			  .proto = IPPROTO_TCP,
			  .flags = SYN,
			  .seq = CI,
			  .win = 64000,
			  .options = scale,
			  .noptions = 8};
	assert_int_equal(walk(&s), 0);
	s = (struct shape){.src = 2,
			   .dst = 1,
			   .sport = 8080,
			   .dport = 40000,
			   .proto = IPPROTO_TCP,
			   .flags = SYN | ACK,
			   .seq = SI,
			   .ack = CI + 1,
			   .win = 50000,
			   .options = scale,
			   .noptions = 8};
	assert_int_equal(walk(&s), 0);
	assert_int_equal(last_flow->side[0].win_max, 64000); // a SYN's is not scaled
	win = 1000;
	assert_int_equal(seg(C, ACK, CI + 1, SI + 1, 0), 0);
	assert_int_equal(last_flow->side[0].win_max, 128000);
	assert_int_equal(last_flow->side[1].win_max, 50000);
}

static void window_scale_needs_both(void **state)
{
	static const uint8_t scale[] = {1, 3, 3, 7};
	struct shape s = {.src = 1,
			  .dst = 2,
			  .sport = 40000,
			  .dport = 8080,
			  .proto = IPPROTO_TCP,
			  .flags = SYN,
			  .seq = CI,
			  .win = 500,
			  .options = scale,
			  .noptions = 4};
	assert_int_equal(walk(&s), 0);
	assert_int_equal(seg(S, SYN | ACK, SI, CI + 1, 0), 0);
	assert_int_equal(seg(C, ACK, CI + 1, SI + 1, 0), 0);
	assert_int_equal(last_flow->side[0].win_max, 1000);
}

// The fast way and the slow way are one: 10 MB over the wrap, options or not.
static void a_long_flow(void **state)
{
	handshake_ts();
	uint32_t cs = CI + 1, ss = SI + 1;
	for (unsigned i = 0; i < 8000; i++) {
		ts_value[C] += 3;
		ts_value[S] += 3;
		assert_int_equal(seg(C, ACK, cs, ss, 700), 0);
		assert_true(believed());
		cs += 700;
		assert_int_equal(seg(S, ACK, ss, cs, 1400), 0);
		assert_true(believed());
		ss += 1400;
	}
	assert_int_equal(last_flow->side[0].next, cs);
	assert_int_equal(last_flow->side[1].next, ss);
	assert_int_equal(worker->counters[COUNTER_FLOWS], 1);
}

// Of the states that the short way knows: a handshake not yet ended, one side or both closed.
static void some_state(struct flow *f)
{
	unsigned fins = rand() % 8;
	f->tcp_state = rand() % 4 ? TCP_ESTABLISHED : TCP_SYN_RECV;
	if (f->tcp_state == TCP_SYN_RECV) {
		f->side[1].flags &= (uint8_t)~SIDE_ACKED;
		return;
	}
	for (unsigned side = 0; side < 2; side++) {
		struct flow_side *s = &f->side[side];
		if (!(fins & 1u << side))
			continue;
		s->flags |= SIDE_FIN;
		if (s->acked == s->next)
			s->flags |= SIDE_FIN_ACKED;
		f->tcp_state = side ? TCP_FIN_WAIT1 : TCP_CLOSE_WAIT;
	}
	if ((fins & 3) == 3)
		f->tcp_state = rand() & 1 ? TCP_LAST_ACK : TCP_CLOSING;
}

// Whatever the short way takes, the long way takes too, and leaves the same state.
static void the_short_way_is_the_long_way(void **state)
{
	unsigned taken = 0;
	handshake_ts();
	srand(3);
	for (unsigned round = 0; round < 300000; round++) {
		struct flow a = *last_flow, b;
		unsigned dir = rand() & 1;
		struct flow_side *from = &a.side[dir], *to = &a.side[!dir];
		from->flags = SIDE_SEEN | SIDE_ACKED | SIDE_SYN | (rand() % 4 ? SIDE_TS : 0);
		to->flags = SIDE_SEEN | SIDE_ACKED | SIDE_SYN | (from->flags & SIDE_TS);
		from->next = (uint32_t)rand() * 2;
		from->acked = from->next - (uint32_t)rand() % 1000;
		to->next = (uint32_t)rand() * 2;
		to->acked = to->next - (uint32_t)rand() % 1000;
		from->win_max = (uint32_t)rand() % 3000;
		to->win_max = (uint32_t)rand() % 3000;
		from->ts_recent = (uint32_t)rand() * 2;
		from->isn = from->next - 5000;
		a.pkts[dir] = 1 + (uint32_t)rand() % 200;
		a.pkts[!dir] = 5;
		a.flags |= FLOW_REPLIED;
		some_state(&a);
		uint8_t t[32] = {0};
		uint32_t seq = rte_cpu_to_be_32(from->next + (rand() % 8 ? 0 : (uint32_t)(rand() % 5 - 2)));
		uint32_t ack = rte_cpu_to_be_32(to->acked + (uint32_t)rand() % 1200 - 100);
		uint32_t ts = rte_cpu_to_be_32(from->ts_recent + (uint32_t)rand() % 100 - 20);
		bool stamped = rand() % 3;
		memcpy(t + 4, &seq, 4);
		memcpy(t + 8, &ack, 4);
		t[12] = stamped ? 0x80 : 0x50;
		t[13] = rand() % 8 ? (uint8_t)(ACK | (rand() & 0xc9)) : (uint8_t)rand();
		t[14] = (uint8_t)rand();
		memcpy(t + 20, (uint8_t[]){1, 1, 8, 10}, 4);
		memcpy(t + 24, &ts, 4);
		struct layer l = {
			.l4 = 0, .payload = stamped ? 32 : 20, .wire_len = (uint32_t)rand() % 1500, .tcp_flags = t[13]};
		struct segment segment;
		uint16_t flags = 0;
		b = a;
		if (!flow_tcp_usual(&a) || flow_tcp_orderly(&a, dir, &l, t, config.live) == ORDERLY_NOT)
			continue;
		taken++;
		a.pkts[dir]++;
		b.pkts[dir]++;
		assert_true(flow_tcp_read(&l, t, stamped ? 32 : 20, &segment));
		assert_false(flow_tcp_renews(&b, dir, &segment, config.live));
		assert_int_equal(flow_tcp_track(&b, dir, &segment, clock_ns, config.live, &flags), 0);
		assert_int_equal(flags, 0);
		for (unsigned i = 0; i < 2; i++) // when it was is of no matter here
			a.side[i].ts_age = b.side[i].ts_age = 0;
		assert_memory_equal(&a, &b, sizeof(a));
	}
	assert_true(taken > 30000);
}

// Any order of one direction within 64 places, the directions one after the other: nothing is lost.
static void any_order(void **state)
{
	enum { N = 2000 };
	for (unsigned round = 0; round < 4; round++) {
		static unsigned order[N];
		ts_used = true;
		ts_value[C] = 1000;
		ts_value[S] = 1000;
		win = 300; // small: ACKs are far ahead of what was seen
		seg(C, SYN, CI, 0, 0);
		seg(S, SYN | ACK, SI, CI + 1, 0);
		seg(C, ACK, CI + 1, SI + 1, 0);
		for (unsigned i = 0; i < N; i++)
			order[i] = i;
		srand(round);
		for (unsigned i = 0; i + 64 < N; i += 64) { // shuffled in blocks
			for (unsigned k = 0; k < 64; k++) {
				unsigned j = i + (unsigned)rand() % 64, t = order[i + k];
				order[i + k] = order[j];
				order[j] = t;
			}
		}
		for (unsigned pass = 0; pass < 2; pass++) {
			unsigned who = (pass + round) & 1;
			for (unsigned k = 0; k < N; k++) {
				unsigned i = order[k];
				ts_value[who] = 1000 + i * 10;
				uint32_t seq = who == C ? CI + 1 + i * 100 : SI + 1 + i * 200;
				uint32_t ack = who == C ? SI + 1 + i * 200 : CI + 1 + i * 100;
				assert_int_equal(seg(who, ACK, seq, ack, who == C ? 100 : 200), 0);
				assert_true(believed());
			}
		}
		assert_int_equal(last_flow->side[0].next, CI + 1 + N * 100);
		flow_drain(worker);
	}
	assert_int_equal(worker->counters[COUNTER_FLOWS], 4);
}

// Rubbish: nothing crashes, and the table is whole afterwards.
static void random_segments(void **state)
{
	srand(7);
	for (unsigned i = 0; i < 200000; i++) {
		ts_used = rand() & 1;
		signed_kind = rand() % 16 == 0;
		ts_value[0] = (uint32_t)rand();
		win = (uint16_t)rand();
		uint32_t near = rand() & 3 ? (uint32_t)rand() % 3000 : (uint32_t)rand() * 2;
		uint32_t ack = rand() & 3 ? (uint32_t)rand() % 3000 : (uint32_t)rand() * 2;
		unsigned who = rand() & 1;
		seg(who, (uint8_t)rand(), (who == C ? CI : SI) + near, (who == C ? SI : CI) + ack,
		    (uint32_t)rand() % 200);
		if (rand() % 64 == 0)
			clock_ns += (uint64_t)rand() * 4;
		if (rand() % 64 == 0)
			flow_age(worker, clock_ns, frame_number);
		while (next_record(RECORD_FLOW))
			;
	}
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define LIVE(f) cmocka_unit_test_setup_teardown(f, setup_live, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_connection_from_syn_to_fin),
		LIVE(a_connection_from_syn_to_fin),
		TEST(the_server_may_close_first),
		TEST(impossible_flags),
		TEST(no_ack),
		LIVE(bad_ack_live),
		TEST(bad_ack_replay),
		TEST(holes_are_followed),
		LIVE(paws_live),
		LIVE(paws_expires_after_24_days),
		TEST(paws_replay),
		TEST(paws_needs_both_syns),
		TEST(signatures),
		TEST(signatures_that_are_missing),
		TEST(the_last_syn_decides_about_signatures),
		TEST(resets),
		LIVE(resets),
		LIVE(data_after_a_reset_is_late),
		TEST(resets_of_half_open_flows),
		TEST(data_after_a_reset_is_another_flow),
		TEST(keep_alive_is_no_evidence),
		LIVE(keep_alive_is_no_evidence),
		TEST(outside_the_window_is_no_evidence),
		LIVE(outside_the_window_is_no_evidence_live),
		TEST(data_after_fin_is_no_evidence),
		TEST(a_fin_that_nobody_acknowledged),
		TEST(an_rst_behind_a_hole),
		LIVE(an_rst_behind_a_hole),
		TEST(a_synack_of_the_client),
		LIVE(a_synack_of_the_client),
		TEST(a_syn_on_a_live_key),
		LIVE(a_syn_on_a_live_key),
		TEST(a_tuple_used_again_after_its_end),
		TEST(the_answered_syn_counts),
		TEST(the_answer_may_come_before_the_syn),
		TEST(picked_up_midstream),
		TEST(window_scale),
		TEST(window_scale_needs_both),
		TEST(a_long_flow),
		LIVE(a_long_flow),
		TEST(the_short_way_is_the_long_way),
		LIVE(the_short_way_is_the_long_way),
		TEST(any_order),
		TEST(random_segments),
		LIVE(random_segments),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
