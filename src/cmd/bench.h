// SPDX-License-Identifier: BSD-3-Clause
//
// One worker on the bench, and the modes that put it under a load of their own (bench_flood.c, bench_latency.c,
// bench_workers.c). Each says its figures as a list of rows, all with the same keys.
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include <jansson.h>

#include "bench_load.h"

struct bench_stage {
	const struct path_config *config;
	char *const *paths;
	unsigned npaths;
	unsigned established; // flows, --flood
	double seconds;       // of one trial
};

// Takes pools and memory of a worker, and readies them. 0 or an exit code; the reason was said.
int bench_worker(struct worker *w, const struct path_config *c);
// Throws away the records that are in the ring. Returns how many.
uint64_t bench_drain(struct worker *w);
// Another thread does that while the worker works.
struct bench_drainer {
	struct worker *w;
	atomic_bool stop;
	pthread_t thread;
};
void bench_drainer_start(struct bench_drainer *d, struct worker *w);
void bench_drainer_stop(struct bench_drainer *d);
double bench_cpu_seconds(void);
// The calling thread stays on processor n, counted from the last that the program may use; there need not be as many.
void bench_pin(unsigned n);

// Each returns an array of rows, or NULL: the reason was said.
json_t *bench_flood(const struct bench_stage *s);
json_t *bench_latency(const struct bench_stage *s);
json_t *bench_workers(const struct bench_stage *s);
