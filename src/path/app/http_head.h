// SPDX-License-Identifier: BSD-3-Clause
//
// The head of an HTTP/1 message, read: start line, the fields that are asked for, the framing of the body, and all
// that two readers could understand differently.
#pragma once

#include "http_start.h"

#define HTTP_HEAD_MAX 65536 // bytes of a head that are looked at (common servers refuse from 8 to 64 KiB)
#define HTTP_FIELDS_MAX 32  // lines of interest kept of one head

// X(symbol, name, closes). Causes of `http.ambiguous`; the names are public and stable.
// closes: two readers may see different messages follow, so that the message does not leave: 1 a request, which is how
// messages are smuggled, 2 a response as well. The others name what every reader takes for the same message, or what
// cannot move its end: they are said, and pass.
#define HTTP_CAUSES(X)                                                                                                 \
	X(CL_TE, "cl-te", 2)                   /* both Content-Length and Transfer-Encoding: RFC 9112 6.3 rule 3 */    \
	X(CL_DIFFER, "cl-differ", 2)           /* two Content-Length values: 6.3 rule 5 */                             \
	X(CL_BAD, "cl-bad", 1)                 /* no number: 6.3 rule 5 */                                             \
	X(TE_BAD, "te-bad", 1)                 /* a coding other than chunked, or chunked not last: 6.3 rule 4 */      \
	X(TE_OLD, "te-http10", 1)              /* Transfer-Encoding in HTTP/1.0: 6.1 */                                \
	X(BODY_FORBIDDEN, "body-forbidden", 0) /* framing in CONNECT, 1xx or 204: RFC 9110 9.3.6, 8.6 */               \
	X(BARE_LF, "bare-lf", 0)               /* 2.2; in all lines: whoever reads it reads the same */                \
	X(LINE_ENDS, "mixed-line-ends", 1)     /* some lines end in CRLF, some in LF: who sees which? */               \
	X(BARE_CR, "bare-cr", 1)               /* 2.2 */                                                               \
	X(NUL, "nul", 1)                       /* RFC 9110 5.5 */                                                      \
	X(OBS_FOLD, "obs-fold", 1)             /* 5.2 */                                                               \
	X(LEADING_SPACE, "leading-space", 1)   /* white space before the first field line: 2.2 */                      \
	X(SPACE_COLON, "space-colon", 1)       /* 5.1 */                                                               \
	X(NO_COLON, "no-colon", 0)             /* a line that is no field */                                           \
	X(FIELD_NAME, "field-name", 0)         /* a name that is no token: 5.1 */                                      \
	X(REQUEST_LINE, "request-line", 0)     /* not method SP target SP version: 3 */                                \
	X(VERSION, "version", 0)               /* not HTTP/1.0 or HTTP/1.1: 2.3 */                                     \
	X(HOST_MISSING, "host-missing", 0)     /* 3.2 */                                                               \
	X(HOST_TWO, "host-two", 0)             /* 3.2 */                                                               \
	X(HOST_BAD, "host-bad", 0)             /* 3.2 */                                                               \
	X(HOST_DIFFERS, "host-differs", 0)     /* target and Host name different servers: 3.2.2 */                     \
	X(CHUNK_SIZE, "chunk-size", 1)         /* 7.1 */                                                               \
	X(CHUNK_END, "chunk-end", 1)           /* chunk data not followed by a line end: 7.1 */                        \
	X(HEAD_LONG, "head-long", 1)           /* more than HTTP_HEAD_MAX */                                           \
	X(FIELDS_MANY, "fields-many", 0)       /* more than HTTP_FIELDS_MAX of interest */                             \
	X(H2_FRAME, "h2-frame", 1)             /* frames that no header block comes in: RFC 9113 4.3, 5.1.1, 6.2 */    \
	X(H2_BLOCK, "h2-block", 1)             /* not to be decoded, or by a table that nobody offered: RFC 7541 */    \
	X(H2_PSEUDO, "h2-pseudo", 1)           /* pseudo-headers: two, none, others, behind fields: RFC 9113 8.3 */    \
	X(H2_FIELD, "h2-field", 1)             /* a name that is none, or of the connection: 8.2 */                    \
	X(H2_VALUE, "h2-value", 1)             /* NUL, CR or LF in a value: 8.2.1 */

enum http_cause {
#define X(symbol, name, closes) HTTP_CAUSE_##symbol,
	HTTP_CAUSES(X)
#undef X
		HTTP_CAUSE_COUNT
};
#define HTTP_CAUSE_BIT(c) (1u << HTTP_CAUSE_##c)
extern const char *const http_head_causes[HTTP_CAUSE_COUNT];
extern const uint32_t http_head_closes[2]; // bits of those that do: of a response, of a request

enum http_field {
	HTTP_FIELD_HOST,
	HTTP_FIELD_USER_AGENT,
	HTTP_FIELD_REFERER,
	HTTP_FIELD_XFF,
	HTTP_FIELD_CONTENT_TYPE,
	HTTP_FIELD_LOCATION,
	HTTP_FIELD_UPGRADE,
	HTTP_FIELD_CONTENT_LENGTH,
	HTTP_FIELD_TRANSFER_ENCODING,
	HTTP_FIELD_NONE,
};

enum http_method { HTTP_METHOD_OTHER, HTTP_METHOD_HEAD, HTTP_METHOD_CONNECT, HTTP_METHOD_PRI };
enum http_coding { HTTP_CODING_NONE, HTTP_CODING_CHUNKED, HTTP_CODING_OTHER };

struct http_head {
	struct http_span method, target, protocol;
	struct http_span value[HTTP_FIELDS_MAX];
	const uint8_t *where[HTTP_CAUSE_COUNT]; // a byte of the line that a cause is seen in; set where the cause is
	uint8_t field[HTTP_FIELDS_MAX];         // enum http_field
	uint8_t nfields;
	uint8_t method_id; // enum http_method
	uint8_t coding;    // enum http_coding
	uint8_t minor;     // of HTTP/1.x; 0xff: not known
	bool request;
	bool has_length;
	bool whole; // the empty line is there
	bool crlf;  // a line ends so
	uint16_t status;
	uint32_t causes;          // bits of enum http_cause
	uint32_t len;             // bytes read, the empty line included
	uint64_t length;          // Content-Length
	const uint8_t *length_at; // its value
};

// Adds causes, bits of enum http_cause, seen at a byte of the head. The first place of each is kept.
void http_head_cause(struct http_head *h, uint32_t causes, const uint8_t *at);

// Reads a head that begins at p[0] (no empty line before it). False: its end is not there yet; *scanned, 0 at
// first, remembers how far that is known, so that a head that comes byte by byte is searched once.
// end: no byte follows, or no more is wanted: whole lines are read as far as they go. A head whose start line is
// not whole, or none, has len 0.
// r: what http_start_of found here, which was a request's or a response's start.
bool http_head_read(const uint8_t *p, uint32_t len, bool end, uint32_t *scanned, const struct http_line *r,
		    struct http_head *h);

// A field. name: a token, or what else it is called; there: bytes from name.p on that may be read.
void http_head_field(struct http_head *h, struct http_span name, uint32_t there, struct http_span value);

// Bytes to the end of the line, line end included; 0: it is not there.
uint32_t http_head_line(const uint8_t *p, uint32_t len);
// A chunk's size line without its end (RFC 9112 7.1): size and extensions. False: it is none.
bool http_head_chunk(const uint8_t *p, uint32_t len, uint64_t *size);
