// SPDX-License-Identifier: BSD-3-Clause
//
// Fingerprints of a ClientHello: JA3 and JA4. What hello.c read comes in, text goes out; or the lists, packed, so that
// another thread makes the text (struct tls_hello). Pure: no state, no allocation, no failure; lists longer than
// JA_LIST_MAX are the caller's affair (it makes no fingerprint then).
// Sources: salesforce/ja3 README (BSD); FoxIO JA4 technical details, "JA4: TLS client" (BSD).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JA_LIST_MAX 1024 // values in a list; real hellos have at most some 130
#define JA3_FULL_MAX (4 * 6 * JA_LIST_MAX)
#define JA3_LEN 32
#define JA4_LEN 36

struct ja_list {
	const uint8_t *p; // n values of 16 bits, network order, no alignment
	uint32_t n;
};

struct ja_hello {
	char transport;   // JA4's first letter: t, d, q
	bool sni;         // extension 0 is there
	uint16_t version; // legacy_version
	uint16_t nexts, npoints;
	uint32_t alpn_len;
	const uint8_t *alpn; // the first protocol that is not GREASE
	const uint8_t *points;
	struct ja_list ciphers, groups, sigalgs, versions;
	uint16_t exts[JA_LIST_MAX]; // extension types in the order sent, host order
};

// RFC 8701: values that mean nothing and are to be ignored.
static inline bool ja_grease(uint16_t v)
{
	return (v & 0x0f0f) == 0x0a0a && (v >> 8) == (v & 0xff);
}

// Writes the JA3 string, not terminated, to full (JA3_FULL_MAX) and its MD5 in hex. Returns the string's length.
uint32_t ja_ja3(const struct ja_hello *h, char *full, char md5[JA3_LEN]);
// Writes the JA4 fingerprint, not terminated. room: JA3_FULL_MAX bytes to work in.
void ja_ja4(const struct ja_hello *h, char *room, char out[JA4_LEN]);
// Is one of n values there twice? n <= JA_LIST_MAX.
bool ja_repeats(const uint16_t *v, uint32_t n);

// The lists as a record carries them (struct tls_hello): bytes that takes, and writing them to out.
uint32_t ja_packed_size(const struct ja_hello *h);
void ja_pack(const struct ja_hello *h, void *out);
// The other way; h points into p. False: p[0..len) is no such thing.
bool ja_unpack(struct ja_hello *h, const void *p, size_t len);
