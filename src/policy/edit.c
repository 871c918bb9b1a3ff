// SPDX-License-Identifier: BSD-3-Clause
//
// One item more or less in a set of the policy in force, without a compile. In: names as somebody typed them; out: the
// same item as the policy's own text would have it, in the rule set's delta (path/delta.h), where workers see it at
// once. Takes microseconds, whatever the size of the set. Off the path.
//
// What is added and taken out are items, not values: an item is equal to one of the policy when it is written alike
// once both are normal. So `set del gambling www.casino.example` does not except that name from `casino.example`; it
// says that there is no such item, and which one has the name.
#include "policy/edit.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/word.h"
#include "path/delta.h"
#include "path/policy_set.h"
#include "policy/arena.h"
#include "policy/set.h"

#define ITEM_MAX 8192 // no value is longer

struct asked {
	const struct policy *policy;
	struct ruleset *rs;
	const struct set *set;
	struct delta_item like;
	const uint8_t *text;
	uint16_t ports[2];
	uint64_t key;
};

static int wrong(struct edit *e, int rc, const char *format, ...) __attribute__((format(printf, 3, 4)));
static int wrong(struct edit *e, int rc, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(e->why, sizeof(e->why), format, args);
	va_end(args);
	return rc;
}

static const struct set *find_set(const struct policy *p, const char *name, struct edit *e)
{
	const char *near = NULL;
	for (uint32_t i = 0; i < p->nsets; i++)
		if (!strcmp(p->sets[i].name, name))
			return &p->sets[i];
	for (uint32_t i = 0; i < p->nsets && i < 1000 && !near; i++)
		near = word_near(&p->sets[i].name, 1, name, strlen(name));
	if (p->nsets == 0)
		wrong(e, 0, "the policy in force has no sets");
	else if (near)
		wrong(e, 0, "no set is called \"%.80s\" (did you mean \"%.80s\"?)", name, near);
	else
		wrong(e, 0, "no set is called \"%.80s\": `show sets` lists them", name);
	return NULL;
}

static void port_ends(const struct set_item *i, uint16_t ends[2])
{
	uint64_t high = i->operand.num_high > i->operand.num ? i->operand.num_high : i->operand.num;
	ends[0] = (uint16_t)i->operand.num;
	ends[1] = (uint16_t)(high > UINT16_MAX ? UINT16_MAX : high);
}

// An item as the delta has it.
static void describe(struct asked *k, const struct set_item *i)
{
	const struct operand *o = &i->operand;
	k->like = (struct delta_item){.set = (uint32_t)(k->set - k->policy->sets), .len = (uint16_t)o->len};
	k->like.bits = k->set->type == SET_NET ? o->bits : i->exact;
	k->text = o->p;
	if (k->set->type == SET_PORT) {
		port_ends(i, k->ports);
		k->text = (const uint8_t *)k->ports;
		k->like.len = sizeof(k->ports);
	}
	k->key = policy_set_key(k->rs, k->like.set, k->text, k->like.len, k->like.bits);
}

static int read_item(struct asked *k, struct arena *a, const char *item, struct edit *e)
{
	struct set_item made = {0};
	const char *why = NULL;
	size_t len = strlen(item);
	if (len > ITEM_MAX)
		return wrong(e, -EINVAL, "longer than a value can be (%u)", ITEM_MAX);
	if (!set_item(a, k->set->type, arena_text(a, item, len), (uint32_t)len, &made, &why))
		return wrong(e, -EINVAL, "\"%.80s\" is no item of the %s set \"%.80s\": %s", item,
			     set_type_names[k->set->type], k->set->name, why);
	if (why)
		wrong(e, 0, "\"%.80s\" %s", item, why);
	describe(k, &made);
	return 0;
}

// ---- ports -------------------------------------------------------------------------------------------------------

static void fill(uint64_t *bits, const uint16_t ends[2])
{
	for (uint32_t i = ends[0]; i <= ends[1]; i++)
		bits[i / 64] |= 1ull << i % 64;
}

static bool compiled(const struct asked *k)
{
	if (k->set->type != SET_PORT)
		return policy_set_compiled(k->rs, k->like.set, k->text, k->like.len, k->like.bits);
	for (uint32_t i = 0; i < k->set->nitems; i++) {
		uint16_t ends[2];
		port_ends(&k->set->items[i], ends);
		if (!memcmp(ends, k->ports, sizeof(ends)))
			return true;
	}
	return false;
}

// All ports of the set, as it will be.
static void all_ports(const struct asked *k, const struct delta_item *turning, bool add, uint64_t *bits)
{
	const struct delta *d = k->rs->delta;
	struct delta_item like = k->like;
	uint16_t ends[2];
	for (uint32_t i = 0; i < k->set->nitems; i++) {
		port_ends(&k->set->items[i], ends);
		uint64_t key = policy_set_key(k->rs, like.set, (uint8_t *)ends, sizeof(ends), 0);
		if (!delta_find(d, key, &like, (uint8_t *)ends))
			fill(bits, ends);
	}
	for (uint32_t i = 0; i < d->n; i++) {
		if (d->item[i].set != like.set || !(&d->item[i] == turning ? add : delta_in(&d->item[i])))
			continue;
		memcpy(ends, d->text + d->item[i].at, sizeof(ends));
		fill(bits, ends);
	}
}

static bool turn_ports(const struct asked *k, const struct delta_item *item, bool add)
{
	uint64_t *bits = calloc(65536 / 64, sizeof(*bits));
	bool done = false;
	if (bits) {
		all_ports(k, item, add, bits);
		done = delta_ports(k->rs->delta, k->like.set, bits);
	}
	free(bits);
	return done;
}

// ---- one item ----------------------------------------------------------------------------------------------------

static bool has_value(const struct asked *k)
{
	struct fact_value v = {.p = k->text, .len = k->like.len};
	if (k->set->type == SET_PORT || (k->set->type == SET_NET && k->like.bits != k->like.len * 8))
		return false;
	return policy_set_has(k->rs, k->like.set, &v, false);
}

static int absent(const struct asked *k, const char *item, struct edit *e)
{
	const char *hint = has_value(k) ? "; another item of it has that value (`explain` names it)" : "";
	return wrong(e, -ENOENT, "\"%.80s\" is no item of the set \"%.80s\"%s", item, k->set->name, hint);
}

static int turn(struct asked *k, const char *text, bool add, struct edit *e)
{
	struct delta *d = k->rs->delta;
	const struct delta_item *known = delta_find(d, k->key, &k->like, k->text);
	k->like.compiled = known ? known->compiled : compiled(k);
	if ((known ? delta_in(known) : k->like.compiled) == add)
		return add ? 0 : absent(k, text, e);
	struct delta_item *item = delta_put(d, k->key, &k->like, k->rs->sets[k->like.set].kind, k->text);
	if (!item)
		return wrong(e, -ENOSPC,
			     "%u items of this policy's sets were changed since it was loaded, more there is no room "
			     "for: write them into the sets' files and load the policy again",
			     d->n);
	if (k->set->type == SET_PORT && !turn_ports(k, item, add))
		return wrong(e, -ENOMEM, "no memory for the changed ports of \"%.80s\"", k->set->name);
	delta_turn(d, item, add, k->rs->sets[k->like.set].fields);
	e->changed = true;
	return 0;
}

int edit_set(const struct policy *p, struct ruleset *rs, const char *set, const char *item, bool add, struct edit *e)
{
	struct asked k = {.policy = p, .rs = rs};
	struct arena a = {0};
	*e = (struct edit){0};
	if (!(k.set = find_set(p, set, e)))
		return -EINVAL;
	int rc = read_item(&k, &a, item, e);
	if (rc == 0)
		rc = turn(&k, item, add, e);
	if (rc == 0)
		e->now = edit_counts(p, rs, k.like.set);
	arena_free(&a);
	return rc;
}

bool edit_removed(const struct policy *p, const struct ruleset *rs, const struct set *set, const struct set_item *i)
{
	struct asked k = {.policy = p, .rs = (struct ruleset *)(uintptr_t)rs, .set = set};
	if (!rs->delta)
		return false;
	describe(&k, i);
	const struct delta_item *item = delta_find(rs->delta, k.key, &k.like, k.text);
	return item && !delta_in(item);
}

struct edit_counts edit_counts(const struct policy *p, const struct ruleset *rs, uint32_t set)
{
	const struct delta_set *s = rs->delta ? &rs->delta->sets[set] : &(struct delta_set){0};
	return (struct edit_counts){p->sets[set].nitems, s->in, s->out};
}
