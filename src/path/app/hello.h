// SPDX-License-Identifier: BSD-3-Clause
//
// A ClientHello, read: shared by tls.c, dtls.c and quic.c; and what is made of it: facts, JA3, JA4.
#pragma once

#include "app.h"

enum hello_transport { HELLO_TLS, HELLO_DTLS, HELLO_QUIC };

// Reads the ClientHello body (after the 4-byte handshake header; DTLS: after its 12-byte header) at p[0..len) and
// adds its facts to tx: sni, alpn, ech, ja3, ja3_full, ja4 (quic.* for HELLO_QUIC). origin_at gives the place of a
// byte of p, so that reassembled hellos keep their origins. Sources: RFC 8446 4.1.2, RFC 6066 3, RFC 7301,
// RFC 9849 (ECH); salesforce/ja3 README; FoxIO JA4 technical details (TLS client, BSD).
// sni_hash: out, hash of the normalised name (0: none), to compare a second hello. False: malformed.
struct hello_source {
	const struct app_in *in;
	struct origin (*origin_at)(const struct hello_source *, uint32_t at, uint32_t len);
	const void *arg;
};
bool hello_read(const struct hello_source *src, txn_t t, enum hello_transport transport, const uint8_t *p, uint32_t len,
		uint64_t *sni_hash);
