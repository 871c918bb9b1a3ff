// SPDX-License-Identifier: BSD-3-Clause
//
// sluice bench --workers: two workers beside one. The capture's flows are split as RSS would, by their hash; one worker
// walks all of them, or each of two its half at the same time, on a processor of its own. Nobody else runs: the main
// thread sleeps, and records are thrown away between loops by the worker itself, off the clock. One and two take turns,
// eleven pairs. Rates are of the workers' CPU time, so that what else the machine runs counts only as far as it takes
// cache and memory from them.
//
// It takes a capture that fits the last-level cache with all that is made of it (docs/performance.md).
#include "bench.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/eal.h"
#include "bench_paced.h"
#include "path/path.h"
#include "path/rooms.h"

#define BETWEEN_LOOPS_NS (4000ull * 1000000000)
#define PAIRS 11
#define CREW 3 // the one, and the two

// Only where the ring is too small for one loop.
static void wait_ring(struct worker *w)
{
	bench_drain(w);
}

struct hand {
	struct worker w;
	struct load load;
	uint64_t offset_ns;
	unsigned processor, loops;
	double rate; // packets a second of the last turn
	pthread_barrier_t *begin, *end;
	pthread_t thread;
	bool leave;
};

static void walk(struct hand *h)
{
	struct burst b;
	double took = 0;
	for (unsigned i = 0; i < h->loops; i++) {
		double from = bench_cpu_seconds();
		for (uint64_t at = 0, n; at < h->load.n; at += n) {
			n = bench_fill(&h->load, &b, at, BURST_SIZE, h->offset_ns);
			h->w.rx += n;
			h->w.now_ns = h->load.frames[at].time_ns + h->offset_ns;
			if (at == 0)
				while (path_age(&h->w, h->w.now_ns, at + 1))
					;
			path_burst(&h->w, &b);
		}
		took += bench_cpu_seconds() - from;
		h->offset_ns += h->load.span_ns + BETWEEN_LOOPS_NS;
		bench_drain(&h->w);
	}
	h->rate = (double)h->load.n * h->loops / took;
}

static void *work(void *arg)
{
	struct hand *h = arg;
	bool registered = rte_thread_register() == 0;
	bench_pin(h->processor);
	for (;;) {
		pthread_barrier_wait(h->begin);
		if (h->leave)
			break;
		walk(h);
		pthread_barrier_wait(h->end);
	}
	if (registered)
		rte_thread_unregister();
	return NULL;
}

// Frames of flows that worker `i` of two owns.
static void keep_half(struct load *l, struct worker *w, unsigned which)
{
	uint64_t kept = 0;
	for (uint64_t at = 0, n; at < l->n; at += n) {
		struct burst b;
		struct load_frame frames[BURST_SIZE];
		n = bench_fill(l, &b, at, BURST_SIZE, 0);
		memcpy(frames, &l->frames[at], n * sizeof(frames[0]));
		decap_burst(w, &b);
		for (unsigned i = 0; i < n; i++) {
			if (steer_owner(pkt_of(b.m[i])->hash, 2) == which)
				l->frames[kept++] = frames[i];
			rte_pktmbuf_free(b.m[i]);
		}
	}
	l->n = kept;
}

static bool hire(struct hand *h, const struct bench_stage *s, unsigned i, pthread_barrier_t *gate)
{
	char err[256];
	h->w.wait = wait_ring;
	if (bench_worker(&h->w, s->config) != 0)
		return false;
	if (bench_load(&h->load, &h->w, s->paths[0], err, sizeof(err)) < 0) {
		fprintf(stderr, "sluice bench: %s: %s\n", s->paths[0], err);
		return false;
	}
	h->loops = 1 + (unsigned)(s->seconds * 4e6 / (double)h->load.n);
	if (i > 0)
		keep_half(&h->load, &h->w, i - 1);
	memset(h->w.counters, 0, sizeof(h->w.counters));
	h->processor = i == 2 ? 1 : 0;
	h->begin = &gate[i ? 2 : 0];
	h->end = &gate[i ? 3 : 1];
	if (!h->load.n) {
		fprintf(stderr, "sluice bench: %s: its flows are all one worker's\n", s->paths[0]);
		return false;
	}
	return pthread_create(&h->thread, NULL, work, h) == 0;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double at(double *v, unsigned quarter)
{
	qsort(v, PAIRS, sizeof(*v), ascending);
	return (double)(uint64_t)(v[PAIRS * quarter / 4] * 1000 + 0.5) / 1000;
}

json_t *bench_workers(const struct bench_stage *s)
{
	static struct hand h[CREW];
	static pthread_barrier_t gate[4];
	double one[PAIRS], two[PAIRS], ratio[PAIRS];
	for (unsigned i = 0; i < 4; i++)
		pthread_barrier_init(&gate[i], NULL, i < 2 ? 2 : 3);
	for (unsigned i = 0; i < CREW; i++)
		if (!hire(&h[i], s, i, gate))
			return NULL;
	for (unsigned i = 0; i < PAIRS + 1; i++) {
		pthread_barrier_wait(&gate[0]);
		pthread_barrier_wait(&gate[1]);
		pthread_barrier_wait(&gate[2]);
		pthread_barrier_wait(&gate[3]);
		if (i == 0)
			continue; // each has its memory warm
		one[i - 1] = h[0].rate / 1e6;
		two[i - 1] = (h[1].rate + h[2].rate) / 1e6;
		ratio[i - 1] = two[i - 1] / one[i - 1];
	}
	for (unsigned i = 0; i < CREW; i++)
		h[i].leave = true;
	pthread_barrier_wait(&gate[0]);
	pthread_barrier_wait(&gate[2]);
	for (unsigned i = 0; i < CREW; i++)
		pthread_join(h[i].thread, NULL);
	return json_pack("[{s:I,s:I,s:I,s:f,s:f,s:f,s:f,s:f}]", "packets", (json_int_t)h[0].load.n, "first's",
			 (json_int_t)h[1].load.n, "second's", (json_int_t)h[2].load.n, "one Mpps", at(one, 2),
			 "two Mpps", at(two, 2), "ratio", at(ratio, 2), "lower quartile", at(ratio, 1),
			 "upper quartile", at(ratio, 3));
}
