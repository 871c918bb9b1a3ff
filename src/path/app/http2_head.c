// SPDX-License-Identifier: BSD-3-Clause
//
// What a header block of HTTP/2 says (RFC 9113 8). In comes a block and the table that it is decoded by; out goes the
// head that HTTP/1 has, so that all that follows is the same for both. Worker's thread; the caller's memory.
//
// What RFC 9113 calls malformed is said as causes of http.ambiguous: a server refuses it, but one in front that hands
// it on as HTTP/1 may make two requests of it.
#include "http2_head.h"

#include "bytes.h"

enum pseudo { METHOD, SCHEME, AUTHORITY, PATH, PROTOCOL, STATUS, PSEUDOS };
static const char *const names[PSEUDOS] = {":method", ":scheme", ":authority", ":path", ":protocol", ":status"};

struct reading {
	struct http_head *h;
	enum http2_head_kind kind;
	struct http_span pseudo[PSEUDOS];
	bool fields; // one that is no pseudo-header was read
};

static bool has(struct http_span s, uint8_t from, uint8_t to)
{
	for (uint32_t i = 0; i < s.len; i++)
		if (s.p[i] >= from && s.p[i] <= to)
			return true;
	return false;
}

// 8.3: each once, of the right kind, and before all fields.
static void read_pseudo(struct reading *r, const struct hpack_field *f)
{
	enum pseudo i = 0;
	while (i < PSEUDOS && !http_span_is(f->name, names[i]))
		i++;
	bool known = i < PSEUDOS && r->kind != HTTP2_TRAILERS && (i == STATUS) == (r->kind == HTTP2_RESPONSE);
	if (!known || r->fields || r->pseudo[i].p || has(f->value, 0, ' ') || has(f->value, 0x7f, 0x7f))
		http_head_cause(r->h, HTTP_CAUSE_BIT(H2_PSEUDO), f->name.p);
	if (i == AUTHORITY) // each is a name that is shown, as Host is
		http_head_field(r->h, (struct http_span){(const uint8_t *)"host", 4}, 4, f->value);
	if (i < PSEUDOS && !r->pseudo[i].p)
		r->pseudo[i] = f->value;
}

// 8.2.2
static bool of_connection(const struct hpack_field *f)
{
	static const char *const forbidden[] = {"connection", "proxy-connection", "keep-alive", "transfer-encoding",
						"upgrade"};
	for (unsigned i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++)
		if (http_span_is(f->name, forbidden[i]))
			return true;
	return http_span_is(f->name, "te") && !http_span_is(http_span_trim(f->value), "trailers");
}

static void read_field(struct reading *r, const struct hpack_field *f)
{
	r->fields = true;
	if (!f->name.len || bytes_token(f->name.p, f->name.len) != f->name.len || has(f->name, 'A', 'Z') ||
	    of_connection(f))
		http_head_cause(r->h, HTTP_CAUSE_BIT(H2_FIELD), f->name.p);
	struct http_span v = http_span_trim(f->value), authority = r->pseudo[AUTHORITY];
	bool same = http_span_is(f->name, "host") && authority.len && v.len == authority.len &&
		    !memcmp(v.p, authority.p, v.len);
	if (!same && r->kind != HTTP2_TRAILERS)
		http_head_field(r->h, f->name, f->name.len, v);
}

// 8.3.1, 8.5, RFC 8441 4
static void end_request(struct reading *r)
{
	struct http_head *h = r->h;
	const struct http_span *p = r->pseudo;
	bool connect = http_span_is(p[METHOD], "CONNECT") && !p[PROTOCOL].p;
	if (p[METHOD].p)
		h->method = p[METHOD];
	if (p[PATH].p || (connect && p[AUTHORITY].p))
		h->target = p[PATH].p ? p[PATH] : p[AUTHORITY];
	h->method_id = connect                           ? HTTP_METHOD_CONNECT
		       : http_span_is(p[METHOD], "HEAD") ? HTTP_METHOD_HEAD
							 : HTTP_METHOD_OTHER;
	bool whole = connect ? p[AUTHORITY].len && !p[SCHEME].p && !p[PATH].p
			     : p[SCHEME].len && p[PATH].len && (p[PATH].p[0] == '/' || http_span_is(p[PATH], "*"));
	if (!whole || !p[METHOD].len || bytes_token(p[METHOD].p, p[METHOD].len) != p[METHOD].len)
		http_head_cause(h, HTTP_CAUSE_BIT(H2_PSEUDO), h->protocol.p);
}

enum hpack_step http2_head_read(struct hpack *t, struct hpack_block *b, enum http2_head_kind kind, struct http_head *h)
{
	struct reading r = {.h = h, .kind = kind};
	struct hpack_field f;
	enum hpack_step s;
	const struct http_span line = {b->out, (uint32_t)strlen("HTTP/2")}, none = {b->out, 0};
	*h = (struct http_head){.protocol = line, .method = none, .target = none, .request = kind != HTTP2_RESPONSE};
	while ((s = hpack_next(t, b, &f)) == HPACK_FIELD) {
		if (has(f.value, 0, 0) || has(f.value, '\n', '\n') || has(f.value, '\r', '\r'))
			http_head_cause(h, HTTP_CAUSE_BIT(H2_VALUE), f.name.p);
		(f.name.len && f.name.p[0] == ':' ? read_pseudo : read_field)(&r, &f);
	}
	h->len = b->used;
	if (kind == HTTP2_REQUEST)
		end_request(&r);
	struct http_span v = r.pseudo[STATUS];
	if (v.len == 3 && bytes_digit(v.p[0]) && bytes_digit(v.p[1]) && bytes_digit(v.p[2]))
		h->status = (uint16_t)((v.p[0] - '0') * 100 + (v.p[1] - '0') * 10 + v.p[2] - '0');
	return s;
}
