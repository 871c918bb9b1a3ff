// SPDX-License-Identifier: BSD-3-Clause
//
// Keys of QUIC's Initial packets, and opening them. Sources: RFC 9001 5, RFC 9369 3.3, the drafts' salts.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "app.h"

struct IMB_MGR;

enum quic_frames {
	QUIC_FRAMES_IETF,   // RFC 9000 12.4, TLS in CRYPTO frames
	QUIC_FRAMES_GOOGLE, // Google's own, CHLO in CRYPTO frames (Q050)
};

struct quic_version {
	uint32_t number;
	uint8_t v2;     // long header types and labels of RFC 9369
	uint8_t frames; // enum quic_frames
	char name[10];
	const uint8_t *salt; // 20 bytes
};

// NULL: a version whose Initials nobody here can open.
const struct quic_version *quic_version_find(uint32_t number);

enum quic_side { QUIC_CLIENT, QUIC_SERVER };

struct quic_key {
	uint8_t key[16], hp[16], iv[12];
};

// The library's state lies in memory that the caller takes: bytes first, then init in it.
size_t quic_crypto_bytes(void);
struct IMB_MGR *quic_crypto_init(void *memory);

// Both sides' Initial keys of a connection whose client chose dcid. side[QUIC_CLIENT], side[QUIC_SERVER].
void quic_keys(const struct quic_version *v, const uint8_t *dcid, uint32_t len, struct quic_key side[2]);

struct quic_opened {
	uint64_t number; // packet number
	uint32_t at;     // of the first byte of payload, the same offset in the packet and in out
	uint32_t len;    // of the payload
};

// Opens the packet p[0..size), whose packet number stands at pn_at; `next` is the number expected next (RFC 9000
// A.3). out: size bytes; its byte i is the plaintext of p[i]. False: not sealed with this key, out is rubbish.
bool quic_open(struct IMB_MGR *m, const struct quic_key *k, const uint8_t *p, uint32_t size, uint32_t pn_at,
	       uint64_t next, uint8_t *out, struct quic_opened *o);
