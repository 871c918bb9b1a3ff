// SPDX-License-Identifier: BSD-3-Clause
//
// Start lines: where a message of HTTP/1 begins, and a request's line taken apart.
#pragma once

#include "http_name.h"

// A request line, with its end.
struct http_line {
	struct http_span method, target, protocol;
	uint32_t len;
	uint32_t causes; // bits of enum http_cause
	int sure;        // 2: a request's beyond doubt, 1: with good will
};

// What p[0..len) begins with: is it a start line? Leading empty lines are passed over (RFC 9112 2.2).
enum http_start { HTTP_START_NO, HTTP_START_MORE, HTTP_START_REQUEST, HTTP_START_RESPONSE };
// early: a known method and the beginning of a target are enough; else the line has to be whole.
// r: out, a request's line taken apart, where it is whole; else its len is 0.
enum http_start http_start_of(const uint8_t *p, uint32_t len, bool early, struct http_line *r);
// Of a request line that may go on, and nothing follows its len bytes: is it HTTP/0.9's, which has no more (RFC
// 1945 4.1)?
bool http_start_simple(const struct http_line *line, uint32_t len);
// Of a start line: is it a response's, or a request's whose method is registered (or met often)?
bool http_start_known(const uint8_t *p, uint32_t len);

// In bytes of unknown place: moves *at on to the next place where a message may begin: behind a line's end, or, among a
// server's, whose bodies end anywhere, at what a status line begins with. False: there is none; the bytes before *at
// need no second look.
bool http_start_seek(const uint8_t *p, uint32_t len, bool client, bool end, uint32_t *at);
// "HTTP/1.1 200 reason" (RFC 9112 4), without its end; the reason may be absent with its space.
bool http_start_status(struct http_span line, uint16_t *status);
