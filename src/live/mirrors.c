// SPDX-License-Identifier: BSD-3-Clause
//
// The far end of mirror.c: workers hand over frames as they came in, with the numbers of the rules that want them; out
// go pcapng files (mirror_file.c), each frame with its own time and link type and a comment for each of these rules. In
// replay on the main thread, which also polls where it waits for a worker; live on a thread of its own (ctl/copies.c).
//
// Several workers hand over as they come to it, so copies are put into one order here: by the place in the walk for
// whose sake they were made, then by flow, then as the worker made them. They wait in a heap until everybody is done
// with that place. What waits is copied out of its mbuf, so that waiting takes nothing from the pools; it is what
// workers can be ahead of each other, which the rings between them bound. Live, places of workers are not compared:
// what one look at the rings finds is written worker by worker.
#include "mirrors.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "base/rings.h"
#include "live/comment.h"
#include "path/mirror.h"
#include "ruleset.h"

struct waiting {
	struct mirrored of; // without its mbuf
	struct capture_record *frame;
	uint64_t number;      // of the frame
	struct waiting *also; // the same frame, for the flow of another layer
};

#define COMMENTS_MAX (LAYERS_MAX * MIRROR_RULES)

struct mirrors {
	struct mirror_file files[MIRROR_FILES];
	unsigned nfiles;
	bool live;
	struct mirror_sum *sums; // by sink
	unsigned *file_of;       // the same; nfiles: none
	unsigned nsums;
	const struct policy_names *const *names;
	unsigned nnames;
	struct rings rings;
	struct waiting *heap; // the first in order is [0]
	size_t nheap, room;
	struct waiting *batch; // of one place in the walk
	size_t nbatch, batch_room;
};

// ---- files and sinks --------------------------------------------------------------------------------------------

bool mirrors_is_of(const struct mirror_to *to, const char *sink)
{
	return to->sink && strlen(sink) == to->sink_len && !memcmp(sink, to->sink, to->sink_len);
}

// The file of a sink: its own, else that of all; nfiles: none.
static unsigned file_of(const struct mirrors *x, const char *sink)
{
	unsigned all = x->nfiles;
	for (unsigned i = 0; i < x->nfiles; i++) {
		const struct mirror_to *to = x->files[i].to;
		if (mirrors_is_of(to, sink))
			return i;
		if (to->others && all == x->nfiles)
			all = i;
	}
	return all;
}

struct mirrors *mirrors_new(const struct mirrors_config *c)
{
	struct mirrors *x = calloc(1, sizeof(*x));
	if (!x)
		return NULL;
	x->names = c->names;
	x->nnames = c->nnames;
	x->live = c->live;
	x->room = x->batch_room = c->live ? RINGS_MAX * RINGS_LONG : 0; // all that there can be: it never grows
	x->heap = c->live ? calloc(x->room, sizeof(*x->heap)) : NULL;
	x->batch = c->live ? calloc(x->room, sizeof(*x->batch)) : NULL;
	x->sums = calloc(c->nsinks + 1u, sizeof(*x->sums));
	x->file_of = calloc(c->nsinks + 1u, sizeof(*x->file_of));
	if (!x->sums || !x->file_of || (c->live && (!x->heap || !x->batch))) {
		mirrors_free(x);
		return NULL;
	}
	for (; x->nfiles < c->nto; x->nfiles++)
		mirror_file_of(&x->files[x->nfiles], &c->to[x->nfiles], !c->live);
	for (unsigned i = 0; i < c->nsinks; i++) {
		unsigned f = x->file_of[i] = file_of(x, c->sinks[i]);
		x->sums[i] = (struct mirror_sum){.sink = c->sinks[i], .file = f < x->nfiles ? c->to[f].file : NULL};
	}
	x->nsums = c->nsinks;
	return x;
}

void mirrors_free(struct mirrors *x)
{
	if (!x)
		return;
	rings_free(&x->rings);
	for (size_t i = 0; i < x->nheap; i++)
		free(x->heap[i].frame);
	free(x->heap);
	free(x->batch);
	free(x->sums);
	free(x->file_of);
	free(x);
}

struct rte_ring *mirrors_ring(struct mirrors *x)
{
	return rings_add(&x->rings, "mirrors", sizeof(struct mirrored));
}

const char *mirrors_open(struct mirrors *x, uint16_t link_type)
{
	for (unsigned i = 0; i < x->nfiles; i++) {
		int rc = mirror_file_open(&x->files[i], link_type);
		errno = -rc;
		if (rc < 0)
			return x->files[i].to->file;
	}
	return NULL;
}

static void note_error(struct mirror_file *f)
{
	if (f->out && capture_out_error(f->out))
		mirror_file_close(f);
}

const char *mirrors_failed(struct mirrors *x, int *error)
{
	for (unsigned i = 0; i < x->nfiles; i++) {
		struct mirror_file *f = &x->files[i];
		note_error(f);
		if (!f->error || f->said || f->error == EPIPE)
			continue;
		f->said = true;
		*error = f->error;
		return f->to->file;
	}
	return NULL;
}

bool mirrors_left(const struct mirrors *x)
{
	for (unsigned i = 0; i < x->nfiles; i++)
		if (x->files[i].error == EPIPE)
			return true;
	return false;
}

const char *mirrors_close(struct mirrors *x, int *error)
{
	for (unsigned i = 0; i < x->nfiles; i++)
		mirror_file_close(&x->files[i]);
	return mirrors_failed(x, error);
}

void mirrors_tick(struct mirrors *x)
{
	for (unsigned i = 0; i < x->nfiles; i++)
		mirror_file_flush(&x->files[i]);
}

void mirrors_reopen(struct mirrors *x)
{
	for (unsigned i = 0; i < x->nfiles; i++)
		x->files[i].file.again = true;
}

bool mirrors_counts(struct mirrors *x, const char *sink, struct sink_counts *to)
{
	for (unsigned i = 0; i < x->nfiles; i++) {
		struct mirror_file *f = &x->files[i];
		if (strcmp(f->counts.name, sink))
			continue;
		pthread_mutex_lock(&f->lock);
		*to = f->counts;
		pthread_mutex_unlock(&f->lock);
		return true;
	}
	return false;
}

bool mirrors_sum(const struct mirrors *x, unsigned i, struct mirror_sum *s)
{
	if (i >= x->nsums)
		return false;
	*s = x->sums[i];
	return true;
}

// ---- what a comment says ----------------------------------------------------------------------------------------

static const struct rule_name *name_of(const struct mirrors *x, uint32_t rule, uint16_t version)
{
	bool known = rule != RULE_NONE && version >= 1 && version <= x->nnames && x->names[version - 1];
	return known ? policy_names_rule(x->names[version - 1], rule) : NULL;
}

// Which rule wants the copy, what the flow stood by then, and what became of the frame, as far as it was known.
static void comment(struct comment *c, const struct mirrors *x, const struct mirrored *e, uint32_t rule)
{
	const struct rule_name *of = name_of(x, rule, e->policy), *by = name_of(x, e->decided, e->decided_policy);
	bool open = e->flags & MIRRORED_OPEN;
	c->len = 0;
	comment_name(c, "mirror", of ? of->id : "-");
	if (of && of->reason)
		comment_text(c, "why", of->reason);
	if (e->flags & MIRRORED_BEFORE)
		comment_name(c, "before", "match");
	comment_name(c, "verdict", open || e->action >= ACTION_COUNT ? "open" : action_names[e->action]);
	if (by && !open)
		comment_name(c, "rule", by->id);
	if (by && !open && by->reason)
		comment_text(c, "reason", by->reason);
	if (e->reason)
		comment_name(c, "dropped", reason_names[e->reason]);
	else if (e->flags & MIRRORED_HELD)
		comment_name(c, "frame", "held");
	comment_number(c, "flow_id", e->flow);
	comment_number(c, "policy", e->policy);
}

// ---- writing ----------------------------------------------------------------------------------------------------

// A rule that wants a frame.
struct want {
	const struct mirrored *of;
	uint32_t rule;
	unsigned sink, file; // nsums, nfiles: none
};

static struct want want_of(const struct mirrors *x, const struct mirrored *of, uint32_t rule)
{
	const struct rule_name *n = name_of(x, rule, of->policy);
	struct want w = {.of = of, .rule = rule};
	const char *sink = n && n->sink ? n->sink : "";
	while (w.sink < x->nsums && strcmp(x->sums[w.sink].sink, sink))
		w.sink++;
	w.file = w.sink < x->nsums ? x->file_of[w.sink] : file_of(x, sink);
	if (w.file < x->nfiles && !mirror_file_takes(&x->files[w.file], of->tenant))
		w.file = x->nfiles;
	return w;
}

// In each sink a frame counts once.
static void sum(struct mirrors *x, const struct want *wants, unsigned i, uint32_t len)
{
	for (unsigned k = 0; k < i; k++)
		if (wants[k].sink == wants[i].sink)
			return;
	if (wants[i].sink == x->nsums || wants[i].file == x->nfiles)
		return;
	x->sums[wants[i].sink].frames++;
	x->sums[wants[i].sink].bytes += len;
}

// Once into each file, with a comment for each rule. Without a frame, for which there was no memory, they count it.
static void write_one(struct mirrors *x, const struct waiting *e)
{
	static struct comment room[COMMENTS_MAX];
	const char *comments[COMMENTS_MAX];
	struct want wants[COMMENTS_MAX];
	unsigned nwants = 0;
	for (const struct waiting *k = e; k; k = k->also)
		for (unsigned i = 0; i < k->of.nrules && nwants < COMMENTS_MAX; i++)
			wants[nwants++] = want_of(x, &k->of, k->of.rule[i]);
	for (unsigned i = 0; e->frame && i < nwants; i++)
		sum(x, wants, i, e->frame->len);
	for (unsigned f = 0; f < x->nfiles; f++) {
		unsigned n = 0;
		for (unsigned i = 0; i < nwants; i++) {
			if (wants[i].file != f)
				continue;
			comment(&room[n], x, wants[i].of, wants[i].rule);
			comments[n] = room[n].text;
			n++;
		}
		if (n)
			mirror_file_put(&x->files[f], e->frame, comments, n);
	}
}

// ---- the order --------------------------------------------------------------------------------------------------

static bool before(const struct waiting *a, const struct waiting *b)
{
	if (a->of.order != b->of.order)
		return a->of.order < b->of.order;
	return a->of.flow != b->of.flow ? a->of.flow < b->of.flow : a->of.n < b->of.n;
}

// Makes room for one more. What is lost for want of memory would be lost silently: there is no way on.
static void grow(struct waiting **list, size_t *room, size_t n)
{
	if (n < *room)
		return;
	*room = *room ? 2 * *room : 1024;
	*list = realloc(*list, *room * sizeof(**list));
	if (!*list)
		abort();
}

static void push(struct mirrors *x, const struct waiting *e)
{
	grow(&x->heap, &x->room, x->nheap);
	size_t i = x->nheap++;
	for (; i && before(e, &x->heap[(i - 1) / 2]); i = (i - 1) / 2)
		x->heap[i] = x->heap[(i - 1) / 2];
	x->heap[i] = *e;
}

static struct waiting pop(struct mirrors *x)
{
	struct waiting first = x->heap[0], last = x->heap[--x->nheap];
	size_t i = 0, k;
	while ((k = 2 * i + 1) < x->nheap) {
		k += k + 1 < x->nheap && before(&x->heap[k + 1], &x->heap[k]);
		if (!before(&x->heap[k], &last))
			break;
		x->heap[i] = x->heap[k];
		i = k;
	}
	if (x->nheap)
		x->heap[i] = last;
	return first;
}

static void take(struct mirrors *x, const struct mirrored *of)
{
	struct waiting e = {.of = *of, .frame = capture_record_of(of->m), .number = pkt_of(of->m)->frame};
	rte_pktmbuf_free(of->m);
	e.of.m = NULL;
	if (!e.frame && !x->live)
		abort();
	if (e.frame)
		push(x, &e);
	else
		write_one(x, &e);
}

// The last copy of the same frame for the same place, if there is a later one: what the layers of a tunnel want of it
// stands together.
static struct waiting *same_later(const struct mirrors *x, size_t i)
{
	for (size_t k = x->nbatch - 1; k > i; k--)
		if (x->batch[k].number == x->batch[i].number && !(x->batch[k].of.flags & MIRRORED_BEFORE))
			return &x->batch[k];
	return NULL;
}

static void write_place(struct mirrors *x)
{
	uint64_t order = x->heap[0].of.order;
	for (x->nbatch = 0; x->nheap && x->heap[0].of.order == order; x->nbatch++) {
		grow(&x->batch, &x->batch_room, x->nbatch);
		x->batch[x->nbatch] = pop(x);
	}
	for (size_t i = 0; i < x->nbatch; i++) {
		struct waiting *e = &x->batch[i];
		struct waiting *later = e->of.flags & MIRRORED_BEFORE ? NULL : same_later(x, i);
		if (!later) {
			write_one(x, e);
			continue;
		}
		struct waiting **end = &later->also;
		while (*end)
			end = &(*end)->also;
		*end = e;
	}
	for (size_t i = 0; i < x->nbatch; i++)
		free(x->batch[i].frame);
}

bool mirrors_poll(struct mirrors *x, uint64_t limit)
{
	struct mirrored e[BURST_SIZE];
	bool any = false;
	for (unsigned i = 0; i < x->rings.n; i++) {
		unsigned n; // no more than were there at the call
		for (unsigned got = 0; got + BURST_SIZE <= RINGS_LONG; got += n) {
			n = rte_ring_sc_dequeue_burst_elem(x->rings.ring[i], e, sizeof(e[0]), BURST_SIZE, NULL);
			if (n == 0)
				break;
			any = true;
			for (unsigned j = 0; j < n; j++)
				take(x, &e[j]);
		}
	}
	while (x->nheap && x->heap[0].of.order <= limit)
		write_place(x);
	return any;
}

void mirrors_flush(struct mirrors *x)
{
	mirrors_poll(x, UINT64_MAX);
	mirrors_tick(x);
}
