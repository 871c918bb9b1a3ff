// SPDX-License-Identifier: BSD-3-Clause
//
// So that a request that is asked twice gets one answer: ids, as keyed hashes of 128 bits, and what was said. Bounded
// by time and by number; the oldest gives way. Decider's thread; memory is taken at start, but for what is said: that
// is the same words for most requests, so each wording is kept once and counted (a million ids are 52 MB, and not the
// 200 MB that their answers would be).
//
//   entries: a ring in the order of time;  heads -> entry -> entry: those whose ids fall together
#include "decide/answered.h"

#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX
#define WORDINGS 4096               // lists of them, a power of two
#define WORDING_BYTES (64ull << 20) // of all; what is said beyond is not remembered, and said anew
#define SECOND 1000000000ull

struct wording {
	struct wording *next;
	uint64_t hash;
	uint32_t used, len;
	char text[];
};

struct entry {
	uint64_t id[2], content;
	struct wording *said; // NULL: elsewhere, or gave way
	uint32_t next, at_s, elapsed_us;
	bool gone; // another entry has its id
};

struct answered {
	struct entry *entries;
	uint32_t *heads;
	uint32_t size, mask, window_s;
	uint64_t first, end; // of the ring, counted from the start
	struct wording *wordings[WORDINGS];
	uint64_t bytes; // of them
};

struct answered *answered_new(uint32_t ids, uint64_t window_ns)
{
	struct answered *a = calloc(1, sizeof(*a));
	uint32_t heads = 1024;
	while (heads < ids)
		heads *= 2;
	if (!a)
		return NULL;
	a->size = ids;
	a->mask = heads - 1;
	a->window_s = (uint32_t)(window_ns / SECOND);
	a->entries = calloc(ids, sizeof(*a->entries));
	a->heads = malloc(heads * sizeof(*a->heads));
	if (!a->entries || !a->heads) {
		answered_free(a);
		return NULL;
	}
	memset(a->heads, 0xff, heads * sizeof(*a->heads));
	return a;
}

void answered_free(struct answered *a)
{
	if (!a)
		return;
	for (unsigned i = 0; i < WORDINGS; i++) {
		for (struct wording *w = a->wordings[i], *next; w; w = next) {
			next = w->next;
			free(w);
		}
	}
	free(a->entries);
	free(a->heads);
	free(a);
}

uint32_t answered_count(const struct answered *a)
{
	return (uint32_t)(a->end - a->first);
}

// ---- wordings ----------------------------------------------------------------------------------------------------

static uint64_t hash_of(const char *p, uint32_t len)
{
	uint64_t h = 14695981039346656037ull; // FNV-1a: ours, nobody chooses it
	for (uint32_t i = 0; i < len; i++)
		h = (h ^ (uint8_t)p[i]) * 1099511628211ull;
	return h ^ h >> 32;
}

// NULL: no memory, or who asks makes each answer another one (each mix of alerts is): asked again it is judged again.
static struct wording *wording_take(struct answered *a, const char *text, uint32_t len)
{
	uint64_t hash = hash_of(text, len);
	struct wording **list = &a->wordings[hash & (WORDINGS - 1)], *w = *list;
	while (w && (w->hash != hash || w->len != len || memcmp(w->text, text, len) != 0))
		w = w->next;
	if (!w) {
		w = a->bytes + len > WORDING_BYTES ? NULL : malloc(sizeof(*w) + len);
		if (!w)
			return NULL;
		a->bytes += sizeof(*w) + len;
		*w = (struct wording){.next = *list, .hash = hash, .len = len};
		memcpy(w->text, text, len);
		*list = w;
	}
	w->used++;
	return w;
}

static void wording_give(struct answered *a, struct wording *w)
{
	if (!w || --w->used)
		return;
	struct wording **at = &a->wordings[w->hash & (WORDINGS - 1)];
	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	a->bytes -= sizeof(*w) + w->len;
	free(w);
}

// ---- entries -----------------------------------------------------------------------------------------------------

static void forget_oldest(struct answered *a)
{
	uint32_t n = (uint32_t)(a->first++ % a->size);
	struct entry *e = &a->entries[n];
	uint32_t *at = &a->heads[e->id[0] & a->mask];
	while (*at != n)
		at = &a->entries[*at].next;
	*at = e->next;
	wording_give(a, e->said);
	e->said = NULL;
}

static void age(struct answered *a, uint32_t now_s)
{
	while (a->first < a->end && now_s - a->entries[a->first % a->size].at_s > a->window_s)
		forget_oldest(a);
}

static struct entry *find(struct answered *a, const uint64_t id[2])
{
	for (uint32_t n = a->heads[id[0] & a->mask]; n != NONE; n = a->entries[n].next) {
		struct entry *e = &a->entries[n];
		if (e->id[0] == id[0] && e->id[1] == id[1] && !e->gone)
			return e;
	}
	return NULL;
}

enum answered_what answered_find(struct answered *a, const uint64_t id[2], uint64_t content, uint64_t now_ns,
				 struct answered_said *said)
{
	age(a, (uint32_t)(now_ns / SECOND));
	const struct entry *e = find(a, id);
	if (!e)
		return ANSWERED_NOT;
	if (e->content != content)
		return ANSWERED_OTHER;
	if (!e->said)
		return ANSWERED_ELSEWHERE;
	*said = (struct answered_said){e->said->text, e->said->len, e->elapsed_us};
	return ANSWERED_SO;
}

void answered_put(struct answered *a, const uint64_t id[2], uint64_t content, uint64_t now_ns,
		  const struct answered_said *said)
{
	struct entry *was = find(a, id);
	if (was)
		was->gone = true;
	if (a->end - a->first == a->size)
		forget_oldest(a);
	uint32_t n = (uint32_t)(a->end++ % a->size), *head = &a->heads[id[0] & a->mask];
	a->entries[n] = (struct entry){.id = {id[0], id[1]},
				       .content = content,
				       .said = said ? wording_take(a, said->text, said->len) : NULL,
				       .next = *head,
				       .at_s = (uint32_t)(now_ns / SECOND),
				       .elapsed_us = said ? said->elapsed_us : 0};
	*head = n;
}
