// SPDX-License-Identifier: BSD-3-Clause
//
// Is it DNS? Bytes of a datagram or of a stream's beginning come in, and must be beyond doubt a message: no port is
// asked. Worker's thread.
#include "dns_in.h"

#include "dns_name.h"

#define QUESTION_MIN 5 // root, type, class
#define RR_MIN 11      // root, type, class, ttl, rdlength
#define STRICT_NAMES 8 // questions that a message on an unknown port may have
#define EMPTY_MAX 4    // messages of no bytes before the first
#define TYPE_LAST 65   // of those that follow one another

// Could a message of `size` bytes have this header? Opcodes: query, status, notify, update; the Z bit is zero
// (RFC 1035 4.1.1); a query has no error; there is room for what is counted.
bool dns_header_sane(const struct dns_header *h, uint32_t size)
{
	unsigned opcode = h->flags >> 11 & 15;
	uint32_t least = DNS_HEADER_BYTES + h->count[0] * QUESTION_MIN;
	for (unsigned i = 1; i < 4; i++)
		least += h->count[i] * RR_MIN;
	return (opcode == 0 || opcode == 2 || opcode == 4 || opcode == 5) && !(h->flags & 0x40) &&
	       (dns_is_answer(h) || !(h->flags & 15)) && least <= size && h->count[0] <= STRICT_NAMES;
}

static bool type_known(uint16_t type)
{
	return (type >= 1 && type <= TYPE_LAST) || (type >= 99 && type <= 109) || (type >= 249 && type <= 262) ||
	       type == 32768 || type == 32769;
}

bool dns_class_known(uint16_t class)
{
	class &= 0x7fff; // top bit: mDNS "unicast response", "cache flush" (RFC 6762 5.4, 10.2)
	return class == 1 || class == 3 || class == 4 || class == 254 || class == 255;
}

static bool printable(const struct dns_name *n)
{
	for (uint32_t i = 0; i < n->len; i++)
		if (n->text[i] <= ' ' || n->text[i] > '~')
			return false;
	return true;
}

// One question, strictly. Returns the offset behind it, 0 where it is none, UINT32_MAX where the bytes end.
static uint32_t question_strict(const uint8_t *p, uint32_t len, uint32_t at)
{
	struct dns_name n;
	enum dns_name_end e = dns_name_read(p, len, at, &n);
	if (e == DNS_NAME_BAD)
		return 0;
	if (e == DNS_NAME_CUT || at + n.wire + 4 > len)
		return UINT32_MAX;
	at += n.wire;
	return printable(&n) && type_known(be16(p + at)) && dns_class_known(be16(p + at + 2)) ? at + 4 : 0;
}

// Is p[0..len) a whole message, to its last byte?
bool dns_message_strict(const uint8_t *p, uint32_t len)
{
	struct dns_header h;
	struct dns_name n;
	if (!dns_header_read(p, len, &h) || h.count[0] == 0 || !dns_header_sane(&h, len))
		return false;
	uint32_t at = DNS_HEADER_BYTES;
	for (unsigned i = 0; i < h.count[0]; i++) {
		at = question_strict(p, len, at);
		if (at == 0 || at == UINT32_MAX)
			return false;
	}
	for (uint32_t i = 0, rrs = (uint32_t)h.count[1] + h.count[2] + h.count[3]; i < rrs; i++) {
		if (dns_name_read(p, len, at, &n) != DNS_NAME_OK || at + n.wire + RR_FIXED > len)
			return false;
		at += n.wire + RR_FIXED;
		at += be16(p + at - 2);
	}
	return at == len;
}

// TCP: the framed message need not be whole yet; a sane header under a fitting length and a whole question is
// enough (about 80 bits that random bytes would have to hit). A bad name in an otherwise exact frame counts as DNS,
// so that dns_data can drop it.
int dns_stream_looks(const uint8_t *p, uint32_t len)
{
	struct dns_header h;
	if (len < 2 + DNS_HEADER_BYTES)
		return len >= 2 && be16(p) < DNS_HEADER_BYTES + QUESTION_MIN ? 0 : -1;
	uint32_t size = be16(p), have = len - 2 < size ? len - 2 : size;
	dns_header_read(p + 2, have, &h);
	if (have < DNS_HEADER_BYTES || h.count[0] == 0 || !dns_header_sane(&h, size))
		return 0;
	uint32_t at = question_strict(p + 2, have, DNS_HEADER_BYTES);
	if (at == UINT32_MAX)
		return have < size ? -1 : 0;
	if (at)
		return have < size || dns_message_strict(p + 2, size) || size < len - 2;
	struct dns_name n;
	return size == len - 2 && h.count[0] == 1 && !h.count[1] && !h.count[2] &&
	       dns_name_read(p + 2, have, DNS_HEADER_BYTES, &n) == DNS_NAME_BAD;
}

// Messages of no bytes ask for nothing, and servers go on behind them.
uint32_t dns_stream_empty(const uint8_t *p, uint32_t len)
{
	uint32_t at = 0;
	while (at < 2 * EMPTY_MAX && len - at >= 2 && be16(p + at) == 0)
		at += 2;
	return at;
}

int dns_looks(const uint8_t *p, uint32_t len, bool tcp)
{
	uint32_t empty = tcp ? dns_stream_empty(p, len) : 0;
	return tcp ? dns_stream_looks(p + empty, len - empty) : dns_message_strict(p, len);
}
