// SPDX-License-Identifier: BSD-3-Clause
//
// The names inside a request: target, path, authority. Pure functions over bytes.
#pragma once

#include "http_span.h"

// An authority or Host value taken apart. name is what the parts were made from, without user information and
// port, still as sent.
struct http_authority {
	struct http_span name;
	uint32_t port; // 0: none given
	bool userinfo; // there was user information
	bool bad;      // bytes that no authority has, or a port that is none
};

// Takes apart `[userinfo@]host[:port]` (RFC 3986 3.2).
struct http_authority http_name_authority(struct http_span in);
// The authority of an absolute-form target (RFC 9112 3.2.2); len 0: it has none.
struct http_span http_name_absolute(struct http_span target);

// Writes the host of an authority as names are compared: percent-decoded once, lower case, without a trailing dot.
// Returns its length; longer than room is cut (names end at 255, RFC 1035 2.3.4).
uint32_t http_name_host(struct http_span name, uint8_t *out, uint32_t room);

// Writes the path of an origin-form or absolute-form target: without query and fragment, percent-decoded once,
// runs of '/' made one, dot segments removed (RFC 3986 5.2.4, 6.2.2), parameters kept. "*" stays. Returns its
// length, at most room.
uint32_t http_name_path(struct http_span target, uint8_t *out, uint32_t room);
