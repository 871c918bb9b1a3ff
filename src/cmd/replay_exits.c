// SPDX-License-Identifier: BSD-3-Clause
//
// Every input frame ends once, and the worker says so on its exit ring. Fragments end late (when their datagram is
// whole, or its time is over), and several workers end their frames as they come to them, so the ends are put back
// into the order of the frame numbers here: a window of slots, indexed by frame number. Runs on the program's main
// thread, which also polls when it waits for a worker: a full exit ring never stands still.
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
#include "replay_summary.h"

#define WINDOW (1u << 18)
#define KEPT_MAX (64u << 20)
#define RING 1024

struct slot {
	struct capture_record *kept; // to be written; NULL: dropped, or nobody writes
	uint64_t frame;              // of --join: FRAME_OF
	uint16_t reason;
	uint8_t door; // DOOR_NONE: still inside
};

struct exits {
	uint64_t next, last; // frame that the order waits for; highest seen
	size_t kept;         // bytes of the frames in slots
	FILE *trace;
	int trace_error;
	struct capture_out *out;
	char *const *captures; // joined; none: there is one
	unsigned ncaptures;
	struct rte_ring *rings[EXITS_SOURCES_MAX];
	unsigned nrings;
	struct slot slots[WINDOW];
};

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
	for (unsigned i = 0; i < x->nrings; i++)
		rte_ring_free(x->rings[i]);
	free(x);
}

struct rte_ring *exits_ring(struct exits *x)
{
	char name[RTE_RING_NAMESIZE];
	if (x->nrings == EXITS_SOURCES_MAX)
		return NULL;
	snprintf(name, sizeof(name), "exits%u", x->nrings);
	struct rte_ring *r =
		rte_ring_create_elem(name, sizeof(struct exit), RING, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	if (r)
		x->rings[x->nrings++] = r;
	return r;
}

void exits_write_to(struct exits *x, struct capture_out *out)
{
	x->out = out;
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

// Of joined captures a line ends with the frame's number in its own and that one's name.
static void say(struct exits *x, uint64_t order, uint64_t frame, uint16_t door, uint16_t reason)
{
	char name[4096], own[sizeof(name) + 32] = "";
	if (!x->trace || x->trace_error)
		return;
	if (frame_capture(frame) < x->ncaptures)
		snprintf(own, sizeof(own), " %lu %s", frame_own(frame),
			 summary_printable(x->captures[frame_capture(frame)], name, sizeof(name)));
	if (fprintf(x->trace, "%lu %s %s -%s\n", order, door_names[door], reason ? reason_names[reason] : "-", own) < 0)
		x->trace_error = errno;
}

// The slots at the head of the order that have their frame.
static void advance(struct exits *x)
{
	for (;; x->next++) {
		struct slot *s = &x->slots[x->next % WINDOW];
		if (s->door == DOOR_NONE)
			return;
		say(x, x->next, s->frame, s->door, s->reason);
		if (s->kept) {
			if (x->out)
				capture_out_record(x->out, s->kept);
			x->kept -= s->kept->len;
			free(s->kept);
		}
		*s = (struct slot){0};
	}
}

// Gives up waiting for the frame at the head: it will be late.
static void skip(struct exits *x)
{
	while (x->next <= x->last && x->slots[x->next % WINDOW].door == DOOR_NONE)
		x->next++;
	advance(x);
}

static void write_now(struct exits *x, const struct exit *e)
{
	say(x, e->order, e->frame, e->door, e->reason);
	if (e->m && x->out)
		capture_out_frame(x->out, e->m);
}

static void keep(struct exits *x, const struct exit *e)
{
	struct slot *s = &x->slots[e->order % WINDOW];
	s->door = e->door;
	s->frame = e->frame;
	s->reason = e->reason;
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
	if (e->order <= x->next) {
		write_now(x, e);
		if (e->order == x->next) {
			x->next++;
			advance(x);
		}
	} else {
		if (e->order > x->last)
			x->last = e->order;
		keep(x, e);
		while (x->kept > KEPT_MAX)
			skip(x);
	}
	rte_pktmbuf_free(e->m);
}

bool exits_poll(struct exits *x)
{
	struct exit e[BURST_SIZE];
	bool any = false;
	for (unsigned i = 0; i < x->nrings; i++) {
		unsigned n;
		while ((n = rte_ring_sc_dequeue_burst_elem(x->rings[i], e, sizeof(e[0]), BURST_SIZE, NULL)) > 0) {
			any = true;
			for (unsigned j = 0; j < n; j++)
				take(x, &e[j]);
		}
	}
	return any;
}

void exits_flush(struct exits *x)
{
	exits_poll(x);
	while (x->next <= x->last)
		skip(x);
	x->next = 1;
	x->last = 0;
}
