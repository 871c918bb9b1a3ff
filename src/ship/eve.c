// SPDX-License-Identifier: BSD-3-Clause
//
// The face for the tools that people have: one event a line by the names and nesting of Suricata 8's EVE, so that
// dashboards and parsers made for it work. Schema: docs/eve.schema.json; every field by task: docs/records.md.
//
// src is always the initiator and dest the responder, as in Suricata's flow and transaction events. What Suricata does
// not have stands at the top level under names of ours: node, boot, worker, seq, tenant, vni.
//
// A flow's VLANs and VNIs are in its first record only and are wanted in each: they are kept by flow id in a table of
// fixed size that is made when the first tagged flow comes. An entry gives way to a later flow of the same place: a
// flow that lives through 2^18 frames with tags may lose its tags in later events; its first facts have them.
#include "ship/eve.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "ship/communityid.h"
#include "ship/dnsrr.h"
#include "ship/proto.h"
#include "ship/judged.h"
#include "verdict.h"

#define TAGS_MAX 4
#define TAGGED (1u << 18) // flows whose tags are kept: 10 MiB

struct tags {
	uint64_t flow_id;
	uint32_t vni[TAGS_MAX];
	uint16_t vlan[TAGS_MAX];
	uint8_t nvlans, nvnis;
};

struct eve {
	struct tags *tags; // NULL while no flow had any
};

static int eve_open(struct render *r)
{
	r->state = calloc(1, sizeof(struct eve));
	return r->state ? 0 : -ENOMEM;
}

static void eve_close(struct render *r)
{
	struct eve *e = r->state;
	if (e)
		free(e->tags);
	free(e);
}

// Flow ids are numbers of frames and start anew.
static void eve_capture(struct render *r)
{
	struct eve *e = r->state;
	free(e->tags);
	e->tags = NULL;
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

static struct tags *tags_at(const struct eve *e, uint64_t flow_id)
{
	return &e->tags[(flow_id ^ flow_id >> 3) & (TAGGED - 1)];
}

static void remember(struct eve *e, const struct record *rec)
{
	struct tags t = {.flow_id = rec->flow_id};
	RECORD_EACH(f, rec) {
		if (f->field == FACT_VLAN && t.nvlans < TAGS_MAX)
			t.vlan[t.nvlans++] = (uint16_t)fact_number(f);
		else if (f->field == FACT_VNI && t.nvnis < TAGS_MAX)
			t.vni[t.nvnis++] = (uint32_t)fact_number(f);
	}
	if (t.nvlans + t.nvnis == 0)
		return;
	if (!e->tags)
		e->tags = calloc(TAGGED, sizeof(*e->tags));
	if (e->tags)
		*tags_at(e, rec->flow_id) = t;
}

static void tags(struct jsonl *j, const struct eve *e, const struct record *rec)
{
	const struct tags *t = e->tags && rec->flow_id ? tags_at(e, rec->flow_id) : NULL;
	if (!t || t->flow_id != rec->flow_id)
		return;
	if (t->nvlans) {
		jsonl_member_open(j, "vlan", '[');
		for (unsigned i = 0; i < t->nvlans; i++)
			jsonl_num(j, t->vlan[i]);
		jsonl_close(j, ']');
	}
	if (t->nvnis) {
		jsonl_member_open(j, "vni", '[');
		for (unsigned i = 0; i < t->nvnis; i++)
			jsonl_num(j, t->vni[i]);
		jsonl_close(j, ']');
	}
}

// What an event says of its flow. An anomaly may have none (proto 0 and no addresses).
static void endpoints(struct jsonl *j, const struct record *rec)
{
	bool known = rec->flow_id || rec->sport || rec->dport; // not of a fragment, or what was cut
	bool ports = rec->proto == IPPROTO_TCP || rec->proto == IPPROTO_UDP || rec->proto == IPPROTO_SCTP;
	if (rec->ip_version == 0)
		return;
	jsonl_member_ip(j, "src_ip", rec->src, rec->ip_version);
	ports = ports && known;
	if (ports)
		jsonl_member_num(j, "src_port", rec->sport);
	jsonl_member_ip(j, "dest_ip", rec->dst, rec->ip_version);
	if (ports)
		jsonl_member_num(j, "dest_port", rec->dport);
	jsonl_member_text(j, "proto", proto_eve(rec->proto));
	jsonl_member_num(j, "ip_v", rec->ip_version);
	if (rec->proto == IPPROTO_ICMP || rec->proto == IPPROTO_ICMPV6) {
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
	[RECORD_GAP] = "gap",   [RECORD_STATE] = "state",
};

// Ids of one run differ: frames are counted through all captures. Those of joined captures take turns.
static uint64_t flow_id(const struct render *r, uint64_t id)
{
	uint64_t frame = id >> 3;
	if (r->npaths > 1)
		frame = (frame_own(frame) - 1) * r->npaths + frame_capture(frame) + 1;
	return (r->before + frame) << 3 | (id & 7);
}

// A flow's end is none, and what is said of ourselves is none.
static bool is_packet(const struct record *rec)
{
	return rec->kind != RECORD_FLOW && rec->kind != RECORD_GAP && rec->kind != RECORD_STATE;
}

static void head(struct render *r, struct jsonl *j, const struct record *rec)
{
	char stamp[TEXT_TIME_LEN + 1];
	*text_time(stamp, &r->clock, rec->time_ns) = 0;
	jsonl_member_text(j, "timestamp", stamp);
	if (rec->flow_id)
		jsonl_member_num(j, "flow_id", flow_id(r, rec->flow_id));
	if (rec->port < r->config->nports && (rec->flow_id || rec->reason))
		jsonl_member_text(j, "in_iface", r->config->ports[rec->port]);
	if (is_packet(rec))
		jsonl_member_num(j, "pcap_cnt", frame_own(rec->packet));
	jsonl_member_text(j, "event_type", event_types[rec->kind]);
	tags(j, r->state, rec);
	endpoints(j, rec);
	if (is_packet(rec)) {
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
	jsonl_member_text(j, "cause", rec->tx_kind ? "ring" : "sink");
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
	case RECORD_GAP:
		gap(j, rec);
		break;
	case RECORD_STATE:
		state(j, rec);
		break;
	case RECORD_ANOMALY:
		eve_index(&x, rec);
		anomaly(j, &x);
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
	}
}

static void eve_record(struct render *r, const struct record *rec)
{
	if (rec->kind == RECORD_FLOW_START) {
		remember(r->state, rec);
		return;
	}
	struct jsonl j = outlet_line(&r->out);
	jsonl_open(&j, '{');
	head(r, &j, rec);
	identity(r, &j, rec);
	body(r, &j, rec);
	judged_member(r, &j, rec);
	jsonl_close(&j, '}');
	jsonl_end(&j);
	outlet_put(&r->out, &j);
}

const struct face eve_face = {eve_open, eve_capture, eve_record, eve_close};
