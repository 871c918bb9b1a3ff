// SPDX-License-Identifier: BSD-3-Clause
//
// `when`: an object of fields and `any` becomes a tree of conditions, and what each field is asked becomes a tree of
// tests. Off the path. Recursion is bounded by POLICY_DEPTH_MAX of `any`, and as much of `not`, `all` and lists.
//
// A list at the top of a field's condition whose members are `not` or `present` becomes an `any` of conditions: "no
// value is x, or there is none" speaks of the transaction, not of one of its values.
#include "condition.h"

#include <string.h>

#include "base/word.h"
#include "policy/field.h"
#include "policy/schedule.h"
#include "policy/set.h"

// Where a test stands.
struct spot {
	enum field field;
	const char *name; // as messages say it
	unsigned depth;
	bool top; // not inside all or not
};

static struct test *test_read(struct reading *r, uint32_t node, const struct spot *s);

static struct test *test_new(struct reading *r, uint32_t node, enum test_op op)
{
	struct test *t = arena_take(r->arena, sizeof(*t));
	t->op = op;
	t->place = doc_place(&r->doc, node);
	return t;
}

// What this field can be asked, for the message that something else cannot.
static void list_ops(enum field f, char *out, size_t room)
{
	size_t n = 0;
	uint32_t ops = field_ops(f);
	if (ops & 1u << TEST_IS)
		n += (size_t)snprintf(out, room, "%s, a list", field_type_names[field_table[f].type]);
	else
		n += (size_t)snprintf(out, room, "a list");
	for (unsigned op = 0; op <= TEST_PRESENT && n < room; op++) {
		if (ops & 1u << op && *field_op_names[op])
			n += (size_t)snprintf(out + n, room - n, ", %s", field_op_names[op]);
	}
}

static bool refuse(struct reading *r, uint32_t node, const struct spot *s, const char *what)
{
	char ops[256];
	list_ops(s->field, ops, sizeof(ops));
	return reading_wrong(r, node, "%s is not for %s, which is %s: it takes %s", what, s->name,
			     field_type_names[field_table[s->field].type], ops);
}

static bool read_in(struct reading *r, uint32_t node, const struct spot *s, struct test *t)
{
	struct doc_span name = doc_string(&r->doc, node);
	int len = name.len > 80 ? 80 : (int)name.len;
	if (r->doc.node[node].type == DOC_ARRAY)
		return reading_wrong(r, node, "\"in\" takes the name of a set; a list stands by itself: \"%s\": [...]",
				     s->name);
	if (!reading_expect(r, node, DOC_STRING, "the name of a set"))
		return false;
	t->set = set_find(r, name.p, name.len);
	if (!t->set)
		return reading_unknown(r, node, "set", set_near(r, name.p, name.len));
	if (t->set->type == SET_TYPES) // said where the set is
		return false;
	if (!(field_sets(s->field) & 1u << t->set->type))
		return reading_wrong(r, node, "\"%.*s\" is a set of type %s; %s is %s", len, name.p,
				     set_type_names[t->set->type], s->name,
				     field_type_names[field_table[s->field].type]);
	return true;
}

static bool read_regex(struct reading *r, uint32_t node, const struct spot *s, struct test *t)
{
	char why[REGEX_WHY];
	if (!reading_expect(r, node, DOC_STRING, "a regex in a string"))
		return false;
	struct doc_span text = doc_string(&r->doc, node);
	if (text.len == 0)
		return reading_wrong(r, node, "an empty regex: every value has it");
	t->operand.len = text.len;
	t->operand.p = (const uint8_t *)arena_text(r->arena, text.p, text.len);
	if (!regex_judge_good(&r->judge, t->operand.p, text.len, t->nocase, why))
		return reading_wrong(r, node, "regex \"%.*s\": %s", text.len > 80 ? 80 : (int)text.len, text.p, why);
	return true;
}

static bool read_children(struct reading *r, uint32_t node, const struct spot *s, struct test *t)
{
	struct doc *d = &r->doc;
	uint32_t n = doc_count(d, node);
	bool good =
		n > 0 || reading_wrong(r, node, t->op == TEST_ALL ? "an empty \"all\"" : "an empty list is never true");
	if (s->depth > POLICY_DEPTH_MAX)
		return reading_wrong(r, node, "conditions are nested deeper than %d", POLICY_DEPTH_MAX);
	t->child = arena_take(r->arena, n * sizeof(*t->child));
	for (uint32_t i = doc_first(d, node); i < doc_end(d, node); i = doc_next(d, i)) {
		t->child[t->nchildren] = test_read(r, i, s);
		good &= t->child[t->nchildren] != NULL;
		t->nchildren++;
	}
	return good;
}

static bool read_not(struct reading *r, uint32_t node, const struct spot *s, struct test *t)
{
	struct spot in = *s;
	in.depth++;
	in.top &= r->doc.node[node].type == DOC_OBJECT; // of a list's values, each: none of them is `present`
	if (in.depth > POLICY_DEPTH_MAX)
		return reading_wrong(r, node, "conditions are nested deeper than %d", POLICY_DEPTH_MAX);
	struct test *child = test_read(r, node, &in);
	if (!child)
		return false;
	if (child->op == TEST_PRESENT) {
		t->op = TEST_PRESENT;
		t->present = !child->present;
		return true;
	}
	t->child = arena_take(r->arena, sizeof(*t->child));
	t->child[t->nchildren++] = child;
	return true;
}

static bool read_operator(struct reading *r, uint32_t node, const struct spot *s, struct test *t)
{
	struct spot in = *s;
	in.depth++;
	in.top = false;
	switch (t->op) {
	case TEST_IN:
		return read_in(r, node, s, t);
	case TEST_PREFIX:
	case TEST_SUFFIX:
	case TEST_CONTAINS:
		return field_operand(r, node, s->field, t->op, &t->operand);
	case TEST_REGEX:
		return read_regex(r, node, s, t);
	case TEST_RANGE:
		return field_range(r, node, s->field, &t->operand);
	case TEST_NOT:
		return read_not(r, node, s, t);
	case TEST_ALL:
		return reading_expect(r, node, DOC_ARRAY, "a list of conditions") && read_children(r, node, &in, t);
	default:
		if (!s->top)
			return reading_wrong(r, node,
					     "\"present\" is asked of the field, not of a value inside \"all\"");
		return reading_bool(r, node, &t->present);
	}
}

static const char *const operators[] = {"in",    "prefix", "suffix", "contains", "regex",
					"range", "not",    "all",    "present",  "nocase"};
static const uint8_t operator_ops[] = {TEST_IN,    TEST_PREFIX, TEST_SUFFIX, TEST_CONTAINS, TEST_REGEX,
				       TEST_RANGE, TEST_NOT,    TEST_ALL,    TEST_PRESENT};
#define OPERATORS (sizeof(operator_ops))

// {"suffix": ".example.com", "nocase": true}: one operator, and nocase.
static struct test *operator_read(struct reading *r, uint32_t node, const struct spot *s)
{
	struct doc *d = &r->doc;
	uint32_t at = 0, nocase = 0;
	unsigned op = OPERATORS;
	bool good = true;
	for (uint32_t i = doc_first(d, node); i < doc_end(d, node); i = doc_next(d, i)) {
		struct doc_span key = doc_string(d, d->node[i].key);
		unsigned k = word_find(operators, OPERATORS + 1, key.p, key.len);
		if (k == OPERATORS) {
			nocase = i;
		} else if (k > OPERATORS) {
			good = reading_unknown(r, d->node[i].key, "operator",
					       reading_near(r, operators, OPERATORS + 1, key.p, key.len));
		} else if (at) {
			good = reading_wrong(r, d->node[i].key,
					     "\"%s\" and \"%s\" in one condition: put both in \"all\"", operators[op],
					     operators[k]);
		} else {
			at = i;
			op = k;
		}
	}
	if (!at && good)
		good = reading_wrong(r, node,
				     "an operator is expected: in, prefix, suffix, contains, regex, range, not, "
				     "all or present");
	if (!good)
		return NULL;
	char what[40];
	snprintf(what, sizeof(what), "\"%s\"", operators[op]);
	struct test *t = test_new(r, node, operator_ops[op]);
	if (!(field_ops(s->field) & 1u << t->op)) {
		refuse(r, d->node[at].key, s, what);
		return NULL;
	}
	if (nocase && (t->op < TEST_PREFIX || t->op > TEST_REGEX))
		good = reading_wrong(r, d->node[nocase].key,
				     "\"nocase\" stands beside prefix, suffix, contains or regex");
	if (nocase)
		good &= reading_bool(r, nocase, &t->nocase);
	good &= read_operator(r, at, s, t);
	return good ? t : NULL;
}

static bool is_schedule(const struct doc *d, uint32_t node)
{
	for (uint32_t i = doc_first(d, node); i < doc_end(d, node); i = doc_next(d, i)) {
		struct doc_span key = doc_string(d, d->node[i].key);
		if (word_find(operators, OPERATORS + 1, key.p, key.len) <= OPERATORS)
			return false;
	}
	return true;
}

static struct test *test_read(struct reading *r, uint32_t node, const struct spot *s)
{
	struct doc *d = &r->doc;
	struct spot in = *s;
	uint8_t type = d->node[node].type;
	bool time = field_table[s->field].type == FIELD_TYPE_TIME;
	if (type == DOC_ARRAY) {
		struct test *t = test_new(r, node, TEST_ANY);
		in.depth++;
		return read_children(r, node, &in, t) ? t : NULL;
	}
	if (type == DOC_OBJECT && !(time && is_schedule(d, node)))
		return operator_read(r, node, s);
	struct test *t = test_new(r, node, TEST_IS);
	if (time)
		return (t->schedule = schedule_read(r, node)) ? t : NULL;
	if (!(field_ops(s->field) & 1u << TEST_IS)) {
		refuse(r, node, s, "a value");
		return NULL;
	}
	return field_operand(r, node, s->field, TEST_IS, &t->operand) ? t : NULL;
}

// ---- conditions -------------------------------------------------------------------------------------------------

static struct condition *condition_new(struct reading *r, enum condition_kind kind, struct place at, uint32_t room)
{
	struct condition *c = arena_take(r->arena, sizeof(*c));
	c->kind = kind;
	c->place = at;
	c->child = room ? arena_take(r->arena, room * sizeof(*c->child)) : NULL;
	return c;
}

static struct condition *of_field(struct reading *r, enum field f, const char *header, struct test *t)
{
	struct condition *c = condition_new(r, CONDITION_FIELD, t->place, 0);
	c->field = f;
	c->header = header;
	c->test = t;
	return c;
}

static bool of_values(const struct test *t)
{
	if (t->op == TEST_ANY) {
		for (uint32_t i = 0; i < t->nchildren; i++) {
			if (!of_values(t->child[i]))
				return false;
		}
	}
	return t->op != TEST_NOT && t->op != TEST_PRESENT;
}

static struct condition *of_test(struct reading *r, enum field f, const char *header, struct test *t)
{
	if (t->op != TEST_ANY || of_values(t))
		return of_field(r, f, header, t);
	struct condition *c = condition_new(r, CONDITION_ANY, t->place, t->nchildren);
	for (uint32_t i = 0; i < t->nchildren; i++)
		c->child[c->nchildren++] = of_test(r, f, header, t->child[i]);
	return c;
}

static struct condition *field_read(struct reading *r, uint32_t node)
{
	const char *header;
	uint32_t key = r->doc.node[node].key;
	enum field f = field_of_key(r, key, &header);
	if (f == FIELD_COUNT)
		return NULL;
	struct doc_span name = doc_string(&r->doc, key);
	struct spot s = {f, arena_text(r->arena, name.p, name.len), 0, true};
	struct test *t = test_read(r, node, &s);
	return t ? of_test(r, f, header, t) : NULL;
}

static struct condition *all_read(struct reading *r, uint32_t node, unsigned depth);

static struct condition *any_read(struct reading *r, uint32_t node, unsigned depth)
{
	struct doc *d = &r->doc;
	bool good = true;
	if (!reading_expect(r, node, DOC_ARRAY, "a list of conditions"))
		return NULL;
	uint32_t n = doc_count(d, node);
	if (n == 0 || depth > POLICY_DEPTH_MAX) {
		reading_wrong(r, node, n ? "\"any\" is nested deeper than 8" : "an empty \"any\" is never true");
		return NULL;
	}
	struct condition *c = condition_new(r, CONDITION_ANY, doc_place(d, node), n);
	for (uint32_t i = doc_first(d, node); i < doc_end(d, node); i = doc_next(d, i)) {
		c->child[c->nchildren] = all_read(r, i, depth);
		good &= c->child[c->nchildren++] != NULL;
	}
	return good ? c : NULL;
}

static struct condition *all_read(struct reading *r, uint32_t node, unsigned depth)
{
	struct doc *d = &r->doc;
	bool good = true;
	if (!reading_expect(r, node, DOC_OBJECT, "an object of fields"))
		return NULL;
	struct condition *c = condition_new(r, CONDITION_ALL, doc_place(d, node), doc_count(d, node));
	for (uint32_t i = doc_first(d, node); i < doc_end(d, node); i = doc_next(d, i)) {
		bool any = doc_is(d, d->node[i].key, "any");
		struct condition *child = any ? any_read(r, i, depth + 1) : field_read(r, i);
		c->child[c->nchildren++] = child;
		good &= child != NULL;
	}
	return good ? c : NULL;
}

struct condition *condition_read(struct reading *r, uint32_t node)
{
	return all_read(r, node, 0);
}
