// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
//
// What the XDP program (bpf/fastpath.bpf.c) and the process share: keys and values of the maps, the tag in front of
// each frame that comes up, and what workers and the thread of ctl/fastpath.c say to each other. Fixed-width types and
// the machine's byte order, but for names in _be. Nothing here knows DPDK, libbpf or the kernel.
//
//   sluice_buckets  hash -> numbers of slots          mapped into the process, which alone writes
//   sluice_slots    number -> key, verdict, counters  mapped: a store changes a verdict, a load reads a counter
//   sluice_ports    place -> port                     mapped: heartbeats, fail mode, secret
//   sluice_doors    port number -> doors, each CPU    by which every frame left
//   sluice_own      address -> 1                      what is for the machine itself
//   xsks_map        queue -> AF_XDP socket            the driver's, one for each port; the others are for all
#pragma once

#include <stdint.h>

// A worker that did not beat for so long is gone (corridor.md 9).
#define FASTPATH_STALE_MS 1000

#define FASTPATH_PROGRAM "sluice_fastpath" // 15 characters: all that the kernel keeps of a name
#define FASTPATH_FLOWS 131072
#define FASTPATH_BUCKETS 65536 // two flows to each when all are there: one of 4,000 meets a full one
#define FASTPATH_WAYS 8
#define FASTPATH_PORTS 64
#define FASTPATH_PROBES 4  // places in which a port can be, by its interface's number
#define FASTPATH_QUEUES 64 // of a port
#define FASTPATH_OWN 1024

// A flow in one direction, as its frames show it.
struct fastpath_key {
	uint8_t src[16], dst[16]; // IPv4: the first 4 bytes, the rest is 0
	uint16_t sport_be, dport_be;
	uint16_t vlan[2]; // outermost first, with FASTPATH_TAGGED; 0: no tag. Frames with more come up
	uint16_t port;    // number of the port that it comes in by
	uint8_t version, proto;
};
#define FASTPATH_TAGGED 0x8000

enum fastpath_verdict {
	FASTPATH_UP,     // to the worker, which is told its own hint
	FASTPATH_DROP,   // denied, and nothing is said to anybody
	FASTPATH_FORWARD // settled: out of the port across, as it came
};

struct fastpath_slot {
	struct fastpath_key key;
	uint32_t hint;
	uint32_t verdict;        // enum fastpath_verdict; the helper thread's, but that the flow's worker may store UP
	uint32_t care;           // what comes up all the same: fastpath_comes_up
	uint64_t packets, bytes; // dropped or forwarded here; frames with their Ethernet header
	uint64_t last_ns;        // CLOCK_MONOTONIC, of the last; coarse
	uint64_t flow;           // the worker's; 0: nobody's, and the rest may be of two
};

// A cache line. mark: of the key, 0 where there is none; no two in a bucket are the same.
struct fastpath_bucket {
	uint32_t mark[FASTPATH_WAYS], number[FASTPATH_WAYS];
};

#define FASTPATH_SECRET_TAG 2   // words of the secret that the tag takes
#define FASTPATH_SECRET_WORDS 8 // the rest is the hash's

// What happens where no worker is there to ask: its heartbeat is too old, or it has no socket.
enum fastpath_fail { FASTPATH_CLOSED, FASTPATH_OPEN_PEER, FASTPATH_OPEN_KERNEL };

// How the tag travels: in the frame's metadata, where the driver has such a thing, or as the first bytes of the frame.
enum fastpath_carrier { FASTPATH_METADATA, FASTPATH_PREFIX };

struct fastpath_port {
	uint32_t ifindex; // 0: nobody's place
	uint32_t peer;    // interface across; 0: none
	uint32_t pid;     // of the process that answers for it
	uint16_t number;
	uint8_t fail;    // enum fastpath_fail
	uint8_t carrier; // enum fastpath_carrier
	uint8_t own;     // 1: ARP, link-local multicast and what sluice_own names are the kernel's
	uint8_t across;  // 1: settled frames leave by peer; 0: they come up, and the worker sends them
	uint8_t pad[2];
	uint32_t stale_ms;
	uint64_t secret[FASTPATH_SECRET_WORDS];
	uint64_t beat_ns[FASTPATH_QUEUES]; // CLOCK_MONOTONIC; 0: never
};

struct fastpath_own {
	uint8_t addr[16]; // as in the key
	uint16_t port;
	uint16_t version;
};

// X(symbol, whose, word, help): every frame leaves by one.
#define FASTPATH_DOORS(X)                                                                                              \
	X(FORWARDED, TX, "forwarded", "settled flow, out of the port across")                                          \
	X(FAIL_FORWARDED, TX, "fail_forwarded", "no worker, fail mode open: out of the port across")                   \
	X(DENIED, DROP, "denied", "denied flow")                                                                       \
	X(FAIL_DROPPED, DROP, "fail_dropped", "no worker, fail mode closed")                                           \
	X(NO_TAG, DROP, "no_tag", "the driver left no room for the tag")                                               \
	X(UP_NEW, WORKER, "up_new", "flow without an entry")                                                           \
	X(UP_KNOWN, WORKER, "up_known", "flow whose entry names its worker's number")                                  \
	X(UP_TCP, WORKER, "up_tcp", "SYN, FIN or RST; one-way flow, what may be sent again")                           \
	X(UP_QUIC, WORKER, "up_quic", "QUIC long header")                                                              \
	X(UP_CHECKSUM, WORKER, "up_checksum", "settled flow, its checksum left to a card: the worker makes it")        \
	X(UP_FRAGMENT, WORKER, "up_fragment", "fragment; from here on the tag is void")                                \
	X(UP_TUNNEL, WORKER, "up_tunnel", "carries a packet of its own")                                               \
	X(UP_OTHER, WORKER, "up_other", "not IP, or nothing that has an entry: ICMP, SCTP, lengths that do not agree") \
	X(OWN, KERNEL, "own", "for this machine")                                                                      \
	X(FAIL_KERNEL, KERNEL, "fail_kernel", "no worker, fail mode open: to the kernel")

enum fastpath_door {
#define X(symbol, whose, word, help) FASTPATH_DOOR_##symbol,
	FASTPATH_DOORS(X)
#undef X
		FASTPATH_DOOR_COUNT
};

enum fastpath_whose { FASTPATH_TX, FASTPATH_DROPPED, FASTPATH_WORKER, FASTPATH_KERNEL };
#define FASTPATH_WHOSE_DROP FASTPATH_DROPPED
#define FASTPATH_WHOSE_TX FASTPATH_TX
#define FASTPATH_WHOSE_WORKER FASTPATH_WORKER
#define FASTPATH_WHOSE_KERNEL FASTPATH_KERNEL

struct fastpath_doors {
	uint64_t rx, rx_bytes; // counted where frames come in: the doors have to add up to it
	uint64_t frames[FASTPATH_DOOR_COUNT], bytes[FASTPATH_DOOR_COUNT];
};

// In front of every frame that comes up, freshly written: buffers are used again.
//
//    0        4        8    10   12     13    14     15
//   | check  | hint   | l3 | l4 | proto| why | vlans| 6? |      4 + 4 + 2 + 2 + 1 + 1 + 1 + 1 bytes
//
// l4 is 0 in a void tag, which says no more than why the frame came up.
struct fastpath_tag {
	uint32_t check; // of the rest, the frame's length and the secret: a stranger's bytes are no tag
	uint32_t hint;  // the worker's own number of the flow; 0: none. The flow still has to be compared
	uint16_t l3, l4;
	uint8_t proto;
	uint8_t why; // enum fastpath_door
	uint8_t vlans;
	uint8_t version;
};
#define FASTPATH_TAG_BYTES 16

// Two multiplications with secret operands, as steer.c's but of 64 bits, which is what BPF has. Nobody who sends frames
// ever sees one.
static inline uint32_t fastpath_tag_check(const struct fastpath_tag *t, uint32_t len, const uint64_t *secret)
{
	uint64_t a = (uint64_t)t->hint << 32 | (uint32_t)t->l3 << 16 | t->l4;
	uint64_t b = (uint64_t)len << 32 | (uint32_t)t->proto << 24 | t->why << 16 | t->vlans << 8 | t->version;
	uint64_t h = (a ^ secret[0]) * 0x9e3779b97f4a7c15;
	h = ((h ^ h >> 32) ^ b ^ secret[1]) * (secret[0] | 1);
	return h >> 32;
}

// NH of UMAC (RFC 4418 5.2): without the secret, two keys meet in one of 2^32. Its multiplications do not wait for each
// other. The last one brings the upper half's bits to where the bucket and the mark are taken from.
static inline uint64_t fastpath_hash(const struct fastpath_key *k, const uint64_t *secret)
{
	uint32_t w[12] = {0}, s[12];
	uint64_t h = 0;
	__builtin_memcpy(w, k, sizeof(*k));
	__builtin_memcpy(s, secret + FASTPATH_SECRET_TAG, sizeof(s));
	for (int i = 0; i < 12; i += 2)
		h += (uint64_t)(uint32_t)(w[i] + s[i]) * (uint32_t)(w[i + 1] + s[i + 1]);
	return (h ^ h >> 32) * 0x9e3779b97f4a7c15;
}

// Must a frame come up whatever its entry says? By a datagram's first byte: of QUIC (care 1) what is no short header of
// RFC 9000 or 9369: long headers (bit 7, RFC 8999 5.1), and Google's versions, which have neither bit. Where nobody has
// said QUIC, long headers with bit 6, too: RTP has bit 7 alone. By a segment's sequence number: what lies below `care`
// is kept up there, to be compared (0: nothing is).
static inline int fastpath_comes_up(uint8_t proto, uint32_t says, uint32_t care)
{
	if (proto == 6)
		return care && (int32_t)(says - care) < 0;
	return proto == 17 && (care ? (says & 0xc0) != 0x40 : (says & 0xc0) == 0xc0);
}

static inline uint32_t fastpath_bucket_of(uint64_t hash)
{
	return (hash >> 32) % FASTPATH_BUCKETS;
}

static inline uint32_t fastpath_mark_of(uint64_t hash)
{
	return (uint32_t)(hash >> 16) | 1;
}

// What a worker asks for, in the order in which it asks. Each ADD is answered by the number of its slot, with no
// frames, and by one end, sooner or later (REFUSED: by that alone); nothing else is, and behind an end nothing comes of
// that ADD.
enum fastpath_ask {
	FASTPATH_ADD,    // a new entry; one that another flow left there ends
	FASTPATH_CHANGE, // another verdict or hint, the counters stay; not there: its end is on the way
	FASTPATH_DEL     // comes to its end within a fifth of a second. Not there: likewise
};
struct fastpath_op {
	struct fastpath_key key;
	uint8_t ask;     // enum fastpath_ask
	uint8_t verdict; // enum fastpath_verdict
	uint8_t dir;     // comes back
	uint8_t pad;
	uint32_t hint;
	uint32_t care; // as in the slot
	uint64_t flow; // comes back
};

// What it is told: frames that left without it since it was last told (about once a second while there are any), and
// the entry's end.
enum fastpath_end {
	FASTPATH_LIVES,
	FASTPATH_DELETED,
	FASTPATH_AGED,    // no frame for a while
	FASTPATH_REFUSED, // no room
	FASTPATH_VOIDED   // by the control thread
};
struct fastpath_count {
	uint64_t flow;
	uint64_t packets, bytes;
	uint64_t last_ns;  // by the workers' clock; 0: none left yet
	uint64_t clock_ns; // what that has over CLOCK_MONOTONIC, which slots have
	uint32_t hint;
	uint32_t slot; // number; the flow's until its end was told
	uint8_t dir;
	uint8_t end; // enum fastpath_end
	uint8_t pad[6];
};

#ifndef __bpf__
#include <assert.h>
#include <string.h>

static_assert(sizeof(struct fastpath_key) == 44 && sizeof(struct fastpath_op) == 64 &&
		      sizeof(struct fastpath_slot) == 88 && sizeof(struct fastpath_bucket) == 64 &&
		      sizeof(struct fastpath_tag) == FASTPATH_TAG_BYTES,
	      "no holes that the kernel would compare or hash");

// Worker: the frame of len bytes has its tag behind it (metadata) or in it (prefix), at tag. False: it is none.
static inline int fastpath_tag_read(const uint8_t *tag, uint32_t len, const struct fastpath_port *p,
				    struct fastpath_tag *t)
{
	memcpy(t, tag, sizeof(*t));
	return t->check == fastpath_tag_check(t, len, p->secret);
}

// Worker: what left by the slot is in *packets and *bytes, as of now. False: the slot is another's.
static inline int fastpath_slot_read(const struct fastpath_slot *s, uint64_t flow, uint64_t *packets, uint64_t *bytes,
				     uint64_t *last_ns)
{
	if (__atomic_load_n(&s->flow, __ATOMIC_ACQUIRE) != flow)
		return 0;
	*packets = __atomic_load_n(&s->packets, __ATOMIC_RELAXED);
	*bytes = __atomic_load_n(&s->bytes, __ATOMIC_RELAXED);
	*last_ns = __atomic_load_n(&s->last_ns, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(&s->flow, __ATOMIC_RELAXED) == flow;
}

// Worker: from here on its frames come up.
static inline void fastpath_slot_up(struct fastpath_slot *s, uint64_t flow)
{
	if (__atomic_load_n(&s->flow, __ATOMIC_ACQUIRE) == flow)
		__atomic_store_n(&s->verdict, FASTPATH_UP, __ATOMIC_SEQ_CST);
}

// Worker: it lives. now_ns: CLOCK_MONOTONIC (its coarse form will do).
static inline void fastpath_beat(struct fastpath_port *p, uint16_t queue, uint64_t now_ns)
{
	__atomic_store_n(&p->beat_ns[queue % FASTPATH_QUEUES], now_ns, __ATOMIC_RELAXED);
}
#endif
