// SPDX-License-Identifier: BSD-3-Clause
//
// The table of include/ruleset.h with names, and what the types of it mean: which operators and sets a field can be
// asked with, and how a value is written. Off the path. What is compared with facts is made here in the facts' own
// spelling, so that the path compares bytes and numbers only.
#include "field.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/word.h"
#include "policy/domain.h"

// clang-format off
const struct field_row field_table[FIELD_COUNT] = {
#define X(symbol, name, type, many, hold, known, absent, help) \
	{name, FIELD_TYPE_##type, many, hold, known, absent, help},
	FIELDS(X)
#undef X
};

const char *const field_names[FIELD_COUNT] = {
#define X(symbol, name, type, many, hold, known, absent, help) name,
	FIELDS(X)
#undef X
};
// clang-format on

const char *const field_type_names[FIELD_TYPE_TIME + 1] = {
	"an address or a network", "a port", "a number", "true or false", "a word", "a name", "a text", "bytes",
	"a time of day",
};

const char *const field_op_names[TEST_PRESENT + 1] = {
	"", "in", "prefix", "suffix", "contains", "regex", "range", "not", "all", "", "present",
};

#define OP(op) (1u << TEST_##op)
#define OPS_ALL (OP(NOT) | OP(ALL) | OP(ANY) | OP(PRESENT))
#define OPS_TEXT (OP(PREFIX) | OP(SUFFIX) | OP(CONTAINS) | OP(REGEX))

uint32_t field_ops(enum field f)
{
	static const uint32_t ops[] = {
		[FIELD_TYPE_ADDR] = OP(IS) | OP(IN),
		[FIELD_TYPE_PORT] = OP(IS) | OP(IN) | OP(RANGE),
		[FIELD_TYPE_NUM] = OP(IS) | OP(RANGE),
		[FIELD_TYPE_BOOL] = OP(IS),
		[FIELD_TYPE_WORD] = OP(IS),
		[FIELD_TYPE_NAME] = OP(IS) | OP(IN) | OPS_TEXT,
		[FIELD_TYPE_STR] = OP(IS) | OP(IN) | OPS_TEXT,
		[FIELD_TYPE_BYTES] = OP(CONTAINS) | OP(REGEX) | OP(PREFIX),
		[FIELD_TYPE_TIME] = OP(IS),
	};
	uint32_t numeric = f == FIELD_PROTO || f == FIELD_DNS_QTYPE ? OP(RANGE) : 0;
	return ops[field_table[f].type] | OPS_ALL | numeric;
}

uint32_t field_sets(enum field f)
{
	switch ((enum field_type)field_table[f].type) {
	case FIELD_TYPE_ADDR:
		return 1u << SET_NET;
	case FIELD_TYPE_PORT:
		return 1u << SET_PORT;
	case FIELD_TYPE_NAME:
		return 1u << SET_DOMAIN | 1u << SET_STRING;
	case FIELD_TYPE_STR:
		return 1u << SET_STRING | (f == FIELD_TLS_JA3 ? 1u << SET_JA3 : 0) |
		       (f == FIELD_TLS_JA4 ? 1u << SET_JA4 : 0);
	default:
		return 0;
	}
}

#define HEADER "http.header."

// RFC 9110 5.6.2: a header's name is a token.
static bool token(const char *p, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++) {
		uint8_t c = (uint8_t)p[i], low = c | 0x20;
		if (!(low >= 'a' && low <= 'z') && !(c >= '0' && c <= '9') && (!c || !strchr("!#$%&'*+-.^_`|~", c)))
			return false;
	}
	return len > 0 && len <= 256;
}

enum field field_of_key(struct reading *r, uint32_t key, const char **header)
{
	struct doc_span s = doc_string(&r->doc, key);
	uint32_t skip = sizeof(HEADER) - 1;
	*header = NULL;
	if (s.len >= skip && !memcmp(s.p, HEADER, skip)) {
		if (!token(s.p + skip, s.len - skip)) {
			reading_wrong(r, key, "a header's name is expected behind \"http.header.\"");
			return FIELD_COUNT;
		}
		char *name = arena_text(r->arena, s.p + skip, s.len - skip);
		for (char *c = name; *c; c++)
			*c |= *c >= 'A' && *c <= 'Z' ? 0x20 : 0;
		*header = name;
		return FIELD_HTTP_HEADER;
	}
	unsigned f = word_find(field_names, FIELD_COUNT, s.p, s.len);
	if (f < FIELD_COUNT)
		return (enum field)f;
	const char *near = field_elsewhere(s.p, s.len);
	if (!near)
		near = reading_near(r, field_names, FIELD_COUNT, s.p, s.len);
	reading_unknown(r, key, "field", near && !strcmp(near, HEADER) ? "http.header.NAME" : near);
	return FIELD_COUNT;
}

// ---- values -----------------------------------------------------------------------------------------------------

static bool net_bits(const char *p, uint32_t len, uint32_t most, uint8_t *out)
{
	uint32_t v = 0;
	if (len == 0 || len > 3)
		return false;
	for (uint32_t i = 0; i < len; i++) {
		if (p[i] < '0' || p[i] > '9')
			return false;
		v = v * 10 + (uint32_t)(p[i] - '0');
	}
	*out = (uint8_t)v;
	return v <= most;
}

bool field_net(const char *p, uint32_t len, struct operand *o, uint8_t address[16], const char **why)
{
	char text[INET6_ADDRSTRLEN];
	const char *slash = memchr(p, '/', len);
	uint32_t n = slash ? (uint32_t)(slash - p) : len;
	*why = "no address and no network";
	if (n == 0 || n >= sizeof(text))
		return false;
	memcpy(text, p, n);
	text[n] = '\0';
	if (strlen(text) != n)
		return false;
	*o = (struct operand){0};
	o->len = inet_pton(AF_INET, text, address) == 1 ? 4 : inet_pton(AF_INET6, text, address) == 1 ? 16 : 0;
	if (o->len == 0)
		return false;
	o->bits = (uint8_t)(o->len * 8);
	if (slash && !net_bits(slash + 1, len - n - 1, o->len * 8, &o->bits)) {
		*why = o->len == 4 ? "a prefix length from 0 to 32 is expected"
				   : "a prefix length from 0 to 128 is expected";
		return false;
	}
	*why = NULL;
	for (uint32_t i = 0; i < o->len; i++) {
		uint8_t mask = o->bits >= 8 * (i + 1) ? 0xff
			       : o->bits <= 8 * i     ? 0
						      : (uint8_t)(0xff00 >> (o->bits & 7));
		if (address[i] & ~mask)
			*why = "has bits behind its prefix length, which are not looked at";
		address[i] &= mask;
	}
	return true;
}

bool field_ports(const char *p, uint32_t len, struct operand *o)
{
	uint64_t v[2] = {0, 0};
	unsigned k = 0, digits = 0;
	for (uint32_t i = 0; i < len; i++) {
		if (p[i] == '-' && k == 0 && digits) {
			k = 1;
			digits = 0;
		} else if (p[i] >= '0' && p[i] <= '9' && digits < 19) {
			v[k] = v[k] * 10 + (uint64_t)(p[i] - '0');
			digits++;
		} else {
			return false;
		}
	}
	*o = (struct operand){.num = v[0], .num_high = k ? v[1] : v[0]};
	return digits && o->num <= o->num_high;
}

static uint64_t highest(enum field f)
{
	const struct field_words *w = field_words(f);
	return f == FIELD_IP_VERSION                    ? 6
	       : f == FIELD_TTL                         ? 255
	       : f == FIELD_VLAN                        ? 4095
	       : f == FIELD_VNI                         ? 0xffffff
	       : f == FIELD_HTTP_STATUS                 ? 999
	       : w && w->highest                        ? w->highest
	       : field_table[f].type == FIELD_TYPE_PORT ? 65535
							: UINT64_MAX / 16;
}

bool field_range(struct reading *r, uint32_t node, enum field f, struct operand *out)
{
	struct doc *d = &r->doc;
	*out = (struct operand){0};
	if (d->node[node].type == DOC_STRING) {
		struct doc_span s = doc_string(d, node);
		if (!field_ports(s.p, s.len, out) || out->num_high > highest(f))
			return reading_wrong(r, node, "a range is expected: [low, high] or \"low-high\", to %lu",
					     highest(f));
		return true;
	}
	if (d->node[node].type != DOC_ARRAY || doc_count(d, node) != 2)
		return reading_wrong(r, node, "a range is expected: [low, high], both included");
	uint32_t low = doc_first(d, node), high = doc_next(d, low);
	if (!reading_number(r, low, 0, highest(f), &out->num) ||
	    !reading_number(r, high, 0, highest(f), &out->num_high))
		return false;
	if (out->num > out->num_high)
		return reading_wrong(r, node, "a range that is empty: %lu is above %lu", out->num, out->num_high);
	return true;
}

static bool address(struct reading *r, uint32_t node, struct operand *out)
{
	uint8_t bytes[16];
	const char *why;
	if (!reading_expect(r, node, DOC_STRING, "an address or a network in a string"))
		return false;
	struct doc_span s = doc_string(&r->doc, node);
	int len = s.len > 80 ? 80 : (int)s.len;
	if (!field_net(s.p, s.len, out, bytes, &why))
		return reading_wrong(r, node, "\"%.*s\": %s", len, s.p, why);
	if (why) {
		struct place at = doc_place(&r->doc, node);
		reading_warn(r, &at, "\"%.*s\" %s", len, s.p, why);
	}
	uint8_t *p = arena_bytes(r->arena, out->len);
	memcpy(p, bytes, out->len);
	out->p = p;
	return true;
}

static bool name(struct reading *r, uint32_t node, enum test_op op, struct operand *out)
{
	const char *why = NULL;
	if (!reading_expect(r, node, DOC_STRING, "a name in a string"))
		return false;
	struct doc_span s = doc_string(&r->doc, node);
	uint8_t *p = arena_bytes(r->arena, s.len > DOMAIN_MAX + 1 ? s.len : DOMAIN_MAX + 1);
	out->p = p;
	out->len = op == TEST_IS ? domain_normal(s.p, s.len, p, &why)
				 : domain_part(s.p, s.len, op == TEST_SUFFIX, p, &why);
	if (out->len == 0)
		return reading_wrong(r, node, "\"%.*s\": %s", s.len > 80 ? 80 : (int)s.len, s.p, why);
	return true;
}

#define TEXT_MAX 8192 // FACT_VALUE_MAX: no value of a fact is longer

static bool text(struct reading *r, uint32_t node, enum field f, enum test_op op, struct operand *out)
{
	if (!reading_expect(r, node, DOC_STRING, "a string"))
		return false;
	struct doc_span s = doc_string(&r->doc, node);
	if (s.len == 0 && op != TEST_IS)
		return reading_wrong(r, node, "empty: every value has it");
	if (s.len > TEXT_MAX)
		return reading_wrong(r, node, "longer than a value can be (%u)", TEXT_MAX);
	out->len = s.len;
	char *p = arena_text(r->arena, s.p, s.len);
	out->p = (const uint8_t *)p;
	bool hex = (f == FIELD_TLS_JA3 && s.len == 32) || f == FIELD_TLS_JA4;
	for (; hex && *p; p++) // fingerprints are lower case
		*p |= *p >= 'A' && *p <= 'Z' ? 0x20 : 0;
	return true;
}

// quic.version has more words than a table: drafts, Google's, numbers (RFC 9000 15, quic_crypto.c).
static bool quic_version(const char *p, uint32_t len)
{
	if (len == 4 && (*p == 'Q' || *p == 'T'))
		return strspn(p + 1, "0123456789") == 3;
	if (len == 8 && !memcmp(p, "draft-", 6))
		return strspn(p + 6, "0123456789") == 2;
	return len == 10 && !memcmp(p, "0x", 2) && strspn(p + 2, "0123456789abcdef") == 8;
}

static bool word(struct reading *r, uint32_t node, enum field f, struct operand *out)
{
	const struct field_words *w = field_words(f);
	uint8_t type = r->doc.node[node].type;
	struct doc_span s = doc_string(&r->doc, node);
	if (type == DOC_INTEGER && w->highest)
		return reading_number(r, node, 0, w->highest, &out->num);
	// 1.3 of tls.version and 1 of quic.version may stand without quotes
	bool bare = (type == DOC_REAL && f == FIELD_TLS_VERSION) || (type == DOC_INTEGER && f == FIELD_QUIC_VERSION);
	if (!bare && !reading_expect(r, node, DOC_STRING, w->highest ? "a word or a number" : "a word"))
		return false;
	char *p = arena_text(r->arena, s.p, s.len);
	unsigned i = 0;
	while (i < w->n && strcasecmp(w->words[i], p) && (!w->means || strcasecmp(w->means[i], p)))
		i++;
	if (i == w->n && f == FIELD_QUIC_VERSION && quic_version(p, s.len)) {
		out->p = (const uint8_t *)p;
		out->len = s.len;
		return true;
	}
	if (i == w->n && f == FIELD_DNS_QTYPE && !memcmp(p, "TYPE", 4) && field_ports(p + 4, s.len - 4, out) &&
	    out->num == out->num_high && out->num <= 65535) { // RFC 3597
		out->num_high = 0;
		return true;
	}
	if (i == w->n) {
		char what[64];
		snprintf(what, sizeof(what), "word of %s", field_names[f]);
		return reading_unknown(r, node, what, reading_near(r, w->words, w->n, p, s.len));
	}
	const char *is = w->means ? w->means[i] : w->words[i];
	if (w->numbers)
		out->num = w->numbers[i];
	else
		*out = (struct operand){.p = (const uint8_t *)is, .len = (uint32_t)strlen(is)};
	return true;
}

// A number in quotes: what it should have been.
static bool number_text(struct reading *r, uint32_t node)
{
	static const char no[] = "a whole number is expected, not a string";
	struct doc_span s = doc_string(&r->doc, node);
	struct operand o;
	if (!field_ports(s.p, s.len, &o))
		return reading_wrong(r, node, "%s", no);
	if (o.num == o.num_high)
		return reading_wrong(r, node, "%s: write %lu", no, o.num);
	return reading_wrong(r, node, "%s: write {\"range\": \"%.*s\"}", no, (int)s.len, s.p);
}

bool field_operand(struct reading *r, uint32_t node, enum field f, enum test_op op, struct operand *out)
{
	bool yes = false;
	*out = (struct operand){0};
	switch ((enum field_type)field_table[f].type) {
	case FIELD_TYPE_ADDR:
		return address(r, node, out);
	case FIELD_TYPE_PORT:
	case FIELD_TYPE_NUM:
		if (r->doc.node[node].type == DOC_STRING)
			return number_text(r, node);
		if (!reading_number(r, node, 0, highest(f), &out->num))
			return false;
		return f != FIELD_IP_VERSION || out->num == 4 || out->num == 6 ||
		       reading_wrong(r, node, "4 or 6 is expected");
	case FIELD_TYPE_BOOL:
		if (!reading_bool(r, node, &yes))
			return false;
		out->num = yes;
		return true;
	case FIELD_TYPE_WORD:
		return word(r, node, f, out);
	case FIELD_TYPE_NAME:
		return name(r, node, op, out);
	case FIELD_TYPE_STR:
	case FIELD_TYPE_BYTES:
		return text(r, node, f, op, out);
	case FIELD_TYPE_TIME:
		break;
	}
	return false;
}
