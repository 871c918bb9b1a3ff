// SPDX-License-Identifier: BSD-3-Clause
//
// Value of the facts TLS_HELLO and QUIC_HELLO: what a ClientHello listed, from which its fingerprints are made. The
// worker writes the lists as they came; whoever renders the record makes JA3 and JA4 of them, so that no digest is
// computed on the packet's way. Never printed as it stands.
//
//   | head | ciphers | extensions | groups | signature algorithms | versions | point formats | ALPN |
//
// Lists are of 16-bit values in network order; point formats, and the first ALPN name that is not GREASE, of bytes.
#pragma once

#include <stdint.h>

struct tls_hello {
	char transport;   // JA4's first letter: t, d, q
	uint8_t sni;      // extension 0 is there
	uint16_t version; // legacy_version
	uint16_t nciphers, nexts, ngroups, nsigalgs, nversions, npoints, alpn_len;
	uint16_t pad;
	uint8_t lists[];
};
