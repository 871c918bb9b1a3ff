// SPDX-License-Identifier: BSD-3-Clause
//
// Every way in which a frame can end, and every oddity worth a word, has its name here and nowhere else.
//
// A frame that comes in leaves by exactly one *door* (corridor: rx + own = tx + kernel + mirrored + sum of
// drops + held). A drop carries a *reason* out of DROP_REASONS: that table gives the enum, the name in CLI,
// JSON and trace, and the help text. ANOMALIES names what is reported but is no reason to drop.
// COUNTERS are facts about the traffic that are neither.
#pragma once

#include <stdint.h>

// X(symbol, help). The symbol is the public name: <ROOM>_<CAUSE>. Append within a room's block.
#define DROP_REASONS(X)                                                                                                \
	X(RX_PIECES, "came in pieces that have no room to be one frame")                                               \
	X(RX_NOT_OURS, "routed or gwlb: a frame for another station than this port")                                   \
	X(RX_GENEVE, "gwlb: GENEVE that no load balancer sends: version, options or protocol")                         \
	X(RX_TAG, "came up from the fast path without the fast path's tag")                                            \
	X(DECAP_TRUNCATED, "a link or tunnel header is longer than the frame that should hold it")                     \
	X(DECAP_MALFORMED, "a link or tunnel header that its own rules forbid")                                        \
	X(DECAP_DEPTH, "layers beyond the depth that is looked at, where a policy is in force (decap_depth: closed)")  \
	X(PARSE_IP_TRUNCATED, "the frame ends inside the IP header although it was not cut")                           \
	X(PARSE_IP_MALFORMED, "IP version, header length or total length that cannot be")                              \
	X(PARSE_IP_CSUM, "wrong IPv4 header checksum")                                                                 \
	X(PARSE_IP_OPTIONS, "malformed IPv4 option or IPv6 extension header")                                          \
	X(PARSE_L4_TRUNCATED, "the datagram ends inside the TCP, UDP, ICMP or SCTP header")                            \
	X(PARSE_L4_MALFORMED, "TCP, UDP, ICMP or SCTP header that cannot be")                                          \
	X(PARSE_L4_CSUM, "wrong TCP, UDP or ICMP checksum, and the sender does not offload")                           \
	X(SHED_NEW, "begins a flow or a datagram of fragments, while the worker is behind: known flows go first")      \
	X(DEFRAG_OVERLAP, "fragments of a datagram overlap (RFC 5722), all are dropped")                               \
	X(DEFRAG_DUPLICATE, "exact copy of a fragment held (RFC 8200 4.5)")                                            \
	X(DEFRAG_TINY, "first fragment without the whole L4 header")                                                   \
	X(DEFRAG_MALFORMED, "fragment whose offset or length cannot be")                                               \
	X(DEFRAG_TIMEOUT, "datagram not complete in time")                                                             \
	X(DEFRAG_FULL, "no room to hold the fragment")                                                                 \
	X(DEFRAG_REWRITE, "fragmented segment that would have to be rewritten")                                        \
	X(FLOW_TABLE_FULL, "no room for a new flow")                                                                   \
	X(FLOW_TCP_FLAGS, "TCP flags that no stack sends (none, SYN+FIN, SYN+RST)")                                    \
	X(FLOW_TCP_NO_ACK, "segment without ACK in an established flow (RFC 9293 3.10.7.4)")                           \
	X(FLOW_TCP_BAD_ACK, "ACK outside what RFC 5961 5.2 accepts")                                                   \
	X(FLOW_TCP_PAWS, "stale timestamp (RFC 7323 5.3)")                                                             \
	X(FLOW_TCP_SIGNATURE, "MD5 or AO option that the flow does not use, or lacks")                                 \
	X(FLOW_TCP_BAD_RST, "RST outside the window, of which its receiver takes no notice (RFC 5961 3.2)")            \
	X(FLOW_TCP_MIDSTREAM, "TCP connection under way that no SYN was seen of (midstream: drop)")                    \
	X(STREAM_NO_COPY, "overlaps evidence of which no copy is left to compare")                                     \
	X(STREAM_DUPLICATE, "retransmission of bytes that are held")                                                   \
	X(STREAM_UNJUDGED, "its receiver takes no byte of it, and what stands there is not judged yet")                \
	X(TLS_BAD_NAME, "TLS server name that cannot be (tls_bad_name: drop)")                                         \
	X(DNS_BAD_NAME, "DNS name that cannot be (dns_bad_name: drop)")                                                \
	X(HTTP_AMBIGUOUS, "HTTP message whose end two readers would see differently")                                  \
	X(QUIC_CHANGED, "QUIC CRYPTO bytes that differ from those judged")                                             \
	X(POLICY_NONE, "no policy is in force (no_policy: closed)")                                                    \
	X(POLICY_DENY, "a rule of the policy refuses it")                                                              \
	X(POLICY_UNDECIDED, "not judged yet, and the policy's undecided does not let it pass")                         \
	X(POLICY_HOLD, "held until the bound, and the policy does not let it pass unjudged (hold_exceeded)")           \
	X(POLICY_MEMORY, "no memory is left to read it in, so it was not judged (out_of_memory)")                      \
	X(LIMIT_EXCEEDED, "beyond the rate that a rule of the policy sets")                                            \
	X(STEER_FULL, "the worker that owns its flow took no more")                                                    \
	X(EGRESS_DOWN, "the port that it should leave by has no link, or is gone")                                     \
	X(EGRESS_FULL, "the port that it should leave by took no more")                                                \
	X(EGRESS_TOO_BIG, "longer than the port that it should leave by can send")                                     \
	X(EGRESS_NO_SENDER, "on a port of a load balancer, without the header that leads back to it")                  \
	X(EGRESS_OTHER_L2, "not IP, and the path does not pass it (other_l2; routed: never)")                          \
	X(EGRESS_LINK_LOCAL, "link-local multicast, and the path does not pass it (link_local)")                       \
	X(EGRESS_TTL, "routed: TTL or hop limit ran out")                                                              \
	X(EGRESS_NO_ROUTE, "routed: on no network of the port, and no next hop leads to it")                           \
	X(EGRESS_NO_NEIGHBOUR, "routed: the next hop has not said its MAC address (yet)")

// X(symbol, name, help). Reported as records of kind anomaly; the frame goes on. (One that
// does not is such a record, too, under its reason's name: reason_event.)
#define ANOMALIES(X)                                                                                                   \
	X(STREAM_REWRITTEN, "stream.rewritten", "segment differed from bytes already sent; rewritten to the first")    \
	X(STREAM_GAP, "stream.gap", "bytes never seen were skipped")                                                   \
	X(STREAM_AMBIGUOUS, "stream.ambiguous", "two copies of the same bytes differ")                                 \
	X(STREAM_URGENT, "stream.urgent", "urgent data; its pointer was taken out")                                    \
	X(DECAP_DEEPER, "decap.deeper", "encapsulated beyond the depth that is looked at")                             \
	X(TLS_SNI_DIFFERS, "tls.sni_differs", "second hello names another server")                                     \
	X(TLS_BAD_NAME, "tls.bad_name", "server name that is none: NUL, over-long, two, empty, no host name")          \
	X(TLS_IP_NAME, "tls.ip_name", "server name is an IP literal")                                                  \
	X(TLS_MALFORMED, "tls.malformed", "hello that cannot be read to its end")                                      \
	X(TLS_CHANGED, "tls.changed", "handshake bytes sent again with other content")                                 \
	X(HTTP_AMBIGUOUS, "http.ambiguous", "message whose end two readers would see differently")                     \
	X(HTTP_USERINFO, "http.userinfo", "user information inside a request target")                                  \
	X(HTTP_MALFORMED, "http.malformed", "request or response that cannot be read")                                 \
	X(HTTP_MIDSTREAM, "http.midstream", "HTTP/2 connection begun before: its header blocks cannot be read")        \
	X(DNS_MALFORMED, "dns.malformed", "DNS message that cannot be read to its end")                                \
	X(DNS_QDCOUNT, "dns.qdcount", "question count other than one")                                                 \
	X(QUIC_UNDECRYPTABLE, "quic.undecryptable", "Initial that does not decrypt")                                   \
	X(QUIC_CHANGED, "quic.changed", "CRYPTO bytes sent again with other content")                                  \
	X(SSH_MALFORMED, "ssh.malformed", "SSH identification that cannot be")                                         \
	X(POLICY_REJUDGED, "policy.rejudged", "live flow of which another policy says otherwise")                      \
	X(POLICY_KILLED, "policy.killed", "live flow that was ended by the command `flow kill`")

// X(symbol, name, help). Counters that are not doors; per worker, summed by the reader.
#define COUNTERS(X)                                                                                                    \
	X(FRAMES_CUT, "frames_cut", "frames cut by the snap length, parsed as far as they go")                         \
	X(TIME_BACKWARDS, "time_backwards", "frames whose time ran backwards, clamped")                                \
	X(OTHER_L2, "other_l2", "frames that are not IP, passed by ethertype")                                         \
	X(DECAP_DEPTH, "decap_depth", "frames with more layers than are looked at, passed")                            \
	X(CSUM_OFFLOADED, "csum_offloaded", "wrong L4 checksums of senders that offload")                              \
	X(CSUM_ACKNOWLEDGED, "csum_acknowledged", "wrong TCP checksums of segments that their receiver acknowledged")  \
	X(CSUM_FINISHED, "csum_finished", "L4 checksums that the sender left to a card, made here (live)")             \
	X(FRAGMENTS, "fragments", "IP fragments")                                                                      \
	X(DATAGRAMS, "datagrams", "datagrams put together from fragments")                                             \
	X(FLOWS, "flows", "flows begun")                                                                               \
	X(FLOWS_EVICTED, "flows_evicted", "half-open flows that gave way when the table was full")                     \
	X(STREAM_REWRITTEN, "stream_rewritten", "segments rewritten to the bytes sent first")                          \
	X(STREAM_URGENT, "stream_urgent", "segments whose urgent pointer was taken out")                               \
	X(STREAM_GAP, "stream_gap", "gaps skipped")                                                                    \
	X(STREAM_POOL_EMPTY, "stream_pool_empty", "flows not reassembled, for want of memory")                         \
	X(STREAM_BUDGET, "stream_budget", "directions that reached their share of the reassembly memory")              \
	X(HELD, "held", "frames that waited for a verdict")                                                            \
	X(HOLD_EXCEEDED, "hold_exceeded", "flows that went on before they were judged, or were refused for that")      \
	X(APP_POOL_EMPTY, "app_pool_empty", "handshakes not followed, for want of memory")                             \
	X(FACTS_EVICTED, "facts_evicted", "transactions written early, for want of memory")                            \
	X(DROPS_UNSAID, "drops_unsaid",                                                                                \
	  "dropped frames without a record: as one before of their flow, or too many a second")                        \
	X(PAYLOAD_BLOCK, "payload_block", "segments searched by themselves, for want of stream states")                \
	X(PAYLOAD_ANEW, "payload_anew", "flows whose payload is searched from its next byte on, by another policy")    \
	X(KEPT_EVICTED, "kept_evicted", "live flows whose facts gave way to others', for want of memory")              \
	X(RECORDS, "records", "records written, the beginnings of flows, which are not shown, among them")             \
	X(RECORDS_LOST, "records_lost",                                                                                \
	  "records that found no room: in a worker's ring, or in the spool (its bound, its disk, its memory)")         \
	X(RECORDS_CUT, "records_cut", "values shortened to fit a record")                                              \
	X(ACTS_EVICTED, "acts_evicted",                                                                                \
	  "limits and mirrors that did not begin: more of them are true for a flow than it has room for")              \
	X(UNANSWERED, "unanswered",                                                                                    \
	  "denials that are a drop alone: no way back through the encapsulation, or no memory")                        \
	X(MIRROR_COPIES, "mirror_copies", "frames copied for mirror rules")                                            \
	X(MIRROR_LOST, "mirror_lost", "copies that found the ring full, or no memory")                                 \
	X(MIRROR_SHORT, "mirror_short",                                                                                \
	  "matches of which fewer earlier frames were remembered than `before` asks for")                              \
	X(FLOWS_SUMMED, "flows_summed",                                                                                \
	  "half-open flows of floods: told as a sum by source, without a record of their own")

enum reason {
	REASON_NONE = 0,
#define X(symbol, help) REASON_##symbol,
	DROP_REASONS(X)
#undef X
		REASON_COUNT
};

enum anomaly {
	ANOMALY_NONE = 0,
#define X(symbol, name, help) ANOMALY_##symbol,
	ANOMALIES(X)
#undef X
		ANOMALY_COUNT
};

enum counter {
#define X(symbol, name, help) COUNTER_##symbol,
	COUNTERS(X)
#undef X
		COUNTER_COUNT
};

// Where a frame ended. DOOR_NONE means it is still inside.
enum door { DOOR_NONE = 0, DOOR_TX, DOOR_DROP, DOOR_KERNEL, DOOR_MIRRORED };

// Names and help, defined once in base/names.c.
extern const char *const reason_names[REASON_COUNT];
extern const char *const reason_help[REASON_COUNT];
// A reason as the event of a record: PARSE_L4_CSUM is "parse.l4_csum".
#define REASON_EVENT_MAX 32
const char *reason_event(uint16_t reason, char out[REASON_EVENT_MAX]);
extern const char *const anomaly_names[ANOMALY_COUNT];
extern const char *const counter_names[COUNTER_COUNT];
extern const char *const counter_help[COUNTER_COUNT];
extern const char *const door_names[5];
