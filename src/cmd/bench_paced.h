// SPDX-License-Identifier: BSD-3-Clause
//
// An open-loop source: packets are due by the processor's clock, whether the worker has time for them or not. See
// bench_paced.c.
#pragma once

#include <rte_cycles.h>

#include "path/worker.h"

#define PACED_QUEUE 1024 // what a NIC's queue holds

struct paced {
	struct worker *w;
	void (*body)(struct worker *, struct burst *); // NULL: no work, only the clock is looked at
	// Puts the next n packets that came into the burst.
	void (*fill)(struct paced *, struct burst *, unsigned n);
	void *arg;
	double rate;       // packets a second; 0: as many as the worker takes
	uint64_t *latency; // PACED_BINS counts; NULL: not asked for
	bool lossy;        // what finds the queue full is lost; else it waits
	unsigned cycle;    // kinds of packets in turn: number of a packet modulo this, 0 the first kind
	uint64_t time_ns;  // the worker's clock at the start of a run; moves on with it
	double speed;      // of that clock; 0: as the source's
	// out, of the last run
	uint64_t offered[2], lost[2], served; // by kind: 0, the others
	uint64_t stolen, stolen_cycles; // turns in which the machine was elsewhere: the source's clock stood still
	double seconds;                 // without those
	// in work
	uint8_t kind[PACED_QUEUE];
	uint32_t head, n;
};

// Runs for so long; the queue is empty after it.
void paced_run(struct paced *p, double seconds);
// What the packet that is `i`-th in the queue is: true, of the first kind.
static inline bool paced_first(const struct paced *p, unsigned i)
{
	return p->kind[(p->head + i) % PACED_QUEUE] == 0;
}

#define PACED_BINS (64 * 32)
// Nanoseconds below which this share of the packets was.
double paced_quantile(const uint64_t *latency, double share);
