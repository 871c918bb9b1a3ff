// SPDX-License-Identifier: BSD-3-Clause
//
// The face for the tools that people have: one event a line by the names and nesting of Suricata 8's EVE, so that
// dashboards and parsers made for it work. Schema: docs/eve.schema.json; every field by task: docs/records.md.
//
// src is always the initiator and dest the responder, as in Suricata's flow and transaction events. What Suricata does
// not have stands at the top level under names of ours: node, boot, worker, seq, tenant, vni.
#include "ship/eve.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "ship/communityid.h"
#include "ship/dnsrr.h"
#include "ship/proto.h"
#include "ship/judged.h"
#include "ship/spool.h"
#include "verdict.h"

static int eve_open(struct render *r)
{
	return 0;
}

void eve_index(struct eve_index *x, const struct record *r)
{
	memset(x, 0, sizeof(*x));
	x->record = r;
	RECORD_EACH(f, r)
		if (!x->first[f->field])
			x->first[f->field] = f;
}

static void put(struct jsonl *j, const struct fact *f)
{
	if (fact_types[f->field] == FACT_TYPE_NUM)
		jsonl_num(j, fact_number(f));
	else if (fact_types[f->field] == FACT_TYPE_BYTES)
		jsonl_hex(j, f->value, f->len);
	else
		jsonl_bytes(j, f->value, f->len);
}

void eve_text(struct jsonl *j, const struct eve_index *x, enum fact_field f, const char *name)
{
	if (!x->first[f])
		return;
	jsonl_member(j, name);
	put(j, x->first[f]);
}

void eve_flag(struct jsonl *j, const struct eve_index *x, enum fact_field f, const char *name)
{
	if (x->first[f])
		jsonl_member_bool(j, name, fact_number(x->first[f]) != 0);
}

void eve_list(struct jsonl *j, const struct eve_index *x, enum fact_field field, const char *name)
{
	if (!x->first[field])
		return;
	jsonl_member_open(j, name, '[');
	RECORD_EACH(f, x->record)
		if (f->field == field)
			put(j, f);
	jsonl_close(j, ']');
}

// A flow's, which stand in each of its records (tags.c), behind what it says itself.
static void tags(struct jsonl *j, const struct record *rec, enum fact_field field, const char *name)
{
	bool any = false;
	RECORD_EACH(f, rec) {
		if (f->field != field)
			continue;
		if (!any)
			jsonl_member_open(j, name, '[');
		any = true;
		jsonl_num(j, fact_number(f));
	}
	if (any)
		jsonl_close(j, ']');
}

void eve_tags(struct jsonl *j, const struct record *rec)
{
	tags(j, rec, FACT_VLAN, "vlan");
	tags(j, rec, FACT_VNI, "vni");
}

// What an event says of its flow. An anomaly may have none (proto 0 and no addresses).
static void endpoints(struct jsonl *j, const struct record *rec)
{
	bool known = rec->flow_id || rec->sport || rec->dport; // not of a fragment, or what was cut
	bool ports = rec->proto == IPPROTO_TCP || rec->proto == IPPROTO_UDP || rec->proto == IPPROTO_SCTP;
	// what a flood's flows do not share is left out, and what nobody said who asked
	bool sum = rec->kind == RECORD_FLOOD || !(rec->flow_id || rec->packet);
	if (rec->ip_version == 0)
		return;
	jsonl_member_ip(j, "src_ip", rec->src, rec->ip_version);
	ports = ports && known;
	if (ports && !sum)
		jsonl_member_num(j, "src_port", rec->sport);
	if (!sum || memcmp(rec->dst, &(uint8_t[16]){0}, 16))
		jsonl_member_ip(j, "dest_ip", rec->dst, rec->ip_version);
	if (ports)
		jsonl_member_num(j, "dest_port", rec->dport);
	jsonl_member_text(j, "proto", proto_eve(rec->proto));
	jsonl_member_num(j, "ip_v", rec->ip_version);
	if (!sum && (rec->proto == IPPROTO_ICMP || rec->proto == IPPROTO_ICMPV6)) {
		jsonl_member_num(j, "icmp_type", rec->icmp_type);
		jsonl_member_num(j, "icmp_code", rec->icmp_code);
	}
}

static void identity(struct render *r, struct jsonl *j, const struct record *rec)
{
	const struct ship_config *c = r->config;
	const struct render_path *path = render_path(r, rec->kind == RECORD_FLOW ? rec->flow_id >> 3 : rec->packet);
	if (path->json_len > 2) {
		jsonl_member(j, "pcap_filename");
		jsonl_raw(j, path->json, path->json_len);
	}
	jsonl_member_text(j, "node", c->node ? c->node : "replay");
	jsonl_member_num(j, "boot", c->boot);
	jsonl_member_num(j, "worker", c->renumber ? 0 : rec->worker);
	jsonl_member_num(j, "seq", c->renumber ? r->seq++ : rec->seq);
	if (rec->tenant)
		jsonl_member_digits(j, "tenant", rec->tenant);
}

static const char *const event_types[RECORD_KIND_COUNT] = {
	[RECORD_FLOW] = "flow", [RECORD_TLS] = "tls",     [RECORD_QUIC] = "quic",       [RECORD_HTTP] = "http",
	[RECORD_DNS] = "dns",   [RECORD_SSH] = "ssh",     [RECORD_ANOMALY] = "anomaly", [RECORD_ALERT] = "alert",
	[RECORD_GAP] = "gap",   [RECORD_STATE] = "state", [RECORD_FLOOD] = "flood",
};

// Ids of one run differ: frames are counted through all captures. Those of joined captures take turns.
uint64_t eve_flow_id(const struct render *r, uint64_t id)
{
	uint64_t frame = id >> 3;
	if (r->npaths > 1)
		frame = (frame_own(frame) - 1) * r->npaths + frame_capture(frame) + 1;
	return (r->before + frame) << 3 | (id & 7);
}

// A flow's end is none, what is said of ourselves is none, and what was only asked has none.
bool eve_is_packet(const struct record *rec)
{
	return frame_own(rec->packet) && rec->kind != RECORD_FLOW && rec->kind != RECORD_GAP &&
	       rec->kind != RECORD_STATE && rec->kind != RECORD_FLOOD;
}

static void head(struct render *r, struct jsonl *j, const struct record *rec)
{
	char stamp[TEXT_TIME_LEN + 1];
	*text_time(stamp, &r->clock, rec->time_ns) = 0;
	jsonl_member_text(j, "timestamp", stamp);
	if (rec->flow_id)
		jsonl_member_num(j, "flow_id", eve_flow_id(r, rec->flow_id));
	if (rec->port < r->config->nports && (rec->flow_id || rec->reason))
		jsonl_member_text(j, "in_iface", r->config->ports[rec->port]);
	if (eve_is_packet(rec))
		jsonl_member_num(j, "pcap_cnt", frame_own(rec->packet));
	jsonl_member_text(j, "event_type", event_types[rec->kind]);
	eve_tags(j, rec);
	endpoints(j, rec);
	if (eve_is_packet(rec)) {
		if (rec->flow_id)
			jsonl_member_text(j, "direction", rec->dir ? "to_client" : "to_server");
		jsonl_member_text(j, "pkt_src", "wire/pcap");
	}
	if (rec->app != APP_NONE)
		jsonl_member_text(j, "app_proto", app_names[rec->app]);
	if (rec->flow_id)
		jsonl_member_text(j, "community_id", communityid_of(r->communityid, rec));
}

// Suricata's three types: what a packet is, what a stream is, what a protocol says.
static const char *anomaly_type(const char *event)
{
	static const char *const types[][2] = {{"decap.", "decode"}, {"parse.", "decode"},  {"defrag.", "decode"},
					       {"flow.", "stream"},  {"stream.", "stream"}, {"limit.", "stream"}};
	for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strncmp(event, types[i][0], strlen(types[i][0])) == 0)
			return types[i][1];
	return "applayer";
}

static void anomaly(struct jsonl *j, const struct eve_index *x)
{
	char event[REASON_EVENT_MAX];
	uint16_t reason = x->record->reason;
	const char *name = reason ? reason_event(reason, event) : anomaly_names[x->record->anomaly];
	const char *type = anomaly_type(name);
	jsonl_member_open(j, "anomaly", '{');
	if (type[0] == 'a')
		jsonl_member_text(j, "app_proto", app_names[x->record->app]);
	jsonl_member_text(j, "type", type);
	jsonl_member_text(j, "event", name);
	if (type[0] == 'a')
		jsonl_member_text(j, "layer", "proto_parser");
	if (x->first[FACT_ANOMALY] && x->first[FACT_ANOMALY]->len)
		eve_text(j, x, FACT_ANOMALY, "value");
	if (reason)
		jsonl_member_text(j, "reason", reason_names[reason]);
	if (reason == REASON_LIMIT_EXCEEDED) {
		jsonl_member_num(j, "frames", x->record->pkts[0]);
		jsonl_member_num(j, "bytes", x->record->bytes[0]);
	}
	jsonl_close(j, '}');
}

static void gap(struct jsonl *j, const struct record *rec)
{
	jsonl_member_open(j, "gap", '{');
	jsonl_member_text(j, "cause", gap_cause_names[rec->tx_kind]);
	if (rec->anomaly)
		jsonl_member_text(j, "class", spool_class_names[rec->anomaly - 1]);
	jsonl_member_num(j, "records", rec->pkts[0]);
	jsonl_member_num(j, "first_seq", rec->seq);
	jsonl_member_num(j, "last_seq", rec->tx_id);
	jsonl_close(j, '}');
}

// Its facts are "name=text" and "name:number", of our own making.
static void state(struct jsonl *j, const struct record *rec)
{
	jsonl_member_open(j, "state", '{');
	RECORD_EACH(f, rec) {
		const char *text = (const char *)f->value;
		size_t n = 0;
		while (n < f->len && text[n] != '=' && text[n] != ':')
			n++;
		if (f->field != FACT_STATE || n >= f->len)
			continue;
		jsonl_name(j, text, n);
		if (text[n++] == '=')
			jsonl_bytes(j, text + n, f->len - n);
		else
			jsonl_raw(j, text + n, f->len - n);
	}
	jsonl_close(j, '}');
}

void eve_own(struct jsonl *j, const struct eve_index *x)
{
	if (x->record->kind == RECORD_GAP)
		gap(j, x->record);
	else if (x->record->kind == RECORD_STATE)
		state(j, x->record);
	else if (x->record->kind == RECORD_ANOMALY)
		anomaly(j, x);
	else if (x->first[FACT_REQUEST_ID])
		eve_request(j, x);
}

static void body(struct render *r, struct jsonl *j, const struct record *rec)
{
	static void (*const parts[RECORD_KIND_COUNT])(struct jsonl *, const struct eve_index *) = {
		[RECORD_TLS] = eve_tls,
		[RECORD_QUIC] = eve_quic,
		[RECORD_HTTP] = eve_http,
		[RECORD_SSH] = eve_ssh,
	};
	struct eve_index x;
	unsigned kind = rec->kind;
	if (kind == RECORD_ALERT) { // and what it is about
		judged_alert(r, j, rec);
		kind = rec->anomaly;
		if (kind == RECORD_FLOW)
			return;
	}
	switch (kind) {
	case RECORD_FLOW:
		eve_flow(j, rec, &r->clock);
		break;
	case RECORD_FLOOD:
		eve_flood(j, rec, &r->clock);
		break;
	case RECORD_GAP:
	case RECORD_STATE:
	case RECORD_ANOMALY:
		eve_index(&x, rec);
		eve_own(j, &x);
		break;
	case RECORD_DNS:
		jsonl_member_num(j, "tx_id", rec->tx_id);
		dnsrr_eve(j, rec);
		break;
	default:
		eve_index(&x, rec);
		jsonl_member_num(j, "tx_id", rec->tx_id);
		jsonl_member_open(j, event_types[kind], '{');
		parts[kind](j, &x);
		jsonl_close(j, '}');
		eve_own(j, &x);
	}
}

// Fields that this copy does not show, or not as they were.
static void redacted(struct jsonl *j, const struct record *rec)
{
	struct eve_index x;
	if (!record_find(rec, FACT_REDACTED))
		return;
	eve_index(&x, rec);
	eve_list(j, &x, FACT_REDACTED, "redacted");
}

static void eve_record(struct render *r, const struct record *rec)
{
	if (rec->kind == RECORD_FLOW_START)
		return;
	struct jsonl j = outlet_line(&r->out);
	jsonl_open(&j, '{');
	head(r, &j, rec);
	identity(r, &j, rec);
	body(r, &j, rec);
	judged_member(r, &j, rec);
	if (rec->kind != RECORD_STATE)
		redacted(&j, rec);
	jsonl_close(&j, '}');
	jsonl_end(&j);
	outlet_put(&r->out, &j);
}

const struct face eve_face = {eve_open, NULL, eve_record, NULL};
