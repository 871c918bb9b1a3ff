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

#include <rte_common.h>

#include "bytes.h"

const char *const http_head_causes[HTTP_CAUSE_COUNT] = {
#define X(symbol, name, closes) name,
	HTTP_CAUSES(X)
#undef X
};

#define REQUEST(symbol, name, closes) | (uint32_t)((closes) > 0) << HTTP_CAUSE_##symbol
#define RESPONSE(symbol, name, closes) | (uint32_t)((closes) > 1) << HTTP_CAUSE_##symbol
const uint32_t http_head_closes[2] = {0 HTTP_CAUSES(RESPONSE), 0 HTTP_CAUSES(REQUEST)};
static_assert(HTTP_CAUSE_COUNT <= 32, "one bit each");

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

static bool white(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct http_span trim(struct http_span s)
{
	while (s.len && white(s.p[0]))
		s.p++, s.len--;
	while (s.len && white(s.p[s.len - 1]))
		s.len--;
	return s;
}

uint32_t http_head_line(const uint8_t *p, uint32_t len)
{
	return bytes_line(p, len);
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
	return v.len == 8 && strncasecmp((const char *)v.p, "HTTP/", 5) == 0 && digit(v.p[5]) && v.p[6] == '.' &&
	       digit(v.p[7]);
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
	struct http_span word = {line.p + last, end - last}, target = trim((struct http_span){line.p + m, last - m});
	bool http = word.len >= 5 && memcmp(word.p, "HTTP/", 5) == 0;
	bool odd = unlikely(!http) && version_any_case(word);
	http |= odd;
	if (!http && version_foreign(word))
		return 0;
	if (target.len && http) {
		r->protocol = word;
	} else {
		target = trim((struct http_span){line.p + m, end - m});
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

// "HTTP/1.1 200 reason" (RFC 9112 4); the reason may be absent with its space.
static bool status_line(struct http_span line, uint16_t *status)
{
	if (line.len < 12 || memcmp(line.p, "HTTP/1.", 7) || !digit(line.p[7]) || line.p[8] != ' ')
		return false;
	for (unsigned i = 9; i < 12; i++)
		if (!digit(line.p[i]))
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

// Is the complete line p[0..n) with what follows it a request's?
static enum http_start request_start(const uint8_t *p, uint32_t n, uint32_t len, struct http_line *r)
{
	r->sure = request_line(chomp(p, n), r);
	r->len = n;
	if (r->sure == 2)
		return HTTP_START_REQUEST;
	if (r->sure == 0 || !method_known(r->method) ||
	    (r->target.p[0] != '/' && r->target.p[0] != '*' && !r->protocol.len &&
	     memcmp(r->target.p, "HTTP/", r->target.len < 5 ? r->target.len : 5)))
		return HTTP_START_NO;
	uint32_t next = bytes_line(p + n, len - n); // without a version, a field has to follow
	if (next && chomp(p + n, next).len == 0)    // or, after HTTP/0.9's only method, nothing (RFC 1945 4.1)
		return is(r->method, "GET") && r->target.p[0] == '/' ? HTTP_START_REQUEST : HTTP_START_NO;
	if (next)
		return field_line(p + n, next) ? HTTP_START_REQUEST : HTTP_START_NO;
	if (len - n == 1 && p[n] == '\r')
		return HTTP_START_MORE;
	return bytes_token(p + n, len - n) == len - n ? HTTP_START_MORE
	       : field_line(p + n, len - n)           ? HTTP_START_REQUEST
						      : HTTP_START_NO;
}

enum http_start http_head_start(const uint8_t *p, uint32_t len, bool early, struct http_line *r)
{
	r->len = 0;
	while (len && (p[0] == '\r' || p[0] == '\n'))
		p++, len--;
	if ((!len || p[0] == 'H') && memcmp(p, "HTTP/1.", len < 7 ? len : 7) == 0) {
		uint16_t status;
		if (len < 13)
			return HTTP_START_MORE;
		return status_line((struct http_span){p, p[12] == '\r' || p[12] == '\n' ? 12 : 13}, &status)
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
	if (early && m + 1 < len && p[m + 1] == '/' && method_known((struct http_span){p, m}))
		return HTTP_START_REQUEST;
	return len < HTTP_HEAD_MAX ? HTTP_START_MORE : HTTP_START_NO;
}

bool http_head_simple(const struct http_line *r, uint32_t len)
{
	return r->len == len && r->sure == 1 && !r->protocol.len && is(r->method, "GET") && r->target.p[0] == '/';
}

bool http_head_known(const uint8_t *p, uint32_t len)
{
	while (len && (p[0] == '\r' || p[0] == '\n'))
		p++, len--;
	uint32_t m = bytes_token(p, len < METHOD_MAX + 1 ? len : METHOD_MAX + 1);
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

// ---- fields --------------------------------------------------------------------------------------------------

// By length; names in lower case.
static const struct {
	char name[18];
	uint8_t len, field;
} wanted[] = {
	{"host", 4, HTTP_FIELD_HOST},
	{"referer", 7, HTTP_FIELD_REFERER},
	{"upgrade", 7, HTTP_FIELD_UPGRADE},
	{"location", 8, HTTP_FIELD_LOCATION},
	{"user-agent", 10, HTTP_FIELD_USER_AGENT},
	{"content-type", 12, HTTP_FIELD_CONTENT_TYPE},
	{"content-length", 14, HTTP_FIELD_CONTENT_LENGTH},
	{"x-forwarded-for", 15, HTTP_FIELD_XFF},
	{"transfer-encoding", 17, HTTP_FIELD_TRANSFER_ENCODING},
};
#define WANTED (sizeof(wanted) / sizeof(wanted[0]))
static const uint8_t wanted_from[18] = {WANTED, WANTED, WANTED, WANTED, 0,      WANTED, WANTED, 1,      3,
					WANTED, 4,      WANTED, 5,      WANTED, 6,      7,      WANTED, 8};

// The field whose name is the token p[0..n), in p[0..len). Of a token's bytes bit 5 makes letters lower case, and
// nothing else becomes a letter or '-' by it.
static enum http_field field_of(const uint8_t *p, uint32_t n, uint32_t len)
{
	unsigned i = n < sizeof(wanted_from) ? wanted_from[n] : WANTED;
	if (i == WANTED)
		return HTTP_FIELD_NONE;
	__m128i v = _mm_or_si128(bytes_load(p, len), _mm_set1_epi8(0x20));
	for (; i < WANTED && wanted[i].len == n; i++) {
		uint32_t same = bytes_bits(_mm_cmpeq_epi8(v, _mm_loadu_si128((const __m128i *)wanted[i].name)));
		if (!(~same & ((1u << n) - 1) & 0xffff) && (n < 17 || (p[16] | 0x20) == wanted[i].name[16]))
			return wanted[i].field;
	}
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

// The line p[0..n), behind which at least its end follows, in p[0..len).
static void field_read(struct http_head *h, const uint8_t *p, uint32_t n, uint32_t len)
{
	uint32_t name = bytes_token(p, len), colon = name;

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
	enum http_field f = field_of(p, name, len);
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

static bool folds(const uint8_t *p, uint32_t at, uint32_t len)
{
	return at < len && (p[at] == ' ' || p[at] == '\t');
}

// Field lines from p[at] to the empty line or the end. Returns how far.
static uint32_t fields_read(struct http_head *h, const uint8_t *p, uint32_t at, uint32_t len)
{
	uint32_t n;
	for (; at < len && (n = bytes_line(p + at, len - at)); at += n) {
		uint32_t body = n - 1, more;
		if (body && p[at + body - 1] == '\r')
			body--;
		else
			h->causes |= HTTP_CAUSE_BIT(BARE_LF);
		if (!body) {
			h->whole = true;
			return at + n;
		}
		if (folds(p, at, len)) { // before the first; others were taken with theirs
			h->causes |= HTTP_CAUSE_BIT(LEADING_SPACE);
			continue;
		}
		while (unlikely(folds(p, at + n, len)) && (more = bytes_line(p + at + n, len - at - n))) {
			h->causes |= HTTP_CAUSE_BIT(OBS_FOLD);
			n += more;
			body = chomp(p + at, n).len;
		}
		field_read(h, p + at, body, len - at);
	}
	return at;
}

// Bytes that no line has, anywhere in the head.
static void control_bytes(struct http_head *h, const uint8_t *p, uint32_t len)
{
	const __m256i cr = _mm256_set1_epi8('\r'), lf = _mm256_set1_epi8('\n');
	__m256i nuls = _mm256_setzero_si256(), bares = nuls; // 255 where one was seen
	uint32_t at = 0, nul, bare;

	// blocks of 32 and the byte behind; the last block ends before the last byte and may lie over the one before
	for (bool more = len > 32; more; at = RTE_MIN(at + 32, len - 33)) {
		more = at < len - 33;
		__m256i v = _mm256_loadu_si256((const __m256i *)(p + at));
		__m256i next = _mm256_loadu_si256((const __m256i *)(p + at + 1));
		nuls = _mm256_or_si256(nuls, _mm256_cmpeq_epi8(v, _mm256_setzero_si256()));
		bares = _mm256_or_si256(bares,
					_mm256_andnot_si256(_mm256_cmpeq_epi8(next, lf), _mm256_cmpeq_epi8(v, cr)));
	}
	nul = (uint32_t)_mm256_movemask_epi8(nuls);
	bare = (uint32_t)_mm256_movemask_epi8(bares);
	for (at = len > 32 ? len - 1 : 0; at < len; at++) {
		nul |= p[at] == 0;
		bare |= p[at] == '\r' && at + 1 < len && p[at + 1] != '\n'; // what follows the last is not known
	}
	if (nul)
		h->causes |= HTTP_CAUSE_BIT(NUL);
	if (bare)
		h->causes |= HTTP_CAUSE_BIT(BARE_CR);
}

// Offset behind the empty line; 0: not there.
static uint32_t head_end(const uint8_t *p, uint32_t len, uint32_t *scanned)
{
	uint32_t at = *scanned, n;

	while (at < len && (n = bytes_line(p + at, len - at))) {
		uint32_t next = at + n;
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

static void request_read(struct http_head *h, const struct http_line *r)
{
	h->request = true;
	h->method = r->method;
	h->target = r->target;
	h->protocol = r->protocol;
	h->causes = r->causes;
	if (r->sure < 2)
		h->causes |= HTTP_CAUSE_BIT(VERSION);
	h->method_id = is(h->method, "HEAD")      ? HTTP_METHOD_HEAD
		       : is(h->method, "CONNECT") ? HTTP_METHOD_CONNECT
		       : is(h->method, "PRI")     ? HTTP_METHOD_PRI
						  : HTTP_METHOD_OTHER;
}

static bool start_read(struct http_head *h, struct http_span line, const struct http_line *r)
{
	if (r->len)
		request_read(h, r);
	else if (status_line(line, &h->status))
		h->protocol = (struct http_span){line.p, 8};
	else
		return false;
	bool whole = !r->len || r->sure == 2; // "HTTP/d.d"
	h->minor = whole && h->protocol.p[5] == '1' ? h->protocol.p[7] - '0' : 0xff;
	if (h->minor > 1)
		h->causes |= HTTP_CAUSE_BIT(VERSION);
	return true;
}

bool http_head_read(const uint8_t *p, uint32_t len, bool end, uint32_t *scanned, const struct http_line *r,
		    struct http_head *h)
{
	uint32_t n = 0;

	if (*scanned && !(n = head_end(p, len, scanned)) && !end) // has been tried before
		return false;
	memset(h, 0, offsetof(struct http_head, value));
	memset(h->field, 0, sizeof(*h) - offsetof(struct http_head, field));
	uint32_t line = r->len ? r->len : bytes_line(p, n ? n : len);
	if (!line || !start_read(h, chomp(p, line), r))
		return end || n || head_end(p, len, scanned);
	if (line < 2 || p[line - 2] != '\r')
		h->causes |= HTTP_CAUSE_BIT(BARE_LF);
	h->len = fields_read(h, p, line, n ? n : len);
	if (!h->whole && !end) {
		head_end(p, len, scanned);
		return false;
	}
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
