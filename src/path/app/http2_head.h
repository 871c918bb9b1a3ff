// SPDX-License-Identifier: BSD-3-Clause
//
// A header block of HTTP/2 as a head: decoded, and all that two readers could understand differently. See http2_head.c.
#pragma once

#include "hpack.h"
#include "http_head.h"

enum http2_head_kind { HTTP2_REQUEST, HTTP2_RESPONSE, HTTP2_TRAILERS };

// Decodes the block, whose text begins with a line of its own (b->used), and fills the head with what it says.
// HPACK_END: it was read whole; anything else: as far as it goes, and the table is lost. A response without status, and
// trailers, leave the head's status 0.
enum hpack_step http2_head_read(struct hpack *t, struct hpack_block *b, enum http2_head_kind kind, struct http_head *h);
