// SPDX-License-Identifier: BSD-3-Clause
//
// The face for tests and for asking: one fact a line, normalised.
//
//   {"pcap":"a.pcap","tuple":["tcp","10.0.0.1",40000,"10.0.0.2",443],"field":"tls.sni","value":"example.com"}
//
// A flow says `flow` and `community_id`, the innermost layer also what it was wrapped in (vlan, vni, outer.ip); every
// other fact stands as the parser wrote it. -v adds the fields that are not asked for and frame, off, len: which
// bytes of which frame the value came from (len 0: from none in particular). Shipper's thread; allocates at open.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record.h"
#include "ship/communityid.h"
#include "ship/dnsrr.h"
#include "ship/face.h"
#include "ship/proto.h"
#include "ship/judged.h"
#include "verdict.h"

struct facts {
	char tuple[256]; // "tuple":[...] of the record in work
	size_t tuple_len;
	uint64_t tenant;
};

static int facts_open(struct render *r)
{
	r->state = calloc(1, sizeof(struct facts));
	return r->state ? 0 : -ENOMEM;
}

static void facts_close(struct render *r)
{
	free(r->state);
}

// A dropped frame may have none that can be read.
static void address(struct jsonl *j, const uint8_t *addr, unsigned version)
{
	if (version)
		jsonl_ip(j, addr, version);
	else
		jsonl_text(j, "");
}

static void tuple(struct facts *s, const struct record *rec)
{
	struct jsonl j = {.at = s->tuple, .end = s->tuple + sizeof(s->tuple)};
	s->tenant = rec->tenant;
	jsonl_member_open(&j, "tuple", '[');
	jsonl_text(&j, rec->ip_version ? proto_name(rec->proto) : "unknown");
	address(&j, rec->src, rec->ip_version);
	jsonl_num(&j, rec->sport);
	address(&j, rec->dst, rec->ip_version);
	jsonl_num(&j, rec->dport);
	jsonl_close(&j, ']');
	s->tuple_len = (size_t)(j.at - s->tuple);
}

// origin.frame 0: the place is no longer known, but the record's packet is. A flow's end is no packet: its first is
// meant.
static uint64_t frame_of(const struct record *rec, const struct fact *f)
{
	if (f && f->origin.frame)
		return f->origin.frame;
	return rec->kind == RECORD_FLOW || rec->kind == RECORD_FLOOD ? rec->flow_id >> 3 : rec->packet;
}

// frame: whose capture it is said of.
static struct jsonl line(struct render *r, uint64_t frame, const char *field)
{
	const struct facts *s = r->state;
	const struct render_path *path = render_path(r, frame);
	struct jsonl j = outlet_line(&r->out);
	jsonl_open(&j, '{');
	jsonl_member(&j, "pcap");
	jsonl_raw(&j, path->json, path->json_len);
	jsonl_raw(&j, s->tuple, s->tuple_len);
	if (s->tenant)
		jsonl_member_digits(&j, "tenant", s->tenant);
	jsonl_member_text(&j, "field", field);
	jsonl_member(&j, "value");
	return j;
}

static void end(struct render *r, struct jsonl *j, const struct record *rec, const struct fact *f)
{
	if (r->sink->verbose) {
		bool known = f && f->origin.frame;
		jsonl_member_num(j, "frame", frame_own(frame_of(rec, f)));
		jsonl_member_num(j, "off", known ? f->origin.off : 0);
		jsonl_member_num(j, "len", known ? f->origin.len : 0);
		if (f && (f->flags & FACT_CUT))
			jsonl_member_bool(j, "cut", true);
		if (f && (f->flags & FACT_AFTER_GAP))
			jsonl_member_bool(j, "after_gap", true);
	}
	jsonl_close(j, '}');
	jsonl_end(j);
	outlet_put(&r->out, j);
}

// Bytes of a host that stand before its port: "a:80", "[::1]:80". More than one colon outside brackets is no port.
static size_t without_port(const uint8_t *p, size_t len)
{
	size_t i = len;
	while (i > 0 && p[i - 1] >= '0' && p[i - 1] <= '9')
		i--;
	if (i == len || i < 2 || p[i - 1] != ':')
		return len;
	bool bracket = p[i - 2] == ']';
	return bracket || !memchr(p, ':', i - 1) ? i - 1 : len;
}

static void name_value(struct jsonl *j, const struct fact *f)
{
	size_t len = f->len;
	if (f->field == FACT_HTTP_HOST)
		len = without_port(f->value, len);
	if (len > 0 && f->value[len - 1] == '.')
		len--;
	if (len == 0 && f->field == FACT_DNS_QNAME)
		jsonl_text(j, "<root>");
	else
		jsonl_lower(j, f->value, len);
}

static void value(struct jsonl *j, const struct fact *f)
{
	switch (f->field) {
	case FACT_TLS_SNI:
	case FACT_QUIC_SNI:
	case FACT_HTTP_HOST:
	case FACT_DNS_QNAME:
	case FACT_HOST:
		name_value(j, f);
		return;
	case FACT_DNS_RR:
		dnsrr_line(j, f);
		return;
	}
	switch (fact_types[f->field]) {
	case FACT_TYPE_NUM:
		jsonl_num(j, fact_number(f));
		break;
	case FACT_TYPE_IP:
		jsonl_ip(j, f->value, f->len == 16 ? 6 : 4);
		break;
	case FACT_TYPE_BYTES:
		jsonl_hex(j, f->value, f->len);
		break;
	default:
		jsonl_bytes(j, f->value, f->len);
	}
}

static void alert(struct render *r, const struct record *rec)
{
	const struct policy_names *p = judged_policy(r, rec);
	if (!p)
		return;
	struct jsonl j = line(r, rec->packet, "alert");
	jsonl_string(&j, policy_names_rule(p, rec->alert)->id);
	end(r, &j, rec, NULL);
}

// What is said of a record by its kind, whether or not a fact stands in it.
static void by_kind(struct render *r, const struct record *rec)
{
	struct jsonl j;
	const struct fact *f;
	const struct policy_names *p;
	char event[REASON_EVENT_MAX];
	const char *before;
	unsigned version;
	switch (rec->kind) {
	case RECORD_ALERT:
		alert(r, rec);
		break;
	case RECORD_FLOOD:
		j = line(r, 0, record_kind_names[RECORD_FLOOD]);
		jsonl_num(&j, rec->tx_count);
		jsonl_member_num(&j, "prefix", rec->tx_kind);
		end(r, &j, rec, NULL);
		break;
	case RECORD_FLOW_START:
		f = record_find(rec, FACT_FLOW);
		j = line(r, frame_of(rec, f), fact_names[FACT_FLOW]);
		jsonl_num(&j, 1);
		end(r, &j, rec, f);
		j = line(r, rec->packet, fact_names[FACT_COMMUNITY_ID]);
		jsonl_text(&j, communityid_of(r->communityid, rec));
		end(r, &j, rec, NULL);
		break;
	case RECORD_FLOW:
		if (rec->app == APP_NONE)
			break;
		j = line(r, frame_of(rec, NULL), fact_names[FACT_APP]);
		jsonl_text(&j, app_names[rec->app]);
		end(r, &j, rec, NULL);
		break;
	case RECORD_ANOMALY: // the fact's value is the detail, the record has the name
		f = record_find(rec, FACT_ANOMALY);
		j = line(r, frame_of(rec, f), fact_names[FACT_ANOMALY]);
		jsonl_text(&j, rec->reason ? reason_event(rec->reason, event) : anomaly_names[rec->anomaly]);
		if (rec->reason)
			jsonl_member_text(&j, "reason", reason_names[rec->reason]);
		if (rec->reason == REASON_LIMIT_EXCEEDED && (p = judged_policy(r, rec))) {
			jsonl_member_string(&j, "rule", policy_names_rule(p, rec->rule)->id);
			jsonl_member_num(&j, "frames", rec->pkts[0]);
			jsonl_member_num(&j, "bytes", rec->bytes[0]);
		}
		if ((before = judged_before(r, rec, &version)))
			jsonl_member_string(&j, "rule_before", before);
		if (r->sink->verbose && f && f->len)
			jsonl_member_bytes(&j, "detail", f->value, f->len);
		end(r, &j, rec, f);
		break;
	}
}

// Of a transaction its own, of a flow the worst.
static void verdict(struct render *r, const struct record *rec)
{
	const struct policy_names *p = judged_policy(r, rec);
	if (!p || !(rec->judged & RECORD_JUDGED) || rec->kind == RECORD_ALERT || rec->reason)
		return;
	struct jsonl j = line(r, frame_of(rec, NULL), "verdict");
	jsonl_text(&j, judged_action(rec->action));
	jsonl_member_string(&j, "rule", policy_names_rule(p, rec->rule)->id);
	jsonl_member_text(&j, "of", record_kind_names[rec->kind]);
	if (rec->judged & RECORD_WOULD) {
		jsonl_member_text(&j, "would", judged_action(rec->would_action));
		jsonl_member_string(&j, "would_rule", judged_would(r, rec));
	}
	end(r, &j, rec, NULL);
}

static bool is_http2(const struct record *rec)
{
	const struct fact *f = rec->kind == RECORD_HTTP ? record_find(rec, FACT_HTTP_PROTOCOL) : NULL;
	return f ? f->len == 6 && !memcmp(f->value, "HTTP/2", 6) : rec->kind == RECORD_HTTP && rec->app == APP_HTTP2;
}

// What a fact is called here: HTTP/2's are told from HTTP/1's, as tshark tells them, for they stand compressed in the
// frame.
static const char *name_of(const struct fact *f, bool http2, char room[64])
{
	const char *name = fact_names[f->field];
	if (!http2 || strncmp(name, "http.", 5))
		return name;
	snprintf(room, 64, "http2.%s", name + 5);
	return room;
}

static void facts_record(struct render *r, const struct record *rec)
{
	char room[64];
	bool http2 = is_http2(rec);
	if (rec->kind == RECORD_GAP || rec->kind == RECORD_STATE)
		return; // of no flow
	tuple(r->state, rec);
	by_kind(r, rec);
	RECORD_EACH(f, rec) {
		bool said = f->field == FACT_FLOW || f->field == FACT_COMMUNITY_ID || f->field == FACT_APP ||
			    f->field == FACT_ANOMALY || f->field == FACT_RULE || f->field == FACT_RULE_BEFORE ||
			    rec->kind == RECORD_ALERT ||
			    (rec->kind != RECORD_FLOW_START && (f->field == FACT_VLAN || f->field == FACT_VNI));
		if (said || !(fact_asked[f->field] || r->sink->verbose))
			continue;
		struct jsonl j = line(r, frame_of(rec, f), name_of(f, http2, room));
		value(&j, f);
		end(r, &j, rec, f);
	}
	verdict(r, rec);
}

const struct face facts_face = {facts_open, NULL, facts_record, facts_close};
