// SPDX-License-Identifier: BSD-3-Clause
//
// Parts of a URL or of a request's target (RFC 3986 3, RFC 9112 3.2), as a reader of logs would part it. Nothing is
// decoded, nothing is refused: these bytes are a stranger's.
#pragma once

#include <stdint.h>

struct url_part { // len 0: it has none
	uint32_t at, len;
};

struct url {
	struct url_part scheme, user, host, port;
	struct url_part path;  // from its '/' on
	struct url_part query; // behind '?', and what is behind '#': tokens are handed on there
};

void url_read(struct url *u, const uint8_t *p, uint32_t len);
// The first byte that is one of `any` (NUL counts as a blank); end: none is.
const uint8_t *url_find(const uint8_t *p, const uint8_t *end, const char *any);
