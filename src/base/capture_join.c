// SPDX-License-Identifier: BSD-3-Clause
//
// Several captures as one: the frame with the lowest clock goes first, of equal ones that of the earlier capture. A
// binary heap of captures, each with a few frames read ahead. A capture whose time runs backwards was clamped by its
// own reader, so the merged time never does. A damaged capture gives what it has; the others go on.
// On the reader's thread; frames read ahead are bounded by AHEAD_MAX in all, so that the pools are not eaten up.
#include "base/capture.h"

#include <stdlib.h>

#define AHEAD_MAX 128

struct strand {
	struct capture *capture;
	struct burst ahead;
	unsigned at, index;
	enum capture_state state;
};

struct capture_join {
	struct strand **heap; // with a frame ahead, lowest first
	unsigned nheap, n, depth;
	bool primed;
	uint64_t frames;
	struct strand strands[];
};

struct capture_join *capture_join_new(struct capture **captures, unsigned n)
{
	struct capture_join *j = n > FRAME_CAPTURES_MAX ? NULL : calloc(1, sizeof(*j) + n * sizeof(struct strand));
	if (!j || !(j->heap = calloc(n ? n : 1, sizeof(*j->heap)))) {
		free(j);
		return NULL;
	}
	j->n = n;
	j->depth = RTE_MIN(RTE_MAX(AHEAD_MAX / RTE_MAX(n, 1u), 1u), (unsigned)BURST_SIZE);
	for (unsigned i = 0; i < n; i++) {
		j->strands[i].capture = captures[i];
		j->strands[i].index = i;
	}
	return j;
}

void capture_join_free(struct capture_join *j)
{
	if (!j)
		return;
	for (unsigned i = 0; i < j->n; i++) {
		struct strand *s = &j->strands[i];
		for (; s->at < s->ahead.n; s->at++)
			rte_pktmbuf_free(s->ahead.m[s->at]);
	}
	free(j->heap);
	free(j);
}

static uint64_t time_of(const struct strand *s)
{
	return pkt_of(s->ahead.m[s->at])->time_ns;
}

static bool before(const struct strand *a, const struct strand *b)
{
	uint64_t ta = time_of(a), tb = time_of(b);
	return ta < tb || (ta == tb && a->index < b->index);
}

static void sink(struct capture_join *j, unsigned i)
{
	for (;;) {
		unsigned low = i, kid = 2 * i + 1;
		for (unsigned k = kid; k < kid + 2 && k < j->nheap; k++) {
			if (before(j->heap[k], j->heap[low]))
				low = k;
		}
		if (low == i)
			return;
		struct strand *s = j->heap[i];
		j->heap[i] = j->heap[low];
		j->heap[low] = s;
		i = low;
	}
}

// Reads ahead. False: pools are dry.
static bool refill(struct capture_join *j, struct strand *s, struct worker *w)
{
	if (s->at < s->ahead.n || s->state == CAPTURE_END || s->state == CAPTURE_DAMAGED)
		return true;
	struct burst *b = &s->ahead;
	b->n = s->at = BURST_SIZE - j->depth; // the reader fills a burst up to its end
	s->state = capture_burst(s->capture, w, b);
	return s->state != CAPTURE_STARVED;
}

static bool prime(struct capture_join *j, struct worker *w)
{
	for (unsigned i = 0; i < j->n; i++) {
		if (!refill(j, &j->strands[i], w))
			return false;
	}
	for (unsigned i = 0; i < j->n; i++) {
		if (j->strands[i].at < j->strands[i].ahead.n)
			j->heap[j->nheap++] = &j->strands[i];
	}
	for (unsigned i = j->nheap; i-- > 0;)
		sink(j, i);
	return j->primed = true;
}

enum capture_state capture_join_burst(struct capture_join *j, struct worker *w, struct burst *b)
{
	if (!j->primed && !prime(j, w))
		return CAPTURE_STARVED;
	while (j->nheap && b->n < BURST_SIZE) {
		struct strand *s = j->heap[0];
		if (s->at == s->ahead.n) { // left empty by a call that found the pools dry
			if (!refill(j, s, w))
				return CAPTURE_STARVED;
		} else {
			struct rte_mbuf *m = s->ahead.m[s->at++];
			pkt_of(m)->frame = FRAME_OF(s->index, pkt_of(m)->frame);
			pkt_of(m)->order = ++j->frames;
			b->m[b->n++] = m;
			if (!refill(j, s, w))
				return CAPTURE_STARVED;
		}
		if (s->at == s->ahead.n)
			j->heap[0] = j->heap[--j->nheap];
		sink(j, 0);
	}
	return j->nheap ? CAPTURE_MORE : CAPTURE_END;
}
