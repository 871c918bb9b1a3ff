// SPDX-License-Identifier: BSD-3-Clause
//
// HTTP/1 on a TCP stream: cuts both directions into messages and says one transaction for each request. Bytes of a
// direction come in, in order and in any pieces; transactions with their facts go out; bodies are passed over
// without being stored. Worker's thread; all memory is the 192 bytes of the stream's state.
//
//	client   head ... body ... head ... body ...       requests wait in `open`, oldest first
//	server   head ... body ... head ... body ...       each final response takes the oldest
//
// The framing of a response depends on its request (HEAD, CONNECT), and what follows a CONNECT or an Upgrade on the
// client's side depends on the answer; the directions may come in any order. So each waits for the other where it
// must (APP_WAIT), and goes on alone only where the other will never come: at the flow's end, in one-way traffic
// that is known to be so, after a gap.
//
// Which direction is the client's is seen by content: a flow that was picked up in its middle may have them swapped.
//
// Ambiguous messages (http_head.h) are facts and one anomaly a message. Where two readers may see its end, or what
// follows, differently, the message does not leave: the frame that completes its head, or its chunk, is dropped, and
// what comes after it in that direction. A response only where two lengths are stated: bare LF and the like are met
// in those of old servers, and a browser's reading of them harms nobody else. Rejected: following the RFC's preference
// (Transfer-Encoding wins) silently, since the other reader of the message need not.
#include "app.h"

#include <string.h>

#include "../act.h"
#include "../inspect.h"
#include "../judge.h"
#include "../stream.h"
#include "http_say.h"

#define OPEN_MAX 16         // requests without their answer; more wait, or the oldest is said without its answer
#define CHUNK_INLINE 512    // smaller chunks are stepped over in place: a call each would cost more than the bytes
#define CHUNK_LINE_MAX 4096 // a size line with its extensions; RFC 9112 7.1.1 asks for a limit

enum phase {
	PHASE_START, // before a message
	PHASE_CHUNK, // before a chunk's size line
	PHASE_CHUNK_END,
	PHASE_TRAILER,
	PHASE_REST,   // in a head too long to be kept: before its empty line
	PHASE_TUNNEL, // client: CONNECT or Upgrade was asked for; the answer decides
	PHASE_LOST,   // not at a known place: a message may begin here
	PHASE_SEEK,   // nor may one: looking for such a place
};

enum role { ROLE_UNKNOWN, ROLE_DIR0_CLIENT, ROLE_DIR1_CLIENT };
enum kind { KIND_PLAIN, KIND_HEAD, KIND_CONNECT, KIND_UPGRADE, KIND_SIMPLE };

struct http {
	txn_t open[OPEN_MAX];
	uint8_t kind[OPEN_MAX]; // enum kind
	uint32_t scanned[2];    // http_head_read's memory
	uint32_t said[2];       // causes of the message in work that have been said
	uint8_t first, count;   // ring of open
	uint8_t unpaired;       // oldest requests that were said early: as many responses are not taken from open
	uint8_t role;           // enum role
	uint8_t phase[2];       // enum phase
	bool gap[2];            // bytes of this direction were missed
	bool answered;          // server: reads until the connection closes; no answer will be told apart
	uint8_t not_here;       // bit dir: begins with no message, while the roles are not known
	bool spoke[2]; // a message began in this direction: another thing after it is malformed, before it another
		       // protocol
};
static_assert(sizeof(struct http) <= APP_STATE_BYTES, "fits the stream's state");

// What a step of a direction asks its caller to do: one of app_step, or go on with the bytes that are left.
#define STEP_ON (-1)

static unsigned client_dir(const struct http *s)
{
	return s->role == ROLE_DIR1_CLIENT;
}
static bool is_client(const struct app_in *in, const struct http *s)
{
	return in->dir == client_dir(s);
}
static struct http_span rest(const struct app_in *in)
{
	return (struct http_span){in->data + in->consumed, in->len - in->consumed};
}

// Can the other direction still move? Not at the flow's end; not in a flow seen from its start of which one side
// has been silent while the other spoke: that is one-way traffic.
static bool other_may_come(const struct app_in *in)
{
	return !in->last && (in->f->flags & (FLOW_REPLIED | FLOW_MIDSTREAM));
}

// ---- the queue of requests ------------------------------------------------------------------------------------

static void open_push(struct http *s, txn_t t, enum kind k)
{
	unsigned i = (s->first + s->count++) % OPEN_MAX;

	s->open[i] = t;
	s->kind[i] = k;
}

static txn_t open_pop(struct http *s, enum kind *k)
{
	txn_t t = s->open[s->first];

	*k = s->kind[s->first];
	s->first = (s->first + 1) % OPEN_MAX;
	s->count--;
	return t;
}

static txn_t open_newest(const struct http *s)
{
	return s->count ? s->open[(s->first + s->count - 1) % OPEN_MAX] : 0;
}

void http_end(struct app_in *in)
{
	struct http *s = in->state;
	enum kind k;

	while (s && s->count)
		txn_end(in, open_pop(s, &k));
}

// ---- saying it --------------------------------------------------------------------------------------------------

// The line that `at` is in, of those that are there, as far as it goes.
static struct origin line_at(const struct app_in *in, const uint8_t *at)
{
	const uint8_t *from = at, *end = in->data + in->len;

	while (from > in->data && from[-1] != '\n')
		from--;
	const uint8_t *lf = memchr(at, '\n', (size_t)(end - at));
	return app_origin(in, from, (uint32_t)((lf ? lf + 1 : end) - from));
}

// Causes not yet said of the message in work: a fact each, and one anomaly a message. where: by cause; NULL: all at
// `at`.
static __rte_noinline void say_fresh(struct app_in *in, struct http *s, txn_t t, uint32_t causes,
				     const uint8_t *const *where, const uint8_t *at)
{
	uint32_t fresh = causes & ~s->said[in->dir];

	for (uint32_t left = fresh; left; left &= left - 1) {
		unsigned c = (unsigned)__builtin_ctz(left);
		const char *name = http_head_causes[c];
		struct origin o = line_at(in, where ? where[c] : at);
		txn_str_from(in, t, FACT_HTTP_AMBIGUOUS, name, strlen(name), o);
		if (left == fresh && !s->said[in->dir])
			app_anomaly_from(in, ANOMALY_HTTP_AMBIGUOUS, name, strlen(name), o);
	}
	s->said[in->dir] |= causes;
	if (causes & http_head_closes[is_client(in, s)])
		http_say_ends(in);
}

static void say_causes(struct app_in *in, struct http *s, txn_t t, const struct http_head *h)
{
	if (unlikely(h->causes))
		say_fresh(in, s, t, h->causes, h->where, NULL);
}

static txn_t say_request(struct app_in *in, struct http *s, struct http_head *h)
{
	txn_t t = http_say_request(in, h);

	say_causes(in, s, t, h);
	act_query(in->w, h->method.p, h->len);
	judge_txn(in, t);
	act_query(in->w, NULL, 0);
	return t;
}

static void say_response(struct app_in *in, struct http *s, txn_t t, struct http_head *h)
{
	t = http_say_response(in, t, h);
	say_causes(in, s, t, h);
	judge_txn(in, t);
	txn_end(in, t);
}

// ---- messages -----------------------------------------------------------------------------------------------------

// The body begins at in->consumed. Sets phase and skip; `none`: there is no body, whatever the head says.
static void body_begin(struct app_in *in, struct http *s, const struct http_head *h, enum phase after, bool none)
{
	s->phase[in->dir] = after;
	if (none)
		return;
	if (h->coding == HTTP_CODING_CHUNKED)
		s->phase[in->dir] = PHASE_CHUNK;
	else if (h->has_length && h->coding == HTTP_CODING_NONE)
		in->skip = h->length;
	else if (h->coding != HTTP_CODING_NONE) // no end is stated: RFC 9112 6.3 rule 4 has a server refuse it
		s->phase[in->dir] = PHASE_LOST;
}

static enum kind kind_of(const struct http_head *h)
{
	if (!h->protocol.len)
		return KIND_SIMPLE;
	if (h->method_id == HTTP_METHOD_HEAD)
		return KIND_HEAD;
	if (h->method_id == HTTP_METHOD_CONNECT)
		return KIND_CONNECT;
	for (unsigned i = 0; i < h->nfields; i++)
		if (h->field[i] == HTTP_FIELD_UPGRADE)
			return KIND_UPGRADE;
	return KIND_PLAIN;
}

static int request(struct app_in *in, struct http *s, struct http_head *h)
{
	if (h->method_id == HTTP_METHOD_PRI && h->minor == 0xff) { // PRI * HTTP/2.0: RFC 9113 3.4
		in->f->app = APP_HTTP2;
		return APP_SWITCH;
	}
	enum kind k = kind_of(h);
	txn_t t = say_request(in, s, h);
	if (unlikely(in->drop == REASON_POLICY_DENY)) { // neither it nor what follows will be answered by the server
		txn_end(in, t);
		return APP_MORE;
	}
	if (s->answered) {
		txn_end(in, t);
	} else {
		if (s->count == OPEN_MAX) {
			enum kind old;
			txn_end(in, open_pop(s, &old));
			s->unpaired++;
		}
		open_push(s, t, k);
	}
	if (unlikely(k == KIND_CONNECT))
		judge_outer_txn(in, t);
	in->consumed += h->len;
	bool tunnel = (k == KIND_CONNECT || k == KIND_UPGRADE) && !s->answered;
	body_begin(in, s, h, tunnel ? PHASE_TUNNEL : PHASE_START, k == KIND_CONNECT);
	// An Upgrade with a chunked body is told again at the body's end, from the queue.
	return in->skip ? APP_MORE : STEP_ON;
}

// The request of the response that begins here, or 0. False: it has not been seen yet.
static bool request_of(struct app_in *in, struct http *s, txn_t *t, enum kind *k)
{
	*t = 0;
	*k = KIND_PLAIN;
	if (s->unpaired) {
		s->unpaired--;
		return true;
	}
	if (!s->count) // a flow picked up in its middle may show the answer to what was asked before
		return !other_may_come(in) || (in->f->flags & FLOW_MIDSTREAM) || s->gap[!in->dir];
	*t = open_pop(s, k);
	return true;
}

// The rest of the server's bytes is one body (RFC 9112 6.3 rule 8).
static int until_close(struct app_in *in, struct http *s)
{
	s->answered = true;
	http_end(in);
	return APP_DONE;
}

// Interim responses (RFC 9110 15.2) say nothing of the transaction; 101 ends the protocol.
static int response(struct app_in *in, struct http *s, struct http_head *h)
{
	uint8_t *client_phase = &s->phase[!in->dir];
	enum kind k;
	txn_t t;

	if (h->status < 200 && h->status != 101) {
		in->consumed += h->len;
		return STEP_ON;
	}
	if (h->status == 101 && s->count && s->kind[s->first] == KIND_UPGRADE && *client_phase != PHASE_TUNNEL &&
	    other_may_come(in))
		return APP_WAIT; // the request's body is still on its way
	if (!request_of(in, s, &t, &k))
		return APP_WAIT;
	say_response(in, s, t, h);
	in->consumed += h->len;
	if (h->status == 101) // which nobody asked for is no agreement (RFC 9110 7.8): requests may go on
		return t && k != KIND_UPGRADE ? APP_SWITCH : APP_UPGRADE;
	if (k == KIND_CONNECT && h->status < 300)
		return APP_SWITCH;
	if (unlikely(k == KIND_CONNECT))
		judge_outer_forget(in->w, in->f);
	if (*client_phase == PHASE_TUNNEL && (k == KIND_CONNECT || k == KIND_UPGRADE))
		*client_phase = PHASE_START; // refused: HTTP goes on
	bool none = k == KIND_HEAD || h->status == 204 || h->status == 304;
	body_begin(in, s, h, PHASE_START, none);
	if (none || h->coding == HTTP_CODING_CHUNKED || (h->has_length && h->coding == HTTP_CODING_NONE))
		return in->skip ? APP_MORE : STEP_ON;
	return until_close(in, s);
}

static bool known_role(struct app_in *in, struct http *s, enum http_start is)
{
	bool client_here = is == HTTP_START_REQUEST;

	if (s->role == ROLE_UNKNOWN)
		s->role = (in->dir == 0) == client_here ? ROLE_DIR0_CLIENT : ROLE_DIR1_CLIENT;
	return is_client(in, s) == client_here;
}

// A place where a message may begin, from `from` on.
static int seek(struct app_in *in, struct http *s, uint32_t from)
{
	struct http_span b = rest(in);
	bool found = http_start_seek(b.p, b.len, is_client(in, s), in->end, &from);
	s->phase[in->dir] = found ? PHASE_LOST : PHASE_SEEK;
	in->consumed += from;
	return found ? STEP_ON : APP_MORE;
}

// No message begins here. Before the first message it is not HTTP, if the other side has none either; later the
// place is lost.
static int lost(struct app_in *in, struct http *s)
{
	struct http_span b = rest(in);

	if (s->role == ROLE_UNKNOWN) {
		s->not_here |= 1 << in->dir;
		return s->not_here == 3 || !other_may_come(in) ? APP_NOT : APP_WAIT;
	}
	bool simple = s->count && s->kind[s->first] == KIND_SIMPLE; // no version in the request, no head in the answer
	bool first = !s->spoke[in->dir] && !s->gap[in->dir] && !(in->f->flags & FLOW_MIDSTREAM); // or none in any
	if (!is_client(in, s) && (simple || first))
		return until_close(in, s);
	if (s->phase[in->dir] != PHASE_LOST && s->spoke[in->dir])
		app_anomaly(in, ANOMALY_HTTP_MALFORMED, b.p, b.len < 64 ? b.len : 64);
	if (is_client(in, s) && in->f->policy & POLICY_OPEN && s->spoke[in->dir] && !s->gap[in->dir]) {
		http_say_ends(in); // behind a request no other protocol begins by itself
		if (in->drop)
			return APP_CLOSE;
	}
	s->scanned[in->dir] = 0;
	return seek(in, s, 1);
}

// Client: the answer to an earlier request decides what these bytes are, or there is no room for another.
static int client_waits(struct app_in *in, struct http *s, enum http_start is)
{
	if (s->phase[in->dir] == PHASE_TUNNEL) {
		if (other_may_come(in) && !s->answered && !s->gap[!in->dir])
			return APP_WAIT;
		if (is == HTTP_START_MORE && !in->end)
			return APP_MORE;
		if (is != HTTP_START_REQUEST)
			return APP_SWITCH;
		s->phase[in->dir] = PHASE_START;
	}
	// of an open flow what waits here is held, and so may be what the server would answer
	bool waits = other_may_come(in) && !s->answered && !(in->f->policy & POLICY_OPEN);
	return s->count == OPEN_MAX && waits ? APP_WAIT : STEP_ON;
}

// Nothing says that the first of these bytes is the first of a message: "ET / HTTP/1.1" is a request like any other.
static bool begins_anywhere(const struct app_in *in)
{
	return in->after_gap || (in->offset == 0 && (in->f->flags & FLOW_MIDSTREAM));
}

static int start(struct app_in *in, struct http *s)
{
	struct http_span b = rest(in);
	bool lost_before = s->phase[in->dir] == PHASE_LOST;

	struct http_line line;
	enum http_start is = http_start_of(b.p, b.len, false, &line);
	if (s->role != ROLE_UNKNOWN && is_client(in, s)) {
		int wait = client_waits(in, s, is);
		if (wait != STEP_ON)
			return wait;
	}
	while (b.len && (b.p[0] == '\r' || b.p[0] == '\n')) { // RFC 9112 2.2
		b.p++, b.len--;
		in->consumed++;
	}
	if (!b.len)
		return APP_MORE;
	bool half = is == HTTP_START_MORE;
	bool simple = half && (in->end || in->w->inspect->quiet) && http_start_simple(&line, b.len);
	if (half && !simple && !in->end && b.len < HTTP_HEAD_MAX)
		return APP_MORE;
	if (half)
		is = simple ? HTTP_START_REQUEST : HTTP_START_NO;
	if (is == HTTP_START_REQUEST && (lost_before || begins_anywhere(in)) && !http_start_known(b.p, b.len))
		is = HTTP_START_NO;
	if (is == HTTP_START_NO || !known_role(in, s, is))
		return half && in->end && !lost_before ? (in->consumed = in->len, APP_MORE) : lost(in, s);
	struct http_head h;
	if (!http_head_read(b.p, b.len, in->end || simple || b.len >= HTTP_HEAD_MAX, &s->scanned[in->dir], &line, &h))
		return APP_MORE;
	if (!h.len) // the start line is not whole and nothing follows, or it is none after all
		return in->end ? (in->consumed = in->len, APP_MORE) : lost(in, s);
	s->scanned[in->dir] = s->said[in->dir] = 0;
	s->spoke[in->dir] = true;
	if (!h.whole && !in->end && !simple)
		http_head_cause(&h, HTTP_CAUSE_BIT(HEAD_LONG), b.p);
	int step = h.request ? request(in, s, &h) : response(in, s, &h);
	if (h.causes & HTTP_CAUSE_BIT(HEAD_LONG) && (step == STEP_ON || step == APP_MORE)) {
		in->skip = 0;
		s->phase[in->dir] = PHASE_REST;
		return STEP_ON;
	}
	return step;
}

// ---- chunked bodies (RFC 9112 7.1) -------------------------------------------------------------------------------

static void chunk_cause(struct app_in *in, struct http *s, uint32_t cause)
{
	struct http_span b = rest(in);

	txn_t t = is_client(in, s) ? open_newest(s) : 0;

	say_fresh(in, s, t, cause, NULL, b.p);
	judge_txn(in, t);
}

static int chunk_size(struct app_in *in, struct http *s)
{
	struct http_span b = rest(in);
	uint32_t n = http_head_line(b.p, b.len);
	uint64_t size;

	if (!n && b.len < CHUNK_LINE_MAX)
		return APP_MORE;
	uint32_t ending = n >= 2 && b.p[n - 2] == '\r' ? 2 : 1;
	if (!n || !http_head_chunk(b.p, n - ending, &size)) {
		chunk_cause(in, s, HTTP_CAUSE_BIT(CHUNK_SIZE));
		return lost(in, s);
	}
	if (ending == 1)
		chunk_cause(in, s, HTTP_CAUSE_BIT(BARE_LF) | HTTP_CAUSE_BIT(LINE_ENDS));
	in->consumed += n;
	s->phase[in->dir] = size ? PHASE_CHUNK_END : PHASE_TRAILER;
	if (size < CHUNK_INLINE && size <= b.len - n) {
		in->consumed += size;
		return STEP_ON;
	}
	in->skip = size;
	return APP_MORE;
}

static int chunk_end(struct app_in *in, struct http *s)
{
	struct http_span b = rest(in);
	uint32_t n = b.len && b.p[0] == '\n' ? 1 : 2;

	if (n == 2 && b.len < 2)
		return APP_MORE;
	if (b.p[n - 1] != '\n' || (n == 2 && b.p[0] != '\r')) {
		chunk_cause(in, s, HTTP_CAUSE_BIT(CHUNK_END));
		return lost(in, s);
	}
	if (n == 1)
		chunk_cause(in, s, HTTP_CAUSE_BIT(BARE_LF) | HTTP_CAUSE_BIT(LINE_ENDS));
	in->consumed += n;
	s->phase[in->dir] = PHASE_CHUNK;
	return STEP_ON;
}

// Lines up to an empty one: trailers, or what is left of a head too long to be kept.
static int lines(struct app_in *in, struct http *s)
{
	struct http_span b = rest(in);
	uint32_t n = http_head_line(b.p, b.len);

	if (!n) {
		if (b.len >= HTTP_HEAD_MAX)
			in->consumed = in->len; // the middle of one line
		return APP_MORE;
	}
	in->consumed += n;
	if (n > 2 || (n == 2 && b.p[0] != '\r'))
		return STEP_ON;
	bool tunnel = is_client(in, s) && s->count && s->kind[(s->first + s->count - 1) % OPEN_MAX] == KIND_UPGRADE;
	bool rest_of_head = s->phase[in->dir] == PHASE_REST;
	// Behind a head that was not kept whole the framing is not known for certain.
	s->phase[in->dir] = rest_of_head ? PHASE_LOST : tunnel ? PHASE_TUNNEL : PHASE_START;
	return STEP_ON;
}

// ---- ---------------------------------------------------------------------------------------------------------------

static void after_gap(struct app_in *in, struct http *s)
{
	s->gap[in->dir] = true;
	s->scanned[in->dir] = 0;
	s->phase[in->dir] = PHASE_LOST;
	if (s->role == ROLE_UNKNOWN || is_client(in, s))
		return;
	while (s->count > 1) { // of several answers some may be gone: only the last request is likely to be next
		enum kind k;
		txn_end(in, open_pop(s, &k));
	}
	s->unpaired = 0;
}

enum app_step http_data(struct app_in *in)
{
	struct http *s = in->state;
	int step = STEP_ON;

	if (in->after_gap && in->len)
		after_gap(in, s);
	while (step == STEP_ON) {
		if (in->consumed == in->len)
			return APP_MORE;
		switch ((enum phase)s->phase[in->dir]) {
		case PHASE_CHUNK:
			step = chunk_size(in, s);
			break;
		case PHASE_CHUNK_END:
			step = chunk_end(in, s);
			break;
		case PHASE_TRAILER:
		case PHASE_REST:
			step = lines(in, s);
			break;
		case PHASE_START:
		case PHASE_TUNNEL:
		case PHASE_LOST:
			step = start(in, s);
			break;
		case PHASE_SEEK:
			step = seek(in, s, 0);
			break;
		}
	}
	return (enum app_step)step;
}

enum http_rest http_rest(const void *state)
{
	const struct http *s = state;
	unsigned server = !client_dir(s);

	if (!s || s->answered || s->gap[server] || s->unpaired || s->role == ROLE_UNKNOWN ||
	    s->phase[server] >= PHASE_REST)
		return HTTP_REST_UNKNOWN;
	return s->count || s->phase[server] != PHASE_START ? HTTP_REST_SOME : HTTP_REST_NONE;
}

int http_looks(const uint8_t *p, uint32_t len)
{
	struct http_line line;
	enum http_start is = http_start_of(p, len, true, &line);

	return is == HTTP_START_MORE ? -1 : is != HTTP_START_NO;
}

int http_looks_midway(const uint8_t *p, uint32_t len)
{
	int yes = http_looks(p, len);

	return yes > 0 && !http_start_known(p, len) ? 0 : yes;
}
