// SPDX-License-Identifier: BSD-3-Clause
//
// Preludes that are no lines: PostgreSQL (its protocol 55.2.10), MySQL (its protocol's SSLRequest), LDAP (RFC 4511
// 4.14), XMPP (RFC 6120 5), RDP (MS-RDPBCGR 2.2.1). Each asks with one message and is answered by one. And the header
// of the PROXY protocol (HAProxy's proxy-protocol.txt), which nobody answers; see prelude.c for the rest.
#include "prelude.h"

#include <string.h>

#include "base/be.h"

// ---- PostgreSQL: 8 bytes, answered by one letter ------------------------------------------------------------------

static const uint8_t postgres_tls[8] = {0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f};
static const uint8_t postgres_gss[8] = {0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x30};

int prelude_packet_postgres(const uint8_t *p, uint32_t len)
{
	uint32_t n = len < 8 ? len : 8;

	if (memcmp(p, postgres_tls, n) == 0 || memcmp(p, postgres_gss, n) == 0)
		return len < 8 ? -1 : PRELUDE_CLIENT;
	if (p[0] != 'S' && p[0] != 'N')
		return 0;
	if (len < 3) // the answer came first
		return len == 1 || p[1] == 0x16 ? -1 : 0;
	return p[0] == 'S' && p[1] == 0x16 && p[2] == 3 ? PRELUDE_SERVER : 0;
}

int prelude_packet_postgres_client(struct app_in *in, struct prelude *s, const uint8_t *p, uint32_t len)
{
	if (len < 8)
		return APP_MORE;
	if (memcmp(p, postgres_tls, 8) && memcmp(p, postgres_gss, 8))
		return APP_CLOSE; // a start in the clear
	in->consumed += 8;
	s->asked = true;
	s->asked_id = p[7];
	return PRELUDE_ON;
}

int prelude_packet_postgres_server(struct app_in *in, struct prelude *s, const uint8_t *p, uint32_t len)
{
	if (!s->asked && prelude_other_may_come(in))
		return APP_WAIT;
	if (p[0] == 'S' && (!s->asked || s->asked_id == postgres_tls[7]))
		return prelude_accept(in, s, 1);
	if (p[0] != 'N' || !s->asked)
		return APP_CLOSE;
	s->asked = false;
	in->consumed++;
	return PRELUDE_ON;
}

// ---- MySQL: the server greets, the client cuts its answer short and starts TLS ------------------------------------

#define MYSQL_SSL_LEN 36 // packet header and the fields before the user's name
#define MYSQL_CLIENT_SSL 0x0800

static uint32_t mysql_len(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;
}

static bool mysql_ssl_request(const uint8_t *p)
{
	static const uint8_t filler[19];

	return mysql_len(p) == MYSQL_SSL_LEN - 4 && p[3] == 1 && (p[5] << 8 & MYSQL_CLIENT_SSL) &&
	       memcmp(p + 13, filler, sizeof(filler)) == 0;
}

// Greeting: protocol version 10, the server's version as text, NUL.
int prelude_packet_mysql(const uint8_t *p, uint32_t len)
{
	if (len < 6)
		return len >= 4 && (p[3] > 1 || mysql_len(p) > 1024) ? 0 : len >= 3 && p[2] ? 0 : -1;
	if (p[3] == 1 && mysql_len(p) == MYSQL_SSL_LEN - 4)
		return len < MYSQL_SSL_LEN ? -1 : mysql_ssl_request(p) ? PRELUDE_CLIENT : 0;
	if (p[3] != 0 || p[4] != 10 || mysql_len(p) < 32 || mysql_len(p) > 1024)
		return 0;
	for (uint32_t i = 5; i < len && i < 5 + 64; i++) {
		if (p[i] == 0)
			return i > 8 ? PRELUDE_SERVER : 0;
		if (p[i] < ' ' || p[i] > '~')
			return 0;
	}
	return len < 5 + 64 ? -1 : 0;
}

int prelude_packet_mysql_client(struct app_in *in, struct prelude *s, const uint8_t *p, uint32_t len)
{
	if (len < MYSQL_SSL_LEN)
		return len >= 3 && mysql_len(p) != MYSQL_SSL_LEN - 4 ? APP_CLOSE : APP_MORE;
	if (!mysql_ssl_request(p))
		return APP_CLOSE;
	if (!s->greeted && prelude_other_may_come(in) && !(in->f->flags & FLOW_MIDSTREAM))
		return APP_WAIT; // the greeting has to be out of the way first
	in->consumed += MYSQL_SSL_LEN;
	return APP_SWITCH;
}

int prelude_packet_mysql_server(struct app_in *in, struct prelude *s, const uint8_t *p, uint32_t len)
{
	if (s->greeted)
		return prelude_other_may_come(in) ? APP_WAIT : APP_SWITCH;
	if (len < 4 || len < 4 + mysql_len(p))
		return len >= 3 && mysql_len(p) > 1024 ? APP_CLOSE : APP_MORE;
	in->consumed += 4 + mysql_len(p);
	s->greeted = true;
	return PRELUDE_ON;
}

// ---- LDAP: BER messages; an extended request with StartTLS's name -------------------------------------------------

#define LDAP_MAX (1u << 24) // bytes of a message
static const char ldap_starttls[] = "1.3.6.1.4.1.1466.20037";

enum { LDAP_MORE = 0, LDAP_BAD = -1 };

// 30 length 02 n id op: a message's whole length, its id and the offset of op. 0: more bytes are needed; -1: none.
static int64_t ldap_message(const uint8_t *p, uint32_t len, uint32_t *id, uint32_t *op)
{
	uint32_t at = 2, body;

	if (p[0] != 0x30)
		return LDAP_BAD;
	if (len < 2)
		return LDAP_MORE;
	body = p[1];
	if (body > 0x80) { // long form, RFC 4511 5.1: any minimal or padded length up to 4 bytes is met
		uint32_t n = body & 0x7f;
		if (n > 4)
			return LDAP_BAD;
		if (len < 2 + n)
			return LDAP_MORE;
		for (body = 0; at < 2 + n; at++)
			body = body << 8 | p[at];
	} else if (body == 0x80) {
		return LDAP_BAD;
	}
	if (body < 5 || body > LDAP_MAX)
		return LDAP_BAD;
	if (len < at + 2)
		return LDAP_MORE;
	uint32_t n = p[at + 1];
	if (p[at] != 2 || n == 0 || n > 4)
		return LDAP_BAD;
	if (len < at + 3 + n)
		return LDAP_MORE;
	for (*id = 0, *op = at + 2; *op < at + 2 + n; ++*op)
		*id = *id << 8 | p[*op];
	return (int64_t)at + body;
}

int prelude_packet_ldap(const uint8_t *p, uint32_t len)
{
	uint32_t id, op;
	int64_t n = ldap_message(p, len, &id, &op);

	if (n <= 0)
		return n == LDAP_MORE ? -1 : 0;
	// bind, search, extended request (RFC 4511 4.2, 4.5, 4.12) and what answers them
	if (p[op] == 0x60 || p[op] == 0x63 || p[op] == 0x77)
		return PRELUDE_CLIENT;
	return p[op] == 0x61 || p[op] == 0x64 || p[op] == 0x65 || p[op] == 0x78 ? PRELUDE_SERVER : 0;
}

// Walks one message. Its first bytes are at hand when unit is called.
static int64_t ldap_walk(struct app_in *in, const uint8_t *p, uint32_t len, uint32_t *id, uint32_t *op)
{
	int64_t n = ldap_message(p, len, id, op);

	if (n > 0 && len < n && len < 256 && !in->end) // the part that is read has to be there
		return LDAP_MORE;
	return n;
}

static int ldap_pass(struct app_in *in, int64_t n, uint32_t len)
{
	if (n <= len) {
		in->consumed += n;
		return PRELUDE_ON;
	}
	in->skip = n;
	return APP_MORE;
}

int prelude_packet_ldap_client(struct app_in *in, struct prelude *s, const uint8_t *p, uint32_t len)
{
	uint32_t id, op, n = sizeof(ldap_starttls) - 1;
	int64_t all = ldap_walk(in, p, len, &id, &op);

	if (all <= 0)
		return all == LDAP_MORE ? APP_MORE : APP_CLOSE;
	// 77 len 80 16 name
	if (p[op] == 0x77 && all <= len && all >= op + 4 + n && memmem(p + op, all - op, ldap_starttls, n)) {
		s->asked = true;
		s->asked_id = id;
	}
	s->commands++;
	return ldap_pass(in, all, len);
}

int prelude_packet_ldap_server(struct app_in *in, struct prelude *s, const uint8_t *p, uint32_t len)
{
	uint32_t id, op;
	int64_t all = ldap_walk(in, p, len, &id, &op);

	if (all <= 0)
		return all == LDAP_MORE ? APP_MORE : APP_CLOSE;
	if (p[op] != 0x78)
		return ldap_pass(in, all, len);
	if (!s->asked && prelude_other_may_come(in))
		return APP_WAIT;
	if (all > len)
		return APP_CLOSE;
	// 78 len 0a 01 resultCode
	uint32_t body = op + 2 + (op + 1 < all && p[op + 1] > 0x80 ? p[op + 1] & 0x7f : 0);
	bool yes = body + 3 <= all && p[body] == 0x0a && p[body + 1] == 1 && p[body + 2] == 0;
	if (yes && (!s->asked || id == s->asked_id))
		return prelude_accept(in, s, all);
	if (id == s->asked_id)
		s->asked = false;
	return ldap_pass(in, all, len);
}

// ---- XMPP: elements in a stream of XML ----------------------------------------------------------------------------

#define XMPP_LOOK 512 // an XML declaration and the opening tag

int prelude_packet_xmpp(const uint8_t *p, uint32_t len)
{
	static const char *const starts[] = {"<?xml", "<stream:stream"};

	for (unsigned i = 0; i < 2; i++) {
		uint32_t n = strlen(starts[i]), have = len < n ? len : n;
		if (memcmp(p, starts[i], have))
			continue;
		// the client names the server it wants; the server's own opening has from= and id=
		const uint8_t *open = memmem(p, len, "<stream:stream", 14);
		const uint8_t *close = open ? memchr(open, '>', p + len - open) : NULL;
		if (!close)
			return len < XMPP_LOOK ? -1 : 0;
		return memmem(open, close - open, " id=", 4) ? PRELUDE_SERVER : PRELUDE_CLIENT;
	}
	return 0;
}

// Passes over XML up to and with the element that begins as `name`. Returns its end's offset, or 0: not there; what
// cannot be part of it is consumed.
static uint32_t xmpp_find(struct app_in *in, const uint8_t *p, uint32_t len, const char *name)
{
	uint32_t n = strlen(name);
	const uint8_t *at = memmem(p, len, name, n);

	if (!at) {
		if (len >= n)
			in->consumed += len - n + 1;
		return 0;
	}
	const uint8_t *end = memchr(at, '>', p + len - at);
	if (!end) {
		if (p + len - at > XMPP_LOOK)
			in->consumed = in->len;
		return 0;
	}
	return (uint32_t)(end - p) + 1;
}

int prelude_packet_xmpp_client(struct app_in *in, struct prelude *s, const uint8_t *p, uint32_t len)
{
	uint32_t n = xmpp_find(in, p, len, "<starttls");

	if (!n)
		return APP_MORE;
	if (p[n - 2] != '/') { // <starttls ...></starttls>
		const uint8_t *end = memmem(p + n, len - n, "</starttls>", 11);
		if (!end)
			return len - n > XMPP_LOOK ? APP_CLOSE : APP_MORE;
		n = (uint32_t)(end - p) + 11;
	}
	in->consumed += n;
	s->asked = true;
	return PRELUDE_ON;
}

int prelude_packet_xmpp_server(struct app_in *in, struct prelude *s, const uint8_t *p, uint32_t len)
{
	uint32_t n = xmpp_find(in, p, len, "<proceed");

	return n ? prelude_accept(in, s, n) : (int)APP_MORE;
}

// ---- RDP: one X.224 connection request in a TPKT (RFC 1006 6), and what confirms it -------------------------------

#define TPKT_HEAD 11 // TPKT's and X.224's fixed fields
#define RDP_NEG 8    // type, flags, length, protocols
#define RDP_CORRELATION 36
enum { X224_REQUEST = 0xe0, X224_CONFIRM = 0xd0, RDP_NEG_REQ = 1, RDP_NEG_RSP = 2 };

int prelude_packet_rdp(const uint8_t *p, uint32_t len)
{
	static const uint8_t start[] = {3, 0};
	uint32_t n = len < 2 ? len : 2;

	if (memcmp(p, start, n))
		return 0;
	if (len < TPKT_HEAD)
		return len > 2 && p[2] ? 0 : -1; // no request is longer than its one length byte can say
	uint32_t total = be16(p + 2);
	if (total < TPKT_HEAD || p[4] != total - 5 || p[10] != 0) // class 0
		return 0;
	return p[5] == X224_REQUEST && be16(p + 6) == 0 ? PRELUDE_CLIENT : p[5] == X224_CONFIRM ? PRELUDE_SERVER : 0;
}

// The protocols that a negotiation structure names, 0: none, or those of RDP's own cipher. It stands at the end, or
// before the correlation id.
static uint32_t rdp_protocols(const uint8_t *p, uint32_t total, uint8_t type)
{
	for (uint32_t back = RDP_NEG; back + TPKT_HEAD <= total; back += RDP_CORRELATION) {
		const uint8_t *n = p + total - back;
		if (n[0] == type && n[2] == RDP_NEG && n[3] == 0)
			return be32(n + 4);
		if (back > RDP_NEG)
			break;
	}
	return 0;
}

int prelude_packet_rdp_client(struct app_in *in, struct prelude *s, const uint8_t *p, uint32_t len)
{
	if (len < 6 || len < be16(p + 2))
		return len >= 4 && be16(p + 2) < TPKT_HEAD ? APP_CLOSE : APP_MORE;
	uint32_t total = be16(p + 2);
	if (total < TPKT_HEAD || p[5] != X224_REQUEST || !rdp_protocols(p, total, RDP_NEG_REQ))
		return APP_CLOSE; // RDP's own cipher, or another protocol on X.224
	in->consumed += total;
	s->asked = true;
	return PRELUDE_ON;
}

int prelude_packet_rdp_server(struct app_in *in, struct prelude *s, const uint8_t *p, uint32_t len)
{
	if (len < 6 || len < be16(p + 2))
		return len >= 4 && be16(p + 2) < TPKT_HEAD ? APP_CLOSE : APP_MORE;
	uint32_t total = be16(p + 2);
	if (total < TPKT_HEAD || p[5] != X224_CONFIRM || !rdp_protocols(p, total, RDP_NEG_RSP))
		return APP_CLOSE;
	return prelude_accept(in, s, total);
}

// ---- the PROXY protocol: a header in front of the client's bytes --------------------------------------------------

#define PROXY_LINE_MAX 107 // of version 1, its end included
#define PROXY_HEAD 16      // of version 2, before the addresses

static const char proxy_signature[] = "\r\n\r\n\0\r\nQUIT\n";
#define PROXY_SIGNATURE (sizeof(proxy_signature) - 1)

// Bytes of a header that begins at p; 0: more are needed; -1: it is none.
static int64_t proxy_header(const uint8_t *p, uint32_t len)
{
	static const char *const families[] = {"TCP4 ", "TCP6 ", "UNKNOWN"};
	uint32_t n = len < PROXY_SIGNATURE ? len : PROXY_SIGNATURE;

	if (memcmp(p, proxy_signature, n) == 0) {
		if (len < PROXY_HEAD)
			return len > PROXY_SIGNATURE && p[12] >> 4 != 2 ? -1 : 0;
		return p[12] >> 4 == 2 && (p[12] & 15) <= 1 ? (int64_t)PROXY_HEAD + be16(p + 14) : -1;
	}
	if (memcmp(p, "PROXY ", len < 6 ? len : 6))
		return -1;
	bool family = len <= 6;
	for (unsigned i = 0; i < 3 && !family; i++) {
		uint32_t f = (uint32_t)strlen(families[i]);
		family = memcmp(p + 6, families[i], len - 6 < f ? len - 6 : f) == 0;
	}
	const uint8_t *lf = memchr(p, '\n', len < PROXY_LINE_MAX ? len : PROXY_LINE_MAX);
	if (!family || (lf && lf[-1] != '\r') || (!lf && len >= PROXY_LINE_MAX))
		return -1;
	return lf ? lf - p + 1 : 0;
}

int prelude_packet_proxy(const uint8_t *p, uint32_t len)
{
	int64_t n = proxy_header(p, len);

	return n > 0 ? PRELUDE_CLIENT : n == 0 ? -1 : 0;
}

int prelude_packet_proxy_client(struct app_in *in, struct prelude *s, const uint8_t *p, uint32_t len)
{
	int64_t n = proxy_header(p, len);

	if (n < 0)
		return APP_CLOSE;
	if (n == 0 || len < n) {
		in->need = n ? (uint32_t)(p - in->data) + (uint32_t)n : 0;
		return APP_MORE;
	}
	in->consumed += (uint32_t)n;
	return APP_SWITCH;
}

// Its bytes are those of what follows the header.
int prelude_packet_proxy_server(struct app_in *in, struct prelude *s, const uint8_t *p, uint32_t len)
{
	return prelude_other_may_come(in) ? APP_WAIT : APP_SWITCH;
}
