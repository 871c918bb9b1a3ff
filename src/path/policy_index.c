// SPDX-License-Identifier: BSD-3-Clause
//
// Which rules, and which classes of rules, do the known values lead to? Looks every value of every field that has keys
// up in the rule set's one index, and puts what it finds in order of rule numbers. What it finds may turn out false
// when asked; what it does not find is false already, or stands in a class that is asked as a whole.
//
// On workers' threads. A field with keys that is unknown, or of which more may come, leaves all classes under it open.
#include <rte_branch_prediction.h>

#include "delta.h"
#include "policy_in.h"
#include "policy_set.h"
#include "rules_hash.h"

void policy_index_key(struct policy_scratch *s, enum key_space space, unsigned field, uint64_t hash)
{
	const struct ruleset *rs = s->rs;
	uint64_t key = rules_key(hash, space, field);
	uint32_t i = (uint32_t)key & rs->index.mask, at;
	while ((at = rules_find(&rs->index, key, &i)) != RULES_NONE) {
		for (uint32_t k = 1; k <= rs->lists[at]; k++) {
			uint32_t to = rs->lists[at + k];
			order_put(to & TARGET_CLASS ? &s->classes : &s->rules, to & ~TARGET_CLASS);
		}
	}
}

static void by_set(struct policy_scratch *s, unsigned field, enum set_kind kind, const struct fact_value *v)
{
	uint32_t n = policy_set_hits(s->rs, kind, v, s->sets);
	for (uint32_t i = 0; i < n; i++)
		policy_index_key(s, KEY_SET, field, rules_mix(s->rs->seed, s->sets[i]));
}

static void by_suffix(struct policy_scratch *s, unsigned field, const struct fact_value *v)
{
	for (uint64_t left = s->rs->suffixes; left; left &= left - 1) {
		uint32_t len = rules_suffix[__builtin_ctzll(left)];
		if (len > v->len)
			return;
		policy_index_key(s, KEY_SUFFIX, field, rules_hash(s->rs->seed, v->p + v->len - len, len));
	}
}

static void by_net(struct policy_scratch *s, unsigned field, const struct fact_value *v)
{
	const struct ruleset *rs = s->rs;
	if (v->len != 4 && v->len != 16)
		return;
	for (unsigned w = v->len == 4 ? 0 : 1; w < (v->len == 4 ? 1 : 3); w++)
		for (uint64_t left = rs->key_bits[w]; left; left &= left - 1)
			policy_index_key(s, KEY_NET, field,
					 rules_hash_net(rs->seed, v->p, v->len, (w == 2) * 64 + __builtin_ctzll(left)));
	if (v->len == 16 && rs->key_128)
		policy_index_key(s, KEY_NET, field, rules_hash_net(rs->seed, v->p, v->len, 128));
}

// Sets of ports are found by their ports, changed ones by themselves.
static void by_changed_ports(struct policy_scratch *s, unsigned field, uint64_t port)
{
	const struct delta *d = s->rs->delta;
	uint32_t n = atomic_load_explicit(&d->nports, memory_order_acquire);
	bool in;
	for (uint32_t i = 0; i < n; i++)
		if (delta_port(d, d->ports[i], port, &in) && in)
			policy_index_key(s, KEY_SET, field, rules_mix(s->rs->seed, d->ports[i]));
}

static void value(struct policy_scratch *s, unsigned field, const struct fact_value *v)
{
	const struct ruleset *rs = s->rs;
	uint64_t bit = 1ull << field;
	if (!v->p) {
		for (uint64_t left = rs->keyed[KEY_NUM] & bit ? rs->blocks : 0; left; left &= left - 1) {
			unsigned n = __builtin_ctzll(left);
			policy_index_key(s, KEY_NUM, field, rules_hash_block(rs->seed, v->num, n));
		}
		if (unlikely(rs->delta != NULL) && rs->set_fields[SET_KIND_PORT] & bit)
			by_changed_ports(s, field, v->num);
		return;
	}
	if (rs->keyed[KEY_NET] & bit)
		by_net(s, field, v);
	if (rs->keyed[KEY_SUFFIX] & bit)
		by_suffix(s, field, v);
	for (unsigned kind = 0; kind < SET_KIND_PORT; kind++)
		if (rs->set_fields[kind] & bit)
			by_set(s, field, kind, v);
	if (rs->keyed[KEY_BYTES] & bit)
		policy_index_key(s, KEY_BYTES, field, rules_hash_lower(rs->seed, v->p, v->len));
}

void policy_index(struct policy_scratch *s)
{
	const struct ruleset *rs = s->rs;
	const struct facts *f = s->facts;
	for (uint64_t left = rs->asked; left; left &= left - 1) {
		unsigned field = __builtin_ctzll(left);
		bool more = f->state[field] == FACT_UNKNOWN || f->state[field] == FACT_SOME;
		for (uint32_t i = rs->of_first[field]; more && i < rs->of_first[field + 1]; i++)
			order_put(&s->classes, rs->of_field[i]);
		bool some = f->state[field] == FACT_ALL || f->state[field] == FACT_SOME;
		for (uint32_t i = 0; some && i < f->n[field]; i++)
			value(s, field, &f->value[field][i]);
	}
}
