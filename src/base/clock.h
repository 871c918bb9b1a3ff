// SPDX-License-Identifier: BSD-3-Clause
//
// The system's clocks as one number. Not for the rooms of path/: theirs is the packet's time.
#pragma once

#include <stdint.h>
#include <time.h>

// Nanoseconds of CLOCK_REALTIME, CLOCK_MONOTONIC, ...; the calls of both are answered without entering the kernel.
static inline uint64_t clock_ns(clockid_t id)
{
	struct timespec t;
	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}
