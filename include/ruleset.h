// SPDX-License-Identifier: BSD-3-Clause
//
// The policy as the corridor sees it: which fields a rule may speak of, what a rule can do, what is known of a
// transaction, and what was decided. The field table and the action table are the only ones: the parser of policies,
// `check`, the docs and the schema are made from them.
//
// A rule set is compiled off the path (src/policy/), is never changed after that, and comes in by one pointer. What is
// known (struct facts) belongs to the worker. Judging takes no memory and cannot fail.
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

// Types of fields, with what a rule may write for a value.
//   ADDR   an address, or a network in CIDR notation
//   PORT   a number from 0 to 65535
//   NUM    a number
//   BOOL   true or false
//   WORD   one of the words of the field's own list (numbers where the field has them: proto, dns.qtype)
//   NAME   a domain name; compared as normalised: lower case, no trailing dot, A-label
//   STR    a string of bytes
//   BYTES  payload: searched, never compared whole
//   TIME   {"days", "from", "to", "zone"}
//
// X(symbol, name, type, many, hold, known, absent, help)
//   many   a transaction may show several values
//   hold   it is worth holding client bytes for (policy.md 1): names, request heads, queries
//   known  when the field is known; absent: when it is known that there is none
#define FIELDS(X)                                                                                                      \
	X(SRC, "src", ADDR, 0, 0, "first packet", "never", "address of the initiator")                                 \
	X(DST, "dst", ADDR, 0, 0, "first packet", "never", "address of the responder")                                 \
	X(SPORT, "sport", PORT, 0, 0, "first packet", "not TCP, UDP or SCTP", "port of the initiator")                 \
	X(DPORT, "dport", PORT, 0, 0, "first packet", "not TCP, UDP or SCTP", "port of the responder")                 \
	X(PROTO, "proto", WORD, 0, 0, "first packet", "never", "tcp, udp, icmp, icmpv6, sctp, or a number")            \
	X(IP_VERSION, "ip.version", NUM, 0, 0, "first packet", "never", "4 or 6")                                      \
	X(TTL, "ttl", NUM, 0, 0, "first packet", "never", "TTL or hop limit of the initiator's first packet")          \
	X(TCP_FLAGS, "tcp.flags", WORD, 1, 0, "first packet", "not TCP", "flags of the first packet: syn, ack, ...")   \
	X(TENANT, "tenant", NUM, 0, 0, "first packet", "no transport", "tenant id, by --transport")                    \
	X(VLAN, "vlan", NUM, 1, 0, "first packet", "no tag", "VLAN ids, outermost first")                              \
	X(VNI, "vni", NUM, 1, 0, "first packet", "no overlay", "VXLAN and GENEVE network ids")                         \
	X(DIRECTION, "direction", WORD, 0, 0, "first packet", "never", "out, in, inside, outside, unknown")            \
	X(DECAP_DEEPER, "decap.deeper", BOOL, 0, 0, "first packet", "never", "layers beyond the depth looked at")      \
	X(FLOW_SEEN, "flow.seen", WORD, 0, 0, "first packet", "never", "both, client, server: which ends were seen")   \
	X(STREAM_AMBIGUOUS, "stream.ambiguous", BOOL, 0, 0, "first packet", "never", "copies of a byte differed")      \
	X(APP, "app", WORD, 0, 1, "first client bytes", "no bytes", "protocol by content: tls, http, dns, ...")        \
	X(HOST, "host", NAME, 1, 1, "hello, request, query", "none of these", "every name the transaction shows")      \
	X(URL, "url", STR, 0, 1, "request head", "not HTTP", "scheme, host and target of a request")                   \
	X(TLS_SNI, "tls.sni", NAME, 1, 1, "hello", "no hello, or without", "server name of TLS, DTLS, QUIC")           \
	X(TLS_ALPN, "tls.alpn", STR, 1, 1, "hello", "no hello, or without", "protocols that the client offers")        \
	X(TLS_VERSION, "tls.version", WORD, 0, 0, "server hello", "no server hello", "1.0, 1.1, 1.2, 1.3, ...")        \
	X(TLS_JA3, "tls.ja3", STR, 0, 1, "hello", "no hello", "JA3 of the hello")                                      \
	X(TLS_JA4, "tls.ja4", STR, 0, 1, "hello", "no hello", "JA4 of the hello")                                      \
	X(TLS_ECH, "tls.ech", BOOL, 0, 1, "hello", "no hello", "encrypted client hello: host is the outer name")       \
	X(QUIC_VERSION, "quic.version", WORD, 0, 1, "long header", "not QUIC", "1, 2, draft-29, Q046, or hex")         \
	X(QUIC_MIDSTREAM, "quic.midstream", BOOL, 0, 1, "first datagram", "not QUIC", "connection begun before")       \
	X(HTTP_STATUS, "http.status", NUM, 0, 0, "response head", "no response", "status of the response")             \
	X(HTTP_METHOD, "http.method", STR, 0, 1, "request head", "not HTTP", "method, as sent")                        \
	X(HTTP_HOST, "http.host", NAME, 1, 1, "request head", "not HTTP, or without", "names of an HTTP request")      \
	X(HTTP_URI, "http.uri", STR, 0, 1, "request head", "not HTTP", "target, as sent")                              \
	X(HTTP_PATH, "http.path", STR, 0, 1, "request head", "not HTTP", "path, decoded and normalised")               \
	X(HTTP_USER_AGENT, "http.user_agent", STR, 0, 1, "request head", "not HTTP, or without", "User-Agent")         \
	X(HTTP_HEADER, "http.header.", STR, 1, 1, "request head", "not HTTP, or without", "any header, by its name")   \
	X(HTTP_AMBIGUOUS, "http.ambiguous", WORD, 1, 1, "request head", "not HTTP, or sound",                          \
	  "why readers may differ")                                                                                    \
	X(DNS_QNAME, "dns.qname", NAME, 1, 1, "query", "not DNS", "names asked for")                                   \
	X(DNS_QTYPE, "dns.qtype", WORD, 1, 1, "query", "not DNS", "A, AAAA, HTTPS, ..., or a number")                  \
	X(DNS_ANSWER, "dns.answer", STR, 1, 0, "answer", "no answer", "names and addresses of the answer")             \
	X(SSH_SOFTWARE, "ssh.software", STR, 0, 0, "identification", "not SSH", "software of the client")              \
	X(PAYLOAD, "payload", BYTES, 1, 0, "as it comes, to the depth", "no bytes", "bytes of either direction")       \
	X(TIME, "time", TIME, 0, 0, "always", "never", "time of day and day of the week")                              \
	X(TAG, "tag", STR, 1, 0, "first packet", "no tag set", "tags that rules above have set")                       \
	X(USER, "user", STR, 0, 0, "with the request", "packets, or not said", "who asks, of a request over Kafka")    \
	X(GROUP, "group", STR, 1, 0, "with the request", "packets, or not said", "groups of who asks, the same")

enum field_type {
	FIELD_TYPE_ADDR,
	FIELD_TYPE_PORT,
	FIELD_TYPE_NUM,
	FIELD_TYPE_BOOL,
	FIELD_TYPE_WORD,
	FIELD_TYPE_NAME,
	FIELD_TYPE_STR,
	FIELD_TYPE_BYTES,
	FIELD_TYPE_TIME
};

enum field {
#define X(symbol, name, type, many, hold, known, absent, help) FIELD_##symbol,
	FIELDS(X)
#undef X
		FIELD_COUNT
};

// X(symbol, name, ends, denies, help): what a rule does. ends: the search stops at it.
#define ACTIONS(X)                                                                                                     \
	X(ALLOW, "allow", 1, 0, "the transaction passes")                                                              \
	X(DENY, "deny", 1, 1, "the transaction is refused, answered by `respond`")                                     \
	X(ALERT, "alert", 0, 0, "an alert is recorded")                                                                \
	X(TAG, "tag", 0, 0, "the transaction carries a tag, which rules below can see")                                \
	X(LIMIT, "limit", 0, 0, "frames beyond a rate leave by LIMIT_EXCEEDED")                                        \
	X(MIRROR, "mirror", 0, 0, "the flow's packets are copied to a pcapng file")

enum action {
#define X(symbol, name, ends, denies, help) ACTION_##symbol,
	ACTIONS(X)
#undef X
		ACTION_COUNT
};
extern const char *const action_names[ACTION_COUNT]; // base/names.c

// X(symbol, name, help): how a deny answers. DEFAULT: by what is denied.
#define RESPONSES(X)                                                                                                   \
	X(DEFAULT, "default", "reset for TCP, page for HTTP, nxdomain for DNS, unreachable for the rest")              \
	X(RESET, "reset", "RST to both ends")                                                                          \
	X(PAGE, "page", "a page that names reason, rule and incident; then FIN")                                       \
	X(NXDOMAIN, "nxdomain", "the name does not exist")                                                             \
	X(UNREACHABLE, "unreachable", "ICMP: administratively prohibited")                                             \
	X(DROP, "drop", "silence")                                                                                     \
	X(SINKHOLE, "sinkhole", "a DNS answer with the rule's address")                                                \
	X(TLS_ALERT, "tls_alert", "a TLS alert, then FIN")

enum response {
#define X(symbol, name, help) RESPONSE_##symbol,
	RESPONSES(X)
#undef X
		RESPONSE_COUNT
};
extern const char *const response_names[RESPONSE_COUNT];

// What is known of a field of the transaction in work.
enum fact_state {
	FACT_UNKNOWN, // nothing yet
	FACT_SOME,    // these values; more may come (payload)
	FACT_ALL,     // these values and no other
	FACT_ABSENT,  // there is none
};

// NUM, PORT, BOOL, and WORDs that are numbers are in num; strings and names in p, len; addresses in p, 4 or 16 bytes.
// Names come normalised. Headers: `name` is the header's, in lower case.
struct fact_value {
	const uint8_t *p;
	uint32_t len;
	uint32_t name_len;
	const uint8_t *name;
	uint64_t num;
};

#define FACTS_MAX 64 // values of one field that are looked at

struct facts {
	uint8_t state[FIELD_COUNT]; // enum fact_state
	uint8_t n[FIELD_COUNT];
	const struct fact_value *value[FIELD_COUNT];
	const uint64_t
		*found[2]; // payload without bytes: what was found in these values, as policy_payload_scan has it
	uint64_t now_ns;   // for FIELD_TIME, schedules and expiries
};

enum truth { TRUTH_FALSE, TRUTH_TRUE, TRUTH_UNKNOWN };

// What becomes of packets while nothing is decided (policy.md 2.4). POSSIBLE: they pass if some rule may still allow
// it.
enum undecided { UNDECIDED_POSSIBLE, UNDECIDED_PASS, UNDECIDED_DROP, UNDECIDED_HOLD };

// X(symbol, name, help): what becomes of a live flow of which another policy would have to know what was not kept.
#define REJUDGES(X)                                                                                                    \
	X(KEEP, "keep", "its verdict stays")                                                                           \
	X(DROP, "drop", "nothing of it leaves any more, and nobody is told")

enum rejudge {
#define X(symbol, name, help) REJUDGE_##symbol,
	REJUDGES(X)
#undef X
		REJUDGE_COUNT
};
extern const char *const rejudge_names[REJUDGE_COUNT];

#define RULE_NONE UINT32_MAX
#define RULE_DEFAULT (UINT32_MAX - 1)
#define RULE_REJUDGE (UINT32_MAX - 2)   // no rule: rejudge_unknown
#define RULE_HANDSHAKE (UINT32_MAX - 3) // nor are these: undecided
#define RULE_SERVER_FIRST (UINT32_MAX - 4)
#define RULE_PRELUDE (UINT32_MAX - 5)
#define RULE_KILLED (UINT32_MAX - 6) // nor is this: somebody said `flow kill`

struct verdict {
	bool open;          // not decided: waiting for `waits`
	bool early;         // final although rules above are unknown: all would do the same (policy.md 2.2)
	bool possible;      // some candidate (the unknown ones and the first true one) allows: undecided "possible"
	uint8_t action;     // enum action; while open: of the first rule that is true
	uint8_t response;   // enum response
	uint32_t rule;      // its number in the rule set, from 0; RULE_DEFAULT
	uint64_t waits;     // bits of enum field: holdable fields that are unknown in the candidates above `rule`
	uint32_t runner_up; // the rule that decides without `rule`
};
static_assert(FIELD_COUNT <= 64, "verdict.waits has a bit a field");
