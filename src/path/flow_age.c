// SPDX-License-Identifier: BSD-3-Clause
//
// When flows end by themselves. Two wheels of rings, one slot for each unit of time (1.07 s): short timeouts (64
// slots) and long ones (4,096). A flow sits in the slot of a deadline that it had once; packets do not move it, they
// only write last_ns. When its slot comes it is put where its deadline is now, or ends. So a packet costs nothing
// here, and a flow is looked at a few times in its life.
//
// A flow is past its timeout from the first whole unit after last_ns + timeout, whether the wheel says so or a
// packet of it comes first (flow.c asks flow_age_expired): what ends when depends on capture time and on the flow's own
// packets alone, hence not on the number of workers. For the same reason replay writes what a tick ends in the order
// of flow ids: records merge by (frame, flow id).
//
// Work is bounded: AGE_WORK flows a call; sorting, in replay only, is one pass over what is due where that is in
// order already, which it is under floods, and else one more for each digit of the ids. Rejected: a list a class in
// order of last packets (a move a packet, two cache lines of strangers written), a list in lazy order (an active flow
// at its head hides idle ones behind it, so the frame of an end would depend on what other flows a worker has).
//
// Timeouts, with what others use. NEW 30 s: conntrack's UDP default (Linux, nf_conntrack-sysctl). REPLIED 300 s:
// what RFC 4787 REQ-5 recommends for UDP. TCP 3,600 s: half of what RFC 5382 REQ-5 asks of a NAT, where an end cuts
// the connection; here it only ends the record, and later packets are picked up midstream. CLOSED 10 s: conntrack's
// tcp_timeout_close; long enough for retransmissions, short against the reuse of a tuple.
#include "flow_age.h"

#include <rte_prefetch.h>

#include "rooms.h"

#define AGE_WORK 8      // flows looked at or ended a call
#define AGE_TURNS 256   // empty slots passed a call
#define VICTIM_WORK 128 // slots and flows looked at for one that gives way

#define SECONDS(s) ((uint64_t)(s)*1000000000u)
const uint64_t flow_age_timeout_ns[AGE_CLASS_COUNT] = {
#define X(symbol, seconds, wheel) SECONDS(seconds),
	AGE_CLASSES(X)
#undef X
};
#define X(symbol, seconds, wheel)                                                                                      \
	static_assert((SECONDS(seconds) >> AGE_SHIFT) + 2 < wheel, "timeout is shorter than its wheel");
AGE_CLASSES(X)
#undef X

static unsigned slot_short(uint64_t unit)
{
	return unit & (AGE_SHORT - 1);
}
static unsigned slot_long(uint64_t unit)
{
	return AGE_SHORT + (unit & (AGE_LONG - 1));
}

static void put(struct flow_table *t, struct flow *f)
{
	static const uint16_t wheel[AGE_CLASS_COUNT] = {
#define X(symbol, seconds, wheel) wheel,
		AGE_CLASSES(X)
#undef X
	};
	uint64_t unit = RTE_MAX(flow_age_deadline(f), t->age_unit + 1);
	ring_append(t, wheel[f->age_class] == AGE_SHORT ? slot_short(unit) : slot_long(unit), f);
}

void flow_age_add(struct flow_table *t, struct flow *f)
{
	if (unlikely(!t->age_begun)) {
		t->age_begun = true;
		t->age_unit = f->last_ns >> AGE_SHIFT;
	}
	put(t, f);
}

void flow_age_shorten(struct flow_table *t, struct flow *f)
{
	ring_unlink(t, f);
	put(t, f);
}

static struct flow *ring_first(struct flow_table *t, unsigned ring)
{
	return ring_empty(t, ring) ? NULL : &t->flows[t->ring[ring].newer];
}

// Appends all of ring `from` to ring `to`.
static void splice(struct flow_table *t, unsigned to, unsigned from)
{
	if (ring_empty(t, from))
		return;
	struct flow_link *a = &t->ring[to], *b = &t->ring[from];
	ring_link(t, a->older)->newer = b->newer;
	ring_link(t, b->newer)->older = a->older;
	ring_link(t, b->older)->newer = t->size + to;
	a->older = b->older;
	ring_clear(t, from);
}

static bool classed_short(const struct flow *f)
{
	return f->age_class == AGE_CLASS_NEW || f->age_class == AGE_CLASS_CLOSED;
}

struct flow *flow_age_victim(struct flow_table *t)
{
	struct flow *f = ring_first(t, RING_DUE);
	uint64_t unit = t->age_unit + 1, end = unit + AGE_SHORT;
	if (f)
		return f;
	for (unsigned work = 0; work < VICTIM_WORK && unit < end; work++) {
		f = ring_first(t, RING_LOOK);
		if (!f)
			f = ring_first(t, slot_short(unit));
		if (!f) {
			unit++;
			continue;
		}
		if (classed_short(f) && flow_age_deadline(f) <= RTE_MAX(unit, t->age_unit + 1))
			return f;
		flow_age_shorten(t, f); // was seen since, or is no longer half-open: to where it belongs
	}
	return NULL;
}

// The bits in which the ids of a chain (linked by newer, ended by TABLE_NONE) differ; 0 where they are in order
// already.
static uint64_t disorder(const struct flow_table *t, uint32_t n)
{
	uint64_t first = t->flows[n].id, last = 0, bits = 0;
	bool ordered = true;
	for (; n != TABLE_NONE; n = t->flows[n].link.newer) {
		uint64_t id = t->flows[n].id;
		bits |= id ^ first;
		ordered &= id >= last;
		last = id;
	}
	return ordered ? 0 : bits;
}

// Sorts a chain by the eight bits of the ids at `shift`, stably.
static uint32_t sort_digit(struct flow_table *t, uint32_t n, unsigned shift)
{
	uint32_t first[256], last[256], head = TABLE_NONE, *end = &head;
	memset(first, 0xff, sizeof(first)); // TABLE_NONE
	for (uint32_t next; n != TABLE_NONE; n = next) {
		unsigned digit = t->flows[n].id >> shift & 255;
		next = t->flows[n].link.newer;
		*(first[digit] == TABLE_NONE ? &first[digit] : &t->flows[last[digit]].link.newer) = n;
		last[digit] = n;
	}
	for (unsigned i = 0; i < 256; i++) {
		if (first[i] == TABLE_NONE)
			continue;
		*end = first[i];
		end = &t->flows[last[i]].link.newer;
	}
	*end = TABLE_NONE;
	return head;
}

// Sorts the due flows by id, lowest digit first: the ids of what ends together differ in two or three.
static void sort_due(struct flow_table *t)
{
	uint32_t n = t->ring[RING_DUE].newer;
	if (ring_empty(t, RING_DUE))
		return;
	ring_link(t, t->ring[RING_DUE].older)->newer = TABLE_NONE;
	uint64_t bits = disorder(t, n);
	for (unsigned shift = 0; shift < 64; shift += 8)
		if (bits >> shift & 255)
			n = sort_digit(t, n, shift);
	ring_clear(t, RING_DUE);
	for (uint32_t next; n != TABLE_NONE; n = next) {
		next = t->flows[n].link.newer;
		ring_append(t, RING_DUE, &t->flows[n]);
	}
}

// Turns the wheel by one slot, into the ring of those that are to be looked at.
static void turn(struct flow_table *t)
{
	t->age_unit++;
	splice(t, RING_LOOK, slot_short(t->age_unit));
	splice(t, RING_LOOK, slot_long(t->age_unit));
}

// The next of the ring is asked for while this one is in work: flows that end were not seen for seconds.
static void ask_next(const struct flow_table *t, const struct flow *f)
{
	const uint8_t *next = (const uint8_t *)&t->flows[f->link.newer];
	if (f->link.newer >= t->size)
		return;
	rte_prefetch0(next);
	rte_prefetch0(next + 64);
	rte_prefetch0(next + 128);
}

// Live, what is due ends at once. In replay what is due together is sorted first.
static void look(struct worker *w, struct flow *f)
{
	struct flow_table *t = w->flows;
	ask_next(t, f);
	if (flow_age_deadline(f) > t->age_unit) {
		ring_unlink(t, f);
		put(t, f);
	} else if (w->config->live) {
		flow_end(w, f, FLOW_END_TIMEOUT);
	} else {
		ring_unlink(t, f);
		ring_append(t, RING_DUE, f);
		t->due_sorted = false;
	}
}

bool flow_age(struct worker *w, uint64_t time_ns, uint64_t frame)
{
	struct flow_table *t = w->flows;
	uint64_t target = time_ns >> AGE_SHIFT;
	unsigned work = AGE_WORK, turns = AGE_TURNS;
	if (!t->age_begun || (target <= t->age_unit && ring_empty(t, RING_LOOK) && ring_empty(t, RING_DUE)))
		return false;
	w->frame = frame;
	w->now_ns = time_ns;
	if (target > t->age_unit + AGE_LONG) // a leap: each slot once is enough
		t->age_unit = target - AGE_LONG;
	for (struct flow *f; work > 0; work--) {
		while (ring_empty(t, RING_LOOK) && t->age_unit < target && turns > 0) {
			turn(t);
			turns--;
		}
		f = ring_first(t, RING_LOOK);
		if (!f)
			break;
		look(w, f);
	}
	if (t->age_unit < target || !ring_empty(t, RING_LOOK))
		return true;
	if (!t->due_sorted && !w->config->live)
		sort_due(t);
	t->due_sorted = true;
	for (struct flow *f; work > 0 && (f = ring_first(t, RING_DUE)); work--) {
		ask_next(t, f);
		flow_end(w, f, FLOW_END_TIMEOUT);
	}
	return !ring_empty(t, RING_DUE);
}

void flow_drain(struct worker *w)
{
	struct flow_table *t = w->flows;
	for (unsigned i = 0; i < RING_DUE; i++)
		splice(t, RING_DUE, i);
	sort_due(t);
	for (struct flow *f; (f = ring_first(t, RING_DUE));)
		flow_end(w, f, FLOW_END_SHUTDOWN);
	t->age_begun = false;
}
