// SPDX-License-Identifier: BSD-3-Clause
//
// Heads of HTTP/1 messages (RFC 9112 sections 2 to 7). Bytes come in, spans of the same bytes go out: nothing is
// copied, nothing kept. Runs on the worker's thread; each byte of a head is looked at a fixed number of times.
//
// It reads as widely as servers do (bare LF, spaces, folded lines, request lines without a version) and notes each
// liberty as a cause, for the danger is not the odd message but two readers who differ about it.
// Rejected: a state machine byte by byte, which would resume for free but costs several times what memchr costs;
// the search for the head's end is what resumes instead.
#include "http_head.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

const char *const http_head_causes[HTTP_CAUSE_COUNT] = {
#define X(symbol, name, contradictory) name,
	HTTP_CAUSES(X)
#undef X
};

#define X(symbol, name, contradictory) | (uint32_t)(contradictory) << HTTP_CAUSE_##symbol
const uint32_t http_head_contradictory = 0 HTTP_CAUSES(X);
#undef X
static_assert(HTTP_CAUSE_COUNT <= 32, "one bit each");

// RFC 9110 5.6.2: token
static const uint8_t token_char[256] = {
	['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1,         ['&'] = 1,         ['\''] = 1,
	['*'] = 1, ['+'] = 1, ['-'] = 1, ['.'] = 1,         ['^'] = 1,         ['_'] = 1,
	['`'] = 1, ['|'] = 1, ['~'] = 1, ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1,
};

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

static bool is(struct http_span s, const char *word)
{
	return s.len == strlen(word) && memcmp(s.p, word, s.len) == 0;
}

static bool method_known(struct http_span m)
{
	for (unsigned i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (methods[i][0] == (char)m.p[0] && is(m, methods[i]))
			return true;
	return false;
}

static uint32_t token_len(const uint8_t *p, uint32_t len)
{
	uint32_t n = 0;

	while (n < len && token_char[p[n]])
		n++;
	return n;
}

static struct http_span trim(struct http_span s)
{
	while (s.len && (s.p[0] == ' ' || s.p[0] == '\t' || s.p[0] == '\r' || s.p[0] == '\n'))
		s.p++, s.len--;
	while (s.len &&
	       (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t' || s.p[s.len - 1] == '\r' || s.p[s.len - 1] == '\n'))
		s.len--;
	return s;
}

uint32_t http_head_line(const uint8_t *p, uint32_t len)
{
	const uint8_t *lf = len ? memchr(p, '\n', len) : NULL;

	return lf ? (uint32_t)(lf - p) + 1 : 0;
}

// A line with its end -> without.
static struct http_span chomp(const uint8_t *p, uint32_t n)
{
	if (n && p[n - 1] == '\n')
		n--;
	if (n && p[n - 1] == '\r')
		n--;
	return (struct http_span){p, n};
}

static bool digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

// "HTTP/1.1" and nothing else.
static bool version_whole(struct http_span v)
{
	return v.len == 8 && memcmp(v.p, "HTTP/", 5) == 0 && digit(v.p[5]) && v.p[6] == '.' && digit(v.p[7]);
}

// The version token of another protocol that borrowed the line: "SIP/2.0", "RTSP/1.0", "ICAP/1.0".
static bool version_foreign(struct http_span v)
{
	uint32_t n = 0;

	while (n < v.len && ((v.p[n] | 0x20) >= 'a' && (v.p[n] | 0x20) <= 'z'))
		n++;
	return n && n + 1 < v.len && v.p[n] == '/' && digit(v.p[n + 1]) && !(n == 4 && memcmp(v.p, "HTTP", 4) == 0);
}

// Takes a request line apart. Returns 2: as RFC 9112 3 has it, or with extra spaces; 1: only with good will (no
// version, or half of one); 0: it is none.
static int request_line(struct http_span line, struct http_head *h)
{
	uint32_t m = token_len(line.p, line.len), end = line.len;

	if (m == 0 || m > METHOD_MAX || m == line.len || line.p[m] != ' ')
		return 0;
	h->method = (struct http_span){line.p, m};
	while (end && line.p[end - 1] == ' ')
		end--;
	uint32_t last = end; // the last word
	while (last > m && line.p[last - 1] != ' ')
		last--;
	struct http_span word = {line.p + last, end - last}, target = {line.p + m, last - m};
	if (version_foreign(word))
		return 0;
	target = trim(target);
	if (target.len && word.len >= 5 && memcmp(word.p, "HTTP/", 5) == 0) {
		h->protocol = word;
	} else {
		target = trim((struct http_span){line.p + m, end - m});
		h->protocol = (struct http_span){line.p + end, 0};
	}
	h->target = target;
	if (!target.len)
		return 0;
	if (m + 1 + target.len + 1 + h->protocol.len != line.len || memchr(target.p, ' ', target.len) ||
	    memchr(target.p, '\t', target.len))
		h->causes |= HTTP_CAUSE_BIT(REQUEST_LINE);
	return version_whole(h->protocol) ? 2 : 1;
}

// "HTTP/1.1 200 reason" (RFC 9112 4); the reason may be absent with its space.
static bool status_line(struct http_span line, struct http_head *h)
{
	if (line.len < 12 || memcmp(line.p, "HTTP/1.", 7) || !digit(line.p[7]) || line.p[8] != ' ')
		return false;
	for (unsigned i = 9; i < 12; i++)
		if (!digit(line.p[i]))
			return false;
	if (line.len > 12 && line.p[12] != ' ')
		return false;
	h->protocol = (struct http_span){line.p, 8};
	h->status = (line.p[9] - '0') * 100 + (line.p[10] - '0') * 10 + line.p[11] - '0';
	return h->status >= 100;
}

static bool field_line(const uint8_t *p, uint32_t n)
{
	uint32_t name = token_len(p, n);

	return name && name < n && p[name] == ':';
}

// Is the complete line p[0..n) with what follows it a request's?
static enum http_start request_start(const uint8_t *p, uint32_t n, uint32_t len)
{
	struct http_head h = {0};
	int sure = request_line(chomp(p, n), &h);

	if (sure == 2)
		return HTTP_START_REQUEST;
	if (sure == 0 || !method_known(h.method) ||
	    (h.target.p[0] != '/' && h.target.p[0] != '*' && !h.protocol.len &&
	     memcmp(h.target.p, "HTTP/", h.target.len < 5 ? h.target.len : 5)))
		return HTTP_START_NO;
	uint32_t next = http_head_line(p + n, len - n); // without a version, a field has to follow
	if (next && chomp(p + n, next).len == 0)        // or, after HTTP/0.9's only method, nothing (RFC 1945 4.1)
		return is(h.method, "GET") && h.target.p[0] == '/' ? HTTP_START_REQUEST : HTTP_START_NO;
	if (next)
		return field_line(p + n, next) ? HTTP_START_REQUEST : HTTP_START_NO;
	if (len - n == 1 && p[n] == '\r')
		return HTTP_START_MORE;
	return token_len(p + n, len - n) == len - n ? HTTP_START_MORE
	       : field_line(p + n, len - n)         ? HTTP_START_REQUEST
						    : HTTP_START_NO;
}

enum http_start http_head_start(const uint8_t *p, uint32_t len, bool early)
{
	while (len && (p[0] == '\r' || p[0] == '\n'))
		p++, len--;
	if (memcmp(p, "HTTP/1.", len < 7 ? len : 7) == 0) {
		struct http_head h = {0};
		if (len < 13)
			return HTTP_START_MORE;
		return status_line((struct http_span){p, p[12] == '\r' || p[12] == '\n' ? 12 : 13}, &h)
			       ? HTTP_START_RESPONSE
			       : HTTP_START_NO;
	}
	uint32_t m = token_len(p, len < METHOD_MAX + 1 ? len : METHOD_MAX + 1);
	if (m == len && m <= METHOD_MAX)
		return HTTP_START_MORE;
	if (m == 0 || m > METHOD_MAX || p[m] != ' ')
		return HTTP_START_NO;
	uint32_t n = http_head_line(p, len);
	enum http_start is = n ? request_start(p, n, len) : HTTP_START_MORE;
	if (is != HTTP_START_MORE)
		return is;
	if (early && m + 1 < len && p[m + 1] == '/' && method_known((struct http_span){p, m}))
		return HTTP_START_REQUEST;
	return len < HTTP_HEAD_MAX ? HTTP_START_MORE : HTTP_START_NO;
}

bool http_head_known(const uint8_t *p, uint32_t len)
{
	while (len && (p[0] == '\r' || p[0] == '\n'))
		p++, len--;
	uint32_t m = token_len(p, len < METHOD_MAX + 1 ? len : METHOD_MAX + 1);
	return m && (p[m < len ? m : 0] == '/' || method_known((struct http_span){p, m}));
}

// Which bytes came together says nothing: a place that depended on it would let whoever cuts the segments choose what
// is read.
bool http_head_seek(const uint8_t *p, uint32_t len, bool client, bool end, uint32_t *at)
{
	static const char version[] = "HTTP/1.";
	uint32_t from = *at, half = strlen(version) - 1;

	*at = len;
	if (from >= len)
		return false;
	if (client) {
		uint32_t line = http_head_line(p + from, len - from);
		*at = line ? from + line : len;
		return line;
	}
	const uint8_t *v = memmem(p + from, len - from, version, strlen(version));
	while (!v && !end && half && (half > len - from || memcmp(p + len - half, version, half)))
		half--;
	*at = v ? (uint32_t)(v - p) : end ? len : len - half; // half of it may be there
	return v;
}

// ---- fields --------------------------------------------------------------------------------------------------

static const struct {
	const char *name;
	uint8_t len, field;
} wanted[] = {
	{"Host", 4, HTTP_FIELD_HOST},
	{"User-Agent", 10, HTTP_FIELD_USER_AGENT},
	{"Referer", 7, HTTP_FIELD_REFERER},
	{"X-Forwarded-For", 15, HTTP_FIELD_XFF},
	{"Content-Type", 12, HTTP_FIELD_CONTENT_TYPE},
	{"Location", 8, HTTP_FIELD_LOCATION},
	{"Upgrade", 7, HTTP_FIELD_UPGRADE},
	{"Content-Length", 14, HTTP_FIELD_CONTENT_LENGTH},
	{"Transfer-Encoding", 17, HTTP_FIELD_TRANSFER_ENCODING},
};
#define WANTED_LENGTHS (1u << 4 | 1u << 7 | 1u << 8 | 1u << 10 | 1u << 12 | 1u << 14 | 1u << 15 | 1u << 17)

static enum http_field field_of(const uint8_t *name, uint32_t len)
{
	if (len > 17 || !(WANTED_LENGTHS >> len & 1))
		return HTTP_FIELD_NONE;
	for (unsigned i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (wanted[i].len == len && strncasecmp(wanted[i].name, (const char *)name, len) == 0)
			return wanted[i].field;
	return HTTP_FIELD_NONE;
}

// RFC 9110 8.6: digits; a list of the same number counts as that number (RFC 9112 6.3 rule 5).
static void content_length(struct http_head *h, struct http_span v)
{
	uint32_t i = 0;

	do {
		uint64_t n = 0;
		uint32_t from;
		while (i < v.len && (v.p[i] == ' ' || v.p[i] == '\t'))
			i++;
		for (from = i; i < v.len && digit(v.p[i]); i++)
			n = n < UINT64_C(1) << 56 ? n * 10 + v.p[i] - '0' : UINT64_C(1) << 62;
		while (i < v.len && (v.p[i] == ' ' || v.p[i] == '\t'))
			i++;
		if (i == from || (i < v.len && v.p[i] != ',') || n >= UINT64_C(1) << 56) {
			h->causes |= HTTP_CAUSE_BIT(CL_BAD);
			return;
		}
		if (h->has_length && h->length != n)
			h->causes |= HTTP_CAUSE_BIT(CL_DIFFER);
		else
			h->length = n;
		h->has_length = true;
	} while (i++ < v.len);
}

static bool coding_known(struct http_span c)
{
	static const char *const known[] = {"gzip", "x-gzip", "deflate", "compress", "x-compress"}; // IANA's registry

	for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (c.len == strlen(known[i]) && strncasecmp((const char *)c.p, known[i], c.len) == 0)
			return true;
	return false;
}

// RFC 9112 6.1, 7: codings in order, over several lines too; only a chunked at the very end delimits the body. Where
// it stands elsewhere the message is one to refuse, and read as chunked: so do those who do not refuse it.
static void transfer_encoding(struct http_head *h, struct http_span v)
{
	bool any = false;

	for (uint32_t i = 0; i <= v.len;) {
		uint32_t from = i;
		while (i < v.len && v.p[i] != ',')
			i++;
		struct http_span c = trim((struct http_span){v.p + from, i - from});
		i++;
		if (!c.len)
			continue;
		any = true;
		bool chunked = c.len == 7 && strncasecmp((const char *)c.p, "chunked", 7) == 0;
		if (h->coding == HTTP_CODING_CHUNKED || !(chunked || coding_known(c)))
			h->causes |= HTTP_CAUSE_BIT(TE_BAD);
		if (h->coding != HTTP_CODING_CHUNKED)
			h->coding = chunked ? HTTP_CODING_CHUNKED : HTTP_CODING_OTHER;
	}
	if (!any) {
		h->causes |= HTTP_CAUSE_BIT(TE_BAD);
		if (h->coding == HTTP_CODING_NONE)
			h->coding = HTTP_CODING_OTHER;
	}
}

static void field_read(struct http_head *h, const uint8_t *p, uint32_t n)
{
	uint32_t name = token_len(p, n), colon = name;

	while (colon < n && (p[colon] == ' ' || p[colon] == '\t'))
		colon++;
	if (colon == n || p[colon] != ':') {
		h->causes |= memchr(p, ':', n) ? HTTP_CAUSE_BIT(FIELD_NAME) : HTTP_CAUSE_BIT(NO_COLON);
		return;
	}
	if (!name)
		h->causes |= HTTP_CAUSE_BIT(FIELD_NAME);
	if (colon != name)
		h->causes |= HTTP_CAUSE_BIT(SPACE_COLON);
	enum http_field f = field_of(p, name);
	if (f == HTTP_FIELD_NONE)
		return;
	struct http_span v = trim((struct http_span){p + colon + 1, n - colon - 1});
	if (f == HTTP_FIELD_CONTENT_LENGTH)
		content_length(h, v);
	if (f == HTTP_FIELD_TRANSFER_ENCODING)
		transfer_encoding(h, v);
	if (h->nfields == HTTP_FIELDS_MAX) {
		h->causes |= HTTP_CAUSE_BIT(FIELDS_MANY);
		return;
	}
	h->field[h->nfields] = f;
	h->value[h->nfields++] = v;
}

// Field lines from p[at] to the empty line or the end. Returns how far.
static uint32_t fields_read(struct http_head *h, const uint8_t *p, uint32_t at, uint32_t len)
{
	while (at < len) {
		uint32_t n = http_head_line(p + at, len - at);
		if (!n)
			break;
		struct http_span line = chomp(p + at, n);
		if (n - line.len == 1)
			h->causes |= HTTP_CAUSE_BIT(BARE_LF);
		if (!line.len) {
			h->whole = true;
			return at + n;
		}
		if (line.p[0] == ' ' || line.p[0] == '\t') { // before the first; others were taken with theirs
			h->causes |= HTTP_CAUSE_BIT(LEADING_SPACE);
			at += n;
			continue;
		}
		uint32_t more;
		while (at + n < len && (p[at + n] == ' ' || p[at + n] == '\t') &&
		       (more = http_head_line(p + at + n, len - at - n))) {
			h->causes |= HTTP_CAUSE_BIT(OBS_FOLD);
			n += more;
		}
		line = chomp(p + at, n);
		field_read(h, line.p, line.len);
		at += n;
	}
	return at;
}

// Bytes that no line has, anywhere in the head.
static void control_bytes(struct http_head *h, const uint8_t *p, uint32_t len)
{
	const uint8_t *end = p + len;

	if (memchr(p, 0, len))
		h->causes |= HTTP_CAUSE_BIT(NUL);
	while (p < end && (p = memchr(p, '\r', end - p)) && ++p < end)
		if (*p != '\n') {
			h->causes |= HTTP_CAUSE_BIT(BARE_CR);
			return;
		}
}

// Offset behind the empty line; 0: not there.
static uint32_t head_end(const uint8_t *p, uint32_t len, uint32_t *scanned)
{
	uint32_t at = *scanned;
	const uint8_t *lf;

	while (at < len && (lf = memchr(p + at, '\n', len - at))) {
		uint32_t next = (uint32_t)(lf - p) + 1;
		if (next < len && p[next] == '\n')
			return next + 1;
		if (next + 1 < len && p[next] == '\r' && p[next + 1] == '\n')
			return next + 2;
		if (len - next < 2) { // may still become the empty line: look at this LF again
			*scanned = next - 1;
			return 0;
		}
		at = next;
	}
	*scanned = len;
	return 0;
}

static void framing_checks(struct http_head *h)
{
	bool framed = h->has_length || h->coding != HTTP_CODING_NONE;

	if (h->has_length && h->coding != HTTP_CODING_NONE)
		h->causes |= HTTP_CAUSE_BIT(CL_TE);
	if (h->request && h->coding == HTTP_CODING_OTHER)
		h->causes |= HTTP_CAUSE_BIT(TE_BAD);
	if (h->coding != HTTP_CODING_NONE && h->minor == 0)
		h->causes |= HTTP_CAUSE_BIT(TE_OLD);
	if (h->request ? h->method_id == HTTP_METHOD_CONNECT && framed && (h->length || h->coding)
		       : (h->status < 200 || h->status == 204) && framed && (h->length || h->coding))
		h->causes |= HTTP_CAUSE_BIT(BODY_FORBIDDEN);
}

static bool start_read(struct http_head *h, struct http_span line)
{
	h->minor = 0xff;
	if (!status_line(line, h)) {
		int sure = request_line(line, h);
		if (!sure)
			return false;
		h->request = true;
		if (sure < 2)
			h->causes |= HTTP_CAUSE_BIT(VERSION);
		h->method_id = is(h->method, "HEAD")      ? HTTP_METHOD_HEAD
			       : is(h->method, "CONNECT") ? HTTP_METHOD_CONNECT
			       : is(h->method, "PRI")     ? HTTP_METHOD_PRI
							  : HTTP_METHOD_OTHER;
	}
	if (version_whole(h->protocol) && h->protocol.p[5] == '1')
		h->minor = h->protocol.p[7] - '0';
	if (h->minor > 1)
		h->causes |= HTTP_CAUSE_BIT(VERSION);
	return true;
}

bool http_head_read(const uint8_t *p, uint32_t len, bool end, uint32_t *scanned, struct http_head *h)
{
	uint32_t n = head_end(p, len, scanned);

	if (!n && !end)
		return false;
	memset(h, 0, offsetof(struct http_head, value));
	memset(h->field, 0, sizeof(*h) - offsetof(struct http_head, field));
	uint32_t line = http_head_line(p, n ? n : len);
	if (!line || !start_read(h, chomp(p, line)))
		return true;
	if (line < 2 || p[line - 2] != '\r')
		h->causes |= HTTP_CAUSE_BIT(BARE_LF);
	h->len = fields_read(h, p, line, n ? n : len);
	control_bytes(h, p, h->len);
	framing_checks(h);
	return true;
}

bool http_head_chunk(const uint8_t *p, uint32_t len, uint64_t *size)
{
	uint32_t i = 0;

	*size = 0;
	for (; i < len; i++) {
		uint8_t c = p[i], d;
		if (digit(c))
			d = c - '0';
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			d = (c | 0x20) - 'a' + 10;
		else
			break;
		if (*size >> 52)
			return false;
		*size = *size << 4 | d;
	}
	if (i == 0)
		return false;
	while (i < len && (p[i] == ' ' || p[i] == '\t')) // BWS before an extension
		i++;
	return i == len || p[i] == ';';
}
