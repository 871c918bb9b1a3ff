// SPDX-License-Identifier: BSD-3-Clause
//
// A ClientHello, read: shared by tls.c, dtls.c and quic.c; and what is made of it: facts.
#pragma once

#include "app.h"

enum hello_transport { HELLO_TLS, HELLO_DTLS, HELLO_QUIC };

// Reads the ClientHello body (after the 4-byte handshake header; DTLS: after its 12-byte header) at p[0..len) and
// adds its facts to tx: sni, alpn, ech (quic.* for HELLO_QUIC), host, and the lists of which ship makes JA3 and JA4.
// origin_at gives the place of a byte of p, so that reassembled hellos keep their origins. p must not lie where the
// reader's stack is; it may lie in in->scratch, which is left alone. Sources: RFC 8446 4.1.2, RFC 6066 3, RFC 7301, RFC
// 9849 (ECH). A name that cannot be: anomaly TLS_BAD_NAME, and in->drop = REASON_TLS_BAD_NAME. Malformed: anomaly,
// false, and the facts that were whole before the fault.
struct hello_source {
	struct app_in *in;
	struct origin (*origin_at)(const struct hello_source *, uint32_t at, uint32_t len);
	const void *arg;
	bool cut;      // p ends before the hello does: say what is whole, no JA3 or JA4, and it is no fault
	bool in_place; // p lies in in->data: origin_at is asked only of places behind it
};
struct hello_told {
	uint64_t sni; // hash of the normalised name (0: none), to compare a second hello
	bool early;   // it offers early data, or may
};
bool hello_read(const struct hello_source *src, txn_t t, enum hello_transport transport, const uint8_t *p, uint32_t len,
		struct hello_told *told);

// The place of len bytes at p[at], of all the `total` bytes at p.
static inline struct origin hello_place(const struct hello_source *src, const uint8_t *p, uint32_t total, uint32_t at,
					uint32_t len)
{
	return src->in_place && at < total ? app_origin(src->in, p + at, len) : src->origin_at(src, at, len);
}

// Bytes to ask of txn_begin for a hello of len bytes and its answer.
static inline uint32_t hello_room(uint32_t len)
{
	return 1024 + 3 * len;
}

// Never 0. To tell contents apart cheaply (session ids, retransmitted hellos); hostile collisions gain nothing.
uint64_t hello_hash(const void *p, uint32_t len);
