// SPDX-License-Identifier: BSD-3-Clause
//
// Every key of the configuration: one row each, in the order in which docs/config.md shows them. A key's unit is in its
// name. Defaults are texts, read by what reads --set, so that one that its own range refuses does not start.
#include <stddef.h>

#include "base/fail.h"
#include "base/log.h"
#include "ctl/config_key.h"
#include "remote/kafka_keys.h"

static const char *const stalled_words[] = {"open", "closed"};
static const char *const idle_words[] = {"busy", "adaptive", "interrupt"};
const char *const config_port_types[PORT_TYPES] = {"pci", "af_xdp", "af_packet", "tap", "memif", "null", "pcap"};
static const char *const checksum_words[] = {"auto", "check", "partial", "good"};
const char *const config_modes[CONFIG_MODES] = {"bridge", "routed", "mirror", "gwlb"};
static const char *const transport_words[] = {"none", "gwlb", "vxlan", "vlan"}, *const tenant_words[] = {
											"transport", "port", "none"};
static const char *const acks_words[] = {"all", "leader", "none"}; // as enum sink_acks
static const char *const pass_words[] = {"drop", "pass"};
static const char *const pages_words[] = {"auto", "huge", "small"};
static const char *const addressing_words[] = {"auto", "path", "virtual"};   // as enum s3_addressing
static const char *const compression_words[] = {"zstd", "gzip", "none"};     // as enum pack_kind
static const char *const format_words[] = {"table", "eve", "ocsf", "facts"}; // as enum ship_format

#define STALLED_HELP                                                                                                   \
	"a worker that does not move: af_xdp ports pass frames from port to port (open) or drop them (closed) in the " \
	"kernel; with other ports the health probe fails and the process starts itself again"

#define SIZE(type, field) sizeof(((type *)0)->field)
// What stands behind the help is for few rows: which types or modes have the key.
#define ROW(key, def, what, bytes, type, field, text, ...)                                                             \
	{                                                                                                              \
		.name = key, .value = def, .kind = what, .size = bytes, .at = offsetof(type, field), .help = text,     \
		__VA_ARGS__                                                                                            \
	}
#define WORD(type, field, key, list, def, text, ...)                                                                   \
	ROW(key, def, CONFIG_WORD, 1, type, field, text, .words = list, .nwords = sizeof(list) / sizeof(*(list)),      \
	    __VA_ARGS__)
#define NUMBER(type, field, key, from, to, def, text, ...)                                                             \
	ROW(key, def, CONFIG_NUMBER, SIZE(type, field), type, field, text, .low = from, .high = to, __VA_ARGS__)
#define BOOL(type, field, key, def, text, ...) ROW(key, def, CONFIG_BOOL, 1, type, field, text, __VA_ARGS__)
#define TEXT(type, field, key, def, text, ...)                                                                         \
	ROW(key, def, CONFIG_TEXT, SIZE(type, field), type, field, text, __VA_ARGS__)
#define LIST(type, field, key, what, from, to, def, text, ...)                                                         \
	ROW(key, def, what, SIZE(type, field[0]), type, field, text, .low = from, .high = to,                          \
	    .many = SIZE(type, field) / SIZE(type, field[0]), .count_at = offsetof(type, n##field), __VA_ARGS__)

#define C struct config
static const struct config_key top_keys[] = {
	TEXT(C, node, "node", "", "who writes the records; empty: the host's name"),
	TEXT(C, user, "user", "", "who the process becomes once all is open; empty: it stays who it is"),
};

// The corridor's, out of their own table (config_keys_init), and one that is the appliance's.
static struct config_key fail_keys[FAIL_ROWS + 1] = {
	[FAIL_ROWS] = WORD(C, stalled_closed, "stalled", stalled_words, "open", STALLED_HELP),
};

void config_keys_init(void)
{
	for (unsigned i = 0; i < FAIL_ROWS; i++) {
		const struct fail_row *r = &fail_rows[i];
		fail_keys[i] = (struct config_key){.name = r->key,
						   .value = r->values[0],
						   .kind = CONFIG_WORD,
						   .size = 1,
						   .at = (uint32_t)(offsetof(C, fail) + r->at),
						   .words = r->values,
						   .help = r->help};
		while (fail_keys[i].nwords < 4 && r->values[fail_keys[i].nwords])
			fail_keys[i].nwords++;
	}
}

#define W struct config_workers
static const struct config_key workers_keys[] = {
	LIST(W, cores, "cores", CONFIG_NUMBER, 0, 1023, "1", "the processor cores that forward, one worker each"),
	WORD(W, idle, "idle", idle_words, "adaptive",
	     "when nothing comes: poll on, poll less and less, or sleep until the port wakes it"),
	NUMBER(W, flood_flows, "flood_flows", 0, 1 << 30, "32768",
	       "flows begun in a second and never answered that have records of their own; more are summed by source; "
	       "0: all have"),
	NUMBER(W, drain_ms, "drain_ms", 0, 600000, "5000", "after SIGTERM: how long what is inside may take to leave"),
};

#define P struct config_port
#define KERNEL (1 << PORT_AF_XDP | 1 << PORT_AF_PACKET)
static const struct config_key port_keys[] = {
	WORD(P, port.type, "type", config_port_types, NULL, "what the port is"),
	TEXT(P, port.device, "device", "", "PCI address, interface, or memif's socket",
	     .only = KERNEL | 1 << PORT_PCI | 1 << PORT_TAP | 1 << PORT_MEMIF),
	TEXT(P, port.extra, "devargs", "", "more for DPDK's driver, as in \"large_llq_hdr=1\"", .secret = true),
	NUMBER(P, port.queues, "queues", 0, 64, "0",
	       "receive queues; 0: as many as there are workers, where the port can"),
	NUMBER(P, port.mtu, "mtu", 0, 9216, "0",
	       "bytes of the largest layer 3 packet, from 68; 0: as the interface or the driver has it"),
	NUMBER(P, port.rx_ring, "rx_ring", 0, 16384, "0", "receive descriptors of a queue; 0: as the driver likes"),
	NUMBER(P, port.tx_ring, "tx_ring", 0, 16384, "0", "transmit descriptors of a queue; 0: as the driver likes"),
	WORD(P, port.checksum, "checksum", checksum_words, "auto",
	     "of layer 4: what the driver is known to do; wrong is wrong; the sum of the pseudo header alone is this "
	     "host's own sender; or good, whatever it says"),
	LIST(P, addresses, "addresses", CONFIG_NET_, 0, 128, "",
	     "routed and gwlb paths: the appliance's own here, as 192.0.2.1/24; none: those that the interface has"),
	LIST(P, next_hop, "next_hop", CONFIG_NET_, 32, 128, "",
	     "routed paths: the router for what is on no network of this port, one of IPv4 and one of IPv6"),
	NUMBER(P, port.id, "memif_id", 0, 65535, "0", "which connection of the socket", .only = 1 << PORT_MEMIF),
	BOOL(P, port.server, "memif_server", "false", "makes the socket, instead of connecting to it",
	     .only = 1 << PORT_MEMIF),
	BOOL(P, port.flood, "null_flood", "false", "brings frames of zeroes as fast as they are taken; else none",
	     .only = 1 << PORT_NULL),
	TEXT(P, port.rx_file, "rx_file", "", "frames that come in are read from here", .only = 1 << PORT_PCAP),
	TEXT(P, port.tx_file, "tx_file", "", "those that leave are written here", .only = 1 << PORT_PCAP),
	BOOL(P, port.rewind, "pcap_rewind", "false", "rx_file again and again", .only = 1 << PORT_PCAP),
};

#define H struct config_path
#define TWO (1 << CONFIG_BRIDGE | 1 << CONFIG_ROUTED)
static const struct config_key path_keys[] = {
	WORD(H, mode, "mode", config_modes, NULL, "how frames go through"),
	LIST(H, ports, "ports", CONFIG_PORT, 0, 0, NULL,
	     "bridge: two; routed: one or two; mirror and gwlb: one; the first is the clients' side"),
	WORD(H, transport, "transport", transport_words, "none",
	     "the encapsulation that is taken off and names the tenant; a gwlb path has its own"),
	WORD(H, tenant, "tenant", tenant_words, "transport",
	     "what keeps customers of equal addresses apart: what the transport says, the port, or nothing"),
	BOOL(H, fast_path, "fast_path", "false", "settled flows stay in XDP; both ports have to be af_xdp",
	     .only = TWO),
	BOOL(H, mtu_clamp, "mtu_clamp", "false", "the ports' MTUs may differ: the smaller one holds", .only = TWO),
	NUMBER(H, mss_clamp_bytes, "mss_clamp_bytes", 0, 9176, "0",
	       "the largest segment size that a SYN may ask for; 0: any", .only = TWO | 1 << CONFIG_GWLB),
	WORD(H, other_l2, "other_l2", pass_words, "pass", "frames that are not IP", .only = 1 << CONFIG_BRIDGE),
	LIST(H, other_l2_except, "other_l2_except", CONFIG_NUMBER, 0x600, 0xffff, "",
	     "ethertypes for which it is the other way round", .only = 1 << CONFIG_BRIDGE),
	WORD(H, link_local, "link_local", pass_words, "pass", "link-local multicast", .only = 1 << CONFIG_BRIDGE),
	NUMBER(H, health_port, "health_port", 0, 65535, "80", "the TCP port whose probes are answered; 0: none",
	       .only = 1 << CONFIG_GWLB),
};

#define L struct config_policy
static const struct config_key policy_keys[] = {
	ROW("file", "", CONFIG_BESIDE, CONFIG_FILE, L, file, "the policy; empty: none, and fail.no_policy holds"),
	ROW("shadow", "", CONFIG_BESIDE, CONFIG_FILE, L, shadow,
	    "a second policy that decides nothing: records say what it would"),
	BOOL(L, kafka, "kafka", "false",
	     "it comes from the topic swg_rules of the group `kafka` (docs/kafka-rules.md); `file` is empty then"),
	TEXT(L, history, "history", "/var/lib/sluice/policy", "folder of the policies before; empty: none are kept"),
	NUMBER(L, history_keep, "history_keep", 1, 10000, "100", "how many of them"),
	LIST(L, guard, "guard", CONFIG_HOST, 0, 0, "",
	     "addresses that no policy can cut off: management, health probes"),
	NUMBER(L, payload_depth_bytes, "payload_depth_bytes", 1, 1 << 20, "8192",
	       "of each direction, that rules on payload see"),
};

#define M struct config_memory
static const struct config_key memory_keys[] = {
	WORD(M, pages, "pages", pages_words, "auto",
	     "of DPDK's memory: huge and else no start, small, or huge where enough are free"),
	NUMBER(M, dpdk_mb, "dpdk_mb", 0, 1 << 20, "0", "for DPDK's pools; 0: what the rest asks for"),
	NUMBER(M, frames, "frames", 0, 1 << 24, "0",
	       "buffers for frames, of all workers together; 0: what the rest asks for"),
	NUMBER(M, flows, "flows", 8, 1 << 26, "262144", "entries of a worker's flow table"),
	NUMBER(M, streams, "streams", 64, 1 << 26, "65536", "TCP flows of a worker that are put in order at a time"),
	NUMBER(M, chunks, "chunks", 64, 1 << 24, "16384", "a worker's memory for that, in pieces of 2 KiB"),
	NUMBER(M, handshakes, "handshakes", 64, 1 << 20, "1024",
	       "handshakes over datagrams that a worker follows at a time"),
	NUMBER(M, fragments, "fragments", 16, 1 << 20, "1024", "IP fragments that a worker may have waiting"),
	NUMBER(M, held_frames, "held_frames", 16, 1 << 20, "8192", "frames of a worker that may wait for a verdict"),
	NUMBER(M, hold_bytes, "hold_bytes", 0, 1 << 24, "65536", "bytes that a flow may have waiting for its verdict"),
	NUMBER(M, hold_ms, "hold_ms", 0, 3600000, "10000", "and for how long, from the first of them"),
	NUMBER(M, kept_bytes, "kept_bytes", 64, 1 << 30, "8388608",
	       "of a worker, for facts of live flows that the next policy judges again"),
	NUMBER(M, facts_bytes, "facts_bytes", 1 << 16, 1 << 30, "8388608",
	       "of a worker, for facts of transactions that wait for their answer"),
	NUMBER(M, record_cells, "record_cells", 1 << 10, 1 << 24, "32768", "of a worker's record ring, a power of two"),
	NUMBER(M, before_frames, "before_frames", 0, 1 << 20, "8192",
	       "how many frames back `before` of mirror rules finds those of its flow, where a sink takes copies"),
};

#define O struct config_spool
static const struct config_key spool_keys[] = {
	TEXT(O, path, "path", "/var/lib/sluice/spool",
	     "its folder, of this one appliance; empty: in memory, and what is not shipped ends with the process"),
	NUMBER(O, max_mb, "max_mb", 8, 1 << 24, "4096",
	       "so much may wait for sinks; beyond it the lowest class goes first: flows, transactions, alerts, "
	       "verdicts"),
	NUMBER(O, segment_mb, "segment_mb", 1, 1 << 12, "64", "of one file; it goes when all sinks have passed it"),
	NUMBER(O, memory_mb, "memory_mb", 1, 1 << 14, "64", "for what the disk has not taken yet"),
	NUMBER(O, flush_ms, "flush_ms", 1, 60000, "100",
	       "so old may be what a kill of the process takes; sinks see records after it"),
	NUMBER(O, flush_kb, "flush_kb", 4, 1 << 20, "1024", "or flushed once so much waits"),
};

#define S struct sink_config
#define FILES (1 << SINK_FILE)
#define PACKETS (1 << SINK_PCAPNG)
#define RECORDS (((1 << SINK_TYPE_COUNT) - 1) & ~PACKETS)
#define OBJECTS (1 << SINK_S3)
#define KAFKA (1 << SINK_KAFKA)
#define SYSLOG (1 << SINK_SYSLOG)
static const char *const facility_words[] = {"kern",   "user",   "mail",   "daemon", "auth",     "syslog",
					     "lpr",    "news",   "uucp",   "cron",   "authpriv", "ftp",
					     "ntp",    "audit",  "alert",  "clock",  "local0",   "local1",
					     "local2", "local3", "local4", "local5", "local6",   "local7"};
static const struct config_key sink_keys[] = {
	WORD(S, type, "type", sink_type_names, "file", "what takes the records, or, as pcapng, the copies of frames"),
	TEXT(S, name, "name", "",
	     "its own in logs, `show sinks` and the spool, of pcapng the `sink` of rules; empty: made of type and "
	     "place, so that one that moves is another"),
	WORD(S, format, "format", format_words, "eve",
	     "a table for eyes, JSON lines as Suricata names them or as OCSF 1.8 does, or one fact a line",
	     .only = RECORDS),
	TEXT(S, cloud, "cloud", "",
	     "of ocsf: where this runs, as provider/region/account (AWS/eu-central-1/123456789012); empty: not said",
	     .only = RECORDS),
	LIST(S, kinds, "kinds", CONFIG_TEXT, 0, 0, "",
	     "the kinds of records that it takes, such as flow, http, alert, transaction, verdict; none: all",
	     .only = RECORDS),
	LIST(S, tenants, "tenants", CONFIG_TEXT, 0, 0, "", "of these tenants alone, by number; none: of all"),
	LIST(S, redact, "redact", CONFIG_TEXT, 0, 0, "",
	     "what it does not get to see, such as http.header.cookie, http.uri.query, user", .only = RECORDS),
	ROW("redact_key", "", CONFIG_BESIDE, SIZE(S, redact_key), S, redact_key,
	    "a file of at least 16 bytes: what is redacted becomes a hash by this key, the same for the same value; "
	    "empty: it goes",
	    .only = RECORDS),
	TEXT(S, path, "path", "",
	     "the file; -: standard output. Of pcapng one that is there is put away, not written on",
	     .only = FILES | PACKETS),
	BOOL(S, others, "others", "false", "it takes what rules mirror to names that no other sink has",
	     .only = PACKETS),
	NUMBER(S, rotate_mb, "rotate_mb", 0, 1 << 20, "0", "a new file when this one has so much; 0: never",
	       .only = FILES | PACKETS),
	NUMBER(S, rotate_s, "rotate_s", 0, 31536000, "0", "or when it is so old", .only = FILES | PACKETS),
	NUMBER(S, keep, "keep", 0, 100000, "0", "how many earlier files stay; 0: all", .only = FILES | PACKETS),
	TEXT(S, bucket, "bucket", "", "where objects go", .only = OBJECTS),
	TEXT(S, prefix, "prefix", "sluice", "of all objects' names", .only = OBJECTS),
	TEXT(S, endpoint, "endpoint", "", "https://host:port of what speaks S3; empty: AWS's, of the region",
	     .only = OBJECTS),
	TEXT(S, region, "region", "",
	     "of the bucket; empty: AWS_REGION, AWS_DEFAULT_REGION, the profile's, else us-east-1", .only = OBJECTS),
	WORD(S, addressing, "addressing", addressing_words, "auto",
	     "the bucket in the path or in the host's name; auto: the path where there is an endpoint",
	     .only = OBJECTS),
	WORD(S, compression, "compression", compression_words, "zstd", "of objects", .only = OBJECTS),
	NUMBER(S, object_mb, "object_mb", 1, 4096, "64", "an object ends at so much, compressed", .only = OBJECTS),
	NUMBER(S, object_s, "object_s", 1, 86400, "60", "or so long after its first record", .only = OBJECTS),
	NUMBER(S, memory_mb, "memory_mb", 32, 1 << 16, "256",
	       "for all objects that are open; beyond it the largest ends", .only = OBJECTS),
	BOOL(S, checksum, "checksum", "true", "x-amz-checksum-sha256 stays with each object", .only = OBJECTS),
	TEXT(S, kms_key, "kms_key", "", "SSE-KMS with this key; empty: as the bucket has it", .only = OBJECTS),
	LIST(S, kms_tenants, "kms_tenants", CONFIG_TEXT, 0, 0, "",
	     "tenants that have a key of their own, as \"7=alias/customer-7\"", .only = OBJECTS),
	TEXT(S, profile, "profile", "",
	     "of the shared files; empty: AWS_PROFILE or default, after the environment's keys", .only = OBJECTS),
	TEXT(S, role_arn, "role_arn", "", "a role that the credentials take on", .only = OBJECTS),
	TEXT(S, external_id, "external_id", "", "that the role asks for", .only = OBJECTS),
	TEXT(S, ca_file, "ca_file", "", "PEM of the authorities that the far end is checked by; empty: the system's",
	     .only = OBJECTS | SYSLOG),
	TEXT(S, proxy, "proxy", "", "http://host:port on the way to it; the environment's is never taken",
	     .only = OBJECTS),
	TEXT(S, topic, "topic", "swg_logs", "where records go; the brokers are the group `kafka`'s", .only = KAFKA),
	TEXT(S, errors_topic, "errors_topic", "swg_errors",
	     "where a record goes that the broker refuses for what it is, with why; empty: it is counted alone",
	     .only = KAFKA),
	BOOL(S, create_topics, "create_topics", "false",
	     "topics that are not there are made, as the brokers' defaults have it", .only = KAFKA),
	WORD(S, acks, "acks", acks_words, "all",
	     "what has arrived is what all replicas in sync have, the leader, or what was sent; less than all can be "
	     "lost, or stand twice",
	     .only = KAFKA),
	NUMBER(S, linger_ms, "linger_ms", 0, 900000, "50", "so long a message waits for others to go with it",
	       .only = KAFKA),
	NUMBER(S, pack_kb, "pack_kb", 0, 512, "0",
	       "records of one partition that go as one message, lines of up to so much; 0: one each", .only = KAFKA),
	TEXT(S, server, "server", "", "who takes the messages, as \"logs.example:6514\"", .only = SYSLOG),
	BOOL(S, tls, "tls", "true", "RFC 5425; false: in the clear, by RFC 6587", .only = SYSLOG),
	TEXT(S, cert_file, "cert_file", "", "file of our own certificate and what signs it; empty: none",
	     .only = SYSLOG),
	TEXT(S, key_file, "key_file", "", "file of its key; empty: it is in `cert_file`", .only = SYSLOG),
	TEXT(S, server_name, "server_name", "", "what the server's certificate is for; empty: the host of `server`",
	     .only = SYSLOG),
	WORD(S, facility, "facility", facility_words, "local0", "of all messages (RFC 5424 6.2.1)", .only = SYSLOG),
	NUMBER(S, message_bytes, "message_bytes", 480, 1 << 20, "8192",
	       "of a line; what is longer is cut, and says so by cut=\"1\"", .only = SYSLOG),
	NUMBER(S, settle_ms, "settle_ms", 0, 600000, "1000",
	       "a message has arrived when the server's kernel has had it for so long", .only = SYSLOG),
};

#define T struct config_control
static const struct config_key control_keys[] = {
	TEXT(T, socket, "socket", "/run/sluice/ctl.sock", "where `sluice ctl` connects; empty: nowhere"),
	TEXT(T, group, "group", "", "who may connect, besides root; empty: the process's own group"),
	ROW("http", "127.0.0.1:9180", CONFIG_ENDPOINT, SIZE(T, http), T, http,
	    "where /metrics, /healthz and /readyz are; empty: nowhere"),
};

static const struct config_key log_keys[] = {
	WORD(C, log_level, "level", log_level_names, "info",
	     "what is said on standard error; `log level` changes it for a room"),
};

#define D struct config_decide
static const struct config_key decide_keys[] = {
	BOOL(D, enabled, "enabled", "false", "takes part in answering; `kafka` says where"),
	TEXT(D, requests, "requests", "swg_requests", "the topic of requests"),
	TEXT(D, decisions, "decisions", "swg_decisions", "the topic of decisions"),
	TEXT(D, errors, "errors", "swg_errors", "the topic of what could not be read"),
	NUMBER(D, dedupe_s, "dedupe_window_s", 1, 86400, "600",
	       "a request that is asked again within so long gets the same answer, and counts once"),
	NUMBER(D, dedupe_ids, "dedupe_ids", 1000, 100000000, "1000000",
	       "so many requests are remembered for that; 52 bytes each"),
};

static const struct config_judge kafka_judge = {kafka_takes, kafka_secret, kafka_beside, kafka_keys_doc};

#define KEYS(list) .keys = list, .nkeys = sizeof(list) / sizeof(*(list))
#define ONE(field, list, text)                                                                                         \
	{                                                                                                              \
		.name = #field, .one = #field, .at = offsetof(C, field), KEYS(list), .help = text                      \
	}
#define SOME(field, list, what, form, text)                                                                            \
	{                                                                                                              \
		.name = #field, .one = what, .shape = form, .at = offsetof(C, field),                                  \
		.count_at = offsetof(C, n##field), .stride = SIZE(C, field[0]),                                        \
		.room = SIZE(C, field) / SIZE(C, field[0]), KEYS(list), .help = text                                   \
	}

const struct config_group config_groups[] = {
	{.name = "", .one = "configuration", KEYS(top_keys), .help = "Keys at the top."},
	{.name = "fail",
	 .one = "fail",
	 KEYS(fail_keys),
	 .help = "What each fault does. They stand first, for they are what a night's sleep hangs on."},
	ONE(workers, workers_keys, "The threads that forward."),
	SOME(ports, port_keys, "port", CONFIG_NAMED, "Network ports, each by a name of its own."),
	SOME(paths, path_keys, "path", CONFIG_LISTED, "What is forwarded from where to where."),
	ONE(policy, policy_keys, "What is allowed."),
	ONE(memory, memory_keys, "What is taken at start; nothing more is, later."),
	ONE(spool, spool_keys, "What waits for sinks, in the order in which it came."),
	SOME(sinks, sink_keys, "sink", CONFIG_LISTED,
	     "Where records go, and, to those of type `pcapng`, the frames that rules of action `mirror` copy."),
	ONE(control, control_keys, "Who may look and command."),
	{.name = "kafka",
	 .one = "kafka",
	 .shape = CONFIG_FREE,
	 .at = offsetof(C, kafka),
	 .judge = &kafka_judge,
	 .help = "How the brokers are reached: properties of librdkafka by its own names (docs/kafka.md), and "
		 "`msk_iam.region` (with `profile`, `role_arn`, `role_session`, `external_id`) for tokens of MSK."},
	ONE(decide, decide_keys, "Requests that proxies ask over Kafka (docs/decisions.md)."),
	{.name = "log", .one = "log", KEYS(log_keys), .help = "What is said on standard error, and when."},
};
const unsigned config_group_count = sizeof(config_groups) / sizeof(*config_groups);
