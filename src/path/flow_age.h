// SPDX-License-Identifier: BSD-3-Clause
//
// How long a flow is remembered after its last packet.
#pragma once

#include "flow_table.h"

// X(symbol, seconds, wheel): see the sources in flow_age.c.
#define AGE_CLASSES(X)                                                                                                 \
	X(NEW, 30, AGE_SHORT) /* half-open: handshake not done, or no answer yet. Gives way when the table is full */  \
	X(CLOSED, 10, AGE_SHORT) /* FIN both ways or RST: the key lingers */                                           \
	X(REPLIED, 300, AGE_LONG)                                                                                      \
	X(TCP, 3600, AGE_LONG) /* handshake done */

enum age_class {
#define X(symbol, seconds, wheel) AGE_CLASS_##symbol,
	AGE_CLASSES(X)
#undef X
		AGE_CLASS_COUNT
};
static_assert(AGE_CLASS_COUNT <= 4, "bits of flow.age_class");

#define AGE_SHIFT 30 // the wheel turns in units of 2^30 ns
extern const uint64_t flow_age_timeout_ns[AGE_CLASS_COUNT];

// The first unit of time in which the flow is past its timeout.
static inline uint64_t flow_age_deadline(const struct flow *f)
{
	return ((f->last_ns + flow_age_timeout_ns[f->age_class]) >> AGE_SHIFT) + 1;
}
static inline bool flow_age_expired(const struct flow *f, uint64_t now_ns)
{
	return (now_ns >> AGE_SHIFT) >= flow_age_deadline(f);
}

// Puts a new flow (class and last_ns set) onto the wheel.
void flow_age_add(struct flow_table *t, struct flow *f);
// The flow changed to a class of shorter timeout. Longer ones are found out when their slot comes.
void flow_age_shorten(struct flow_table *t, struct flow *f);
// The half-open flow that was seen longest ago, found in bounded work, or NULL.
struct flow *flow_age_victim(struct flow_table *t);
