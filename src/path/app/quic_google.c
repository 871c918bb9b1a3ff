// SPDX-License-Identifier: BSD-3-Clause
//
// Google's QUIC before the IETF's: Q024 to Q046 in the clear, Q050's CHLO inside sealed Initials. Datagrams or
// opened frames come in, out goes a record for each CHLO: server name (SNI), user agent (UAID). Worker's thread.
// Sources: Google's "QUIC Wire Layout Specification" and "QUIC Crypto" (2013-2018).
//
//   to Q043: flags | id (8) | version (4) | number (1,2,4,6) | hash (12) | [private flags, to Q033] | frames
//   Q044, Q045: ff.. | version | lengths of ids (nibbles) | ids | number (4) | hash (12) | frames
//   Q046:  first | version | lengths of ids (nibbles) | ids | number (1-4) | hash (12) | frames
//   CHLO: "CHLO" | pairs (2) | 0 (2) | pairs of tag (4), end offset (4) | values         little-endian
//
// A packet in the clear carries 96 bits of FNV-1a over its header and payload. What does not hash right is sealed, or
// was changed on its way (anonymised captures): it is believed only where a whole CHLO stands in one frame that
// names the header's version once more, and its bytes are not held against others.
//
// A CHLO after the server's rejection goes on where the first one ended; seen alone, it is found by its frame.
#include "quic_conn.h"

#include <arpa/inet.h>
#include <string.h>

#include "../inspect.h"
#include "../judge.h"
#include "hello.h"

#define HASH_BYTES 12
#define TAGS_MAX 128        // kMaxEntries of Google's reader
#define FRAMES_MAX 256      // of one packet
#define CHLO_AT (64 * 1024) // of the scratch
#define STREAM_CRYPTO 1

struct clear_packet {
	unsigned version; // 43 for Q043
	const uint8_t *cid;
	uint32_t cid_len, version_at, hash_at, number_len;
};

static uint64_t little(const uint8_t *p, unsigned n)
{
	uint64_t v = 0;
	for (unsigned i = n; i-- > 0;)
		v = v << 8 | p[i];
	return v;
}

static uint64_t big(const uint8_t *p, unsigned n)
{
	uint64_t v = 0;
	for (unsigned i = 0; i < n; i++)
		v = v << 8 | p[i];
	return v;
}

// "Q043" -> 43; 0: not a version of Google's with QUIC Crypto.
static unsigned version_of(const uint8_t *p)
{
	if (p[0] != 'Q' || p[1] != '0' || p[2] < '0' || p[2] > '9' || p[3] < '0' || p[3] > '9')
		return 0;
	return (p[2] - '0') * 10 + p[3] - '0';
}

// Client's packets with a version only: the first ones, which have the CHLO.
static bool public_header(const uint8_t *p, uint32_t len, struct clear_packet *k)
{
	static const uint8_t number_len[4] = {1, 2, 4, 6};
	if (len < 13 + 1 + HASH_BYTES + 4 ||
	    (p[0] & 0x8b) != 0x09) // version and id, no reset, no multipath's future use
		return false;
	*k = (struct clear_packet){.version = version_of(p + 9), .cid = p + 1, .cid_len = 8, .version_at = 9};
	k->number_len = number_len[p[0] >> 4 & 3];
	k->hash_at = 13 + k->number_len;
	return k->version && k->version <= 43 && k->hash_at + HASH_BYTES < len;
}

static bool nibble_header(const uint8_t *p, uint32_t len, struct clear_packet *k)
{
	if (len < 6 + 8 + 4 + HASH_BYTES + 4 || !(p[0] & 0x80))
		return false;
	unsigned v = version_of(p + 1), dcid = p[5] >> 4, scid = p[5] & 15;
	if (v < 44 || v > 49)
		return false;
	*k = (struct clear_packet){.version = v, .cid = p + 6, .cid_len = dcid ? dcid + 3 : 0, .version_at = 1};
	k->number_len = v < 46 ? 4 : (p[0] & 3) + 1;
	k->hash_at = 6 + k->cid_len + (scid ? scid + 3 : 0) + k->number_len;
	return k->cid_len == 8 && k->hash_at + HASH_BYTES < len;
}

typedef unsigned __int128 uint128;

static uint128 fnv(uint128 h, const void *data, uint32_t len)
{
	const uint8_t *p = data;
	for (uint32_t i = 0; i < len; i++)
		h = (h ^ p[i]) * (((uint128)1 << 88) + 0x13b);
	return h;
}

// From Q036 on the sender's side is hashed too.
static bool hash_right(const uint8_t *p, uint32_t len, const struct clear_packet *k)
{
	const uint128 basis = (uint128)0x6c62272e07bb0142ull << 64 | 0x62b821756295c58dull;
	const uint8_t *rest = p + k->hash_at + HASH_BYTES;
	uint128 h = fnv(fnv(basis, p, k->hash_at), rest, p + len - rest);
	if (memcmp(&h, p + k->hash_at, HASH_BYTES) == 0)
		return true;
	h = fnv(h, "Client", 6);
	return memcmp(&h, p + k->hash_at, HASH_BYTES) == 0;
}

// ---- CHLO ------------------------------------------------------------------------------------------------------

struct chlo_tag {
	uint32_t at, len; // of the value in the message; len 0: not there
};

struct chlo {
	uint32_t size; // of the whole message
	struct chlo_tag sni, uaid, ver;
};

enum chlo_end { CHLO_WHOLE, CHLO_MORE, CHLO_NOT };

static enum chlo_end chlo_read(const uint8_t *p, uint32_t len, struct chlo *m)
{
	*m = (struct chlo){0};
	if (len < 8)
		return CHLO_MORE;
	uint32_t tags = little(p + 4, 2), values = 8 + tags * 8, before = 0;
	if (memcmp(p, "CHLO", 4) != 0 || tags == 0 || tags > TAGS_MAX || p[6] || p[7])
		return CHLO_NOT;
	if (len < values)
		return CHLO_MORE;
	for (uint32_t i = 0; i < tags; i++) {
		const uint8_t *t = p + 8 + i * 8;
		uint32_t end = little(t + 4, 4);
		if (end < before || end > QUIC_CRYPTO_MAX)
			return CHLO_NOT;
		struct chlo_tag value = {values + before, end - before};
		if (memcmp(t, "SNI\0", 4) == 0)
			m->sni = value;
		else if (memcmp(t, "UAID", 4) == 0)
			m->uaid = value;
		else if (memcmp(t, "VER\0", 4) == 0)
			m->ver = value;
		before = end;
	}
	m->size = values + before;
	return m->size <= len ? CHLO_WHOLE : CHLO_MORE;
}

static void say_host(struct app_in *in, txn_t t, const uint8_t *p, uint32_t len, struct origin o)
{
	uint8_t host[256];
	if (len > sizeof(host))
		return;
	for (uint32_t i = 0; i < len; i++)
		host[i] = p[i] >= 'A' && p[i] <= 'Z' ? p[i] + 32 : p[i];
	if (len && host[len - 1] == '.')
		len--;
	if (len)
		txn_str_from(in, t, FACT_HOST, host, len, o);
}

// RFC 1035's limits hold for names here too: what is longer is no name, and is not given as one.
static bool name_right(const uint8_t *p, uint32_t len)
{
	return len > 0 && len <= 255 && !memchr(p, 0, len);
}

// The CHLO at p; at: where its first byte came from.
static void say_chlo(struct app_in *in, struct quic_conn *c, const uint8_t *p, const struct chlo *m, struct origin at)
{
	const struct chlo_tag *sni = &m->sni, *uaid = &m->uaid;
	uint64_t name = sni->len ? hello_hash(p + sni->at, sni->len) : 0;
	// the second CHLO answers the server's rejection and names the same server; then it says nothing new
	if (c->hellos && name == c->sni_hash)
		return;
	if (c->hellos)
		app_anomaly_from(in, ANOMALY_TLS_SNI_DIFFERS, NULL, 0,
				 (struct origin){at.frame, at.off + sni->at, sni->len});
	c->sni_hash = name;
	if (c->hellos < UINT8_MAX)
		c->hellos++;
	txn_t t = quic_say(in, c, 1024 + sni->len + uaid->len);
	if (sni->len && name_right(p + sni->at, sni->len)) {
		struct origin o = {at.frame, at.off + sni->at, sni->len};
		txn_str_from(in, t, FACT_QUIC_SNI, p + sni->at, sni->len, o);
		say_host(in, t, p + sni->at, sni->len, o);
	} else if (sni->len) {
		app_anomaly_from(in, ANOMALY_TLS_BAD_NAME, p + sni->at, sni->len,
				 (struct origin){at.frame, at.off + sni->at, sni->len});
		if (!in->w->config->fail.tls_name_absent)
			app_refuse(in, REASON_TLS_BAD_NAME);
	}
	if (uaid->len)
		txn_str_from(in, t, FACT_QUIC_USER_AGENT, p + uaid->at, uaid->len,
			     (struct origin){at.frame, at.off + uaid->at, uaid->len});
	judge_txn(in, t);
	txn_end(in, t);
}

static void judge(struct quic *q, struct app_in *in, struct quic_conn *c)
{
	uint8_t *p = in->scratch + CHLO_AT;
	while (!c->judged) {
		struct chlo m;
		uint32_t have = quic_conn_have(q, c, QUIC_CLIENT, c->parsed);
		quic_conn_copy(q, c, QUIC_CLIENT, c->parsed, have, p);
		enum chlo_end end = chlo_read(p, have, &m);
		if (end == CHLO_MORE)
			return;
		if (end == CHLO_NOT) {
			c->judged = true;
			return;
		}
		say_chlo(in, c, p, &m, quic_conn_origin(c, c->parsed, m.size));
		c->parsed += m.size;
	}
}

// A whole CHLO in one frame, p[0..len): for packets that nothing but its own form speaks for, and for connections
// whose beginning was not seen.
static void judge_frame(struct app_in *in, struct quic_conn *c, const uint8_t *p, uint32_t len, uint32_t at)
{
	struct chlo m;
	if (c->hellos || chlo_read(p, len, &m) != CHLO_WHOLE || m.ver.len != 4)
		return;
	if (c->version ? memcmp(p + m.ver.at, c->version->name, 4) : big(p + m.ver.at, 4) != c->number_be)
		return;
	say_chlo(in, c, p, &m, app_origin(in, in->data + at, m.size));
}

// ---- frames ----------------------------------------------------------------------------------------------------

struct reader {
	const uint8_t *p;
	uint32_t len, at;
	unsigned version, number_len;
};

static bool take(struct reader *r, unsigned n, uint64_t *v)
{
	if (n > r->len - r->at)
		return false;
	// byte order was turned round with Q039
	*v = r->version < 39 ? little(r->p + r->at, n) : big(r->p + r->at, n);
	r->at += n;
	return true;
}

static bool varint(struct reader *r, uint64_t *v)
{
	if (r->at >= r->len)
		return false;
	unsigned n = 1u << (r->p[r->at] >> 6);
	if (n > r->len - r->at)
		return false;
	*v = big(r->p + r->at, n) & (UINT64_MAX >> (66 - 8 * n));
	r->at += n;
	return true;
}

// 01ntllmm, Q034 and later: largest, delay, blocks, time stamps.
static bool skip_ack(struct reader *r, uint8_t type)
{
	static const uint8_t lens[4] = {1, 2, 4, 6};
	uint64_t v, blocks = 0, stamps;
	unsigned block = lens[type & 3];
	if (r->version < 34 || !take(r, lens[type >> 2 & 3], &v) || !take(r, 2, &v))
		return false;
	if ((type & 0x20) && !take(r, 1, &blocks))
		return false;
	if (!take(r, block, &v))
		return false;
	for (; blocks; blocks--)
		if (!take(r, 1, &v) || !take(r, block, &v))
			return false;
	if (!take(r, 1, &stamps))
		return false;
	uint32_t bytes = stamps ? 5 + 3 * (stamps - 1) : 0;
	if (bytes > r->len - r->at)
		return false;
	r->at += bytes;
	return true;
}

// 1fdooossB: stream, offset, and length where it is not the rest.
static bool read_stream(struct reader *r, uint8_t type, uint64_t *id, uint64_t *offset, uint64_t *n)
{
	unsigned offset_len = type >> 2 & 7;
	*offset = 0;
	if (!take(r, (type & 3) + 1, id) || (offset_len && !take(r, offset_len + 1, offset)))
		return false;
	*n = r->len - r->at;
	return !(type & 0x20) || (take(r, 2, n) && *n <= r->len - r->at);
}

void quic_google_frames(struct quic *q, struct app_in *in, struct quic_conn *c, unsigned version, unsigned number_len,
			const uint8_t *p, uint32_t len, uint32_t at, bool sealed)
{
	struct reader r = {.p = p, .len = len, .version = version, .number_len = number_len};
	for (unsigned i = 0; i < FRAMES_MAX && r.at < len; i++) {
		uint8_t type = p[r.at++];
		uint64_t id = 0, offset = 0, n = 0, v;
		if (type & 0x80) {
			if (!read_stream(&r, type, &id, &offset, &n))
				break;
		} else if (type & 0x40) {
			if (!skip_ack(&r, type))
				break;
		} else if (type == 0x06 && version >= 34) { // STOP_WAITING, as long as the packet's number
			if (!take(&r, number_len, &v))
				break;
		} else if (type == 0x08 && version >= 48) { // CRYPTO
			if (!varint(&r, &offset) || !varint(&r, &n) || n > len - r.at)
				break;
			id = STREAM_CRYPTO;
		} else if (type != 0x00 && type != 0x07) { // PADDING, PING
			break;
		}
		if (n && id == STREAM_CRYPTO) {
			if (sealed && !quic_take(q, in, c, QUIC_CLIENT, offset, p + r.at, n, at + r.at))
				return;
			if (!sealed || quic_conn_have(q, c, QUIC_CLIENT, c->parsed) == 0)
				judge_frame(in, c, p + r.at, n, at + r.at);
		}
		r.at += n;
	}
	if (sealed)
		judge(q, in, c);
}

static struct quic_conn *conn_of(struct quic *q, struct app_in *in, const struct clear_packet *k)
{
	struct quic_conn *c;
	for (c = quic_conn_first(q, in->f); c; c = quic_conn_next(q, c))
		if (!c->version && quic_id_is(&c->original, k->cid, k->cid_len))
			break;
	if (c) {
		quic_conn_touch(q, c);
		return c;
	}
	c = quic_conn_new(q, in);
	c->number_be = big(in->data + k->version_at, 4);
	c->version_at = app_origin(in, in->data + k->version_at, 4);
	c->cid_at = app_origin(in, k->cid, k->cid_len);
	quic_id_set(&c->original, k->cid, k->cid_len);
	quic_conn_learn(q, c, k->cid, k->cid_len);
	return c;
}

// Is it worth a connection? A CHLO within the first frame's head.
static bool chlo_near(const uint8_t *p, uint32_t len)
{
	return memmem(p, len < 24 ? len : 24, "CHLO", 4) != NULL;
}

bool quic_google_datagram(struct quic *q, struct app_in *in)
{
	struct clear_packet k;
	const uint8_t *p = in->data;
	if (!public_header(p, in->len, &k) && !nibble_header(p, in->len, &k))
		return false;
	if (in->cut)
		return in->f->app == APP_QUIC;
	bool right = hash_right(p, in->len, &k);
	uint32_t at = k.hash_at + HASH_BYTES;
	if (k.version < 34) // private flags, and the FEC group's offset
		at += 1 + (p[at] >> 1 & 1);
	if (at >= in->len || (!right && !chlo_near(p + at, in->len - at)))
		return right || in->f->app == APP_QUIC;
	in->f->app = APP_QUIC;
	quic_google_frames(q, in, conn_of(q, in, &k), k.version, k.number_len, p + at, in->len - at, at, right);
	return true;
}
