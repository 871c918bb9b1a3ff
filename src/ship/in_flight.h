// SPDX-License-Identifier: BSD-3-Clause
//
// What a sink has sent and not heard of yet: ends of records in the order of the spool, each arrived or not. The cursor
// follows what arrived without a hole before it. See in_flight.c.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define IN_FLIGHT_NONE UINT32_MAX

struct in_flight {
	struct in_flight_slot {
		uint64_t end;  // what the cursor becomes behind it
		uint32_t next; // of the same message; IN_FLIGHT_NONE: it is the last
		bool arrived;
	} * ring;
	uint32_t mask, head, tail; // head, tail only grow, modulo 2^32
	uint64_t *ahead;           // what arrived behind a hole, of a time before in_flight_rewind; rising
	uint32_t nahead, at;
};

// room: records, a power of two. 0 or -ENOMEM.
int in_flight_init(struct in_flight *f, uint32_t room);
void in_flight_fini(struct in_flight *f);
bool in_flight_full(const struct in_flight *f);
bool in_flight_empty(const struct in_flight *f);

// The next record: its slot. Ends only grow, but for in_flight_rewind.
uint32_t in_flight_add(struct in_flight *f, uint64_t end);
// Another one of the same message: behind `last`, which is one of its slots.
void in_flight_join(struct in_flight *f, uint32_t last, uint32_t slot);
// All of a message, by its first slot.
void in_flight_arrived(struct in_flight *f, uint32_t first);
// True: it arrived before a rewind, and is not to be sent again; it has a slot, as if it had just arrived.
bool in_flight_had(struct in_flight *f, uint64_t end);
// How far the cursor may go: the end of the last record without a hole before it. 0: no farther than before.
uint64_t in_flight_passed(struct in_flight *f);
// All is to be read again from the cursor on; what arrived behind it is remembered. Nothing is on its way.
void in_flight_rewind(struct in_flight *f);
