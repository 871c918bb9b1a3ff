// SPDX-License-Identifier: BSD-3-Clause
//
// Where a message of HTTP/1 begins: request lines (RFC 9112 3) and status lines (4), as strictly as it takes to tell
// them from other protocols and as widely as servers read them. Pure functions over bytes, on the worker's thread;
// nothing is copied, nothing kept; every liberty that was taken is a cause (http_head.h).
#include "http_head.h"

#include <string.h>
#include <strings.h>

#include <rte_common.h>

#include "bytes.h"

#define METHOD_MAX 32 // longer than any registered (IANA HTTP Method Registry: 17)

// Methods that are believed before the line's version is there: IANA's registry, UPnP, and what else is met.
static const char *const methods[] = {
	"GET",         "POST",
	"HEAD",        "PUT",
	"DELETE",      "CONNECT",
	"OPTIONS",     "TRACE",
	"PATCH",       "PROPFIND",
	"PROPPATCH",   "MKCOL",
	"COPY",        "MOVE",
	"LOCK",        "UNLOCK",
	"SEARCH",      "REPORT",
	"MERGE",       "CHECKOUT",
	"MKACTIVITY",  "VERSION-CONTROL",
	"NOTIFY",      "SUBSCRIBE",
	"UNSUBSCRIBE", "M-SEARCH",
	"RPC_IN_DATA", "RPC_OUT_DATA",
	"RPC_CONNECT", "BITS_POST",
	"CCM_POST",    "PURGE",
};

static bool method_known(struct http_span m)
{
	for (unsigned i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (methods[i][0] == (char)m.p[0] && http_span_is(m, methods[i]))
			return true;
	return false;
}

// "HTTP/1.1" and nothing else.
static bool version_whole(struct http_span v)
{
	return v.len == 8 && memcmp(v.p, "HTTP/", 5) == 0 && bytes_digit(v.p[5]) && v.p[6] == '.' &&
	       bytes_digit(v.p[7]);
}

// The version token of another protocol that borrowed the line: "SIP/2.0", "RTSP/1.0", "ICAP/1.0".
static bool version_foreign(struct http_span v)
{
	uint32_t n = 0;

	while (n < v.len && ((v.p[n] | 0x20) >= 'a' && (v.p[n] | 0x20) <= 'z'))
		n++;
	return n && n + 1 < v.len && v.p[n] == '/' && bytes_digit(v.p[n + 1]) &&
	       !(n == 4 && memcmp(v.p, "HTTP", 4) == 0);
}

static bool spaced(struct http_span s)
{
	uint32_t found = 0;

	for (uint32_t at = 0; at < s.len && !found; at += 16) {
		__m128i v = bytes_load(s.p + at, s.len - at);
		found = bytes_equal(v, ' ') | bytes_equal(v, '\t');
	}
	return found;
}

// Where the last word of p[from..end) begins.
static uint32_t last_word(const uint8_t *p, uint32_t from, uint32_t end)
{
	if (end > from + 9 && p[end - 9] == ' ' && version_whole((struct http_span){p + end - 8, 8}))
		return end - 8; // what nearly all have
	while (end > from && p[end - 1] != ' ')
		end--;
	return end;
}

// What lenient servers take for a space (RFC 9112 3).
static bool separates(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r' && c != '\n');
}

static bool version_any_case(struct http_span v)
{
	return v.len == 8 && strncasecmp((const char *)v.p, "HTTP/", 5) == 0 && bytes_digit(v.p[5]) && v.p[6] == '.' &&
	       bytes_digit(v.p[7]);
}

// A request line that only lenient servers read: other separators than spaces, or some in front. So that nothing else
// looks like one, the method has to be known and the version whole. Returns as request_line.
static int request_line_loose(struct http_span line, struct http_line *r)
{
	uint32_t at = 0, end = line.len, last;
	while (at < end && separates(line.p[at]))
		at++;
	while (end > at && separates(line.p[end - 1]))
		end--;
	uint32_t m = bytes_token(line.p + at, end - at), to = at + m;
	r->method = (struct http_span){line.p + at, m};
	if (m == 0 || to == end || !separates(line.p[to]) || !method_known(r->method))
		return 0;
	for (last = end; last > to && !separates(line.p[last - 1]);)
		last--;
	r->protocol = (struct http_span){line.p + last, end - last};
	while (to < last && separates(line.p[to]))
		to++;
	while (last > to && separates(line.p[last - 1]))
		last--;
	r->target = (struct http_span){line.p + to, last - to};
	r->causes = HTTP_CAUSE_BIT(REQUEST_LINE);
	return r->target.len && version_any_case(r->protocol) ? 2 : 0;
}

// May p[0..len) become one?
static enum http_start loose_start(const uint8_t *p, uint32_t len)
{
	uint32_t at = 0;
	while (at < len && at < METHOD_MAX && separates(p[at]))
		at++;
	uint32_t m = bytes_token(p + at, RTE_MIN(len - at, METHOD_MAX + 1u));
	if (at + m == len)
		return m <= METHOD_MAX ? HTTP_START_MORE : HTTP_START_NO;
	return m && separates(p[at + m]) && method_known((struct http_span){p + at, m}) ? HTTP_START_MORE
											: HTTP_START_NO;
}

// Takes a request line apart. Returns 2: as RFC 9112 3 has it, or with extra spaces; 1: only with good will (no
// version, or half of one); 0: it is none.
static int request_line(struct http_span line, struct http_line *r)
{
	uint32_t m = bytes_token(line.p, line.len), end = line.len;

	r->causes = 0;
	if (unlikely(m == 0 || m > METHOD_MAX || m == line.len || line.p[m] != ' '))
		return request_line_loose(line, r);
	r->method = (struct http_span){line.p, m};
	while (end && line.p[end - 1] == ' ')
		end--;
	uint32_t last = last_word(line.p, m, end);
	struct http_span word = {line.p + last, end - last},
			 target = http_span_trim((struct http_span){line.p + m, last - m});
	bool http = word.len >= 5 && memcmp(word.p, "HTTP/", 5) == 0;
	bool odd = unlikely(!http) && version_any_case(word);
	http |= odd;
	if (!http && version_foreign(word))
		return 0;
	if (target.len && http) {
		r->protocol = word;
	} else {
		target = http_span_trim((struct http_span){line.p + m, end - m});
		r->protocol = (struct http_span){line.p + end, 0};
	}
	r->target = target;
	if (!target.len)
		return 0;
	if (m + 1 + target.len + 1 + r->protocol.len != line.len || spaced(target))
		r->causes = HTTP_CAUSE_BIT(REQUEST_LINE);
	if (odd)
		r->causes |= HTTP_CAUSE_BIT(VERSION);
	return odd || version_whole(r->protocol) ? 2 : 1;
}

bool http_start_status(struct http_span line, uint16_t *status)
{
	if (line.len < 12 || memcmp(line.p, "HTTP/1.", 7) || !bytes_digit(line.p[7]) || line.p[8] != ' ')
		return false;
	for (unsigned i = 9; i < 12; i++)
		if (!bytes_digit(line.p[i]))
			return false;
	if (line.len > 12 && line.p[12] != ' ')
		return false;
	*status = (line.p[9] - '0') * 100 + (line.p[10] - '0') * 10 + line.p[11] - '0';
	return *status >= 100;
}

static bool field_line(const uint8_t *p, uint32_t n)
{
	uint32_t name = bytes_token(p, n);

	return name && name < n && p[name] == ':';
}

// What a request of HTTP/0.9 asks for: a path, or a URI where the server is a proxy.
static bool target_simple(struct http_span target)
{
	return target.p[0] == '/' || http_name_absolute(target).len;
}

// Is the complete line p[0..n) with what follows it a request's?
static enum http_start request_start(const uint8_t *p, uint32_t n, uint32_t len, struct http_line *r)
{
	r->sure = request_line(http_span_chomp(p, n), r);
	r->len = n;
	if (r->sure == 2)
		return HTTP_START_REQUEST;
	if (r->sure == 0 || !method_known(r->method) ||
	    (!target_simple(r->target) && r->target.p[0] != '*' && !r->protocol.len &&
	     memcmp(r->target.p, "HTTP/", r->target.len < 5 ? r->target.len : 5)))
		return HTTP_START_NO;
	uint32_t next = bytes_line(p + n, len - n);        // without a version, a field has to follow
	if (next && http_span_chomp(p + n, next).len == 0) // or, after HTTP/0.9's only method, nothing (RFC 1945 4.1)
		return http_span_is(r->method, "GET") && target_simple(r->target) ? HTTP_START_REQUEST : HTTP_START_NO;
	if (next)
		return field_line(p + n, next) ? HTTP_START_REQUEST : HTTP_START_NO;
	if (len - n == 1 && p[n] == '\r')
		return HTTP_START_MORE;
	return bytes_token(p + n, len - n) == len - n ? HTTP_START_MORE
	       : field_line(p + n, len - n)           ? HTTP_START_REQUEST
						      : HTTP_START_NO;
}

enum http_start http_start_of(const uint8_t *p, uint32_t len, bool early, struct http_line *r)
{
	r->len = 0;
	while (len && (p[0] == '\r' || p[0] == '\n'))
		p++, len--;
	if ((!len || p[0] == 'H') && memcmp(p, "HTTP/1.", len < 7 ? len : 7) == 0) {
		uint16_t status;
		if (len < 13)
			return HTTP_START_MORE;
		return http_start_status((struct http_span){p, p[12] == '\r' || p[12] == '\n' ? 12 : 13}, &status)
			       ? HTTP_START_RESPONSE
			       : HTTP_START_NO;
	}
	uint32_t m = bytes_token(p, len < METHOD_MAX + 1 ? len : METHOD_MAX + 1);
	if (m == len && m <= METHOD_MAX)
		return HTTP_START_MORE;
	if (unlikely(m == 0 || m > METHOD_MAX || p[m] != ' ') && loose_start(p, len) == HTTP_START_NO)
		return HTTP_START_NO;
	uint32_t n = bytes_line(p, len);
	enum http_start is = n ? request_start(p, n, len, r) : HTTP_START_MORE;
	if (is != HTTP_START_MORE)
		return is;
	bool begun = early && m + 1 < len &&
		     (p[m + 1] == '/' || (len - m > 7 && !strncasecmp((const char *)p + m + 1, "http://", 7)));
	if (begun && method_known((struct http_span){p, m}))
		return HTTP_START_REQUEST;
	return len < HTTP_HEAD_MAX ? HTTP_START_MORE : HTTP_START_NO;
}

bool http_start_simple(const struct http_line *r, uint32_t len)
{
	return r->len == len && r->sure == 1 && !r->protocol.len && http_span_is(r->method, "GET") &&
	       target_simple(r->target);
}

bool http_start_known(const uint8_t *p, uint32_t len)
{
	while (len && (p[0] == '\r' || p[0] == '\n'))
		p++, len--;
	uint32_t m = bytes_token(p, len < METHOD_MAX + 1 ? len : METHOD_MAX + 1);
	return m && (p[m < len ? m : 0] == '/' || method_known((struct http_span){p, m}));
}

// Which bytes came together says nothing: a place that depended on it would let whoever cuts the segments choose what
// is read.
bool http_start_seek(const uint8_t *p, uint32_t len, bool client, bool end, uint32_t *at)
{
	static const char version[] = "HTTP/1.";
	uint32_t from = *at, half = strlen(version) - 1;

	*at = len;
	if (from >= len)
		return false;
	if (client) {
		uint32_t line = bytes_line(p + from, len - from);
		*at = line ? from + line : len;
		return line;
	}
	const uint8_t *v = memmem(p + from, len - from, version, strlen(version));
	while (!v && !end && half && (half > len - from || memcmp(p + len - half, version, half)))
		half--;
	*at = v ? (uint32_t)(v - p) : end ? len : len - half; // half of it may be there
	return v;
}
