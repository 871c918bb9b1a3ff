// SPDX-License-Identifier: BSD-3-Clause
//
// Reads a ClientHello: its bytes come in whole (or, where a capture was cut, as far as they go), facts of the
// transaction go out. On the worker's thread, with about 3 KiB of its stack; nothing is kept between calls.
//
// Two passes, so that what is said does not depend on the order of extensions: `parse` finds where each list lies
// and whether the message is sound, `say_*` writes facts. A hello that is not sound (RFC 8446 4.1.2 and the rules of
// the extensions that are read here) gives no fingerprint: a server would not have answered it, and two readers of a
// broken list see different lists.
//
// A server name is never repaired and never shortened to what looks right: a reader that stops at a NUL, or takes
// the first of two names, would judge another name than the server serves. All of it is reported as sent, and
// the name is bad (tls_bad_name). One that is no host name but the same for every reader (a space, UTF-8, no name
// at all) is odd: said, with the anomaly alone.
#include "hello.h"

#include <string.h>

#include <rte_common.h>

#include "base/be.h"
#include "base/ja.h"
#include "bytes.h"

#define NAMES_MAX 4        // names reported of one hello; more than one is a fault anyway
#define NAME_MAX_BYTES 253 // RFC 1035 2.3.4: 255 octets on the wire, 253 as text
#define NAME_ROOM 256      // in blocks of 16
#define LABEL_MAX_BYTES 63

enum extension {
	EXT_SERVER_NAME = 0,
	EXT_GROUPS = 10,
	EXT_POINTS = 11,
	EXT_SIGALGS = 13,
	EXT_ALPN = 16,
	EXT_EARLY_DATA = 42,
	EXT_VERSIONS = 43,
	EXT_ECH = 0xfe0d, // RFC 9849
};

struct piece {
	const uint8_t *p;
	uint32_t len;
};

enum name_fault { NAME_ODD = 1, NAME_BAD = 2 };

struct hello {
	struct ja_hello ja;
	struct piece name[NAMES_MAX];
	struct piece alpn; // the list without its length
	struct piece ech;
	uint32_t nnames;
	uint32_t name_exts;
	uint8_t name_faults; // of the list: enum name_fault
	bool too_long;       // more values than a fingerprint takes
	bool twice;          // an extension may be there twice
	bool early;          // RFC 8446 4.2.10
};

// Reads forward; once it has run over the end, everything it gives is empty.
struct cursor {
	const uint8_t *p, *end;
	bool over;
};

static inline uint32_t number(struct cursor *c, unsigned bytes) // 1 or 2
{
	if ((size_t)(c->end - c->p) < bytes) {
		c->over = true;
		c->p = c->end;
		return 0;
	}
	uint32_t v = bytes == 1 ? c->p[0] : (uint32_t)c->p[0] << 8 | c->p[1];
	c->p += bytes;
	return v;
}

static inline struct piece take(struct cursor *c, uint32_t len)
{
	struct piece r = {c->p, len};
	if ((size_t)(c->end - c->p) < len) {
		c->over = true;
		r.len = 0;
		c->p = c->end;
	}
	c->p += r.len;
	return r;
}

// A vector with its length in front.
static inline struct piece vector(struct cursor *c, unsigned bytes)
{
	return take(c, number(c, bytes));
}

// An extension that is one vector and nothing else.
static inline struct piece sole(struct piece e, uint32_t bytes, bool *sound)
{
	if (unlikely(e.len < bytes)) {
		*sound = false;
		return (struct piece){e.p, 0};
	}
	uint32_t len = bytes == 1 ? e.p[0] : be16(e.p), left = e.len - bytes;
	if (unlikely(len != left)) {
		*sound = false;
		len = len < left ? len : 0;
	}
	return (struct piece){e.p + bytes, len};
}

static struct ja_list list16(struct hello *h, struct piece v, bool *sound)
{
	if (v.len % 2)
		*sound = false;
	if (v.len / 2 > JA_LIST_MAX) {
		h->too_long = true;
		return (struct ja_list){v.p, 0};
	}
	return (struct ja_list){v.p, v.len / 2};
}

// RFC 6066 3: a list of names with a type each, at most one of a type.
static void server_names(struct hello *h, struct piece e)
{
	bool sound = true;
	struct piece list = sole(e, 2, &sound);
	struct cursor c = {list.p, list.p + list.len, false};
	uint32_t before = h->nnames;
	if (h->name_exts++)
		h->name_faults |= NAME_BAD;
	while (sound && c.p < c.end) {
		uint32_t type = number(&c, 1);
		struct piece name = vector(&c, 2);
		if (c.over)
			sound = false;
		else if (type == 0 && h->nnames++ < NAMES_MAX)
			h->name[h->nnames - 1] = name;
	}
	if (!sound || h->nnames > before + 1)
		h->name_faults |= NAME_BAD;
	else if (h->nnames == before) // none, or of types that nobody has defined
		h->name_faults |= NAME_ODD;
}

static bool alpn_sound(struct hello *h)
{
	struct cursor c = {h->alpn.p, h->alpn.p + h->alpn.len, false};
	while (c.p < c.end) {
		struct piece name = vector(&c, 1);
		if (c.over || name.len == 0)
			return false;
		if (!h->ja.alpn_len && !(name.len == 2 && ja_grease((uint16_t)(name.p[0] << 8 | name.p[1])))) {
			h->ja.alpn = name.p;
			h->ja.alpn_len = name.len;
		}
	}
	return h->alpn.len > 0;
}

// RFC 8446 4.2: no extension twice. Types below 64, which most are, have a bit of their own; the others share 64.
struct types {
	uint64_t low, high, twice; // twice: not 0 where a bit was met again
};

static inline void note_type(struct types *t, uint32_t type)
{
	uint64_t bit = 1ull << ((type ^ type >> 6) & 63);
	if (likely(type < 64)) {
		t->twice |= t->low & bit;
		t->low |= bit;
	} else {
		t->twice |= t->high & bit;
		t->high |= bit;
	}
}

static inline bool extension(struct hello *h, uint32_t type, struct piece e)
{
	bool sound = true;
	struct piece v;
	switch (type) {
	case EXT_SERVER_NAME:
		h->ja.sni = true;
		server_names(h, e);
		break;
	case EXT_GROUPS:
		h->ja.groups = list16(h, sole(e, 2, &sound), &sound);
		break;
	case EXT_POINTS:
		v = sole(e, 1, &sound);
		h->ja.points = v.p;
		h->ja.npoints = (uint16_t)v.len;
		break;
	case EXT_SIGALGS:
		h->ja.sigalgs = list16(h, sole(e, 2, &sound), &sound);
		break;
	case EXT_ALPN:
		h->alpn = sole(e, 2, &sound);
		sound = sound && alpn_sound(h);
		break;
	case EXT_EARLY_DATA:
		h->early = true;
		break;
	case EXT_VERSIONS:
		h->ja.versions = list16(h, sole(e, 1, &sound), &sound);
		break;
	case EXT_ECH:
		h->ech = e;
		break;
	}
	return sound;
}

// The extensions, each a type and a vector, to exactly the end.
static bool extensions(struct hello *h, const uint8_t *p, const uint8_t *end, bool *sound)
{
	struct types t = {0};
	uint32_t n = 0;
	for (uint32_t len; end - p >= 4; p += 4 + len, n++) {
		uint32_t type = be16(p);
		len = be16(p + 2);
		if (unlikely(len > (size_t)(end - p) - 4))
			break;
		note_type(&t, type);
		if (likely(n < JA_LIST_MAX))
			h->ja.exts[n] = (uint16_t)type;
		if (!extension(h, type, (struct piece){p + 4, len}))
			*sound = false;
	}
	h->too_long |= n > JA_LIST_MAX;
	h->ja.nexts = (uint16_t)RTE_MIN(n, (uint32_t)JA_LIST_MAX);
	h->twice = t.twice != 0;
	return p == end;
}

// RFC 8446 4.1.2; the cookie: RFC 6347 4.2.1. False: not sound, or it does not end here.
static bool parse(struct hello *h, enum hello_transport transport, const uint8_t *p, uint32_t len, bool *over)
{
	struct cursor c = {p, p + len, false};
	bool sound = true;
	h->ja.transport = "tdq"[transport];
	h->ja.version = (uint16_t)number(&c, 2);
	take(&c, 32);
	if (vector(&c, 1).len > 32)
		sound = false;
	if (transport == HELLO_DTLS)
		vector(&c, 1);
	struct piece ciphers = vector(&c, 2);
	h->ja.ciphers = list16(h, ciphers, &sound);
	bool compression = vector(&c, 1).len > 0;
	if (!c.over && (!compression || ciphers.len == 0))
		sound = false;
	if (!c.over && c.p != c.end) {
		uint32_t total = number(&c, 2);
		if (total < (size_t)(c.end - c.p)) // bytes after the extensions
			sound = false;
		if (total > (size_t)(c.end - c.p))
			*over = true;
		c.end = total < (size_t)(c.end - c.p) ? c.p + total : c.end;
		c.over |= !extensions(h, c.p, c.end, &sound);
	}
	*over |= c.over;
	return sound;
}

// FNV-1a's step on words of 8 bytes, their upper half folded down, since a product's low bits know nothing of it.
static inline uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15ull;
	return h ^ h >> 32;
}

uint64_t hello_hash(const void *p, uint32_t len)
{
	const uint8_t *b = p;
	uint64_t h = mix(0xcbf29ce484222325ull, len), v = 0;
	for (; len >= 8; len -= 8, b += 8) {
		memcpy(&v, b, 8);
		h = mix(h, v);
	}
	for (v = 0; len; len--)
		v = v << 8 | *b++;
	h = mix(h, v);
	return h ? h : 1;
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

// Writes the name as names are compared: lower case, without the last dot (it is common). Returns its length; 0: it
// cannot be. RFC 1035 2.3.4: labels of 1 to 63, 253 in all; RFC 6066 3: ASCII. host: NAME_ROOM bytes.
static uint32_t name_read(struct piece n, uint8_t *host)
{
	uint32_t label = 0; // where it begins
	uint32_t len = n.len && n.p[n.len - 1] == '.' ? n.len - 1 : n.len;
	if (len == 0 || len > NAME_MAX_BYTES)
		return 0;
	for (uint32_t at = 0; at < len; at += 16) {
		__m128i v = bytes_load(n.p + at, len - at);
		__m128i good =
			_mm_and_si128(_mm_cmpgt_epi8(v, _mm_set1_epi8(' ')), _mm_cmplt_epi8(v, _mm_set1_epi8(0x7f)));
		if (~bytes_bits(good) & bytes_there(len - at))
			return 0;
		for (uint32_t dots = bytes_equal(v, '.'); dots; dots &= dots - 1) {
			uint32_t dot = at + (uint32_t)__builtin_ctz(dots);
			if (dot == label || dot - label > LABEL_MAX_BYTES)
				return 0;
			label = dot + 1;
		}
		_mm_storeu_si128((__m128i *)(host + at), bytes_lower(v));
	}
	return len > label && len - label <= LABEL_MAX_BYTES ? len : 0;
}

static bool hex_digit(uint8_t c)
{
	return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'f');
}

// Dotted quad, or hex digits, dots and at least two colons, in brackets or not.
static bool name_is_ip(struct piece n)
{
	unsigned dots = 0, colons = 0, others = 0;
	if (n.len > 2 && n.p[0] == '[' && n.p[n.len - 1] == ']')
		n = (struct piece){n.p + 1, n.len - 2};
	if (n.len == 0 || n.len > 45) // INET6_ADDRSTRLEN
		return false;
	for (uint32_t i = 0; i < n.len; i++) {
		dots += n.p[i] == '.';
		colons += n.p[i] == ':';
		others += n.p[i] != '.' && n.p[i] != ':' && !(n.p[i] >= '0' && n.p[i] <= '9');
		if (n.p[i] != '.' && n.p[i] != ':' && !hex_digit(n.p[i]))
			return false;
	}
	return colons >= 2 || (dots == 3 && colons == 0 && others == 0);
}

static const struct {
	enum fact_field sni, alpn, ech, lists;
} fields[] = {
	{FACT_TLS_SNI, FACT_TLS_ALPN, FACT_TLS_ECH, FACT_TLS_HELLO},
	{FACT_TLS_SNI, FACT_TLS_ALPN, FACT_TLS_ECH, FACT_TLS_HELLO},
	{FACT_QUIC_SNI, FACT_QUIC_ALPN, FACT_QUIC_ECH, FACT_QUIC_HELLO},
};

struct saying {
	const struct hello_source *src;
	txn_t t;
	enum hello_transport transport;
	const uint8_t *p;
	uint32_t len;
};

static struct origin place(const struct saying *s, struct piece v)
{
	return hello_place(s->src, s->p, s->len, (uint32_t)(v.p - s->p), v.len);
}

static struct piece without_dot(struct piece n)
{
	return (struct piece){n.p, n.len && n.p[n.len - 1] == '.' ? n.len - 1 : n.len};
}

// Two readers see two names where one stops at a NUL, or has no room for all of it.
static bool is_bad(struct piece n)
{
	uint32_t label = 0;
	n = without_dot(n);
	bool bad = n.len > NAME_MAX_BYTES || memchr(n.p, 0, n.len);
	for (uint32_t i = 0; i < n.len && !bad; i++) {
		label = n.p[i] == '.' ? 0 : label + 1;
		bad = label > LABEL_MAX_BYTES;
	}
	return bad;
}

// A name that is no host name.
static uint64_t say_odd_name(const struct saying *s, struct piece n, uint8_t *faults)
{
	uint8_t host[NAME_MAX_BYTES];
	bool bad = is_bad(n);
	n = without_dot(n);
	*faults |= bad ? NAME_BAD : NAME_ODD;
	if (bad || n.len == 0)
		return hello_hash(n.p, n.len);
	for (uint32_t i = 0; i < n.len; i++)
		host[i] = lower(n.p[i]);
	txn_str_from(s->src->in, s->t, FACT_HOST, host, n.len, place(s, n));
	return hello_hash(host, n.len);
}

static uint64_t say_name(const struct saying *s, struct piece n, uint8_t *faults)
{
	struct origin o = place(s, n);
	uint8_t host[NAME_ROOM];
	uint32_t len = name_read(n, host);
	txn_str_from(s->src->in, s->t, fields[s->transport].sni, n.p, n.len, o);
	if (!len)
		return say_odd_name(s, n, faults);
	txn_str_from(s->src->in, s->t, FACT_HOST, host, len, o);
	if (name_is_ip((struct piece){host, len}))
		app_anomaly_from(s->src->in, ANOMALY_TLS_IP_NAME, host, len, o);
	return hello_hash(host, len);
}

// tls_bad_name: absent. Where one of the names cannot be, none is said: whoever allows the good one would let the other
// through.
static bool any_bad(const struct hello *h)
{
	bool bad = h->name_faults & NAME_BAD;
	for (uint32_t i = 0; i < h->nnames && i < NAMES_MAX; i++)
		bad |= is_bad(h->name[i]);
	return bad;
}

static uint64_t say_names(const struct saying *s, const struct hello *h)
{
	uint64_t hash = 0;
	uint8_t faults = h->name_faults;
	bool absent = unlikely(s->src->in->w->config->fail.tls_name_absent) && any_bad(h);
	for (uint32_t i = 0; i < h->nnames && i < NAMES_MAX; i++)
		hash = hash * 31 +
		       (absent ? hello_hash(h->name[i].p, h->name[i].len) : say_name(s, h->name[i], &faults));
	faults |= absent ? NAME_BAD : 0;
	if (faults) {
		struct piece n = h->nnames ? h->name[0] : (struct piece){s->p, s->len};
		app_anomaly_from(s->src->in, ANOMALY_TLS_BAD_NAME, h->nnames ? n.p : NULL, n.len, place(s, n));
		if ((faults & NAME_BAD) && !absent)
			app_refuse(s->src->in, REASON_TLS_BAD_NAME);
	}
	return hash;
}

static void say_alpn(const struct saying *s, struct piece list)
{
	if (list.len == 0)
		return;
	struct cursor c = {list.p, list.p + list.len, false};
	while (c.p < c.end) {
		struct piece n = vector(&c, 1);
		if (c.over)
			return;
		if (!(n.len == 2 && ja_grease((uint16_t)(n.p[0] << 8 | n.p[1]))))
			txn_str_from(s->src->in, s->t, fields[s->transport].alpn, n.p, n.len, place(s, n));
	}
}

// What the fingerprints are made of; ship makes them.
static void say_lists(const struct saying *s, const struct hello *h)
{
	struct origin all = place(s, (struct piece){s->p, s->len});
	void *out = txn_reserve(s->src->in, s->t, fields[s->transport].lists, ja_packed_size(&h->ja), all);
	if (out)
		ja_pack(&h->ja, out);
}

bool hello_read(const struct hello_source *src, txn_t t, enum hello_transport transport, const uint8_t *p, uint32_t len,
		struct hello_told *told)
{
	struct hello h;
	bool over = false;
	memset(&h, 0, offsetof(struct hello, ja) + offsetof(struct ja_hello, exts));
	memset((uint8_t *)&h + sizeof(h.ja), 0, sizeof(h) - sizeof(h.ja));
	struct saying s = {src, t, transport, p, len};
	bool sound = parse(&h, transport, p, len, &over);
	bool whole = sound && !over && !h.too_long && !(h.twice && ja_repeats(h.ja.exts, h.ja.nexts));
	told->sni = say_names(&s, &h);
	told->early = h.early || !sound || over;
	say_alpn(&s, h.alpn);
	if (h.ech.p)
		txn_num(src->in, t, fields[transport].ech, 1, place(&s, h.ech));
	if (whole && !src->cut)
		say_lists(&s, &h);
	if (whole || (src->cut && sound && !h.too_long))
		return true;
	app_anomaly_from(src->in, ANOMALY_TLS_MALFORMED, NULL, 0, place(&s, (struct piece){p, len}));
	return false;
}
