// SPDX-License-Identifier: BSD-3-Clause
//
// The system's clocks as one number. Not for the rooms of path/: theirs is the packet's time.
// clock.c has what live workers go by.
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

// The same as what system calls take, for a moment or as long.
static inline struct timespec clock_time(uint64_t ns)
{
	return (struct timespec){.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
}

// The time of live workers: never back, never in steps.
uint64_t clock_steady_ns(void);
// Modulo 2^64: what the time of day has over it.
extern _Atomic uint64_t clock_wall_ns;
// Control thread, before workers start and then each second. Nanoseconds by which the time of day was set forward or
// back since the last call; 0: by less than a second, which is followed without a word.
int64_t clock_follow(uint64_t monotonic_ns, uint64_t real_ns);
