// SPDX-License-Identifier: BSD-3-Clause
//
// quic*.c with whatever bytes. The first byte says how: 0 datagrams as they are; 1 frames of a client, 2 of a
// server, 3 Google's frames, which are sealed here first (no fuzzer guesses a tag). The rest is pieces, each a
// length (2 bytes) and bytes. Checked beyond the sanitizers: bytes taken stay as they were first taken, and the
// pool's lists are whole.
#include "../unit/datagram_fixture.h"

#include <intel-ipsec-mb.h>

#include "path/app/quic_conn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PIECES_MAX 64 // of an input: thousands of empty ones would only be slow

static struct fixture *x;

// An Initial of version 1 or Q050 with an id of eight zeros.
static uint32_t seal(const uint8_t *frames, uint32_t len, unsigned how, uint8_t number, uint8_t *out)
{
	struct quic *q = x->inspect.quic;
	uint8_t nonce[12], mask[16];
	static const uint8_t zero[16];
	struct quic_key key[2];
	uint32_t version = how == 3 ? 0x51303530 : 1, n = 0, body = len < 4 ? 4 : len;
	out[n++] = 0xc0;
	for (int s = 24; s >= 0; s -= 8)
		out[n++] = version >> s;
	out[n++] = 8;
	memset(out + n, 0, 8);
	n += 8;
	out[n++] = 0;
	out[n++] = 0;
	out[n++] = 0x80 | (body + 17) >> 24;
	out[n++] = (body + 17) >> 16;
	out[n++] = (body + 17) >> 8;
	out[n++] = body + 17;
	uint32_t pn_at = n;
	out[n++] = number;
	quic_keys(quic_version_find(version), zero, 8, key);
	const struct quic_key *k = &key[how == 2];
	memcpy(nonce, k->iv, 12);
	nonce[11] ^= number;
	uint8_t *plain = x->inspect.scratch;
	memset(plain, 0, 4);
	memcpy(plain, frames, len);
	DECLARE_ALIGNED(struct gcm_key_data gcm, 64); // the library stores its keys with aligned moves
	DECLARE_ALIGNED(struct gcm_context_data context, 64);
	IMB_AES128_GCM_PRE(q->mgr, k->key, &gcm);
	IMB_AES128_GCM_ENC(q->mgr, &gcm, &context, out + n, plain, body, nonce, out, n, out + n + body, 16);
	DECLARE_ALIGNED(uint8_t enc[16 * 11], 16);
	DECLARE_ALIGNED(uint8_t dec[16 * 11], 16);
	IMB_AES_KEYEXP_128(q->mgr, k->hp, enc, dec);
	IMB_AES128_CFB_ONE(q->mgr, mask, zero, out + pn_at + 4, enc, 16);
	out[0] ^= mask[0] & 15;
	out[pn_at] ^= mask[1];
	return n + body + 16;
}

static void check_pool(void)
{
	struct quic *q = x->inspect.quic;
	uint32_t used = 0, unused = 0, chunks = 0, linked = 0;
	for (uint32_t i = q->oldest; i && used <= q->nconns; i = q->conn[i - 1].newer)
		used++;
	for (uint32_t i = q->free_conn; i && unused <= q->nconns; i = q->conn[i - 1].next)
		unused++;
	for (uint32_t i = q->free_chunk; i && chunks <= q->nchunks; i = q->chunk_next[i - 1])
		chunks++;
	for (uint32_t i = 0; i < q->nconns; i++)
		for (unsigned n = 0; n < 2 * QUIC_CRYPTO_MAX / QUIC_CHUNK; n++)
			linked += q->conn[i].flow_id && (&q->conn[i].chunk[0][0])[n];
	if (used + unused != q->nconns || chunks + linked != q->nchunks)
		abort();
}

static void give(const uint8_t *p, uint32_t len, uint8_t dir)
{
	struct app_in *in = fixture_datagram(x, p, len, len, 1, dir);
	if (quic_datagram(in))
		x->f.app = APP_QUIC;
	for (const struct record *r; (r = record_peek(x->w.records));)
		record_done(x->w.records, r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t sealed[70000];
	if (!x) {
		x = fixture_new(IPPROTO_UDP, 40000, 443);
		x->config.apps = 3;
		x->inspect.quic = quic_new(&x->config);
	}
	if (size < 4 || size > 65000)
		return 0;
	unsigned how = data[0] & 3;
	x->f.id += 8;
	x->f.app = APP_NONE;
	uint8_t number = 0;
	for (size_t at = 1; at + 2 <= size && number < PIECES_MAX; number++) {
		uint32_t len = data[at] << 8 | data[at + 1];
		at += 2;
		len = len > size - at ? size - at : len;
		uint8_t *copy = malloc(len ? len : 1); // of its own, so that a read beyond its end is seen
		memcpy(copy, data + at, len);
		if (how == 0) {
			give(copy, len, number & 1);
		} else {
			// a server's packets are opened where a client's was seen
			if (how == 2 && number == 0)
				give(sealed, seal((const uint8_t *)"\x06\0\x01\x01", 4, 1, 0, sealed), 0);
			give(sealed, seal(copy, len, how, number, sealed), how == 2);
		}
		free(copy);
		at += len;
		check_pool();
	}
	if (data[0] & 4) {
		x->in = (struct app_in){.w = &x->w, .f = &x->f, .end = true, .scratch = x->inspect.scratch};
		quic_end(&x->in);
		check_pool();
	}
	x->f.app_state = 0;
	return 0;
}
