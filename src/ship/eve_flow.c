// SPDX-License-Identifier: BSD-3-Clause
//
// The objects flow and tcp of an eve event: counters and the end of a flow.
#include "ship/eve.h"

#include <netinet/in.h>

// enum tcp_state of the path, in its order; the names are Suricata's.
static const char *const tcp_states[] = {"none",      "syn_sent", "syn_recv",   "established", "fin_wait1", "fin_wait2",
					 "time_wait", "last_ack", "close_wait", "closing",     "closed"};
#define TCP_STATES (sizeof(tcp_states) / sizeof(tcp_states[0]))
#define STATE_ESTABLISHED 3
#define STATE_CLOSED 10

// Suricata says timeout, forced, shutdown and tcp_reuse; closed and reset are said there by the state alone.
static const char *const reasons[] = {
	[FLOW_END_NONE] = "unknown",      [FLOW_END_TIMEOUT] = "timeout",  [FLOW_END_CLOSED] = "closed",
	[FLOW_END_RESET] = "reset",       [FLOW_END_REUSED] = "tcp_reuse", [FLOW_END_EVICTED] = "forced",
	[FLOW_END_SHUTDOWN] = "shutdown",
};
#define REASONS (sizeof(reasons) / sizeof(reasons[0]))

const char *eve_flow_state(const struct record *r)
{
	if (r->flow_end == FLOW_END_CLOSED || r->flow_end == FLOW_END_RESET)
		return "closed";
	if (r->proto != IPPROTO_TCP)
		return r->pkts[0] && r->pkts[1] ? "established" : "new";
	if (r->tcp_state == STATE_CLOSED)
		return "closed";
	return r->tcp_state >= STATE_ESTABLISHED ? "established" : "new";
}

static const char *const bits[8] = {"fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr"};
const char *eve_flow_reason(const struct record *r)
{
	return r->flow_end < REASONS ? reasons[r->flow_end] : "unknown";
}

static void tcp(struct jsonl *j, const struct record *r)
{
	uint8_t all = r->tcp_flags[0] | r->tcp_flags[1];
	jsonl_member_open(j, "tcp", '{');
	jsonl_member_hex(j, "tcp_flags", &all, 1);
	jsonl_member_hex(j, "tcp_flags_ts", &r->tcp_flags[0], 1);
	jsonl_member_hex(j, "tcp_flags_tc", &r->tcp_flags[1], 1);
	for (unsigned i = 0; i < 8; i++)
		if (all >> i & 1)
			jsonl_member_bool(j, bits[i], true);
	jsonl_member_text(j, "state", r->tcp_state < TCP_STATES ? tcp_states[r->tcp_state] : "none");
	jsonl_close(j, '}');
}

static void when(struct jsonl *j, const char *name, struct text_clock *clock, uint64_t time_ns)
{
	char text[TEXT_TIME_LEN + 1];
	*text_time(text, clock, time_ns) = 0;
	jsonl_member_text(j, name, text);
}

void eve_flow(struct jsonl *j, const struct record *r, struct text_clock *clock)
{
	jsonl_member_open(j, "flow", '{');
	jsonl_member_num(j, "pkts_toserver", r->pkts[0]);
	jsonl_member_num(j, "pkts_toclient", r->pkts[1]);
	jsonl_member_num(j, "bytes_toserver", r->bytes[0]);
	jsonl_member_num(j, "bytes_toclient", r->bytes[1]);
	when(j, "start", clock, r->start_ns);
	when(j, "end", clock, r->end_ns);
	jsonl_member_num(j, "age", r->end_ns > r->start_ns ? (r->end_ns - r->start_ns) / 1000000000 : 0);
	jsonl_member_text(j, "state", eve_flow_state(r));
	jsonl_member_text(j, "reason", eve_flow_reason(r));
	jsonl_member_bool(j, "alerted", r->tx_kind != 0);
	jsonl_member_num(j, "tx_cnt", r->tx_count);
	jsonl_close(j, '}');
	if (r->proto == IPPROTO_TCP)
		tcp(j, r);
}

void eve_flood(struct jsonl *j, const struct record *r, struct text_clock *clock)
{
	jsonl_member_open(j, "flood", '{');
	if (r->ip_version)
		jsonl_member_num(j, "prefix", r->tx_kind);
	jsonl_member_num(j, "flows", r->tx_count);
	jsonl_member_num(j, "pkts", r->pkts[0] + r->pkts[1]);
	jsonl_member_num(j, "bytes", r->bytes[0] + r->bytes[1]);
	when(j, "start", clock, r->start_ns);
	when(j, "end", clock, r->end_ns);
	if (r->flow_end && r->flow_end < REASONS)
		jsonl_member_text(j, "reason", reasons[r->flow_end]);
	for (unsigned i = 0; i < 8; i++)
		if (r->tcp_flags[0] >> i & 1)
			jsonl_member_bool(j, bits[i], true);
	jsonl_close(j, '}');
}
