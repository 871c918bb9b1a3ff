// SPDX-License-Identifier: BSD-3-Clause
//
// What the readers of DNS messages share: the header, and how strict it is taken. Private to dns*.c.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/be.h"
#include "dns.h"

#define RR_FIXED 10 // of a record, behind its name: type, class, ttl, rdlength

struct dns_header {
	uint16_t id, flags, count[4]; // questions, answers, authority, additional
};

static inline bool dns_is_answer(const struct dns_header *h)
{
	return h->flags & 0x8000;
}

static inline bool dns_header_read(const uint8_t *p, uint32_t len, struct dns_header *h)
{
	if (len < DNS_HEADER_BYTES)
		return false;
	h->id = be16(p);
	h->flags = be16(p + 2);
	for (unsigned i = 0; i < 4; i++)
		h->count[i] = be16(p + 4 + 2 * i);
	return true;
}

// Could a message of `size` bytes have this header?
bool dns_header_sane(const struct dns_header *h, uint32_t size);
bool dns_class_known(uint16_t class);
// Is p[0..len) a whole message, to its last byte?
bool dns_message_strict(const uint8_t *p, uint32_t len);
// Does a stream begin with a framed message? As dns_looks says it.
int dns_stream_looks(const uint8_t *p, uint32_t len);
// Bytes of messages without any, in front of the first.
uint32_t dns_stream_empty(const uint8_t *p, uint32_t len);
