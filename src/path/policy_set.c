// SPDX-License-Identifier: BSD-3-Clause
//
// Which sets have a value: a name by each of its endings that begins a label, an address by each prefix length that
// occurs, a string by itself. One table for all sets, one probe an ending or length; what is found is compared with the
// member's own bytes, so a set never has what is not in it.
//
// On workers' threads. Bounded: as many probes as the members have numbers of labels, or prefix lengths.
// Tried on paper and rejected: rte_lpm and rte_fib, which give the longest prefix alone, while a rule may name a set by
// a shorter one, so that each of their results would need a list of all shorter ones, remade on each change.
#include "policy_set.h"

#include "rules_hash.h"

#define ENDINGS 16 // asked for ahead at a time

// An address written as text is a name below no other: the last label is a number, or there is a colon.
static bool is_address(const struct fact_value *v)
{
	uint32_t i = v->len;
	while (i && (uint8_t)(v->p[i - 1] - '0') < 10)
		i--;
	if (i < v->len && (i == 0 || v->p[i - 1] == '.'))
		return true;
	return v->len && memchr(v->p, ':', v->len);
}

// Where hits go: a list of sets, each once; or is it `want`?
struct hits {
	const struct ruleset *rs;
	uint32_t want;
	uint32_t *sets;
	uint32_t n;
};

static void hit(struct hits *h, uint32_t set)
{
	if (h->want != RULES_NONE) {
		h->n |= set == h->want;
		return;
	}
	for (uint32_t i = 0; i < h->n; i++)
		if (h->sets[i] == set)
			return;
	h->sets[h->n++] = set;
}

static void ending(struct hits *h, const struct fact_value *v, uint32_t from, uint64_t key)
{
	const struct ruleset *rs = h->rs;
	uint32_t i = (uint32_t)key & rs->members.mask, at;
	while ((at = rules_find(&rs->members, key, &i)) != RULES_NONE) {
		const struct set_member *m = &rs->member[at];
		if (rs->sets[m->set].kind == SET_KIND_DOMAIN && m->len == v->len - from && !(m->exact && from) &&
		    !memcmp(rs->bytes + m->at, v->p + from, m->len))
			hit(h, m->set);
	}
}

static void domains(struct hits *h, const struct fact_value *v)
{
	const struct ruleset *rs = h->rs;
	uint64_t key[ENDINGS];
	uint32_t from[ENDINGS], n = 0, dots = 0;
	bool whole = is_address(v);
	for (uint32_t i = v->len; i-- > 0;) {
		dots += v->p[i] == '.';
		if ((i && (v->p[i - 1] != '.' || whole)) || !(rs->labels >> (dots < 63 ? dots : 63) & 1))
			continue;
		key[n] = rules_hash(rs->seed, v->p + i, v->len - i);
		__builtin_prefetch(&rs->members.slot[key[n] & rs->members.mask]);
		from[n++] = i;
		if (n < ENDINGS)
			continue;
		while (n > 0)
			n--, ending(h, v, from[n], key[n]);
	}
	for (uint32_t i = 0; i < n; i++)
		ending(h, v, from[i], key[i]);
}

static void network(struct hits *h, const struct fact_value *v, uint32_t bits)
{
	const struct ruleset *rs = h->rs;
	uint64_t key = rules_hash_net(rs->seed, v->p, v->len, bits);
	uint32_t i = (uint32_t)key & rs->members.mask, at;
	while ((at = rules_find(&rs->members, key, &i)) != RULES_NONE) {
		const struct set_member *m = &rs->member[at];
		if (rs->sets[m->set].kind == SET_KIND_NET && m->len == v->len && m->bits == bits &&
		    rules_hash_net(0, rs->bytes + m->at, m->len, bits) == rules_hash_net(0, v->p, m->len, bits))
			hit(h, m->set);
	}
}

static void networks(struct hits *h, const struct fact_value *v)
{
	const struct ruleset *rs = h->rs;
	if (v->len != 4 && v->len != 16)
		return;
	for (unsigned w = v->len == 4 ? 0 : 1; w < (v->len == 4 ? 1 : 3); w++)
		for (uint64_t left = rs->set_bits[w]; left; left &= left - 1)
			network(h, v, (w == 2) * 64 + __builtin_ctzll(left));
	if (v->len == 16 && rs->set_128)
		network(h, v, 128);
}

static bool alike(const uint8_t *a, const uint8_t *b, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (a[i] != b[i] && ((a[i] ^ b[i]) != 0x20 || (uint8_t)((a[i] | 0x20) - 'a') >= 26))
			return false;
	return true;
}

static void strings(struct hits *h, const struct fact_value *v, bool nocase)
{
	const struct ruleset *rs = h->rs;
	uint64_t key = rules_hash_lower(~rs->seed, v->p, v->len);
	uint32_t i = (uint32_t)key & rs->members.mask, at;
	while ((at = rules_find(&rs->members, key, &i)) != RULES_NONE) {
		const struct set_member *m = &rs->member[at];
		const uint8_t *p = rs->bytes + m->at;
		if (rs->sets[m->set].kind == SET_KIND_STRING && m->len == v->len &&
		    (nocase ? alike(v->p, p, m->len) : !memcmp(v->p, p, m->len)))
			hit(h, m->set);
	}
}

static void of_kind(struct hits *h, enum set_kind kind, const struct fact_value *v, bool nocase)
{
	if (!h->rs->members.slot || !v->p)
		return;
	if (kind == SET_KIND_DOMAIN)
		domains(h, v);
	else if (kind == SET_KIND_NET)
		networks(h, v);
	else if (kind == SET_KIND_STRING)
		strings(h, v, nocase);
}

uint32_t policy_set_hits(const struct ruleset *rs, enum set_kind kind, const struct fact_value *v, uint32_t *sets)
{
	struct hits h = {.rs = rs, .want = RULES_NONE, .sets = sets};
	of_kind(&h, kind, v, true);
	return h.n;
}

bool policy_set_has(const struct ruleset *rs, uint32_t set, const struct fact_value *v, bool nocase)
{
	const struct ruleset_set *s = &rs->sets[set];
	struct hits h = {.rs = rs, .want = set};
	if (s->kind != SET_KIND_PORT) {
		of_kind(&h, s->kind, v, nocase);
		return h.n;
	}
	uint32_t low = s->first, high = s->first + s->n;
	while (low < high) { // the first range that does not end below
		uint32_t mid = low + (high - low) / 2;
		if (rs->ports[mid].high < v->num)
			low = mid + 1;
		else
			high = mid;
	}
	return low < s->first + s->n && rs->ports[low].low <= v->num;
}

void policy_set_ask(const struct ruleset *rs, const struct fact_value *v)
{
	uint32_t dots = 0;
	for (uint32_t i = v->len; i-- > 0 && rs->members.slot;) {
		dots += v->p[i] == '.';
		if ((i && v->p[i - 1] != '.') || !(rs->labels >> (dots < 63 ? dots : 63) & 1))
			continue;
		uint64_t key = rules_hash(rs->seed, v->p + i, v->len - i);
		__builtin_prefetch(&rs->members.slot[key & rs->members.mask]);
	}
}
