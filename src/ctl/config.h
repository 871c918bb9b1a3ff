// SPDX-License-Identifier: BSD-3-Clause
//
// What `sluice run` was asked to do. One JSON file and --set key=value, checked against one table of keys
// (config_keys.c), become this struct: plain values without a pointer, so that it can be copied and compared. Made by
// the main thread, never changed after that; a reload makes another one. docs/config.md says what each key means.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

// rule: includes, because values of four folders stand in one struct
#include "base/pairs.h"
#include "base/port.h"
#include "path/worker.h"
#include "sink_config.h"

#define CONFIG_NAME 32    // room for a name, its end included
#define CONFIG_FILE 256   // for a file's
#define CONFIG_DEVICE 108 // for a socket's, an interface's, a PCI address
#define CONFIG_ADDRESS 64 // for an address in words, with its port
#define CONFIG_CORES 32
#define CONFIG_PORTS 16
#define CONFIG_NETS 8 // addresses of a port
#define CONFIG_PATHS 8
#define CONFIG_GUARDS 64
#define CONFIG_SINKS 16
#define CONFIG_ETHERTYPES 16
#define CONFIG_ORIGINS 2048 // values of a config in all

enum config_idle { CONFIG_IDLE_BUSY, CONFIG_IDLE_ADAPTIVE, CONFIG_IDLE_INTERRUPT };

struct config_workers {
	uint16_t cores[CONFIG_CORES];
	uint8_t ncores, idle; // enum config_idle
	uint32_t flood_flows; // half-open flows a second with records of their own; 0: all
	uint32_t drain_ms;    // SIGTERM: what is inside has so long to leave
};

// A network or an address: of a port, or of what is one hop away.
struct config_net {
	uint8_t bytes[16], len, bits; // len 4 or 16
};

struct config_port {
	struct port_config port;                  // its name first
	struct config_net addresses[CONFIG_NETS]; // routed, gwlb: the appliance's own here; none: the interface's
	uint8_t naddresses;
	struct config_net next_hop[2]; // routed: at most one of each family; what is not on a network of this port
	uint8_t nnext_hop;
};

enum config_mode { CONFIG_BRIDGE, CONFIG_ROUTED, CONFIG_MIRROR, CONFIG_GWLB, CONFIG_MODES };
enum config_transport { CONFIG_TRANSPORT_NONE, CONFIG_TRANSPORT_GWLB, CONFIG_TRANSPORT_VXLAN, CONFIG_TRANSPORT_VLAN };
enum config_tenant { CONFIG_TENANT_TRANSPORT, CONFIG_TENANT_PORT, CONFIG_TENANT_NONE };

struct config_path {
	uint8_t mode;                                // enum config_mode
	uint8_t ports[2], nports;                    // numbers of ports[]; the first is the clients' side
	uint8_t transport;                           // enum config_transport
	uint8_t tenant;                              // enum config_tenant
	bool fast_path;                              // settled flows stay in XDP
	bool mtu_clamp;                              // ports of different MTU: the smaller one holds for the path
	uint16_t mss_clamp_bytes;                    // of SYNs; 0: as they are
	bool other_l2, link_local;                   // bridge: frames that are not IP, and link-local multicast, pass
	uint16_t other_l2_except[CONFIG_ETHERTYPES]; // ethertypes for which other_l2 is the other way round
	uint8_t nother_l2_except;
	uint16_t health_port; // gwlb: where probes are answered; 0: nowhere
};

struct config_policy {
	bool kafka;                                  // it comes from swg_rules
	char file[CONFIG_FILE], shadow[CONFIG_FILE]; // "": none
	char history[CONFIG_FILE];                   // folder of earlier policies; "": none are kept
	uint32_t history_keep;
	char guard[CONFIG_GUARDS][CONFIG_ADDRESS]; // addresses, as guard_add takes them
	uint8_t nguard;
	uint32_t payload_depth_bytes;
};

enum config_pages { CONFIG_PAGES_AUTO, CONFIG_PAGES_HUGE, CONFIG_PAGES_SMALL }; // as enum eal_pages

// Per worker, but for the first three.
struct config_memory {
	uint8_t pages;    // enum config_pages
	uint32_t dpdk_mb; // 0: as much as the rest asks for
	uint32_t frames;  // buffers of the pool; 0: as well
	uint32_t flows, streams, chunks, handshakes, fragments;
	uint32_t held_frames, hold_bytes, hold_ms;
	uint32_t kept_bytes, facts_bytes, record_cells, before_frames;
};

// What stands between workers and sinks; see ship/spool.h.
struct config_spool {
	char path[CONFIG_FILE]; // "": in memory
	uint32_t max_mb, segment_mb, memory_mb, flush_ms, flush_kb;
};

struct config_control {
	char socket[CONFIG_DEVICE], group[CONFIG_NAME]; // "": none; the group that may connect, "": that of the process
	char http[CONFIG_ADDRESS];                      // "127.0.0.1:9180"; "": none
};

// Requests over Kafka.
struct config_decide {
	bool enabled;
	char requests[CONFIG_FILE], decisions[CONFIG_FILE], errors[CONFIG_FILE]; // topics
	uint32_t dedupe_s, dedupe_ids;
};

// An object whose keys are another program's (librdkafka's), and where each of them stands.
struct config_free {
	struct pairs pairs;
	uint32_t origin[PAIRS_MAX]; // as config.c has them
};

struct config {
	char file[CONFIG_FILE];    // where it was read from
	struct fail_modes fail;    // what each fault does (corridor.md 9)
	bool stalled_closed;       // a worker that does not move: nothing is forwarded in its place
	char node[CONFIG_ADDRESS]; // who writes the records
	char user[CONFIG_NAME];    // who it becomes once all is open; "": stays who it is
	struct config_workers workers;
	struct config_port ports[CONFIG_PORTS];
	uint8_t nports;
	struct config_path paths[CONFIG_PATHS];
	uint8_t npaths;
	struct config_policy policy;
	struct config_memory memory;
	struct config_spool spool;
	struct sink_config sinks[CONFIG_SINKS];
	uint8_t nsinks;
	struct config_control control;
	struct config_free kafka;
	struct config_decide decide;
	uint8_t log_level;               // enum log_level
	uint32_t origin[CONFIG_ORIGINS]; // config.c's: where each value came from
};

// Reads a file (NULL: none, only defaults; "-": standard input), then sets, "a.b=c" each, over it. All that is wrong is
// written to `say`, one line each, warnings too. 0; -EINVAL: it has errors; -ENOENT: it cannot be read. On failure
// *config is not to be used.
int config_load(struct config *config, const char *file, const char *const *sets, unsigned nsets, FILE *say);

// Of the file the group `kafka` alone is read: the rest may be for another machine.
int config_load_kafka(struct config *config, const char *file, const char *const *sets, unsigned nsets, FILE *say);

// As config_load, said to complaints. here: what this machine lacks (cores, user, interfaces of other kinds) is an
// error; else a warning, for a configuration may be checked elsewhere.
struct complaints;
int config_read(struct config *config, const char *file, const char *const *sets, unsigned nsets, bool here,
		struct complaints *to);

// Is this text a configuration, and no policy? By the keys of its outermost object, as far as CONFIG_TEXT_MAX bytes go.
#define CONFIG_TEXT_MAX (1u << 18) // bytes that a configuration may have
bool config_is_one(const char *text, size_t len);

// What `fail.stalled` means for each path, one line each.
void config_stalled(const struct config *config, FILE *out);

// Every value in force, in the order of docs/config.md: "ports.lan.type", its value as JSON (secrets are not shown),
// and "default", "--set" or "sluice.json:4".
typedef void config_cb(void *arg, const char *key, const char *json, const char *origin);
void config_each(const struct config *config, config_cb *cb, void *arg);

// The words of enumerations as the file has them.
extern const char *const config_port_types[PORT_TYPES];
extern const char *const config_modes[CONFIG_MODES];
