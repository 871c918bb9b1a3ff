// SPDX-License-Identifier: BSD-3-Clause
//
// Who spoke with whom, in an ocsf event: src_endpoint (the initiator), dst_endpoint, connection_info; and the values
// that a reader may want to search for, whatever the class: observables.
#include "ship/ocsf.h"

#include <netinet/in.h>
#include <string.h>

#include "ship/communityid.h"
#include "ship/proto.h"

// What the responder was called.
static const struct fact *hostname(const struct ocsf_event *e)
{
	static const enum fact_field names[] = {FACT_HOST_OUTER, FACT_TLS_SNI, FACT_QUIC_SNI, FACT_HTTP_HOST,
						FACT_HOST};
	for (unsigned i = 0; e->kind != RECORD_DNS && i < sizeof(names) / sizeof(names[0]); i++)
		if (ocsf_fact(e, names[i]))
			return ocsf_fact(e, names[i]);
	return NULL;
}

static bool has_ports(const struct record *rec)
{
	return rec->kind != RECORD_FLOOD &&
	       (rec->proto == IPPROTO_TCP || rec->proto == IPPROTO_UDP || rec->proto == IPPROTO_SCTP) &&
	       (rec->flow_id || rec->sport || rec->dport);
}

// What nobody said of it is left out.
bool ocsf_asked(const struct record *rec)
{
	return rec->kind != RECORD_FLOOD && !rec->flow_id && !rec->packet;
}

// ip NULL: not known.
static void address(struct jsonl *j, const char *name, const uint8_t *ip, const struct record *rec, uint16_t port)
{
	jsonl_member_open(j, name, '{');
	if (ip)
		jsonl_member_ip(j, "ip", ip, rec->ip_version);
	if (has_ports(rec) && (port || !ocsf_asked(rec)))
		jsonl_member_num(j, "port", port);
}

static void endpoints(struct jsonl *j, const struct ocsf_event *e)
{
	const struct record *rec = e->rec;
	const struct ship_config *c = e->render->config;
	const struct fact *name = hostname(e);
	bool sum = rec->kind == RECORD_FLOOD; // what its flows do not share is left out
	bool nowhere = !memcmp(rec->dst, &(uint8_t[16]){0}, 16);
	if (sum && rec->ip_version == 0) {
		jsonl_member_open(j, "src_endpoint", '{');
		jsonl_member_text(j, "name", "other sources");
		jsonl_close(j, '}');
		return;
	}
	address(j, "src_endpoint", rec->src, rec, ocsf_asked(rec) ? 0 : rec->sport);
	if (ocsf_fact(e, FACT_USER)) {
		jsonl_member_open(j, "owner", '{');
		ocsf_text(j, e, FACT_USER, "name");
		jsonl_close(j, '}');
	}
	if (rec->port < c->nports && (rec->flow_id || rec->reason))
		jsonl_member_text(j, "interface_name", c->ports[rec->port]);
	if (ocsf_fact(e, FACT_VLAN))
		jsonl_member_digits(j, "vlan_uid", fact_number(ocsf_fact(e, FACT_VLAN)));
	jsonl_close(j, '}');
	if (nowhere && (sum || (ocsf_asked(rec) && !name)))
		return;
	address(j, "dst_endpoint", ocsf_asked(rec) && nowhere ? NULL : rec->dst, rec, rec->dport);
	if (name)
		jsonl_member_bytes(j, "hostname", name->value, name->len);
	jsonl_close(j, '}');
	if (e->class != OCSF_FINDING && ocsf_fact(e, FACT_HOST_OUTER)) {
		// the client speaks through a proxy, which is what it is connected to
		address(j, "proxy_endpoint", rec->dst, rec, rec->dport);
		jsonl_close(j, '}');
	}
}

// Which networks are inside is the policy's to say: its set `internal`.
static void direction(struct jsonl *j, const struct record *rec)
{
	static const struct {
		uint8_t id;
		const char *name;
	} of[DIRECTION_COUNT] = {[DIRECTION_UNKNOWN] = {0, "Unknown"},
				 [DIRECTION_IN] = {1, "Inbound"},
				 [DIRECTION_OUT] = {2, "Outbound"},
				 [DIRECTION_INSIDE] = {3, "Lateral"},
				 [DIRECTION_OUTSIDE] = {OCSF_OTHER, "Outside"}};
	unsigned d = rec->direction < DIRECTION_COUNT ? rec->direction : DIRECTION_UNKNOWN;
	jsonl_member_num(j, "direction_id", of[d].id);
	if (d != DIRECTION_UNKNOWN)
		jsonl_member_text(j, "direction", of[d].name);
}

static void connection(struct jsonl *j, const struct ocsf_event *e)
{
	const struct record *rec = e->rec;
	jsonl_member_open(j, "connection_info", '{');
	direction(j, rec);
	jsonl_member_num(j, "protocol_num", rec->proto);
	jsonl_member_text(j, "protocol_name", proto_name(rec->proto));
	jsonl_member_num(j, "protocol_ver_id", rec->ip_version);
	if (rec->flow_id) {
		jsonl_member_digits(j, "uid", eve_flow_id(e->render, rec->flow_id));
		jsonl_member_text(j, "community_uid", communityid_of(e->render->communityid, rec));
	}
	if (rec->kind == RECORD_FLOW && rec->proto == IPPROTO_TCP)
		jsonl_member_num(j, "tcp_flags", rec->tcp_flags[0] | rec->tcp_flags[1]);
	jsonl_close(j, '}');
}

void ocsf_where(struct jsonl *j, const struct ocsf_event *e)
{
	if (e->rec->ip_version == 0 && e->rec->kind != RECORD_FLOOD)
		return;
	endpoints(j, e);
	if (e->rec->ip_version)
		connection(j, e);
	if (e->rec->app != APP_NONE && e->class != OCSF_FINDING)
		jsonl_member_text(j, "app_protocol_name", app_names[e->rec->app]);
}

// ---- observables ---------------------------------------------------------------------------------------------------

static void open_one(struct jsonl *j, const char *name, const char *type)
{
	jsonl_open(j, '{');
	jsonl_member_text(j, "name", name);
	jsonl_member_num(j, "type_id", 99);
	jsonl_member_text(j, "type", type);
	jsonl_member(j, "value");
}

static void one(struct jsonl *j, const struct fact *f, const char *name, const char *type)
{
	if (!f || !f->len)
		return;
	open_one(j, name, type);
	jsonl_bytes(j, f->value, f->len);
	jsonl_close(j, '}');
}

static void one_ip(struct jsonl *j, const uint8_t *ip, unsigned version, const char *name)
{
	open_one(j, name, "IP Address");
	jsonl_ip(j, ip, version);
	jsonl_close(j, '}');
}

void ocsf_observables(struct jsonl *j, const struct ocsf_event *e)
{
	static const struct {
		uint16_t field;
		const char *name, *type;
	} facts[] = {
		{FACT_HTTP_USER_AGENT, "http_request.user_agent", "HTTP User-Agent"},
		{FACT_DNS_QNAME, "query.hostname", "Hostname"},
		{FACT_TLS_JA4, "ja4_fingerprint_list[0].value", "Fingerprint"},
		{FACT_QUIC_JA4, "ja4_fingerprint_list[0].value", "Fingerprint"},
	};
	const struct record *rec = e->rec;
	bool finding = e->class == OCSF_FINDING;
	if (rec->ip_version == 0)
		return;
	jsonl_member_open(j, "observables", '[');
	one_ip(j, rec->src, rec->ip_version, finding ? "evidences[0].src_endpoint.ip" : "src_endpoint.ip");
	if (rec->kind != RECORD_FLOOD && !(ocsf_asked(rec) && !memcmp(rec->dst, &(uint8_t[16]){0}, 16)))
		one_ip(j, rec->dst, rec->ip_version, finding ? "evidences[0].dst_endpoint.ip" : "dst_endpoint.ip");
	one(j, hostname(e), finding ? "evidences[0].dst_endpoint.hostname" : "dst_endpoint.hostname", "Hostname");
	for (unsigned i = 0; i < sizeof(facts) / sizeof(facts[0]) && !finding; i++)
		one(j, ocsf_fact(e, facts[i].field), facts[i].name, facts[i].type);
	jsonl_close(j, ']');
}
