// SPDX-License-Identifier: BSD-3-Clause
//
// HTTP/2 in the clear (RFC 9113): cuts both directions into frames, and says one transaction for each stream of the
// client, in the form that HTTP/1 has. In come the bytes of a connection that begins with the preface (by prior
// knowledge, behind a 101, inside CONNECT or SOCKS), in any pieces; out go transactions, and DNS messages in DATA
// frames (RFC 8484), which dns.c says where they are beyond doubt. Worker's thread.
//
//	client   preface | SETTINGS | HEADERS 1 | HEADERS 3 | DATA 3 ...     each opens a transaction, and is judged
// whole 	server   SETTINGS | HEADERS 3 | HEADERS 1 | DATA 1 ...               each takes the transaction of its
// stream
//
// The preface, SETTINGS and the like lead to what is judged and leave before it (a client may wait for the server's
// SETTINGS); a header block leaves when it was read whole and judged. DATA is passed over without being stored. What is
// denied ends the connection by RST at both ends: a page would have to be written in the server's table.
//
// Header blocks can be read only by who has read all before them. So a connection that was picked up in its middle is
// HTTP/2 and no more; after a gap the server's side is not read any further; the client's is nobody's, about which the
// policy decides; and a block of the client that is refused is the last that leaves.
//
// Memory is a pool of connections, taken at start; where it is empty (app_pool_empty) the flow is nobody's.
#include "app.h"

#include <string.h>

#include "../inspect.h"
#include "../judge.h"
#include "base/be.h"
#include "base/eal.h"
#include "dns.h"
#include "http2_frame.h"
#include "http2_head.h"
#include "http_say.h"

#define BLOCK_MAX (48 * 1024) // of a header block with its frames; a direction has 64 KiB
#define BLOCK_FRAMES_MAX 32   // the same: whoever sends more wants its reader to work
#define TEXT_MAX (64 * 1024)  // of what it says
#define TEXT_ROOM (TEXT_MAX + 64)
#define OPEN_MAX 100        // streams without their answer (RFC 9113 6.5.2 wants no fewer)
#define CONNECTIONS_SHARE 4 // of config->apps
static_assert(BLOCK_MAX + TEXT_ROOM + 2 * FACT_VALUE_MAX + 64 <= APP_SCRATCH_BYTES, "all at once");

enum side { REQUESTS, RESPONSES };

struct connection {
	uint32_t next; // in the list of free ones
	uint32_t last; // highest stream of the client
	uint32_t nopen;
	struct open {
		txn_t t;
		uint32_t id;
	} open[OPEN_MAX]; // oldest first
	struct hpack table[2];
};

struct http2 {
	size_t bytes;
	struct connection connection[]; // [0] is none; behind it the list of free ones begins
};

struct state {
	uint32_t connection; // 0: none
	uint8_t client;      // its direction
	bool begun[2];
};
static_assert(sizeof(struct state) <= APP_STATE_BYTES, "fits the stream's state");
#define STEP_ON (-1) // beside enum app_step: go on with the next frame

struct http2 *http2_new(const struct path_config *c)
{
	uint32_t n = RTE_MAX(c->apps / CONNECTIONS_SHARE, 1u);
	size_t bytes = sizeof(struct http2) + (n + 1ul) * sizeof(struct connection);
	struct http2 *h = mem_take(bytes);
	if (!h)
		return NULL;
	h->bytes = bytes;
	for (uint32_t i = 0; i < n; i++)
		h->connection[i].next = i + 1;
	return h;
}

void http2_free(struct http2 *h)
{
	mem_give(h, h->bytes);
}

// No memory is left to read the connection in.
static int starved(struct app_in *in)
{
	count(in->w, COUNTER_APP_POOL_EMPTY);
	if ((in->f->policy & POLICY_OPEN) && in->dir == 0 && !in->w->config->fail.memory_open)
		app_refuse(in, REASON_POLICY_MEMORY);
	return APP_DONE;
}

static bool take(struct app_in *in, struct state *s)
{
	struct http2 *h = in->w->inspect->http2;
	struct connection *c = &h->connection[s->connection = h->connection[0].next];
	if (!s->connection)
		return false;
	h->connection[0].next = c->next;
	c->last = c->nopen = 0;
	hpack_start(&c->table[REQUESTS], HPACK_TABLE_FIRST);
	hpack_start(&c->table[RESPONSES], UINT32_MAX); // offers may stand in the Upgrade's request, too
	return true;
}

void http2_end(struct app_in *in)
{
	struct state *s = in->state;
	struct http2 *h = in->w->inspect->http2;
	if (!s || !s->connection)
		return;
	struct connection *c = &h->connection[s->connection];
	for (uint32_t i = 0; i < c->nopen; i++)
		txn_end(in, c->open[i].t);
	c->next = h->connection[0].next;
	h->connection[0].next = s->connection;
	s->connection = 0;
}

// The transaction of a stream is taken out of those that are open; 0: it is not among them.
static txn_t open_take(struct connection *c, uint32_t id)
{
	uint32_t i = 0;
	while (i < c->nopen && c->open[i].id != id)
		i++;
	if (i == c->nopen)
		return 0;
	txn_t t = c->open[i].t;
	memmove(&c->open[i], &c->open[i + 1], (--c->nopen - i) * sizeof(c->open[0]));
	return t;
}

struct block {
	struct origin at;
	uint32_t len, size; // of the fragments, joined in the scratch; of their frames
	uint32_t id, causes;
	uint8_t type, flags; // of the first frame
};

// The block whose first frame is f: is it whole? Returns 0, or how many bytes of it are needed. What is none, or longer
// than is read, is done with as well, and has causes.
static uint32_t gather(const struct app_in *in, struct http2_frame f, uint32_t have, struct block *b)
{
	const uint8_t *begin = f.p - HTTP2_FRAME_HEAD;
	bool in_order = f.type != CONTINUATION && f.id;
	*b = (struct block){.size = HTTP2_FRAME_HEAD, .id = f.id, .type = f.type, .flags = f.flags};
	for (uint32_t parts = 1; in_order; parts++) {
		bool last = f.flags & END_HEADERS;
		if (b->size + f.len > BLOCK_MAX || parts > BLOCK_FRAMES_MAX) {
			b->causes = HTTP_CAUSE_BIT(HEAD_LONG);
			return 0;
		}
		b->size += f.len;
		if (have < b->size)
			return b->size;
		if (parts == 1 && !http2_frame_strip(&f))
			break;
		memcpy(in->scratch + b->len, f.p, f.len);
		b->len += f.len;
		if (last)
			return 0;
		if (!http2_frame_head(begin + b->size, have - b->size, &f))
			return b->size + HTTP2_FRAME_HEAD;
		b->size += HTTP2_FRAME_HEAD;
		in_order = f.type == CONTINUATION && f.id == b->id; // 6.10: nothing comes between
	}
	b->causes = HTTP_CAUSE_BIT(H2_FRAME);
	return 0;
}

// The block as a head; d: out, what its facts are made from. False: the table is lost, and the head has causes.
static bool decode(struct app_in *in, struct hpack *table, const struct block *b, enum http2_head_kind kind,
		   struct app_in *d, struct http_head *h)
{
	static const uint32_t causes[] = {
		[HPACK_BAD] = HTTP_CAUSE_BIT(H2_BLOCK), [HPACK_LONG] = HTTP_CAUSE_BIT(HEAD_LONG), [HPACK_BIG] = 0};
	uint8_t *text = in->scratch + BLOCK_MAX;
	struct hpack_block list = {.p = in->scratch, .len = b->causes ? 0 : b->len, .out = text, .room = TEXT_MAX};
	memcpy(text, "HTTP/2\n", list.used = 7);
	enum hpack_step step = http2_head_read(table, &list, kind, h);
	*d = (struct app_in){.w = in->w,
			     .f = in->f,
			     .dir = in->dir,
			     .data = text,
			     .len = list.used,
			     .decoded = true,
			     .run = {.from = b->at.len, .frame = b->at.frame, .off = b->at.off},
			     .scratch = text + TEXT_ROOM};
	if (step != HPACK_END || b->causes) // causes of what was not read whole are none
		h->causes = b->causes | causes[step];
	return step == HPACK_END && !b->causes;
}

// A block of the client: a request, or its trailers. What is wrong with trailers is said as a request of its own.
static int request(struct app_in *in, struct state *s, struct connection *c, const struct block *b)
{
	struct http_head h;
	struct app_in d;
	bool trailers = b->id <= c->last;
	if (!(in->f->flags & (FLOW_REPLIED | FLOW_MIDSTREAM))) // one-way: what the server offers is not seen
		c->table[REQUESTS].allowed = UINT32_MAX;
	bool whole = decode(in, &c->table[REQUESTS], b, trailers ? HTTP2_TRAILERS : HTTP2_REQUEST, &d, &h);
	if (!whole && !h.causes)
		return starved(in);
	if (b->type != HEADERS || !(b->id & 1))
		h.causes |= HTTP_CAUSE_BIT(H2_FRAME);
	if ((b->flags & END_STREAM) && h.has_length && h.length) // 8.1.1
		h.causes |= HTTP_CAUSE_BIT(CL_DIFFER);
	if (!trailers || h.causes) {
		txn_t t = http_say_request(&d, &h);
		http_say_causes(in, t, &h, b->at);
		judge_txn(in, t);
		if (in->drop == REASON_POLICY_DENY || !whole) {
			txn_end(in, t);
			return in->drop == REASON_POLICY_DENY ? APP_MORE : APP_DONE;
		}
		if (c->nopen == OPEN_MAX)
			txn_end(in, open_take(c, c->open[0].id));
		c->open[c->nopen++] = (struct open){t, b->id};
	}
	c->last = RTE_MAX(c->last, b->id);
	in->consumed += b->size;
	return STEP_ON;
}

// A block of the server: an answer, interim or final, trailers, or a promise, which only moves the table.
static int response(struct app_in *in, struct state *s, struct connection *c, const struct block *b)
{
	struct http_head h;
	struct app_in d;
	bool answer = b->type == HEADERS && (b->id & 1), early = b->id > c->last && !(in->upgraded && b->id == 1);
	if (answer && early && !in->last && (in->f->flags & (FLOW_REPLIED | FLOW_MIDSTREAM)) &&
	    !(in->f->flags & FLOW_REFUSED << s->client))
		return APP_WAIT; // its request may yet come
	if (!decode(in, &c->table[RESPONSES], b, HTTP2_RESPONSE, &d, &h)) {
		app_anomaly_from(in, ANOMALY_HTTP_MALFORMED, NULL, 0, b->at);
		return APP_DONE;
	}
	if (answer && h.status >= 200) {
		txn_t asked = open_take(c, b->id), t = http_say_response(&d, asked, &h);
		http_say_causes(in, t, &h, b->at);
		if (asked) // else its request was judged before (HTTP/1's with the Upgrade), or was never seen
			judge_txn(in, t);
		txn_end(in, t);
	}
	in->consumed += b->size;
	return STEP_ON;
}

static void settings(struct hpack *writer, const struct http2_frame *f)
{
	for (uint32_t at = 0; at + 6 <= f->len && !(f->flags & ACK); at += 6)
		if (be16(f->p + at) == 1) // SETTINGS_HEADER_TABLE_SIZE: 6.5.2
			writer->allowed = RTE_MAX(writer->allowed, be32(f->p + at + 2));
}

// How many bytes of a frame are read at once, where so many of them are there.
static uint32_t wanted(const struct http2_frame *f, uint32_t have)
{
	uint32_t front = f->flags & PADDED ? 1 : 0, least = front + DNS_HEADER_BYTES;
	if (f->type == SETTINGS || f->type == RST_STREAM)
		return f->len <= HTTP2_FRAME_MAX ? f->len : 0;
	if (f->type != DATA || f->len > HTTP2_FRAME_MAX || f->len < least)
		return 0;
	if (have < least)
		return least;
	uint32_t around = front + (front ? f->p[0] : 0);
	return around < f->len && dns_message_begins(f->p + front, f->len - around) ? f->len : 0;
}

static int read_frame(struct app_in *in, struct state *s, struct connection *c)
{
	struct http2_frame f;
	struct block b;
	bool client = in->dir == s->client;
	uint32_t have = in->len - in->consumed;
	in->need = HTTP2_FRAME_HEAD;
	if (!http2_frame_head(in->data + in->consumed, have, &f))
		return APP_MORE;
	if (f.type == HEADERS || f.type == CONTINUATION || f.type == PUSH_PROMISE) {
		if ((in->need = gather(in, f, have, &b)))
			return APP_MORE;
		b.at = app_origin(in, in->data + in->consumed, RTE_MIN(b.size, have));
		return client ? request(in, s, c, &b) : response(in, s, c, &b);
	}
	have -= HTTP2_FRAME_HEAD;
	uint32_t want = wanted(&f, have), there = RTE_MIN(have, f.len), pad = f.flags & PADDED ? 1 : 0;
	in->need += want;
	if (have < want)
		return APP_MORE;
	if (f.type == SETTINGS && want)
		settings(&c->table[client ? RESPONSES : REQUESTS], &f);
	else if (f.type == RST_STREAM)
		txn_end(in, open_take(c, f.id));
	else if (want) // DATA
		dns_message(in, f.p + pad, f.len - pad - (pad ? f.p[0] : 0));
	in->need = 0;
	in->consumed += HTTP2_FRAME_HEAD + there; // the rest of it is nobody's
	in->skip = f.len - there;
	return in->skip ? APP_MORE : STEP_ON;
}

int http2_looks(const uint8_t *p, uint32_t len)
{
	uint32_t n = RTE_MIN(len, (uint32_t)HTTP2_PREFACE_BYTES);
	return memcmp(p, HTTP2_PREFACE, n) ? 0 : n >= HTTP2_PREFACE_HEAD ? 1 : -1;
}

// A server's first frame, or frames one behind the other, the last of which ends where the bytes end.
int http2_looks_midway(const uint8_t *p, uint32_t len)
{
	struct http2_frame f;
	uint32_t at = 0;
	int yes = http2_looks(p, len);
	if (yes != 0)
		return yes;
	if (http2_frame_head(p, len, &f) && http2_frame_first(&f))
		return 1;
	while (http2_frame_head(p + at, len - at, &f) && http2_frame_sane(&f) && f.len <= len - at - HTTP2_FRAME_HEAD)
		at += HTTP2_FRAME_HEAD + f.len;
	return at && at == len;
}

// The first bytes of a direction: the client's are the preface, the server's are SETTINGS.
static int begin(struct app_in *in, struct state *s)
{
	struct http2_frame f;
	int yes = http2_looks(in->data, in->len);
	uint32_t need = yes ? HTTP2_PREFACE_BYTES : s->connection ? 0 : HTTP2_FRAME_HEAD;
	if (yes < 0 || in->len < need) {
		in->need = need;
		return APP_MORE;
	}
	bool server = !yes && (s->connection ? in->dir != s->client
					     : http2_frame_head(in->data, in->len, &f) && http2_frame_first(&f));
	if (s->connection ? (yes > 0) != (in->dir == s->client) : !yes && !server) {
		if (s->connection) // of the client something else came, whatever the server says
			return APP_UPGRADE;
		app_anomaly_at(in, ANOMALY_HTTP_MIDSTREAM, in->data, in->len);
		return APP_CLOSE;
	}
	s->client = server ? !in->dir : in->dir;
	if (!s->connection && !take(in, s))
		return starved(in);
	s->begun[in->dir] = true;
	in->consumed = yes > 0 ? HTTP2_PREFACE_BYTES : 0;
	return STEP_ON;
}

enum app_step http2_data(struct app_in *in)
{
	struct state *s = in->state;
	int step = STEP_ON;
	if (in->after_gap && in->len && s->begun[in->dir]) // frames have no mark to find the next one by
		return in->dir == s->client ? APP_UPGRADE : APP_DONE;
	if (!s->begun[in->dir])
		step = begin(in, s);
	while (step == STEP_ON && in->consumed < in->len && !in->drop)
		step = read_frame(in, s, &in->w->inspect->http2->connection[s->connection]);
	return step == STEP_ON ? APP_MORE : (enum app_step)step;
}
