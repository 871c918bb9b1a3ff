// SPDX-License-Identifier: BSD-3-Clause
//
// In: a record as a worker wrote it, and the fields a sink must not see. Out: the record without their values, for any
// face. A value is sought in three ways, each for what the one before cannot know:
//
//   1. by place: the table says of which facts a field is all, and of which a part (the query of a target, a Referer,
//      a Location; the name in an absolute target; user information);
//   2. by value: what was found so is sought in the record's other texts, as bytes, whatever their case. A name is
//      sought in every text. A query or a header is not sought in names and targets: a client that repeats its target
//      in a cookie would else hide it from the log;
//   3. an anomaly's text is bytes of the message from anywhere, and of a record of its own: where a field of its
//      protocol is redacted, it is, whole.
//
// Values that must go go even where that takes more than them: what does not fit is left out, never let through.
#include "ship/redact.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/evp.h>

#include "base/word.h"
#include "dns_rr.h"
#include "record.h"
#include "ship/text.h"
#include "ship/url.h"
#include "verdict.h"

#define HEADER "http.header."
#define HEADER_MAX 64
#define SECRETS_MAX 64 // of one record; more: every text goes whole
#define SECRET_MIN 4   // shorter ones would be found everywhere
#define TOKEN_MIN 8    // of a query or a header: its words are sought, too
#define MARK "redacted"
#define MARK_MAX (sizeof(MARK) + 16) // "redacted:" and 16 digits
#define GROWTH 64                    // more than this longer: the value goes whole
#define ROOM (RECORD_MAX + RECORD_MAX / FACT_SIZE(0) * (GROWTH + 8) + REDACT_MAX * FACT_SIZE(HEADER_MAX + 16))

// Of a fact: all of it, or parts of what is a target or a URL.
enum part { WHOLE = 1, QUERY = 2, NAME = 4, USER = 8, OWNER = 16 };

#define OF(kind) (1u << RECORD_##kind)
#define ANY ~0u

// X(word, fact, part, kinds of record)
#define PLACES(X)                                                                                                      \
	X("host", HOST, WHOLE, ANY)                                                                                    \
	X("host", HOST_OUTER, WHOLE, ANY)                                                                              \
	X("host", TLS_SNI, WHOLE, ANY)                                                                                 \
	X("host", QUIC_SNI, WHOLE, ANY)                                                                                \
	X("host", HTTP_HOST, WHOLE, ANY)                                                                               \
	X("host", HTTP_URI, NAME, ANY)                                                                                 \
	X("host", DNS_QNAME, WHOLE, ANY)                                                                               \
	X("host", DNS_RR, OWNER, ANY)                                                                                  \
	X("tls.sni", TLS_SNI, WHOLE, ANY)                                                                              \
	X("tls.sni", QUIC_SNI, WHOLE, ANY)                                                                             \
	X("tls.sni", HOST, WHOLE, OF(TLS) | OF(QUIC))                                                                  \
	X("http.host", HTTP_HOST, WHOLE, ANY)                                                                          \
	X("http.host", HOST, WHOLE, OF(HTTP))                                                                          \
	X("http.host", HOST_OUTER, WHOLE, ANY)                                                                         \
	X("http.host", HTTP_URI, NAME, ANY)                                                                            \
	X("http.uri", HTTP_URI, WHOLE, ANY)                                                                            \
	X("http.uri", HTTP_PATH, WHOLE, ANY)                                                                           \
	X("http.uri", HOST_OUTER, WHOLE, ANY)                                                                          \
	X("http.uri.query", HTTP_URI, QUERY, ANY)                                                                      \
	X("http.uri.query", HTTP_REFERER, QUERY, ANY)                                                                  \
	X("http.uri.query", HTTP_REDIRECT, QUERY, ANY)                                                                 \
	X("http.user_agent", HTTP_USER_AGENT, WHOLE, ANY)                                                              \
	X("http.referer", HTTP_REFERER, WHOLE, ANY)                                                                    \
	X("http.redirect", HTTP_REDIRECT, WHOLE, ANY)                                                                  \
	X("http.xff", HTTP_XFF, WHOLE, ANY)                                                                            \
	X("dns.qname", DNS_QNAME, WHOLE, ANY)                                                                          \
	X("dns.qname", DNS_RR, OWNER, ANY)                                                                             \
	X("dns.qname", HOST, WHOLE, OF(DNS))                                                                           \
	X("dns.answer", DNS_ANSWER, WHOLE, ANY)                                                                        \
	X("dns.answer", DNS_RR, WHOLE, ANY)                                                                            \
	X("ssh.software", SSH_SOFTWARE, WHOLE, ANY)                                                                    \
	X("ssh.software", SSH_SERVER_SOFTWARE, WHOLE, ANY)                                                             \
	X("quic.user_agent", QUIC_USER_AGENT, WHOLE, ANY)                                                              \
	X("anomaly", ANOMALY, WHOLE, ANY)                                                                              \
	X("user", USER, WHOLE, ANY)                                                                                    \
	X("group", GROUP, WHOLE, ANY)                                                                                  \
	X("user", HTTP_URI, USER, ANY)                                                                                 \
	X("user", HTTP_REFERER, USER, ANY)                                                                             \
	X("user", HTTP_REDIRECT, USER, ANY)

struct place {
	const char *word;
	uint16_t field;
	uint8_t part;
	uint32_t kinds;
};

static const struct place places[] = {
#define X(word, fact, part, kinds) {word, FACT_##fact, part, kinds},
	PLACES(X)
#undef X
};
#define NPLACES (sizeof(places) / sizeof(places[0]))

static const char *const words[] = {
	"host",         "tls.sni",       "http.host", "http.uri",        "http.uri.query", "http.user_agent",
	"http.referer", "http.redirect", "http.xff",  "dns.qname",       "dns.answer",     "ssh.software",
	"anomaly",      "user",          "group",     "quic.user_agent", HEADER "cookie"};
#define NWORDS (sizeof(words) / sizeof(words[0]))

// Headers that are facts of their own, and those that tell the user.
static const struct {
	const char *name;
	uint16_t field;
	bool user;
} headers[] = {
	{"user-agent", FACT_HTTP_USER_AGENT, false},
	{"referer", FACT_HTTP_REFERER, false},
	{"location", FACT_HTTP_REDIRECT, false},
	{"x-forwarded-for", FACT_HTTP_XFF, false},
	{"content-type", FACT_HTTP_CONTENT_TYPE, false},
	{"content-length", FACT_HTTP_LENGTH, false},
	{"host", FACT_HTTP_HOST, false},
	{"host", FACT_HOST, false},
	{"authorization", FACT_NONE, true},
	{"proxy-authorization", FACT_NONE, true},
};
#define NHEADERS (sizeof(headers) / sizeof(headers[0]))

// Headers whose value is a URL.
static const char *const url_headers[] = {"referer",        "location",      "content-location", "refresh",
					  "x-original-url", "x-rewrite-url", "x-forwarded-uri"};

// What is taken out of a fact, by one of the words.
struct rule {
	uint16_t field;
	uint8_t part, word;
	uint32_t kinds;
};

struct span {
	uint32_t at, len;
	uint8_t word;
	bool name; // sought in every text
};

struct secret {
	const uint8_t *p;
	uint32_t len;
	uint8_t word;
	bool name;
};

struct redact {
	EVP_MAC_CTX *mac; // NULL: drop
	unsigned nwords, nrules, nheaders;
	char word[REDACT_MAX][sizeof(HEADER) + HEADER_MAX];
	struct rule rule[REDACT_MAX * 10];
	struct {
		char name[HEADER_MAX];
		uint32_t len;
		uint8_t word;
	} header[REDACT_MAX * 2];
	uint8_t anomaly[ANOMALY_COUNT]; // word + 1 that its text is redacted by
	uint64_t touched;               // words, of the record in work
	struct secret secret[SECRETS_MAX];
	unsigned nsecrets;
	bool flood; // there were more
	uint64_t out[ROOM / 8];
};

unsigned redact_words(const char *const **to)
{
	*to = words;
	return NWORDS;
}

static bool is_header(const char *word)
{
	static const char token[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "!#$%&'*+-.^_`|~"; // RFC 9110 5.6.2
	size_t n = strlen(word), head = sizeof(HEADER) - 1;
	return !strncmp(word, HEADER, head) && n > head && n < head + HEADER_MAX &&
	       strspn(word + head, token) == n - head;
}

int redact_word(const char *word, const char **near)
{
	size_t n = strlen(word);
	*near = NULL;
	if (is_header(word) || word_find(words, NWORDS, word, n) < NWORDS)
		return 0;
	*near = word_near(words, NWORDS, word, n);
	return -EINVAL;
}

// ---- what is sought ------------------------------------------------------------------------------------------------

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static void add_rule(struct redact *x, unsigned word, uint16_t field, uint8_t part, uint32_t kinds)
{
	assert(x->nrules < sizeof(x->rule) / sizeof(x->rule[0]));
	x->rule[x->nrules++] = (struct rule){.field = field, .part = part, .word = (uint8_t)word, .kinds = kinds};
}

static void add_header(struct redact *x, unsigned word, const char *name)
{
	unsigned n = 0;
	for (; name[n]; n++)
		x->header[x->nheaders].name[n] = lower(name[n]);
	x->header[x->nheaders].len = n;
	x->header[x->nheaders++].word = (uint8_t)word;
	for (unsigned i = 0; i < NHEADERS; i++)
		if (headers[i].field && !strcasecmp(headers[i].name, name))
			add_rule(x, word, headers[i].field, WHOLE, headers[i].field == FACT_HOST ? OF(HTTP) : ANY);
}

// Do its values stand in the texts of that anomaly? The text of http.ambiguous is a word of ours.
static bool concerns(const char *word, unsigned anomaly)
{
	const char *event = anomaly_names[anomaly], *dot = event ? strchr(event, '.') : NULL;
	if (!dot || anomaly == ANOMALY_HTTP_AMBIGUOUS)
		return false;
	size_t n = (size_t)(dot - event) + 1;
	bool http = !strncmp(event, "http.", n), hello = !strncmp(event, "tls.", n) || !strncmp(event, "quic.", n);
	if (!strcmp(word, "host"))
		return http || hello || !strncmp(event, "dns.", n);
	if (!strcmp(word, "tls.sni"))
		return hello;
	return !strcmp(word, "user") ? http : !strncmp(word, event, n);
}

static void add_word(struct redact *x, const char *word)
{
	unsigned k = x->nwords++;
	strcpy(x->word[k], word);
	for (unsigned i = 0; i < NPLACES; i++)
		if (!strcmp(places[i].word, word))
			add_rule(x, k, places[i].field, places[i].part, places[i].kinds);
	if (is_header(word))
		add_header(x, k, word + sizeof(HEADER) - 1);
	for (unsigned i = 0; i < NHEADERS && !strcmp(word, "user"); i++)
		if (headers[i].user)
			add_header(x, k, headers[i].name);
	for (unsigned a = 0; a < ANOMALY_COUNT; a++)
		if (!x->anomaly[a] && concerns(word, a))
			x->anomaly[a] = (uint8_t)(k + 1);
}

static EVP_MAC_CTX *keyed(const void *key, size_t len)
{
	EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string("digest", digest, 0), OSSL_PARAM_construct_end()};
	EVP_MAC_free(hmac);
	if (ctx && EVP_MAC_init(ctx, key, len, params) == 1)
		return ctx;
	EVP_MAC_CTX_free(ctx);
	return NULL;
}

struct redact *redact_new(const char *const *list, unsigned n, const void *key, size_t key_len)
{
	const char *near;
	for (unsigned i = 0; i < n; i++)
		if (n > REDACT_MAX || redact_word(list[i], &near) < 0)
			return NULL;
	struct redact *x = calloc(1, sizeof(*x));
	if (!x)
		return NULL;
	for (unsigned i = 0; i < n; i++)
		add_word(x, list[i]);
	x->mac = key ? keyed(key, key_len) : NULL;
	if (!key || x->mac)
		return x;
	redact_free(x);
	return NULL;
}

void redact_free(struct redact *x)
{
	if (x)
		EVP_MAC_CTX_free(x->mac);
	free(x);
}

// ---- where it is in a value ----------------------------------------------------------------------------------------

static struct url_part part_of(const uint8_t *p, uint32_t len, enum part part)
{
	struct url u;
	url_read(&u, p, len);
	return part == QUERY ? u.query : part == USER ? u.user : u.host;
}

static bool is_url_header(const uint8_t *name, uint32_t len)
{
	for (unsigned i = 0; i < sizeof(url_headers) / sizeof(url_headers[0]); i++)
		if (strlen(url_headers[i]) == len && !strncasecmp(url_headers[i], (const char *)name, len))
			return true;
	return false;
}

#define SPANS_MAX 8

struct spans {
	struct span s[SPANS_MAX];
	unsigned n;
	uint32_t from; // what stands before is no value: a header's name, and the colon behind it
};

static void span_add(struct spans *to, uint32_t at, uint32_t len, unsigned word, bool name)
{
	for (unsigned i = 0; i < to->n; i++)
		if (to->s[i].at == at)
			return;
	if (len && to->n < SPANS_MAX)
		to->s[to->n++] = (struct span){.at = at, .len = len, .word = (uint8_t)word, .name = name};
}

// A fact "name: value": all of the value where the header is one of ours, parts of it where it is a URL.
static void header_spans(const struct redact *x, const struct fact *f, struct spans *to)
{
	const uint8_t *colon = memchr(f->value, ':', f->len), *end = f->value + f->len;
	uint32_t n = colon ? (uint32_t)(colon - f->value) : 0, at;
	to->from = n ? n + 1 : 0;
	at = n && end - colon > 1 && colon[1] == ' ' ? n + 2 : to->from;
	for (unsigned i = 0; i < x->nheaders && to->n == 0; i++)
		if (x->header[i].len == n && !strncasecmp(x->header[i].name, (const char *)f->value, n))
			span_add(to, at, f->len - at, x->header[i].word, false);
	if (to->n || !is_url_header(f->value, n))
		return;
	for (unsigned i = 0; i < x->nrules; i++) {
		const struct rule *rule = &x->rule[i];
		if (rule->field != FACT_HTTP_REFERER || rule->part == WHOLE)
			continue;
		struct url_part u = part_of(f->value + at, f->len - at, rule->part);
		span_add(to, at + u.at, u.len, rule->word, false);
	}
}

static uint32_t owner_len(const struct fact *f)
{
	struct dns_rr head;
	if (f->len < sizeof(head))
		return 0;
	memcpy(&head, f->value, sizeof(head));
	return head.name_len <= f->len - sizeof(head) ? head.name_len : 0;
}

static bool is_name(uint16_t field)
{
	return field == FACT_HOST || field == FACT_HOST_OUTER || field == FACT_HTTP_HOST || field == FACT_TLS_SNI ||
	       field == FACT_QUIC_SNI || field == FACT_DNS_QNAME || field == FACT_DNS_ANSWER;
}

static void spans_of(const struct redact *x, const struct record *r, const struct fact *f, struct spans *to)
{
	unsigned kind = r->kind == RECORD_ALERT ? r->anomaly : r->kind;
	*to = (struct spans){0};
	for (unsigned i = 0; i < x->nrules; i++) {
		const struct rule *rule = &x->rule[i];
		if (rule->field != f->field || !(rule->kinds >> kind & 1))
			continue;
		struct url_part s = {.len = f->len};
		if (rule->part == OWNER)
			s = (struct url_part){.at = sizeof(struct dns_rr), .len = owner_len(f)};
		else if (rule->part != WHOLE)
			s = part_of(f->value, f->len, rule->part);
		else
			to->n = 0; // all of it, whatever part was found
		span_add(to, s.at, s.len, rule->word, rule->part == NAME || rule->part == OWNER || is_name(f->field));
		if (rule->part == WHOLE)
			return;
	}
	if (f->field == FACT_HTTP_HEADER)
		header_spans(x, f, to);
	if (f->field == FACT_ANOMALY && r->kind == RECORD_ANOMALY && x->anomaly[r->anomaly])
		span_add(to, 0, f->len, x->anomaly[r->anomaly] - 1u, false);
}

// ---- what was found is sought elsewhere ----------------------------------------------------------------------------

static void secret_add(struct redact *x, const uint8_t *p, uint32_t len, const struct span *s, uint32_t least)
{
	if (len < least)
		return;
	for (unsigned i = 0; i < x->nsecrets; i++) {
		if (x->secret[i].len != len || memcmp(x->secret[i].p, p, len) != 0)
			continue;
		x->secret[i].name |= s->name; // a header may have said it first
		return;
	}
	x->flood |= x->nsecrets == SECRETS_MAX;
	if (!x->flood)
		x->secret[x->nsecrets++] = (struct secret){p, len, s->word, s->name};
}

static void secrets_of(struct redact *x, const struct fact *f, const struct span *s)
{
	const uint8_t *p = f->value + s->at, *end = p + s->len;
	if (fact_types[f->field] == FACT_TYPE_NUM || (f->field == FACT_DNS_RR && !s->name))
		return;
	secret_add(x, p, s->len, s, SECRET_MIN);
	if (s->name && s->len > SECRET_MIN && end[-1] == '.') // the root's dot is not always said
		secret_add(x, p, s->len - 1, s, SECRET_MIN);
	while (p < end && !s->name && f->field != FACT_ANOMALY) {
		const uint8_t *over = url_find(p, end, "&;=, ?#");
		secret_add(x, p, (uint32_t)(over - p), s, TOKEN_MIN);
		p = over + 1;
	}
}

// Texts in which a query or a header may stand once more.
static bool is_loose(uint16_t field)
{
	return field == FACT_HTTP_REFERER || field == FACT_HTTP_REDIRECT || field == FACT_HTTP_XFF ||
	       field == FACT_HTTP_USER_AGENT || field == FACT_HTTP_CONTENT_TYPE || field == FACT_HTTP_HEADER ||
	       field == FACT_ANOMALY;
}

static bool is_text(uint16_t field)
{
	return fact_types[field] == FACT_TYPE_STR && field != FACT_TAG && field != FACT_STATE &&
	       field != FACT_REDACTED && field != FACT_HTTP_AMBIGUOUS;
}

static const struct secret *secret_at(const struct redact *x, uint16_t field, const uint8_t *p, uint32_t left)
{
	const struct secret *longest = NULL;
	for (const struct secret *s = x->secret; s < x->secret + x->nsecrets; s++)
		if (s->len <= left && lower((char)*p) == lower((char)*s->p) && (s->name || is_loose(field)) &&
		    !strncasecmp((const char *)p, (const char *)s->p, s->len) && (!longest || s->len > longest->len))
			longest = s;
	return longest;
}

// ---- what stands in its place --------------------------------------------------------------------------------------

static void digest(const struct redact *x, const uint8_t *p, uint32_t len, bool name, uint8_t out[32])
{
	uint8_t part[256];
	size_t n;
	if (name && len > 1 && p[len - 1] == '.')
		len--;
	bool good = EVP_MAC_init(x->mac, NULL, 0, NULL) == 1;
	for (uint32_t at = 0; at < len && good; at += (uint32_t)n) {
		n = len - at < sizeof(part) ? len - at : sizeof(part);
		for (size_t i = 0; i < n; i++)
			part[i] = name ? (uint8_t)lower((char)p[at + i]) : p[at + i];
		good = EVP_MAC_update(x->mac, part, n) == 1;
	}
	if (!good || EVP_MAC_final(x->mac, out, &n, 32) != 1)
		abort(); // a digest has no way to fail but a broken library
}

static uint32_t mark(struct redact *x, const uint8_t *p, uint32_t len, unsigned word, bool name, uint8_t *out)
{
	uint8_t hash[32];
	x->touched |= 1ull << word;
	memcpy(out, MARK, sizeof(MARK));
	if (!x->mac)
		return sizeof(MARK) - 1;
	digest(x, p, len, name, hash);
	out[sizeof(MARK) - 1] = ':';
	text_hex((char *)out + sizeof(MARK), hash, 8);
	return MARK_MAX;
}

// What begins at that byte and has to go: by its place, or as something that was found elsewhere; len 0: nothing.
static struct span gone_at(const struct redact *x, const struct fact *f, const struct spans *of, uint32_t at)
{
	for (unsigned i = 0; i < of->n; i++)
		if (of->s[i].at == at)
			return of->s[i];
	const struct secret *s = NULL;
	if (x->nsecrets && at >= of->from && is_text(f->field))
		s = secret_at(x, f->field, f->value + at, f->len - at);
	return s ? (struct span){.at = at, .len = s->len, .word = s->word, .name = s->name} : (struct span){0};
}

// The same, and what begins within it and reaches further: no half of a value stays.
static struct span gone_from(const struct redact *x, const struct fact *f, const struct spans *of, uint32_t at)
{
	struct span s = gone_at(x, f, of, at), more;
	for (uint32_t i = at + 1; i < at + s.len; i++) {
		more = gone_at(x, f, of, i);
		if (i + more.len > at + s.len)
			s.len = i + more.len - at;
	}
	return s;
}

// The value with marks in it, at most `most` bytes. Returns its length, 0: that is not enough.
static uint32_t rewrite(struct redact *x, const struct fact *f, const struct spans *of, uint8_t *out, uint32_t most)
{
	uint32_t n = 0;
	for (uint32_t at = 0; at < f->len;) {
		struct span s = gone_from(x, f, of, at);
		if (n + MARK_MAX > most)
			return 0;
		if (s.len)
			n += mark(x, f->value + at, s.len, s.word, s.name, out + n);
		else
			out[n++] = f->value[at];
		at += s.len ? s.len : 1;
	}
	return n;
}

static bool contains(const uint8_t *p, uint32_t len, const struct secret *s)
{
	for (uint32_t at = 0; s->name && at + s->len <= len; at++)
		if (!strncasecmp((const char *)p + at, (const char *)s->p, s->len))
			return true;
	return false;
}

// A resource record: its owner's name alone has a place to be rewritten at; what says a name elsewhere goes whole.
static uint32_t rewrite_rr(struct redact *x, const struct fact *f, const struct spans *of, uint8_t *out)
{
	struct dns_rr head;
	uint32_t owner = owner_len(f), n = sizeof(head), rest = f->len - n - owner;
	const uint8_t *rdata = f->value + n + owner;
	memcpy(&head, f->value, sizeof(head));
	if (head.name_len != owner || x->flood) // cut, or not all that is sought is known
		return 0;
	for (unsigned i = 0; i < x->nsecrets; i++)
		if (contains(rdata, rest, &x->secret[i]))
			return 0;
	if (of->n) {
		head.name_len = (uint16_t)mark(x, f->value + n, owner, of->s[0].word, true, out + n);
	} else {
		for (unsigned i = 0; i < x->nsecrets; i++)
			if (contains(f->value + n, owner, &x->secret[i]))
				return 0;
		memcpy(out + n, f->value + n, owner);
	}
	memcpy(out, &head, sizeof(head));
	memcpy(out + n + head.name_len, rdata, rest);
	return n + head.name_len + rest;
}

static bool goes(const struct redact *x, const struct fact *f, const struct spans *of)
{
	bool whole = of->n == 1 && of->s[0].at == 0 && of->s[0].len == f->len && of->from == 0;
	return whole && (!x->mac || fact_types[f->field] != FACT_TYPE_STR);
}

// Adds the fact to the record, as it may be seen.
static void put(struct redact *x, struct record *out, const struct record *r, const struct fact *f)
{
	struct spans of;
	struct fact *to = (struct fact *)((uint8_t *)out + out->len);
	uint32_t n;
	spans_of(x, r, f, &of);
	if (x->flood && is_text(f->field))
		of = (struct spans){.n = 1, .s = {{.len = f->len, .word = x->secret[0].word}}};
	if (goes(x, f, &of)) {
		x->touched |= 1ull << of.s[0].word;
		return;
	}
	*to = *f;
	if (f->field == FACT_DNS_RR && f->len >= sizeof(struct dns_rr)) {
		n = rewrite_rr(x, f, &of, to->value);
		if (n == 0)
			return;
	} else if (of.n || (x->nsecrets && is_text(f->field))) {
		n = rewrite(x, f, &of, to->value, f->len + GROWTH);
		if (n == 0 && f->len)
			n = mark(x, f->value, f->len, of.n ? of.s[0].word : x->secret[0].word, false, to->value);
	} else {
		n = f->len;
		memcpy(to->value, f->value, n);
	}
	to->len = n;
	out->len += FACT_SIZE(n);
	out->nfacts++;
}

// Which fields are not as they were.
static void say(const struct redact *x, struct record *out)
{
	for (unsigned i = 0; i < x->nwords; i++) {
		if (!(x->touched >> i & 1))
			continue;
		struct fact *f = (struct fact *)((uint8_t *)out + out->len);
		*f = (struct fact){.field = FACT_REDACTED, .len = (uint32_t)strlen(x->word[i])};
		memcpy(f->value, x->word[i], f->len);
		out->len += FACT_SIZE(f->len);
		out->nfacts++;
	}
}

const struct record *redact_record(struct redact *x, const struct record *r)
{
	struct record *out = (struct record *)x->out;
	struct spans of;
	bool any = false;
	x->nsecrets = 0;
	x->flood = false;
	x->touched = 0;
	if (r->nfacts == 0 || r->kind == RECORD_STATE)
		return r;
	RECORD_EACH(f, r) {
		spans_of(x, r, f, &of);
		any |= of.n > 0;
		for (unsigned i = 0; i < of.n; i++)
			secrets_of(x, f, &of.s[i]);
	}
	if (!any)
		return r;
	*out = *r;
	out->len = sizeof(*out);
	out->nfacts = 0;
	RECORD_EACH(f, r)
		put(x, out, r, f);
	say(x, out);
	return out;
}
