// SPDX-License-Identifier: BSD-3-Clause
//
// Who is one hop away: address -> MAC, by port. Written by the control thread, which hears it of the kernel; read by
// workers, who never wait for it: each slot has a turn, odd while it is written (a seqlock), and one that is being
// written is not there yet.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define NEIGHBOUR_SLOTS 8192 // a power of two; the kernel's own bound is 1,024 (gc_thresh3)
#define NEIGHBOUR_PROBES 16
#define NEIGHBOUR_NONE 0 // a MAC address as a number: none

struct neighbour {
	_Atomic uint32_t turn; // 0: never written
	_Atomic uint32_t port; // and above it the address's length
	_Atomic uint64_t address[2];
	_Atomic uint64_t mac; // its six bytes as they lie in memory; NEIGHBOUR_NONE: was one, and may be written over
};

struct neighbours {
	struct neighbour slot[NEIGHBOUR_SLOTS];
};

// len: 4 or 16.
uint64_t neighbour_find(const struct neighbours *n, unsigned port, const uint8_t *address, unsigned len);
// mac NEIGHBOUR_NONE: it is no more. False: there is no room. One thread.
bool neighbour_set(struct neighbours *n, unsigned port, const uint8_t *address, unsigned len, uint64_t mac);
// All of a port. The same thread.
void neighbour_forget(struct neighbours *n, unsigned port);
