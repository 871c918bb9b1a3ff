// SPDX-License-Identifier: BSD-3-Clause
//
// Frames of HTTP/2 (RFC 9113 4, 6), taken apart. Pure functions over bytes.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/be.h"

#define HTTP2_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" // 3.4
#define HTTP2_PREFACE_BYTES 24
#define HTTP2_PREFACE_HEAD 18 // as much of it as no other protocol says
#define HTTP2_FRAME_HEAD 9
#define HTTP2_FRAME_MAX 16384 // what a frame holds where no other size was agreed: 4.2

enum http2_frame_type {
	DATA,
	HEADERS,
	PRIORITY,
	RST_STREAM,
	SETTINGS,
	PUSH_PROMISE,
	PING,
	GOAWAY,
	WINDOW_UPDATE,
	CONTINUATION
};
enum http2_frame_flag { ACK = 1, END_STREAM = 1, END_HEADERS = 4, PADDED = 8, WITH_PRIORITY = 32 };

struct http2_frame {
	const uint8_t *p; // behind its head
	uint32_t len, id;
	uint8_t type, flags;
};

static inline bool http2_frame_head(const uint8_t *p, uint32_t have, struct http2_frame *f)
{
	if (have < HTTP2_FRAME_HEAD)
		return false;
	*f = (struct http2_frame){.p = p + HTTP2_FRAME_HEAD,
				  .len = (uint32_t)p[0] << 16 | p[1] << 8 | p[2],
				  .id = be32(p + 5) & 0x7fffffff,
				  .type = p[3],
				  .flags = p[4]};
	return true;
}

// What stands around the fragment of the block's first frame (RFC 9113 6.2, 6.6). False: more than there is.
static inline bool http2_frame_strip(struct http2_frame *f)
{
	uint32_t front = f->type == PUSH_PROMISE                            ? 4
			 : f->type == HEADERS && (f->flags & WITH_PRIORITY) ? 5
									    : 0,
		 pad = 0;
	if (f->flags & PADDED) {
		if (!f->len)
			return false;
		pad = f->p[0];
		front++;
	}
	if (front + pad > f->len)
		return false;
	f->p += front;
	f->len -= front + pad;
	return true;
}

// A server's first frame (3.4).
static inline bool http2_frame_first(const struct http2_frame *f)
{
	return f->type == SETTINGS && !f->flags && !f->id && f->len % 6 == 0 && f->len <= HTTP2_FRAME_MAX;
}

// Could this be a frame? Lengths, flags and streams as RFC 9113 6 has them.
static inline bool http2_frame_sane(const struct http2_frame *f)
{
	static const uint8_t flags[] = {9, 45, 0, 0, 1, 12, 1, 0, 0, 4}, least[] = {1, 1, 5, 4, 0, 5, 8, 8, 4, 1};
	bool all = f->type == SETTINGS || f->type == PING || f->type == GOAWAY;
	return f->type <= CONTINUATION && !(f->flags & ~flags[f->type]) && f->len >= least[f->type] &&
	       f->len <= HTTP2_FRAME_MAX && (f->type == WINDOW_UPDATE || !f->id == all);
}
