// SPDX-License-Identifier: BSD-3-Clause
//
// What was added to the sets of a rule set, or taken out of them, since it was compiled. See delta.c. One thread
// changes it (off the path), any number of workers read it meanwhile.
#pragma once

#include <stdatomic.h>
#include <stddef.h>

#include "rules.h"

#define DELTA_ITEMS 65536u              // that were ever changed in a rule set's life
#define DELTA_TEXT (DELTA_ITEMS * 32ul) // bytes of them
#define DELTA_SLOTS (DELTA_ITEMS * 2)

// One item, as it is written in a set: a name, a network, a string, or two ports (from, to). Never goes away; only
// `in` changes.
struct delta_item {
	uint32_t set, at; // in text
	uint16_t len;
	uint8_t bits;  // of a network; of a name 1: that name alone
	bool compiled; // the rule set has it, too
	_Atomic bool in;
};

struct delta_set { // of the changing thread
	uint32_t in, out;
};

struct delta {
	_Atomic bool some[SET_KINDS]; // items of the kind have changed
	_Atomic uint8_t whole;        // IPv6 addresses
	_Atomic uint64_t bits[3];     // prefix lengths of networks, as in struct ruleset
	_Atomic uint64_t labels;      // as in struct names
	_Atomic uint32_t begun, done; // changes
	_Atomic uint32_t asked;       // workers for whom the next change waits
	_Atomic uint64_t fields;      // that rules ask changed sets about
	_Atomic uint32_t nports;
	uint32_t *ports;                      // sets of ports that have changed
	_Atomic(_Atomic uint64_t *) *numbers; // by set: one bit a port; NULL: as compiled

	uint32_t n, nsets;
	uint64_t ntext;
	struct delta_item *item;
	uint8_t *text;
	_Atomic uint64_t *slot; // tag of a key above, number of the item + 1 below; 0: free
	struct delta_set *sets;
};

// NULL: no memory.
struct delta *delta_new(uint32_t nsets);
void delta_free(struct delta *d);
// The same changes, of the same compiled sets, for another rule set, where they may go on; fields: by set, what its
// rules ask about it. NULL: no memory.
struct delta *delta_copy(const struct delta *d, const struct ruleset_set *sets);

// ---- workers ----

static inline bool delta_some(const struct delta *d, enum set_kind kind)
{
	return d && atomic_load_explicit(&d->some[kind], memory_order_acquire);
}

// How often something has changed.
static inline uint32_t delta_edits(const struct delta *d)
{
	return d ? atomic_load_explicit(&d->done, memory_order_acquire) : 0;
}

// Has something changed since delta_edits said so, and what was read meanwhile may be half of a change? Then it is read
// once more. Edits may follow each other faster than it is read: after some tries the next edit waits for this one.
#define DELTA_WAIT 100000 // pauses, milliseconds: for a judgement's microsecond, not for a worker that stands still
#define DELTA_TRIES 4     // a judgement takes a microsecond, an edit on its way through the socket ten
static inline bool delta_changed(struct delta *d, uint32_t edits, unsigned *tries)
{
	bool changed = atomic_load_explicit(&d->begun, memory_order_acquire) != edits;
	if (changed && ++*tries == DELTA_TRIES)
		atomic_fetch_add(&d->asked, 1);
	else if (!changed && *tries >= DELTA_TRIES)
		atomic_fetch_sub(&d->asked, 1);
	return changed;
}

// Items with this key, one after the other, others among them. *i: from the key's lower half on. NULL: no more.
static inline const struct delta_item *delta_next(const struct delta *d, uint64_t key, uint32_t *i)
{
	for (;;) {
		uint64_t s = atomic_load_explicit(&d->slot[(*i)++ & (DELTA_SLOTS - 1)], memory_order_acquire);
		if (!s)
			return NULL;
		if (s >> 32 == key >> 32)
			return &d->item[(uint32_t)s - 1];
	}
}

static inline bool delta_in(const struct delta_item *item)
{
	return atomic_load_explicit(&item->in, memory_order_acquire);
}

// This very item; NULL: it is as compiled.
const struct delta_item *delta_find(const struct delta *d, uint64_t key, const struct delta_item *like,
				    const uint8_t *text);

// Is the port in the set, by what has changed? False: nothing has.
static inline bool delta_port(const struct delta *d, uint32_t set, uint64_t port, bool *in)
{
	const _Atomic uint64_t *bit = atomic_load_explicit(&d->numbers[set], memory_order_acquire);
	*in = bit && port < 65536 && atomic_load_explicit(&bit[port / 64], memory_order_acquire) >> port % 64 & 1;
	return bit;
}

// ---- the one that changes ----

// The item with this key, made where there is none yet. NULL: there is no room for more.
struct delta_item *delta_put(struct delta *d, uint64_t key, const struct delta_item *like, enum set_kind kind,
			     const uint8_t *text);
// From here on it is in its set, or is not.
void delta_turn(struct delta *d, struct delta_item *item, bool in, uint64_t fields);
// These ports (65,536 bits) are the set's from here on; its item turns after that. False: no memory.
bool delta_ports(struct delta *d, uint32_t set, const uint64_t *bits);
