// SPDX-License-Identifier: BSD-3-Clause
//
// Is a condition true, false or unknown for what is known of a transaction (policy.md 1)? Walks the flat tree of one
// rule. The meaning is that of tests/policy/naive.c, which is read more easily; here it is one pass over memory that
// lies together.
//
// On workers' threads. The depth of recursion is that of the tree, which the parser bounds. Never looks at a value of
// a field whose state is UNKNOWN or ABSENT.
//
// A list of a field's values is a question to each child by itself (some value for this child, or some value for
// that), a conjunction of tests is a question to one value. In allow rules the question about names is put to every
// value instead, as a whole.
#include <string.h>

#include "policy_in.h"
#include "policy_set.h"

static inline uint8_t lower(uint8_t c)
{
	return (uint8_t)(c - 'A') < 26 ? c | 0x20 : c;
}

// b is in lower case where nocase
static inline bool same(const uint8_t *a, const uint8_t *b, uint32_t n, bool nocase)
{
	if (!nocase)
		return memcmp(a, b, n) == 0;
	for (uint32_t i = 0; i < n; i++)
		if (lower(a[i]) != b[i])
			return false;
	return true;
}

static bool contains(const struct fact_value *v, const uint8_t *p, uint32_t len, bool nocase)
{
	if (!nocase)
		return v->len >= len && (len == 0 || memmem(v->p, v->len, p, len));
	for (uint32_t i = 0; i + len <= v->len; i++)
		if (same(v->p + i, p, len, true))
			return true;
	return false;
}

static bool within(const struct fact_value *v, const uint8_t *p, uint32_t len, uint32_t bits)
{
	if (v->len != len || memcmp(v->p, p, bits / 8))
		return false;
	return bits % 8 == 0 || ((v->p[bits / 8] ^ p[bits / 8]) & (0xff00 >> bits % 8 & 0xff)) == 0;
}

static bool in_schedule(const struct ruleset *rs, uint32_t schedule, uint64_t now_ns)
{
	const struct ruleset_schedule *c = &rs->schedules[schedule];
	int64_t now = now_ns / 1000000000, offset = 0;
	uint32_t low = c->zone, high = c->zone + c->nzone; // the last offset that began before now
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		if (rs->zones[mid].from_s <= now)
			low = mid + 1;
		else
			high = mid;
	}
	if (c->nzone)
		offset = rs->zones[low > c->zone ? low - 1 : low].offset_s;
	now += offset;
	int64_t days = now / 86400;
	unsigned minute = now % 86400 / 60, today = (days + 3) % 7,
		 yesterday = (days + 2) % 7; // 1970 began on a Thursday
	if (c->from < c->to)
		return c->days >> today & 1 && minute >= c->from && minute < c->to;
	return (c->days >> today & 1 && minute >= c->from) || (c->days >> yesterday & 1 && minute < c->to);
}

struct values {
	const struct policy_scratch *s;
	const struct fact_value *v;
	const struct node *field; // with the header's name
	uint32_t n;               // including those of other headers
	bool more;
};

static inline bool of_header(const struct ruleset *rs, const struct node *field, const struct fact_value *v)
{
	return !field->len || (v->name_len == field->len && !memcmp(v->name, rs->bytes + field->at, field->len));
}

static bool found(const struct values *x, const struct node *n, uint32_t i)
{
	const struct ruleset_buffer *b = &x->s->rs->buffers[n->len];
	return i < b->rows && x->s->found[b->found + i * b->words + n->at / 64] >> n->at % 64 & 1;
}

// one value against one test
static bool value_test(const struct values *x, const struct node *n, uint32_t i)
{
	const struct ruleset *rs = x->s->rs;
	const struct fact_value *v = &x->v[i];
	const uint8_t *p = rs->bytes + n->at;
	const struct node *end = n + n->end;
	switch ((enum node_op)n->op) {
	case NODE_NUM:
		return v->num >= n->low && v->num <= n->high && !v->p;
	case NODE_ADDR:
		return within(v, p, n->len, n->bits);
	case NODE_EQUAL:
		return v->p && v->len == n->len && same(v->p, p, n->len, n->nocase);
	case NODE_PREFIX:
		return v->len >= n->len && same(v->p, p, n->len, n->nocase);
	case NODE_SUFFIX:
		return v->len >= n->len && same(v->p + v->len - n->len, p, n->len, n->nocase);
	case NODE_CONTAINS:
		return contains(v, p, n->len, n->nocase);
	case NODE_SET:
		return policy_set_has(rs, n->at, v, n->nocase);
	case NODE_PATTERN:
		return found(x, n, i);
	case NODE_SCHEDULE:
		return in_schedule(rs, n->at, x->s->facts->now_ns);
	case NODE_PRESENT:
		return n->low;
	case NODE_TEST_NOT:
		return !value_test(x, n + 1, i);
	case NODE_TEST_ALL:
		for (const struct node *c = n + 1; c < end; c += c->end)
			if (!value_test(x, c, i))
				return false;
		return true;
	case NODE_TEST_ANY:
		for (const struct node *c = n + 1; c < end; c += c->end)
			if (value_test(x, c, i))
				return true;
		return false;
	case NODE_ALL:
	case NODE_ANY:
	case NODE_FIELD:
		break;
	}
	return false;
}

uint32_t policy_truth_values(const struct policy_scratch *s, unsigned field, const struct fact_value **values)
{
	static const struct fact_value now;
	enum fact_state state = s->facts->state[field];
	*values = field == FIELD_TIME ? &now : field == FIELD_TAG ? s->tag : s->facts->value[field];
	if (field == FIELD_TIME)
		return 1;
	if (field == FIELD_TAG)
		return s->ntags;
	return state == FACT_SOME || state == FACT_ALL ? s->facts->n[field] : 0;
}

bool policy_truth_value(const struct policy_scratch *s, const struct node *field, const struct node *test, uint32_t i)
{
	struct values x = {.s = s, .field = field};
	x.n = policy_truth_values(s, field->field, &x.v);
	return i < x.n && of_header(s->rs, field, &x.v[i]) && value_test(&x, test, i);
}

static enum truth negated(enum truth t)
{
	return t == TRUTH_UNKNOWN ? t : t == TRUTH_TRUE ? TRUTH_FALSE : TRUTH_TRUE;
}

// one test against all values that were seen
static enum truth values_test(const struct values *x, const struct node *n)
{
	enum truth sum = TRUTH_FALSE;
	switch ((enum node_op)n->op) {
	case NODE_TEST_NOT:
		return negated(values_test(x, n + 1));
	case NODE_PRESENT:
		return n->low ? TRUTH_TRUE : TRUTH_FALSE;
	case NODE_TEST_ANY:
		for (const struct node *c = n + 1; c < n + n->end; c += c->end) {
			enum truth t = values_test(x, c);
			if (t == TRUTH_TRUE)
				return t;
			sum = t == TRUTH_UNKNOWN ? t : sum;
		}
		return sum;
	default:
		for (uint32_t i = 0; i < x->n; i++)
			if (of_header(x->s->rs, x->field, &x->v[i]) && value_test(x, n, i))
				return TRUTH_TRUE;
		return x->more ? TRUTH_UNKNOWN : TRUTH_FALSE;
	}
}

static enum truth every_value(const struct values *x, const struct node *n)
{
	for (uint32_t i = 0; i < x->n; i++)
		if (of_header(x->s->rs, x->field, &x->v[i]) && !value_test(x, n, i))
			return TRUTH_FALSE;
	return x->more ? TRUTH_UNKNOWN : TRUTH_TRUE;
}

// absent: only `present: false` holds, by itself or in a list
static bool absent_test(const struct node *n)
{
	if (n->op == NODE_PRESENT)
		return !n->low;
	if (n->op != NODE_TEST_ANY)
		return false;
	for (const struct node *c = n + 1; c < n + n->end; c += c->end)
		if (absent_test(c))
			return true;
	return false;
}

#define X(symbol, name, type, many, hold, known, absent, help)                                                         \
	(uint64_t)(FIELD_TYPE_##type == FIELD_TYPE_NAME) << FIELD_##symbol |
static const uint64_t names = FIELDS(X) 0;
#undef X

static enum truth field_truth(const struct policy_scratch *s, const struct node *field, bool strict)
{
	const struct facts *f = s->facts;
	const struct node *test = field + 1;
	static const struct fact_value now;
	enum fact_state state = f->state[field->field];
	struct values x = {.s = s, .v = f->value[field->field], .field = field, .n = f->n[field->field]};
	if (field->field == FIELD_TIME)
		x.v = &now, x.n = 1, state = FACT_ALL;
	else if (field->field == FIELD_TAG)
		x.v = s->tag, x.n = s->ntags, state = s->more_tags ? FACT_SOME : FACT_ALL;
	if (state == FACT_UNKNOWN)
		return TRUTH_UNKNOWN;
	uint32_t seen = state == FACT_ABSENT ? 0 : x.n;
	if (field->len && seen) {
		seen = 0;
		for (uint32_t i = 0; i < x.n; i++)
			seen += of_header(s->rs, field, &x.v[i]);
	}
	x.more = state == FACT_SOME;
	if (seen == 0)
		return x.more ? TRUTH_UNKNOWN : absent_test(test) ? TRUTH_TRUE : TRUTH_FALSE;
	if (strict && names >> field->field & 1 && test->op != NODE_PRESENT)
		return every_value(&x, test);
	return values_test(&x, test);
}

enum truth policy_truth_node(const struct policy_scratch *s, const struct node *n, bool strict, uint64_t *unknown)
{
	enum truth t, sum = n->op == NODE_ANY ? TRUTH_FALSE : TRUTH_TRUE, ends = negated(sum);
	uint64_t fields = 0;
	if (n->op == NODE_FIELD) {
		sum = field_truth(s, n, strict);
		fields = 1ull << n->field;
	} else {
		for (const struct node *c = n + 1; c < n + n->end; c += c->end) {
			t = policy_truth_node(s, c, strict, &fields);
			if (t == ends)
				return t;
			sum = t == TRUTH_UNKNOWN ? t : sum;
		}
	}
	if (sum == TRUTH_UNKNOWN)
		*unknown |= fields;
	return sum;
}

bool policy_truth_now(const struct policy_scratch *s, uint64_t expires_ns, uint32_t schedule)
{
	uint64_t now = s->facts->now_ns;
	return (!expires_ns || now < expires_ns) && (schedule == RULES_NONE || in_schedule(s->rs, schedule, now));
}

enum truth policy_truth_rule(const struct policy_scratch *s, const struct ruleset_rule *r, uint64_t *unknown)
{
	if (!policy_truth_now(s, r->expires_ns, r->schedule))
		return TRUTH_FALSE;
	return r->node == RULES_NONE ? TRUTH_TRUE : policy_truth_node(s, s->rs->nodes + r->node, r->strict, unknown);
}
