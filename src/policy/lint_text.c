// SPDX-License-Identifier: BSD-3-Clause
//
// What a test says that no value can be: letters in capitals where values have none, IPv4 addresses in IPv6's clothes;
// and what only some spellings are of: names in answers. In: the tests of a policy without errors. Out: warnings, each
// with its remedy. Off the path.
#include "lint_in.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "policy/field.h"
#include "policy/regex.h"

// ---- addresses ---------------------------------------------------------------------------------------------------

// RFC 4291 2.5.5.2. A socket may name an IPv4 host so; the packets are IPv4.
void lint_address(struct reading *r, const struct operand *o, const struct place *at)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	char six[INET6_ADDRSTRLEN], four[INET_ADDRSTRLEN];
	if (o->len != 16 || o->bits < 96 || memcmp(o->p, mapped, sizeof(mapped)))
		return;
	inet_ntop(AF_INET6, o->p, six, sizeof(six));
	inet_ntop(AF_INET, o->p + 12, four, sizeof(four));
	if (o->bits == 128)
		reading_warn(r, at, "\"%s\" is an IPv6 address, and packets of that IPv4 host are IPv4: write \"%s\"",
			     six, four);
	else
		reading_warn(r, at,
			     "\"%s/%u\" is an IPv6 network, and packets of those IPv4 hosts are IPv4: write \"%s/%u\"",
			     six, o->bits, four, o->bits - 96);
}

// ---- capitals ----------------------------------------------------------------------------------------------------

static bool big(uint8_t c)
{
	return c >= 'A' && c <= 'Z';
}

static bool small(uint8_t c)
{
	return c >= 'a' && c <= 'z';
}

// Behind a backslash: what it makes of the letters that follow is no literal. How many bytes they are.
static uint32_t escaped(const uint8_t *p, const uint8_t *end)
{
	uint32_t n = 1;
	if (p == end || (*p != 'x' && *p != 'p' && *p != 'P'))
		return p < end;
	if (p + 1 < end && p[1] == '{') {
		const uint8_t *close = memchr(p, '}', (size_t)(end - p));
		return close ? (uint32_t)(close - p) + 1 : (uint32_t)(end - p);
	}
	n += *p == 'x' ? 2 : 1;
	return n <= end - p ? n : (uint32_t)(end - p);
}

// [A-Z] has capitals and nothing that a name has; [A-Za-z] has. Its bytes from "[" on; *capital as said.
static uint32_t class_of(const uint8_t *p, const uint8_t *end, bool *capital)
{
	const uint8_t *c = p + 1;
	bool negated = c < end && *c == '^', has_big = false, has_small = false;
	c += negated;
	for (const uint8_t *first = c; c < end && (*c != ']' || c == first); c++) {
		if (*c == '\\') {
			c += escaped(c + 1, end);
			has_small = true; // \w, \d: something of it is there
		} else if (*c == '[' && c + 1 < end && c[1] == ':') {
			const uint8_t *close = memchr(c + 2, ':', (size_t)(end - c - 2));
			c = close && close + 1 < end ? close + 1 : c;
			has_small = true;
		}
		has_big |= c < end && big(*c);
		has_small |= c < end && small(*c);
	}
	*capital = has_big && !has_small && !negated;
	return (uint32_t)(c - p) + (c < end);
}

// (?i), (?i:...), (?<name>...): of the group's own signs, how many bytes; *nocase: from here on case is nothing.
static uint32_t group(const uint8_t *p, const uint8_t *end, bool *nocase)
{
	const uint8_t *c = p + 1;
	if (c == end || *c != '?')
		return 1;
	for (c++; c < end && *c != ':' && *c != ')' && *c != '>' && *c != '=' && *c != '!'; c++)
		*nocase |= *c == 'i';
	return (uint32_t)(c - p);
}

// A capital that the values of a field in lower case would have to have. 0: none.
static uint8_t capital(const uint8_t *p, uint32_t len)
{
	const uint8_t *end = p + len;
	bool nocase = false, found = false;
	for (const uint8_t *first = p; p < end && !nocase;) {
		if (*p == '\\' && p + 1 < end && p[1] == 'Q') {
			p += 2;
			while (p < end && *p != '\\' && !big(*p))
				p++;
			if (p < end && big(*p))
				return *p;
		} else if (*p == '\\') {
			p += 1 + escaped(p + 1, end);
		} else if (*p == '[') {
			first = p;
			p += class_of(p, end, &found);
			while (found && !big(*first))
				first++;
			if (found)
				return *first;
		} else if (*p == '(') {
			p += group(p, end, &nocase);
		} else if (big(*p)) {
			return *p;
		} else {
			p++;
		}
	}
	return 0;
}

void lint_capitals(struct reading *r, const struct condition *c, const struct test *t)
{
	bool lower =
		field_table[c->field].type == FIELD_TYPE_NAME || c->field == FIELD_TLS_JA3 || c->field == FIELD_TLS_JA4;
	uint8_t letter = lower && t->op == TEST_REGEX && !t->nocase ? capital(t->operand.p, t->operand.len) : 0;
	if (letter)
		reading_warn(r, &t->place, "%s is always in lower case, and this regex asks for \"%c\": write \"%c\"",
			     field_names[c->field], letter, letter | 0x20);
}

// ---- answers -----------------------------------------------------------------------------------------------------

// Names stand in answers as servers write them, which may be as they were asked (draft-vixie-dnsext-dns0x20);
// addresses are written one way (RFC 5952).
void lint_answer(struct reading *r, const struct condition *c, const struct test *t)
{
	const struct operand *o = &t->operand;
	char text[INET6_ADDRSTRLEN], canonical[INET6_ADDRSTRLEN];
	struct in6_addr six;
	bool letters = false, text_op = t->op >= TEST_PREFIX && t->op <= TEST_REGEX;
	if (c->field != FIELD_DNS_ANSWER || t->nocase || !(t->op == TEST_IS || text_op))
		return;
	for (uint32_t i = 0; i < o->len; i++)
		letters |= (o->p[i] | 0x20) >= 'g' && (o->p[i] | 0x20) <= 'z';
	if (t->op == TEST_IS && o->len < sizeof(text)) {
		memcpy(text, o->p, o->len);
		text[o->len] = '\0';
		if (inet_pton(AF_INET6, text, &six) == 1) {
			inet_ntop(AF_INET6, &six, canonical, sizeof(canonical));
			if (strcmp(text, canonical))
				reading_warn(r, &t->place, "addresses of answers are written \"%s\", not \"%s\"",
					     canonical, text);
			return;
		}
	}
	if (letters)
		reading_warn(r, &t->place,
			     t->op == TEST_IS ? "names of answers come in any case: write {\"regex\": \"^%.*s$\", "
						"\"nocase\": true} (with its dots escaped)"
					      : "names of answers come in any case: add \"nocase\": true",
			     o->len > 80 ? 80 : (int)o->len, o->p);
}

// ---- tags --------------------------------------------------------------------------------------------------------

struct tags {
	struct reading *r;
	struct lookup first[2]; // tag, to the first rule that sets it, for good; [1]: or in shadow
	uint32_t any;           // the first that sets one
	uint32_t rule;          // whose conditions are looked at
};

// The first rule that sets the tag, LOOKUP_NONE: none.
static uint32_t setter(const struct tags *x, const uint8_t *tag, uint32_t len)
{
	return lookup_find(&x->first[x->r->policy->rules[x->rule].shadow], (const char *)tag, len);
}

static bool any_above(const struct tags *x, const struct set *s)
{
	for (uint32_t i = 0; s && i < s->nitems; i++)
		if (setter(x, s->items[i].operand.p, s->items[i].operand.len) < x->rule)
			return true;
	return !s && x->any < x->rule;
}

static void look_at_tag(const struct tags *x, const struct test *t)
{
	const struct policy *p = x->r->policy;
	for (uint32_t i = 0; i < t->nchildren; i++)
		look_at_tag(x, t->child[i]);
	if (t->op == TEST_IN && !any_above(x, t->set))
		reading_warn(x->r, &t->place, "no rule above sets a tag of this set");
	if ((t->op == TEST_PRESENT || (t->op >= TEST_PREFIX && t->op <= TEST_REGEX)) && !any_above(x, NULL))
		reading_warn(x->r, &t->place, "no rule above sets a tag");
	if (t->op != TEST_IS)
		return;
	uint32_t by = setter(x, t->operand.p, t->operand.len);
	int len = t->operand.len > 80 ? 80 : (int)t->operand.len;
	if (by == LOOKUP_NONE)
		reading_warn(x->r, &t->place, "no rule sets the tag \"%.*s\"", len, t->operand.p);
	else if (by >= x->rule)
		reading_warn(x->r, &t->place,
			     "the tag \"%.*s\" is set below, by rule \"%s\" (line %u): here it is never there", len,
			     t->operand.p, p->rules[by].id, p->rules[by].place.line);
}

static void look_for_tags(const struct tags *x, const struct condition *c)
{
	if (c->kind == CONDITION_FIELD && c->field == FIELD_TAG)
		look_at_tag(x, c->test);
	for (uint32_t i = 0; i < c->nchildren; i++)
		look_for_tags(x, c->child[i]);
}

void lint_tags(struct reading *r)
{
	struct tags x = {.r = r, .any = LOOKUP_NONE};
	const struct policy *p = r->policy;
	for (uint32_t i = 0; i < p->nrules; i++) {
		const struct rule *rule = &p->rules[i];
		if (rule->action != ACTION_TAG || rule->disabled)
			continue;
		x.any = i < x.any ? i : x.any;
		for (unsigned shadow = rule->shadow; shadow < 2; shadow++)
			lookup_add(&x.first[shadow], rule->tag, (uint32_t)strlen(rule->tag), i);
	}
	for (uint32_t i = 0; i < p->nrules; i++) {
		x.rule = i;
		if (p->rules[i].when && !p->rules[i].disabled)
			look_for_tags(&x, p->rules[i].when);
	}
	lookup_free(&x.first[0]);
	lookup_free(&x.first[1]);
}
