// SPDX-License-Identifier: BSD-3-Clause
//
// A message becomes a question. In: JSON as proxies write it,
//
//   {"id", "user", "groups": [], "src", "method", "url", "headers": {name: value or [values]}, "direction", "tenant",
//    "deadline_ms"}
//
// out: who asks, and the request as its bytes would stand on the wire to the server, for judge_ask.c to read: so a
// header in a message is what the same header in a packet is. Decider's thread; no allocation; input is hostile.
//
// What is not a request is refused whole, with the reason: `id`, `method` and `url` are needed, other keys may be left
// out; keys that are not known are passed over, so that a proxy may say more than this version reads. Nothing can be
// smuggled from a value into the head: no byte below a space stands in it. Two of one key are an error, since two
// readers could take different ones.
#include "decide/request.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "decide/jin.h"
#include "path/app/http_name.h"

#define METHOD_MAX 64
#define NAME_MAX_BYTES 256 // of a header, and of a server

struct reading {
	struct request *q;
	struct jin j;
	uint32_t seen; // keys, as bits
};

static bool wrong(struct reading *r, const char *what, const char *why)
{
	if (!*r->q->why)
		snprintf(r->q->why, sizeof(r->q->why), "%s: %s", what, why);
	return false;
}

// ---- values ------------------------------------------------------------------------------------------------------

// Without bytes that end a line of a head, or of somebody's log.
static bool clean(struct http_span s)
{
	for (uint32_t i = 0; i < s.len; i++)
		if ((s.p[i] < ' ' && s.p[i] != '\t') || s.p[i] == 0x7f)
			return false;
	return true;
}

static bool text(struct reading *r, const char *key, struct http_span *s, uint32_t max)
{
	if (jin_null(&r->j) || !jin_string(&r->j, s))
		return false;
	if (s->len > max)
		return wrong(r, key, "longer than is looked at");
	return clean(*s) || wrong(r, key, "a control character in it");
}

static bool token(struct http_span s)
{
	static const char others[] = "!#$%&'*+-.^_`|~"; // RFC 9110 5.6.2
	for (uint32_t i = 0; i < s.len; i++) {
		uint8_t c = s.p[i], low = c | 0x20;
		if (!(low >= 'a' && low <= 'z') && !(c >= '0' && c <= '9') && (!c || !strchr(others, c)))
			return false;
	}
	return s.len > 0;
}

static bool read_id(struct reading *r)
{
	struct http_span s = {0};
	if (!text(r, "id", &s, REQUEST_ID_MAX) || !s.len)
		return wrong(r, "id", "a text of 1 to 256 bytes is expected");
	r->q->ask.id = s;
	return true;
}

static bool read_user(struct reading *r)
{
	return jin_next(&r->j) == 'n' ? jin_null(&r->j) : text(r, "user", &r->q->ask.user, FACT_VALUE_MAX);
}

static bool read_groups(struct reading *r)
{
	struct ask *a = &r->q->ask;
	if (jin_next(&r->j) == 'n')
		return jin_null(&r->j);
	if (!jin_open(&r->j, '['))
		return false;
	for (bool first = true; jin_more(&r->j, ']', first); first = false) {
		if (a->ngroups == ASK_GROUPS)
			return wrong(r, "groups", "more than 64");
		if (!text(r, "groups", &a->groups[a->ngroups++], FACT_VALUE_MAX))
			return false;
	}
	return !r->j.why;
}

// Its length. loose: of a URL, where 127.1, 2130706433 and 0x7f.1 are 127.0.0.1 to whoever connects (inet_aton(3),
// WHATWG URL 3.5). ::ffff:192.0.2.1, as dual-stack sockets say it, is 192.0.2.1.
static uint8_t address(struct http_span s, bool loose, uint8_t out[16])
{
	static const uint8_t mapped[12] = {[10] = 0xff, 0xff};
	char copy[INET6_ADDRSTRLEN + 1];
	if (s.len >= sizeof(copy) || memchr(s.p, 0, s.len))
		return 0;
	memcpy(copy, s.p, s.len);
	copy[s.len] = 0;
	if (inet_pton(AF_INET, copy, out) == 1 || (loose && inet_aton(copy, (struct in_addr *)(void *)out)))
		return 4;
	if (inet_pton(AF_INET6, copy, out) != 1)
		return 0;
	if (memcmp(out, mapped, sizeof(mapped)) != 0)
		return 16;
	memcpy(out, out + 12, 4);
	memset(out + 4, 0, 12);
	return 4;
}

static bool read_src(struct reading *r)
{
	struct ask *a = &r->q->ask;
	struct http_span s;
	if (jin_next(&r->j) == 'n')
		return jin_null(&r->j);
	if (!text(r, "src", &s, FACT_VALUE_MAX))
		return false;
	a->src_len = address(s, false, a->src);
	return a->src_len || wrong(r, "src", "an address is expected");
}

static bool read_method(struct reading *r)
{
	return text(r, "method", &r->q->method, METHOD_MAX) &&
	       (token(r->q->method) || wrong(r, "method", "no method of HTTP"));
}

static bool read_url(struct reading *r)
{
	return text(r, "url", &r->q->target, FACT_VALUE_MAX) &&
	       ((!memchr(r->q->target.p, ' ', r->q->target.len) && !memchr(r->q->target.p, '\t', r->q->target.len)) ||
		wrong(r, "url", "a space in it"));
}

static bool header(struct reading *r, struct http_span name)
{
	struct request *q = r->q;
	struct http_span value;
	if (q->nheaders == REQUEST_HEADERS)
		return wrong(r, "headers", "more than 256");
	if (!jin_string(&r->j, &value))
		return false;
	if (!clean(value))
		return wrong(r, "headers", "a control character in a value");
	q->headers[q->nheaders].name = name;
	q->headers[q->nheaders++].value = value;
	return true;
}

static bool read_headers(struct reading *r)
{
	if (jin_next(&r->j) == 'n')
		return jin_null(&r->j);
	if (!jin_open(&r->j, '{'))
		return false;
	for (bool first = true; jin_more(&r->j, '}', first); first = false) {
		struct http_span name;
		if (!jin_string(&r->j, &name) || !jin_colon(&r->j))
			return false;
		if (!token(name) || name.len > NAME_MAX_BYTES)
			return wrong(r, "headers", "a name that is none");
		if (jin_next(&r->j) != '[') {
			if (!header(r, name))
				return false;
			continue;
		}
		jin_open(&r->j, '[');
		for (bool one = true; jin_more(&r->j, ']', one); one = false)
			if (!header(r, name))
				return false;
	}
	return !r->j.why;
}

static bool read_direction(struct reading *r)
{
	struct http_span s;
	if (jin_next(&r->j) == 'n')
		return jin_null(&r->j);
	if (!text(r, "direction", &s, FACT_VALUE_MAX))
		return false;
	for (unsigned i = 0; i < DIRECTION_COUNT; i++)
		if (http_span_is(s, direction_names[i]))
			r->q->ask.direction = (uint8_t)(i + 1);
	return r->q->ask.direction || wrong(r, "direction", "out, in, inside, outside or unknown is expected");
}

static bool read_tenant(struct reading *r)
{
	return jin_next(&r->j) == 'n' ? jin_null(&r->j) : jin_number(&r->j, &r->q->ask.tenant);
}

static bool read_deadline(struct reading *r)
{
	return jin_next(&r->j) == 'n' ? jin_null(&r->j) : jin_number(&r->j, &r->q->deadline_ms);
}

static const struct key {
	const char *name;
	bool (*read)(struct reading *r);
	bool needed;
} keys[] = {
	{"id", read_id, true},          {"user", read_user, false},
	{"groups", read_groups, false}, {"src", read_src, false},
	{"method", read_method, true},  {"url", read_url, true},
	{"headers", read_headers, 0},   {"direction", read_direction, 0},
	{"tenant", read_tenant, false}, {"deadline_ms", read_deadline, false},
};
#define KEYS (sizeof(keys) / sizeof(keys[0]))

static bool member(struct reading *r, struct http_span name)
{
	for (unsigned i = 0; i < KEYS; i++) {
		if (!http_span_is(name, keys[i].name))
			continue;
		if (r->seen >> i & 1) {
			if (i == 0) // which of them?
				r->q->ask.id.len = 0;
			return wrong(r, keys[i].name, "it stands twice");
		}
		r->seen |= 1u << i;
		return keys[i].read(r) || wrong(r, keys[i].name, r->j.why ? r->j.why : "not to be read");
	}
	return jin_skip(&r->j);
}

// The rest of a message that is refused is read for its id alone.
static bool members(struct reading *r)
{
	bool good = true;
	if (!jin_open(&r->j, '{'))
		return false;
	for (bool first = true; jin_more(&r->j, '}', first); first = false) {
		uint8_t *out = r->j.out;
		struct http_span name;
		if (!jin_string(&r->j, &name) || !jin_colon(&r->j))
			return false;
		r->j.out = out; // names of keys are not kept
		const uint8_t *at = r->j.at;
		unsigned depth = r->j.depth;
		if (good || http_span_is(name, "id")) {
			if (member(r, name))
				continue;
			good = false;
		}
		r->j.at = at; // it may be JSON, if not what it should be
		r->j.depth = depth;
		r->j.why = NULL;
		if (!jin_skip(&r->j))
			return false;
	}
	return good && jin_end(&r->j);
}

// ---- the head ----------------------------------------------------------------------------------------------------

static void put(struct jin *j, const void *p, size_t len)
{
	if ((size_t)(j->out_end - j->out) < len) {
		jin_wrong(j, "longer than is looked at");
		return;
	}
	memcpy(j->out, p, len);
	j->out += len;
}

static void put_text(struct jin *j, const char *s)
{
	put(j, s, strlen(s));
}

// Where a URL leads.
struct place {
	struct http_span scheme, name, rest; // rest: from the path on
	uint16_t port, usual;                // 0: none
	bool tls;
};

static uint16_t usual_port(struct http_span scheme, bool *tls)
{
	static const struct {
		const char *scheme;
		uint16_t port;
		bool tls;
	} all[] = {{"http", 80, 0}, {"https", 443, 1}, {"ws", 80, 0}, {"wss", 443, 1}, {"ftp", 21, 0}};
	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (scheme.len != strlen(all[i].scheme) ||
		    strncasecmp((const char *)scheme.p, all[i].scheme, scheme.len) != 0)
			continue;
		*tls = all[i].tls;
		return all[i].port;
	}
	return 0;
}

// "http://name:port/path?query#fragment", or of CONNECT "name:port".
static bool place_of(struct reading *r, struct place *at)
{
	struct request *q = r->q;
	struct http_span url = q->target, authority = http_name_absolute(url);
	bool connect = http_span_is(q->method, "CONNECT");
	*at = (struct place){0};
	if (connect && !authority.p)
		authority = url;
	if (!authority.p)
		return wrong(r, "url", connect ? "name:port is expected" : "http://, https:// or the like is expected");
	if (authority.p != url.p) {
		at->scheme = (struct http_span){url.p, (uint32_t)(authority.p - url.p) - 3};
		at->usual = usual_port(at->scheme, &at->tls);
		if (!token(at->scheme))
			return wrong(r, "url", "a scheme that is none");
	}
	struct http_authority a = http_name_authority(authority);
	if (a.bad || !a.name.len || a.name.len > NAME_MAX_BYTES)
		return wrong(r, "url", "no server in it");
	if (connect && !a.port) // RFC 9110 9.3.6
		return wrong(r, "url", "name:port is expected");
	at->name = a.name;
	at->port = a.port ? (uint16_t)a.port : at->usual;
	at->rest.p = authority.p + authority.len;
	at->rest.len = (uint32_t)(url.p + url.len - at->rest.p);
	const uint8_t *fragment = memchr(at->rest.p, '#', at->rest.len);
	if (fragment)
		at->rest.len = (uint32_t)(fragment - at->rest.p);
	return true;
}

static void put_authority(struct jin *j, const struct place *at)
{
	char port[8];
	put(j, at->name.p, at->name.len);
	if (at->port && at->port != at->usual)
		put(j, port, (size_t)snprintf(port, sizeof(port), ":%u", at->port));
}

static void put_rest(struct jin *j, const struct place *at)
{
	if (!at->rest.len || at->rest.p[0] != '/')
		put_text(j, "/");
	put(j, at->rest.p, at->rest.len);
}

static bool same(struct http_span a, const uint8_t *p, size_t len)
{
	return a.len == len && !strncasecmp((const char *)a.p, (const char *)p, len);
}

// The server's own line first, unless the message brings the same.
static void put_headers(struct jin *j, const struct request *q, const struct place *at)
{
	put_text(j, "Host: ");
	const uint8_t *host = j->out;
	put_authority(j, at);
	size_t len = (size_t)(j->out - host);
	put_text(j, "\r\n");
	for (unsigned i = 0; i < q->nheaders; i++) {
		struct http_span name = q->headers[i].name, value = q->headers[i].value;
		if (same(name, (const uint8_t *)"host", 4) && same(http_span_trim(value), host, len))
			continue;
		put(j, name.p, name.len);
		put_text(j, ": ");
		put(j, value.p, value.len);
		put_text(j, "\r\n");
	}
	put_text(j, "\r\n");
}

// The URL as the corridor writes one: it knows of no scheme but http.
static void put_url(struct jin *j, struct ask *a, const struct place *at)
{
	const uint8_t *from = j->out;
	for (uint32_t i = 0; i < at->scheme.len; i++)
		put(j, &(char){(char)(at->scheme.p[i] | 0x20)}, 1);
	put_text(j, "://");
	if (j->out_end - j->out > NAME_MAX_BYTES)
		j->out += http_name_host(at->name, j->out, NAME_MAX_BYTES);
	if (at->port != at->usual) {
		char port[8];
		put(j, port, (size_t)snprintf(port, sizeof(port), ":%u", at->port));
	}
	put_rest(j, at);
	a->url = (struct http_span){from, (uint32_t)(j->out - from)};
}

static void server(struct ask *a, const struct place *at)
{
	uint8_t name[NAME_MAX_BYTES];
	struct http_span s = {name, http_name_host(at->name, name, sizeof(name))};
	if (s.len > 2 && name[0] == '[' && name[s.len - 1] == ']')
		s = (struct http_span){name + 1, s.len - 2};
	a->dst_len = address(s, true, a->dst);
	a->dport = at->port;
	a->tls = at->tls;
}

static bool build(struct reading *r)
{
	struct request *q = r->q;
	struct jin *j = &r->j;
	struct place at;
	if (!place_of(r, &at))
		return false;
	server(&q->ask, &at);
	if (at.scheme.len && !same(at.scheme, (const uint8_t *)"http", 4))
		put_url(j, &q->ask, &at);
	q->ask.head = j->out;
	put(j, q->method.p, q->method.len);
	put_text(j, " ");
	if (at.scheme.len)
		put_rest(j, &at);
	else
		put(j, q->target.p, q->target.len);
	put_text(j, " HTTP/1.1\r\n");
	put_headers(j, q, &at);
	q->ask.head_len = (uint32_t)(j->out - q->ask.head);
	return !j->why || wrong(r, "message", j->why);
}

// ---- what it is about --------------------------------------------------------------------------------------------

static uint64_t fold(uint64_t a, uint64_t b)
{
	unsigned __int128 m = (unsigned __int128)a * b;
	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

void request_hash(const uint64_t key[2], const void *p, size_t len, uint64_t out[2])
{
	const uint8_t *at = p;
	uint64_t h[2] = {key[0] ^ len, key[1] + len}, last[2] = {0};
	for (; len > 16; at += 16, len -= 16) {
		memcpy(last, at, 16);
		h[0] = fold(h[0] ^ last[0], key[1] ^ last[1] ^ 0x9e3779b97f4a7c15ull);
		h[1] = fold(h[1] ^ last[1], key[0] ^ last[0] ^ 0xe7037ed1a0b428dbull);
	}
	last[0] = last[1] = 0;
	if (len) // of a message without a key there is no `at` either
		memcpy(last, at, len);
	out[0] = fold(h[0] ^ last[0], key[1] ^ last[1] ^ 0xa0761d6478bd642full);
	out[1] = fold(h[1] ^ last[1], key[0] ^ out[0] ^ 0x8ebc6af09c88c6e3ull);
}

static void mix(struct request *q, const uint64_t key[2], const void *p, size_t len)
{
	const uint64_t next[2] = {key[0] ^ q->content[0], key[1] ^ q->content[1]};
	request_hash(next, p, len, q->content);
}

static void content(struct request *q, const uint64_t key[2])
{
	const struct ask *a = &q->ask;
	q->content[0] = q->content[1] = 0;
	mix(q, key, a->head, a->head_len);
	mix(q, key, a->url.p ? a->url.p : a->head, a->url.len);
	mix(q, key, a->src, a->src_len);
	mix(q, key, &a->tenant, sizeof(a->tenant));
	mix(q, key, &a->direction, sizeof(a->direction));
	mix(q, key, a->user.p ? a->user.p : a->head, a->user.len);
	for (unsigned i = 0; i < a->ngroups; i++)
		mix(q, key, a->groups[i].p, a->groups[i].len);
}

// ---- one message -------------------------------------------------------------------------------------------------

static bool whole(struct reading *r)
{
	for (unsigned i = 0; i < KEYS; i++)
		if (keys[i].needed && !(r->seen >> i & 1))
			return wrong(r, keys[i].name, "it is missing");
	return true;
}

int request_read(struct request *q, const void *p, size_t len, const uint64_t key[2])
{
	struct reading r = {.q = q,
			    .j = {.at = p,
				  .end = (const uint8_t *)p + (len < REQUEST_MAX ? len : REQUEST_MAX),
				  .out = q->text,
				  .out_end = q->text + REQUEST_TEXT}};
	q->ask = (struct ask){0};
	q->deadline_ms = 0;
	q->content[0] = q->content[1] = 0;
	*q->why = 0;
	q->method = q->target = (struct http_span){0};
	q->nheaders = 0;
	bool good = members(&r);
	if (len > REQUEST_MAX) // whatever else is wrong with what was read of it
		snprintf(q->why, sizeof(q->why), "message: more than %u bytes", REQUEST_MAX);
	else if (!good && !*q->why)
		wrong(&r, "message", r.j.why ? r.j.why : "no object");
	if (!good || len > REQUEST_MAX || !whole(&r) || !build(&r))
		return -EINVAL;
	content(q, key);
	return 0;
}
