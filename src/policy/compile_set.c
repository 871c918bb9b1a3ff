// SPDX-License-Identifier: BSD-3-Clause
//
// The members of all sets in one table, as src/path/policy_set.c looks them up; ports as ranges in order.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "path/rules_hash.h"
#include "policy/compile_in.h"

void compile_slots(struct slots *t, uint32_t n)
{
	uint32_t size = 16;
	while (size * 3ul / 4 < n)
		size *= 2;
	t->slot = malloc(size * sizeof(*t->slot));
	if (!t->slot)
		abort();
	memset(t->slot, 0xff, size * sizeof(*t->slot));
	t->mask = size - 1;
}

void compile_slot(struct slots *t, uint64_t key, uint32_t at)
{
	uint32_t i = (uint32_t)key & t->mask;
	while (t->slot[i].at != RULES_NONE)
		i = (i + 1) & t->mask;
	t->slot[i] = (struct slot){key >> 32, at};
	t->n++;
}

void compile_bits(uint64_t bits[3], uint8_t *whole, uint32_t len, uint32_t n)
{
	if (len == 4)
		bits[0] |= 1ull << n;
	else if (n == 128)
		*whole = 1;
	else
		bits[1 + n / 64] |= 1ull << n % 64;
}

static int by_low(const void *a, const void *b)
{
	const struct port_range *x = a, *y = b;
	return x->low != y->low ? (x->low > y->low) - (x->low < y->low) : (x->high > y->high) - (x->high < y->high);
}

static void ports(struct compiler *c, const struct set *set, struct ruleset_set *made)
{
	struct ruleset *rs = c->rs;
	made->first = rs->nports;
	for (uint32_t i = 0; i < set->nitems; i++) {
		const struct operand *o = &set->items[i].operand;
		uint64_t high = o->num_high > o->num ? o->num_high : o->num;
		rs->ports = compile_grow(rs->ports, rs->nports, sizeof(*rs->ports));
		rs->ports[rs->nports++] = (struct port_range){o->num, high > UINT16_MAX ? UINT16_MAX : high};
	}
	if (rs->nports == made->first)
		return;
	struct port_range *list = rs->ports + made->first;
	uint32_t n = rs->nports - made->first, last = 0;
	qsort(list, n, sizeof(*list), by_low);
	for (uint32_t i = 1; i < n; i++) {
		if (list[i].low > list[last].high)
			list[++last] = list[i];
		else if (list[i].high > list[last].high)
			list[last].high = list[i].high;
	}
	made->n = last + 1;
}

static void member(struct compiler *c, uint32_t set, const struct set_item *item, enum set_kind kind)
{
	struct ruleset *rs = c->rs;
	const struct operand *o = &item->operand;
	struct set_member m = {.set = set, .len = o->len, .bits = o->bits};
	uint64_t key;
	if (o->len > UINT16_MAX) {
		snprintf(c->error, c->size, "a member of set %s is longer than %u bytes", c->policy->sets[set].name,
			 UINT16_MAX);
		c->failed = true;
		return;
	}
	if (kind == SET_KIND_NET) {
		compile_bits(rs->set_bits, &rs->set_128, o->len, o->bits);
		key = rules_hash_net(rs->seed, o->p, o->len, o->bits);
	} else {
		key = rules_hash_lower(~rs->seed, o->p, o->len);
	}
	m.at = compile_bytes(c, o->p, o->len, false);
	rs->member[rs->nmember] = m;
	compile_slot(&rs->members, key, rs->nmember++);
}

static bool in_members(enum set_kind kind)
{
	return kind == SET_KIND_NET || kind == SET_KIND_STRING;
}

// What stays as it is while rules change: made once for a policy's sets, freed with the last rule set that has it.
struct ruleset_tables {
	uint32_t refs; // rule sets are made and freed by one thread
	const struct set *of;
	uint64_t seed;
	struct set_member *member;
	struct slots members;
	struct names names;
	struct port_range *ports;
	uint8_t *bytes;
};

void compile_tables_free(struct ruleset_tables *t)
{
	if (!t || --t->refs)
		return;
	free(t->member);
	free(t->members.slot);
	compile_names_free(&t->names);
	free(t->ports);
	free(t->bytes);
	free(t);
}

static void keep(struct compiler *c)
{
	struct ruleset *rs = c->rs;
	struct ruleset_tables *t = rs->tables = malloc(sizeof(*t));
	if (!t)
		abort();
	*t = (struct ruleset_tables){1,           c->policy->sets, rs->seed,  rs->member,
				     rs->members, rs->names,       rs->ports, rs->bytes};
	rs->member_bytes = rs->bytes;
	rs->bytes = NULL; // rules have their own
	rs->nbytes = 0;
	free(c->slots);
	c->slots = NULL;
	c->nslots = c->ninterned = c->capbytes = 0;
}

static bool take(struct ruleset *rs, const struct ruleset *from, const struct set *of)
{
	struct ruleset_tables *t = from ? from->tables : NULL;
	if (!t || t->of != of || t->seed != rs->seed || !of)
		return false;
	t->refs++;
	rs->tables = t;
	rs->member = t->member;
	rs->nmember = from->nmember;
	rs->members = t->members;
	rs->names = t->names;
	rs->ports = t->ports;
	rs->nports = from->nports;
	rs->member_bytes = t->bytes;
	memcpy(rs->set_bits, from->set_bits, sizeof(rs->set_bits));
	rs->set_128 = from->set_128;
	for (uint32_t i = 0; i < rs->nsets; i++) {
		rs->sets[i] = from->sets[i];
		rs->sets[i].fields = 0; // other rules ask
	}
	return true;
}

void compile_sets(struct compiler *c)
{
	static const uint8_t kinds[SET_TYPES] = {SET_KIND_NET,  SET_KIND_DOMAIN, SET_KIND_STRING,
						 SET_KIND_PORT, SET_KIND_STRING, SET_KIND_STRING};
	struct ruleset *rs = c->rs;
	uint32_t n = 0;
	rs->nsets = c->policy->nsets;
	rs->sets = calloc(rs->nsets + 1, sizeof(*rs->sets));
	if (!rs->sets)
		abort();
	if (take(rs, c->options->before, c->policy->sets))
		return;
	for (uint32_t i = 0; i < rs->nsets; i++)
		n += in_members(kinds[c->policy->sets[i].type]) ? c->policy->sets[i].nitems : 0;
	rs->member = calloc(n + 1, sizeof(*rs->member));
	if (!rs->member)
		abort();
	if (n)
		compile_slots(&rs->members, n);
	for (uint32_t i = 0; i < rs->nsets; i++) {
		const struct set *set = &c->policy->sets[i];
		rs->sets[i].kind = kinds[set->type];
		if (rs->sets[i].kind == SET_KIND_PORT)
			ports(c, set, &rs->sets[i]);
		for (uint32_t k = 0; in_members(rs->sets[i].kind) && k < set->nitems; k++)
			member(c, i, &set->items[k], rs->sets[i].kind);
	}
	compile_names(c);
	keep(c);
}
