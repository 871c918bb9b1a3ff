// SPDX-License-Identifier: BSD-3-Clause
//
// In: the workers' record rings and their watermarks. Out: one sequence. Shipper's thread.
//
//   ring A   12 15 13 | 18       done = 15
//   ring B   19 12    |          done = 19     all that is up to 15 is here: 12 12 13 15 go on, sorted;
//   ring C                       done = 15     18 and 19 stay in the group
//
// A ring is not in order of frames: a burst walks room by room, so a later frame's flow begins before an earlier
// frame's name is read. Only the watermark says what is complete; it is read before the rings are emptied.
//
// The group holds what was taken and may not go on yet: some bursts mostly, but every flow of the table where a
// capture ends. It is bounded (GROUP_BYTES_MAX); beyond that it is handed on in parts, each in order.
// Rejected: taking a later record in the ring for completeness (see above); handing on straight from the rings
// (records of one frame that two workers wrote would come in any order).
#include "ship/order.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "record.h"
#include "record_ring.h"

#define GROUP_BYTES_MAX (64u << 20)
#define RING_RECORDS_MAX (1u << 20) // more than any ring holds: then all that was there at the call has been taken

struct slot {
	uint64_t order, flow_id;
	uint64_t packet; // where there is no flow: who wrote first depends on the number of workers
	uint64_t seq;
	uint16_t worker;
	uint32_t at; // in bytes[]
};

struct order {
	const struct ship_source *sources;
	unsigned nsources;

	uint64_t least; // order in the group
	uint8_t *bytes, *spare;
	size_t used, room;
	struct slot *slots;
	size_t nslots, slots_room;
	bool sorted;
};

struct order *order_new(const struct ship_source *sources, unsigned nsources)
{
	struct order *o = calloc(1, sizeof(*o));
	if (!o)
		return NULL;
	o->sources = sources;
	o->nsources = nsources;
	o->room = 2 * RECORD_MAX;
	o->slots_room = 64;
	o->least = UINT64_MAX;
	o->bytes = malloc(o->room);
	o->spare = malloc(o->room);
	o->slots = malloc(o->slots_room * sizeof(*o->slots));
	if (o->bytes && o->spare && o->slots)
		return o;
	order_free(o);
	return NULL;
}

void order_free(struct order *o)
{
	if (!o)
		return;
	free(o->bytes);
	free(o->spare);
	free(o->slots);
	free(o);
}

static int compare(const void *pa, const void *pb)
{
	const struct slot *a = pa, *b = pb;
	if (a->order != b->order)
		return a->order < b->order ? -1 : 1;
	if (a->flow_id != b->flow_id)
		return a->flow_id < b->flow_id ? -1 : 1;
	if (a->packet != b->packet)
		return a->packet < b->packet ? -1 : 1;
	if (a->worker != b->worker)
		return a->worker < b->worker ? -1 : 1;
	return a->seq < b->seq ? -1 : a->seq > b->seq;
}

// Hands on what is up to frame limit; the rest moves to the front of the group.
static unsigned hand_on(struct order *o, uint64_t limit, order_each *each, void *arg)
{
	size_t n = 0, used = 0;
	if (!o->nslots || o->least > limit)
		return 0;
	if (!o->sorted)
		qsort(o->slots, o->nslots, sizeof(*o->slots), compare);
	for (; n < o->nslots && o->slots[n].order <= limit; n++)
		each(arg, (const struct record *)(o->bytes + o->slots[n].at));
	unsigned left = o->nslots - n;
	if (left) { // few: what a burst wrote ahead of the watermark
		uint8_t *rest = o->spare;
		for (size_t i = 0; i < left; i++) {
			struct slot slot = o->slots[n + i];
			const struct record *r = (const struct record *)(o->bytes + slot.at);
			memcpy(rest + used, r, r->len);
			slot.at = used;
			used += r->len;
			o->slots[i] = slot;
		}
		o->spare = o->bytes;
		o->bytes = rest;
	}
	o->nslots = left;
	o->used = used;
	o->sorted = true;
	o->least = left ? o->slots[0].order : UINT64_MAX;
	return n;
}

// Makes room for one more record. False: the bound, or no memory.
static bool grow(struct order *o, size_t len)
{
	if (o->nslots == o->slots_room) {
		struct slot *s = realloc(o->slots, 2 * o->slots_room * sizeof(*s));
		if (!s)
			return false;
		o->slots = s;
		o->slots_room *= 2;
	}
	if (o->used + len <= o->room)
		return true;
	if (o->room * 2 > GROUP_BYTES_MAX)
		return false;
	uint8_t *b = realloc(o->bytes, o->room * 2);
	if (!b)
		return false;
	o->bytes = b;
	b = realloc(o->spare, o->room * 2);
	if (!b)
		return false;
	o->spare = b;
	o->room *= 2;
	return true;
}

// A flow's start has the number of the record behind it.
static uint64_t number(const struct record *r)
{
	return (uint64_t)r->seq << 1 | (r->kind != RECORD_FLOW_START);
}

static void add(struct order *o, const struct record *r, order_each *each, void *arg)
{
	if (!grow(o, r->len))
		hand_on(o, UINT64_MAX, each, arg);
	struct slot *s = &o->slots[o->nslots];
	*s = (struct slot){r->order, r->flow_id, r->flow_id ? 0 : r->packet, number(r), r->worker, (uint32_t)o->used};
	memcpy(o->bytes + o->used, r, r->len);
	o->used += r->len;
	o->sorted = o->nslots == 0 || (o->sorted && compare(s - 1, s) < 0);
	if (r->order < o->least)
		o->least = r->order;
	o->nslots++;
}

// Takes what the ring of source i held at the call, at least; what its worker adds meanwhile as well, up to a bound.
static unsigned empty(struct order *o, unsigned i, order_each *each, void *arg)
{
	const struct record *r;
	unsigned n = 0;
	while (n < RING_RECORDS_MAX && (r = record_peek(o->sources[i].ring))) {
		add(o, r, each, arg);
		record_done(o->sources[i].ring, r);
		n++;
	}
	return n;
}

unsigned order_take(struct order *o, bool all, order_each *each, void *arg)
{
	uint64_t limit = UINT64_MAX;
	unsigned n = 0;
	for (unsigned i = 0; i < o->nsources && !all; i++) {
		uint64_t done = atomic_load_explicit(o->sources[i].done, memory_order_acquire);
		limit = done < limit ? done : limit;
	}
	for (unsigned i = 0; i < o->nsources; i++)
		n += empty(o, i, each, arg);
	return n + hand_on(o, limit, each, arg);
}
