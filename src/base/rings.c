// SPDX-License-Identifier: BSD-3-Clause
//
// Rings from other threads, made before they run and freed when they have ended. Program's thread.
#include "rings.h"

#include <stdio.h>

#include <rte_ring.h>
#include <rte_ring_elem.h>

struct rte_ring *rings_add(struct rings *r, const char *what, size_t size)
{
	char name[RTE_RING_NAMESIZE];
	if (r->n == RINGS_MAX)
		return NULL;
	snprintf(name, sizeof(name), "%s%u", what, r->n);
	struct rte_ring *ring =
		rte_ring_create_elem(name, (unsigned)size, RINGS_LONG, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	if (ring)
		r->ring[r->n++] = ring;
	return ring;
}

void rings_free(struct rings *r)
{
	for (unsigned i = 0; i < r->n; i++)
		rte_ring_free(r->ring[i]);
	r->n = 0;
}
