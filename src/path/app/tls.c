// SPDX-License-Identifier: BSD-3-Clause
//
// TLS and SSL over TCP: records come in as bytes of one direction in order, hellos and answers go to handshake.c.
// On the worker's thread; all that is remembered between calls is struct tls, in the stream's APP_STATE_BYTES.
//
//   direction:  | record | record | hand(shake message | goes on) | CCS | application data ...
//                 ^ consumed, one whole record at a time; a message over several records stays in the stream,
//                   and `need` says how many bytes would be enough, so that a call a segment is not made
//
// Which side is the client is told by the message, not by who opened the connection, and the sides may come in any
// order: a capture can show all of the server first. A direction is done with when nothing in clear can follow that
// would be judged: the server's after its ServerHello, the client's when each hello that the answers ask for has been
// seen and it speaks in cipher: a hello in clear before that is a hello, whether or not a server would have it. Until
// the answer is known the client's application data is passed over record by record (0-RTT can be followed by the hello
// that a HelloRetryRequest asks for), up to EARLY_RECORDS. Where the server's side does not come by, its first such
// record is the end, unless a hello offered early data: RFC 8446 4.2.10 lets nobody else's be skipped, so no server
// takes a hello behind it. What decided is kept as evidence, or it could be sent again as another hello.
//
// Rejected: a record layer that copies each message into a buffer of the flow's own. A hello lies in one record but
// for hostile or post-quantum ones, and the stream keeps its bytes as evidence anyway.
#include "handshake.h"

#include <string.h>

#include "base/be.h"

#define RECORD_HEAD 5
#define RECORD_BODY_MAX (16384 + 2048) // RFC 5246 6.2.3
#define MESSAGE_MAX (72 * 1024)        // a hello can have 64 KiB of extensions and as much of ciphers; none has
#define SPAN_MAX (512 * 1024)          // of stream, for one message in records of a byte or two
#define HELLO_SPAN_MAX (60 * 1024) // the same, of an open flow: less than what may wait to be read (STREAM_PENDING_MAX)
#define EARLY_RECORDS 64           // of application data, before the answer: max_early_data is 16 KiB in most servers

enum content { CHANGE_CIPHER_SPEC = 20, ALERT = 21, HANDSHAKE = 22, APPLICATION_DATA = 23, HEARTBEAT = 24 };
enum message_type { HELLO_REQUEST = 0, CLIENT_HELLO = 1, SERVER_HELLO = 2, HELLO_RETRY_REQUEST = 6 };
enum role { ROLE_UNKNOWN, ROLE_CLIENT, ROLE_SERVER };

struct side {
	uint8_t role;
	bool done;
	bool ciphered;      // a ChangeCipherSpec was seen
	uint8_t early;      // records of application data
	uint16_t in_record; // bytes done with of the record at the head
	bool keyed;         // client: more than hellos was seen in clear, so that a ChangeCipherSpec is meant
	bool alerted;       // it began with alerts, or the like
};

struct tls {
	struct handshake handshake;
	struct side side[2];
};
static_assert(sizeof(struct tls) <= 192, "APP_STATE_BYTES");

// A place in the handshake bytes of a direction: what is left when record heads are taken out.
struct walk {
	const struct app_in *in;
	uint32_t at;   // head of the record
	uint32_t skip; // bytes of its body done with
	uint32_t edge; // where the next byte is or will be, at the earliest
	uint32_t left; // bytes that the record has from there
};

// A handshake message, where it lies or put together in the scratch.
struct message {
	const uint8_t *p;   // its body
	uint32_t len;       // of the body, as far as it is there
	struct walk from;   // its header
	struct walk next;   // the message after it
	struct walk cursor; // of the last origin asked for, `cursor_at` bytes after `from`
	uint32_t cursor_at;
	bool whole; // in one record: p lies in in->data
};

struct run {
	const uint8_t *p;
	uint32_t len;
};

enum gathered { GATHERED, GATHER_MORE, GATHER_BROKEN };

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static bool record_sound(const uint8_t *p)
{
	return p[0] >= CHANGE_CIPHER_SPEC && p[0] <= HEARTBEAT && p[1] == 3 && be16(p + 3) <= RECORD_BODY_MAX;
}

// The handshake bytes at w, as many as lie together; w moves over records that are used up. Alerts and
// ChangeCipherSpecs in between are stepped over (RFC 8446 5.1 forbids them; what a lenient server accepts must not
// hide a hello).
static enum gathered walk_run(struct walk *w, struct run *run)
{
	for (;;) {
		const uint8_t *r = w->in->data + w->at;
		*run = (struct run){NULL, 0};
		w->edge = w->at + RECORD_HEAD + w->skip;
		w->left = 0;
		if (w->in->len - w->at < RECORD_HEAD)
			return GATHER_MORE;
		if (!record_sound(r))
			return GATHER_BROKEN;
		uint32_t len = be16(r + 3), here = least(w->in->len - w->at - RECORD_HEAD, len);
		if (r[0] == HANDSHAKE && w->skip < len) {
			w->left = len - w->skip;
			if (here <= w->skip)
				return GATHER_MORE;
			*run = (struct run){r + RECORD_HEAD + w->skip, here - w->skip};
			return GATHERED;
		}
		if (r[0] != HANDSHAKE && (r[0] == APPLICATION_DATA || len > 2))
			return GATHER_BROKEN;
		w->edge = w->at + RECORD_HEAD + len;
		if (here < len)
			return GATHER_MORE;
		w->at += RECORD_HEAD + len;
		w->skip = 0;
	}
}

// Bytes of the stream that are there at the earliest when `rest` more bytes of the handshake are.
static uint32_t walk_need(const struct walk *w, uint32_t rest)
{
	if (rest <= w->left)
		return w->edge + rest;
	rest -= w->left;
	uint32_t heads = (rest + RECORD_BODY_MAX - 1) / RECORD_BODY_MAX;
	if (w->in->len - w->at < RECORD_HEAD)
		heads--; // edge stands behind the head that is to come
	return w->edge + w->left + rest + RECORD_HEAD * heads;
}

// Puts the message at m->from together. GATHER_MORE: in->need is set, and m has what is there.
static enum gathered gather(struct app_in *in, struct message *m)
{
	struct walk w = m->from;
	struct run run;
	uint32_t have = 0, total = 4;
	enum gathered g = GATHERED;
	m->p = in->scratch + 4;
	while (have < total && (g = walk_run(&w, &run)) == GATHERED) {
		if (have == 0 && run.len >= 4 && run.len - 4 >= be24(run.p + 1)) { // the common case: in one record
			m->p = run.p + 4;
			have = total = 4 + be24(run.p + 1);
			w.skip += total;
			m->whole = true;
			break;
		}
		uint32_t n = least(run.len, total - have);
		memcpy(in->scratch + have, run.p, n);
		have += n;
		w.skip += n;
		if (have == 4 && total == 4)
			total += be24(in->scratch + 1);
		if (total > MESSAGE_MAX || w.at - m->from.at > SPAN_MAX)
			return GATHER_BROKEN;
	}
	m->len = have > 4 ? have - 4 : 0;
	m->next = w;
	if (g == GATHER_MORE)
		in->need = walk_need(&w, total - have);
	return g;
}

static struct origin message_origin(const struct hello_source *src, uint32_t at, uint32_t len)
{
	struct message *m = (struct message *)(uintptr_t)src->arg; // the cursor alone changes
	struct run run;
	at += 4;
	if (m->cursor_at == 0 || at < m->cursor_at) {
		m->cursor = m->from;
		m->cursor_at = 0;
	}
	while (walk_run(&m->cursor, &run) == GATHERED) {
		if (at - m->cursor_at < run.len)
			return app_origin(src->in, run.p + (at - m->cursor_at), len);
		m->cursor_at += run.len;
		m->cursor.skip += run.len;
	}
	return app_origin(src->in, src->in->data + m->from.at, len);
}

// Records of application data, alerts and the like are not kept: their bodies are skipped.
static void pass(struct app_in *in, uint32_t total)
{
	uint32_t here = in->len - in->consumed;
	in->skip = total > here ? total - here : 0;
	in->consumed += least(total, here);
}

// Every hello that the answers ask for was seen.
static bool answered(const struct tls *t)
{
	return t->handshake.final && t->handshake.hellos >= t->handshake.answers;
}

// Nothing more of this direction can matter: what follows is in cipher, or the server is done.
static bool settled(const struct tls *t, const struct side *s)
{
	if (s->role == ROLE_SERVER)
		return t->handshake.final;
	return answered(t) && (s->ciphered || s->early); // refused, it may say another hello
}

// The other direction may be done with as well without saying another byte.
static enum app_step side_done(struct tls *t, struct app_in *in)
{
	const struct side *other = &t->side[!in->dir];
	t->side[in->dir].done = true;
	if (!other->done && (other->role == ROLE_UNKNOWN || !settled(t, other)))
		return APP_DONE;
	handshake_end(&t->handshake, in);
	return APP_CLOSE;
}

// The first bytes of the message at w, up to n; *need: bytes of stream for all of them.
static enum gathered peek(struct walk w, uint8_t *p, uint32_t n, uint32_t *have, uint32_t *need)
{
	struct run run;
	enum gathered g = GATHERED;
	*have = 0;
	while (*have < n && (g = walk_run(&w, &run)) == GATHERED) {
		uint32_t part = least(run.len, n - *have);
		memcpy(p + *have, run.p, part);
		*have += part;
		w.skip += part;
	}
	*need = walk_need(&w, n - *have);
	return g;
}

// A record that is encrypted can begin like anything; a hello's own fields are wide enough to tell.
static bool hello_plausible(const uint8_t *p)
{
	return p[0] == CLIENT_HELLO && p[1] == 0 && p[4] == 3;
}

enum next { NEXT_RECORD, NEXT_CALL, NEXT_NOTHING };

// A hello of an open flow, in records of a byte or two, that will not be whole within what can be waiting: nobody means
// well by it, and behind that it could not be judged.
static bool too_far(struct app_in *in, uint8_t type)
{
	if (type != CLIENT_HELLO || !(in->f->policy & POLICY_OPEN) || in->w->config->fail.tls_name_absent)
		return false;
	if (in->len - in->consumed >= HELLO_SPAN_MAX)
		app_refuse(in, REASON_TLS_BAD_NAME);
	in->need = least(in->need, in->consumed + HELLO_SPAN_MAX);
	return in->drop;
}

// Reads the message at the head of the stream: a ClientHello, an answer, or one that is stepped over.
static enum next message_step(struct tls *t, struct app_in *in, struct side *s, uint8_t type)
{
	struct message m = {.from = {.in = in, .at = in->consumed, .skip = s->in_record}};
	enum gathered g = gather(in, &m);
	if (g == GATHER_MORE && !in->end)
		return too_far(in, type) ? NEXT_NOTHING : NEXT_CALL;
	if (g == GATHER_BROKEN) {
		if (type == CLIENT_HELLO || s->role != ROLE_CLIENT)
			app_anomaly_at(in, ANOMALY_TLS_MALFORMED, in->data + in->consumed,
				       least(in->len - in->consumed, RECORD_HEAD));
		return NEXT_NOTHING;
	}
	in->need = 0;
	struct hello_source src = {
		.in = in, .origin_at = message_origin, .arg = &m, .cut = g == GATHER_MORE, .in_place = m.whole};
	if (type == CLIENT_HELLO)
		handshake_hello(&t->handshake, &src, HELLO_TLS, m.p, m.len);
	else if (type == SERVER_HELLO || type == HELLO_RETRY_REQUEST)
		handshake_answer(&t->handshake, &src, HELLO_TLS, m.p, m.len, type == HELLO_RETRY_REQUEST);
	if (s->role == ROLE_UNKNOWN)
		s->role = type == CLIENT_HELLO ? ROLE_CLIENT : ROLE_SERVER;
	s->in_record = g == GATHERED ? (uint16_t)m.next.skip : 0;
	in->consumed = g == GATHERED ? m.next.at : in->len;
	return g == GATHERED ? NEXT_RECORD : NEXT_CALL;
}

// A handshake record with bytes left: what is it? len: of the record.
static enum next handshake_step(struct tls *t, struct app_in *in, struct side *s, uint32_t len)
{
	uint8_t p[6] = {0};
	uint32_t have = sizeof(p), need = 0;
	enum gathered g = GATHERED;
	const uint8_t *lies = in->data + in->consumed + RECORD_HEAD + s->in_record;
	if (likely(len - s->in_record >= have && lies + have <= in->data + in->len))
		memcpy(p, lies, have); // in one record, and there
	else
		g = peek((struct walk){.in = in, .at = in->consumed, .skip = s->in_record}, p, have, &have, &need);
	if (have == 0 || (s->ciphered && g == GATHER_MORE && p[0] == CLIENT_HELLO && !in->end)) {
		in->need = need;
		return g == GATHER_BROKEN ? NEXT_NOTHING : NEXT_CALL;
	}
	bool hello = p[0] == CLIENT_HELLO && s->role != ROLE_SERVER && (!s->ciphered || hello_plausible(p));
	bool answer = (p[0] == SERVER_HELLO || p[0] == HELLO_RETRY_REQUEST) && s->role != ROLE_CLIENT;
	if (hello || answer || (p[0] == HELLO_REQUEST && !s->ciphered && s->role != ROLE_CLIENT))
		return message_step(t, in, s, p[0]);
	if (!s->ciphered && s->role == ROLE_CLIENT) { // certificate, key exchange
		s->keyed = true;
		return message_step(t, in, s, p[0]);
	}
	if (!s->ciphered)
		return NEXT_NOTHING; // the server's hellos are over
	pass(in, RECORD_HEAD + len);
	return in->skip ? NEXT_CALL : NEXT_RECORD;
}

// The client speaks in cipher for good, whatever its server, which was not seen, has said. The record's head stays.
static bool last_word(const struct tls *t, struct app_in *in, struct side *s, uint32_t total)
{
	bool alone = !(in->f->flags & (FLOW_REPLIED | FLOW_MIDSTREAM | FLOW_GAP)) && !t->handshake.early &&
		     total > RECORD_HEAD; // empty ones are skipped by some
	if (++s->early <= EARLY_RECORDS && !alone)
		return false;
	in->consumed += least(total, in->len - in->consumed);
	return true;
}

// The record at the head, whose own head p is there.
static enum next record_step(struct tls *t, struct app_in *in, struct side *s, const uint8_t *p)
{
	uint32_t len = be16(p + 3), total = RECORD_HEAD + len;
	if (p[0] == HANDSHAKE && s->in_record < len)
		return handshake_step(t, in, s, len);
	if (p[0] == APPLICATION_DATA && (s->role != ROLE_CLIENT || answered(t) || last_word(t, in, s, total)))
		return NEXT_NOTHING;
	if (p[0] == ALERT && len == 2 && !s->ciphered) {
		if (in->len - in->consumed < total) {
			in->need = in->consumed + total;
			return NEXT_CALL;
		}
		if (p[5] == 2) { // RFC 5246 7.2: fatal
			if (s->role != ROLE_CLIENT && !t->handshake.final)
				handshake_dismiss(&t->handshake, in, true);
			s->alerted = true;
			pass(in, total);
			return NEXT_NOTHING;
		}
	}
	if (p[0] == CHANGE_CIPHER_SPEC && (s->keyed || (s->role == ROLE_CLIENT && answered(t))))
		return NEXT_NOTHING;
	s->ciphered |= p[0] == CHANGE_CIPHER_SPEC;
	s->in_record = 0;
	s->alerted |= s->role == ROLE_UNKNOWN;
	pass(in, total);
	return in->skip ? NEXT_CALL : NEXT_RECORD;
}

// SSL 2: a head of two bytes, a ClientHello (1) or SERVER-HELLO (4), whose lengths must add up. RFC 5246 E.2.
//   | 80+len | len | type | version | ciphers len | session id len | challenge len | ...
static int v2_looks(const uint8_t *p, uint32_t len)
{
	if (len < 3)
		return len && !(p[0] & 0x80) ? 0 : -1;
	if (!(p[0] & 0x80) || (p[2] != 1 && p[2] != 4))
		return 0;
	if (len < (p[2] == 1 ? 11u : 13u))
		return -1;
	uint32_t total = be16(p) & 0x7fff;
	if (p[2] == 1)
		return (p[3] == 3 || (p[3] == 0 && p[4] == 2)) && be16(p + 5) && be16(p + 5) % 3 == 0 &&
		       (be16(p + 7) == 0 || be16(p + 7) == 16) && be16(p + 9) >= 16 && be16(p + 9) <= 32 &&
		       total == 9 + be16(p + 5) + be16(p + 7) + be16(p + 9);
	return p[3] <= 1 && p[4] <= 1 && p[5] == 0 && p[6] == 2 && be16(p + 9) % 3 == 0 && be16(p + 11) == 16 &&
	       total == 11 + be16(p + 7) + be16(p + 9) + be16(p + 11);
}

static enum next v2_step(struct tls *t, struct app_in *in, struct side *s)
{
	const uint8_t *p = in->data + in->consumed;
	uint32_t total = 2 + (be16(p) & 0x7fff);
	if (in->len - in->consumed < total && !in->end) {
		in->need = in->consumed + total;
		return NEXT_CALL;
	}
	s->role = p[2] == 1 ? ROLE_CLIENT : ROLE_SERVER;
	if (p[2] == 1)
		handshake_hello_v2(&t->handshake, in);
	else
		handshake_answer_v2(&t->handshake, in, app_origin(in, p + 5, 2));
	in->consumed += least(total, in->len - in->consumed);
	return NEXT_RECORD;
}

// An open flow's client has said alerts and no hello: what follows is anybody's.
static bool only_alerts(const struct tls *t, const struct app_in *in)
{
	return in->dir == 0 && (in->f->policy & POLICY_OPEN) && t->side[0].alerted && t->side[0].role == ROLE_UNKNOWN &&
	       t->side[1].role == ROLE_UNKNOWN;
}

// Bytes were lost: only a new beginning can be read.
static bool restart(struct app_in *in, struct side *s)
{
	int looks = tls_looks(in->data, in->len);
	s->in_record = 0;
	if (looks < 0 && !in->end)
		in->need = in->len + 1;
	return looks > 0 || (looks < 0 && !in->end);
}

enum app_step tls_data(struct app_in *in)
{
	struct tls *t = in->state;
	struct side *s = &t->side[in->dir];
	enum next next = NEXT_RECORD;
	if (in->len == 0)
		return APP_MORE;
	if (in->after_gap && !restart(in, s))
		next = NEXT_NOTHING;
	while (next == NEXT_RECORD) {
		const uint8_t *p = in->data + in->consumed;
		uint32_t len = in->len - in->consumed;
		if (settled(t, s)) {
			next = NEXT_NOTHING;
		} else if (len < RECORD_HEAD) {
			in->need = in->consumed + RECORD_HEAD;
			next = NEXT_CALL;
		} else if (s->role == ROLE_UNKNOWN && v2_looks(p, len) != 0) {
			in->need = in->consumed + 13;
			next = v2_looks(p, len) > 0 ? v2_step(t, in, s) : NEXT_CALL;
		} else {
			next = record_sound(p) ? record_step(t, in, s, p) : NEXT_NOTHING;
		}
	}
	if (next == NEXT_NOTHING && only_alerts(t, in))
		return APP_SWITCH;
	if (next == NEXT_NOTHING)
		return side_done(t, in);
	in->need -= in->skip ? in->need : least(in->need, in->consumed); // counted from what is left
	return APP_MORE;
}

void tls_end(struct app_in *in)
{
	struct tls *t = in->state;
	if (t)
		handshake_end(&t->handshake, in);
}

// A first flight: handshake records (a ClientHello or ServerHello), or the alert of a server that refuses. A record's
// minor version is to be ignored (RFC 8446 5.1), and a client may offer a version that is yet to come (RFC 5246 E.1):
// servers answer both.
int tls_looks(const uint8_t *p, uint32_t len)
{
	uint8_t h[6] = {0};
	uint32_t have, need;
	struct app_in in = {.data = p, .len = len};
	if (len && (p[0] & 0x80))
		return v2_looks(p, len);
	if ((len > 0 && (p[0] < CHANGE_CIPHER_SPEC || p[0] > HANDSHAKE)) || (len > 1 && p[1] != 3))
		return 0;
	if (len < RECORD_HEAD)
		return -1;
	if (p[0] == CHANGE_CIPHER_SPEC && be16(p + 3) != 1) // what stands behind it tells: see walk_run
		return 0;
	if (p[0] == ALERT && be16(p + 3) != 2)
		return 0;
	if (p[0] == ALERT)
		return len < 7 ? -1 : (p[5] == 1 || p[5] == 2) && p[6] <= 120;
	if (likely(len >= RECORD_HEAD + sizeof(h) && be16(p + 3) >= sizeof(h) && be16(p + 3) <= RECORD_BODY_MAX)) {
		have = sizeof(h); // in one record, and there
		memcpy(h, p + RECORD_HEAD, sizeof(h));
	} else if (peek((struct walk){.in = &in}, h, sizeof(h), &have, &need) == GATHER_BROKEN) {
		return 0;
	}
	if ((have > 0 && h[0] != CLIENT_HELLO && h[0] != SERVER_HELLO && h[0] != HELLO_RETRY_REQUEST) || h[1] > 1)
		return 0;
	if (have < sizeof(h))
		return -1;
	if (h[0] == CLIENT_HELLO)
		return h[4] >= 3;
	return (h[4] == 3 && h[5] <= 4) || (h[4] == 0x7f && h[5] < 100);
}

uint32_t tls_hello_within(const uint8_t *p, uint32_t len)
{
	const uint8_t *at = p, *end = p + len;
	while ((at = memchr(at, HANDSHAKE, (size_t)(end - at)))) {
		uint32_t left = (uint32_t)(end - at);
		if (left < RECORD_HEAD + 6)
			break;
		// RFC 8446 4.1.2: the version of the hello is 3.x; its first record has all of the random, mostly
		if (at[1] == 3 && at[2] <= 4 && at[5] == CLIENT_HELLO && at[6] == 0 && at[9] == 3 && at[10] <= 4 &&
		    be16(at + 3) >= 42 && be16(at + 3) <= RECORD_BODY_MAX && be24(at + 6) + 4u >= be16(at + 3))
			return (uint32_t)(at - p);
		at++;
	}
	return len;
}
