// SPDX-License-Identifier: BSD-3-Clause
//
// Hellos and their answers, paired into transactions: what TLS and DTLS share above their records. A ClientHello
// and the ServerHello (or HelloRetryRequest) that answers it are one record, whichever of the two is seen first; the
// hello after a HelloRetryRequest is the next one.
#pragma once

#include "hello.h"

struct handshake_slot {
	txn_t t;
	uint64_t client_session, server_session; // hash of the session id; 0: none
	uint8_t have;                            // enum handshake_part
	uint8_t pad[7];
};

struct handshake {
	struct handshake_slot slot[2]; // of hello or answer n: n & 1
	uint64_t sni;                  // hash of the last hello's name
	uint8_t hellos, answers;       // seen so far; DTLS sets them to message_seq before each call
	bool final;                    // an answer came that is no HelloRetryRequest, or a refusal
	bool named;                    // sni is set, if only to 0
	bool early;                    // a hello offered early data
	uint8_t pad[3];
};

// A ClientHello's body, whole or cut. False: malformed.
bool handshake_hello(struct handshake *h, const struct hello_source *src, enum hello_transport transport,
		     const uint8_t *p, uint32_t len);
// An SSLv2-compatible ClientHello was seen (RFC 5246 E.2): it has no extensions, and no fingerprint is defined for it.
void handshake_hello_v2(struct handshake *h, struct app_in *in);
// A ServerHello's body, or that of the HelloRetryRequest of TLS 1.3 drafts before 22 (retry).
void handshake_answer(struct handshake *h, const struct hello_source *src, enum hello_transport transport,
		      const uint8_t *p, uint32_t len, bool retry);
// An SSLv2 SERVER-HELLO; at: its place.
void handshake_answer_v2(struct handshake *h, struct app_in *in, struct origin at);
// The server answered without a hello of its own: a HelloVerifyRequest (RFC 6347 4.2.1), or, final, a fatal alert.
void handshake_dismiss(struct handshake *h, struct app_in *in, bool final);
// Nothing more will come: what is open is written as it stands.
void handshake_end(struct handshake *h, const struct app_in *in);
