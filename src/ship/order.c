// SPDX-License-Identifier: BSD-3-Clause
//
// In: the workers' record rings, each in order of frames, and their watermarks. Out: one sequence. Shipper's thread.
//
//   ring A   [12][12][15]            least = 12: both heads of frame 12 go to the group, then
//   ring B   [12][19]                least = 15 > 12: the group is complete, sorted, handed on
//   ring C   (empty, done = 14)      an empty ring counts as done + 1
//
// A group holds the records of one frame: one or two mostly, but every flow of the table where a capture ends.
// It is bounded (GROUP_BYTES_MAX); beyond that it is handed on in parts, each in order.
// Rejected: handing on straight from the rings (records of one frame that two workers wrote would come in any
// order, and those of the end of a capture always do); a heap over all rings (the group is needed anyway).
#include "ship/order.h"

#include <stdlib.h>
#include <string.h>

#include "record.h"
#include "record_ring.h"

#define GROUP_BYTES_MAX (64u << 20)
#define TAKE_MAX 4096 // records a call, so that the caller sees the time

struct slot {
	uint64_t frame, flow_id;
	uint32_t seq;
	uint16_t worker;
	uint32_t at; // in bytes[]
};

struct order {
	const struct ship_source *sources;
	const struct record **heads; // of each ring: looked at, not taken; NULL: unknown or none
	unsigned nsources;

	uint64_t frame; // largest in the group
	uint8_t *bytes;
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
	o->heads = calloc(nsources ? nsources : 1, sizeof(*o->heads));
	o->bytes = malloc(o->room);
	o->slots = malloc(o->slots_room * sizeof(*o->slots));
	if (o->heads && o->bytes && o->slots)
		return o;
	order_free(o);
	return NULL;
}

void order_free(struct order *o)
{
	if (!o)
		return;
	free(o->heads);
	free(o->bytes);
	free(o->slots);
	free(o);
}

static int compare(const void *pa, const void *pb)
{
	const struct slot *a = pa, *b = pb;
	if (a->frame != b->frame)
		return a->frame < b->frame ? -1 : 1;
	if (a->flow_id != b->flow_id)
		return a->flow_id < b->flow_id ? -1 : 1;
	if (a->worker != b->worker)
		return a->worker < b->worker ? -1 : 1;
	return a->seq < b->seq ? -1 : a->seq > b->seq;
}

static void hand_on(struct order *o, order_each *each, void *arg)
{
	if (!o->sorted)
		qsort(o->slots, o->nslots, sizeof(*o->slots), compare);
	for (size_t i = 0; i < o->nslots; i++)
		each(arg, (const struct record *)(o->bytes + o->slots[i].at));
	o->nslots = o->used = 0;
	o->frame = 0;
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
	o->room *= 2;
	return true;
}

static void add(struct order *o, const struct record *r, order_each *each, void *arg)
{
	if (!grow(o, r->len))
		hand_on(o, each, arg);
	struct slot *s = &o->slots[o->nslots];
	*s = (struct slot){r->frame, r->flow_id, r->seq, r->worker, (uint32_t)o->used};
	memcpy(o->bytes + o->used, r, r->len);
	o->used += r->len;
	o->sorted = o->nslots == 0 || (o->sorted && compare(s - 1, s) < 0);
	if (r->frame > o->frame)
		o->frame = r->frame;
	o->nslots++;
}

// The least frame that source i may still give. The watermark is read before the ring: an empty ring then says that
// nothing up to it will come.
static uint64_t bound(struct order *o, unsigned i, bool all)
{
	if (!o->heads[i]) {
		uint64_t done = *o->sources[i].done;
		o->heads[i] = record_peek(o->sources[i].ring);
		if (!o->heads[i])
			return all || done == UINT64_MAX ? UINT64_MAX : done + 1;
	}
	return o->heads[i]->frame;
}

unsigned order_take(struct order *o, bool all, order_each *each, void *arg)
{
	unsigned n = 0;
	while (n < TAKE_MAX) {
		uint64_t least = UINT64_MAX;
		for (unsigned i = 0; i < o->nsources; i++) {
			uint64_t b = bound(o, i, all);
			least = b < least ? b : least;
		}
		unsigned before = n;
		if (o->nslots && o->frame < least) {
			n += o->nslots;
			hand_on(o, each, arg);
		}
		for (unsigned i = 0; i < o->nsources; i++) {
			const struct record *r = o->heads[i];
			if (!r || r->frame != least)
				continue;
			add(o, r, each, arg);
			record_done(o->sources[i].ring, r);
			o->heads[i] = NULL;
			n++;
		}
		if (n == before)
			break;
	}
	return n;
}
