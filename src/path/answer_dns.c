// SPDX-License-Identifier: BSD-3-Clause
//
// The answer to a denied DNS message: the name does not exist, or it has the address of a sinkhole. A query comes in,
// or an answer that is refused; an answer goes out that a resolver takes for the server's: same id, same question.
// Pure; input is hostile. Where the question cannot be copied the answer has none, and says REFUSED (RFC 1035 4.1.1).
//
// Who asked with EDNS is answered with EDNS (RFC 6891 6.1.1), and told why: Blocked, with the rule's id (RFC 8914).
#include "answer.h"

#include <string.h>

#include <rte_common.h>

#include "base/be.h"

#define HEADER 12
#define QUESTIONS_MAX 4
#define TTL_S 60 // of a sinkhole's address: short, since the rule may go
#define UDP_PAYLOAD 1232
#define TYPE_A 1
#define TYPE_OPT 41
#define TYPE_AAAA 28
#define TYPE_ANY 255
#define RCODE_NXDOMAIN 3
#define RCODE_REFUSED 5
#define EDE 15 // option; and the code Blocked, by chance
#define EDE_ID_MAX 64

// Behind the name at `at`; 0: it does not end within the message.
static uint32_t behind_name(const uint8_t *m, uint32_t len, uint32_t at)
{
	while (at < len) {
		if (m[at] == 0)
			return at + 1;
		if (m[at] >= 0xc0)
			return at + 2 <= len ? at + 2 : 0;
		if (m[at] > 63)
			return 0;
		at += 1u + m[at];
	}
	return 0;
}

// Behind the questions; 0: not all are there.
static uint32_t behind_questions(const uint8_t *m, uint32_t len, uint32_t n)
{
	uint32_t at = HEADER;
	for (uint32_t i = 0; i < n; i++) {
		at = behind_name(m, len, at);
		if (!at || at + 4 > len)
			return 0;
		at += 4;
	}
	return at;
}

// The OPT record: its flags (extended rcode, version, DO). False: there is none.
static bool edns(const uint8_t *m, uint32_t len, uint32_t at, uint32_t *flags)
{
	uint32_t n = be16(m + 6) + be16(m + 8) + be16(m + 10);
	for (uint32_t i = 0; i < n && i < 64; i++) {
		at = behind_name(m, len, at);
		if (!at || at + 10 > len)
			return false;
		if (be16(m + at) == TYPE_OPT) {
			*flags = be32(m + at + 4);
			return true;
		}
		at += 10 + be16(m + at + 8);
	}
	return false;
}

static uint32_t put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
	return 2;
}

// The address for a name that stands at the first question.
static uint32_t put_address(uint8_t *p, uint32_t type, const uint8_t *address, uint32_t len)
{
	uint32_t at = put16(p, 0xc000 | HEADER);
	at += put16(p + at, type);
	at += put16(p + at, 1); // IN
	at += put16(p + at, 0);
	at += put16(p + at, TTL_S);
	at += put16(p + at, len);
	memcpy(p + at, address, len);
	return at + len;
}

static uint32_t put_edns(uint8_t *p, uint32_t flags, const struct answer_about *a)
{
	uint32_t id = RTE_MIN(a->id_len, (uint32_t)EDE_ID_MAX), at = 1;
	p[0] = 0;
	at += put16(p + at, TYPE_OPT);
	at += put16(p + at, UDP_PAYLOAD);
	at += put16(p + at, 0);
	at += put16(p + at, flags & 0x8000); // DO
	at += put16(p + at, 4 + 2 + id);
	at += put16(p + at, EDE);
	at += put16(p + at, 2 + id);
	at += put16(p + at, 15); // RFC 8914 4.16
	memcpy(p + at, a->id, id);
	return at + id;
}

uint32_t answer_dns(const uint8_t *m, uint32_t len, const struct answer_about *a, const uint8_t *address,
		    uint32_t address_len, uint8_t out[ANSWER_TEXT_MAX])
{
	if (len < HEADER)
		return 0;
	uint32_t n = be16(m + 4), flags = be16(m + 2), dnssec, rcode = RCODE_REFUSED;
	uint32_t question = n >= 1 && n <= QUESTIONS_MAX ? behind_questions(m, len, n) : 0, at = HEADER;
	memset(out, 0, HEADER);
	memcpy(out, m, 2);
	if (question && question < ANSWER_TEXT_MAX / 2) {
		uint32_t type = be16(m + question - 4), own = address_len == 4 ? TYPE_A : TYPE_AAAA;
		memcpy(out + HEADER, m + HEADER, question - HEADER);
		at = question;
		put16(out + 4, n);
		rcode = address ? 0 : RCODE_NXDOMAIN;
		if (address && (type == own || type == TYPE_ANY) && n == 1) {
			at += put_address(out + at, own, address, address_len);
			put16(out + 6, 1);
		}
		if (edns(m, len, question, &dnssec)) {
			at += put_edns(out + at, dnssec, a);
			put16(out + 10, 1);
		}
	}
	// QR, opcode as asked, RD as asked, RA, CD as asked
	put16(out + 2, 0x8000 | (flags & 0x7800) | (flags & 0x0100) | 0x0080 | (flags & 0x0010) | rcode);
	return at;
}
