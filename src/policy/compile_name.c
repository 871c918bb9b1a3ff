// SPDX-License-Identifier: BSD-3-Clause
//
// The names of all sets of domains, laid out as src/path/rules_name.h says. Each is there once for each set that has
// it.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/eal.h"
#include "path/rules_hash.h"
#include "path/rules_name.h"
#include "policy/compile_in.h"

#define LARGE (1 << 20) // of large pieces the pages are huge ones, if the kernel has some

static void *piece(size_t bytes)
{
	void *p = bytes >= LARGE ? mem_take(bytes) : aligned_alloc(64, (bytes + 63) & ~63ul);
	if (!p)
		abort();
	return bytes >= LARGE ? p : memset(p, 0, bytes);
}

static void give(void *p, size_t bytes)
{
	if (p && bytes >= LARGE)
		mem_give(p, bytes);
	else
		free(p);
}

// ---- the usual endings ----

struct top {
	uint8_t len, text[7];
	uint32_t n;
};
#define TOPS 1024 // different ones that are counted, the first that are met

// A name's last label with its dot, if it is short enough and there is more before it. 0: no
static uint32_t top_of(const struct operand *o)
{
	uint32_t n = 1;
	while (n < o->len && n <= sizeof(((struct top *)0)->text) && o->p[o->len - n] != '.')
		n++;
	return n < o->len && n <= sizeof(((struct top *)0)->text) && n > 1 && o->p[o->len - n] == '.' ? n : 0;
}

static void count_top(struct top *tops, const struct operand *o)
{
	uint32_t len = top_of(o);
	if (!len)
		return;
	uint32_t i = rules_hash(0, o->p + o->len - len, len) % TOPS;
	struct top *t = &tops[i];
	if (!t->n) {
		t->len = len;
		memcpy(t->text, o->p + o->len - len, len);
	}
	t->n += t->len == len && !memcmp(t->text, o->p + o->len - len, len);
}

static int by_count(const void *a, const void *b)
{
	const struct top *x = a, *y = b;
	return (x->n < y->n) - (x->n > y->n);
}

// 1 and on: of the list; 0: not in it
static uint8_t top_number(const struct names *t, const struct operand *o)
{
	uint32_t len = top_of(o);
	for (unsigned i = 0; len && i < 15 && t->top[i].len; i++)
		if (t->top[i].len == len && !memcmp(t->top[i].text, o->p + o->len - len, len))
			return i + 1;
	return 0;
}

// ---- the texts ----

static bool packable(const uint8_t *p, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		if (!rules_name_symbol[p[i]])
			return false;
	return true;
}

// Writes a name's text, or with NULL only says how long it is.
static uint32_t write_text(const struct names *t, uint8_t *at, const struct set_item *item, uint32_t set)
{
	const struct operand *o = &item->operand;
	uint8_t top = top_number(t, o), in_flags = set < 2 ? set : set < 256 ? 2 : 3;
	uint32_t len = o->len - (top ? t->top[top - 1].len : 0), size = set < 2 ? 0 : set < 256 ? 1 : 4;
	bool packed = packable(o->p, len);
	if (at) {
		*at = (item->exact ? NAME_EXACT : 0) | (packed ? NAME_PACKED : 0) | top << 2 | in_flags;
		memcpy(at + 1, &set, size);
		at += 1 + size;
	}
	for (uint32_t i = 0; at && packed && i <= len; i += 3, at += 2) {
		uint16_t word = rules_name_word(o->p, len, i);
		memcpy(at, &word, 2);
	}
	if (at && !packed) {
		uint16_t n = len;
		memcpy(at, &n, 2);
		memcpy(at + 2, o->p, len);
	}
	return 1 + size + (packed ? (len / 3 + 1) * 2 : 2 + len);
}

static void put(struct names *t, uint64_t key, uint32_t at)
{
	for (uint64_t i = rules_name_bucket(t, key);; i = i + 1 == t->nbuckets ? 0 : i + 1)
		for (unsigned k = 0; k < NAMES_A_BUCKET; k++)
			if (!t->bucket[i].tag[k]) {
				t->bucket[i].tag[k] = rules_name_tag(key);
				t->bucket[i].at[k] = at;
				return;
			}
}

static uint64_t label_bit(const struct operand *o)
{
	uint32_t dots = 0;
	for (uint32_t i = 0; i < o->len; i++)
		dots += o->p[i] == '.';
	return 1ull << (dots < 63 ? dots : 63);
}

static const struct set *domains(const struct compiler *c, uint32_t i)
{
	return c->policy->sets[i].type == SET_DOMAIN ? &c->policy->sets[i] : NULL;
}

static void find_tops(struct compiler *c)
{
	struct names *t = &c->rs->names;
	struct top *tops = calloc(TOPS, sizeof(*tops));
	if (!tops)
		abort();
	for (uint32_t i = 0; i < c->policy->nsets; i++)
		for (uint32_t k = 0; domains(c, i) && k < domains(c, i)->nitems; k++)
			count_top(tops, &domains(c, i)->items[k].operand);
	qsort(tops, TOPS, sizeof(*tops), by_count);
	for (unsigned i = 0; i < 15 && tops[i].n; i++) {
		t->top[i].len = tops[i].len;
		memcpy(t->top[i].text, tops[i].text, tops[i].len);
	}
	free(tops);
}

void compile_names(struct compiler *c)
{
	struct names *t = &c->rs->names;
	uint64_t size = 0, at = 0;
	find_tops(c);
	for (uint32_t i = 0; i < c->policy->nsets; i++)
		for (uint32_t k = 0; domains(c, i) && k < domains(c, i)->nitems; k++, t->n++)
			size += write_text(t, NULL, &domains(c, i)->items[k], i);
	if (!t->n)
		return;
	if (size > UINT32_MAX) {
		snprintf(c->error, c->size, "the names of all sets of domains are more than 4 GB");
		c->failed = true;
		t->n = 0;
		return;
	}
	t->nbuckets = t->n / (NAMES_A_BUCKET * 92 / 100.0) + 2; // always some room, so that a search ends
	t->bucket = piece(t->nbuckets * sizeof(*t->bucket));
	t->ntext = size + 8;
	t->text = piece(t->ntext);
	for (uint32_t i = 0; i < c->policy->nsets; i++)
		for (uint32_t k = 0; domains(c, i) && k < domains(c, i)->nitems; k++) {
			const struct set_item *item = &domains(c, i)->items[k];
			put(t, rules_hash(c->rs->seed, item->operand.p, item->operand.len), at);
			t->labels |= label_bit(&item->operand);
			at += write_text(t, t->text + at, item, i);
		}
}

void compile_names_free(struct names *t)
{
	give(t->bucket, t->nbuckets * sizeof(*t->bucket));
	give(t->text, t->ntext);
}
