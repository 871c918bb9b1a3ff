// SPDX-License-Identifier: BSD-3-Clause
//
// The objects http, tls, quic and ssh of an eve event, out of a record's facts. Tables say which fact goes by which of
// Suricata's names; what has no name there stands at the end of each with a name of ours (docs/records.md).
#include "ship/eve.h"

#include <string.h>

struct member {
	uint16_t field;
	const char *name;
	void (*put)(struct jsonl *, const struct eve_index *, enum fact_field, const char *);
};

static void members(struct jsonl *j, const struct eve_index *x, const struct member *m, size_t n)
{
	for (size_t i = 0; i < n; i++)
		m[i].put(j, x, m[i].field, m[i].name);
}
#define MEMBERS(j, x, table) members(j, x, table, sizeof(table) / sizeof((table)[0]))

void eve_http(struct jsonl *j, const struct eve_index *x)
{
	static const struct member table[] = {
		{FACT_HTTP_HOST, "hostname", eve_text},
		{FACT_HTTP_PORT, "http_port", eve_text},
		{FACT_HTTP_URI, "url", eve_text},
		{FACT_HTTP_USER_AGENT, "http_user_agent", eve_text},
		{FACT_HTTP_XFF, "xff", eve_text},
		{FACT_HTTP_CONTENT_TYPE, "http_content_type", eve_text},
		{FACT_HTTP_REFERER, "http_refer", eve_text},
		{FACT_HTTP_METHOD, "http_method", eve_text},
		{FACT_HTTP_PROTOCOL, "protocol", eve_text},
		{FACT_HTTP_STATUS, "status", eve_text},
		{FACT_HTTP_REDIRECT, "redirect", eve_text},
		{FACT_HTTP_LENGTH, "length", eve_text},
		{FACT_HTTP_PATH, "path", eve_text},
		{FACT_HTTP_AMBIGUOUS, "ambiguous", eve_list},
	};
	MEMBERS(j, x, table);
}

// Who asked for it over Kafka.
void eve_request(struct jsonl *j, const struct eve_index *x)
{
	static const struct member table[] = {
		{FACT_REQUEST_ID, "id", eve_text},
		{FACT_USER, "user", eve_text},
		{FACT_GROUP, "groups", eve_list},
		{FACT_REQUEST_ERROR, "error", eve_text},
	};
	jsonl_member_open(j, "request", '{');
	MEMBERS(j, x, table);
	jsonl_close(j, '}');
}

static void ja3(struct jsonl *j, const struct eve_index *x, enum fact_field hash, enum fact_field full)
{
	if (!x->first[hash])
		return;
	jsonl_member_open(j, "ja3", '{');
	eve_text(j, x, hash, "hash");
	eve_text(j, x, full, "string");
	jsonl_close(j, '}');
}

void eve_tls(struct jsonl *j, const struct eve_index *x)
{
	static const struct member before[] = {
		{FACT_TLS_RESUMED, "session_resumed", eve_flag},
		{FACT_TLS_SNI, "sni", eve_text},
		{FACT_TLS_VERSION, "version", eve_text},
	};
	static const struct member after[] = {
		{FACT_TLS_JA4, "ja4", eve_text},
		{FACT_TLS_ALPN, "client_alpns", eve_list},
		{FACT_TLS_SERVER_ALPN, "server_alpns", eve_list},
		{FACT_TLS_CIPHER, "cipher", eve_text},
		{FACT_TLS_ECH, "ech", eve_flag},
	};
	MEMBERS(j, x, before);
	ja3(j, x, FACT_TLS_JA3, FACT_TLS_JA3_FULL);
	MEMBERS(j, x, after);
}

void eve_quic(struct jsonl *j, const struct eve_index *x)
{
	static const struct member before[] = {
		{FACT_QUIC_VERSION, "version", eve_text},
		{FACT_QUIC_SNI, "sni", eve_text},
		{FACT_QUIC_USER_AGENT, "ua", eve_text},
	};
	static const struct member after[] = {
		{FACT_QUIC_JA4, "ja4", eve_text},
		{FACT_QUIC_ALPN, "client_alpns", eve_list},
		{FACT_QUIC_CID, "cid", eve_text},
		{FACT_QUIC_ECH, "ech", eve_flag},
		{FACT_QUIC_MIDSTREAM, "midstream", eve_flag},
	};
	MEMBERS(j, x, before);
	ja3(j, x, FACT_QUIC_JA3, FACT_QUIC_JA3_FULL);
	MEMBERS(j, x, after);
}

static void ssh_side(struct jsonl *j, const struct eve_index *x, const char *side, enum fact_field proto,
		     enum fact_field software)
{
	if (!x->first[proto] && !x->first[software])
		return;
	jsonl_member_open(j, side, '{');
	eve_text(j, x, proto, "proto_version");
	eve_text(j, x, software, "software_version");
	jsonl_close(j, '}');
}

void eve_ssh(struct jsonl *j, const struct eve_index *x)
{
	ssh_side(j, x, "client", FACT_SSH_PROTO, FACT_SSH_SOFTWARE);
	ssh_side(j, x, "server", FACT_SSH_SERVER_PROTO, FACT_SSH_SERVER_SOFTWARE);
}
