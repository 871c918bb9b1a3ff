// SPDX-License-Identifier: BSD-3-Clause
//
// ClientHellos by hand: TLS 1.2, one cipher suite, the extensions that a test asks for in that order.
#pragma once

#include <stdint.h>
#include <string.h>

struct hello_made {
	uint8_t exts[70000];
	uint32_t len;
};

static inline void hello_extension(struct hello_made *h, uint16_t type, const void *data, uint32_t len)
{
	uint8_t head[4] = {type >> 8, type & 255, len >> 8, len & 255};
	memcpy(h->exts + h->len, head, 4);
	memcpy(h->exts + h->len + 4, data, len);
	h->len += 4 + len;
}

static inline void hello_name(struct hello_made *h, const char *name, uint32_t len)
{
	uint8_t e[1024] = {(len + 3) >> 8, (len + 3) & 255, 0, len >> 8, len & 255};
	memcpy(e + 5, name, len);
	hello_extension(h, 0, e, len + 5);
}

// The body, as hello_read takes it.
static inline uint32_t hello_body(uint8_t *to, const struct hello_made *h)
{
	uint8_t *p = to;
	memset(p, 0, 35);
	p[0] = p[1] = 3;
	p += 35;
	memcpy(p, "\x00\x02\xc0\x2f\x01\x00", 6);
	p += 6;
	if (h->len) {
		*p++ = h->len >> 8;
		*p++ = h->len & 255;
		memcpy(p, h->exts, h->len);
		p += h->len;
	}
	return p - to;
}

// The whole, in records of at most `record` bytes.
static inline uint32_t hello_record(uint8_t *to, const struct hello_made *h, uint32_t record)
{
	static uint8_t body[80000];
	uint32_t len = hello_body(body + 4, h), n = 0;
	body[0] = 1;
	body[1] = len >> 16;
	body[2] = len >> 8 & 255;
	body[3] = len & 255;
	for (uint32_t at = 0, part; at < len + 4; at += part) {
		part = len + 4 - at < record ? len + 4 - at : record;
		memcpy(to + n, (uint8_t[]){22, 3, 1, part >> 8, part & 255}, 5);
		memcpy(to + n + 5, body + at, part);
		n += 5 + part;
	}
	return n;
}
