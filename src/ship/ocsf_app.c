// SPDX-License-Identifier: BSD-3-Clause
//
// Objects of protocols in an ocsf event: http_request and http_response, tls and its fingerprints, query and answers;
// and what of them OCSF has no place for.
#include "ship/ocsf.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "ship/dnsrr.h"
#include "ship/url.h"

// ---- HTTP ----------------------------------------------------------------------------------------------------------

static void part(struct jsonl *j, const char *name, const uint8_t *base, struct url_part p)
{
	if (p.len)
		jsonl_member_bytes(j, name, base + p.at, p.len);
}

// Of a target that names none. What was asked of us, and seen in no packet, may be what TLS carries.
static const char *scheme(const struct ocsf_event *e)
{
	return ocsf_asked(e->rec) && e->rec->app == APP_TLS ? "https" : "http";
}

// The target as a whole URL, where it says no name itself with the one of Host.
static void url_string(struct jsonl *j, const struct ocsf_event *e, const struct fact *uri, bool whole)
{
	const struct fact *host = ocsf_fact(e, FACT_HTTP_HOST), *port = ocsf_fact(e, FACT_HTTP_PORT);
	jsonl_member(j, "url_string");
	jsonl_string_open(j);
	if (!whole) {
		jsonl_string_bytes(j, scheme(e), strlen(scheme(e)), false);
		jsonl_string_bytes(j, "://", 3, false);
		jsonl_string_bytes(j, host->value, host->len, false);
	}
	if (!whole && port) {
		jsonl_string_bytes(j, ":", 1, false);
		jsonl_string_num(j, fact_number(port));
	}
	if (uri)
		jsonl_string_bytes(j, uri->value, uri->len, false);
	jsonl_string_close(j);
}

static void url(struct jsonl *j, const struct ocsf_event *e)
{
	const struct fact *uri = ocsf_fact(e, FACT_HTTP_URI), *host = ocsf_fact(e, FACT_HTTP_HOST);
	const struct fact *port = ocsf_fact(e, FACT_HTTP_PORT);
	const uint8_t *p = uri ? uri->value : NULL;
	struct url u = {0};
	if (!uri && !host)
		return;
	if (uri)
		url_read(&u, p, uri->len);
	jsonl_member_open(j, "url", '{');
	url_string(j, e, uri, !host || u.host.len);
	if (u.scheme.len || (host && !u.host.len))
		jsonl_member_text(j, "scheme", u.scheme.len == 5 ? "https" : u.scheme.len ? "http" : scheme(e));
	if (host)
		ocsf_text(j, e, FACT_HTTP_HOST, "hostname");
	else
		part(j, "hostname", p, u.host);
	if (port)
		jsonl_member_num(j, "port", fact_number(port));
	part(j, "path", p, u.path);
	part(j, "query_string", p, u.query);
	jsonl_close(j, '}');
}

static void header(struct jsonl *j, const char *name, size_t len, const uint8_t *value, size_t value_len)
{
	jsonl_open(j, '{');
	jsonl_member_bytes(j, "name", name, len);
	jsonl_member_bytes(j, "value", value, value_len);
	jsonl_close(j, '}');
}

// Those that rules of the policy ask for: "name: value".
static void headers(struct jsonl *j, const struct ocsf_event *e)
{
	if (!ocsf_fact(e, FACT_HTTP_HEADER))
		return;
	jsonl_member_open(j, "http_headers", '[');
	RECORD_EACH(f, e->rec) {
		const uint8_t *colon = f->field == FACT_HTTP_HEADER ? memchr(f->value, ':', f->len) : NULL;
		if (!colon)
			continue;
		const uint8_t *value = colon + 1, *end = f->value + f->len;
		while (value < end && *value == ' ')
			value++;
		header(j, (const char *)f->value, (size_t)(colon - f->value), value, (size_t)(end - value));
	}
	jsonl_close(j, ']');
}

static bool is_ip(const uint8_t *p, size_t len)
{
	char text[INET6_ADDRSTRLEN];
	uint8_t ip[16];
	if (len >= sizeof(text))
		return false;
	memcpy(text, p, len);
	text[len] = 0;
	return inet_pton(memchr(p, ':', len) ? AF_INET6 : AF_INET, text, ip) == 1;
}

// Addresses that proxies have added, one behind the other; what is none stands in unmapped.
static void forwarded(struct jsonl *j, const struct fact *f)
{
	if (!f)
		return;
	const uint8_t *p = f->value, *end = p + f->len;
	jsonl_member_open(j, "x_forwarded_for", '[');
	while (p < end) {
		const uint8_t *comma = url_find(p, end, ","), *over = comma;
		while (p < over && *p == ' ')
			p++;
		while (over > p && over[-1] == ' ')
			over--;
		if (is_ip(p, (size_t)(over - p)))
			jsonl_bytes(j, p, (size_t)(over - p));
		p = comma + 1;
	}
	jsonl_close(j, ']');
}

// "HTTP/1.1" is version 1.1.
static void version(struct jsonl *j, const struct fact *f)
{
	unsigned skip = f && f->len > 5 && !memcmp(f->value, "HTTP/", 5) ? 5 : 0;
	if (f)
		jsonl_member_bytes(j, "version", f->value + skip, f->len - skip);
}

static void response(struct jsonl *j, const struct ocsf_event *e, const struct fact *code)
{
	const struct fact *to = ocsf_fact(e, FACT_HTTP_REDIRECT), *length = ocsf_fact(e, FACT_HTTP_LENGTH);
	jsonl_member_open(j, "http_response", '{');
	jsonl_member_num(j, "code", fact_number(code));
	ocsf_text(j, e, FACT_HTTP_CONTENT_TYPE, "content_type");
	if (length)
		jsonl_member_num(j, "body_length", fact_number(length));
	if (to) {
		jsonl_member_open(j, "http_headers", '[');
		header(j, "Location", 8, to->value, to->len);
		jsonl_close(j, ']');
	}
	jsonl_close(j, '}');
}

void ocsf_http(struct jsonl *j, const struct ocsf_event *e)
{
	const struct fact *code = ocsf_fact(e, FACT_HTTP_STATUS);
	bool asked = ocsf_fact(e, FACT_HTTP_METHOD) || ocsf_fact(e, FACT_HTTP_URI);
	if (asked || !code) {
		jsonl_member_open(j, "http_request", '{');
		ocsf_text(j, e, FACT_HTTP_METHOD, "http_method");
		url(j, e);
		version(j, ocsf_fact(e, FACT_HTTP_PROTOCOL));
		ocsf_text(j, e, FACT_HTTP_USER_AGENT, "user_agent");
		ocsf_text(j, e, FACT_HTTP_REFERER, "referrer");
		forwarded(j, ocsf_fact(e, FACT_HTTP_XFF));
		headers(j, e);
		jsonl_close(j, '}');
	}
	if (code)
		response(j, e, code);
}

// ---- TLS, QUIC -----------------------------------------------------------------------------------------------------

static void alpn(struct jsonl *j, const struct ocsf_event *e, enum fact_field field)
{
	if (!ocsf_fact(e, field))
		return;
	jsonl_member_open(j, "tls_extension_list", '[');
	jsonl_open(j, '{');
	jsonl_member_num(j, "type_id", 16);
	jsonl_member_text(j, "type", "application_layer_protocol_negotiation");
	eve_list(j, &e->x, field, "data");
	jsonl_close(j, '}');
	jsonl_close(j, ']');
}

static void ja3(struct jsonl *j, const struct ocsf_event *e, enum fact_field field)
{
	if (!ocsf_fact(e, field))
		return;
	jsonl_member_open(j, "ja3_hash", '{');
	jsonl_member_num(j, "algorithm_id", 1);
	jsonl_member_text(j, "algorithm", "MD5");
	ocsf_text(j, e, field, "value");
	jsonl_close(j, '}');
}

// Its three parts stand apart by '_'.
static void ja4(struct jsonl *j, const struct fact *f)
{
	static const char *const names[] = {"section_a", "section_b", "section_c"};
	if (!f)
		return;
	const uint8_t *p = f->value, *end = p + f->len;
	jsonl_member_open(j, "ja4_fingerprint_list", '[');
	jsonl_open(j, '{');
	jsonl_member_num(j, "type_id", 1);
	jsonl_member_text(j, "type", "JA4");
	jsonl_member_bytes(j, "value", f->value, f->len);
	for (unsigned i = 0; i < 3 && p < end; i++) {
		const uint8_t *over = url_find(p, end, "_");
		jsonl_member_bytes(j, names[i], p, (size_t)(over - p));
		p = over + 1;
	}
	jsonl_close(j, '}');
	jsonl_close(j, ']');
}

static void cipher(struct jsonl *j, const struct fact *f)
{
	if (!f)
		return;
	uint8_t be[2] = {(uint8_t)(fact_number(f) >> 8), (uint8_t)fact_number(f)};
	char text[6] = "0x";
	text_hex(text + 2, be, 2);
	jsonl_member(j, "cipher");
	jsonl_bytes(j, text, sizeof(text));
}

// tls must have a version: QUIC's is always the same (RFC 9001 4.2); where no hello could be read it is not known.
void ocsf_tls(struct jsonl *j, const struct ocsf_event *e)
{
	bool quic = e->kind == RECORD_QUIC;
	if (!quic && e->kind != RECORD_TLS)
		return;
	jsonl_member_open(j, "tls", '{');
	if (ocsf_fact(e, FACT_TLS_VERSION))
		ocsf_text(j, e, FACT_TLS_VERSION, "version");
	else
		jsonl_member_text(j, "version", quic ? "TLS 1.3" : "unknown");
	ocsf_text(j, e, quic ? FACT_QUIC_SNI : FACT_TLS_SNI, "sni");
	cipher(j, ocsf_fact(e, FACT_TLS_CIPHER));
	ja3(j, e, quic ? FACT_QUIC_JA3 : FACT_TLS_JA3);
	alpn(j, e, quic ? FACT_QUIC_ALPN : FACT_TLS_ALPN);
	jsonl_close(j, '}');
	ja4(j, ocsf_fact(e, quic ? FACT_QUIC_JA4 : FACT_TLS_JA4));
}

// ---- DNS -----------------------------------------------------------------------------------------------------------

void ocsf_query(struct jsonl *j, const struct ocsf_event *e)
{
	static const char *const opcodes[] = {"Query",  "Inverse Query", "Status", "Reserved",
					      "Notify", "Update",        "DSO"};
	const struct fact *name = ocsf_fact(e, FACT_DNS_QNAME), *type = ocsf_fact(e, FACT_DNS_QTYPE);
	const struct fact *id = ocsf_fact(e, FACT_DNS_ID), *flags = ocsf_fact(e, FACT_DNS_FLAGS);
	unsigned opcode = flags ? fact_number(flags) >> 11 & 15 : 0;
	char buf[12];
	if (!name)
		return;
	jsonl_member_open(j, "query", '{');
	jsonl_member_bytes(j, "hostname", name->len ? (const char *)name->value : ".", name->len ? name->len : 1);
	if (type)
		jsonl_member_text(j, "type", dnsrr_type((uint16_t)fact_number(type), buf));
	jsonl_member_num(j, "opcode_id", opcode < 7 ? opcode : 99);
	jsonl_member_text(j, "opcode", opcode < 7 ? opcodes[opcode] : "Other");
	if (id)
		jsonl_member_num(j, "packet_uid", fact_number(id));
	jsonl_close(j, '}');
}

void ocsf_dns(struct jsonl *j, const struct ocsf_event *e)
{
	const struct fact *flags = ocsf_fact(e, FACT_DNS_FLAGS), *rcode = ocsf_fact(e, FACT_DNS_RCODE);
	const struct fact *id = ocsf_fact(e, FACT_DNS_ID);
	uint16_t header = flags ? (uint16_t)fact_number(flags) : 0;
	uint16_t code = rcode ? (uint16_t)fact_number(rcode) : header & 15;
	char buf[12];
	ocsf_query(j, e);
	jsonl_member_num(j, e->rec->tx_kind ? "response_time" : "query_time", ocsf_ms(e->rec->time_ns));
	if (!e->rec->tx_kind)
		return;
	jsonl_member_num(j, "rcode_id", code <= 11 || (code >= 16 && code <= 25) ? code : 99);
	jsonl_member_text(j, "rcode", dnsrr_rcode(code, buf));
	jsonl_member_num(j, "status_id", code ? 2 : 1);
	dnsrr_ocsf(j, e->rec, header, id ? (unsigned)fact_number(id) : 0);
}

// ---- what has no place ---------------------------------------------------------------------------------------------

static void dns_unmapped(struct jsonl *j, const struct ocsf_event *e)
{
	const struct fact *flags = ocsf_fact(e, FACT_DNS_FLAGS);
	unsigned names = 0;
	RECORD_EACH(f, e->rec)
		names += f->field == FACT_DNS_QNAME;
	if (flags)
		jsonl_member_num(j, "dns_flags", fact_number(flags));
	if (names > 1)
		eve_list(j, &e->x, FACT_DNS_QNAME, "dns_queries");
	dnsrr_lines(j, e->rec);
}

void ocsf_app_unmapped(struct jsonl *j, const struct ocsf_event *e)
{
	const struct eve_index *x = &e->x;
	const struct record *rec = e->rec;
	switch (e->kind) {
	case RECORD_FLOW:
		jsonl_member_text(j, "flow_state", eve_flow_state(rec));
		jsonl_member_num(j, "tx_cnt", rec->kind == RECORD_FLOW ? rec->tx_count : 0);
		break;
	case RECORD_HTTP:
		eve_text(j, x, FACT_HTTP_PATH, "http_path");
		eve_text(j, x, FACT_HTTP_XFF, "xff");
		eve_list(j, x, FACT_HTTP_AMBIGUOUS, "http_ambiguous");
		break;
	case RECORD_TLS:
		eve_flag(j, x, FACT_TLS_RESUMED, "session_resumed");
		eve_flag(j, x, FACT_TLS_ECH, "ech");
		eve_list(j, x, FACT_TLS_SERVER_ALPN, "server_alpns");
		break;
	case RECORD_QUIC:
		eve_text(j, x, FACT_QUIC_VERSION, "quic_version");
		eve_text(j, x, FACT_QUIC_CID, "quic_cid");
		eve_text(j, x, FACT_QUIC_USER_AGENT, "quic_user_agent");
		eve_flag(j, x, FACT_QUIC_ECH, "ech");
		eve_flag(j, x, FACT_QUIC_MIDSTREAM, "midstream");
		break;
	case RECORD_DNS:
		dns_unmapped(j, e);
		break;
	case RECORD_SSH:
		jsonl_member_open(j, "ssh", '{');
		eve_ssh(j, x);
		jsonl_close(j, '}');
		break;
	}
	if (rec->kind == RECORD_FLOOD && rec->ip_version)
		jsonl_member_num(j, "prefix", rec->tx_kind);
	if (e->kind != RECORD_FLOW && e->kind != RECORD_ANOMALY && rec->flow_id)
		jsonl_member_num(j, "tx_id", rec->tx_id);
}
