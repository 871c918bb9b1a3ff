// SPDX-License-Identifier: BSD-3-Clause
//
// Every input frame ends once, and the worker says so on its exit ring. Fragments end late (when their datagram is
// whole, or its time is over), and several workers end their frames as they come to them, so the ends are put back
// into the order of the frame numbers here: a window of slots, indexed by frame number. Runs on the program's main
// thread, which also polls when it waits for a worker: a full exit ring never stands still.
//
// A frame that was made here (an answer) stands behind the frame that caused it. What time causes (a hold that ran out)
// has the order of the frame at which it was noticed, by any worker; hence several workers' ends are only put in order
// up to what all of them are done with (exits_poll's limit), and what is made after the last frame is written at the
// end.
//
// Bounded: the window is WINDOW frames wide and keeps at most KEPT_MAX bytes. Beyond that it moves on without the
// frame it waits for, which is then written when it comes, late. Frames are copied out of their mbufs to wait, so
// that waiting takes nothing from the pools that the corridor needs.
#include "replay_exits.h"

#include <errno.h>
#include <stdlib.h>

#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "path/rooms.h"
#include "policy_names.h"
#include "base/rings.h"
#include "replay_summary.h"

#define WINDOW (1u << 18)
#define KEPT_MAX (64u << 20)

// A frame made here that waits for its place, in a list by flow and number.
struct own {
	struct own *next;
	uint64_t order, flow;
	uint32_t n;
	struct capture_record *kept;
};

struct slot {
	struct own *own;
	struct capture_record *kept; // to be written; NULL: dropped, or nobody writes
	uint64_t frame;              // of --join: FRAME_OF
	uint64_t flow, left;
	uint32_t rule, policy;
	uint16_t reason;
	uint8_t door; // DOOR_NONE: still inside
};

struct exits {
	uint64_t next, last; // frame that the order waits for; highest seen
	uint64_t limit;      // everybody is done with frames up to this
	struct own *late;    // made for frames that have been written
	size_t kept;         // bytes of the frames in slots
	FILE *trace, *ends;
	int trace_error;
	struct capture_out *out;
	char *const *captures; // joined; none: there is one
	unsigned ncaptures;
	const struct policy_names *const *names; // by version, from 1
	unsigned nnames;
	struct rings rings;
	struct slot slots[WINDOW];
};

static void write_kept(struct exits *x, struct capture_record *kept)
{
	if (!kept)
		return;
	if (x->out)
		capture_out_record(x->out, kept);
	x->kept -= kept->len;
	free(kept);
}

static void write_own(struct exits *x, struct own *o)
{
	for (struct own *next; o; o = next) {
		next = o->next;
		write_kept(x, o->kept);
		free(o);
	}
}

static void write_late(struct exits *x)
{
	write_own(x, x->late);
	x->late = NULL;
}

struct exits *exits_new(FILE *trace)
{
	struct exits *x = calloc(1, sizeof(*x));
	if (x) {
		x->next = 1;
		x->trace = trace;
	}
	return x;
}

void exits_free(struct exits *x)
{
	if (!x)
		return;
	rings_free(&x->rings);
	x->out = NULL;
	for (unsigned i = 0; i < WINDOW; i++) {
		write_kept(x, x->slots[i].kept);
		write_own(x, x->slots[i].own);
	}
	write_late(x);
	free(x);
}

struct rte_ring *exits_ring(struct exits *x)
{
	return rings_add(&x->rings, "exits", sizeof(struct exit));
}

void exits_write_to(struct exits *x, struct capture_out *out)
{
	x->out = out;
}

void exits_ends_to(struct exits *x, FILE *ends)
{
	x->ends = ends;
}

void exits_joined(struct exits *x, char *const *captures, unsigned n)
{
	x->captures = captures;
	x->ncaptures = n;
}

int exits_trace_error(const struct exits *x)
{
	return x->trace_error;
}

void exits_policies(struct exits *x, const struct policy_names *const *names, unsigned n)
{
	x->names = names;
	x->nnames = n;
}

static const char *rule_id(const struct exits *x, uint32_t rule, uint32_t version)
{
	bool known = rule != RULE_NONE && version >= 1 && version <= x->nnames && x->names[version - 1];
	return known ? policy_names_rule(x->names[version - 1], rule)->id : "-";
}

// Of joined captures a line ends with the frame's number in its own and that one's name.
static void say(struct exits *x, const struct exit *e)
{
	if (x->ends) {
		struct exits_end end = {e->order,  e->frame, e->flow,   e->left, e->door,
					e->reason, e->rule,  e->policy, 0};
		fwrite(&end, sizeof(end), 1, x->ends);
	}
	char name[4096], own[sizeof(name) + 32] = "";
	if (!x->trace || x->trace_error)
		return;
	if (frame_capture(e->frame) < x->ncaptures)
		snprintf(own, sizeof(own), " %lu %s", frame_own(e->frame),
			 summary_printable(x->captures[frame_capture(e->frame)], name, sizeof(name)));
	if (fprintf(x->trace, "%lu %s %s %s%s\n", e->order, door_names[e->door],
		    e->reason ? reason_names[e->reason] : "-", rule_id(x, e->rule, e->policy), own) < 0)
		x->trace_error = errno;
}

static bool own_before(const struct own *a, const struct own *b)
{
	if (a->order != b->order)
		return a->order < b->order;
	return a->flow != b->flow ? a->flow < b->flow : a->n < b->n;
}

static void keep_own(struct exits *x, const struct exit *e)
{
	struct own *o = malloc(sizeof(*o)), **at = &x->late;
	struct capture_record *kept = x->out ? capture_record_of(e->m) : NULL;
	if (!o || !kept) { // nobody writes; or no memory: out of order, but not lost
		if (x->out)
			capture_out_frame(x->out, e->m);
		free(o);
		free(kept);
		return;
	}
	*o = (struct own){.order = e->order, .flow = e->frame, .n = e->own, .kept = kept};
	x->kept += kept->len;
	if (e->order >= x->next) {
		at = &x->slots[e->order % WINDOW].own;
		x->last = RTE_MAX(x->last, e->order);
	}
	while (*at && own_before(*at, o))
		at = &(*at)->next;
	o->next = *at;
	*at = o;
}

// The slot at the head of the order, and what was made for it.
static void write_slot(struct exits *x)
{
	struct slot *s = &x->slots[x->next++ % WINDOW];
	if (s->door != DOOR_NONE)
		say(x, &(struct exit){.order = x->next - 1,
				      .frame = s->frame,
				      .flow = s->flow,
				      .left = s->left,
				      .door = s->door,
				      .reason = s->reason,
				      .rule = s->rule,
				      .policy = s->policy});
	write_kept(x, s->kept);
	write_own(x, s->own);
	*s = (struct slot){0};
}

// The slots at the head of the order that have their frame.
static void advance(struct exits *x)
{
	while (x->next <= x->limit && x->slots[x->next % WINDOW].door != DOOR_NONE)
		write_slot(x);
}

// Gives up waiting for the frame at the head: it will be late.
static void skip(struct exits *x)
{
	while (x->next <= x->last && x->slots[x->next % WINDOW].door == DOOR_NONE)
		write_slot(x);
	if (x->next <= x->last)
		write_slot(x);
	advance(x);
}

static void write_now(struct exits *x, const struct exit *e)
{
	say(x, e);
	if (e->m && x->out)
		capture_out_frame(x->out, e->m);
}

static void keep(struct exits *x, const struct exit *e)
{
	struct slot *s = &x->slots[e->order % WINDOW];
	s->door = e->door;
	s->frame = e->frame;
	s->flow = e->flow;
	s->left = e->left;
	s->reason = e->reason;
	s->rule = e->rule;
	s->policy = e->policy;
	if (!e->m || !x->out)
		return;
	s->kept = capture_record_of(e->m);
	if (s->kept)
		x->kept += s->kept->len;
	else
		capture_out_frame(x->out, e->m); // no memory: out of order, but not lost
}

static void take(struct exits *x, const struct exit *e)
{
	while (e->order >= x->next + WINDOW) {
		if (x->next > x->last)
			x->next = e->order - WINDOW + 1; // nothing is kept: all of them will be late
		else
			skip(x);
	}
	if (e->own) {
		keep_own(x, e);
	} else if (e->order < x->next) {
		write_now(x, e);
	} else if (e->order == x->next && x->next <= x->limit && !x->slots[x->next % WINDOW].own) {
		write_now(x, e);
		x->next++;
		advance(x);
	} else {
		x->last = RTE_MAX(x->last, e->order);
		keep(x, e);
		advance(x);
	}
	while (x->kept > KEPT_MAX) {
		write_late(x);
		if (x->next <= x->last)
			skip(x);
	}
	rte_pktmbuf_free(e->m);
}

bool exits_poll(struct exits *x, uint64_t limit)
{
	struct exit e[BURST_SIZE];
	bool any = false;
	x->limit = limit;
	for (unsigned i = 0; i < x->rings.n; i++) {
		unsigned n;
		while ((n = rte_ring_sc_dequeue_burst_elem(x->rings.ring[i], e, sizeof(e[0]), BURST_SIZE, NULL)) > 0) {
			any = true;
			for (unsigned j = 0; j < n; j++)
				take(x, &e[j]);
		}
	}
	advance(x);
	return any;
}

void exits_flush(struct exits *x)
{
	exits_poll(x, UINT64_MAX);
	while (x->next <= x->last)
		skip(x);
	write_late(x);
	if (x->ends) {
		struct exits_end end = {.door = DOOR_NONE};
		fwrite(&end, sizeof(end), 1, x->ends);
		fflush(x->ends); // somebody may hold it against the same of another
	}
	x->next = 1;
	x->last = 0;
}
