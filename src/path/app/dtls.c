// SPDX-License-Identifier: BSD-3-Clause
//
// DTLS 1.0 to 1.3 over UDP: datagrams come in, one by one, hellos and answers go to handshake.c. On the worker's
// thread.
//
//   datagram:  | record head 13 | message head 12 | fragment | message head | fragment | record head | ...
//
// Fragments of a message can come in any number of datagrams, in any order, more than once and overlapping
// (RFC 6347 4.2.3); message_seq says which hello it is, so that the order of datagrams changes nothing.
// A message that lies whole in one datagram is read where it lies. Only others take a buffer.
//
// Memory is a pool of config->apps flows and a sixteenth as many buffers, taken at start. When one is used up the
// one taken longest ago gives way (counter app_pool_empty); its open transactions are written as they stand. A flow
// whose state is gone is met as a new one. The first copy of a byte is the truth; another one that differs is an
// anomaly (TLS_CHANGED).
#include "handshake.h"

#include <string.h>

#include "../inspect.h"
#include "base/be.h"
#include "base/eal.h"

#define RECORD_HEAD 13
#define MESSAGE_HEAD 12
#define MESSAGE_MAX (16 * 1024)
#define PLACES_MAX 32 // fragments whose origin is remembered; a byte of a later one has the last's
#define BUFFERS_MIN 16
#define BUFFER_SHARE 16 // flows a buffer: hellos of more than a datagram are few

enum content { CHANGE_CIPHER_SPEC = 20, ALERT = 21, HANDSHAKE = 22, ACK = 26 };
enum message_type { CLIENT_HELLO = 1, SERVER_HELLO = 2, HELLO_VERIFY_REQUEST = 3 };

struct place {
	uint32_t at, len;
	struct origin origin;
};

struct buffer {
	uint32_t owner; // flow state index + 1; 0: free
	uint32_t dir, turn;
	uint32_t have, nplaces;
	struct place place[PLACES_MAX];
	uint64_t seen[MESSAGE_MAX / 64]; // a bit a byte
	uint8_t data[MESSAGE_MAX];
};

// One message of a direction: a handshake has two hellos and two answers at most, told apart by message_seq & 1.
struct turn {
	uint64_t hash;     // of what was read last
	uint16_t hash_seq; // its message_seq
	bool read;         // there was one
	bool refused;      // and the packet that completed it was dropped: so is whatever brings it again
	uint8_t read_type;
	uint8_t type; // of the message being put together
	uint16_t seq;
	uint32_t len;
	uint32_t buffer; // index + 1
};

struct side {
	struct turn turn[2];
};

struct dtls_flow {
	uint64_t flow_id; // 0: free
	struct handshake handshake;
	struct side side[2];
};

struct dtls {
	uint32_t nflows, nbuffers;
	uint32_t next_flow, next_buffer; // the next to be taken
	size_t bytes;
	struct buffer *buffer;
	struct dtls_flow flow[];
};

// A handshake message's fragment, as its head says and as it is there.
struct fragment {
	uint8_t type;
	uint16_t seq;
	uint32_t len; // of the message
	uint32_t at, n;
	const uint8_t *p;
};

struct dtls *dtls_new(const struct path_config *c)
{
	uint32_t nflows = c->apps ? c->apps : 1, nbuffers = nflows / BUFFER_SHARE;
	nbuffers = nbuffers < BUFFERS_MIN ? BUFFERS_MIN : nbuffers;
	size_t flows = sizeof(struct dtls) + nflows * sizeof(struct dtls_flow);
	size_t bytes = flows + nbuffers * sizeof(struct buffer);
	struct dtls *d = mem_take(bytes);
	if (!d)
		return NULL;
	d->nflows = nflows;
	d->nbuffers = nbuffers;
	d->bytes = bytes;
	d->buffer = (struct buffer *)((uint8_t *)d + flows);
	return d;
}

void dtls_free(struct dtls *d)
{
	mem_give(d, d->bytes);
}

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

// 0xfeff, 0xfefd, 0xfefc, and OpenSSL's 0x0100 from before RFC 4347
static bool version_sound(uint32_t v)
{
	return v == 0xfeff || v == 0xfefd || v == 0xfefc || v == 0x0100;
}

static bool record_sound(const uint8_t *p)
{
	return p[0] >= CHANGE_CIPHER_SPEC && p[0] <= ACK && version_sound(be16(p + 1));
}

static struct dtls_flow *flow_find(struct dtls *d, const struct flow *f)
{
	if (f->app_state == 0 || f->app_state > d->nflows)
		return NULL;
	struct dtls_flow *s = &d->flow[f->app_state - 1];
	return s->flow_id == f->id + 1 ? s : NULL;
}

static void buffer_drop(struct dtls *d, struct turn *s)
{
	if (s->buffer)
		d->buffer[s->buffer - 1].owner = 0;
	s->buffer = 0;
}

static void flow_drop(struct dtls *d, struct dtls_flow *s, const struct app_in *in)
{
	handshake_end(&s->handshake, in);
	for (unsigned i = 0; i < 4; i++)
		buffer_drop(d, &s->side[i / 2].turn[i & 1]);
	memset(s, 0, sizeof(*s));
}

static struct dtls_flow *flow_take(struct dtls *d, struct app_in *in)
{
	struct dtls_flow *s = flow_find(d, in->f);
	if (s)
		return s;
	uint32_t i = d->next_flow;
	d->next_flow = i + 1 < d->nflows ? i + 1 : 0;
	s = &d->flow[i];
	if (s->flow_id) {
		count(in->w, COUNTER_APP_POOL_EMPTY);
		flow_drop(d, s, in);
	}
	s->flow_id = in->f->id + 1;
	in->f->app_state = i + 1;
	return s;
}

static struct buffer *buffer_take(struct dtls *d, struct dtls_flow *f, struct app_in *in, unsigned turn)
{
	uint32_t i = d->next_buffer;
	struct buffer *b = &d->buffer[i];
	d->next_buffer = i + 1 < d->nbuffers ? i + 1 : 0;
	if (b->owner) {
		count(in->w, COUNTER_APP_POOL_EMPTY);
		d->flow[b->owner - 1].side[b->dir].turn[b->turn].buffer = 0;
	}
	b->owner = (uint32_t)(f - d->flow) + 1;
	b->dir = in->dir;
	b->turn = turn;
	b->have = b->nplaces = 0;
	memset(b->seen, 0, sizeof(b->seen));
	f->side[in->dir].turn[turn].buffer = i + 1;
	return b;
}

static struct origin datagram_origin(const struct hello_source *src, uint32_t at, uint32_t len)
{
	return app_origin(src->in, (const uint8_t *)src->arg + at, len);
}

static struct origin buffer_origin(const struct hello_source *src, uint32_t at, uint32_t len)
{
	const struct buffer *b = src->arg;
	struct origin o = {src->in->w->frame, 0, len};
	for (uint32_t i = 0; i < b->nplaces; i++) {
		const struct place *p = &b->place[i];
		if (at >= p->at && at - p->at < p->len) {
			o = p->origin;
			o.off += at - p->at;
			o.len = len;
			break;
		}
	}
	return o;
}

// A message, or a piece of one, that was read before. A refused one must not get through the second time.
static void repeated(struct app_in *in, const struct turn *s)
{
	if (s->refused)
		app_refuse(in, REASON_TLS_BAD_NAME);
}

// A whole message, or as much of it as a cut frame has.
static void message(struct dtls_flow *f, struct hello_source *src, const struct fragment *g, const uint8_t *p,
		    uint32_t len)
{
	struct handshake *h = &f->handshake;
	struct turn *s = &f->side[src->in->dir].turn[g->seq & 1];
	uint64_t hash = hello_hash(p, len) + g->type;
	if (s->read && s->hash == hash) {
		repeated(src->in, s);
		return;
	}
	if (s->read && s->hash_seq == g->seq && s->read_type == g->type) {
		if (h->final && g->type == CLIENT_HELLO) { // a new association on the same ports (RFC 6347 4.2.8)
			handshake_end(h, src->in);
			memset(h, 0, sizeof(*h));
			for (unsigned i = 0; i < 4; i++)
				f->side[i / 2].turn[i & 1].read = false;
		} else if (!src->cut && g->type != HELLO_VERIFY_REQUEST) { // whose cookie may change
			app_anomaly_from(src->in, ANOMALY_TLS_CHANGED, NULL, 0, hello_place(src, p, len, 0, len));
		}
	}
	s->hash = hash;
	s->hash_seq = g->seq;
	s->read = true;
	s->read_type = g->type;
	if (g->type == CLIENT_HELLO) {
		h->hellos = (uint8_t)g->seq;
		handshake_hello(h, src, HELLO_DTLS, p, len);
		s->refused = src->in->drop != REASON_NONE;
		return;
	}
	h->answers = (uint8_t)g->seq;
	if (g->type == SERVER_HELLO)
		handshake_answer(h, src, HELLO_DTLS, p, len, false);
	else
		handshake_dismiss(h, src->in, false);
}

// Copies what is new of a fragment. False: it differs from what was there.
static bool buffer_put(struct buffer *b, const struct fragment *g, struct origin o)
{
	bool same = true;
	for (uint32_t i = 0; i < g->n; i++) {
		uint32_t at = g->at + i;
		if (b->seen[at / 64] >> (at % 64) & 1) {
			same &= b->data[at] == g->p[i];
			continue;
		}
		b->seen[at / 64] |= 1ull << (at % 64);
		b->data[at] = g->p[i];
		b->have++;
	}
	if (b->nplaces == PLACES_MAX)
		b->nplaces--;
	b->place[b->nplaces++] = (struct place){g->at, g->n, o};
	return same;
}

static void fragment_in(struct dtls *d, struct dtls_flow *f, struct app_in *in, const struct fragment *g)
{
	struct turn *s = &f->side[in->dir].turn[g->seq & 1];
	struct buffer *b = s->buffer ? &d->buffer[s->buffer - 1] : NULL;
	if (!b || s->seq != g->seq || s->type != g->type || s->len != g->len) {
		if (s->read && s->hash_seq == g->seq && s->read_type == g->type && !f->handshake.final) {
			repeated(in, s);
			return;
		}
		buffer_drop(d, s);
		b = buffer_take(d, f, in, g->seq & 1);
		s->seq = g->seq;
		s->type = g->type;
		s->len = g->len;
	}
	if (!buffer_put(b, g, app_origin(in, g->p, g->n)))
		app_anomaly_at(in, ANOMALY_TLS_CHANGED, g->p, g->n);
	if (b->have < s->len) {
		in->hold |= g->type == CLIENT_HELLO;
		return;
	}
	struct hello_source src = {.in = in, .origin_at = buffer_origin, .arg = b};
	message(f, &src, g, b->data, s->len);
	in->hold = false;
	buffer_drop(d, s);
}

// The fragments of one handshake record of epoch 0. Where the frame was cut the last one may lack its end.
static void handshake_record(struct dtls *d, struct app_in *in, const uint8_t *p, uint32_t len)
{
	while (len >= MESSAGE_HEAD) {
		struct fragment g = {p[0],        (uint16_t)be16(p + 4), be24(p + 1),
				     be24(p + 6), be24(p + 9),           p + MESSAGE_HEAD};
		uint32_t here = least(g.n, len - MESSAGE_HEAD);
		bool wanted = g.type >= CLIENT_HELLO && g.type <= HELLO_VERIFY_REQUEST && g.len <= MESSAGE_MAX;
		if (g.at > g.len || g.n > g.len - g.at || (here < g.n && !in->cut)) {
			if (wanted)
				app_anomaly_at(in, ANOMALY_TLS_MALFORMED, p, MESSAGE_HEAD);
			return;
		}
		bool whole = g.n == g.len;
		struct hello_source src = {.in = in, .origin_at = datagram_origin, .arg = g.p, .cut = here < g.n};
		g.n = here;
		if (wanted && whole)
			message(flow_take(d, in), &src, &g, g.p, here);
		else if (wanted && here)
			fragment_in(d, flow_take(d, in), in, &g);
		p += MESSAGE_HEAD + here;
		len -= MESSAGE_HEAD + here;
	}
}

static bool side_read(const struct side *s)
{
	return s->turn[0].read || s->turn[1].read;
}

// RFC 5246 7.2: a fatal alert in clear, from the side that did not send the hello.
static void alert(struct dtls *d, struct app_in *in, const uint8_t *p, uint32_t len)
{
	struct dtls_flow *f = flow_find(d, in->f);
	if (f && len == 2 && p[0] == 2 && !f->handshake.final && side_read(&f->side[!in->dir]) &&
	    !side_read(&f->side[in->dir]))
		handshake_dismiss(&f->handshake, in, true);
}

// Records of epoch 0 of a flow that is DTLS, or shows itself to be; all others are encrypted.
bool dtls_datagram(struct app_in *in)
{
	struct dtls *d = in->w->inspect->dtls;
	const uint8_t *p = in->data;
	uint32_t len = in->len;
	if (in->f->app == APP_QUIC || (in->f->app != APP_DTLS && dtls_looks(p, len) <= 0))
		return false;
	if (in->f->app != APP_DTLS)
		in->f->app_state = 0;
	if (len && p[0] >> 5 == 1) // RFC 9147 4: the unified head of encrypted records
		return true;
	if (len < RECORD_HEAD || !record_sound(p))
		return false;
	in->f->app = APP_DTLS; // what is said from here on is said of DTLS
	while (len >= RECORD_HEAD && record_sound(p)) {
		uint32_t body = least(be16(p + 11), len - RECORD_HEAD);
		if (p[0] == HANDSHAKE && be16(p + 3) == 0)
			handshake_record(d, in, p + RECORD_HEAD, body);
		else if (p[0] == ALERT && be16(p + 3) == 0)
			alert(d, in, p + RECORD_HEAD, body);
		p += RECORD_HEAD + body;
		len -= RECORD_HEAD + body;
	}
	return true;
}

void dtls_rest(struct app_in *in)
{
	struct dtls *d = in->w->inspect->dtls;
	struct dtls_flow *f = flow_find(d, in->f);
	for (unsigned i = 0; f && i < 4; i++) {
		const struct turn *s = &f->side[i / 2].turn[i & 1];
		const struct buffer *b = s->buffer && s->type == CLIENT_HELLO ? &d->buffer[s->buffer - 1] : NULL;
		struct hello_source src = {.in = in, .origin_at = buffer_origin, .arg = b, .cut = true};
		struct handshake before = f->handshake;
		uint32_t have = 0;
		while (b && have < s->len && (b->seen[have / 64] >> (have % 64) & 1))
			have++;
		in->dir = (uint8_t)(i / 2);
		if (have)
			handshake_hello(&f->handshake, &src, HELLO_DTLS, b->data, have);
		if (in->since)
			f->handshake = before;
	}
}

void dtls_end(struct app_in *in)
{
	struct dtls *d = in->w->inspect->dtls;
	struct dtls_flow *f = flow_find(d, in->f);
	if (f)
		flow_drop(d, f, in);
	in->f->app_state = 0;
}

// A handshake record of epoch 0 that holds a hello, an answer or a HelloVerifyRequest, with lengths that fit.
int dtls_looks(const uint8_t *p, uint32_t len)
{
	if (len < RECORD_HEAD + MESSAGE_HEAD)
		return 0;
	const uint8_t *m = p + RECORD_HEAD;
	if (p[0] != HANDSHAKE || !record_sound(p) || be16(p + 3) != 0 || be16(p + 5) != 0)
		return 0;
	uint32_t record = be16(p + 11), total = be24(m + 1), at = be24(m + 6), n = be24(m + 9);
	return m[0] >= CLIENT_HELLO && m[0] <= HELLO_VERIFY_REQUEST && be16(m + 4) < 256 && total <= MESSAGE_MAX &&
	       at <= total && n <= total - at && n + MESSAGE_HEAD <= record;
}
