// SPDX-License-Identifier: BSD-3-Clause
//
// What only AddressSanitizer has: bytes that must not be touched, inside memory that is ours; how long a test is
// there, and what cannot be tried under ThreadSanitizer.
#pragma once

#include <stdlib.h>
#include <string.h>

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if __has_feature(address_sanitizer) || defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define SANITIZED 1
#else
#define SANITIZED 0
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

// ThreadSanitizer dies (its own check) of what some of DPDK's drivers, not built for it, do with their descriptors.
#define THREADS_SANITIZED __has_feature(thread_sanitizer)

// Of many cases an eighth where each takes ten times as long, unless all is asked for: the build beside has them all.
static inline unsigned rounds(unsigned n)
{
	const char *full = getenv("SLUICE_FULL");
	return SANITIZED && !(full && strcmp(full, "1") == 0) ? (n + 7) / 8 : n;
}
