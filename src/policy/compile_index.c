// SPDX-License-Identifier: BSD-3-Clause
//
// How workers find the rules that a value may make true, without asking the rest (docs/architecture.md, "How a verdict
// is found"). Each rule is a conjunction; its conditions are cheap (addresses, ports, numbers, words, the method) or
// heavy (names, strings, payload). A rule with a heavy condition that has keys lives in the index under these keys; the
// cheap part stands once for all rules that share it (a class), and lives in the index itself where it has keys.
//
// A key of a condition: a value that makes the condition true has at least one of its keys. So a rule whose field is
// known, and which no key led to, is false. `not` and `present` have no keys.
#include <stdlib.h>
#include <string.h>

#include "path/rules_hash.h"
#include "policy/compile_in.h"

struct key {
	uint8_t space, field;
	bool regex; // of KEY_PATTERN: at is the node, whose pattern exists already
	uint64_t hash;
	const struct node *node, *on; // KEY_PATTERN that has to be made
};

struct keys {
	struct key *list;
	uint32_t n;
};

static bool heavy_field(unsigned field)
{
	uint8_t t = compile_field_types[field];
	return field == FIELD_TAG || t == FIELD_TYPE_NAME || t == FIELD_TYPE_BYTES ||
	       (t == FIELD_TYPE_STR && field != FIELD_HTTP_METHOD);
}

// ---- what a condition is ----

static uint64_t fields_of(const struct node *n)
{
	uint64_t mask = 0;
	for (uint32_t i = 0; i < n->end; i++)
		if (n[i].op == NODE_FIELD)
			mask |= 1ull << n[i].field;
	return mask;
}

static uint64_t heavy_of(uint64_t fields)
{
	uint64_t mask = 0;
	for (unsigned f = 0; f < FIELD_COUNT; f++)
		if (fields >> f & 1 && heavy_field(f))
			mask |= 1ull << f;
	return mask;
}

static bool has_op(const struct node *n, enum node_op op)
{
	for (uint32_t i = 0; i < n->end; i++)
		if (n[i].op == op)
			return true;
	return false;
}

// an empty conjunction or list somewhere: true or false whatever is known
static bool has_empty(const struct node *n)
{
	for (uint32_t i = 0; i < n->end; i++)
		if (n[i].end == 1 && (n[i].op == NODE_ALL || n[i].op == NODE_ANY || n[i].op == NODE_TEST_ALL ||
				      n[i].op == NODE_TEST_ANY))
			return true;
	return false;
}

// ---- keys ----

static void add_key(struct keys *k, struct key key)
{
	k->list = compile_grow(k->list, k->n, sizeof(key));
	k->list[k->n++] = key;
}

// A range of numbers as blocks of 2^n, aligned: at most two of each size.
static bool add_range(const struct compiler *c, struct keys *k, unsigned field, uint64_t low, uint64_t high)
{
	if (high > UINT32_MAX || low > high)
		return false;
	while (low <= high) {
		unsigned n = low ? __builtin_ctzll(low) : 32;
		while (low + (1ull << n) - 1 > high)
			n--;
		c->rs->blocks |= 1ull << n;
		add_key(k,
			(struct key){.space = KEY_NUM, .field = field, .hash = rules_hash_block(c->rs->seed, low, n)});
		low += 1ull << n;
	}
	return true;
}

static void add_suffix(const struct compiler *c, struct keys *k, unsigned field, const struct node *n)
{
	unsigned i = RULES_SUFFIXES;
	while (i > 0 && rules_suffix[i - 1] > n->len)
		i--;
	uint32_t len = rules_suffix[i - 1];
	const uint8_t *p = c->rs->bytes + n->at + n->len - len;
	c->rs->suffixes |= 1ull << (i - 1);
	add_key(k, (struct key){.space = KEY_SUFFIX, .field = field, .hash = rules_hash(c->rs->seed, p, len)});
}

static bool set_keys(const struct compiler *c, unsigned field, uint32_t set, struct keys *k)
{
	const struct ruleset_set *s = &c->rs->sets[set];
	c->rs->set_fields[s->kind] |= 1ull << field;
	add_key(k, (struct key){.space = KEY_SET, .field = field, .hash = rules_mix(c->rs->seed, set)});
	if (s->kind != SET_KIND_PORT) // else it is found by itself only where it was changed
		return true;
	for (uint32_t i = s->first; i < s->first + s->n; i++)
		add_range(c, k, field, c->rs->ports[i].low, c->rs->ports[i].high);
	return true;
}

static bool test_keys(const struct compiler *c, const struct node *on, const struct node *n, struct keys *k);

// a list: the keys of each, if each has some
static bool any_keys(const struct compiler *c, const struct node *on, const struct node *n, struct keys *k)
{
	for (const struct node *child = n + 1; child < n + n->end; child += child->end)
		if (!test_keys(c, on, child, k))
			return false;
	return n->end > 1;
}

static unsigned cost(const struct key *k)
{
	static const uint8_t costs[KEY_SPACES] = {
		[KEY_BYTES] = 1, [KEY_NUM] = 3, [KEY_NET] = 2, [KEY_SUFFIX] = 2, [KEY_SET] = 2, [KEY_PATTERN] = 6};
	return k->space == KEY_PATTERN && k->regex ? 5 : costs[k->space];
}

// The better ones are kept, the others are freed by who looks for them.
static void swap(struct keys *best, struct keys *one)
{
	struct keys last = *best;
	*best = *one;
	*one = last;
}

static unsigned worst(const struct keys *k)
{
	unsigned w = 0;
	for (uint32_t i = 0; i < k->n; i++)
		w = cost(&k->list[i]) > w ? cost(&k->list[i]) : w;
	return w;
}

// several tests of one value: the keys of the best
static bool all_keys(const struct compiler *c, const struct node *on, const struct node *n, struct keys *k)
{
	struct keys best = {0};
	bool some = false;
	for (const struct node *child = n + 1; child < n + n->end; child += child->end) {
		struct keys one = {0};
		if (test_keys(c, on, child, &one) && (!some || worst(&one) < worst(&best))) {
			swap(&best, &one);
			some = true;
		}
		free(one.list);
	}
	for (uint32_t i = 0; i < best.n; i++)
		add_key(k, best.list[i]);
	free(best.list);
	return some;
}

static bool test_keys(const struct compiler *c, const struct node *on, const struct node *n, struct keys *k)
{
	unsigned field = on->field;
	uint8_t type = compile_field_types[field];
	const uint8_t *p = c->rs->bytes + n->at;
	struct key pattern = {.space = KEY_PATTERN, .field = field, .node = n, .on = on};
	bool heavy = heavy_field(field); // only heavy fields are looked through for the sake of an index
	switch ((enum node_op)n->op) {
	case NODE_NUM:
		return add_range(c, k, field, n->low, n->high);
	case NODE_ADDR:
		compile_bits(c->rs->key_bits, &c->rs->key_128, n->len, n->bits);
		add_key(k, (struct key){.space = KEY_NET,
					.field = field,
					.hash = rules_hash_net(c->rs->seed, p, n->len, n->bits)});
		return true;
	case NODE_EQUAL:
		if (type == FIELD_TYPE_BYTES)
			return false;
		add_key(k, (struct key){.space = KEY_BYTES,
					.field = field,
					.hash = rules_hash_lower(c->rs->seed, p, n->len)});
		return true;
	case NODE_SET:
		return set_keys(c, field, n->at, k);
	case NODE_SUFFIX:
		if (type == FIELD_TYPE_NAME && n->len && !n->nocase) {
			add_suffix(c, k, field, n);
			return true;
		}
		// fall through
	case NODE_PREFIX:
	case NODE_CONTAINS:
		if (heavy && n->len)
			add_key(k, pattern);
		return heavy && n->len;
	case NODE_PATTERN:
		pattern.regex = true;
		if (heavy)
			add_key(k, pattern);
		return heavy;
	case NODE_TEST_ANY:
		return any_keys(c, on, n, k);
	case NODE_TEST_ALL:
		return all_keys(c, on, n, k);
	default:
		return false;
	}
}

// Of a condition about one field, also of a disjunction of such.
static bool condition_keys(const struct compiler *c, const struct node *n, struct keys *k)
{
	uint64_t fields = fields_of(n);
	if (!fields || fields & (fields - 1) || has_empty(n) || fields >> FIELD_TAG & 1)
		return false;
	if (n->op == NODE_FIELD)
		return test_keys(c, n, n + 1, k);
	for (const struct node *child = n + 1; child < n + n->end; child += child->end)
		if (child->op != NODE_FIELD || !test_keys(c, child, child + 1, k))
			return false;
	return n->op == NODE_ANY;
}

// ---- rules and their classes ----

struct part { // of a conjunction
	uint32_t node;
	uint64_t fields;
};

struct sorted { // a key with whom it leads to
	uint64_t key;
	uint32_t target;
};

struct index {
	struct compiler *c;
	struct part *parts;
	uint32_t nparts;
	struct sorted *sorted;
	uint32_t nsorted;
	struct slots classes; // by what a class is
	uint32_t nmade;
	struct {
		uint32_t rule, class;
	} * members;
	uint32_t nmembers, classes_size;
	struct keys *class_keys;
};

static void flatten(struct index *x, uint32_t node)
{
	const struct node *n = &x->c->rs->nodes[node];
	if (n->op != NODE_ALL) {
		x->parts = compile_grow(x->parts, x->nparts, sizeof(*x->parts));
		x->parts[x->nparts++] = (struct part){node, fields_of(n)};
		return;
	}
	for (uint32_t i = 1; i < n->end; i += x->c->rs->nodes[node + i].end)
		flatten(x, node + i);
}

static void target(struct index *x, const struct keys *k, uint32_t to)
{
	struct compiler *c = x->c;
	for (uint32_t i = 0; i < k->n; i++) {
		struct key key = k->list[i];
		if (key.space == KEY_PATTERN) {
			uint32_t buffer = key.regex ? key.node->len : 0, id = key.regex ? key.node->at : 0;
			if (!key.regex)
				id = compile_literal(c, key.on, key.node, &buffer);
			key.hash = rules_mix(c->rs->seed, (uint64_t)buffer << 32 | id);
		}
		c->rs->asked |= 1ull << key.field;
		c->rs->keyed[key.space] |= 1ull << key.field;
		x->sorted = compile_grow(x->sorted, x->nsorted, sizeof(*x->sorted));
		x->sorted[x->nsorted++] = (struct sorted){rules_key(key.hash, key.space, key.field), to};
	}
}

// the cheap parts as one tree of their own, at the end of the nodes
static uint32_t residual(struct index *x, uint64_t cheap_parts)
{
	struct ruleset *rs = x->c->rs;
	uint32_t first = rs->nnodes, len = 1;
	if (!cheap_parts)
		return RULES_NONE;
	rs->nodes = compile_grow(rs->nodes, rs->nnodes, sizeof(*rs->nodes));
	rs->nodes[rs->nnodes++] = (struct node){.op = NODE_ALL};
	for (uint32_t i = 0; i < x->nparts && i < 64; i++) {
		if (!(cheap_parts >> i & 1))
			continue;
		uint32_t from = x->parts[i].node, n = rs->nodes[from].end;
		for (uint32_t k = 0; k < n; k++) {
			rs->nodes = compile_grow(rs->nodes, rs->nnodes, sizeof(*rs->nodes));
			rs->nodes[rs->nnodes++] = rs->nodes[from + k];
		}
		len += n;
	}
	rs->nodes[first].end = len;
	return first;
}

static bool same_class(const struct ruleset *rs, const struct ruleset_class *a, const struct ruleset_class *b)
{
	if (a->heavy != b->heavy || a->expires_ns != b->expires_ns || a->schedule != b->schedule ||
	    a->outcome != b->outcome || a->kind != b->kind || a->index != b->index || a->shadow != b->shadow ||
	    a->ends != b->ends || a->allows != b->allows || a->simple != b->simple || a->strict != b->strict)
		return false;
	if (a->residual == RULES_NONE || b->residual == RULES_NONE)
		return a->residual == b->residual;
	const struct node *x = &rs->nodes[a->residual], *y = &rs->nodes[b->residual];
	return x->end == y->end && !memcmp(x, y, x->end * sizeof(*x));
}

static uint64_t class_hash(const struct ruleset *rs, const struct ruleset_class *k)
{
	uint64_t h = rules_mix(k->heavy, (uint64_t)k->outcome << 16 | k->kind << 8 | k->index);
	if (k->residual == RULES_NONE)
		return h;
	const struct node *n = &rs->nodes[k->residual];
	return rules_hash(h, (const uint8_t *)n, n->end * sizeof(*n));
}

// The class of this kind, made where there is none.
static uint32_t class_of(struct index *x, struct ruleset_class made)
{
	struct ruleset *rs = x->c->rs;
	uint64_t hash = class_hash(rs, &made);
	uint32_t i = (uint32_t)hash & x->classes.mask, at;
	while ((at = rules_find(&x->classes, hash, &i)) != RULES_NONE)
		if (same_class(rs, &rs->classes[at], &made)) {
			if (made.residual != RULES_NONE) // the copy is not needed
				rs->nnodes = made.residual;
			return at;
		}
	rs->classes = compile_grow(rs->classes, rs->nclasses, sizeof(made));
	rs->classes[rs->nclasses] = made;
	compile_slot(&x->classes, hash, rs->nclasses);
	return rs->nclasses++;
}

// keys for the class itself: those of its best cheap part
static bool class_keys(struct index *x, uint64_t cheap_parts, struct keys *best, unsigned *field)
{
	bool some = false;
	unsigned found = 0;
	for (uint32_t i = 0; i < x->nparts && i < 64; i++) {
		struct keys one = {0};
		if (!(cheap_parts >> i & 1))
			continue;
		const struct node *n = &x->c->rs->nodes[x->parts[i].node];
		unsigned f = __builtin_ctzll(x->parts[i].fields | 1ull << 63), rank;
		// addresses tell more than ports, ports more than protocols
		rank = compile_field_types[f] == FIELD_TYPE_ADDR   ? 3
		       : compile_field_types[f] == FIELD_TYPE_PORT ? 2
								   : 1;
		if (condition_keys(x->c, n, &one) && (!some || rank > found)) {
			swap(best, &one);
			some = true;
			found = rank;
			*field = f;
		}
		free(one.list);
	}
	return some;
}

// the heavy part by which the rule is found: a holdable field before others, cheap keys before patterns
static int best_part(struct index *x, uint64_t heavy_parts, struct keys *best)
{
	int found = -1;
	unsigned least = 0;
	for (uint32_t i = 0; i < x->nparts && i < 64; i++) {
		struct keys one = {0};
		if (!(heavy_parts >> i & 1))
			continue;
		bool some = condition_keys(x->c, &x->c->rs->nodes[x->parts[i].node], &one);
		unsigned w = worst(&one) + (x->parts[i].fields & compile_holdable ? 0 : 10);
		if (some && (found < 0 || w < least)) {
			swap(best, &one);
			found = i;
			least = w;
		}
		free(one.list);
	}
	return found;
}

static void into_class(struct index *x, uint32_t rule, struct ruleset_class made, uint64_t cheap_parts)
{
	struct ruleset *rs = x->c->rs;
	uint32_t before = rs->nclasses;
	made.residual = residual(x, cheap_parts);
	uint32_t class = class_of(x, made);
	x->members = compile_grow(x->members, x->nmembers, sizeof(*x->members));
	x->members[x->nmembers].rule = rule;
	x->members[x->nmembers++].class = class;
	rs->classes[class].n++;
	if (before == rs->nclasses)
		return;
	struct keys k = {0};
	unsigned field = FIELD_COUNT;
	if (class_keys(x, cheap_parts, &k, &field)) {
		target(x, &k, TARGET_CLASS | class);
		rs->asked |= 1ull << field; // also where an empty set has no key
	}
	x->c->class_field = compile_grow(x->c->class_field, class, 1);
	x->c->class_field[class] = field;
	free(k.list);
}

static void index_rule(struct index *x, uint32_t i)
{
	struct ruleset *rs = x->c->rs;
	const struct ruleset_rule *r = &rs->rules[i];
	uint64_t cheap = 0, heavy = 0, fields = 0;
	bool plain = false;
	struct keys keys = {0};
	x->nparts = 0;
	if (r->disabled)
		return;
	if (r->node != RULES_NONE)
		flatten(x, r->node);
	for (uint32_t k = 0; k < x->nparts; k++) {
		const struct node *n = &rs->nodes[x->parts[k].node];
		uint64_t f = x->parts[k].fields, h = heavy_of(f);
		bool odd = has_empty(n) || f == 0 || k >= 64;
		if (!odd && h == 0) {
			cheap |= 1ull << k;
			continue;
		}
		plain |= odd || h != f || f >> FIELD_TAG & 1; // not unknown as a whole while its fields are
		fields |= f;
		heavy |= odd ? 0 : 1ull << k;
	}
	struct ruleset_class made = {.heavy = fields,
				     .expires_ns = r->expires_ns,
				     .schedule = r->schedule,
				     .outcome = r->outcome,
				     .kind = heavy || plain ? CLASS_PLAIN : CLASS_CHEAP,
				     .index = FIELD_COUNT,
				     .shadow = r->shadow,
				     .ends = r->ends,
				     .allows = r->action == ACTION_ALLOW};
	plain |= rs->sees_tags && r->action == ACTION_TAG; // also where unknown, they matter to rules below
	int part = plain || !heavy ? -1 : best_part(x, heavy, &keys);
	if (part >= 0) {
		const struct node *n = &rs->nodes[x->parts[part].node];
		made.kind = CLASS_INDEXED;
		made.index = __builtin_ctzll(x->parts[part].fields);
		made.strict = r->strict && compile_field_types[made.index] == FIELD_TYPE_NAME;
		made.simple = heavy == 1ull << part && !has_op(n, NODE_TEST_NOT);
		target(x, &keys, i);
	}
	if (part < 0 || r->ends) // others are never true before their index is asked
		into_class(x, i, made, cheap);
	free(keys.list);
}

// ---- the tables ----

static int by_key(const void *a, const void *b)
{
	const struct sorted *x = a, *y = b;
	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return (x->target > y->target) - (x->target < y->target);
}

static void lists(struct index *x)
{
	struct ruleset *rs = x->c->rs;
	uint32_t n = 0;
	if (x->nsorted)
		qsort(x->sorted, x->nsorted, sizeof(*x->sorted), by_key);
	for (uint32_t i = 0; i < x->nsorted; i++)
		n += i == 0 || x->sorted[i].key != x->sorted[i - 1].key;
	rs->lists = malloc((x->nsorted + n + 1) * sizeof(*rs->lists));
	if (!rs->lists)
		abort();
	if (n)
		compile_slots(&rs->index, n);
	for (uint32_t i = 0, end; i < x->nsorted; i = end) {
		uint32_t at = rs->nlists++;
		compile_slot(&rs->index, x->sorted[i].key, at);
		for (end = i; end < x->nsorted && x->sorted[end].key == x->sorted[i].key; end++)
			if (end == i || x->sorted[end].target != x->sorted[end - 1].target)
				rs->lists[rs->nlists++] = x->sorted[end].target;
		rs->lists[at] = rs->nlists - at - 1;
	}
}

static void class_lists(struct index *x)
{
	struct ruleset *rs = x->c->rs;
	uint32_t at = 0;
	rs->class_rules = calloc(x->nmembers + 1, sizeof(uint32_t));
	rs->always = calloc(rs->nclasses + 1, sizeof(uint32_t));
	rs->of_field = calloc(rs->nclasses + 1, sizeof(uint32_t));
	if (!rs->class_rules || !rs->always || !rs->of_field)
		abort();
	for (uint32_t i = 0; i < rs->nclasses; i++) {
		rs->classes[i].first = at;
		at += rs->classes[i].n;
		rs->classes[i].n = 0;
		if (x->c->class_field[i] == FIELD_COUNT)
			rs->always[rs->nalways++] = i;
	}
	for (uint32_t i = 0; i < x->nmembers; i++) {
		struct ruleset_class *k = &rs->classes[x->members[i].class];
		rs->class_rules[k->first + k->n++] = x->members[i].rule;
	}
	at = 0;
	for (unsigned f = 0; f < FIELD_COUNT; f++) {
		rs->of_first[f] = at;
		for (uint32_t i = 0; i < rs->nclasses; i++)
			if (x->c->class_field[i] == f)
				rs->of_field[at++] = i;
	}
	rs->of_first[FIELD_COUNT] = at;
}

void compile_index(struct compiler *c)
{
	struct index x = {.c = c};
	for (uint32_t i = 0; i < c->rs->nnodes; i++)
		c->rs->sees_tags |= c->rs->nodes[i].op == NODE_FIELD && c->rs->nodes[i].field == FIELD_TAG;
	compile_slots(&x.classes, c->rs->nrules + 1);
	for (uint32_t i = 0; i < c->rs->nrules; i++)
		index_rule(&x, i);
	lists(&x);
	class_lists(&x);
	free(x.parts);
	free(x.sorted);
	free(x.classes.slot);
	free(x.members);
	free(c->class_field);
}
