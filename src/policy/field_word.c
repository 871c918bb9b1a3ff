// SPDX-License-Identifier: BSD-3-Clause
//
// The words of the fields that have their own: what policies write, and what facts say for it. Where the corridor has a
// table of them, it is that table.
#include "field.h"

#include <string.h>

#include "dns_rr.h"
#include "path/app/http_head.h"
#include "record.h"

// X(word, number)
#define PROTOS(X) X("tcp", 6) X("udp", 17) X("icmp", 1) X("icmpv6", 58) X("sctp", 132)
// X(word, as the fact tls.version has it: Suricata's spelling)
#define TLS_VERSIONS(X)                                                                                                \
	X("1.3", "TLS 1.3")                                                                                            \
	X("1.2", "TLS 1.2")                                                                                            \
	X("1.1", "TLS 1.1")                                                                                            \
	X("1.0", "TLSv1")                                                                                              \
	X("ssl3", "SSLv3")                                                                                             \
	X("ssl2", "SSLv2")                                                                                             \
	X("dtls 1.3", "DTLS 1.3")                                                                                      \
	X("dtls 1.2", "DTLS 1.2")                                                                                      \
	X("dtls 1.0", "DTLS 1.0")                                                                                      \
	X("dtls 0.9", "DTLS 0.9")

// clang-format off
#define X(word, number) word,
static const char *const protos[] = {PROTOS(X)};
#undef X
#define X(word, number) number,
static const uint32_t proto_numbers[] = {PROTOS(X)};
#undef X
#define X(number, name) name,
static const char *const qtypes[] = {DNS_TYPES(X)};
#undef X
#define X(number, name) number,
static const uint32_t qtype_numbers[] = {DNS_TYPES(X)};
#undef X
#define X(word, means) word,
static const char *const tls[] = {TLS_VERSIONS(X)};
#undef X
#define X(word, means) means,
static const char *const tls_means[] = {TLS_VERSIONS(X)};
#undef X
#define X(symbol, name) name,
static const char *const apps[] = {APPS(X)};
#undef X
#define X(symbol, name, contradictory) name,
static const char *const causes[] = {HTTP_CAUSES(X)};
#undef X
// clang-format on

static const char *const flags[] = {"fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"};
static const char *const directions[] = {"out", "in", "inside", "outside", "unknown"};
static const char *const seen[] = {"both", "client", "server"};
static const char *const quic[] = {"1", "2"};

#define N(words) (sizeof(words) / sizeof((words)[0]))
static const struct field_words table[FIELD_COUNT] = {
	[FIELD_PROTO] = {protos, NULL, proto_numbers, N(protos), 255, NULL},
	[FIELD_TCP_FLAGS] = {flags, NULL, NULL, N(flags), 0, NULL},
	[FIELD_DIRECTION] = {directions, NULL, NULL, N(directions), 0, NULL},
	[FIELD_FLOW_SEEN] = {seen, NULL, NULL, N(seen), 0, NULL},
	[FIELD_APP] = {apps, NULL, NULL, N(apps), 0,
		       "DTLS is no `tls`, and HTTP/2 no `http`: list both where both are meant"},
	[FIELD_TLS_VERSION] = {tls, tls_means, NULL, N(tls), 0, NULL},
	[FIELD_QUIC_VERSION] = {quic, NULL, NULL, N(quic), 0, "draft-29, Q046, T050, 0x followed by eight hex digits"},
	[FIELD_HTTP_AMBIGUOUS] = {causes, NULL, NULL, N(causes), 0, NULL},
	[FIELD_DNS_QTYPE] = {qtypes, NULL, qtype_numbers, N(qtypes), 65535, "TYPE followed by a number"},
};

const struct field_words *field_words(enum field f)
{
	return table[f].words ? &table[f] : NULL;
}

// What others call a field: Suricata's keywords and EVE, Zeek's logs, tcpdump and tshark.
static const struct {
	const char *theirs, *ours;
} others[] = {
	{"src_ip", "src"},
	{"src.ip", "src"},
	{"source", "src"},
	{"ip.src", "src"},
	{"id.orig_h", "src"},
	{"dest_ip", "dst"},
	{"dst.ip", "dst"},
	{"dest", "dst"},
	{"destination", "dst"},
	{"ip.dst", "dst"},
	{"id.resp_h", "dst"},
	{"src_port", "sport"},
	{"src.port", "sport"},
	{"id.orig_p", "sport"},
	{"port", "dport"},
	{"dest_port", "dport"},
	{"dst.port", "dport"},
	{"id.resp_p", "dport"},
	{"l4", "proto"},
	{"protocol", "proto"},
	{"app_proto", "app"},
	{"service", "app"},
	{"domain", "host"},
	{"fqdn", "host"},
	{"hostname", "host"},
	{"server_name", "tls.sni"},
	{"ja3.hash", "tls.ja3"},
	{"http.ua", "http.user_agent"},
	{"ua", "http.user_agent"},
	{"http.url", "http.uri"},
	{"http.request_body", "payload"},
	{"query", "dns.qname"},
	{"dns.query", "dns.qname"},
	{"dns.rrname", "dns.qname"},
	{"dns.rrtype", "dns.qtype"},
	{"geneve.vni", "vni"},
	{"vxlan_vni", "vni"},
	{"content", "payload"},
	{"pcre", "payload"},
	{"ssh.proto", "ssh.software"},
};

const char *field_elsewhere(const char *p, size_t len)
{
	for (unsigned i = 0; i < N(others); i++)
		if (strlen(others[i].theirs) == len && !memcmp(others[i].theirs, p, len))
			return others[i].ours;
	return NULL;
}
