// SPDX-License-Identifier: BSD-3-Clause
//
// In: a record as a worker wrote it, and the fields a sink must not see. Out: the record without their values, for any
// face. A value is sought in three ways (redact_seek.c), each for what the one before cannot know:
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
#include "ship/redact_in.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/evp.h>

#include "base/word.h"
#include "dns_rr.h"
#include "ship/text.h"

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
	X("user", HTTP_REDIRECT, USER, ANY)                                                                            \
	X("user", HTTP_HOST, USER, ANY)                                                                                \
	X("user", HOST, USER, ANY)

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

static void add_rule(struct redact *x, unsigned word, uint16_t field, uint8_t part, uint32_t kinds)
{
	assert(x->nrules < sizeof(x->rule) / sizeof(x->rule[0]));
	x->rule[x->nrules++] = (struct rule){.field = field, .part = part, .word = (uint8_t)word, .kinds = kinds};
}

static void add_header(struct redact *x, unsigned word, const char *name)
{
	assert(x->nheaders < sizeof(x->header) / sizeof(x->header[0]));
	x->header[x->nheaders].len = (uint32_t)strlen(name);
	memcpy(x->header[x->nheaders].name, name, strlen(name));
	x->header[x->nheaders++].word = (uint8_t)word;
}

// By its name, then, also the facts that it is.
static void add_header_word(struct redact *x, unsigned word, const char *name)
{
	add_header(x, word, name);
	for (unsigned i = 0; i < NHEADERS; i++)
		if (headers[i].field && !strcasecmp(headers[i].name, name))
			add_rule(x, word, headers[i].field, WHOLE, headers[i].field == FACT_HOST ? OF(HTTP) : ANY);
}

// The word takes all of what this header is: a fact has another spelling than its line, folded, encoded or cut.
static bool is_all_of(const struct redact *x, unsigned word, uint16_t field)
{
	for (unsigned i = 0; i < x->nrules; i++)
		if (x->rule[i].word == word && x->rule[i].field == field && x->rule[i].part == WHOLE)
			return field != FACT_HOST;
	return false;
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
	for (unsigned i = 0; i < NHEADERS; i++)
		if (headers[i].user ? !strcmp(word, "user") : is_all_of(x, k, headers[i].field))
			add_header(x, k, headers[i].name);
	if (is_header(word))
		add_header_word(x, k, word + sizeof(HEADER) - 1);
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
			part[i] = name ? (uint8_t)redact_lower((char)p[at + i]) : p[at + i];
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
static struct span gone_at(struct redact *x, const struct fact *f, const struct spans *of, uint32_t at)
{
	for (unsigned i = 0; i < of->n; i++)
		if (of->s[i].at == at)
			return of->s[i];
	if (!x->nsecrets || at < of->from || !redact_is_text(f->field))
		return (struct span){0};
	return redact_met(x, redact_is_loose(f->field), f->value + at, f->len - at, f->flags & FACT_CUT);
}

// The same, and what begins within it and reaches further: no half of a value stays.
static struct span gone_from(struct redact *x, const struct fact *f, const struct spans *of, uint32_t at)
{
	struct span s = gone_at(x, f, of, at), more;
	for (uint32_t i = at + 1; i < at + s.len; i++) {
		more = gone_at(x, f, of, i);
		if (i + more.len > at + s.len)
			s.len = i + more.len - at;
	}
	return s;
}

static uint32_t next_place(const struct fact *f, const struct spans *of, uint32_t at)
{
	uint32_t next = f->len;
	for (unsigned i = 0; i < of->n; i++)
		if (of->s[i].at >= at && of->s[i].at < next)
			next = of->s[i].at;
	return next;
}

// The value with marks in it, at most `most` bytes. Returns its length, 0: that is not enough.
static uint32_t rewrite(struct redact *x, const struct fact *f, const struct spans *of, uint8_t *out, uint32_t most)
{
	uint32_t n = 0;
	redact_look(x, f->len);
	for (uint32_t at = 0, pass; at < f->len; at += pass) {
		struct span s = gone_from(x, f, of, at);
		pass = s.len ? 0 : 1 + redact_passes(x, f, at + 1, next_place(f, of, at + 1));
		if (n + pass + MARK_MAX > most || !redact_bounded(x))
			return 0;
		memcpy(out + n, f->value + at, pass);
		n += s.len ? mark(x, f->value + at, s.len, s.word, s.name, out + n) : pass;
		pass += s.len;
	}
	return n;
}

// A resource record: its owner's name alone has a place to be rewritten at; what says a name elsewhere goes whole.
static uint32_t rewrite_rr(struct redact *x, const struct fact *f, const struct spans *of, uint8_t *out)
{
	struct dns_rr head;
	uint32_t n = sizeof(head);
	memcpy(&head, f->value, n);
	if (head.name_len > f->len - n || x->flood[1]) // cut, or not all that is sought is known
		return 0;
	const uint8_t *rdata = f->value + n + head.name_len;
	uint32_t rest = (uint32_t)(f->value + f->len - rdata);
	if (redact_names_in(x, f->value, f->len, !of->n))
		return 0;
	if (of->n)
		head.name_len = (uint16_t)mark(x, f->value + n, head.name_len, of->s[0].word, true, out + n);
	else
		memcpy(out + n, f->value + n, head.name_len);
	memcpy(out, &head, n);
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
	uint8_t flood = x->flood[1] && redact_is_text(f->field)    ? x->flood[1]
			: x->flood[0] && redact_is_loose(f->field) ? x->flood[0]
								   : 0;
	redact_spans(x, r, f, &of);
	if (flood)
		of = (struct spans){.n = 1, .s = {{.len = f->len, .word = flood - 1u}}};
	if (goes(x, f, &of)) {
		x->touched |= 1ull << of.s[0].word;
		return;
	}
	*to = *f;
	if (f->field == FACT_DNS_RR && f->len >= sizeof(struct dns_rr)) {
		n = rewrite_rr(x, f, &of, to->value);
		if (n == 0)
			return;
	} else if (of.n || (x->nsecrets && redact_is_text(f->field))) {
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
	redact_forget(x);
	if (r->nfacts == 0 || r->kind == RECORD_STATE)
		return r;
	RECORD_EACH(f, r) {
		redact_spans(x, r, f, &of);
		any |= of.n > 0;
		for (unsigned i = 0; i < of.n; i++)
			redact_remember(x, f, &of.s[i]);
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
