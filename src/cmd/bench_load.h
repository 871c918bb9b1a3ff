// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "path/worker.h"

// What is measured stays in one piece, whatever the caller looks like: gcc may else clone and split it. clang has only
// the half of it, and nobody measures with clang.
#ifdef __clang__
#define BENCH_APART __attribute__((noinline))
#else
#define BENCH_APART __attribute__((noipa))
#endif

// A capture in memory: what a NIC's descriptors and its buffers would hold.
struct load {
	struct load_frame {
		uint8_t *data;
		uint64_t time_ns;
		uint32_t wire_len;
		uint16_t len;
		uint16_t link_type;
	} * frames;
	uint64_t n, bytes, span_ns;
	struct rte_mempool *pool; // of mbufs without a buffer of their own
	uint8_t *data;
	size_t data_bytes;
};

// Reads the whole capture. 0, or -errno with the reason in err. w lends its pools.
int bench_load(struct load *l, struct worker *w, const char *path, char *err, size_t err_len);
void bench_unload(struct load *l);
// mbufs without a buffer, to be pointed at frames. NULL: no memory.
struct rte_mempool *bench_mbufs(void);
// Fills the burst with up to `most` frames from `at` on, as rx would, at their time plus offset_ns. Returns how many.
unsigned bench_fill(struct load *l, struct burst *b, uint64_t at, unsigned most, uint64_t offset_ns);
