// SPDX-License-Identifier: BSD-3-Clause
//
// SOCKS 4, 4a and 5 (RFC 1928, 1929) up to the point where the proxied connection begins, which is then detected
// anew. In: both directions from their start; out: nothing but that point, on each side. Worker's thread.
//
//	client   greeting [user, password] request | tunnel
//	server   method   [status]         reply   | tunnel
//
// Each message tells by its first byte what it is, so the client's side is walked without the server's; both stand
// still before their tunnel until the other is there too. Who is the client is seen by content: malware turns the
// roles round, and then it is the one who accepted the connection that asks.
// With a policy the request's own address is judged, and stays a name of what follows (judge_outer.c).
#include "app.h"

#include <string.h>

#include "../judge.h"
#include "../stream.h"
#include "dns_name.h"

enum phase {
	PHASE_GREETING, // client: version 4 request or version 5 methods; server: method or version 4 reply
	PHASE_ASK,      // version 5: authentication or request; server: status or reply
	PHASE_TUNNEL,
};

struct socks {
	uint8_t phase[2];
	uint8_t client; // 1 + direction of the client; 0: not known
	uint8_t junk;   // pieces that the server said before
	bool refused;
};
static_assert(sizeof(struct socks) <= APP_STATE_BYTES, "fits the stream's state");

#define MORE UINT32_MAX // the message is not there yet
#define NONE 0          // it is not one
#define JUNK_MAX 64     // bytes in which an answer is looked for

// Text up to a NUL (RFC 1928 has none; SOCKS4's user id and 4a's name). Bytes with the NUL, or MORE, or NONE.
static uint32_t text(const uint8_t *p, uint32_t len)
{
	uint32_t i = 0;

	while (i < len && i < 256) {
		if (p[i] == 0)
			return i + 1;
		if (p[i] < ' ' || p[i] == 0x7f)
			return NONE;
		i++;
	}
	return i == 256 ? NONE : MORE;
}

// VN=4 CD DSTPORT DSTIP USERID NUL, and a name where the address is 0.0.0.x (SOCKS 4a).
static uint32_t request4(const uint8_t *p, uint32_t len)
{
	if (p[0] != 4 || (len > 1 && p[1] != 1 && p[1] != 2))
		return NONE;
	if (len < 9)
		return MORE;
	uint32_t user = text(p + 8, len - 8);
	if (user == NONE || user == MORE || (p[2] == 0 && p[3] == 0))
		return user == MORE ? MORE : NONE;
	if (p[4] || p[5] || p[6] || !p[7])
		return 8 + user;
	uint32_t name = text(p + 8 + user, len - 8 - user);
	return name == NONE || name == MORE ? name : 8 + user + name;
}

// VER=5 NMETHODS METHODS; those that are assigned, each once.
static uint32_t greeting5(const uint8_t *p, uint32_t len)
{
	uint32_t n = len > 1 ? p[1] : 1;

	if (p[0] != 5 || n == 0 || n > 10)
		return NONE;
	for (uint32_t i = 2; i < len && i < 2 + n; i++)
		if ((p[i] > 9 && p[i] < 0x80) || p[i] == 0xff || memchr(p + 2, p[i], i - 2))
			return NONE;
	return len < 2 || len < 2 + n ? MORE : 2 + n;
}

// VER=5, a byte, 0, ATYP, address, port: request (of CMD 1..3) or reply (REP 0..8).
static uint32_t address5(const uint8_t *p, uint32_t len, uint8_t low, uint8_t high)
{
	if (p[0] != 5 || (len > 1 && (p[1] < low || p[1] > high)) || (len > 2 && p[2] != 0))
		return NONE;
	if (len < 5)
		return MORE;
	uint32_t n = p[3] == 1 ? 10 : p[3] == 3 ? 7u + p[4] : p[3] == 4 ? 22 : NONE;
	return n == NONE ? NONE : len < n ? MORE : n;
}

// RFC 1929: VER=1 ULEN UNAME PLEN PASSWD.
static uint32_t password(const uint8_t *p, uint32_t len)
{
	if (len < 2 || len < 3u + p[1])
		return MORE;
	uint32_t n = 3u + p[1] + p[2 + p[1]];
	return len < n ? MORE : n;
}

static uint32_t client_message(struct socks *s, unsigned dir, const uint8_t *p, uint32_t len)
{
	uint32_t n;

	if (s->phase[dir] == PHASE_GREETING) {
		n = p[0] == 4 ? request4(p, len) : greeting5(p, len);
		if (n != MORE)
			s->phase[dir] = p[0] == 4 ? PHASE_TUNNEL : PHASE_ASK;
		return n;
	}
	if (p[0] == 1)
		return password(p, len);
	n = address5(p, len, 1, 3);
	if (n != MORE)
		s->phase[dir] = PHASE_TUNNEL;
	return n;
}

static uint32_t server_message(struct socks *s, unsigned dir, const uint8_t *p, uint32_t len)
{
	uint32_t n;

	if (s->phase[dir] == PHASE_GREETING && p[0] == 0) { // VN=0 CD=90..93
		if (len < 8)
			return len > 1 && (p[1] < 90 || p[1] > 93) ? NONE : MORE;
		s->refused = p[1] != 90;
		s->phase[dir] = PHASE_TUNNEL;
		return p[1] < 90 || p[1] > 93 ? NONE : 8;
	}
	if (s->phase[dir] == PHASE_GREETING) {
		if (p[0] != 5)
			return NONE;
		if (len < 2)
			return MORE;
		s->phase[dir] = PHASE_ASK;
		s->refused = p[1] == 0xff;
		return 2;
	}
	if (p[0] == 1)
		return len < 2 ? MORE : 2;
	n = address5(p, len, 0, 8);
	if (n == MORE || n == NONE)
		return n;
	s->phase[dir] = PHASE_TUNNEL;
	s->refused |= p[1] != 0;
	return n;
}

// A client's first bytes: the greeting alone, since it has to wait, or with a request or password right after.
static int looks_client(const uint8_t *p, uint32_t len)
{
	uint32_t n = p[0] == 4 ? request4(p, len) : greeting5(p, len);

	if (n == NONE || n == MORE)
		return n == MORE ? -1 : 0;
	// these four may also be a server's choice of passwords and its yes: the next message tells
	if (n == len)
		return n == 4 && memcmp(p, "\5\2\1", 4) == 0 ? -1 : 1;
	if (p[0] == 4) // and, optimistically, the tunnel: take it only where that is told apart
		return p[n] == 0x16 || (p[n] >= 'A' && p[n] <= 'Z');
	if (p[n] == 1)
		return memchr(p + 2, 2, p[1]) && password(p + n, len - n) != MORE ? 1 : -1;
	uint32_t m = address5(p + n, len - n, 1, 3);
	return m == NONE ? 0 : m == MORE ? -1 : 1;
}

// A server's first bytes, where they are seen before the client's: never sure before the reply.
static int looks_server(const uint8_t *p, uint32_t len)
{
	uint32_t at = 2;

	if (p[0] == 0) { // version 4's reply, and behind it what is known by itself
		if (len > 1 && (p[1] < 90 || p[1] > 93))
			return 0;
		if (len <= 8)
			return -1;
		int http = http_looks(p + 8, len - 8), tls = tls_looks(p + 8, len - 8), ssh = ssh_looks(p + 8, len - 8);
		return http > 0 || tls > 0 || ssh > 0 ? 1 : http | tls | ssh;
	}
	if (p[0] != 5 || (len > 1 && p[1] != 0 && p[1] != 2))
		return 0;
	if (len > 2 && p[1] == 2) {
		if (p[2] != 1 || (len > 3 && p[3] != 0))
			return 0;
		at = 4;
	}
	if (len <= at)
		return -1;
	uint32_t m = address5(p + at, len - at, 0, 8);
	return m == NONE ? 0 : m == MORE ? -1 : 1;
}

// What a program of its own says before the server's answer, where the roles are turned round: all there is, unless the
// answer begins in it.
static uint32_t before_answer(const uint8_t *p, uint32_t len)
{
	for (uint32_t i = 1; i < len && i <= JUNK_MAX; i++) {
		int yes = looks_server(p + i, len - i);
		if (yes > 0 || (yes < 0 && p[i] == 5))
			return i;
	}
	return len;
}

int socks_looks(const uint8_t *p, uint32_t len)
{
	if (len == 0)
		return -1;
	int client = looks_client(p, len);
	return client > 0 ? client : client | looks_server(p, len);
}

// Both sides are walked; what follows belongs to somebody else. False: the other is not there yet and may come.
static bool tunnel_open(const struct app_in *in, const struct socks *s)
{
	bool both = s->phase[0] == PHASE_TUNNEL && s->phase[1] == PHASE_TUNNEL;

	return both || in->last || !(in->f->flags & (FLOW_REPLIED | FLOW_MIDSTREAM));
}

static bool known_role(const struct app_in *in, struct socks *s)
{
	const uint8_t *p = in->data;

	if (s->client)
		return true;
	if (looks_client(p, in->len) > 0 || looks_server(p, in->len) > 0)
		s->client = 1 + (looks_client(p, in->len) > 0 ? in->dir : !in->dir);
	return s->client;
}

// The request at p[0..n), whole: what it asks for is judged, a name or an address as text.
static void target(struct app_in *in, const uint8_t *p, uint32_t n)
{
	uint8_t text_of[40];
	if (p[0] == 5 && p[3] == 3) {
		judge_target(in, p + 5, p[4], app_origin(in, p + 5, p[4]));
	} else if (p[0] == 5) {
		uint32_t len = p[3] == 1 ? 4 : 16;
		judge_target(in, text_of, dns_address_text(p + 4, len, text_of), app_origin(in, p + 4, len));
	} else if (p[4] || p[5] || p[6] || !p[7]) {
		judge_target(in, text_of, dns_address_text(p + 4, 4, text_of), app_origin(in, p + 4, 4));
	} else {
		const uint8_t *name = memchr(p + 8, 0, n - 8); // the user's end
		if (name && name + 1 < p + n)
			judge_target(in, name + 1, (uint32_t)(p + n - 1 - (name + 1)), app_origin(in, name + 1, 1));
	}
}

enum app_step socks_data(struct app_in *in)
{
	struct socks *s = in->state;

	if (in->after_gap)
		return APP_NOT;
	if (in->len && !known_role(in, s))
		return in->end ? APP_NOT : APP_MORE;
	while (s->phase[in->dir] != PHASE_TUNNEL && in->consumed < in->len) {
		const uint8_t *p = in->data + in->consumed;
		uint32_t len = in->len - in->consumed;
		uint32_t n = s->client == 1 + in->dir ? client_message(s, in->dir, p, len)
						      : server_message(s, in->dir, p, len);
		if (n == NONE && s->client != 1 + in->dir && s->phase[in->dir] == PHASE_GREETING && s->junk++ < 2) {
			in->consumed += before_answer(p, len);
			continue;
		}
		if (n == NONE)
			return APP_CLOSE;
		if (n == MORE)
			return APP_MORE;
		if (unlikely(in->w->rules != NULL) && s->client == 1 + in->dir && s->phase[in->dir] == PHASE_TUNNEL)
			target(in, p, n);
		in->consumed += n;
		if (in->drop)
			return APP_CLOSE;
		if (s->refused)
			return APP_CLOSE;
	}
	if (s->phase[in->dir] != PHASE_TUNNEL)
		return APP_MORE;
	return tunnel_open(in, s) ? APP_SWITCH : APP_WAIT;
}
