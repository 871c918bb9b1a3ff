// SPDX-License-Identifier: BSD-3-Clause
//
// Requests are answered out of order, for decisions go to many partitions; what the group is told is a number below
// which all are. In: offsets as they are taken, and which of them are done; out: that number. Decider's thread; no
// allocation, and a bound: who has taken PROGRESS_OPEN and delivered none takes no more.
#include "decide/progress.h"

#define PLACE_BITS 32
#define INDEX_BITS 20

// Places count on over ownerships, so that what belongs to an earlier one lies outside the ring.
uint64_t progress_take(struct progress *p, unsigned index, int64_t offset, uint64_t deadline_ms, uint64_t now_ns)
{
	if (p->n == PROGRESS_OPEN)
		return 0;
	uint32_t place = p->first + p->n++;
	p->open[place % PROGRESS_OPEN] = (struct progress_open){offset, deadline_ms, now_ns, false};
	p->seen = offset;
	if (p->next < 0)
		p->next = offset;
	return 1ull << (PLACE_BITS + INDEX_BITS) | (uint64_t)index << PLACE_BITS | place;
}

unsigned progress_index(uint64_t token)
{
	return (unsigned)(token >> PLACE_BITS & ((1u << INDEX_BITS) - 1));
}

struct progress_open *progress_at(struct progress *p, uint64_t token)
{
	uint32_t place = (uint32_t)token;
	return place - p->first < p->n ? &p->open[place % PROGRESS_OPEN] : NULL;
}

void progress_done(struct progress *p, uint64_t token)
{
	struct progress_open *o = progress_at(p, token);
	if (o)
		o->done = true;
	while (p->n && p->open[p->first % PROGRESS_OPEN].done) {
		p->next = p->open[p->first % PROGRESS_OPEN].offset + 1;
		p->first++;
		p->n--;
	}
}

void progress_begin(struct progress *p)
{
	p->first += p->n + 1;
	p->n = 0;
}
