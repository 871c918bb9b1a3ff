// SPDX-License-Identifier: BSD-3-Clause
//
// tls.c, dtls.c and hello.c with whatever bytes. The first byte of the input says which:
//
//   0  one direction of TLS: cuts (count, then a byte each), then the stream. Played whole and in those cuts, it must
//      say the same: that is the oracle beyond the sanitizers
//   1  both directions of TLS: pieces of (direction and length byte, bytes); length 0: the end of the input
//   2  DTLS: datagrams of (direction and cut flags, length of 2 bytes, bytes)
//   3  the body of a hello: transport byte, then the body
//   5  as 1, and bytes are missing before each second piece
//   8  a hello's lists as a record carries them: a bit QUIC, how many facts, then each: length of 2 bytes, bytes
#include "../unit/app_player.h"

#include <rte_mbuf.h>

#include "path/app/hello.h"
#include "ship/fingerprint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct player *player;
static char whole[1 << 20];
static bool holes;

static void start(void)
{
	player_start(player, tls_data, tls_end);
	player->f.app = APP_TLS;
}

static void one_direction(const uint8_t *p, size_t len)
{
	size_t cuts = len ? p[0] : 0, at = 0, n;
	if (len < 1 + cuts)
		return;
	const uint8_t *s = p + 1 + cuts;
	size_t left = len - 1 - cuts;
	tls_looks(s, left);
	start();
	player_say(player, 0, s, left);
	strcpy(whole, player_end(player));
	start();
	for (size_t i = 0; i < cuts && at < left; i++, at += n) {
		n = p[1 + i] ? p[1 + i] : 1000;
		n = n < left - at ? n : left - at;
		player_say(player, 0, s + at, n);
	}
	player_say(player, 0, s + at, left - at);
	if (strcmp(whole, player_end(player))) {
		fprintf(stderr, "whole:\n%s\ncut:\n%s\n", whole, player->said);
		abort();
	}
}

static void two_directions(const uint8_t *p, size_t len)
{
	start();
	for (bool second = false; len > 1; second = !second) {
		size_t n = p[0] >> 1 ? (size_t)(p[0] >> 1) * 8 : len - 1;
		n = n < len - 1 ? n : len - 1;
		player->side[p[0] & 1].gap |= holes && second;
		player_say(player, p[0] & 1, p + 1, n);
		p += 1 + n;
		len -= 1 + n;
	}
	player_end(player);
}

// Flows of which the player knows no end have left transactions: they go now, not amid what the next input says.
static void forget(void)
{
	struct app_in in = {.w = &player->w, .f = &player->f, .scratch = player->w.inspect->scratch};
	for (uint32_t room = 0; room < 2 * player->w.config->arena_bytes + 4 * RECORD_MAX; room += RECORD_MAX / 2) {
		txn_end(&in, txn_begin(&in, RECORD_TLS, RECORD_MAX / 2));
		player_collect(player);
	}
	player->nsaid = 0;
}

static void datagrams(const uint8_t *p, size_t len)
{
	static struct {
		struct rte_mbuf m;
		struct pkt k;
	} packet;
	player_start(player, tls_data, dtls_end);
	for (uint64_t frame = 1; len > 3; frame++) {
		size_t n = (size_t)p[1] << 8 | p[2];
		n = n < len - 3 ? n : len - 3;
		uint8_t *copy = malloc(n ? n : 1);
		memcpy(copy, p + 3, n);
		dtls_looks(copy, n);
		packet.m.buf_addr = copy;
		packet.k.frame = player->w.frame = frame;
		player->f.id = (p[0] >> 4) << 3; // sixteen flows over a pool of four
		struct app_in in = {.w = &player->w,
				    .f = &player->f,
				    .data = copy,
				    .len = n,
				    .dir = p[0] & 1,
				    .cut = p[0] & 2,
				    .end = true,
				    .m = &packet.m,
				    .scratch = player->w.inspect->scratch};
		dtls_datagram(&in);
		free(copy);
		player_collect(player);
		player->nsaid = 0;
		p += 3 + n;
		len -= 3 + n;
	}
	player_end(player);
	forget();
}

static struct origin nowhere(const struct hello_source *src, uint32_t at, uint32_t len)
{
	(void)src;
	return (struct origin){1, at, len};
}

static void body(const uint8_t *p, size_t len)
{
	if (len < 1)
		return;
	start();
	uint8_t *copy = malloc(len > 1 ? len - 1 : 1);
	struct hello_told told;
	memcpy(copy, p + 1, len - 1);
	struct app_in in = {
		.w = &player->w, .f = &player->f, .data = copy, .len = len - 1, .scratch = player->w.inspect->scratch};
	struct hello_source src = {.in = &in, .origin_at = nowhere, .cut = p[0] & 4};
	txn_t t = txn_begin(&in, RECORD_TLS, hello_room(len));
	hello_read(&src, t, (p[0] & 3) % 3, copy, len - 1, &told);
	txn_end(&in, t);
	free(copy);
	player_end(player);
}

// What comes out is a record that can be walked, and has no lists any more.
static void lists(const uint8_t *p, size_t len)
{
	if (len < 1)
		return;
	bool quic = p[0] & 1;
	uint8_t *room = calloc(1, RECORD_MAX);
	struct record *r = (struct record *)room;
	*r = (struct record){.kind = quic ? RECORD_QUIC : RECORD_TLS, .len = sizeof(*r)};
	for (p++, len--; len > 2; r->nfacts++) {
		size_t n = (size_t)p[0] << 8 | p[1];
		n = n < len - 2 ? n : len - 2;
		n = n < FACT_VALUE_MAX ? n : FACT_VALUE_MAX;
		if (r->len + FACT_SIZE(n) > RECORD_MAX)
			break;
		struct fact *f = (struct fact *)(room + r->len);
		*f = (struct fact){.field = n % 3 ? quic ? FACT_QUIC_HELLO : FACT_TLS_HELLO : FACT_HOST, .len = n};
		memcpy(f->value, p + 2, n);
		r->len += FACT_SIZE(n);
		p += 2 + n;
		len -= 2 + n;
	}
	struct fingerprint *fingerprint = fingerprint_new();
	const struct record *out = fingerprint_record(fingerprint, r);
	const struct fact *f = record_first(out);
	for (unsigned i = 0; i < out->nfacts; i++, f = fact_next(f))
		if (f->field == FACT_QUIC_HELLO || f->field == FACT_TLS_HELLO || f->len > FACT_VALUE_MAX)
			abort();
	if ((const uint8_t *)f != (const uint8_t *)out + out->len)
		abort();
	fingerprint_free(fingerprint);
	free(room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const modes[])(const uint8_t *, size_t) = {one_direction, two_directions, datagrams, body};
	if (!player)
		player = player_new();
	if (size < 1 || size > 65536)
		return 0;
	uint8_t *copy = malloc(size > 1 ? size - 1 : 1);
	memcpy(copy, data + 1, size - 1);
	holes = data[0] & 4;
	(data[0] & 8 ? lists : modes[data[0] & 3])(copy, size - 1);
	free(copy);
	return 0;
}
