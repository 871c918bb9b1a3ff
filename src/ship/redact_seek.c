// SPDX-License-Identifier: BSD-3-Clause
//
// Where the values are that have to go. In: a record's facts, by place (tables of redact.c) and then, as bytes, what
// was found so in every other. Out: spans. Its sink's thread; no memory is taken.
//
//   secret -> heads[its first four bytes, in lower case] -> secret -> secret      each byte of a text: one look there
//
// A stranger chooses both what is sought and where. So a text has a bound of steps, by its length; where that is not
// enough, it goes whole. Rejected: each secret through each text (21 ms for a record of 30 KiB), an automaton (made
// for each record, used once).
#include "ship/redact_in.h"

#include <string.h>
#include <strings.h>

#include "dns_rr.h"
#include "ship/url.h"

#define STEPS_EACH 2 // of 8 bytes, for each byte of a text
#define STEPS_MORE 1024

// Headers whose value is a URL.
static const char *const url_headers[] = {"referer",        "location",      "content-location", "refresh",
					  "x-original-url", "x-rewrite-url", "x-forwarded-uri"};

// ---- by place ----------------------------------------------------------------------------------------------------

static bool is_authority(uint16_t field)
{
	return field == FACT_HOST || field == FACT_HTTP_HOST;
}

static struct url_part part_of(uint16_t field, const uint8_t *p, uint32_t len, enum part part)
{
	struct url u;
	if (is_authority(field)) { // user information that was encoded, or it would not be there
		const uint8_t *at = memrchr(p, '@', len);
		return (struct url_part){.len = at ? (uint32_t)(at - p) : 0};
	}
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
		struct url_part u = part_of(FACT_HTTP_HEADER, f->value + at, f->len - at, rule->part);
		span_add(to, at + u.at, u.len, rule->word, false);
	}
}

static struct url_part owner_of(const struct fact *f)
{
	struct dns_rr head;
	struct url_part s = {.at = sizeof(head)};
	if (f->len < sizeof(head))
		return s;
	memcpy(&head, f->value, sizeof(head));
	s.len = head.name_len <= f->len - sizeof(head) ? head.name_len : 0;
	return s;
}

static bool is_name(uint16_t field)
{
	return field == FACT_HOST || field == FACT_HOST_OUTER || field == FACT_HTTP_HOST || field == FACT_TLS_SNI ||
	       field == FACT_QUIC_SNI || field == FACT_DNS_QNAME || field == FACT_DNS_ANSWER;
}

void redact_spans(const struct redact *x, const struct record *r, const struct fact *f, struct spans *to)
{
	unsigned kind = r->kind == RECORD_ALERT ? r->anomaly : r->kind;
	*to = (struct spans){0};
	for (unsigned i = 0; i < x->nrules; i++) {
		const struct rule *rule = &x->rule[i];
		if (rule->field != f->field || !(rule->kinds >> kind & 1))
			continue;
		struct url_part s = {.len = f->len};
		if (rule->part == OWNER)
			s = owner_of(f);
		else if (rule->part != WHOLE)
			s = part_of(f->field, f->value, f->len, rule->part);
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

// ---- what is sought ----------------------------------------------------------------------------------------------

#define EACH(c) (0x0101010101010101ull * (c))

// Letters of both cases fall together, and so do some that are none.
static unsigned head_of(const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof(v));
	return (v | (uint32_t)EACH(0x20)) * 2654435761u >> (32 - __builtin_ctz(REDACT_HEADS));
}

// The same but for the case of letters.
static bool alike(struct redact *x, const uint8_t *p, const uint8_t *q, uint32_t n)
{
	uint64_t a, b;
	uint32_t at = 0;
	for (x->work++; at + 8 <= n; at += 8, x->work++) {
		memcpy(&a, p + at, 8);
		memcpy(&b, q + at, 8);
		if ((a ^ b) & ~EACH(0x20))
			return false;
	}
	x->work += n / 4;
	for (at = 0; at < n; at++)
		if (redact_lower((char)p[at]) != redact_lower((char)q[at]))
			return false;
	return true;
}

void redact_forget(struct redact *x)
{
	if (x->nsecrets)
		memset(x->heads, 0, sizeof(x->heads));
	x->nsecrets = 0;
	x->flood[0] = x->flood[1] = 0;
	x->touched = 0;
}

static void add(struct redact *x, const uint8_t *p, uint32_t len, const struct span *s, bool cut)
{
	if (len < SECRET_MIN || x->flood[s->name])
		return;
	uint8_t *head = &x->heads[s->name][head_of(p)]; // also if a header has said it first
	for (unsigned i = *head; i; i = x->secret[i - 1].next) {
		struct secret *old = &x->secret[i - 1];
		if (old->len != len || memcmp(old->p, p, len) != 0)
			continue;
		old->cut |= cut;
		return;
	}
	if (x->nsecrets == SECRETS_MAX - (s->name ? 0 : SECRETS_NAMES)) {
		x->flood[s->name] = s->word + 1;
		return;
	}
	x->secret[x->nsecrets++] = (struct secret){.p = p, .len = len, .word = s->word, .next = *head, .cut = cut};
	*head = (uint8_t)x->nsecrets;
}

void redact_remember(struct redact *x, const struct fact *f, const struct span *s)
{
	const uint8_t *p = f->value + s->at, *end = p + s->len;
	bool cut = (f->flags & FACT_CUT) && s->at + s->len == f->len;
	uint32_t len = s->len;
	if (fact_types[f->field] == FACT_TYPE_NUM || (f->field == FACT_DNS_RR && !s->name))
		return;
	add(x, p, len, s, cut);
	while (s->name && len && p[len - 1] == '.') // the root's dot is not always said
		len--;
	if (len < s->len)
		add(x, p, len, s, false);
	while (p < end && !s->name && f->field != FACT_ANOMALY) {
		const uint8_t *over = url_find(p, end, "&;=, ?#");
		if (over - p >= TOKEN_MIN)
			add(x, p, (uint32_t)(over - p), s, cut && over == end);
		p = over + 1;
	}
}

// ---- and found ---------------------------------------------------------------------------------------------------

bool redact_is_loose(uint16_t field)
{
	return field == FACT_HTTP_REFERER || field == FACT_HTTP_REDIRECT || field == FACT_HTTP_XFF ||
	       field == FACT_HTTP_USER_AGENT || field == FACT_HTTP_CONTENT_TYPE || field == FACT_HTTP_HEADER ||
	       field == FACT_ANOMALY || field == FACT_REQUEST_ID;
}

bool redact_is_text(uint16_t field)
{
	return fact_types[field] == FACT_TYPE_STR && field != FACT_TAG && field != FACT_STATE &&
	       field != FACT_REDACTED && field != FACT_HTTP_AMBIGUOUS;
}

void redact_look(struct redact *x, uint32_t len)
{
	x->work = 0;
	x->bound = len * STEPS_EACH + STEPS_MORE;
}

uint32_t redact_passes(const struct redact *x, const struct fact *f, uint32_t at, uint32_t end)
{
	const uint8_t *other = x->heads[!redact_is_loose(f->field)];
	uint32_t from = at;
	for (; at < end; at++) {
		unsigned head = at + SECRET_MIN > f->len ? 0 : head_of(f->value + at);
		if (at + SECRET_MIN <= f->len && (x->heads[1][head] | other[head]))
			break;
	}
	return at - from;
}

// The longest. What is cut off, here or where it was found, may be all the rest.
static void met(struct redact *x, bool name, const uint8_t *p, uint32_t left, bool cut, struct span *longest)
{
	for (unsigned i = x->heads[name][head_of(p)]; i && redact_bounded(x); i = x->secret[i - 1].next) {
		const struct secret *s = &x->secret[i - 1];
		uint32_t n = s->len < left ? s->len : left;
		x->work++;
		if ((n == s->len || cut) && n > longest->len && alike(x, p, s->p, n))
			*longest = (struct span){.len = s->cut ? left : n, .word = s->word, .name = name};
	}
}

struct span redact_met(struct redact *x, bool loose, const uint8_t *p, uint32_t left, bool cut)
{
	struct span longest = {0};
	if (left >= SECRET_MIN)
		met(x, true, p, left, cut, &longest);
	if (left >= SECRET_MIN && loose)
		met(x, false, p, left, cut, &longest);
	return longest;
}

static bool said(struct redact *x, const uint8_t *p, uint32_t len, bool cut)
{
	for (uint32_t at = 0; at < len && x->nsecrets; at++)
		if (redact_met(x, false, p + at, len - at, cut).len)
			return true;
	return !redact_bounded(x);
}

// Types of which a face shows the strings one behind the other, and others with names as on the wire: the dots between
// labels are their lengths.
static uint32_t as_shown(const struct dns_rr *head, const uint8_t *p, uint32_t len, uint8_t *out)
{
	bool text = head->type == 16 || head->type == 99; // TXT, SPF
	uint32_t n = 0, left = 0;
	for (uint32_t at = 0; at < len; at++) {
		if (!text)
			out[n++] = p[at] && p[at] < ' ' ? '.' : p[at];
		else if (left--)
			out[n++] = p[at];
		else
			left = p[at];
	}
	return n;
}

bool redact_names_in(struct redact *x, const uint8_t *p, uint32_t len, bool owner)
{
	uint8_t shown[FACT_VALUE_MAX];
	struct dns_rr head;
	memcpy(&head, p, sizeof(head));
	uint32_t from = (uint32_t)sizeof(head) + head.name_len, rest = len - from;
	redact_look(x, 2 * len);
	if ((owner && said(x, p + sizeof(head), head.name_len, false)) || said(x, p + from, rest, head.cut))
		return true;
	return head.form == DNS_RDATA_RAW &&
	       (rest > sizeof(shown) || said(x, shown, as_shown(&head, p + from, rest, shown), head.cut));
}
