// SPDX-License-Identifier: BSD-3-Clause
//
// One rule more must not cost the compile of ten thousand patterns again (1.9 s). So the database of a buffer outlives
// its rule set: the next one takes it as it is, gives the patterns that are not in it a second, small database with
// numbers above (a millisecond each: an edit compiles all of them again), and never asks for those that it does not
// want any more, whose bits nobody reads. Where more are new (SCAN_MORE, or a quarter of the large one), or half of the
// large one is of no use, a new large one is made; in the background that is done as soon as WISH are
// (scan_store_merge), so that it never happens to who waits.
//
// Databases are read by workers and freed with the last rule set that has them; the counting is done by who compiles
// and frees rule sets, never on the path.
#include "policy/scan_kept.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <hs/hs.h>

#include "policy/compile.h"

#define STORED 64 // buffers; of more the oldest is forgotten
#define WISH (SCAN_MORE / 8)

struct scan_kept {
	_Atomic uint32_t refs;
	uint32_t first, n, nslots;
	struct scan_pattern *list; // bytes are its own
	uint32_t *slots;           // number + 1 in list; 0: free
	struct scan_name name;
	bool stream;
	struct hs_database *db, *pieces;
};

struct scan_store {
	pthread_mutex_t lock;
	struct scan_kept *kept[STORED], *wish[STORED]; // oldest first; wishes are not compiled
};

static void *copy(const void *p, size_t len)
{
	void *c = malloc(len + 1);
	if (!c)
		abort(); // the policy was there; there is no way on
	return memcpy(c, p, len);
}

struct scan_kept *scan_kept_new(const struct scan_name *name, uint32_t first)
{
	struct scan_kept *k = calloc(1, sizeof(*k));
	if (!k)
		abort();
	k->refs = 1;
	k->first = first;
	k->name = (struct scan_name){name->field, copy(name->p, name->len), name->len};
	return k;
}

static uint32_t hash(const struct scan_pattern *s)
{
	uint64_t h = 0xcbf29ce484222325 ^ ((uint64_t)s->kind << 1 | s->nocase);
	for (uint32_t i = 0; i < s->len; i++)
		h = (h ^ s->p[i]) * 0x100000001b3;
	return (uint32_t)(h ^ h >> 32);
}

static bool same(const struct scan_pattern *a, const struct scan_pattern *b)
{
	return a->len == b->len && a->kind == b->kind && a->nocase == b->nocase && !memcmp(a->p, b->p, a->len);
}

// Its place in slots, or the free one where it belongs.
static uint32_t slot(const struct scan_kept *k, const struct scan_pattern *s)
{
	uint32_t i = hash(s) & (k->nslots - 1);
	while (k->slots[i] && !same(&k->list[k->slots[i] - 1], s))
		i = (i + 1) & (k->nslots - 1);
	return i;
}

uint32_t scan_kept_find(const struct scan_kept *k, const struct scan_pattern *s)
{
	uint32_t at = k && k->n ? k->slots[slot(k, s)] : 0;
	return at ? k->first + at - 1 : SCAN_NONE;
}

static void grow(struct scan_kept *k)
{
	k->nslots = k->nslots ? 2 * k->nslots : 16;
	free(k->slots);
	k->slots = calloc(k->nslots, sizeof(*k->slots));
	k->list = realloc(k->list, k->nslots * sizeof(*k->list));
	if (!k->slots || !k->list)
		abort();
	for (uint32_t i = 0; i < k->n; i++)
		k->slots[slot(k, &k->list[i])] = i + 1;
}

uint32_t scan_kept_add(struct scan_kept *k, const struct scan_pattern *s)
{
	uint32_t known = scan_kept_find(k, s);
	if (known != SCAN_NONE)
		return known;
	if (k->n * 2 >= k->nslots)
		grow(k);
	k->list[k->n] = *s;
	k->list[k->n].p = copy(s->p, s->len);
	k->slots[slot(k, s)] = k->n + 1;
	return k->first + k->n++;
}

uint32_t scan_kept_patterns(const struct scan_kept *k)
{
	return k ? k->n : 0;
}

const struct scan_pattern *scan_kept_pattern(const struct scan_kept *k, uint32_t i)
{
	return &k->list[i];
}

bool scan_kept_compile(struct scan_kept *k, bool stream, const struct compile_options *o, uint32_t *bad, char *error,
		       size_t size)
{
	struct compile_options none = *o;
	if (k->first) // of a day: not worth a file
		none.cache = NULL;
	k->stream = stream;
	k->db = scan_database(k->list, k->n, k->first, false, &none, bad, error, size);
	if (k->db && stream)
		k->pieces = scan_database(k->list, k->n, k->first, true, &none, bad, error, size);
	return k->db && (!stream || k->pieces);
}

struct hs_database *scan_kept_database(const struct scan_kept *k, bool stream)
{
	return !k ? NULL : stream ? k->pieces : k->db;
}

struct scan_kept *scan_kept_hold(struct scan_kept *k)
{
	if (k)
		atomic_fetch_add(&k->refs, 1);
	return k;
}

void scan_kept_let_go(struct scan_kept *k)
{
	if (!k || atomic_fetch_sub(&k->refs, 1) > 1)
		return;
	hs_free_database(k->db);
	hs_free_database(k->pieces);
	for (uint32_t i = 0; i < k->n; i++)
		free((void *)(uintptr_t)k->list[i].p);
	free((void *)(uintptr_t)k->name.p);
	free(k->list);
	free(k->slots);
	free(k);
}

// ---- the store ---------------------------------------------------------------------------------------------------

struct scan_store *scan_store_new(void)
{
	struct scan_store *s = calloc(1, sizeof(*s));
	if (s)
		pthread_mutex_init(&s->lock, NULL);
	return s;
}

void scan_store_free(struct scan_store *s)
{
	for (unsigned i = 0; s && i < STORED; i++) {
		scan_kept_let_go(s->kept[i]);
		scan_kept_let_go(s->wish[i]);
	}
	if (s)
		pthread_mutex_destroy(&s->lock);
	free(s);
}

static bool is_of(const struct scan_kept *k, const struct scan_name *n)
{
	return k->name.field == n->field && k->name.len == n->len && !memcmp(k->name.p, n->p, n->len);
}

// Takes the one of that name out of a list; NULL: there is none.
static struct scan_kept *out_of(struct scan_kept **list, const struct scan_name *name)
{
	unsigned i = 0;
	while (i < STORED && list[i] && !is_of(list[i], name))
		i++;
	struct scan_kept *k = i < STORED ? list[i] : NULL;
	if (k) {
		memmove(list + i, list + i + 1, (STORED - 1 - i) * sizeof(*list));
		list[STORED - 1] = NULL;
	}
	return k;
}

static void into(struct scan_kept **list, struct scan_kept *k)
{
	unsigned n = 0;
	scan_kept_let_go(out_of(list, &k->name));
	if (list[STORED - 1])
		scan_kept_let_go(out_of(list, &list[0]->name));
	while (list[n])
		n++;
	list[n] = k;
}

struct scan_kept *scan_store_get(struct scan_store *s, const struct scan_name *name)
{
	if (!s)
		return NULL;
	pthread_mutex_lock(&s->lock);
	struct scan_kept *k = out_of(s->kept, name);
	if (k)
		into(s->kept, k); // as the newest
	scan_kept_hold(k);
	pthread_mutex_unlock(&s->lock);
	return k;
}

void scan_store_put(struct scan_store *s, struct scan_kept *k)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	into(s->kept, scan_kept_hold(k));
	scan_kept_let_go(out_of(s->wish, &k->name));
	pthread_mutex_unlock(&s->lock);
}

void scan_store_wish(struct scan_store *s, struct scan_kept *base, const uint64_t *used, struct scan_kept *more)
{
	if (!s || more->n < WISH)
		return;
	struct scan_kept *k = scan_kept_new(&base->name, 0);
	for (uint32_t i = 0; i < base->n; i++)
		if (used[i / 64] >> i % 64 & 1)
			scan_kept_add(k, &base->list[i]);
	for (uint32_t i = 0; i < more->n; i++)
		scan_kept_add(k, &more->list[i]);
	k->stream = base->stream;
	pthread_mutex_lock(&s->lock);
	into(s->wish, k);
	pthread_mutex_unlock(&s->lock);
}

unsigned scan_store_merge(struct scan_store *s, const struct compile_options *o)
{
	unsigned made = 0;
	for (;;) {
		char error[256];
		uint32_t bad;
		pthread_mutex_lock(&s->lock);
		struct scan_kept *k = s->wish[0] ? out_of(s->wish, &s->wish[0]->name) : NULL;
		pthread_mutex_unlock(&s->lock);
		if (!k)
			return made;
		if (scan_kept_compile(k, k->stream, o, &bad, error, sizeof(error))) {
			scan_store_put(s, k);
			made++;
		}
		scan_kept_let_go(k);
	}
}
