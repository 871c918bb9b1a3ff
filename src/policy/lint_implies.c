// SPDX-License-Identifier: BSD-3-Clause
//
// Does one condition imply another? In: two conditions of a policy without errors. Out: yes, or "not found out". Off
// the path.
//
// Conjunct by conjunct and value by value: an address within a network, a name within a domain, a port within a range,
// a text that begins, ends with or holds another, a set within a set. Where a field may have many values, a positive
// test is true if some value satisfies it and `not` if none does; in allow rules all names must. So what is asked of
// two positive tests is whether each value that satisfies the one satisfies the other, and of two `not` the reverse.
// Tests that are neither (a `not` deep in a list, a regex, a time of day) imply nothing here but by lint_hidden.c's
// bytes. Tags imply nothing: rules between the two may set them.
#include <string.h>

#include "policy/field.h"
#include "policy/lint_in.h"

// ---- values --------------------------------------------------------------------------------------------------------

enum kind { NONE, NET, NUMBERS, TEXT, TREE };

struct extent { // of values: a network, numbers, one text, a domain and all below it
	enum kind kind;
	const struct operand *o;
	uint64_t low, high;
};

static uint32_t nextents(const struct test *t)
{
	return t->op == TEST_IN ? t->set->nitems : t->op == TEST_IS || t->op == TEST_RANGE;
}

static struct extent extent_of(enum field f, const struct test *t, uint32_t i)
{
	const struct operand *o = t->op == TEST_IN ? &t->set->items[i].operand : &t->operand;
	struct extent e = {TEXT, o, o->num, o->num};
	if (t->op == TEST_RANGE || (t->op == TEST_IN && t->set->type == SET_PORT)) {
		e.kind = NUMBERS;
		e.high = o->num_high > o->num ? o->num_high : o->num;
	} else if (t->op == TEST_IN ? t->set->type == SET_NET : field_table[f].type == FIELD_TYPE_ADDR) {
		e.kind = NET;
	} else if (t->op == TEST_IN && t->set->type == SET_DOMAIN) {
		e.kind = t->set->items[i].exact ? TEXT : TREE;
	} else if (!o->p) {
		e.kind = field_table[f].type == FIELD_TYPE_TIME ? NONE : NUMBERS;
	}
	return e;
}

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned rest = bits % 8;
	return !memcmp(a, b, bits / 8) && (!rest || !((a[bits / 8] ^ b[bits / 8]) >> (8 - rest)));
}

static bool ends(const struct operand *o, const struct operand *with)
{
	return o->len >= with->len && !memcmp(o->p + o->len - with->len, with->p, with->len);
}

// An IP literal, which is below no domain: it has a colon, or ends in a number.
static bool is_address(const struct operand *o)
{
	uint32_t i = o->len;
	while (i && o->p[i - 1] >= '0' && o->p[i - 1] <= '9')
		i--;
	return memchr(o->p, ':', o->len) || (i < o->len && (i == 0 || o->p[i - 1] == '.'));
}

static bool extent_within(const struct extent *b, const struct extent *a)
{
	const struct operand *x = b->o, *y = a->o;
	if (a->kind == NUMBERS || b->kind == NUMBERS)
		return a->kind == b->kind && b->low >= a->low && b->high <= a->high;
	if (a->kind == NET || b->kind == NET)
		return a->kind == b->kind && x->len == y->len && x->bits >= y->bits && same_bits(x->p, y->p, y->bits);
	if (a->kind == NONE || b->kind == NONE)
		return false;
	if (x->len == y->len)
		return !memcmp(x->p, y->p, x->len) && (b->kind == TEXT || a->kind == TREE);
	return a->kind == TREE && x->len > y->len && ends(x, y) && x->p[x->len - y->len - 1] == '.' && !is_address(x);
}

// ---- tests of one value ----------------------------------------------------------------------------------------

static bool is_text(const struct test *t)
{
	return t->op == TEST_PREFIX || t->op == TEST_SUFFIX || t->op == TEST_CONTAINS;
}

// A text that begins so, ends so or holds it.
static bool has(const struct operand *o, enum test_op how, const struct operand *part, enum test_op op)
{
	if (op == TEST_PREFIX)
		return (how == TEST_IS || how == op) && o->len >= part->len && !memcmp(o->p, part->p, part->len);
	if (op == TEST_SUFFIX)
		return (how == TEST_IS || how == op) && ends(o, part);
	return memmem(o->p, o->len, part->p, part->len) != NULL;
}

static bool leaf_within(enum field f, const struct test *b, const struct test *a, uint64_t *steps)
{
	uint32_t nb = nextents(b), na = nextents(a);
	if (b->nocase || a->nocase)
		return false;
	if (is_text(a) && is_text(b))
		return has(&b->operand, b->op, &a->operand, a->op);
	for (uint32_t i = 0; i < nb; i++) {
		struct extent x = extent_of(f, b, i);
		bool found = is_text(a) && x.kind == TEXT && has(x.o, TEST_IS, &a->operand, a->op);
		for (uint32_t k = 0; k < na && !found && *steps; k++, --*steps) {
			struct extent y = extent_of(f, a, k);
			found = extent_within(&x, &y);
		}
		if (!found)
			return false;
	}
	return nb > 0;
}

// Every value that satisfies b satisfies a.
static bool within(enum field f, const struct test *b, const struct test *a, uint64_t *steps)
{
	bool any = false, all = true;
	if (!*steps)
		return false;
	--*steps;
	if (b->op == TEST_ANY) {
		for (uint32_t i = 0; i < b->nchildren && all; i++)
			all = within(f, b->child[i], a, steps);
		return b->nchildren && all;
	}
	if (a->op == TEST_ALL) {
		for (uint32_t i = 0; i < a->nchildren && all; i++)
			all = within(f, b, a->child[i], steps);
		return a->nchildren && all;
	}
	const struct test *list = a->op == TEST_ANY ? a : b->op == TEST_ALL ? b : NULL;
	if (!list)
		return leaf_within(f, b, a, steps);
	for (uint32_t i = 0; i < list->nchildren && !any; i++)
		any = list == a ? within(f, b, list->child[i], steps) : within(f, list->child[i], a, steps);
	if (!any && list == a && b->op == TEST_ALL)
		for (uint32_t i = 0; i < b->nchildren && !any; i++)
			any = within(f, b->child[i], a, steps);
	return any;
}

// ---- tests of all values of a field ----------------------------------------------------------------------------

static bool positive(const struct test *t)
{
	for (uint32_t i = 0; i < t->nchildren; i++)
		if (!positive(t->child[i]))
			return false;
	return t->op != TEST_NOT && t->op != TEST_PRESENT;
}

static bool test_implies(enum field f, const struct test *c, const struct test *above, bool strict, uint64_t *steps)
{
	bool all = c->op == TEST_ANY && c->nchildren && !strict, any = false;
	if (above->op == TEST_PRESENT)
		return above->present && (positive(c) || c->op == TEST_NOT || (c->op == TEST_PRESENT && c->present));
	if (c->op == TEST_NOT && above->op == TEST_NOT)
		return positive(c->child[0]) && positive(above->child[0]) &&
		       within(f, above->child[0], c->child[0], steps);
	if (positive(c) && positive(above))
		return within(f, c, above, steps);
	for (uint32_t i = 0; i < c->nchildren && all; i++)
		all = test_implies(f, c->child[i], above, strict, steps);
	for (uint32_t i = 0; i < above->nchildren && !all && !any && above->op == TEST_ANY; i++)
		any = test_implies(f, c, above->child[i], strict, steps);
	return all || any;
}

// ---- conditions ------------------------------------------------------------------------------------------------

static bool field_implies(const struct condition *c, const struct condition *above, bool strict, uint64_t *steps)
{
	if (c->field != above->field || c->field == FIELD_TAG || c->field == FIELD_TIME)
		return false;
	if (c->header && strcmp(c->header, above->header))
		return false;
	return test_implies(c->field, c->test, above->test, strict && field_table[c->field].type == FIELD_TYPE_NAME,
			    steps);
}

bool lint_implies(const struct condition *c, const struct condition *above, bool strict, uint64_t *steps)
{
	bool all = true, any = false;
	if (!*steps)
		return false;
	--*steps;
	if (above->kind == CONDITION_ALL) {
		for (uint32_t i = 0; i < above->nchildren && all; i++)
			all = lint_implies(c, above->child[i], strict, steps);
		return above->nchildren && all;
	}
	if (c->kind == CONDITION_ANY) {
		for (uint32_t i = 0; i < c->nchildren && all; i++)
			all = lint_implies(c->child[i], above, strict, steps);
		return c->nchildren && all;
	}
	for (uint32_t i = 0; i < above->nchildren && !any; i++)
		any = lint_implies(c, above->child[i], strict, steps);
	for (uint32_t i = 0; i < c->nchildren && !any; i++)
		any = lint_implies(c->child[i], above, strict, steps);
	if (c->kind == CONDITION_FIELD && above->kind == CONDITION_FIELD)
		return field_implies(c, above, strict, steps);
	return any;
}
