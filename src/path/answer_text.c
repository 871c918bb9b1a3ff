// SPDX-License-Identifier: BSD-3-Clause
//
// What a person or a client program reads: the page in place of a denied HTTP response, and TLS's alert. Pure: a rule's
// words come in, bytes go out. Small, so that the page fits into three segments of the smallest MSS, which any client
// takes before its first ACK (RFC 6928).
//
// The rule's words are the operator's, not the client's: nothing of the request is shown, so nothing can be smuggled
// into the page. They are escaped all the same, and cut where they are long.
#include "answer.h"

#include <string.h>

#include <rte_common.h>

#define WORDS_MAX 512 // bytes of a reason on the page
#define ID_MAX 128

struct pen {
	uint8_t *at, *end;
};

static void put(struct pen *p, const void *s, size_t len)
{
	size_t n = RTE_MIN(len, (size_t)(p->end - p->at));
	memcpy(p->at, s, n);
	p->at += n;
}

static void say(struct pen *p, const char *s)
{
	put(p, s, strlen(s));
}

// Cut before a byte that continues a character of UTF-8.
static uint32_t cut(const uint8_t *s, uint32_t len, uint32_t max)
{
	if (len <= max)
		return len;
	while (max && (s[max] & 0xc0) == 0x80)
		max--;
	return max;
}

static void say_escaped(struct pen *p, const uint8_t *s, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++) {
		switch (s[i]) {
		case '<':
			say(p, "&lt;");
			break;
		case '>':
			say(p, "&gt;");
			break;
		case '&':
			say(p, "&amp;");
			break;
		case '"':
			say(p, "&quot;");
			break;
		default:
			put(p, s[i] < ' ' ? (const uint8_t *)" " : &s[i], 1);
		}
	}
}

static void say_number(struct pen *p, uint64_t v, unsigned base)
{
	char digits[24];
	unsigned n = 0;
	do
		digits[n++] = "0123456789abcdef"[v % base];
	while ((v /= base) && n < sizeof(digits));
	while (n)
		put(p, &digits[--n], 1);
}

static void say_incident(struct pen *p, const struct answer_about *a)
{
	say_number(p, a->flow_id, 16);
	say(p, ".");
	say_number(p, a->tx_id, 10);
}

static uint32_t body(const struct answer_about *a, uint8_t *out, uint32_t room)
{
	struct pen p = {out, out + room};
	say(&p,
	    "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Blocked</title>\n<h1>Blocked</h1>\n<p>");
	if (a->reason_len)
		say_escaped(&p, a->reason, cut(a->reason, a->reason_len, WORDS_MAX));
	else
		say(&p, "The policy of this network does not allow this.");
	say(&p, "</p>\n<p>Rule: ");
	say_escaped(&p, a->id, cut(a->id, a->id_len, ID_MAX));
	say(&p, "<br>\nIncident: ");
	say_incident(&p, a);
	say(&p, "</p></html>\n");
	return (uint32_t)(p.at - out);
}

uint32_t answer_page(const struct answer_about *a, bool head, uint8_t out[ANSWER_TEXT_MAX])
{
	uint8_t text[ANSWER_TEXT_MAX - 256];
	uint32_t len = body(a, text, sizeof(text));
	struct pen p = {out, out + ANSWER_TEXT_MAX};
	say(&p, "HTTP/1.1 403 Forbidden\r\nContent-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\n"
		"Connection: close\r\nContent-Length: ");
	say_number(&p, len, 10);
	say(&p, "\r\n\r\n");
	if (!head)
		put(&p, text, len);
	return (uint32_t)(p.at - out);
}

uint32_t answer_alert(uint8_t out[ANSWER_TEXT_MAX])
{
	// alert of version 1.2 on the wire, 2 bytes: fatal, access_denied (RFC 8446 5.1, 6.2)
	static const uint8_t alert[] = {21, 3, 3, 0, 2, 2, 49};
	memcpy(out, alert, sizeof(alert));
	return sizeof(alert);
}
