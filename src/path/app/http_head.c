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

uint32_t http_head_line(const uint8_t *p, uint32_t len)
{
	return bytes_line(p, len);
}

__attribute__((cold, noinline)) void http_head_cause(struct http_head *h, uint32_t causes, const uint8_t *at)
{
	for (uint32_t left = causes & ~h->causes; left; left &= left - 1)
		h->where[__builtin_ctz(left)] = at;
	h->causes |= causes;
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
		for (from = i; i < v.len && bytes_digit(v.p[i]); i++)
			n = n < UINT64_C(1) << 56 ? n * 10 + v.p[i] - '0' : UINT64_C(1) << 62;
		while (i < v.len && (v.p[i] == ' ' || v.p[i] == '\t'))
			i++;
		if (i == from || (i < v.len && v.p[i] != ',') || n >= UINT64_C(1) << 56) {
			http_head_cause(h, HTTP_CAUSE_BIT(CL_BAD), v.p);
			return;
		}
		if (h->has_length && h->length != n)
			http_head_cause(h, HTTP_CAUSE_BIT(CL_DIFFER), v.p);
		else if (!h->has_length)
			h->length = n, h->length_at = v.p;
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
		struct http_span c = http_span_trim((struct http_span){v.p + from, i - from});
		i++;
		if (!c.len)
			continue;
		any = true;
		bool chunked = c.len == 7 && strncasecmp((const char *)c.p, "chunked", 7) == 0;
		if (h->coding == HTTP_CODING_CHUNKED || !(chunked || coding_known(c)))
			http_head_cause(h, HTTP_CAUSE_BIT(TE_BAD), v.p);
		if (h->coding != HTTP_CODING_CHUNKED)
			h->coding = chunked ? HTTP_CODING_CHUNKED : HTTP_CODING_OTHER;
	}
	if (!any) {
		http_head_cause(h, HTTP_CAUSE_BIT(TE_BAD), v.p);
		if (h->coding == HTTP_CODING_NONE)
			h->coding = HTTP_CODING_OTHER;
	}
}

__rte_always_inline void http_head_field(struct http_head *h, struct http_span name, uint32_t there,
					 struct http_span value)
{
	enum http_field f = field_of(name.p, name.len, there);
	if (f == HTTP_FIELD_NONE)
		return;
	struct http_span v = http_span_trim(value);
	if (f == HTTP_FIELD_CONTENT_LENGTH)
		content_length(h, v);
	if (f == HTTP_FIELD_TRANSFER_ENCODING)
		transfer_encoding(h, v);
	if (h->nfields == HTTP_FIELDS_MAX) {
		http_head_cause(h, HTTP_CAUSE_BIT(FIELDS_MANY), name.p);
		return;
	}
	h->field[h->nfields] = f;
	h->value[h->nfields++] = v;
}

// The line p[0..n), behind which at least its end follows, in p[0..len).
static void field_read(struct http_head *h, const uint8_t *p, uint32_t n, uint32_t len)
{
	uint32_t name = bytes_token(p, len), colon = name;

	while (colon < n && (p[colon] == ' ' || p[colon] == '\t'))
		colon++;
	if (colon == n || p[colon] != ':') {
		http_head_cause(h, memchr(p, ':', n) ? HTTP_CAUSE_BIT(FIELD_NAME) : HTTP_CAUSE_BIT(NO_COLON), p);
		return;
	}
	if (!name)
		http_head_cause(h, HTTP_CAUSE_BIT(FIELD_NAME), p);
	if (colon != name)
		http_head_cause(h, HTTP_CAUSE_BIT(SPACE_COLON), p);
	http_head_field(h, (struct http_span){p, name}, len, (struct http_span){p + colon + 1, n - colon - 1});
}

static bool folds(const uint8_t *p, uint32_t at, uint32_t len)
{
	return at < len && (p[at] == ' ' || p[at] == '\t');
}

static inline void line_end(struct http_head *h, const uint8_t *line, bool crlf)
{
	h->crlf |= crlf;
	if (unlikely(!crlf))
		http_head_cause(h, HTTP_CAUSE_BIT(BARE_LF), line);
}

// Field lines from p[at] to the empty line or the end. Returns how far.
static uint32_t fields_read(struct http_head *h, const uint8_t *p, uint32_t at, uint32_t len)
{
	uint32_t n, first = at;
	for (; at < len && (n = bytes_line(p + at, len - at)); at += n) {
		uint32_t body = n - 1, more;
		bool crlf = body && p[at + body - 1] == '\r';
		body -= crlf;
		line_end(h, p + at, crlf);
		if (!body) {
			h->whole = true;
			return at + n;
		}
		if (unlikely(at == first) && folds(p, at, len)) { // others were taken with theirs
			http_head_cause(h, HTTP_CAUSE_BIT(LEADING_SPACE), p + at);
			first = at + n;
			continue;
		}
		while (unlikely(folds(p, at + n, len)) && (more = bytes_line(p + at + n, len - at - n))) {
			http_head_cause(h, HTTP_CAUSE_BIT(OBS_FOLD), p + at + n);
			n += more;
			body = http_span_chomp(p + at, n).len;
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
		http_head_cause(h, HTTP_CAUSE_BIT(NUL), memchr(p, 0, len));
	if (bare) {
		for (at = 0; at + 1 < len && !(p[at] == '\r' && p[at + 1] != '\n'); at++)
			;
		http_head_cause(h, HTTP_CAUSE_BIT(BARE_CR), p + at);
	}
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

// The last of the fields that frame the body: with it the head became what it is.
static const uint8_t *framing_at(const struct http_head *h, const uint8_t *p)
{
	for (unsigned i = h->nfields; i-- > 0;)
		if (h->field[i] == HTTP_FIELD_CONTENT_LENGTH || h->field[i] == HTTP_FIELD_TRANSFER_ENCODING)
			return h->value[i].p;
	return p;
}

static void framing_checks(struct http_head *h, const uint8_t *p)
{
	uint32_t causes = 0;
	bool framed = h->has_length || h->coding != HTTP_CODING_NONE;

	if (h->has_length && h->coding != HTTP_CODING_NONE)
		causes |= HTTP_CAUSE_BIT(CL_TE);
	if (h->request && h->coding == HTTP_CODING_OTHER)
		causes |= HTTP_CAUSE_BIT(TE_BAD);
	if (h->coding != HTTP_CODING_NONE && h->minor == 0)
		causes |= HTTP_CAUSE_BIT(TE_OLD);
	if (h->request ? h->method_id == HTTP_METHOD_CONNECT && framed && (h->length || h->coding)
		       : (h->status < 200 || h->status == 204) && framed && (h->length || h->coding))
		causes |= HTTP_CAUSE_BIT(BODY_FORBIDDEN);
	if (unlikely(causes))
		http_head_cause(h, causes, framing_at(h, p));
}

static void request_read(struct http_head *h, const struct http_line *r)
{
	h->request = true;
	h->method = r->method;
	h->target = r->target;
	h->protocol = r->protocol;
	uint32_t causes = r->causes | (r->sure < 2 ? HTTP_CAUSE_BIT(VERSION) : 0);
	if (unlikely(causes))
		http_head_cause(h, causes, r->method.p);
	h->method_id = http_span_is(h->method, "HEAD")      ? HTTP_METHOD_HEAD
		       : http_span_is(h->method, "CONNECT") ? HTTP_METHOD_CONNECT
		       : http_span_is(h->method, "PRI")     ? HTTP_METHOD_PRI
							    : HTTP_METHOD_OTHER;
}

static bool start_read(struct http_head *h, struct http_span line, const struct http_line *r)
{
	if (r->len)
		request_read(h, r);
	else if (http_start_status(line, &h->status))
		h->protocol = (struct http_span){line.p, 8};
	else
		return false;
	bool whole = !r->len || r->sure == 2; // "HTTP/d.d"
	h->minor = whole && h->protocol.p[5] == '1' ? h->protocol.p[7] - '0' : 0xff;
	if (unlikely(h->minor > 1))
		http_head_cause(h, HTTP_CAUSE_BIT(VERSION), line.p);
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
	if (!line || !start_read(h, http_span_chomp(p, line), r))
		return end || n || head_end(p, len, scanned);
	line_end(h, p, line >= 2 && p[line - 2] == '\r');
	h->len = fields_read(h, p, line, n ? n : len);
	if (!h->whole && !end) {
		head_end(p, len, scanned);
		return false;
	}
	if (unlikely(h->causes & HTTP_CAUSE_BIT(BARE_LF)) && h->crlf)
		http_head_cause(h, HTTP_CAUSE_BIT(LINE_ENDS), h->where[HTTP_CAUSE_BARE_LF]);
	control_bytes(h, p, h->len);
	framing_checks(h, p);
	return true;
}

bool http_head_chunk(const uint8_t *p, uint32_t len, uint64_t *size)
{
	uint32_t i = 0;

	*size = 0;
	for (; i < len; i++) {
		uint8_t c = p[i], d;
		if (bytes_digit(c))
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
