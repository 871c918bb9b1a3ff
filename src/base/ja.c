// SPDX-License-Identifier: BSD-3-Clause
//
// JA3 and JA4 of a ClientHello, once a hello: on the shipper's thread, of the lists that the worker packed.
//
//   JA3  md5("version,ciphers,extensions,groups,point formats"), decimal, in the order sent
//   JA4  t13d1516h2_8daaf6152771_b0da82dd1658
//        |||| | |   |            sha256(extensions sorted, less SNI and ALPN, "_", signature algorithms as sent)
//        |||| | |   sha256(ciphers sorted), 12 hex digits, zeros for an empty list
//        |||| | first and last character of the first ALPN protocol (hex digits where not alphanumeric)
//        |||| extensions, |||| ciphers (GREASE not counted, at most 99); d: SNI is there, i: not; version; transport
//
// The digests are libcrypto's low-level ones: deprecated in 3.0 in favour of EVP, but EVP_Digest* allocates a
// context on each fetch, even with a reused EVP_MD_CTX (corridor rule: no allocation after start). These work on the
// stack, and use the processor's SHA extensions where it has them.
// Sorting: insertion up to 64 values (real lists), two passes of radix 256 above, so that a hostile hello of 1,024
// ciphers costs as much time a value as an honest one.
#include "ja.h"

#include <string.h>

#include "tls_hello.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations" // see above
#include <openssl/md5.h>
#include <openssl/sha.h>

static void md5(const void *p, uint32_t len, uint8_t out[16])
{
	MD5_CTX c;
	MD5_Init(&c);
	MD5_Update(&c, p, len);
	MD5_Final(out, &c);
}

static void sha256(const void *p, uint32_t len, uint8_t out[32])
{
	SHA256_CTX c;
	SHA256_Init(&c);
	SHA256_Update(&c, p, len);
	SHA256_Final(out, &c);
}
#pragma GCC diagnostic pop

static const char digits[] = "0123456789abcdef";

static char *hex(char *o, const uint8_t *p, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		*o++ = digits[p[i] >> 4];
		*o++ = digits[p[i] & 15];
	}
	return o;
}

// The three writers below store 8 bytes and step on by as many as they mean: JA3_FULL_MAX leaves that room, and no
// branch depends on a value. (Digit by digit they were a fifth of the time of a hello.)
static inline char *store(char *o, uint64_t w, unsigned n)
{
	memcpy(o, &w, sizeof(w));
	return o + n;
}

// "abcd,"
static inline char *hex16_comma(char *o, uint16_t v)
{
	uint64_t n = (v >> 12) | (v >> 8 & 15) << 8 | (v >> 4 & 15) << 16 | (uint64_t)(v & 15) << 24;
	n += 0x30303030 + ((n + 0x06060606) >> 4 & 0x01010101) * ('a' - '0' - 10);
	return store(o, n | (uint64_t)',' << 32, 5);
}

// Hundreds and units side by side in 16-bit lanes: one multiplication by 103 / 1024 finds both tens (exact below 100).
static inline char *decimal(char *o, uint16_t v)
{
	unsigned n = 1 + (v > 9) + (v > 99) + (v > 999) + (v > 9999);
	uint32_t top = v / 10000, low = v - 10000 * top, hundreds = low / 100;
	uint32_t lanes = hundreds | (low - 100 * hundreds) << 16;
	uint32_t tens = (lanes * 103 >> 10) & 0x000f000f;
	uint64_t text = (uint64_t)(tens | (lanes - 10 * tens) << 8) << 32 | (uint64_t)top << 24;
	return store(o, (text + 0x3030303030000000) >> (8 * (8 - n)), n);
}

static uint16_t value(const struct ja_list *l, uint32_t i)
{
	return (uint16_t)(l->p[2 * i] << 8 | l->p[2 * i + 1]);
}

static char *decimal_dash(char *o, uint16_t v)
{
	o = decimal(o, v);
	*o = '-';
	return o + 1;
}

// "a-b-c"
static char *dashed(char *o, const struct ja_list *l)
{
	char *first = o;
	for (uint32_t i = 0; i < l->n; i++)
		if (!ja_grease(value(l, i)))
			o = decimal_dash(o, value(l, i));
	return o - (o != first);
}

static char *dashed_exts(char *o, const struct ja_hello *h)
{
	char *first = o;
	for (uint32_t i = 0; i < h->nexts; i++)
		if (!ja_grease(h->exts[i]))
			o = decimal_dash(o, h->exts[i]);
	return o - (o != first);
}

uint32_t ja_ja3(const struct ja_hello *h, char *full, char md5_hex[JA3_LEN])
{
	uint8_t sum[16];
	char *o = decimal(full, h->version);
	*o++ = ',';
	o = dashed(o, &h->ciphers);
	*o++ = ',';
	o = dashed_exts(o, h);
	*o++ = ',';
	o = dashed(o, &h->groups);
	*o++ = ',';
	for (uint32_t i = 0; i < h->npoints; i++)
		o = decimal_dash(o, h->points[i]);
	o -= h->npoints > 0;
	md5(full, (uint32_t)(o - full), sum);
	hex(md5_hex, sum, sizeof(sum));
	return (uint32_t)(o - full);
}

static void sort_insertion(uint16_t *v, uint32_t n)
{
	for (uint32_t i = 1; i < n; i++) {
		uint16_t x = v[i];
		uint32_t j = i;
		for (; j > 0 && v[j - 1] > x; j--)
			v[j] = v[j - 1];
		v[j] = x;
	}
}

static void radix_pass(uint16_t *to, const uint16_t *from, uint32_t n, unsigned shift)
{
	uint16_t at[257] = {0};
	for (uint32_t i = 0; i < n; i++)
		at[(from[i] >> shift & 255) + 1]++;
	for (unsigned b = 1; b < 256; b++)
		at[b] = (uint16_t)(at[b] + at[b - 1]);
	for (uint32_t i = 0; i < n; i++)
		to[at[from[i] >> shift & 255]++] = from[i];
}

static void sort(uint16_t *v, uint32_t n)
{
	uint16_t t[JA_LIST_MAX];
	if (n <= 64) {
		sort_insertion(v, n);
		return;
	}
	radix_pass(t, v, n, 0);
	radix_pass(v, t, n, 8);
}

bool ja_repeats(const uint16_t *v, uint32_t n)
{
	uint16_t t[JA_LIST_MAX];
	memcpy(t, v, n * sizeof(*v));
	sort(t, n);
	for (uint32_t i = 1; i < n; i++)
		if (t[i] == t[i - 1])
			return true;
	return false;
}

// "aaaa,bbbb" of v[0..n)
static char *commas(char *o, const uint16_t *v, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		o = hex16_comma(o, v[i]);
	return o - (n > 0);
}

static void sha12(char out[12], const char *p, uint32_t len)
{
	uint8_t sum[32];
	if (len == 0) {
		memset(out, '0', 12);
		return;
	}
	sha256(p, len, sum);
	hex(out, sum, 6);
}

static uint32_t without_grease(const struct ja_list *l, uint16_t *v)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < l->n; i++)
		if (!ja_grease(value(l, i)))
			v[n++] = value(l, i);
	return n;
}

static const struct {
	uint16_t version;
	char text[2];
} versions[] = {
	{0x0304, {'1', '3'}}, {0x0303, {'1', '2'}}, {0x0302, {'1', '1'}}, {0x0301, {'1', '0'}}, {0x0300, {'s', '3'}},
	{0x0002, {'s', '2'}}, {0xfeff, {'d', '1'}}, {0xfefd, {'d', '2'}}, {0xfefc, {'d', '3'}},
};

// The highest version offered. DTLS counts downwards from 0xfeff.
static uint16_t highest(const struct ja_hello *h)
{
	uint16_t best = 0, lowest_dtls = 0;
	for (uint32_t i = 0; i < h->versions.n; i++) {
		uint16_t v = value(&h->versions, i);
		if (ja_grease(v))
			continue;
		if (v > best)
			best = v;
		if (v > 0xfe00 && (lowest_dtls == 0 || v < lowest_dtls))
			lowest_dtls = v;
	}
	if (h->transport == 'd' && lowest_dtls)
		return lowest_dtls;
	return best ? best : h->version;
}

static char *version_text(char *o, uint16_t version)
{
	o[0] = o[1] = '0';
	for (unsigned i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
		if (versions[i].version == version)
			memcpy(o, versions[i].text, 2);
	return o + 2;
}

static bool alphanumeric(uint8_t c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static char *alpn_text(char *o, const uint8_t *p, uint32_t len)
{
	if (len == 0) {
		o[0] = o[1] = '0';
	} else if (alphanumeric(p[0]) && alphanumeric(p[len - 1])) {
		o[0] = (char)p[0];
		o[1] = (char)p[len - 1];
	} else {
		o[0] = digits[p[0] >> 4];
		o[1] = digits[p[len - 1] & 15];
	}
	return o + 2;
}

static char *count_text(char *o, uint32_t n)
{
	n = n > 99 ? 99 : n;
	*o++ = (char)('0' + n / 10);
	*o++ = (char)('0' + n % 10);
	return o;
}

// The third part's text: extensions but SNI (0) and ALPN (16), then the signature algorithms.
static uint32_t third(const struct ja_hello *h, uint16_t *v, uint32_t n, char *room)
{
	uint32_t kept = 0, sigs;
	for (uint32_t i = 0; i < n; i++)
		if (v[i] != 0 && v[i] != 16)
			v[kept++] = v[i];
	sort(v, kept);
	char *o = commas(room, v, kept);
	if ((sigs = without_grease(&h->sigalgs, v))) {
		*o++ = '_';
		o = commas(o, v, sigs);
	}
	return (uint32_t)(o - room);
}

void ja_ja4(const struct ja_hello *h, char *room, char out[JA4_LEN])
{
	uint16_t v[JA_LIST_MAX];
	uint32_t nciphers = without_grease(&h->ciphers, v), nexts = 0;
	sort(v, nciphers);
	char *end = commas(room, v, nciphers);
	for (uint32_t i = 0; i < h->nexts; i++)
		if (!ja_grease(h->exts[i]))
			v[nexts++] = h->exts[i];
	*out++ = h->transport;
	out = version_text(out, highest(h));
	*out++ = h->sni ? 'd' : 'i';
	out = count_text(out, nciphers);
	out = count_text(out, nexts);
	out = alpn_text(out, h->alpn, h->alpn_len);
	*out++ = '_';
	sha12(out, room, (uint32_t)(end - room));
	out[12] = '_';
	sha12(out + 13, room, third(h, v, nexts, room));
}

uint32_t ja_packed_size(const struct ja_hello *h)
{
	return (uint32_t)sizeof(struct tls_hello) +
	       2 * (h->ciphers.n + h->nexts + h->groups.n + h->sigalgs.n + h->versions.n) + h->npoints + h->alpn_len;
}

static uint8_t *pack_list(uint8_t *o, const struct ja_list *l)
{
	if (l->n) // else p may be NULL
		memcpy(o, l->p, 2 * l->n);
	return o + 2 * l->n;
}

void ja_pack(const struct ja_hello *h, void *out)
{
	struct tls_hello *t = out;
	*t = (struct tls_hello){
		.transport = h->transport,
		.sni = h->sni,
		.version = h->version,
		.nciphers = (uint16_t)h->ciphers.n,
		.nexts = h->nexts,
		.ngroups = (uint16_t)h->groups.n,
		.nsigalgs = (uint16_t)h->sigalgs.n,
		.nversions = (uint16_t)h->versions.n,
		.npoints = h->npoints,
		.alpn_len = (uint16_t)h->alpn_len,
	};
	uint8_t *o = pack_list(t->lists, &h->ciphers);
	for (uint32_t i = 0; i < h->nexts; i++, o += 2) {
		uint16_t v = __builtin_bswap16(h->exts[i]);
		memcpy(o, &v, sizeof(v));
	}
	o = pack_list(o, &h->groups);
	o = pack_list(o, &h->sigalgs);
	o = pack_list(o, &h->versions);
	if (h->npoints)
		memcpy(o, h->points, h->npoints);
	if (h->alpn_len)
		memcpy(o + h->npoints, h->alpn, h->alpn_len);
}

static const uint8_t *unpack_list(struct ja_list *l, const uint8_t *p, uint16_t n)
{
	*l = (struct ja_list){p, n};
	return p + 2 * (size_t)n;
}

bool ja_unpack(struct ja_hello *h, const void *p, size_t len)
{
	struct tls_hello t;
	struct ja_list exts;
	if (len < sizeof(t))
		return false;
	memcpy(&t, p, sizeof(t));
	size_t values = (size_t)t.nciphers + t.nexts + t.ngroups + t.nsigalgs + t.nversions;
	if (t.nciphers > JA_LIST_MAX || t.nexts > JA_LIST_MAX || t.ngroups > JA_LIST_MAX || t.nsigalgs > JA_LIST_MAX ||
	    t.nversions > JA_LIST_MAX || t.npoints > JA_LIST_MAX ||
	    sizeof(t) + 2 * values + t.npoints + t.alpn_len != len)
		return false;
	h->transport = t.transport;
	h->sni = t.sni;
	h->version = t.version;
	h->nexts = t.nexts;
	h->npoints = t.npoints;
	h->alpn_len = t.alpn_len;
	const uint8_t *at = unpack_list(&h->ciphers, (const uint8_t *)p + sizeof(t), t.nciphers);
	at = unpack_list(&exts, at, t.nexts);
	at = unpack_list(&h->groups, at, t.ngroups);
	at = unpack_list(&h->sigalgs, at, t.nsigalgs);
	at = unpack_list(&h->versions, at, t.nversions);
	for (uint32_t i = 0; i < t.nexts; i++)
		h->exts[i] = value(&exts, i);
	h->points = at;
	h->alpn = at + t.npoints;
	return true;
}
