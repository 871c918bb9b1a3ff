// SPDX-License-Identifier: BSD-3-Clause
//
// A ring of slots, one a record. Kafka acknowledges messages of several partitions in any order, a message may carry
// several records that do not stand side by side in the spool, and the cursor is one position:
//
//   tail                          head
//    | 10 yes | 11 yes | 12 no | 13 yes | ...     the cursor goes behind 11
//
// When sending begins again from the cursor (a topic was gone, a producer was made anew), what had arrived behind a
// hole must not go twice: its ends are kept (`ahead`), and met again in the same order, for the spool is read in order.
// What the spool has thinned away meanwhile is passed over. Rejected: to send it again and let readers drop it by
// (node, boot, worker, seq), which they should have to do after a crash alone.
#include "ship/in_flight.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int in_flight_init(struct in_flight *f, uint32_t room)
{
	*f = (struct in_flight){.mask = room - 1};
	f->ring = calloc(room, sizeof(*f->ring));
	f->ahead = calloc(room, sizeof(*f->ahead));
	return f->ring && f->ahead ? 0 : -ENOMEM;
}

void in_flight_fini(struct in_flight *f)
{
	free(f->ring);
	free(f->ahead);
}

bool in_flight_full(const struct in_flight *f)
{
	return f->head - f->tail > f->mask;
}

bool in_flight_empty(const struct in_flight *f)
{
	return f->head == f->tail;
}

uint32_t in_flight_add(struct in_flight *f, uint64_t end)
{
	f->ring[f->head & f->mask] = (struct in_flight_slot){.end = end, .next = IN_FLIGHT_NONE};
	return f->head++ & f->mask;
}

void in_flight_join(struct in_flight *f, uint32_t last, uint32_t slot)
{
	f->ring[last].next = slot;
}

void in_flight_arrived(struct in_flight *f, uint32_t first)
{
	for (uint32_t i = first; i != IN_FLIGHT_NONE; i = f->ring[i].next)
		f->ring[i].arrived = true;
}

bool in_flight_had(struct in_flight *f, uint64_t end)
{
	while (f->at < f->nahead && f->ahead[f->at] < end)
		f->at++;
	if (f->at == f->nahead || f->ahead[f->at] != end)
		return false;
	f->at++;
	in_flight_arrived(f, in_flight_add(f, end));
	return true;
}

uint64_t in_flight_passed(struct in_flight *f)
{
	uint64_t end = 0;
	for (; f->tail != f->head && f->ring[f->tail & f->mask].arrived; f->tail++)
		end = f->ring[f->tail & f->mask].end;
	return end;
}

// Those of the ring stand before those that a rewind before this one left, and take no more room than the records that
// were met again: the list never outgrows the ring.
void in_flight_rewind(struct in_flight *f)
{
	uint32_t left = f->nahead - f->at, n = 0;
	for (uint32_t i = f->tail; i != f->head; i++)
		n += f->ring[i & f->mask].arrived;
	if (n > f->mask + 1 - left) // the last ones go twice
		left = f->mask + 1 - n;
	memmove(f->ahead + n, f->ahead + f->at, left * sizeof(*f->ahead));
	n = 0;
	for (uint32_t i = f->tail; i != f->head; i++) {
		if (f->ring[i & f->mask].arrived)
			f->ahead[n++] = f->ring[i & f->mask].end;
	}
	f->nahead = n + left;
	f->at = 0;
	f->head = f->tail;
}
