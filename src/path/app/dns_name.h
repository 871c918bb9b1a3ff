// SPDX-License-Identifier: BSD-3-Clause
//
// A domain name out of a DNS message (RFC 1035 3.1, 4.1.4).
#pragma once

#include <stdint.h>

#define DNS_HEADER_BYTES 12
#define DNS_NAME_MAX 255 // RFC 1035 2.3.4: length bytes and the root's included

enum dns_name_end {
	DNS_NAME_OK,
	DNS_NAME_CUT, // the message ends inside the name
	DNS_NAME_BAD, // loop, forward pointer, label or name too long: no resolver can have meant it
};

struct dns_name {
	uint16_t len;               // of text
	uint16_t wire;              // bytes that the name takes where it stands, up to and with its first pointer
	uint8_t text[DNS_NAME_MAX]; // labels as sent, dots between, none at the end; the root is empty
};

// Reads the name at msg[at]. Compression pointers must lead backwards, so that every name ends; the number that is
// followed is bounded too.
enum dns_name_end dns_name_read(const uint8_t *msg, uint32_t len, uint32_t at, struct dns_name *n);

// Textual form of an address of 4 or 16 bytes (IPv6: RFC 5952), as it stands in dns.answer. out: 40 bytes or more.
uint32_t dns_address_text(const uint8_t *a, uint32_t len, uint8_t *out);
