// SPDX-License-Identifier: BSD-3-Clause
//
// A table of all keys of swg_rules. In: records in the order of the partition. Out: the policy that they are, and what
// of it has changed since the one in force.
//
// Each key has two values: the topic's, which every record changes, and the one in force, which follows at a commit
// that fits (ship.md 3). What differs is remembered, so that one rule more costs neither a comparison of all keys nor
// the items of sets once more. A value that cannot be read is kept as such: the version that it belongs to is refused,
// naming it, until somebody writes a better one.
//
// Order is made where it is asked for: keys by their code units for the hash, rules by `order`, then by id. Few new
// keys are put where they belong among the others. Keys that are gone from the topic and from what is in force are
// forgotten once they are many, so that a machine which writes ever new ones fills nothing. The table of slots is
// keyed: who writes keys cannot make them fall together. Off the path; one thread.
#include "decide/rules_table.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/word.h"
#include "decide/canonical.h"
#include "decide/request.h"
#include "decide/rules_digest.h"
#include "live/standing.h"

#define FEW_GONE 1024

struct entry {
	struct rules_key k;              // points into key
	struct rules_value *now, *force; // one and the same, or two
	char *broken;                    // why the topic's value cannot be read; NULL: it can, or there is none
	bool changed;                    // is in changes
	bool plain;                      // the key is its own canonical form
	uint32_t len;
	char key[];
};

struct list {
	struct entry **of;
	uint32_t n, room;
};

struct rules_table {
	struct list all, changes, rules; // rules: of the policy that was made last
	struct list autos;               // all of that kind
	uint32_t sorted;                 // so many of all are in order
	struct entry **slots;
	uint32_t nslots, nautos, gone; // gone: since it was swept
	uint64_t next_ns;              // nothing expires before
	uint64_t key[2];
	char **names; // of the sets of items that change
	uint32_t nnames;
	uint64_t bytes;
};

static void *enough(void *p)
{
	if (!p)
		abort();
	return p;
}

static void add(struct list *l, struct entry *e)
{
	if (l->n == l->room) {
		l->room = l->room ? 2 * l->room : 64;
		l->of = enough(realloc(l->of, l->room * sizeof(struct entry *)));
	}
	l->of[l->n++] = e;
}

struct rules_table *rules_table_new(void)
{
	struct rules_table *t = calloc(1, sizeof(struct rules_table));
	if (t && getrandom(t->key, sizeof(t->key), 0) != sizeof(t->key)) {
		free(t);
		return NULL;
	}
	return t;
}

static void entry_free(struct entry *e)
{
	if (e->force != e->now)
		rules_value_free(e->force);
	rules_value_free(e->now);
	free(e->broken);
	free(e);
}

static void names_free(struct rules_table *t)
{
	for (uint32_t i = 0; i < t->nnames; i++)
		free(t->names[i]);
	free(t->names);
	t->names = NULL;
	t->nnames = 0;
}

void rules_table_free(struct rules_table *t)
{
	for (uint32_t i = 0; t && i < t->all.n; i++)
		entry_free(t->all.of[i]);
	if (t) {
		names_free(t);
		free(t->all.of);
		free(t->changes.of);
		free(t->rules.of);
		free(t->autos.of);
		free(t->slots);
	}
	free(t);
}

// ---- one key -----------------------------------------------------------------------------------------------------

static struct entry **slot(const struct rules_table *t, const char *key, size_t len)
{
	uint64_t h[2];
	request_hash(t->key, key, len, h);
	uint32_t i = (uint32_t)h[0] & (t->nslots - 1);
	while (t->slots[i] && !(t->slots[i]->len == len && !memcmp(t->slots[i]->key, key, len)))
		i = (i + 1) & (t->nslots - 1);
	return &t->slots[i];
}

static void rehash(struct rules_table *t, uint32_t nslots)
{
	t->nslots = nslots;
	free(t->slots);
	t->slots = enough(calloc(t->nslots, sizeof(struct entry *)));
	for (uint32_t i = 0; i < t->all.n; i++)
		*slot(t, t->all.of[i]->key, t->all.of[i]->len) = t->all.of[i];
}

static struct entry *find(const struct rules_table *t, const char *key, size_t len)
{
	return t->nslots ? *slot(t, key, len) : NULL;
}

static uint64_t weight(const struct entry *e)
{
	return sizeof(*e) + e->len + 32;
}

static struct entry *make(struct rules_table *t, const char *key, size_t len)
{
	char why[RULES_WHY];
	if (t->all.n * 2 >= t->nslots)
		rehash(t, t->nslots ? 2 * t->nslots : 256);
	struct entry *e = enough(calloc(1, sizeof(*e) + len + 1));
	e->len = (uint32_t)len;
	memcpy(e->key, key, len);
	rules_key_read(e->key, len, &e->k, why);
	e->plain = !memchr(key, '"', len) && !memchr(key, '\\', len);
	for (size_t i = 0; i < len; i++)
		e->plain &= (uint8_t)key[i] >= 0x20;
	*slot(t, key, len) = e;
	add(&t->all, e);
	if (e->k.kind == RULES_AUTO)
		add(&t->autos, e);
	t->bytes += weight(e);
	return e;
}

static bool same(const struct rules_value *a, const struct rules_value *b)
{
	return a == b || (a && b && a->len == b->len && !memcmp(a->text, b->text, a->len));
}

static void weigh(struct rules_table *t, const struct rules_value *v, bool more)
{
	uint64_t n = v ? sizeof(*v) + v->len + v->body_len + 32 : 0;
	t->bytes += more ? n : -n;
}

// The topic's value; `broken` is taken.
static void set(struct rules_table *t, struct entry *e, struct rules_value *v, char *broken)
{
	t->bytes -= e->broken ? strlen(e->broken) + 32 : 0;
	t->bytes += broken ? strlen(broken) + 32 : 0;
	free(e->broken);
	e->broken = broken;
	if (v && e->k.kind == RULES_AUTO && v->expires_ns < t->next_ns)
		t->next_ns = v->expires_ns;
	t->nautos += e->k.kind == RULES_AUTO ? (v != NULL) - (e->now != NULL) : 0;
	if (e->now != e->force) {
		weigh(t, e->now, false);
		rules_value_free(e->now);
	}
	weigh(t, v, true);
	e->now = v;
	if (v != e->force && same(v, e->force)) {
		weigh(t, v, false);
		rules_value_free(v);
		e->now = e->force;
	}
	if (!e->changed && (e->now != e->force || broken)) {
		e->changed = true;
		add(&t->changes, e);
	}
}

// Neither in the topic nor in force.
static bool is_gone(const struct entry *e)
{
	return !e->now && !e->force && !e->broken;
}

// Those that are settled leave the list.
static void settle(struct rules_table *t)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < t->changes.n; i++) {
		struct entry *e = t->changes.of[i];
		e->changed = e->now != e->force || e->broken;
		t->gone += is_gone(e);
		if (e->changed)
			t->changes.of[n++] = e;
	}
	t->changes.n = n;
}

static void without_gone(struct list *l)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < l->n; i++)
		if (!is_gone(l->of[i]))
			l->of[n++] = l->of[i];
	l->n = n;
}

// Forgets them, where they are many enough to be worth a walk over all.
static void sweep(struct rules_table *t)
{
	uint32_t n = 0, sorted = 0;
	if (t->gone < FEW_GONE + t->all.n / 4)
		return;
	t->rules.n = t->gone = 0;
	without_gone(&t->autos);
	for (uint32_t i = 0; i < t->all.n; i++) {
		struct entry *e = t->all.of[i];
		if (is_gone(e)) {
			t->bytes -= weight(e);
			entry_free(e);
			continue;
		}
		sorted += i < t->sorted;
		t->all.of[n++] = e;
	}
	t->all.n = n;
	t->sorted = sorted;
	rehash(t, t->nslots);
}

int rules_table_put(struct rules_table *t, const char *key, size_t key_len, const char *value, size_t value_len,
		    enum rules_kind *kind, char why[RULES_WHY])
{
	struct rules_key k;
	*why = 0;
	*kind = RULES_COMMIT;
	if (!rules_key_read(key, key_len, &k, why))
		return -1;
	*kind = k.kind;
	struct entry *e = find(t, key, key_len);
	struct rules_value *v = value ? rules_value_read(&k, value, value_len, why) : NULL;
	bool full = t->bytes + key_len + value_len > RULES_BYTES_MAX || (!e && t->all.n >= RULES_KEYS_MAX);
	if (full && t->gone + t->changes.n > FEW_GONE + t->all.n / 4) {
		settle(t);
		sweep(t);
		e = find(t, key, key_len);
		full = t->bytes + key_len + value_len > RULES_BYTES_MAX || t->all.n >= RULES_KEYS_MAX;
	}
	if (value && (full || (k.kind == RULES_AUTO && !(e && e->now) && t->nautos >= RULES_AUTO_MAX))) {
		snprintf(why, RULES_WHY,
			 full ? "more than 512 MB, or 4194304 keys" : "more than %u machine-written rules",
			 RULES_AUTO_MAX);
		rules_value_free(v);
		v = NULL;
	}
	if (value && !v && k.kind == RULES_AUTO)
		return -1;
	if (value && full && !e)
		return -1; // the version's counts will tell
	if (!e && !value)
		return 0;
	set(t, e ? e : make(t, key, key_len), v, *why ? enough(strdup(why)) : NULL);
	return *why ? -1 : 0;
}

// ---- what is in force --------------------------------------------------------------------------------------------

static const struct rules_value *of(const struct entry *e, bool force)
{
	return force ? e->force : e->now;
}

// Machine-written rules are always the topic's.
static const struct rules_value *in_policy(const struct entry *e, bool force)
{
	return of(e, force && e->k.kind != RULES_AUTO);
}

static void into_force(struct rules_table *t, struct entry *e)
{
	if (e->force != e->now) {
		weigh(t, e->force, false);
		rules_value_free(e->force);
	}
	e->force = e->now;
}

void rules_table_take(struct rules_table *t)
{
	for (uint32_t i = 0; i < t->changes.n; i++)
		if (t->changes.of[i]->k.kind != RULES_AUTO)
			into_force(t, t->changes.of[i]);
	settle(t);
	sweep(t);
}

bool rules_table_take_autos(struct rules_table *t, bool good)
{
	bool some = false;
	for (uint32_t i = 0; i < t->changes.n; i++) {
		struct entry *e = t->changes.of[i];
		if (e->k.kind != RULES_AUTO || e->now == e->force || !(good || e->now))
			continue;
		some = true;
		if (good)
			into_force(t, e);
		else
			set(t, e, e->force, NULL);
	}
	settle(t);
	sweep(t);
	return some;
}

void rules_table_drop(struct rules_table *t, const char *id)
{
	char key[RULES_KEY_MAX + 8];
	int n = snprintf(key, sizeof(key), "rule:%s", id);
	struct entry *e = n < (int)sizeof(key) ? find(t, key, (size_t)n) : NULL;
	if (e && e->k.kind == RULES_AUTO)
		set(t, e, NULL, NULL);
}

uint32_t rules_table_expire(struct rules_table *t, uint64_t now_ns)
{
	uint32_t n = 0;
	if (now_ns < t->next_ns)
		return 0;
	t->next_ns = UINT64_MAX;
	for (uint32_t i = 0; i < t->autos.n; i++) {
		struct entry *e = t->autos.of[i];
		if (e->now && e->now->expires_ns <= now_ns) {
			n += e->force != NULL;
			set(t, e, NULL, NULL);
		} else if (e->now && e->now->expires_ns < t->next_ns) {
			t->next_ns = e->now->expires_ns;
		}
	}
	return n;
}

// ---- order and sums ----------------------------------------------------------------------------------------------

static int by_key(const void *a, const void *b)
{
	const struct entry *x = *(struct entry *const *)a, *y = *(struct entry *const *)b;
	return canonical_order(x->key, x->len, y->key, y->len);
}

// Where the first key behind e stands, of the n first.
static uint32_t behind(const struct rules_table *t, uint32_t n, const struct entry *e)
{
	uint32_t low = 0;
	while (low < n) {
		uint32_t mid = low + (n - low) / 2;
		if (by_key(&t->all.of[mid], &e) <= 0)
			low = mid + 1;
		else
			n = mid;
	}
	return low;
}

// New keys are sorted, and put among the others from the last on: what stands between two of them moves as a whole.
static void sort(struct rules_table *t)
{
	uint32_t new = t->all.n - t->sorted, end = t->sorted;
	if (!new)
		return;
	struct entry **of = t->all.of, **add = enough(malloc(new * sizeof(*add)));
	memcpy(add, of + t->sorted, new * sizeof(*add));
	qsort(add, new, sizeof(*add), by_key);
	for (uint32_t i = new; i--;) {
		uint32_t at = behind(t, end, add[i]);
		memmove(of + at + i + 1, of + at, (end - at) * sizeof(*of));
		of[at + i] = add[i];
		end = at;
	}
	free(add);
	t->sorted = t->all.n;
}

static void member(struct rules_digest *d, const struct entry *e, const struct rules_value *v)
{
	rules_digest_member(d, e->key, e->len, e->plain, v->text, v->len);
}

void rules_table_sum(struct rules_table *t, bool force, struct rules_sum *sum)
{
	struct rules_digest people, all;
	struct list autos = {0};
	*sum = (struct rules_sum){0};
	sort(t);
	rules_digest_open(&people);
	for (uint32_t i = 0; i < t->all.n; i++) {
		const struct entry *e = t->all.of[i];
		const struct rules_value *v = in_policy(e, force);
		if (!v)
			continue;
		if (e->k.kind != RULES_AUTO)
			member(&people, e, v);
		else
			add(&autos, t->all.of[i]);
		sum->rules += e->k.kind == RULES_RULE;
		sum->autos += e->k.kind == RULES_AUTO;
		sum->sets += e->k.kind == RULES_SET;
		sum->items += e->k.kind == RULES_ITEM;
	}
	rules_digest_close(&people, sum->hash);
	memcpy(sum->all, sum->hash, sizeof(sum->all));
	if (!sum->autos)
		return;
	rules_digest_open(&all); // of the other, and what is beside
	rules_digest_bytes(&all, sum->hash, 64);
	for (uint32_t i = 0; i < autos.n; i++)
		member(&all, autos.of[i], autos.of[i]->now);
	rules_digest_close(&all, sum->all);
	free(autos.of);
}

static const struct entry *first_broken(const struct rules_table *t)
{
	for (uint32_t i = 0; i < t->changes.n; i++)
		if (t->changes.of[i]->broken)
			return t->changes.of[i];
	return NULL;
}

static void refused_by(const struct entry *e, char why[RULES_WHY])
{
	char key[81];
	snprintf(key, sizeof(key), "%s", e->key);
	word_cut(key);
	snprintf(why, RULES_WHY, "%s: %.150s", key, e->broken);
	word_cut(why);
}

bool rules_table_fits(struct rules_table *t, bool force, const struct rules_commit *c, struct rules_sum *sum,
		      char why[RULES_WHY])
{
	const struct entry *e = force ? NULL : first_broken(t);
	rules_table_sum(t, force, sum);
	if (e)
		refused_by(e, why);
	else if (sum->rules != c->rules || sum->sets != c->sets)
		snprintf(why, RULES_WHY, "the commit says %u rules and %u sets, the topic has %u and %u", c->rules,
			 c->sets, sum->rules, sum->sets);
	else if (strcmp(sum->hash, c->hash) != 0)
		snprintf(why, RULES_WHY, "the commit says hash %s, the topic's is %s", c->hash, sum->hash);
	else
		return true;
	return false;
}

// ---- what has changed --------------------------------------------------------------------------------------------

void rules_table_change(struct rules_table *t, struct rules_change *c)
{
	*c = (struct rules_change){.items = enough(calloc(t->changes.n + 1ul, sizeof(*c->items)))};
	names_free(t);
	t->names = enough(calloc(t->changes.n + 1ul, sizeof(*t->names)));
	for (uint32_t i = 0; i < t->changes.n; i++) {
		const struct entry *e = t->changes.of[i];
		if (e->now == e->force)
			continue;
		c->sets |= e->k.kind == RULES_SET;
		c->rules |= e->k.kind != RULES_SET && e->k.kind != RULES_ITEM;
		if (e->k.kind != RULES_ITEM || (!e->now) == (!e->force))
			continue;
		char *name = t->names[t->nnames++] = enough(strndup(e->k.id, e->k.id_len));
		c->items[c->nitems++] = (struct standing_item){name, e->k.item, e->now != NULL};
	}
}

// ---- the policy --------------------------------------------------------------------------------------------------

static int by_order(const void *a, const void *b, void *force)
{
	const struct entry *x = *(struct entry *const *)a, *y = *(struct entry *const *)b;
	double v = in_policy(x, *(bool *)force)->order, w = in_policy(y, *(bool *)force)->order;
	return v < w ? -1 : v > w ? 1 : strcmp(x->k.id, y->k.id);
}

// Of a key and the place where a set's items begin.
static int item_order(const struct entry *e, const struct entry *head)
{
	char first[RULES_KEY_MAX + 1];
	memcpy(first, head->key, head->len);
	first[head->len] = ':';
	return canonical_order(e->key, e->len, first, head->len + 1);
}

// Items of a set stand in one run behind its head; other sets, and theirs, may come between ("set:a", "set:a-b:...",
// "set:a:...").
static uint32_t first_item(const struct rules_table *t, uint32_t at)
{
	const struct entry *head = t->all.of[at];
	uint32_t low = at + 1, high = t->all.n;
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		const struct entry *e = t->all.of[mid];
		bool before = item_order(e, head) < 0;
		low = before ? mid + 1 : low;
		high = before ? high : mid;
	}
	return low;
}

static void items(const struct rules_table *t, uint32_t at, bool force, FILE *out)
{
	const struct entry *head = t->all.of[at];
	bool some = false;
	for (uint32_t i = first_item(t, at); i < t->all.n; i++) {
		const struct entry *e = t->all.of[i];
		if (e->k.kind != RULES_ITEM || e->k.id_len != head->k.id_len ||
		    memcmp(e->key, head->key, head->len) != 0)
			break;
		if (!of(e, force))
			continue;
		if (some)
			putc_unlocked(',', out);
		canonical_string(e->k.item, e->k.item_len, out);
		some = true;
	}
}

static void sets_of(const struct rules_table *t, bool force, FILE *out)
{
	bool some = false;
	fputs("\n\"sets\":{", out);
	for (uint32_t i = 0; i < t->all.n; i++) {
		const struct entry *e = t->all.of[i];
		const struct rules_value *v = of(e, force);
		if (e->k.kind != RULES_SET || !v)
			continue;
		fputs(some ? ",\n" : "\n", out);
		canonical_string(e->k.id, e->k.id_len, out);
		fprintf(out, ":{%s%s\"items\":[", v->body, v->body_len ? "," : "");
		items(t, i, force, out);
		fputs("]}", out);
		some = true;
	}
	fputs("},", out);
}

char *rules_table_policy(struct rules_table *t, bool force, bool sets, size_t *len)
{
	char *text;
	FILE *out = enough(open_memstream(&text, len));
	const struct entry *fallback = find(t, "default", 7);
	const struct rules_value *d = fallback ? of(fallback, force) : NULL;
	sort(t);
	t->rules.n = 0;
	for (uint32_t i = 0; i < t->all.n; i++) {
		struct entry *e = t->all.of[i];
		bool rule = e->k.kind == RULES_RULE || e->k.kind == RULES_AUTO;
		if (rule && in_policy(e, force))
			add(&t->rules, e);
	}
	if (t->rules.n)
		qsort_r(t->rules.of, t->rules.n, sizeof(struct entry *), by_order, &force);
	putc_unlocked('{', out);
	if (d)
		fprintf(out, "%s,", d->body);
	if (sets)
		sets_of(t, force, out);
	fputs("\n\"rules\":[", out);
	for (uint32_t i = 0; i < t->rules.n; i++) {
		const struct rules_value *v = in_policy(t->rules.of[i], force);
		fputs(i ? ",\n" : "\n", out);
		fwrite_unlocked(v->body, 1, v->body_len, out);
	}
	fputs("\n]}\n", out);
	if (fclose(out) != 0)
		abort();
	return text;
}

const char *rules_table_rule(const struct rules_table *t, uint32_t n)
{
	return n < t->rules.n ? t->rules.of[n]->k.id : NULL;
}

void rules_table_each(struct rules_table *t, rules_table_cb *cb, void *arg)
{
	sort(t);
	for (uint32_t i = 0; i < t->all.n; i++)
		if (t->all.of[i]->now || t->all.of[i]->broken)
			cb(arg, t->all.of[i]->key, &t->all.of[i]->k, t->all.of[i]->now);
}

const struct rules_value *rules_table_get(struct rules_table *t, const char *key)
{
	const struct entry *e = find(t, key, strlen(key));
	return e ? e->now : NULL;
}
