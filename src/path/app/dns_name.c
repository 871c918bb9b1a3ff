// SPDX-License-Identifier: BSD-3-Clause
//
// Domain names and addresses as text. Bytes of a DNS message come in, at an offset that may be anything; out goes
// the name with dots between its labels, or how it fails. Called by dns.c on the worker's thread.
//
// A name is hostile until shown otherwise: a pointer may loop, lead forwards or into the header, a chain of
// pointers may be thousands long. Every pointer must lead before the first label of the run that it ends (RFC 1035
// 4.1.4: "a prior occurrence"), which makes loops impossible, and no more than HOPS_MAX are followed, since 64 KiB
// of pointers to pointers would cost a millisecond. Labels are not judged: a space, a dot or 0xff inside a label is
// given as it is, the faces escape it.
#include "dns_name.h"

#include <stdbool.h>
#include <string.h>

#define HOPS_MAX 128 // a name has at most 127 labels, and a pointer without a label before it serves nobody

enum dns_name_end dns_name_read(const uint8_t *msg, uint32_t len, uint32_t at, struct dns_name *n)
{
	uint32_t start = at, run = at, total = 1;
	bool jumped = false;
	n->len = n->wire = 0;
	for (unsigned hops = 0; at < len;) {
		uint32_t c = msg[at];
		if (c >= 0xc0) {
			if (at + 2 > len)
				return DNS_NAME_CUT;
			if (!jumped)
				n->wire = at + 2 - start;
			jumped = true;
			at = (c & 0x3f) << 8 | msg[at + 1];
			if (at >= run || at < DNS_HEADER_BYTES || ++hops > HOPS_MAX)
				return DNS_NAME_BAD;
			run = at;
			continue;
		}
		if (c > 63) // 01 and 10 in the top bits are no label types (RFC 6891 5)
			return DNS_NAME_BAD;
		if (!jumped)
			n->wire = at + 1 + c - start;
		if (c == 0)
			return DNS_NAME_OK;
		total += c + 1;
		if (total > DNS_NAME_MAX)
			return DNS_NAME_BAD;
		if (at + 1 + c > len)
			return DNS_NAME_CUT;
		if (n->len)
			n->text[n->len++] = '.';
		memcpy(n->text + n->len, msg + at + 1, c);
		n->len += c;
		at += c + 1;
	}
	return DNS_NAME_CUT;
}

static uint32_t decimal(uint8_t v, uint8_t *out)
{
	uint32_t n = 0;
	if (v >= 100)
		out[n++] = '0' + v / 100;
	if (v >= 10)
		out[n++] = '0' + v / 10 % 10;
	out[n++] = '0' + v % 10;
	return n;
}

static uint32_t hexadecimal(uint16_t v, uint8_t *out)
{
	uint32_t n = 0;
	for (int shift = 12; shift >= 0; shift -= 4)
		if (n || shift == 0 || v >> shift)
			out[n++] = "0123456789abcdef"[v >> shift & 15];
	return n;
}

static uint32_t v4_text(const uint8_t *a, uint8_t *out)
{
	uint32_t n = 0;
	for (unsigned i = 0; i < 4; i++) {
		if (i)
			out[n++] = '.';
		n += decimal(a[i], out + n);
	}
	return n;
}

// RFC 5952 4: no leading zeros, the longest run of two or more zero groups shortened, the first of equal ones.
static uint32_t v6_text(const uint8_t *a, uint8_t *out)
{
	int best = -1, best_len = 1, run = 0;
	for (int i = 0; i < 8; i++) {
		run = a[2 * i] | a[2 * i + 1] ? 0 : run + 1;
		if (run > best_len) {
			best_len = run;
			best = i - run + 1;
		}
	}
	uint32_t n = 0;
	for (int i = 0; i < 8; i++) {
		if (i == best) {
			out[n++] = ':';
			out[n++] = ':';
			i += best_len - 1;
			continue;
		}
		if (n && out[n - 1] != ':')
			out[n++] = ':';
		n += hexadecimal((uint16_t)(a[2 * i] << 8 | a[2 * i + 1]), out + n);
	}
	return n;
}

uint32_t dns_address_text(const uint8_t *a, uint32_t len, uint8_t *out)
{
	return len == 4 ? v4_text(a, out) : v6_text(a, out);
}
