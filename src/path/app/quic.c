// SPDX-License-Identifier: BSD-3-Clause
//
// QUIC v1, v2 and the drafts (RFC 8999, 9000, 9001, 9369). Datagrams come in; out goes one record for each
// ClientHello that a connection shows, with its name and fingerprints. Worker's thread.
//
//   datagram = packet | packet | ...     long headers say their length, a short one is the rest
//   Initial  = header | CRYPTO, PADDING, ACK, PING frames, sealed with keys that the client's first id gives
//
// Whose packet an Initial is, and which side sent it, is decided by the key that opens it, never by the direction of
// the flow (a capture may begin with the server). Tried in this order: the connection whose first id it names, the
// connections that know its id, keys of its own id (a new connection), any connection of the flow. Each try is a
// decryption, so a datagram has a budget of them.
//
// What must never happen: a fact from bytes whose tag was not right. CRYPTO bytes that differ from those that came
// before drop the packet, however late they come: the server may take either.
//
// Rejected: recognising connections by their ids alone (ids of length zero are common, and an id is not a proof).
#include "quic_conn.h"

#include <arpa/inet.h>
#include <string.h>

#include "../hold.h"
#include "../inspect.h"
#include "../judge.h"
#include "base/be.h"
#include "hello.h"

#define PACKETS_MAX 64       // coalesced in one datagram; real ones have at most four
#define TRIES_MAX 96         // decryptions a datagram
#define INITIAL_MIN 1200     // RFC 9000 14.1: a client's datagram with an Initial
#define HELLO_AT (64 * 1024) // of the scratch: below lies the plaintext of a packet

enum packet_type { TYPE_INITIAL, TYPE_ZERO_RTT, TYPE_HANDSHAKE, TYPE_RETRY };

struct packet {
	const struct quic_version *v;
	const uint8_t *p;
	uint32_t size;   // of this packet
	uint32_t number; // version
	enum packet_type type;
	const uint8_t *dcid, *scid;
	uint32_t dcid_len, scid_len, token_len, pn_at;
};

struct run {
	struct quic *q;
	struct app_in *in;
	unsigned tries;
};

// RFC 9000 16. False: the bytes end inside it.
static bool varint(const uint8_t *p, uint32_t len, uint32_t *at, uint64_t *v)
{
	if (*at >= len)
		return false;
	unsigned n = 1u << (p[*at] >> 6);
	if (n > len - *at)
		return false;
	*v = p[(*at)++] & 0x3f;
	while (--n)
		*v = *v << 8 | p[(*at)++];
	return true;
}

// What every version has (RFC 8999 5.1): version and both ids. Returns the offset behind them, 0 where it is none.
static uint32_t invariant(const uint8_t *p, uint32_t len, struct packet *k)
{
	if (len < 7 || !(p[0] & 0x80))
		return 0;
	uint32_t at = 6 + p[5];
	if (p[5] > QUIC_ID_MAX || at >= len || p[at] > QUIC_ID_MAX || at + 1 + p[at] > len)
		return 0;
	*k = (struct packet){.p = p, .number = be32(p + 1), .dcid = p + 6, .dcid_len = p[5]};
	k->scid = p + at + 1;
	k->scid_len = p[at];
	return at + 1 + k->scid_len;
}

// A long header of a version that is known: RFC 9000 17.2, RFC 9369 3.2 (types are shifted by one).
static bool long_header(const uint8_t *p, uint32_t len, struct packet *k)
{
	uint64_t n;
	uint32_t at = invariant(p, len, k);
	if (at == 0 || !(k->v = quic_version_find(k->number)))
		return false;
	k->type = ((p[0] >> 4) + (k->v->v2 ? 3 : 0)) & 3;
	if (k->type == TYPE_RETRY) {
		k->size = len;
		return len >= at + 16;
	}
	if (k->type == TYPE_INITIAL) {
		if (!varint(p, len, &at, &n) || n > len - at)
			return false;
		k->token_len = n;
		at += n;
	}
	if (!varint(p, len, &at, &n) || n > len - at || n < 20)
		return false;
	k->pn_at = at;
	k->size = at + n;
	return true;
}

// ---- what is said ----------------------------------------------------------------------------------------------

txn_t quic_say(struct app_in *in, const struct quic_conn *c, uint32_t room)
{
	static const char digits[] = "0123456789abcdef";
	char hex[8], name[4];
	unsigned n = 0;
	txn_t t = txn_begin(in, RECORD_QUIC, room);
	in->f->app = APP_QUIC;
	if (c->version) {
		txn_str_from(in, t, FACT_QUIC_VERSION, c->version->name, strlen(c->version->name), c->version_at);
	} else if (c->number_be >> 24 == 'Q') {
		for (unsigned i = 0; i < 4; i++)
			name[i] = (char)(c->number_be >> (24 - 8 * i));
		txn_str_from(in, t, FACT_QUIC_VERSION, name, 4, c->version_at);
	} else {
		for (int shift = 28; shift >= 0; shift -= 4)
			if (n || shift == 0 || c->number_be >> shift)
				hex[n++] = digits[c->number_be >> shift & 15];
		txn_str_from(in, t, FACT_QUIC_VERSION, hex, n, c->version_at);
	}
	txn_str_from(in, t, FACT_QUIC_CID, c->original.bytes, c->original.len, c->cid_at);
	return t;
}

struct hello_place {
	const struct quic_conn *c;
	uint32_t at; // of the hello's body in the CRYPTO stream
};

static struct origin hello_origin(const struct hello_source *s, uint32_t at, uint32_t len)
{
	const struct hello_place *h = s->arg;
	return quic_conn_origin(h->c, h->at + at, len);
}

// The ClientHello at c->parsed, of which len bytes are there (less than all: cut).
static void say_hello(struct quic *q, struct app_in *in, struct quic_conn *c, uint32_t len, bool cut)
{
	uint8_t *hello = in->scratch + HELLO_AT;
	struct hello_place place = {c, c->parsed + 4};
	struct hello_source source = {.in = in, .origin_at = hello_origin, .arg = &place, .cut = cut};
	struct hello_told told;
	quic_conn_copy(q, c, QUIC_CLIENT, c->parsed, len, hello);
	txn_t t = quic_say(in, c, hello_room(len));
	bool whole = hello_read(&source, t, HELLO_QUIC, hello + 4, len - 4, &told);
	judge_txn(in, t);
	txn_end(in, t);
	if (whole && c->hellos && told.sni != c->sni_hash)
		app_anomaly_from(in, ANOMALY_TLS_SNI_DIFFERS, NULL, 0, hello_origin(&source, 0, len - 4));
	c->sni_hash = told.sni;
	if (c->hellos < UINT8_MAX)
		c->hellos++;
}

// Every hello that has become whole. After a HelloRetryRequest there is a second one behind the first.
static void judge(struct quic *q, struct app_in *in, struct quic_conn *c)
{
	while (!c->judged) {
		uint8_t head[4];
		uint32_t have = quic_conn_have(q, c, QUIC_CLIENT, c->parsed);
		if (have < 4)
			return;
		quic_conn_copy(q, c, QUIC_CLIENT, c->parsed, 4, head);
		uint32_t len = 4 + (be32(head) & 0xffffff);
		bool beyond = c->parsed + len > QUIC_CRYPTO_MAX; // can never become whole here
		if (head[0] != 1) {
			c->judged = true;
			return;
		}
		if (have < len && !(beyond && c->parsed + have == QUIC_CRYPTO_MAX))
			return;
		say_hello(q, in, c, have < len ? have : len, have < len);
		c->judged = beyond;
		c->parsed += len;
		if (unlikely(c->flow != in->f && c->flow->id == c->flow_id && c->flow->holds) &&
		    !quic_waits(in, c->flow)) // it began on another port
			hold_follow(in->w, c->flow, in->f);
	}
}

bool quic_take(struct quic *q, struct app_in *in, struct quic_conn *c, enum quic_side side, uint64_t offset,
	       const uint8_t *p, uint32_t len, uint32_t at)
{
	struct origin o = app_origin(in, in->data + at, len);
	if (quic_conn_add(q, in, c, side, offset, p, len, o) != QUIC_DIFFERS)
		return true;
	app_anomaly_from(in, ANOMALY_QUIC_CHANGED, NULL, 0, o);
	app_refuse(in, REASON_QUIC_CHANGED);
	return false;
}

// ---- frames ----------------------------------------------------------------------------------------------------

// RFC 9000 19.3
static bool skip_ack(const uint8_t *p, uint32_t len, uint32_t *at, bool ecn)
{
	uint64_t n, v;
	if (!varint(p, len, at, &v) || !varint(p, len, at, &v) || !varint(p, len, at, &n) || !varint(p, len, at, &v) ||
	    n > len)
		return false;
	for (n = 2 * n + (ecn ? 3 : 0); n; n--)
		if (!varint(p, len, at, &v))
			return false;
	return true;
}

// CONNECTION_CLOSE of the transport, RFC 9000 19.19
static bool skip_close(const uint8_t *p, uint32_t len, uint32_t *at)
{
	uint64_t v;
	if (!varint(p, len, at, &v) || !varint(p, len, at, &v) || !varint(p, len, at, &v) || v > len - *at)
		return false;
	*at += v;
	return true;
}

// The frames that an Initial may hold (RFC 9000 12.4); at anything else the receiver closes the connection, and
// reading ends. p[at..len): opened payload, at the offsets that it has in the packet; base: packet's in the datagram.
static void read_frames(struct run *r, struct quic_conn *c, enum quic_side side, const uint8_t *p, uint32_t at,
			uint32_t len, uint32_t base)
{
	uint64_t type, offset, n;
	// each takes a byte at least. A type may be longer than it needs to be (12.4): the receiver may read it
	while (at < len && varint(p, len, &at, &type)) {
		switch (type) {
		case 0x00: // PADDING
			while (at < len && p[at] == 0)
				at++;
			break;
		case 0x01: // PING
			break;
		case 0x02:
		case 0x03: // ACK
			if (!skip_ack(p, len, &at, type == 3))
				return;
			break;
		case 0x06: // CRYPTO
			if (!varint(p, len, &at, &offset) || !varint(p, len, &at, &n) || n > len - at)
				return;
			if (!quic_take(r->q, r->in, c, side, offset, p + at, n, base + at))
				return;
			at += n;
			break;
		case 0x1c: // CONNECTION_CLOSE
			if (!skip_close(p, len, &at))
				return;
			break;
		default:
			return;
		}
	}
}

// ---- Initial packets ---------------------------------------------------------------------------------------------

static bool try_open(struct run *r, const struct packet *k, struct quic_conn *c, enum quic_side side,
		     struct quic_opened *o)
{
	struct quic_key other[2];
	const struct quic_key *key = c->key;
	if (r->tries++ >= TRIES_MAX)
		return false;
	if (c->version != k->v) { // compatible version negotiation (RFC 9368 2.3): same id, other salt
		quic_keys(k->v, c->original.bytes, c->original.len, other);
		key = other;
	}
	return quic_open(r->q->mgr, &key[side], k->p, k->size, k->pn_at, c->number[side], r->in->scratch, o);
}

// The connections of this flow that the packet's id speaks for.
static struct quic_conn *open_known(struct run *r, const struct packet *k, enum quic_side *side, struct quic_opened *o)
{
	struct quic_conn *c;
	*side = QUIC_CLIENT;
	for (c = quic_conn_first(r->q, r->in->f); c; c = quic_conn_next(r->q, c))
		if (c->version && quic_id_is(&c->original, k->dcid, k->dcid_len) && try_open(r, k, c, QUIC_CLIENT, o))
			return c;
	for (c = quic_conn_first(r->q, r->in->f); c; c = quic_conn_next(r->q, c)) {
		if (!c->version || !quic_conn_knows(c, k->dcid, k->dcid_len))
			continue;
		*side = r->in->dir == c->client_dir ? QUIC_CLIENT : QUIC_SERVER;
		if (try_open(r, k, c, *side, o))
			return c;
	}
	return NULL;
}

// Both flows are to one server; the end of a flow that has the server is not the one that client_dir speaks from.
static bool same_server(const struct quic_conn *c, const struct app_in *in)
{
	const struct flow_key *a = &c->flow->key, *b = &in->f->key;
	bool a_from_b = (c->client_dir == 1) ^ !!(c->flow->flags & FLOW_SWAPPED);
	bool b_from_b = (in->dir == 1) ^ !!(in->f->flags & FLOW_SWAPPED);
	return c->flow->id == c->flow_id && a->tenant == b->tenant &&
	       (a_from_b ? a->aport_be : a->bport_be) == (b_from_b ? b->aport_be : b->bport_be) &&
	       !memcmp(a_from_b ? a->a : a->b, b_from_b ? b->a : b->b, sizeof(a->a));
}

// The client has moved to another port before all of its hello came.
static struct quic_conn *open_moved(struct run *r, const struct packet *k, struct quic_opened *o)
{
	struct quic_conn *c = k->dcid_len ? quic_conn_by_id(r->q, k->dcid, k->dcid_len) : NULL;
	bool same = c && c->flow != r->in->f && quic_conn_waits(c) && same_server(c, r->in) &&
		    quic_id_is(&c->original, k->dcid, k->dcid_len);
	return same && try_open(r, k, c, QUIC_CLIENT, o) ? c : NULL;
}

// Any connection of the flow (a client alone may have been seen, so that the server's id is not known), then
// whoever knows the id (the client has moved to another port).
static struct quic_conn *open_any(struct run *r, const struct packet *k, enum quic_side *side, struct quic_opened *o)
{
	struct quic_conn *c;
	for (c = quic_conn_first(r->q, r->in->f); c; c = quic_conn_next(r->q, c)) {
		for (unsigned s = 0; c->version && s < 2; s++) {
			*side = s ^ (r->in->dir != c->client_dir);
			if (try_open(r, k, c, *side, o))
				return c;
		}
	}
	c = k->dcid_len ? quic_conn_by_id(r->q, k->dcid, k->dcid_len) : NULL;
	for (unsigned s = 0; c && c->version && s < 2; s++) {
		*side = s;
		if (try_open(r, k, c, s, o))
			return c;
	}
	return NULL;
}

// After a Retry the client goes on with the id that the server chose, and keys made of it (RFC 9001 5.2). Known by
// the Retry; where that was not seen, by the token together with the client's own id.
static struct quic_conn *retried(struct run *r, const struct packet *k)
{
	for (struct quic_conn *c = quic_conn_first(r->q, r->in->f); c; c = quic_conn_next(r->q, c)) {
		if (c->retry.len && quic_id_is(&c->retry, k->dcid, k->dcid_len))
			return c;
		if (k->token_len && k->scid_len && quic_id_is(&c->client, k->scid, k->scid_len) &&
		    c->client_dir == r->in->dir && !c->retry.len)
			return c;
	}
	return NULL;
}

// The client's first Initial: its own id makes its keys.
static struct quic_conn *open_new(struct run *r, const struct packet *k, struct quic_opened *o)
{
	struct quic_key key[2];
	if (r->tries++ >= TRIES_MAX)
		return NULL;
	quic_keys(k->v, k->dcid, k->dcid_len, key);
	if (!quic_open(r->q->mgr, &key[QUIC_CLIENT], k->p, k->size, k->pn_at, 0, r->in->scratch, o))
		return NULL;
	struct quic_conn *c = retried(r, k);
	if (!c) {
		c = quic_conn_new(r->q, r->in);
		c->version_at = app_origin(r->in, k->p + 1, 4);
		c->cid_at = app_origin(r->in, k->dcid, k->dcid_len);
	}
	c->version = k->v;
	c->number_be = k->number;
	memcpy(c->key, key, sizeof(key));
	memset(c->number, 0, sizeof(c->number));
	quic_id_set(&c->original, k->dcid, k->dcid_len);
	quic_id_set(&c->client, k->scid, k->scid_len);
	return c;
}

// Sent to port 443, whoever was seen first.
static bool to_https(const struct app_in *in)
{
	bool from_b = (in->dir == 1) ^ !!(in->f->flags & FLOW_SWAPPED);
	return (from_b ? in->f->key.aport_be : in->f->key.bport_be) == htons(PORT_HTTPS);
}

// A server's Initial whose client was not seen cannot be opened, and that is no fault: only what must be a client's
// (to port 443; elsewhere from whoever began).
static void complain(struct run *r, const struct packet *k)
{
	struct app_in *in = r->in;
	struct quic_stranger *s = quic_stranger_of(r->q, r->in);
	if (s->complained || (quic_on_https(in->f) ? !to_https(in) : in->dir != 0) || in->cut ||
	    in->len < INITIAL_MIN || k->dcid_len < 8 || r->tries >= TRIES_MAX || in->f->app_state)
		return;
	s->complained = 1;
	app_anomaly(in, ANOMALY_QUIC_UNDECRYPTABLE, k->dcid, k->dcid_len);
}

static bool read_initial(struct run *r, const struct packet *k)
{
	struct quic_opened o;
	enum quic_side side;
	struct quic_conn *c = open_known(r, k, &side, &o);
	if (!c) {
		side = QUIC_CLIENT;
		c = open_moved(r, k, &o);
	}
	if (!c)
		c = open_new(r, k, &o);
	if (!c)
		c = open_any(r, k, &side, &o);
	if (!c) {
		complain(r, k);
		return false;
	}
	uint32_t base = k->p - r->in->data;
	r->in->f->app = APP_QUIC;
	quic_conn_touch(r->q, c);
	if (o.number >= c->number[side])
		c->number[side] = o.number + 1;
	quic_conn_learn(r->q, c, k->scid, k->scid_len);
	if (side == QUIC_CLIENT)
		quic_conn_learn(r->q, c, k->dcid, k->dcid_len);
	if (k->v->frames == QUIC_FRAMES_GOOGLE)
		quic_google_frames(r->q, r->in, c, 50, o.at - k->pn_at, r->in->scratch + o.at, o.len, base + o.at,
				   true);
	else
		read_frames(r, c, side, r->in->scratch, o.at, o.at + o.len, base);
	if (k->v->frames == QUIC_FRAMES_IETF && side == QUIC_CLIENT && !r->in->drop)
		judge(r->q, r->in, c);
	if (side == QUIC_CLIENT)
		r->in->hold = quic_conn_waits(c);
	return true;
}

// ---- datagrams ---------------------------------------------------------------------------------------------------

static void read_retry(struct run *r, const struct packet *k)
{
	for (struct quic_conn *c = quic_conn_first(r->q, r->in->f); c; c = quic_conn_next(r->q, c))
		if (c->client_dir != r->in->dir && !c->retry.len && quic_id_is(&c->client, k->dcid, k->dcid_len)) {
			quic_id_set(&c->retry, k->scid, k->scid_len);
			quic_conn_learn(r->q, c, k->scid, k->scid_len);
			return;
		}
}

// Handshake packets tell the server's id even where its Initial was lost. 0-RTT that comes before its Initial waits for
// it, and with it.
static void read_other(struct run *r, const struct packet *k)
{
	struct quic_conn *first = quic_conn_first(r->q, r->in->f);
	if (k->type == TYPE_ZERO_RTT)
		r->in->hold |= !first;
	for (struct quic_conn *c = first; c && !r->in->hold; c = quic_conn_next(r->q, c))
		r->in->hold = r->in->dir == c->client_dir && quic_conn_waits(c);
	for (struct quic_conn *c = quic_conn_first(r->q, r->in->f); c; c = quic_conn_next(r->q, c))
		if (quic_conn_knows(c, k->dcid, k->dcid_len)) {
			quic_conn_learn(r->q, c, k->scid, k->scid_len);
			return;
		}
}

static bool all_zero(const uint8_t *p, uint32_t len)
{
	while (len && p[len - 1] == 0)
		len--;
	return len == 0;
}

// A client's first datagram in a version that nobody here knows. Its layout beyond the invariants is its own affair,
// but every version that has been deployed keeps v1's Initial: without that, bytes of any protocol would do.
static bool unknown_version(struct run *r)
{
	struct app_in *in = r->in;
	struct packet k;
	uint64_t n;
	uint32_t at = invariant(in->data, in->len, &k);
	if (at == 0 || in->cut || in->len < INITIAL_MIN || (in->data[0] & 0xc0) != 0xc0 || k.number == 0 ||
	    k.dcid_len < 8 || !to_https(in))
		return false;
	if (!varint(in->data, in->len, &at, &n) || n > in->len - at)
		return false;
	at += n;
	if (!varint(in->data, in->len, &at, &n) || n > in->len - at || n < 20 ||
	    !all_zero(in->data + at + n, in->len - at - n))
		return false;
	if (in->f->app == APP_QUIC)
		return true;
	struct quic_conn c = {.number_be = k.number, .version_at = app_origin(in, in->data + 1, 4)};
	quic_id_set(&c.original, k.dcid, k.dcid_len);
	c.cid_at = app_origin(in, k.dcid, k.dcid_len);
	txn_t t = quic_say(in, &c, 512);
	judge_txn(in, t);
	txn_end(in, t);
	return true;
}

// RFC 9000 17.2.1: a list of versions, one of which is known here.
static bool version_negotiation(const uint8_t *p, uint32_t len)
{
	struct packet k;
	uint32_t at = invariant(p, len, &k);
	if (at == 0 || k.number != 0 || at == len || (len - at) % 4)
		return false;
	for (; at < len; at += 4)
		if (quic_version_find(be32(p + at)))
			return true;
	return false;
}

static bool long_packets(struct run *r)
{
	struct app_in *in = r->in;
	struct packet k;
	bool known = false;
	for (uint32_t at = 0, n = 0; n < PACKETS_MAX && at < in->len && (in->data[at] & 0x80); n++) {
		if (!long_header(in->data + at, in->len - at, &k)) {
			if (at == 0)
				return version_negotiation(in->data, in->len) || unknown_version(r);
			break;
		}
		at += k.size;
		// the fixed bit may be greased (RFC 9287); then it takes an opened packet to be sure
		known |= k.p[0] & 0x40;
		if (k.type == TYPE_INITIAL)
			known |= read_initial(r, &k);
		else if (k.type == TYPE_RETRY)
			read_retry(r, &k);
		else
			read_other(r, &k);
		if (in->drop)
			break;
		// what lies behind could be opened by its receiver, and is not read here
		if (unlikely(n + 1 == PACKETS_MAX || r->tries >= TRIES_MAX) && in->f->policy & POLICY_OPEN)
			app_refuse(in, REASON_POLICY_HOLD);
	}
	return known;
}

// A short header on a flow whose handshake was not seen. A client that has moved is known by its id.
static bool moved(struct run *r)
{
	const struct app_in *in = r->in;
	for (uint32_t lengths = r->q->id_lengths >> 4; lengths; lengths &= lengths - 1) {
		uint32_t len = 4 + __builtin_ctz(lengths);
		if (in->len > len + QUIC_SHORT_MIN && quic_conn_by_id(r->q, in->data + 1, len))
			return true;
	}
	return false;
}

bool quic_datagram(struct app_in *in)
{
	if (in->len == 0)
		return false;
	// the common packet: a short header of a flow that is known
	if ((in->data[0] & 0xc0) == 0x40 && in->f->app == APP_QUIC)
		return true;
	struct run r = {.q = in->w->inspect->quic, .in = in};
	if (in->data[0] & 0x80)
		return quic_google_datagram(r.q, in) || long_packets(&r) || (quic_orphan(r.q, in), false);
	if (in->f->app == APP_QUIC)
		return quic_google_datagram(r.q, in) || true;
	return quic_google_datagram(r.q, in) || ((in->data[0] & 0x40) && moved(&r)) || quic_orphan(r.q, in);
}

// The flow ends: a hello that never became whole is said as far as it goes.
// A first hello that is not whole, as far as it is there.
static void say_rest(struct quic *q, struct app_in *in, struct quic_conn *c)
{
	uint8_t type = 0;
	bool open = c->version && c->version->frames == QUIC_FRAMES_IETF && !c->hellos;
	uint32_t have = open ? quic_conn_have(q, c, QUIC_CLIENT, 0) : 0;
	if (have >= 4)
		quic_conn_copy(q, c, QUIC_CLIENT, 0, 1, &type);
	if (type != 1)
		return;
	in->dir = c->client_dir;
	say_hello(q, in, c, have, true);
	if (in->since)
		c->hellos = 0;
}

void quic_rest(struct app_in *in)
{
	struct quic *q = in->w->inspect->quic;
	for (struct quic_conn *c = quic_conn_first(q, in->f); c; c = quic_conn_next(q, c))
		say_rest(q, in, c);
}

void quic_end(struct app_in *in)
{
	quic_rest(in);
	for (struct quic_conn *c; (c = quic_conn_first(in->w->inspect->quic, in->f));)
		quic_conn_free(in->w->inspect->quic, c);
}
