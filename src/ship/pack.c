// SPDX-License-Identifier: BSD-3-Clause
//
// Packing of an object's lines, as they come. A library's state takes a megabyte, so that it is made when there is
// enough text for it; of hundreds of tenants most have a few lines a minute. One frame an object: readers exist that
// stop after a frame.
//
// zstd level 1 with a window of 1 MiB: of EVE lines 9 to 14 times smaller at some hundred MB/s; level 3 gives a tenth
// more for half the speed. gzip level 6 is zlib's own choice; 1 loses a third.
#include "ship/pack.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#define SMALL (256u * 1024)
#define STEP (128u * 1024)
#define ZSTD_LEVEL 1
#define ZSTD_WINDOW_LOG 20
#define GZIP_MEMORY (268u * 1024) // zlib.h: (1 << (windowBits+2)) + (1 << (memLevel+9)), and a little

const char *const pack_suffixes[PACK_KINDS] = {".zst", ".gz", ""};

bool pack_reserve(struct pack_bytes *b, size_t more)
{
	if (b->room - b->n >= more)
		return true;
	size_t room = b->room * 2 > b->n + more ? b->room * 2 : b->n + more;
	char *p = realloc(b->p, room);
	if (!p)
		return false;
	b->p = p;
	b->room = room;
	return true;
}

static bool begin(struct pack *k)
{
	if (k->kind == PACK_GZIP) {
		z_stream *z = calloc(1, sizeof(*z));
		k->state = z;
		// 16: a gzip header, whose time is 0
		return z && deflateInit2(z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK;
	}
	k->state = ZSTD_createCCtx();
	return k->state && !ZSTD_isError(ZSTD_CCtx_setParameter(k->state, ZSTD_c_compressionLevel, ZSTD_LEVEL)) &&
	       !ZSTD_isError(ZSTD_CCtx_setParameter(k->state, ZSTD_c_windowLog, ZSTD_WINDOW_LOG)) &&
	       !ZSTD_isError(ZSTD_CCtx_setParameter(k->state, ZSTD_c_checksumFlag, 1));
}

static bool gzip(struct pack *k, const char *text, size_t n, struct pack_bytes *out, bool last)
{
	z_stream *z = k->state;
	int rc = Z_OK;
	z->next_in = (Bytef *)(uintptr_t)text;
	z->avail_in = (uInt)n;
	do {
		if (!pack_reserve(out, STEP))
			return false;
		size_t room = out->room - out->n;
		z->avail_out = room > 1u << 30 ? 1u << 30 : (uInt)room;
		z->next_out = (Bytef *)out->p + out->n;
		rc = deflate(z, last ? Z_FINISH : Z_NO_FLUSH);
		out->n = (size_t)((char *)z->next_out - out->p);
	} while (rc == Z_OK && (z->avail_in || z->avail_out == 0 || last));
	return rc == Z_OK || rc == Z_STREAM_END || rc == Z_BUF_ERROR;
}

static bool zstd(struct pack *k, const char *text, size_t n, struct pack_bytes *out, bool last)
{
	ZSTD_inBuffer in = {text, n, 0};
	size_t left;
	do {
		if (!pack_reserve(out, STEP))
			return false;
		ZSTD_outBuffer to = {out->p + out->n, out->room - out->n, 0};
		left = ZSTD_compressStream2(k->state, &to, &in, last ? ZSTD_e_end : ZSTD_e_continue);
		if (ZSTD_isError(left))
			return false;
		out->n += to.pos;
	} while (in.pos < in.size || (last && left));
	return true;
}

static bool through(struct pack *k, const char *text, size_t n, struct pack_bytes *out, bool last)
{
	return k->kind == PACK_GZIP ? gzip(k, text, n, out, last) : zstd(k, text, n, out, last);
}

bool pack_add(struct pack *k, const char *text, size_t n, struct pack_bytes *out)
{
	struct pack_bytes *to = k->kind == PACK_NONE ? out : &k->text;
	if (!pack_reserve(to, n))
		return false;
	memcpy(to->p + to->n, text, n);
	to->n += n;
	if (k->kind == PACK_NONE || k->text.n < (k->state ? STEP : SMALL))
		return true;
	bool ok = (k->state || begin(k)) && through(k, k->text.p, k->text.n, out, false);
	k->text.n = 0;
	return ok;
}

bool pack_end(struct pack *k, struct pack_bytes *out)
{
	bool ok = k->kind == PACK_NONE || ((k->state || begin(k)) && through(k, k->text.p, k->text.n, out, true));
	pack_free(k);
	return ok;
}

size_t pack_memory(const struct pack *k)
{
	return k->text.room + (!k->state ? 0 : k->kind == PACK_GZIP ? GZIP_MEMORY : ZSTD_sizeof_CCtx(k->state));
}

void pack_free(struct pack *k)
{
	if (k->state && k->kind == PACK_GZIP) {
		deflateEnd(k->state);
		free(k->state);
	} else {
		ZSTD_freeCCtx(k->state);
	}
	free(k->text.p);
	k->state = NULL;
	k->text = (struct pack_bytes){0};
}
