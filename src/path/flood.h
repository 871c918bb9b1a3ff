// SPDX-License-Identifier: BSD-3-Clause
//
// Flows that a flood began and nobody answered: counted, not told one by one. See flood.c.
#pragma once

#include "worker.h"

// What config->flood is where nobody says otherwise: with their starts 65,536 records a second, an eighth of what one
// core puts into words.
#define FLOOD_TOLD 32768

int flood_init(struct worker *w);
void flood_fini(struct worker *w);

// A flow begins. True: its bucket of the hash has begun more in this second, and seen fewer of them answered, than have
// records of their own.
bool flood_begins(struct worker *w, uint32_t hash, bool outer, uint64_t time_ns);
// One that began in this second was answered.
void flood_answered(struct worker *w, uint32_t hash, bool outer, uint64_t start_ns);
// Adds a flow, which is told by no RECORD_FLOW then, to the sum of where it came from. judged: what the policy says of
// it, and its direction; nothing else. Now is w->now_ns.
struct flow;
void flood_sum(struct worker *w, const struct flow *f, const struct record *judged, enum flow_end why);
// Writes what earlier seconds came to. True: more is due than was done.
bool flood_age(struct worker *w, uint64_t time_ns);
void flood_drain(struct worker *w);
