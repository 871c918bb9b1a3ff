// SPDX-License-Identifier: BSD-3-Clause
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"

static const struct {
	const char *name;
	enum field_type type;
	bool many, hold;
} fields[FIELD_COUNT] = {
#define X(symbol, name, type, many, hold, known, absent, help) {name, FIELD_TYPE_##type, many, hold},
	FIELDS(X)
#undef X
};

static const char *const names[] = {
	"a.com",    "b.a.com",     "c.b.a.com",     "xa.com",      "com",
	"shop.net", "my.shop.net", "myshop.net",    "1.2.3.4",     "3.4",
	"evil.org", "x.evil.org",  "10.0.0.1",      "2001:db8::1", "long-name.of-a.shop.example.co.uk",
	"a",        "notevil.org", "z.y.x.evil.org"};
static const char *const strings[] = {"GET",   "POST",     "get",          "/index.php", "/a/b.php",
				      "/.env", "curl/8.0", "Mozilla",      "abcab",      "xabcabx",
				      "h2",    "http/1.1", "EXPLOIT-1234", "exploit"};
static const char *const pieces[] = {".com", "a",    "ab",    "GET",       "get", "/",    "php",
				     "com",  "evil", "a.com", ".evil.org", "m",   "shop", "EXP"};
static const char *const regexes[] = {"^a", "php$", "[0-9]+", "e.*v", "\\.(env|git)(/|$)", "abc", "G|P", "evil\\.org$"};
static const char *const words[] = {"syn", "ack", "out", "in", "both", "client"};
static const char *const headers[] = {"cookie", "x-a", "accept"};
static const char *const tags[] = {"t1", "t2", "GET"};

#define PICK(r, list) (list)[random_below(r, sizeof(list) / sizeof((list)[0]))]

void random_init(struct random *r, uint64_t seed, size_t bytes)
{
	*r = (struct random){.state = seed * 0x9e3779b97f4a7c15 + 1, .memory = malloc(bytes), .size = bytes};
	if (!r->memory)
		abort();
}

void random_fini(struct random *r)
{
	free(r->memory);
}

void random_reset(struct random *r)
{
	r->used = 0;
}

static void *take(struct random *r, size_t n)
{
	n = (n + 15) & ~15ul;
	if (r->used + n > r->size)
		abort();
	void *p = r->memory + r->used;
	r->used += n;
	return memset(p, 0, n);
}

uint32_t random_below(struct random *r, uint32_t n)
{
	r->state ^= r->state << 13;
	r->state ^= r->state >> 7;
	r->state ^= r->state << 17;
	return (r->state * 0x2545f4914f6cdd1d >> 32) % n;
}

static bool chance(struct random *r, uint32_t percent)
{
	return random_below(r, 100) < percent;
}

static void text(struct operand *o, const char *s)
{
	o->p = (const uint8_t *)s;
	o->len = strlen(s);
}

static void address(struct random *r, struct operand *o, bool net)
{
	bool six = chance(r, 30);
	uint8_t *p = take(r, 16);
	o->p = p;
	o->len = six ? 16 : 4;
	p[0] = six ? 0x20 : 10;
	p[1] = random_below(r, 2);
	p[2] = random_below(r, 2);
	p[o->len - 1] = random_below(r, 3);
	o->bits = net && chance(r, 70) ? random_below(r, o->len * 8 + 1) : o->len * 8;
	if (o->bits < o->len * 8) // host bits are zero, as a parser leaves them
		for (unsigned i = o->bits; i < o->len * 8u; i++)
			p[i / 8] &= ~(0x80 >> i % 8);
}

static void operand(struct random *r, enum field field, struct operand *o)
{
	switch (fields[field].type) {
	case FIELD_TYPE_ADDR:
		address(r, o, true);
		break;
	case FIELD_TYPE_WORD:
		if (chance(r, 50)) {
			text(o, PICK(r, words));
			break;
		}
		// fall through
	case FIELD_TYPE_PORT:
	case FIELD_TYPE_NUM:
		o->num = random_below(r, 6);
		break;
	case FIELD_TYPE_BOOL:
		o->num = random_below(r, 2);
		break;
	case FIELD_TYPE_NAME:
		text(o, PICK(r, names));
		break;
	default:
		text(o, field == FIELD_TAG ? PICK(r, tags) : PICK(r, strings));
	}
}

static struct schedule *schedule(struct random *r)
{
	struct schedule *s = take(r, sizeof(*s));
	s->days = random_below(r, 128);
	s->from = random_below(r, 1440);
	s->to = random_below(r, 1441);
	return s;
}

static const struct set *set_for(struct random *r, const struct policy *p, enum field field)
{
	for (int tries = 0; tries < 8 && p->nsets; tries++) {
		const struct set *s = &p->sets[random_below(r, p->nsets)];
		enum field_type t = fields[field].type;
		if ((s->type == SET_NET && t == FIELD_TYPE_ADDR) ||
		    ((s->type == SET_DOMAIN || s->type == SET_STRING) && t == FIELD_TYPE_NAME) ||
		    (s->type == SET_PORT && t == FIELD_TYPE_PORT) || (s->type == SET_STRING && t == FIELD_TYPE_STR) ||
		    (s->type == SET_JA3 && field == FIELD_TLS_JA3) || (s->type == SET_JA4 && field == FIELD_TLS_JA4))
			return s;
	}
	return NULL;
}

static struct test *test_of(struct random *r, const struct policy *p, enum field field, int depth, bool top)
{
	struct test *t = take(r, sizeof(*t));
	enum field_type type = fields[field].type;
	uint32_t kind = random_below(r, 100);
	if (top && kind < 6) {
		t->op = TEST_PRESENT;
		t->present = chance(r, 50);
	} else if (depth > 0 && kind < 30) {
		t->op = kind < 14 ? TEST_ANY : kind < 20 ? TEST_ALL : TEST_NOT;
		t->nchildren = t->op == TEST_NOT ? 1 : 1 + random_below(r, 4);
		t->child = take(r, t->nchildren * sizeof(*t->child));
		for (uint32_t i = 0; i < t->nchildren; i++)
			t->child[i] = test_of(r, p, field, depth - 1, top && t->op == TEST_ANY && chance(r, 20));
	} else if (type == FIELD_TYPE_TIME) {
		t->op = TEST_IS;
		t->schedule = schedule(r);
	} else if (kind < 45 && (t->set = set_for(r, p, field))) {
		t->op = TEST_IN;
		t->nocase = type == FIELD_TYPE_STR && chance(r, 30);
	} else if (kind < 60 && (type == FIELD_TYPE_PORT || type == FIELD_TYPE_NUM)) {
		t->op = TEST_RANGE;
		t->operand.num = random_below(r, 6);
		t->operand.num_high = t->operand.num + random_below(r, chance(r, 10) ? 70000 : 3);
	} else if (type == FIELD_TYPE_BYTES || (kind < 80 && (type == FIELD_TYPE_NAME || type == FIELD_TYPE_STR))) {
		uint32_t op = random_below(r, 4);
		t->op = op == 0 ? TEST_PREFIX : op == 1 ? TEST_SUFFIX : op == 2 ? TEST_CONTAINS : TEST_REGEX;
		if (t->op == TEST_REGEX && chance(r, 60))
			t->op = TEST_CONTAINS;
		t->nocase = chance(r, 30);
		text(&t->operand, t->op == TEST_REGEX ? PICK(r, regexes) : PICK(r, pieces));
	} else {
		t->op = TEST_IS;
		operand(r, field, &t->operand);
		t->nocase = type == FIELD_TYPE_STR && chance(r, 20);
	}
	return t;
}

// fields that rules speak of more often than others
static const enum field usual[] = {FIELD_SRC,     FIELD_DST,      FIELD_DPORT,       FIELD_PROTO,
				   FIELD_APP,     FIELD_HOST,     FIELD_HOST,        FIELD_HTTP_HOST,
				   FIELD_TLS_SNI, FIELD_HTTP_URI, FIELD_HTTP_HEADER, FIELD_DNS_QNAME,
				   FIELD_PAYLOAD, FIELD_TAG,      FIELD_HTTP_METHOD};

static struct condition *condition(struct random *r, const struct policy *p, int depth)
{
	struct condition *c = take(r, sizeof(*c));
	uint32_t kind = random_below(r, 100);
	if (depth > 0 && kind < 40) {
		c->kind = kind < 25 ? CONDITION_ALL : CONDITION_ANY;
		c->nchildren = chance(r, 3) ? 0 : 1 + random_below(r, 3);
		c->child = take(r, (c->nchildren + 1) * sizeof(*c->child));
		for (uint32_t i = 0; i < c->nchildren; i++)
			c->child[i] = condition(r, p, depth - 1);
		return c;
	}
	c->kind = CONDITION_FIELD;
	c->field = chance(r, 70) ? PICK(r, usual) : random_below(r, FIELD_COUNT);
	c->header = c->field == FIELD_HTTP_HEADER ? PICK(r, headers) : NULL;
	c->test = test_of(r, p, c->field, 2, true);
	return c;
}

static void set(struct random *r, struct set *s)
{
	s->type = random_below(r, SET_TYPES);
	s->nitems = random_below(r, 6);
	s->items = take(r, (s->nitems + 1) * sizeof(*s->items));
	for (uint32_t i = 0; i < s->nitems; i++) {
		struct operand *o = &s->items[i].operand;
		if (s->type == SET_NET)
			address(r, o, true);
		else if (s->type == SET_PORT)
			o->num = random_below(r, 6), o->num_high = chance(r, 50) ? o->num : o->num + 2;
		else
			text(o, s->type == SET_DOMAIN || chance(r, 30) ? PICK(r, names) : PICK(r, strings));
		s->items[i].exact = s->type == SET_DOMAIN && chance(r, 30);
	}
}

static void rule(struct random *r, const struct policy *p, struct rule *u)
{
	u->action = chance(r, 70) ? random_below(r, 2) : random_below(r, ACTION_COUNT);
	u->response = u->action == ACTION_DENY && chance(r, 30) ? random_below(r, RESPONSE_COUNT) : RESPONSE_DEFAULT;
	if (u->response == RESPONSE_SINKHOLE)
		address(r, &u->sinkhole, false);
	if (u->action == ACTION_TAG)
		u->tag = PICK(r, tags);
	u->shadow = chance(r, 8);
	u->disabled = chance(r, 5);
	u->expires_ns = chance(r, 5) ? 1000000000ull * random_below(r, 2000000000) : 0;
	u->time = chance(r, 5) ? schedule(r) : NULL;
	if (!chance(r, 3))
		u->when = condition(r, p, random_below(r, 4));
}

struct policy *random_policy(struct random *r, uint32_t max)
{
	struct policy *p = take(r, sizeof(*p));
	p->nsets = random_below(r, 6);
	p->sets = take(r, (p->nsets + 1) * sizeof(*p->sets));
	for (uint32_t i = 0; i < p->nsets; i++)
		set(r, &p->sets[i]);
	p->nrules = random_below(r, max + 1);
	p->rules = take(r, (p->nrules + 1) * sizeof(*p->rules));
	for (uint32_t i = 0; i < p->nrules; i++)
		rule(r, p, &p->rules[i]);
	p->default_action = chance(r, 50) ? ACTION_DENY : ACTION_ALLOW;
	if (p->default_action == ACTION_DENY && chance(r, 30))
		p->default_response = random_below(r, RESPONSE_SINKHOLE);
	return p;
}

static void values(struct random *r, struct facts *f, enum field field)
{
	unsigned n = fields[field].many ? 1 + random_below(r, 3) : 1;
	struct fact_value *v = take(r, n * sizeof(*v));
	for (unsigned i = 0; i < n; i++) {
		struct operand o = {0};
		if (fields[field].type == FIELD_TYPE_ADDR)
			address(r, &o, false);
		else
			operand(r, field, &o);
		// a copy, so that a read past its end is found
		uint8_t *p = o.p ? memcpy(take(r, o.len), o.p, o.len) : NULL;
		v[i] = (struct fact_value){.p = p, .len = o.len, .num = o.num};
		if (field == FIELD_HTTP_HEADER) {
			v[i].name = (const uint8_t *)PICK(r, headers);
			v[i].name_len = strlen((const char *)v[i].name);
		}
	}
	f->value[field] = v;
	f->n[field] = n;
}

const struct facts *random_facts(struct random *r)
{
	struct facts *f = take(r, sizeof(*f));
	uint32_t known = random_below(r, 101), early = chance(r, 80); // early: the first packet is there
	f->now_ns = 1000000000ull * random_below(r, 2000000000);
	for (int i = 0; i < FIELD_COUNT; i++) {
		bool first = i <= FIELD_STREAM_AMBIGUOUS;
		if (!(first && early) && !chance(r, known))
			continue;
		f->state[i] = fields[i].many && chance(r, 25) ? FACT_SOME : chance(r, 85) ? FACT_ALL : FACT_ABSENT;
		if (f->state[i] != FACT_ABSENT && !(fields[i].many && chance(r, 5)))
			values(r, f, i);
	}
	return f;
}

static void print_test(const struct test *t)
{
	static const char *const ops[] = {"is",    "in",  "prefix", "suffix", "contains", "regex",
					  "range", "not", "all",    "any",    "present"};
	printf("%s%s", ops[t->op], t->nocase ? "/i" : "");
	if (t->operand.p && memchr(t->operand.p, 0, t->operand.len))
		printf(" addr/%u", t->operand.bits);
	else if (t->operand.p)
		printf(" '%.*s'", (int)t->operand.len, t->operand.p);
	else
		printf(" %" PRIu64 "-%" PRIu64, t->operand.num, t->operand.num_high);
	for (uint32_t i = 0; i < t->nchildren; i++) {
		printf(i ? ", " : "(");
		print_test(t->child[i]);
	}
	printf(t->nchildren ? ")" : "");
}

static void print_condition(const struct condition *c)
{
	if (c->kind == CONDITION_FIELD) {
		printf("%s%s ", fields[c->field].name, c->header ? c->header : "");
		print_test(c->test);
		return;
	}
	printf(c->kind == CONDITION_ALL ? "ALL[" : "ANY[");
	for (uint32_t i = 0; i < c->nchildren; i++) {
		print_condition(c->child[i]);
		printf("; ");
	}
	printf("]");
}

void random_print(const struct policy *p, const struct facts *f)
{
	static const char *const states[] = {"unknown", "some", "all", "absent"};
	for (uint32_t i = 0; i < p->nrules; i++) {
		const struct rule *u = &p->rules[i];
		printf("%u: action %u response %u%s%s ", i, u->action, u->response, u->shadow ? " shadow" : "",
		       u->disabled ? " disabled" : "");
		if (u->when)
			print_condition(u->when);
		printf("\n");
	}
	printf("default %u\n", p->default_action);
	for (int i = 0; i < FIELD_COUNT; i++) {
		if (!f->state[i])
			continue;
		printf("%s %s:", fields[i].name, states[f->state[i]]);
		for (int k = 0; k < f->n[i]; k++)
			printf(" %.*s/%" PRIu64, (int)f->value[i][k].len,
			       f->value[i][k].p ? (const char *)f->value[i][k].p : "", f->value[i][k].num);
		printf("\n");
	}
}
