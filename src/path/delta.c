// SPDX-License-Identifier: BSD-3-Clause
//
// Changes to the sets of a rule set in force: one item added or taken out, seen by all workers as soon as it is
// written, while the rule set itself stays as it was compiled. In: an item (policy/edit.c); out: policy_set.c asks here
// for what it found, and beside what it found.
//
//   slot[hash of the item] -> item: set, text, in?        two memory accesses a question, none while nothing has
//   changed
//
// Written by one thread, read by workers without a lock or a word to say when they are done (where edits come faster
// than a judgement ends, the next edit waits for it): an item that was once written never moves nor goes away, only its
// `in` turns, by one store. So nothing is freed before the rule set is, which publish.c knows when to do. What a worker
// finds in a slot it compares byte by byte: a set never has what is not in it.
//
// The memory is taken with the rule set and does not grow: DELTA_ITEMS different items; then the policy must be loaded
// again. The one exception is 8 KiB for each set of ports that is changed, taken by who changes it: ranges cannot be
// found by a hash.
//
// Rejected: a copy of the whole set with one name more (16 MB and 60 ms for a million names); tombstones written into
// the compiled table (its words are shared by names, and a reader would see half of a change).
#include "delta.h"

#include <string.h>

#include <rte_pause.h>

#include "base/eal.h"

#define NUMBERS (65536 / 64) // words of a set of ports
#define NUMBERS_BYTES (NUMBERS * sizeof(uint64_t))

static size_t bytes_of(uint32_t nsets)
{
	size_t a_set = sizeof(struct delta_set) + sizeof(uint32_t) + sizeof(_Atomic uint64_t *);
	return sizeof(struct delta) + DELTA_SLOTS * sizeof(uint64_t) + DELTA_ITEMS * sizeof(struct delta_item) +
	       DELTA_TEXT + nsets * a_set;
}

struct delta *delta_new(uint32_t nsets)
{
	struct delta *d = mem_take(bytes_of(nsets));
	if (!d)
		return NULL;
	d->nsets = nsets;
	d->slot = (_Atomic uint64_t *)(d + 1);
	d->numbers = (_Atomic(_Atomic uint64_t *) *)(d->slot + DELTA_SLOTS);
	d->item = (struct delta_item *)(d->numbers + nsets);
	d->sets = (struct delta_set *)(d->item + DELTA_ITEMS);
	d->ports = (uint32_t *)(d->sets + nsets);
	d->text = (uint8_t *)(d->ports + nsets);
	return d;
}

void delta_free(struct delta *d)
{
	if (!d)
		return;
	for (uint32_t i = 0; i < d->nports; i++)
		mem_give((void *)(uintptr_t)atomic_load(&d->numbers[d->ports[i]]), NUMBERS_BYTES);
	mem_give(d, bytes_of(d->nsets));
}

struct delta *delta_copy(const struct delta *from, const struct ruleset_set *sets)
{
	struct delta *d = delta_new(from->nsets);
	if (!d)
		return NULL;
	for (unsigned i = 0; i < SET_KINDS; i++)
		atomic_init(&d->some[i], from->some[i]);
	for (unsigned i = 0; i < 3; i++)
		atomic_init(&d->bits[i], from->bits[i]);
	atomic_init(&d->whole, from->whole);
	atomic_init(&d->labels, from->labels);
	d->n = from->n;
	d->ntext = from->ntext;
	if (d->n)
		memcpy((void *)d->slot, (const void *)from->slot, DELTA_SLOTS * sizeof(uint64_t));
	memcpy((void *)d->item, (const void *)from->item, d->n * sizeof(*d->item));
	memcpy(d->text, from->text, d->ntext);
	memcpy(d->sets, from->sets, d->nsets * sizeof(*d->sets));
	for (uint32_t i = 0; i < d->n; i++)
		atomic_fetch_or(&d->fields, sets[d->item[i].set].fields);
	for (uint32_t i = 0; i < from->nports; i++) {
		_Atomic uint64_t *bits = mem_take(NUMBERS_BYTES);
		if (!bits) {
			delta_free(d);
			return NULL;
		}
		memcpy((void *)bits, (const void *)from->numbers[from->ports[i]], NUMBERS_BYTES);
		atomic_store(&d->numbers[from->ports[i]], bits);
		d->ports[atomic_fetch_add(&d->nports, 1)] = from->ports[i];
	}
	return d;
}

const struct delta_item *delta_find(const struct delta *d, uint64_t key, const struct delta_item *like,
				    const uint8_t *text)
{
	const struct delta_item *item;
	for (uint32_t i = (uint32_t)key; (item = delta_next(d, key, &i));)
		if (item->set == like->set && item->len == like->len && item->bits == like->bits &&
		    !memcmp(d->text + item->at, text, like->len))
			return item;
	return NULL;
}

static void note_name(struct delta *d, const uint8_t *text, uint32_t len)
{
	uint32_t dots = 0;
	for (uint32_t i = 0; i < len; i++)
		dots += text[i] == '.';
	atomic_fetch_or(&d->labels, 1ull << (dots < 63 ? dots : 63));
}

static void note_net(struct delta *d, uint32_t len, uint32_t bits)
{
	if (bits == 128)
		atomic_store(&d->whole, 1);
	else
		atomic_fetch_or(&d->bits[len == 4 ? 0 : 1 + bits / 64], 1ull << bits % 64);
}

struct delta_item *delta_put(struct delta *d, uint64_t key, const struct delta_item *like, enum set_kind kind,
			     const uint8_t *text)
{
	const struct delta_item *known = delta_find(d, key, like, text);
	if (known)
		return (struct delta_item *)(uintptr_t)known;
	if (d->n == DELTA_ITEMS || d->ntext + like->len > DELTA_TEXT)
		return NULL;
	struct delta_item *item = &d->item[d->n++];
	*item = (struct delta_item){like->set,  (uint32_t)d->ntext, like->len,
				    like->bits, like->compiled,     like->compiled};
	memcpy(d->text + item->at, text, like->len);
	d->ntext += like->len;
	if (kind == SET_KIND_DOMAIN)
		note_name(d, text, like->len);
	else if (kind == SET_KIND_NET)
		note_net(d, like->len, like->bits);
	uint32_t i = (uint32_t)key;
	while (atomic_load_explicit(&d->slot[i & (DELTA_SLOTS - 1)], memory_order_relaxed))
		i++;
	atomic_store_explicit(&d->slot[i & (DELTA_SLOTS - 1)], key >> 32 << 32 | d->n, memory_order_release);
	atomic_store_explicit(&d->some[kind], true, memory_order_release);
	return item;
}

static void tell(struct delta *d, const struct delta_item *item, bool in)
{
	struct delta_set *s = &d->sets[item->set];
	if (item->compiled)
		s->out += in ? -1u : 1;
	else
		s->in += in ? 1 : -1u;
}

// Before and after a change there is a number that tells who reads that something changed meanwhile.
static void begin(struct delta *d, uint64_t fields)
{
	for (unsigned i = 0; i < DELTA_WAIT && atomic_load(&d->asked); i++)
		rte_pause();
	atomic_fetch_or(&d->fields, fields);
	atomic_fetch_add(&d->begun, 1);
}

static void end(struct delta *d)
{
	atomic_fetch_add(&d->done, 1);
}

void delta_turn(struct delta *d, struct delta_item *item, bool in, uint64_t fields)
{
	tell(d, item, in);
	begin(d, fields);
	atomic_store_explicit(&item->in, in, memory_order_release);
	end(d);
}

bool delta_ports(struct delta *d, uint32_t set, const uint64_t *bits)
{
	_Atomic uint64_t *now = atomic_load(&d->numbers[set]);
	bool first = !now;
	if (first && !(now = mem_take(NUMBERS_BYTES)))
		return false;
	begin(d, 0);
	for (unsigned i = 0; i < NUMBERS; i++)
		atomic_store_explicit(&now[i], bits[i], memory_order_release);
	if (first) {
		atomic_store_explicit(&d->numbers[set], now, memory_order_release);
		d->ports[atomic_load(&d->nports)] = set;
		atomic_fetch_add(&d->nports, 1);
	}
	end(d);
	return true;
}
