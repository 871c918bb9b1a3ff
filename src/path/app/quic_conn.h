// SPDX-License-Identifier: BSD-3-Clause
//
// QUIC connections whose handshake is followed: a pool of fixed size, each with its ids, its keys and the CRYPTO
// bytes of both sides. Private to quic*.c.
#pragma once

#include <arpa/inet.h>

#include "quic_crypto.h"

#define QUIC_ID_MAX 20        // RFC 9000 17.2
#define QUIC_IDS 8            // remembered of a connection (corridor: 8 a flow)
#define QUIC_CRYPTO_MAX 16384 // bytes of CRYPTO stream kept a side; a ClientHello of TLS stacks in use: 0.3-2.5 KB
#define QUIC_CHUNK 1024
#define QUIC_PIECES 32     // places that the client's bytes came from
#define QUIC_FLOW_CONNS 16 // connections followed on one five-tuple

struct quic_id {
	uint8_t len;
	uint8_t bytes[QUIC_ID_MAX];
};

// Stream offset [at, at + len) came from frame's bytes [off, off + len).
struct quic_piece {
	uint64_t frame;
	uint32_t off;
	uint16_t at, len;
};

struct quic_conn {
	uint64_t flow_id;                   // 0: free
	struct flow *flow;                  // of that id, as long as it lives
	uint32_t next;                      // of the same flow: index + 1
	uint32_t older, newer;              // by use: index + 1
	const struct quic_version *version; // NULL: Google's without keys
	struct quic_key key[2];
	uint64_t number[2];      // packet number expected next, by side
	struct quic_id original; // the id that the keys are made of
	struct quic_id retry;    // what the server's Retry told the client to use
	struct quic_id client;   // the client's own id
	struct quic_id id[QUIC_IDS];
	uint8_t nids, client_dir, npieces, hellos;
	bool judged;        // the client's stream is no further looked at
	uint32_t high;      // end of the furthest of the client's CRYPTO bytes
	uint32_t parsed;    // of the client's CRYPTO bytes: messages before this have been judged
	uint32_t number_be; // version as in the packet
	uint64_t sni_hash;
	struct origin version_at, cid_at;
	struct quic_piece piece[QUIC_PIECES];
	uint16_t chunk[2][QUIC_CRYPTO_MAX / QUIC_CHUNK]; // index + 1
};

struct quic_chunk {
	uint8_t bytes[QUIC_CHUNK];
	uint64_t have[QUIC_CHUNK / 64]; // bit: the byte is there
};

// What is remembered of flows that are no known QUIC: direct-mapped, a newcomer replaces.
struct quic_stranger {
	uint64_t flow_id, start_ns; // both: ids begin anew with each capture
	uint32_t id[2];             // first bytes of what may be a connection id, by direction
	uint16_t shapes;            // bit: first byte's protected bits had this value
	uint8_t shorts, spoiled, complained;
	uint8_t last[2]; // first byte of the datagram before
	uint8_t same[2]; // datagrams with that id; one with another id spoils the direction
	uint8_t fell;    // bit dir: its first bytes do not merely count upwards
	uint8_t odd;     // bit dir: its bytes are not a cipher's, or the id changed
};
#define PORT_HTTPS 443
#define QUIC_STRANGERS 1024
#define QUIC_SHORT_MIN 21 // first byte, packet number, 16 of tag, and what has to be there for the sample

struct quic_id_slot {
	uint64_t hash;
	uint32_t conn; // index + 1
};

struct quic {
	struct IMB_MGR *mgr;
	uint64_t seed;
	uint32_t nconns, nchunks, nslots; // nslots: a power of two
	uint32_t oldest, newest, free_conn;
	uint32_t free_chunk;
	uint32_t id_lengths; // bit: some remembered id has this length
	struct quic_conn *conn;
	struct quic_chunk *chunk;
	struct quic_id_slot *slot;
	struct quic_stranger *stranger;
	uint16_t *chunk_next;
	void *memory;
	size_t bytes;
};

static inline bool quic_id_is(const struct quic_id *a, const uint8_t *p, uint32_t len)
{
	return a->len == len && memcmp(a->bytes, p, len) == 0;
}

static inline void quic_id_set(struct quic_id *a, const uint8_t *p, uint32_t len)
{
	a->len = len;
	memcpy(a->bytes, p, len);
}

// No hello of it was whole yet, or bytes of another one are there.
static inline bool quic_conn_waits(const struct quic_conn *c)
{
	if (c->judged || !c->version)
		return false;
	return c->version->frames == QUIC_FRAMES_IETF ? !c->hellos || c->high > c->parsed : c->high && !c->hellos;
}

// First connection of the flow, and the one after c. NULL: no more.
struct quic_conn *quic_conn_first(struct quic *q, const struct flow *f);
struct quic_conn *quic_conn_next(struct quic *q, const struct quic_conn *c);
// A connection of the flow that in belongs to; the least used of all gives way.
struct quic_conn *quic_conn_new(struct quic *q, struct app_in *in);
void quic_conn_free(struct quic *q, struct quic_conn *c);
void quic_conn_touch(struct quic *q, struct quic_conn *c);
// The id belongs to c from now on, if c has room for another.
void quic_conn_learn(struct quic *q, struct quic_conn *c, const uint8_t *id, uint32_t len);
bool quic_conn_knows(const struct quic_conn *c, const uint8_t *id, uint32_t len);
// Whose id is it, on whatever flow? NULL: nobody's.
struct quic_conn *quic_conn_by_id(struct quic *q, const uint8_t *id, uint32_t len);

enum quic_added { QUIC_ADDED, QUIC_SAME, QUIC_DIFFERS, QUIC_BEYOND };
// CRYPTO bytes of a side. DIFFERS: other bytes stood there already; nothing of p was taken from there on.
enum quic_added quic_conn_add(struct quic *q, struct app_in *in, struct quic_conn *c, enum quic_side side,
			      uint64_t offset, const uint8_t *p, uint32_t len, struct origin o);
// How many bytes are there without a hole, from an offset on.
uint32_t quic_conn_have(const struct quic *q, const struct quic_conn *c, enum quic_side side, uint32_t from);
void quic_conn_copy(const struct quic *q, const struct quic_conn *c, enum quic_side side, uint32_t from, uint32_t len,
		    uint8_t *out);
// Where the client's byte at an offset came from.
struct origin quic_conn_origin(const struct quic_conn *c, uint32_t at, uint32_t len);

// quic_google.c: Google's versions without keys (Q0xx before Q050), and what is said in their CHLO.
bool quic_google_datagram(struct quic *q, struct app_in *in);
// Google's frames p[0..len) of a packet whose number took number_len bytes, opened if it was sealed; at: offset of p
// in the datagram. sealed: the packet was shown to be its sender's, so that its bytes hold.
void quic_google_frames(struct quic *q, struct app_in *in, struct quic_conn *c, unsigned version, unsigned number_len,
			const uint8_t *p, uint32_t len, uint32_t at, bool sealed);
// Adds bytes of the client's stream; false: they differ from those judged, and the packet is to be dropped.
bool quic_take(struct quic *q, struct app_in *in, struct quic_conn *c, enum quic_side side, uint64_t offset,
	       const uint8_t *p, uint32_t len, uint32_t at);
// Opens the record of a hello with what the connection is: version and id.
txn_t quic_say(struct app_in *in, const struct quic_conn *c, uint32_t room);

static inline bool quic_on_https(const struct flow *f)
{
	return f->key.aport_be == htons(PORT_HTTPS) || f->key.bport_be == htons(PORT_HTTPS);
}

// quic_orphan.c: what is remembered of a flow that is no known QUIC.
struct quic_stranger *quic_stranger_of(struct quic *q, const struct app_in *in);
// A datagram of such a flow that begins nothing. True: it is QUIC's, which is said; the flow is QUIC's from now on.
bool quic_orphan(struct quic *q, struct app_in *in);
