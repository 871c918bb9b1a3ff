// SPDX-License-Identifier: BSD-3-Clause
//
// Which sets have a value: a name by each of its endings that begins a label, an address by each prefix length that
// occurs, a string by itself. One table for all sets, one probe an ending or length; what is found is compared with the
// member's own bytes, so a set never has what is not in it. What was changed since (delta.h) goes first: a member that
// is there, too, is in the set if that says so.
//
// On workers' threads. Bounded: as many probes as the members have numbers of labels, or prefix lengths.
// Tried on paper and rejected: rte_lpm and rte_fib, which give the longest prefix alone, while a rule may name a set by
// a shorter one, so that each of their results would need a list of all shorter ones, remade on each change.
#include "policy_set.h"

#include <immintrin.h>

#include <rte_branch_prediction.h>

#include "delta.h"
#include "rules_hash.h"
#include "rules_name.h"

// Which of 8 or 16 bytes are c?
static uint64_t which8(const uint8_t *p, char c)
{
	return _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadl_epi64((const __m128i *)p), _mm_set1_epi8(c))) & 0xff;
}

static uint64_t which16(const uint8_t *p, char c)
{
	return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)p), _mm_set1_epi8(c)));
}

#define NAME_USUAL 64 // bytes; longer names are read byte by byte

// Which of up to 64 bytes are c? Reads nothing beyond them: the last load overlaps the one before.
static uint64_t which(const uint8_t *p, uint32_t len, char c)
{
	uint64_t m = 0;
	if (len >= 16) {
		for (uint32_t i = 0; i + 16 <= len; i += 16)
			m |= which16(p + i, c) << i;
		return m | which16(p + len - 16, c) << (len - 16);
	}
	if (len >= 8)
		return which8(p, c) | which8(p + len - 8, c) << (len - 8);
	for (uint32_t i = 0; i < len; i++)
		m |= (uint64_t)(p[i] == c) << i;
	return m;
}

// An address written as text is a name below no other: the last label is a number, or there is a colon.
static bool is_address(const struct fact_value *v)
{
	uint32_t i = v->len;
	while (i && (uint8_t)(v->p[i - 1] - '0') < 10)
		i--;
	if (i < v->len && (i == 0 || v->p[i - 1] == '.'))
		return true;
	if (v->len <= NAME_USUAL)
		return which(v->p, v->len, ':');
	return memchr(v->p, ':', v->len);
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

// ---- what has changed ----

// A member that was found among the compiled ones is to be looked for among the changed ones instead.
static inline bool changed(const struct ruleset *rs, uint64_t key, uint32_t set, const uint8_t *p, uint32_t len,
			   uint8_t bits)
{
	if (likely(!delta_some(rs->delta, rs->sets[set].kind)))
		return false;
	return delta_find(rs->delta, key, &(struct delta_item){.set = set, .len = (uint16_t)len, .bits = bits}, p);
}

static void new_name(struct hits *h, const struct fact_value *v, uint32_t from)
{
	const struct delta *d = h->rs->delta;
	const struct delta_item *item;
	uint64_t key = rules_hash(h->rs->seed, v->p + from, v->len - from);
	for (uint32_t i = (uint32_t)key; (item = delta_next(d, key, &i));)
		if (h->rs->sets[item->set].kind == SET_KIND_DOMAIN && item->len == v->len - from &&
		    !memcmp(d->text + item->at, v->p + from, item->len) && !(item->bits && from) && delta_in(item))
			hit(h, item->set);
}

static void new_names(struct hits *h, const struct fact_value *v, bool whole)
{
	uint64_t labels = atomic_load_explicit(&h->rs->delta->labels, memory_order_relaxed);
	uint32_t dots = 0;
	for (uint32_t i = v->len; i-- > 0;) {
		dots += v->p[i] == '.';
		if ((i == 0 || (v->p[i - 1] == '.' && !whole)) && labels >> (dots < 63 ? dots : 63) & 1)
			new_name(h, v, i);
	}
}

static bool within(const uint8_t *a, const uint8_t *net, uint32_t bits)
{
	if (memcmp(a, net, bits / 8))
		return false;
	return bits % 8 == 0 || ((a[bits / 8] ^ net[bits / 8]) & (0xff00 >> bits % 8 & 0xff)) == 0;
}

static void new_network(struct hits *h, const struct fact_value *v, uint32_t bits)
{
	const struct delta *d = h->rs->delta;
	const struct delta_item *item;
	uint64_t key = rules_hash_net(h->rs->seed, v->p, v->len, bits);
	for (uint32_t i = (uint32_t)key; (item = delta_next(d, key, &i));)
		if (h->rs->sets[item->set].kind == SET_KIND_NET && item->len == v->len && item->bits == bits &&
		    within(v->p, d->text + item->at, bits) && delta_in(item))
			hit(h, item->set);
}

static void new_networks(struct hits *h, const struct fact_value *v)
{
	const struct delta *d = h->rs->delta;
	for (unsigned w = v->len == 4 ? 0 : 1; w < (v->len == 4 ? 1 : 3); w++)
		for (uint64_t left = atomic_load_explicit(&d->bits[w], memory_order_relaxed); left; left &= left - 1)
			new_network(h, v, (w == 2) * 64 + __builtin_ctzll(left));
	if (v->len == 16 && atomic_load_explicit(&d->whole, memory_order_relaxed))
		new_network(h, v, 128);
}

// ---- what was compiled ----

// Is this text, from its flags on, the name p? *set: whose it is, *exact: names below it are not in it.
static bool name_is(const struct names *t, const uint8_t *text, const uint8_t *p, uint32_t len, uint32_t *set,
		    bool *exact)
{
	static const uint8_t more[4] = {0, 0, 1, 4};
	uint8_t flags = *text++, top = NAME_TOP(flags), size = more[NAME_SET(flags)];
	*set = size ? (uint32_t)rules_word(text, size) : NAME_SET(flags);
	*exact = flags & NAME_EXACT;
	text += size;
	if (top) {
		uint8_t n = t->top[top - 1].len;
		if (len <= n || memcmp(p + len - n, t->top[top - 1].text, n))
			return false;
		len -= n;
	}
	if (!(flags & NAME_PACKED))
		return len == rules_word(text, 2) && !memcmp(text + 2, p, len);
	for (uint32_t i = 0; i <= len; i += 3, text += 2)
		if (rules_word(text, 2) != rules_name_word(p, len, i))
			return false;
	return true;
}

static unsigned tags(const struct name_bucket *b, uint8_t tag)
{
	__m128i all = _mm_loadu_si128((const __m128i *)b->tag);
	return _mm_movemask_epi8(_mm_cmpeq_epi8(all, _mm_set1_epi8(tag))) & 0xfff;
}

static void add_ending(const struct ruleset *rs, const struct fact_value *v, uint32_t i, struct policy_set_probe *x)
{
	x->key[x->n] = rules_hash(rs->seed, v->p + i, v->len - i);
	__builtin_prefetch(&rs->names.bucket[rules_name_bucket(&rs->names, x->key[x->n])]);
	x->from[x->n++] = i;
}

static bool has_labels(const struct names *t, uint32_t dots)
{
	return t->labels >> (dots < 63 ? dots : 63) & 1;
}

// The endings of one name that are looked up, from the shortest on, in steps, so that several names' memory can be
// asked for at once. *left: what of the name has not been looked at.
static void names_begin(const struct ruleset *rs, const struct fact_value *v, uint32_t *left,
			struct policy_set_probe *x)
{
	x->n = 0;
	if (*left <= NAME_USUAL && *left == v->len) {
		uint64_t dots = which(v->p, v->len, '.'), starts = x->whole ? 1 : dots << 1 | 1;
		if (v->len < 64)
			starts &= (1ull << v->len) - 1;
		while (starts && x->n < POLICY_SET_ENDINGS) {
			uint32_t i = 63 - __builtin_clzll(starts);
			starts &= ~(1ull << i);
			if (has_labels(&rs->names, __builtin_popcountll(dots >> i)))
				add_ending(rs, v, i, x);
			*left = i;
			x->dots = __builtin_popcountll(dots >> i);
		}
		return;
	}
	while (*left > 0 && x->n < POLICY_SET_ENDINGS) {
		uint32_t i = --*left;
		x->dots += v->p[i] == '.';
		if ((i == 0 || (v->p[i - 1] == '.' && !x->whole)) && has_labels(&rs->names, x->dots))
			add_ending(rs, v, i, x);
	}
}

static void ending(struct hits *h, const struct fact_value *v, uint32_t from, uint64_t key)
{
	const struct names *t = &h->rs->names;
	for (uint64_t i = rules_name_bucket(t, key);; i = i + 1 == t->nbuckets ? 0 : i + 1) {
		const struct name_bucket *b = &t->bucket[i];
		for (unsigned left = tags(b, rules_name_tag(key)); left; left &= left - 1) {
			uint32_t set;
			bool exact;
			if (name_is(t, t->text + b->at[__builtin_ctz(left)], v->p + from, v->len - from, &set,
				    &exact) &&
			    !(exact && from) && !changed(h->rs, key, set, v->p + from, v->len - from, exact))
				hit(h, set);
		}
		if (tags(b, 0)) // there was room for more
			return;
	}
}

static void domains(struct hits *h, const struct fact_value *v)
{
	struct policy_set_probe x;
	x.whole = is_address(v);
	x.dots = 0;
	if (unlikely(delta_some(h->rs->delta, SET_KIND_DOMAIN)))
		new_names(h, v, x.whole);
	for (uint32_t left = h->rs->names.n ? v->len : 0; left;) {
		names_begin(h->rs, v, &left, &x);
		for (uint32_t i = 0; i < x.n; i++)
			ending(h, v, x.from[i], x.key[i]);
	}
}

static void network(struct hits *h, const struct fact_value *v, uint32_t bits)
{
	const struct ruleset *rs = h->rs;
	uint64_t key = rules_hash_net(rs->seed, v->p, v->len, bits);
	uint32_t i = (uint32_t)key & rs->members.mask, at;
	while ((at = rules_find(&rs->members, key, &i)) != RULES_NONE) {
		const struct set_member *m = &rs->member[at];
		if (rs->sets[m->set].kind == SET_KIND_NET && m->len == v->len && m->bits == bits &&
		    rules_hash_net(0, rs->member_bytes + m->at, m->len, bits) ==
			    rules_hash_net(0, v->p, m->len, bits) &&
		    !changed(rs, key, m->set, rs->member_bytes + m->at, m->len, m->bits))
			hit(h, m->set);
	}
}

static void networks(struct hits *h, const struct fact_value *v)
{
	const struct ruleset *rs = h->rs;
	if (v->len != 4 && v->len != 16)
		return;
	if (unlikely(delta_some(rs->delta, SET_KIND_NET)))
		new_networks(h, v);
	for (unsigned w = v->len == 4 ? 0 : 1; rs->members.slot && w < (v->len == 4 ? 1 : 3); w++)
		for (uint64_t left = rs->set_bits[w]; left; left &= left - 1)
			network(h, v, (w == 2) * 64 + __builtin_ctzll(left));
	if (v->len == 16 && rs->members.slot && rs->set_128)
		network(h, v, 128);
}

static bool alike(const uint8_t *a, const uint8_t *b, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (a[i] != b[i] && ((a[i] ^ b[i]) != 0x20 || (uint8_t)((a[i] | 0x20) - 'a') >= 26))
			return false;
	return true;
}

static bool same(const struct fact_value *v, const uint8_t *p, uint32_t len, bool nocase)
{
	return len == v->len && (nocase ? alike(v->p, p, len) : !memcmp(v->p, p, len));
}

static void new_strings(struct hits *h, const struct fact_value *v, uint64_t key, bool nocase)
{
	const struct delta *d = h->rs->delta;
	const struct delta_item *item;
	for (uint32_t i = (uint32_t)key; (item = delta_next(d, key, &i));)
		if (h->rs->sets[item->set].kind == SET_KIND_STRING && same(v, d->text + item->at, item->len, nocase) &&
		    delta_in(item))
			hit(h, item->set);
}

static void strings(struct hits *h, const struct fact_value *v, bool nocase)
{
	const struct ruleset *rs = h->rs;
	uint64_t key = rules_hash_lower(~rs->seed, v->p, v->len);
	uint32_t i = (uint32_t)key & rs->members.mask, at;
	if (unlikely(delta_some(rs->delta, SET_KIND_STRING)))
		new_strings(h, v, key, nocase);
	while ((at = rules_find(&rs->members, key, &i)) != RULES_NONE) {
		const struct set_member *m = &rs->member[at];
		const uint8_t *p = rs->member_bytes + m->at;
		if (rs->sets[m->set].kind == SET_KIND_STRING && same(v, p, m->len, nocase) &&
		    !changed(rs, key, m->set, p, m->len, 0))
			hit(h, m->set);
	}
}

static void of_kind(struct hits *h, enum set_kind kind, const struct fact_value *v, bool nocase)
{
	if (!v->p)
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
	bool in;
	if (unlikely(rs->delta != NULL) && delta_port(rs->delta, set, v->num, &in))
		return in;
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

void policy_set_ask(const struct ruleset *rs, const struct fact_value *v, struct policy_set_probe *x)
{
	uint32_t left = rs->names.n ? v->len : 0;
	x->whole = is_address(v);
	x->dots = x->n = 0;
	if (left)
		names_begin(rs, v, &left, x);
	x->more = left > 0;
}

void policy_set_ask_text(const struct ruleset *rs, const struct policy_set_probe *x)
{
	const struct names *t = &rs->names;
	for (uint32_t i = 0; i < x->n; i++) {
		const struct name_bucket *b = &t->bucket[rules_name_bucket(t, x->key[i])];
		for (unsigned left = tags(b, rules_name_tag(x->key[i])); left; left &= left - 1)
			__builtin_prefetch(t->text + b->at[__builtin_ctz(left)]);
	}
}

bool policy_set_asked(const struct ruleset *rs, uint32_t set, const struct fact_value *v,
		      const struct policy_set_probe *x)
{
	struct hits h = {.rs = rs, .want = set};
	if (x->more)
		return policy_set_has(rs, set, v, false);
	if (unlikely(delta_some(rs->delta, SET_KIND_DOMAIN)))
		new_names(&h, v, x->whole);
	for (uint32_t i = 0; i < x->n && !h.n; i++)
		ending(&h, v, x->from[i], x->key[i]);
	return h.n;
}

// ---- the members themselves ----

uint64_t policy_set_key(const struct ruleset *rs, uint32_t set, const uint8_t *p, uint32_t len, uint8_t bits)
{
	switch (rs->sets[set].kind) {
	case SET_KIND_DOMAIN:
		return rules_hash(rs->seed, p, len);
	case SET_KIND_NET:
		return rules_hash_net(rs->seed, p, len, bits);
	case SET_KIND_PORT:
		return rules_hash(rs->seed + set, p, len);
	default:
		return rules_hash_lower(~rs->seed, p, len);
	}
}

static bool name_compiled(const struct ruleset *rs, uint32_t set, uint64_t key, const uint8_t *p, uint32_t len,
			  bool exact)
{
	const struct names *t = &rs->names;
	for (uint64_t i = t->n ? rules_name_bucket(t, key) : 0; t->n; i = i + 1 == t->nbuckets ? 0 : i + 1) {
		const struct name_bucket *b = &t->bucket[i];
		for (unsigned left = tags(b, rules_name_tag(key)); left; left &= left - 1) {
			uint32_t whose;
			bool alone;
			if (name_is(t, t->text + b->at[__builtin_ctz(left)], p, len, &whose, &alone) && whose == set &&
			    alone == exact)
				return true;
		}
		if (tags(b, 0))
			break;
	}
	return false;
}

bool policy_set_compiled(const struct ruleset *rs, uint32_t set, const uint8_t *p, uint32_t len, uint8_t bits)
{
	uint64_t key = policy_set_key(rs, set, p, len, bits);
	uint32_t i = (uint32_t)key & rs->members.mask, at;
	if (rs->sets[set].kind == SET_KIND_DOMAIN)
		return name_compiled(rs, set, key, p, len, bits);
	while ((at = rules_find(&rs->members, key, &i)) != RULES_NONE) {
		const struct set_member *m = &rs->member[at];
		if (m->set == set && m->len == len && m->bits == bits && !memcmp(rs->member_bytes + m->at, p, len))
			return true;
	}
	return false;
}
