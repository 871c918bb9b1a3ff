// SPDX-License-Identifier: BSD-3-Clause
//
// HTTP/2 in the clear (RFC 9113), no more than what DNS needs: DATA frames that hold a whole DNS message (RFC 8484)
// are handed to dns.c, which says it where it is beyond doubt. In come both directions of a stream that begins with
// the preface, out go DNS records. Worker's thread.
//
// Header blocks are not read: HPACK's state is a connection's whole history, and HTTP/2 in the clear is rare. So the
// names of requests, and a query that stands base64 in a path (its answer names it again), are not seen here.
#include <string.h>

#include "app.h"
#include "dns.h"

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" // RFC 9113 3.4
#define PREFACE_BYTES 24
#define PREFACE_HEAD 18 // as much of it as no other protocol says
#define FRAME_HEAD 9
#define DNS_MAX 16384 // what a frame holds where no other size was agreed (RFC 9113 4.2)
#define TYPE_DATA 0
#define FLAG_PADDED 0x08

struct http2 {
	bool begun[2]; // the preface is behind
};

int http2_looks(const uint8_t *p, uint32_t len)
{
	uint32_t n = len < PREFACE_BYTES ? len : PREFACE_BYTES;
	if (memcmp(p, PREFACE, n) != 0)
		return 0;
	return n >= PREFACE_HEAD ? 1 : -1;
}

static void read_data(struct app_in *in, const uint8_t *p, uint32_t len, bool padded)
{
	if (padded) {
		if (len == 0 || p[0] >= len)
			return;
		len -= 1 + p[0];
		p++;
	}
	dns_message(in, p, len);
}

// One frame at p, or how many bytes of it are needed; 0: done with it.
static uint32_t read_frame(struct app_in *in, const uint8_t *p, uint32_t have)
{
	if (have < FRAME_HEAD)
		return FRAME_HEAD;
	uint32_t len = (uint32_t)p[0] << 16 | p[1] << 8 | p[2];
	if (p[3] == TYPE_DATA && len <= DNS_MAX) {
		if (have < FRAME_HEAD + len)
			return FRAME_HEAD + len;
		read_data(in, p + FRAME_HEAD, len, p[4] & FLAG_PADDED);
	}
	in->consumed += FRAME_HEAD;
	if (have >= FRAME_HEAD + len)
		in->consumed += len;
	else { // the rest of a frame of another type is nobody's
		in->consumed += have - FRAME_HEAD;
		in->skip = len - (have - FRAME_HEAD);
	}
	return 0;
}

enum app_step http2_data(struct app_in *in)
{
	struct http2 *s = in->state;
	if (in->after_gap)
		return APP_CLOSE; // frames have no mark to find the next one by
	if (!s->begun[in->dir]) {
		int yes = http2_looks(in->data, in->len);
		if (yes < 0 || (yes > 0 && in->len < PREFACE_BYTES)) {
			in->need = PREFACE_BYTES;
			return in->end ? APP_DONE : APP_MORE;
		}
		s->begun[in->dir] = true; // a server has no preface but its SETTINGS
		in->consumed = yes ? PREFACE_BYTES : 0;
	}
	while (in->consumed < in->len && !in->skip) {
		in->need = read_frame(in, in->data + in->consumed, in->len - in->consumed);
		if (in->need)
			return in->end ? APP_DONE : APP_MORE;
	}
	return APP_MORE;
}
