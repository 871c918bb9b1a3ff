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
	const struct fact *f = record_first(r);
	for (unsigned i = 0; i < r->nfacts; i++, f = fact_next(f))
		if (!x->first[f->field])
			x->first[f->field] = f;
}

uint64_t eve_number(const struct fact *f)
{
	uint64_t n;
	memcpy(&n, f->value, sizeof(n));
	return n;
}

void eve_member(struct jsonl *j, const char *name)
{
	jsonl_name(j, name, strlen(name));
}

static void put(struct jsonl *j, const struct fact *f)
{
	if (fact_types[f->field] == FACT_TYPE_NUM)
		jsonl_num(j, eve_number(f));
	else if (fact_types[f->field] == FACT_TYPE_BYTES)
		jsonl_hex(j, f->value, f->len);
	else
		jsonl_bytes(j, f->value, f->len);
}

void eve_text(struct jsonl *j, const struct eve_index *x, enum fact_field f, const char *name)
{
	if (!x->first[f])
		return;
	eve_member(j, name);
	put(j, x->first[f]);
}

void eve_num(struct jsonl *j, const struct eve_index *x, enum fact_field f, const char *name)
{
	eve_text(j, x, f, name);
}

void eve_flag(struct jsonl *j, const struct eve_index *x, enum fact_field f, const char *name)
{
	if (!x->first[f])
		return;
	eve_member(j, name);
	jsonl_bool(j, eve_number(x->first[f]) != 0);
}

void eve_list(struct jsonl *j, const struct eve_index *x, enum fact_field field, const char *name)
{
	if (!x->first[field])
		return;
	eve_member(j, name);
	jsonl_open(j, '[');
	const struct fact *f = record_first(x->record);
	for (unsigned i = 0; i < x->record->nfacts; i++, f = fact_next(f))
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
	const struct fact *f = record_first(rec);
	for (unsigned i = 0; i < rec->nfacts; i++, f = fact_next(f)) {
		if (f->field == FACT_VLAN && t.nvlans < TAGS_MAX)
			t.vlan[t.nvlans++] = (uint16_t)eve_number(f);
		else if (f->field == FACT_VNI && t.nvnis < TAGS_MAX)
			t.vni[t.nvnis++] = (uint32_t)eve_number(f);
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
		JSONL_NAME(j, "vlan");
		jsonl_open(j, '[');
		for (unsigned i = 0; i < t->nvlans; i++)
			jsonl_num(j, t->vlan[i]);
		jsonl_close(j, ']');
	}
	if (t->nvnis) {
		JSONL_NAME(j, "vni");
		jsonl_open(j, '[');
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
	JSONL_NAME(j, "src_ip");
	jsonl_ip(j, rec->src, rec->ip_version);
	ports = ports && known;
	if (ports) {
		JSONL_NAME(j, "src_port");
		jsonl_num(j, rec->sport);
	}
	JSONL_NAME(j, "dest_ip");
	jsonl_ip(j, rec->dst, rec->ip_version);
	if (ports) {
		JSONL_NAME(j, "dest_port");
		jsonl_num(j, rec->dport);
	}
	JSONL_NAME(j, "proto");
	jsonl_text(j, proto_eve(rec->proto));
	JSONL_NAME(j, "ip_v");
	jsonl_num(j, rec->ip_version);
	if (rec->proto == IPPROTO_ICMP || rec->proto == IPPROTO_ICMPV6) {
		JSONL_NAME(j, "icmp_type");
		jsonl_num(j, rec->icmp_type);
		JSONL_NAME(j, "icmp_code");
		jsonl_num(j, rec->icmp_code);
	}
}

static void identity(struct render *r, struct jsonl *j, const struct record *rec)
{
	const struct ship_config *c = r->config;
	const struct render_path *path = render_path(r, rec->kind == RECORD_FLOW ? rec->flow_id >> 3 : rec->packet);
	if (path->json_len > 2) {
		JSONL_NAME(j, "pcap_filename");
		jsonl_raw(j, path->json, path->json_len);
	}
	JSONL_NAME(j, "node");
	jsonl_text(j, c->node ? c->node : "replay");
	JSONL_NAME(j, "boot");
	jsonl_num(j, c->boot);
	JSONL_NAME(j, "worker");
	jsonl_num(j, c->renumber ? 0 : rec->worker);
	JSONL_NAME(j, "seq");
	jsonl_num(j, c->renumber ? r->seq++ : rec->seq);
	if (rec->tenant) {
		JSONL_NAME(j, "tenant"); // a text: an endpoint's id has 64 bits, and many readers of JSON have 53
		jsonl_string_open(j);
		jsonl_string_num(j, rec->tenant);
		jsonl_string_close(j);
	}
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
	JSONL_NAME(j, "timestamp");
	jsonl_text(j, stamp);
	if (rec->flow_id) {
		JSONL_NAME(j, "flow_id");
		jsonl_num(j, flow_id(r, rec->flow_id));
	}
	if (rec->port < r->config->nports && (rec->flow_id || rec->reason)) {
		JSONL_NAME(j, "in_iface");
		jsonl_text(j, r->config->ports[rec->port]);
	}
	if (is_packet(rec)) {
		JSONL_NAME(j, "pcap_cnt");
		jsonl_num(j, frame_own(rec->packet));
	}
	JSONL_NAME(j, "event_type");
	jsonl_text(j, event_types[rec->kind]);
	tags(j, r->state, rec);
	endpoints(j, rec);
	if (is_packet(rec)) {
		if (rec->flow_id) {
			JSONL_NAME(j, "direction");
			jsonl_text(j, rec->dir ? "to_client" : "to_server");
		}
		JSONL_NAME(j, "pkt_src");
		jsonl_text(j, "wire/pcap");
	}
	if (rec->app != APP_NONE) {
		JSONL_NAME(j, "app_proto");
		jsonl_text(j, app_names[rec->app]);
	}
	if (rec->flow_id) {
		JSONL_NAME(j, "community_id");
		jsonl_text(j, communityid_of(r->communityid, rec));
	}
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
	JSONL_NAME(j, "anomaly");
	jsonl_open(j, '{');
	if (type[0] == 'a')
		eve_member(j, "app_proto"), jsonl_text(j, app_names[x->record->app]);
	JSONL_NAME(j, "type");
	jsonl_text(j, type);
	JSONL_NAME(j, "event");
	jsonl_text(j, name);
	if (type[0] == 'a') {
		JSONL_NAME(j, "layer");
		jsonl_text(j, "proto_parser");
	}
	if (x->first[FACT_ANOMALY] && x->first[FACT_ANOMALY]->len)
		eve_text(j, x, FACT_ANOMALY, "value");
	if (reason) {
		JSONL_NAME(j, "reason");
		jsonl_text(j, reason_names[reason]);
	}
	if (reason == REASON_LIMIT_EXCEEDED) {
		JSONL_NAME(j, "frames");
		jsonl_num(j, x->record->pkts[0]);
		JSONL_NAME(j, "bytes");
		jsonl_num(j, x->record->bytes[0]);
	}
	jsonl_close(j, '}');
}

static void gap(struct jsonl *j, const struct record *rec)
{
	JSONL_NAME(j, "gap");
	jsonl_open(j, '{');
	JSONL_NAME(j, "cause");
	jsonl_text(j, rec->tx_kind ? "ring" : "sink");
	JSONL_NAME(j, "records");
	jsonl_num(j, rec->pkts[0]);
	JSONL_NAME(j, "first_seq");
	jsonl_num(j, rec->seq);
	JSONL_NAME(j, "last_seq");
	jsonl_num(j, rec->tx_id);
	jsonl_close(j, '}');
}

// Its facts are "name=text" and "name:number", of our own making.
static void state(struct jsonl *j, const struct record *rec)
{
	const struct fact *f = record_first(rec);
	JSONL_NAME(j, "state");
	jsonl_open(j, '{');
	for (unsigned i = 0; i < rec->nfacts; i++, f = fact_next(f)) {
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
	if (kind == RECORD_FLOW) {
		eve_flow(j, rec, &r->clock);
		return;
	}
	if (kind == RECORD_GAP) {
		gap(j, rec);
		return;
	}
	if (kind == RECORD_STATE) {
		state(j, rec);
		return;
	}
	eve_index(&x, rec);
	if (kind == RECORD_ANOMALY) {
		anomaly(j, &x);
		return;
	}
	JSONL_NAME(j, "tx_id");
	jsonl_num(j, rec->tx_id);
	if (kind == RECORD_DNS) {
		dnsrr_eve(j, rec);
		return;
	}
	eve_member(j, event_types[kind]);
	jsonl_open(j, '{');
	parts[kind](j, &x);
	jsonl_close(j, '}');
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
