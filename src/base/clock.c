// SPDX-License-Identifier: BSD-3-Clause
//
// The clock of live workers: the time of day when it began, and from then on the pace of CLOCK_MONOTONIC, so that
// timers go on whatever NTP or a person does to the time of day. How far that is from it is kept beside, and added to
// what is written for people. Rejected: to let workers' time step, too (timers of an hour would stand, or all be due at
// once).
#include "base/clock.h"

#include <stdlib.h>

#define LEAST_NS 1000000 // less is the time between two reads
#define SAID_NS 1000000000

_Atomic uint64_t clock_wall_ns;
static uint64_t began_ns;

uint64_t clock_steady_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC) + began_ns;
}

int64_t clock_follow(uint64_t monotonic_ns, uint64_t real_ns)
{
	if (!began_ns)
		began_ns = real_ns - monotonic_ns;
	uint64_t wall_ns = real_ns - monotonic_ns - began_ns;
	int64_t step = (int64_t)(wall_ns - clock_wall_ns);
	if (llabs(step) >= LEAST_NS)
		clock_wall_ns = wall_ns;
	return llabs(step) >= SAID_NS ? step : 0;
}
