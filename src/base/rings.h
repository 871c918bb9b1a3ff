// SPDX-License-Identifier: BSD-3-Clause
//
// The ends of workers: a ring from each of them to this thread (what left, what is mirrored), of one sender and one
// reader. What is made here is given back here.
#pragma once

#include <stddef.h>

#define RINGS_MAX 40
#define RINGS_LONG 1024 // elements of each, one of which stays empty

struct rte_ring;

struct rings {
	struct rte_ring *ring[RINGS_MAX];
	unsigned n;
};

// One more, for elements of `size` bytes (a multiple of 4); what: whose, in the ring's name. NULL: too many, or no
// memory.
struct rte_ring *rings_add(struct rings *r, const char *what, size_t size);
void rings_free(struct rings *r);
