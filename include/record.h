// SPDX-License-Identifier: BSD-3-Clause
//
// The binary records that workers write and that every face (table, eve, facts, ...) is rendered from.
// One ring a worker, single producer, single consumer, cells of 64 bytes; a record takes as many cells as it
// needs. Fixed layout, host byte order, never leaves the machine in this form.
//
//   | struct record (head) | struct fact | bytes, padded to 8 | struct fact | bytes ... |
//
// `order` is the sort key: in replay the output is ordered by it, whatever the number of workers. `packet`, `time_ns`
// and `dir` are of one packet: for a transaction the one that began it, which may be long before its answer.
// A frame's number is that in its own capture. Where several are joined, the capture's number among them stands above
// it (FRAME_OF); what is one capture is number 0.
// A fact's (frame, off, len) tell which bytes of which input frame it came from; len 0: not from bytes.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define RECORD_CELL 64
#define RECORD_MAX (32 * 1024) // bytes of a whole record; longer values are shortened and counted
#define FACT_VALUE_MAX (8 * 1024)

// X(symbol, name): kinds of record.
#define RECORD_KINDS(X)                                                                                                \
	X(FLOW_START, "flow_start") /* first frame of a flow: its layers, VLANs, VNIs */                               \
	X(FLOW, "flow")             /* end of a flow: counters, TCP flags, why it ended */                             \
	X(TLS, "tls")               /* a hello (TLS or DTLS) and what was answered */                                  \
	X(QUIC, "quic")                                                                                                \
	X(HTTP, "http") /* a request and the head of its response */                                                   \
	X(DNS, "dns")   /* a message, query or answer */                                                               \
	X(SSH, "ssh")                                                                                                  \
	X(ANOMALY, "anomaly")                                                                                          \
	X(ALERT, "alert") /* a rule of the policy, true for a transaction (a copy of which this is) or a flow */       \
	X(GAP, "gap")     /* the shipper's: what is missing of a worker's */                                           \
	X(STATE, "state") /* the control thread's: what became of the appliance */                                     \
	X(FLOOD, "flood") /* half-open flows of one source in one second, summed: record_flood_add */

enum record_kind {
	RECORD_NONE = 0,
#define X(symbol, name) RECORD_##symbol,
	RECORD_KINDS(X)
#undef X
		RECORD_KIND_COUNT
};

// X(symbol, name, type, asked): names are those of the policy language where it has them. type: STR bytes as
// sent, NUM uint64. asked 1: printed by --format facts without -v too.
#define FACTS(X)                                                                                                       \
	X(FLOW, "flow", NUM, 1)                                                                                        \
	X(VLAN, "vlan", NUM, 1)                                                                                        \
	X(VNI, "vni", NUM, 1)                                                                                          \
	X(OUTER_IP, "outer.ip", IP, 1)                                                                                 \
	X(COMMUNITY_ID, "community_id", STR, 1)                                                                        \
	X(APP, "app", STR, 1)                                                                                          \
	X(STREAM_AMBIGUOUS, "stream.ambiguous", NUM, 1)                                                                \
	X(STREAM_GAP, "stream.gap", NUM, 1)                                                                            \
	X(DECAP_DEEPER, "decap.deeper", NUM, 1)                                                                        \
	X(TLS_SNI, "tls.sni", STR, 1)                                                                                  \
	X(TLS_ALPN, "tls.alpn", STR, 1)                                                                                \
	X(TLS_VERSION, "tls.version", STR, 1)                                                                          \
	X(TLS_JA3, "tls.ja3", STR, 1)                                                                                  \
	X(TLS_JA3_FULL, "tls.ja3_full", STR, 1)                                                                        \
	X(TLS_JA4, "tls.ja4", STR, 1)                                                                                  \
	X(TLS_ECH, "tls.ech", NUM, 1)                                                                                  \
	X(TLS_SERVER_ALPN, "tls.server_alpn", STR, 0)                                                                  \
	X(TLS_CIPHER, "tls.cipher", NUM, 0)                                                                            \
	X(TLS_RESUMED, "tls.resumed", NUM, 0)                                                                          \
	X(TLS_HELLO, "tls.hello", BYTES, 0) /* struct tls_hello of tls_hello.h: ship makes JA3, JA4 of it */           \
	X(QUIC_VERSION, "quic.version", STR, 1)                                                                        \
	X(QUIC_SNI, "quic.sni", STR, 1)                                                                                \
	X(QUIC_ALPN, "quic.alpn", STR, 1)                                                                              \
	X(QUIC_JA3, "quic.ja3", STR, 1)                                                                                \
	X(QUIC_JA3_FULL, "quic.ja3_full", STR, 1)                                                                      \
	X(QUIC_JA4, "quic.ja4", STR, 1)                                                                                \
	X(QUIC_ECH, "quic.ech", NUM, 1)                                                                                \
	X(QUIC_USER_AGENT, "quic.user_agent", STR, 1)                                                                  \
	X(QUIC_MIDSTREAM, "quic.midstream", NUM, 1)                                                                    \
	X(QUIC_CID, "quic.cid", BYTES, 0)                                                                              \
	X(QUIC_HELLO, "quic.hello", BYTES, 0) /* the same */                                                           \
	X(HTTP_METHOD, "http.method", STR, 1)                                                                          \
	X(HTTP_URI, "http.uri", STR, 1)                                                                                \
	X(HTTP_PATH, "http.path", STR, 0)                                                                              \
	X(HTTP_HOST, "http.host", STR, 1)                                                                              \
	X(HTTP_PORT, "http.port", NUM, 0)                                                                              \
	X(HTTP_USER_AGENT, "http.user_agent", STR, 1)                                                                  \
	X(HTTP_REFERER, "http.referer", STR, 0)                                                                        \
	X(HTTP_PROTOCOL, "http.protocol", STR, 0)                                                                      \
	X(HTTP_STATUS, "http.status", NUM, 1)                                                                          \
	X(HTTP_CONTENT_TYPE, "http.content_type", STR, 0)                                                              \
	X(HTTP_LENGTH, "http.length", NUM, 0)                                                                          \
	X(HTTP_REDIRECT, "http.redirect", STR, 0)                                                                      \
	X(HTTP_XFF, "http.xff", STR, 0)                                                                                \
	X(HTTP_AMBIGUOUS, "http.ambiguous", STR, 1)                                                                    \
	X(HTTP_HEADER, "http.header", STR, 0) /* "name: value", of those that the policy asks for */                   \
	X(DNS_QNAME, "dns.qname", STR, 1)                                                                              \
	X(DNS_QTYPE, "dns.qtype", NUM, 1)                                                                              \
	X(DNS_RCODE, "dns.rcode", NUM, 1)                                                                              \
	X(DNS_ID, "dns.id", NUM, 0)                                                                                    \
	X(DNS_FLAGS, "dns.flags", NUM, 0)                                                                              \
	X(DNS_ANSWER, "dns.answer", STR, 1)                                                                            \
	X(DNS_RR, "dns.rr", BYTES, 0) /* one resource record: struct dns_rr of dns_rr.h */                             \
	X(SSH_SOFTWARE, "ssh.software", STR, 1)                                                                        \
	X(SSH_PROTO, "ssh.proto", STR, 0)                                                                              \
	X(SSH_SERVER_SOFTWARE, "ssh.server_software", STR, 1)                                                          \
	X(SSH_SERVER_PROTO, "ssh.server_proto", STR, 0)                                                                \
	X(HOST, "host", STR, 1)                                                                                        \
	X(ANOMALY, "anomaly", STR, 1)                                                                                  \
	X(HOST_OUTER, "host.outer", STR, 0) /* what a CONNECT or SOCKS before it asked for */                          \
	X(RULE, "rule", NUM, 0)             /* number of one that was true and does not end the search */              \
	X(TAG, "tag", STR, 1)                                                                                          \
	X(RULE_BEFORE, "rule.before", NUM, 0) /* RULE_OF: by which it stood before another policy came */              \
	X(STATE, "state", STR, 0)             /* RECORD_STATE: "name=text" or "name:digits" */                         \
	X(REDACTED, "redacted", STR, 1)       /* a field that this copy does not show, or not as it was: redact.h */   \
	X(REQUEST_ID, "request.id", STR, 0)   /* RECORD_HTTP: asked over Kafka by this id, and not seen in packets */  \
	X(REQUEST_ERROR, "request.error", STR, 0) /* why no rule decided about it */                                   \
	X(USER, "user", STR, 1)                                                                                        \
	X(GROUP, "group", STR, 1)

#define RULE_OF(version, rule) ((uint64_t)(version) << 32 | (rule))

enum fact_type { FACT_TYPE_STR, FACT_TYPE_NUM, FACT_TYPE_IP, FACT_TYPE_BYTES };

enum fact_field {
	FACT_NONE = 0,
#define X(symbol, name, type, asked) FACT_##symbol,
	FACTS(X)
#undef X
		FACT_COUNT
};

extern const char *const record_kind_names[RECORD_KIND_COUNT];
extern const char *const fact_names[FACT_COUNT];
extern const uint8_t fact_types[FACT_COUNT];
extern const uint8_t fact_asked[FACT_COUNT];

// Which bytes of which input frame. len counts bytes of the value's place in the frame(s); 0: from no bytes.
struct origin {
	uint64_t frame;
	uint32_t off;
	uint32_t len;
};

struct fact {
	uint16_t field; // enum fact_field
	uint16_t flags; // FACT_CUT, FACT_AFTER_GAP
	uint32_t len;   // bytes of value that follow
	struct origin origin;
	uint8_t value[]; // STR and BYTES as sent; NUM one uint64_t; IP 4 or 16 bytes
};
#define FACT_CUT 1
#define FACT_AFTER_GAP 2
#define FACT_SIZE(len) ((sizeof(struct fact) + (len) + 7) & ~7u)

// app of a flow: X(symbol, eve name)
#define APPS(X)                                                                                                        \
	X(TLS, "tls")                                                                                                  \
	X(DTLS, "dtls")                                                                                                \
	X(HTTP, "http")                                                                                                \
	X(DNS, "dns")                                                                                                  \
	X(QUIC, "quic")                                                                                                \
	X(SSH, "ssh")                                                                                                  \
	X(SMTP, "smtp")                                                                                                \
	X(FTP, "ftp")                                                                                                  \
	X(IMAP, "imap")                                                                                                \
	X(POP3, "pop3")                                                                                                \
	X(SOCKS, "socks")                                                                                              \
	X(HTTP2, "http2")                                                                                              \
	X(OTHER, "unknown")

enum app {
	APP_NONE = 0, // not known yet
#define X(symbol, name) APP_##symbol,
	APPS(X)
#undef X
		APP_COUNT
};
extern const char *const app_names[APP_COUNT];

// Why a flow ended.
enum flow_end {
	FLOW_END_NONE,
	FLOW_END_TIMEOUT,
	FLOW_END_CLOSED,
	FLOW_END_RESET,
	FLOW_END_REUSED,
	FLOW_END_EVICTED,
	FLOW_END_SHUTDOWN
};

// X(symbol, name): why records are missing.
#define GAP_CAUSES(X)                                                                                                  \
	X(SINK, "sink")       /* this sink could not be written */                                                     \
	X(RING, "ring")       /* the worker's ring was full */                                                         \
	X(BOUND, "bound")     /* the spool was over its bound, or its disk was full */                                 \
	X(MEMORY, "memory")   /* the spool could not be written for longer than memory lasts */                        \
	X(DAMAGED, "damaged") /* the spool could not be read back */

enum gap_cause {
#define X(symbol, name) GAP_##symbol,
	GAP_CAUSES(X)
#undef X
		GAP_CAUSE_COUNT
};
extern const char *const gap_cause_names[GAP_CAUSE_COUNT];

// X(symbol, name): which way a flow goes, by the policy's set `internal`.
#define RECORD_DIRECTIONS(X)                                                                                           \
	X(UNKNOWN, "unknown") /* no policy, or none with that set, or an address is not known */                       \
	X(IN, "in")                                                                                                    \
	X(OUT, "out")                                                                                                  \
	X(INSIDE, "inside")                                                                                            \
	X(OUTSIDE, "outside")

enum record_direction {
#define X(symbol, name) DIRECTION_##symbol,
	RECORD_DIRECTIONS(X)
#undef X
		DIRECTION_COUNT
};
extern const char *const direction_names[DIRECTION_COUNT];

enum record_judged {
	RECORD_JUDGED = 1 << 0, // there was a policy, and this is its word
	RECORD_OPEN = 1 << 1,   // it ended before all was known
	RECORD_LENIENT =
		1 << 2, // denied for what a lenient server reads of its names or its path; what it says is not that
	RECORD_EARLY = 1 << 3,   // final although rules above were unknown: all would do the same
	RECORD_REVISED = 1 << 4, // a rule took over on what came later
	RECORD_WOULD = 1 << 5,   // would, would_action are set
	RECORD_HELD = 1 << 6,    // client bytes were held for it
	RECORD_MARKED = 1 << 7,  // hold_exceeded: it went on before it was judged
};

struct record {
	uint32_t len;    // whole record, head included, multiple of 8
	uint16_t kind;   // enum record_kind
	uint16_t nfacts; // struct fact that follow
	uint64_t order;  // sort key: place in the walk of the frame at which it was written
	uint64_t packet; // the input frame it is about
	uint64_t time_ns;
	uint32_t seq; // per worker; RECORD_GAP: the first that is missing
	uint16_t worker;
	uint16_t anomaly; // RECORD_ANOMALY: enum anomaly; RECORD_ALERT: enum record_kind of what it is about;
			  // RECORD_FLOW: POLICY_REJUDGED, if it was judged again by another policy;
			  // RECORD_GAP: class (enum spool_class) + 1 of those that are missing; else 0
	uint64_t flow_id; // first frame << 3 | layer; 0: no flow
	uint64_t tenant;
	uint8_t src[16], dst[16]; // initiator, responder; IPv4 in the first 4 bytes
	uint16_t sport, dport;    // host order
	uint8_t proto, ip_version, app, dir;
	uint8_t icmp_type, icmp_code; // of the flow's first packet
	union {
		struct {
			uint8_t layer : 3; // 0: innermost (inspected); else outer
			uint8_t port : 5;  // live: by which its first packet came in; without a flow: the frame
		};
		uint8_t place; // both
	};
	uint8_t tx_kind; // protocol's own: dns 0 query 1 answer; tls 0 TLS 1 DTLS; flow 1: there were alerts;
			 // RECORD_GAP: enum gap_cause
	uint32_t tx_id;  // number of the transaction in its flow, from 0; RECORD_GAP: the last that is missing
	uint16_t reason; // RECORD_ANOMALY: enum reason by which the frame was dropped; 0: anomaly says what
	// What the policy says: of a transaction its own verdict, of a flow the worst
	uint16_t policy; // version number of the policy; 0: there is none
	uint32_t rule;   // by which it stands, RULE_DEFAULT; RULE_NONE: not judged
	uint32_t would;  // the same, with shadow rules in force
	uint8_t judged;  // enum record_judged
	uint8_t action, response, would_action;
	// RECORD_FLOW
	uint64_t start_ns, end_ns;
	uint64_t pkts[2], bytes[2]; // [0] from the initiator; RECORD_GAP: [0] records that are missing
	uint8_t tcp_flags[2];
	uint8_t tcp_state, flow_end;
	union {
		uint32_t tx_count; // RECORD_FLOOD: flows
		uint32_t alert;    // RECORD_ALERT: the rule that was true; `rule` decided
	};
	uint32_t weight;   // it stands for so many like it (a rule's `sample`); 0, 1: for itself
	uint8_t direction; // enum record_direction
};

// RECORD_FLOOD: src is a prefix of tx_kind bits, ip_version 0: of what found no other; pkts, bytes are sums, start_ns
// and end_ns the first and last packet. dst, dport and flow_end are those of all its flows, or 0. To such a sum, which
// is of one flow at least, so many more are added.
struct record_flood_part {
	const uint8_t *dst; // 16 bytes
	uint64_t start_ns, end_ns;
	uint64_t pkts[2], bytes[2];
	uint32_t flows;
	uint16_t dport;
	uint8_t tcp_flags[2], flow_end, direction;
};
static inline void record_flood_add(struct record *to, const struct record_flood_part *p)
{
	static const uint8_t none[16];
	for (unsigned dir = 0; dir < 2; dir++) {
		to->pkts[dir] += p->pkts[dir];
		to->bytes[dir] += p->bytes[dir];
		to->tcp_flags[dir] |= p->tcp_flags[dir];
	}
	to->tx_count += p->flows;
	if (p->start_ns < to->start_ns)
		to->start_ns = p->start_ns;
	if (p->end_ns > to->end_ns)
		to->end_ns = p->end_ns;
	if (memcmp(to->dst, p->dst, sizeof(to->dst)) != 0)
		memcpy(to->dst, none, sizeof(to->dst));
	if (to->dport != p->dport)
		to->dport = 0;
	if (to->flow_end != p->flow_end)
		to->flow_end = 0;
	if (to->direction != p->direction)
		to->direction = DIRECTION_UNKNOWN;
}

#define FRAME_BITS 48
#define FRAME_CAPTURES_MAX (1u << 13) // a flow's id has 3 more bits: first frame << 3 | layer
#define FRAME_OF(capture, number) ((uint64_t)(capture) << FRAME_BITS | (number))

static inline unsigned frame_capture(uint64_t frame)
{
	return (unsigned)(frame >> FRAME_BITS);
}

static inline uint64_t frame_own(uint64_t frame)
{
	return frame & ((1ull << FRAME_BITS) - 1);
}

static inline const struct fact *record_first(const struct record *r)
{
	return (const struct fact *)(r + 1);
}

static inline const struct fact *fact_next(const struct fact *f)
{
	return (const struct fact *)((const uint8_t *)f + FACT_SIZE(f->len));
}

// Each fact of a record, in order.
#define RECORD_EACH(f, r)                                                                                              \
	for (const struct fact *f = record_first(r),                                                                   \
			       *f##_end = (const struct fact *)((const uint8_t *)(r) + (r)->len);                      \
	     f < f##_end; f = fact_next(f))

// The first of a field; NULL: the record has none.
static inline const struct fact *record_find(const struct record *r, enum fact_field field)
{
	RECORD_EACH(f, r)
		if (f->field == field)
			return f;
	return NULL;
}

// A fact of FACT_TYPE_NUM.
static inline uint64_t fact_number(const struct fact *f)
{
	uint64_t n;
	memcpy(&n, f->value, sizeof(n));
	return n;
}
