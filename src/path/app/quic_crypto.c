// SPDX-License-Identifier: BSD-3-Clause
//
// Initial packets are sealed with keys that anybody on the path can compute: HKDF of a salt (one a version) and the
// connection id that the client chose (RFC 9001 5.2). In come that id and a packet, out goes its plaintext if and
// only if the tag is right. Worker's thread.
//
// AES is libipsec-mb's, by its direct calls, which neither allocate nor lock. Hashes are libcrypto's low-level ones,
// which work on the caller's stack and use the processor's SHA instructions: libipsec-mb's SHA-256 of one message at
// a time took 31 us for a connection's keys, these take 2 to 3.
//
// Keys are kept as 44 bytes a side and expanded for each packet (some 200 ns): an expanded GCM key is 1 KiB, and a
// client sends one to three Initials. Rejected: libcrypto's EVP, which allocates in HKDF and GCM init.
#include "quic_crypto.h"

#include <stdbool.h>
#include <string.h>

#define NO_COMPAT_IMB_API_053 // old names that are libcrypto's too
#include <intel-ipsec-mb.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations" // see above
#include <openssl/sha.h>

#define TAG_BYTES 16
#define SAMPLE_BYTES 16
#define SALT_BYTES 20
#define HASH_BYTES 32

static const uint8_t salt_22[SALT_BYTES] = {0x7f, 0xbc, 0xdb, 0x0e, 0x7c, 0x66, 0xbb, 0xe9, 0x19, 0x3a,
					    0x96, 0xcd, 0x21, 0x51, 0x9e, 0xbd, 0x7a, 0x02, 0x64, 0x4a};
static const uint8_t salt_23[SALT_BYTES] = {0xc3, 0xee, 0xf7, 0x12, 0xc7, 0x2e, 0xbb, 0x5a, 0x11, 0xa7,
					    0xd2, 0x43, 0x2b, 0xb4, 0x63, 0x65, 0xbe, 0xf9, 0xf5, 0x02};
static const uint8_t salt_29[SALT_BYTES] = {0xaf, 0xbf, 0xec, 0x28, 0x99, 0x93, 0xd2, 0x4c, 0x9e, 0x97,
					    0x86, 0xf1, 0x9c, 0x61, 0x11, 0xe0, 0x43, 0x90, 0xa8, 0x99};
static const uint8_t salt_v1[SALT_BYTES] = {0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17,
					    0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a};
static const uint8_t salt_v2[SALT_BYTES] = {0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93,
					    0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9, 0xbd, 0x2e, 0xd9};
static const uint8_t salt_q050[SALT_BYTES] = {0x50, 0x45, 0x74, 0xef, 0xd0, 0x66, 0xfe, 0x2f, 0x9d, 0x94,
					      0x5c, 0xfc, 0xdb, 0xd3, 0xa7, 0xf0, 0xd3, 0xb5, 0x6b, 0x45};
static const uint8_t salt_t050[SALT_BYTES] = {0x7f, 0xf5, 0x79, 0xe5, 0xac, 0xd0, 0x72, 0x91, 0x55, 0x80,
					      0x30, 0x4c, 0x43, 0xa2, 0x36, 0x7c, 0x60, 0x48, 0x83, 0x10};
static const uint8_t salt_t051[SALT_BYTES] = {0x7a, 0x4e, 0xde, 0xf4, 0xe7, 0xcc, 0xee, 0x5f, 0xa4, 0x50,
					      0x6c, 0x19, 0x12, 0x4f, 0xc8, 0xcc, 0xda, 0x6e, 0x03, 0x3d};

// The most used first. Drafts before 22 have another long header.
static const struct quic_version versions[] = {
	{0x00000001, 0, QUIC_FRAMES_IETF, "1", salt_v1},        {0x6b3343cf, 1, QUIC_FRAMES_IETF, "2", salt_v2},
	{0xff00001d, 0, QUIC_FRAMES_IETF, "draft-29", salt_29}, {0xff00001b, 0, QUIC_FRAMES_IETF, "draft-27", salt_23},
	{0xff000016, 0, QUIC_FRAMES_IETF, "draft-22", salt_22}, {0xff000017, 0, QUIC_FRAMES_IETF, "draft-23", salt_23},
	{0xff000018, 0, QUIC_FRAMES_IETF, "draft-24", salt_23}, {0xff000019, 0, QUIC_FRAMES_IETF, "draft-25", salt_23},
	{0xff00001a, 0, QUIC_FRAMES_IETF, "draft-26", salt_23}, {0xff00001c, 0, QUIC_FRAMES_IETF, "draft-28", salt_23},
	{0xff00001e, 0, QUIC_FRAMES_IETF, "draft-30", salt_29}, {0xff00001f, 0, QUIC_FRAMES_IETF, "draft-31", salt_29},
	{0xff000020, 0, QUIC_FRAMES_IETF, "draft-32", salt_29}, {0xff000021, 0, QUIC_FRAMES_IETF, "draft-33", salt_v1},
	{0xff000022, 0, QUIC_FRAMES_IETF, "draft-34", salt_v1}, {0x51303530, 0, QUIC_FRAMES_GOOGLE, "Q050", salt_q050},
	{0x54303530, 0, QUIC_FRAMES_IETF, "T050", salt_t050},   {0x54303531, 0, QUIC_FRAMES_IETF, "T051", salt_t051},
};

const struct quic_version *quic_version_find(uint32_t number)
{
	for (unsigned i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
		if (versions[i].number == number)
			return &versions[i];
	return NULL;
}

size_t quic_crypto_bytes(void)
{
	return imb_get_mb_mgr_size();
}

struct IMB_MGR *quic_crypto_init(void *memory)
{
	IMB_MGR *m = imb_set_pointers_mb_mgr(memory, 0, 1);
	if (m)
		init_mb_mgr_auto(m, NULL);
	return m;
}

// HMAC-SHA256 (RFC 2104) with the key's two blocks done: each secret here makes three or more.
struct mac {
	SHA256_CTX inner, outer;
};

static void mac_key(struct mac *m, const uint8_t *key, uint32_t len)
{
	uint8_t pad[SHA256_CBLOCK];
	memset(pad, 0x36, sizeof(pad));
	for (uint32_t i = 0; i < len; i++)
		pad[i] ^= key[i];
	SHA256_Init(&m->inner);
	SHA256_Update(&m->inner, pad, sizeof(pad));
	for (uint32_t i = 0; i < sizeof(pad); i++)
		pad[i] ^= 0x36 ^ 0x5c;
	SHA256_Init(&m->outer);
	SHA256_Update(&m->outer, pad, sizeof(pad));
}

static void mac(const struct mac *m, const uint8_t *msg, uint32_t len, uint8_t out[HASH_BYTES])
{
	SHA256_CTX c = m->inner;
	SHA256_Update(&c, msg, len);
	SHA256_Final(out, &c);
	c = m->outer;
	SHA256_Update(&c, out, HASH_BYTES);
	SHA256_Final(out, &c);
}

// HKDF-Expand-Label (RFC 8446 7.1) with an empty context, of at most one hash.
static void expand(const struct mac *m, const char *label, uint8_t *out, uint32_t len)
{
	uint8_t info[32], full[HASH_BYTES];
	uint32_t n = strlen(label);
	info[0] = 0;
	info[1] = len;
	info[2] = 6 + n;
	memcpy(info + 3, "tls13 ", 6);
	memcpy(info + 9, label, n);
	info[9 + n] = 0;
	info[10 + n] = 1;
	mac(m, info, 11 + n, full);
	memcpy(out, full, len);
}

void quic_keys(const struct quic_version *v, const uint8_t *dcid, uint32_t len, struct quic_key side[2])
{
	static const char *const sides[2] = {"client in", "server in"};
	uint8_t secret[HASH_BYTES];
	struct mac salt, initial, m;
	mac_key(&salt, v->salt, SALT_BYTES);
	mac(&salt, dcid, len, secret);
	mac_key(&initial, secret, HASH_BYTES);
	for (unsigned i = 0; i < 2; i++) {
		expand(&initial, sides[i], secret, HASH_BYTES);
		mac_key(&m, secret, HASH_BYTES);
		expand(&m, v->v2 ? "quicv2 key" : "quic key", side[i].key, sizeof(side[i].key));
		expand(&m, v->v2 ? "quicv2 iv" : "quic iv", side[i].iv, sizeof(side[i].iv));
		expand(&m, v->v2 ? "quicv2 hp" : "quic hp", side[i].hp, sizeof(side[i].hp));
	}
}

// One block of AES-ECB: CFB of 16 zero bytes gives E(iv).
static void mask_of(IMB_MGR *m, const struct quic_key *k, const uint8_t *sample, uint8_t mask[SAMPLE_BYTES])
{
	DECLARE_ALIGNED(uint8_t enc[16 * 11], 16);
	DECLARE_ALIGNED(uint8_t dec[16 * 11], 16);
	static const uint8_t zero[SAMPLE_BYTES];
	IMB_AES_KEYEXP_128(m, k->hp, enc, dec);
	IMB_AES128_CFB_ONE(m, mask, zero, sample, enc, SAMPLE_BYTES);
}

// RFC 9000 A.3
static uint64_t number_decode(uint64_t next, uint64_t truncated, unsigned bits)
{
	uint64_t window = 1ull << bits, half = window / 2;
	uint64_t candidate = (next & ~(window - 1)) | truncated;
	if (candidate + half <= next && candidate < (1ull << 62) - window)
		return candidate + window;
	return candidate > next + half && candidate >= window ? candidate - window : candidate;
}

bool quic_open(IMB_MGR *m, const struct quic_key *k, const uint8_t *p, uint32_t size, uint32_t pn_at, uint64_t next,
	       uint8_t *out, struct quic_opened *o)
{
	uint8_t mask[SAMPLE_BYTES], nonce[12], tag[TAG_BYTES];
	if (pn_at + 4 + SAMPLE_BYTES > size)
		return false;
	mask_of(m, k, p + pn_at + 4, mask);
	memcpy(out, p, pn_at + 4);
	out[0] ^= mask[0] & 0x0f;
	unsigned pn_len = (out[0] & 3) + 1;
	uint64_t number = 0;
	for (unsigned i = 0; i < pn_len; i++)
		number = number << 8 | (out[pn_at + i] ^= mask[1 + i]);
	o->number = number_decode(next, number, 8 * pn_len);
	o->at = pn_at + pn_len;
	if (o->at + TAG_BYTES >= size)
		return false;
	o->len = size - o->at - TAG_BYTES;
	memcpy(nonce, k->iv, sizeof(nonce));
	for (unsigned i = 0; i < 8; i++)
		nonce[11 - i] ^= (uint8_t)(o->number >> 8 * i);
	DECLARE_ALIGNED(struct gcm_key_data gcm, 64); // the library stores its keys with aligned moves
	DECLARE_ALIGNED(struct gcm_context_data context, 64);
	IMB_AES128_GCM_PRE(m, k->key, &gcm);
	IMB_AES128_GCM_DEC(m, &gcm, &context, out + o->at, p + o->at, o->len, nonce, out, o->at, tag, TAG_BYTES);
	return memcmp(tag, p + o->at + o->len, TAG_BYTES) == 0;
}
