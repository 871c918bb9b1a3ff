// SPDX-License-Identifier: BSD-3-Clause
//
// sluice bench --latency: how long a packet is inside, from when it was due until its burst has left. The capture is
// played in a loop by the clock (bench_paced.c), at 50 % and 80 % of what the corridor takes of it in this run; the
// empty loop is given the same packets at the same rate, and once more at 80 % of its own. The three take turns, round
// by round, so that what the machine does meanwhile falls on all alike; the most is found anew in each round, and said
// is the median round.
//
// A capture begins with flows that begin and ends with flows that end; at 80 % of its average the beginning alone would
// be too much. So it is played by sixteen voices, each at another place of it, a few packets at a time, each time as
// another tenant. The corridor's clock runs 64 times as fast as the source's, so that flows that are over are forgotten
// while the bench runs.
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/eal.h"
#include "bench_calibrate.h"
#include "bench_paced.h"
#include "path/path.h"

#define VOICES 16
#define RUN 8u // packets of a voice in turn
#define SPEED 64
#define ROUNDS 11
#define QUANTILES 4

static const double quantile[QUANTILES] = {0.5, 0.99, 0.999, 1};

struct play {
	struct worker w;
	struct load load;
	struct paced p;
	uint64_t n, tenants;
	struct voice {
		uint64_t at, tenant;
	} voices[VOICES];
};

static void fill(struct paced *p, struct burst *b, unsigned n)
{
	struct play *l = p->arg;
	for (unsigned have = 0, got; have < n; have += got, l->n += got) {
		struct voice *v = &l->voices[l->n / RUN % VOICES];
		struct burst part;
		got = bench_fill(&l->load, &part, v->at, RTE_MIN(n - have, RUN - (unsigned)(l->n % RUN)), 0);
		for (unsigned i = 0; i < got; i++) {
			struct pkt *k = pkt_of(b->m[have + i] = part.m[i]);
			k->time_ns = k->stamp_ns = p->w->now_ns;
			k->tenant = v->tenant;
		}
		v->at += got;
		if (v->at == l->load.n)
			*v = (struct voice){.tenant = ++l->tenants};
	}
}

static void begin(struct play *l)
{
	for (unsigned i = 0; i < VOICES; i++)
		l->voices[i] = (struct voice){.at = l->load.n * i / VOICES, .tenant = ++l->tenants};
}

struct curve {
	const char *loop, *load;
	void (*body)(struct worker *, struct burst *);
	double share;
	unsigned of;                      // whose most: 0 the empty loop's, 1 the corridor's
	double us[QUANTILES + 1][ROUNDS]; // and the rate
	uint64_t stolen, packets;
};

static void play(struct play *l, struct curve *c, unsigned round, double rate, double seconds)
{
	static uint64_t latency[PACED_BINS];
	memset(latency, 0, sizeof(latency));
	l->p.latency = latency;
	l->p.body = c->body;
	l->p.rate = rate;
	paced_run(&l->p, seconds);
	for (unsigned i = 0; i < QUANTILES; i++)
		c->us[i][round] = paced_quantile(latency, quantile[i]) / 1e3;
	c->us[QUANTILES][round] = rate / 1e6;
	c->stolen += l->p.stolen;
	c->packets += l->p.served;
}

static double most(struct play *l, void (*body)(struct worker *, struct burst *), double seconds)
{
	l->p.latency = NULL;
	l->p.body = body;
	l->p.rate = 0;
	paced_run(&l->p, seconds);
	return (double)l->p.served / l->p.seconds;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double middle(const struct curve *c, unsigned i)
{
	double us[ROUNDS];
	memcpy(us, c->us[i], sizeof(us));
	qsort(us, ROUNDS, sizeof(us[0]), ascending);
	return us[ROUNDS / 2];
}

static double two(double v)
{
	return (double)(uint64_t)(v * 100 + 0.5) / 100;
}

static json_t *row(const struct curve *c, const struct curve *empty)
{
	double v[QUANTILES + 1];
	for (unsigned i = 0; i <= QUANTILES; i++)
		v[i] = two(middle(c, i));
	return json_pack("{s:s,s:s,s:f,s:f,s:f,s:f,s:f,s:f,s:I,s:I}", "loop", c->loop, "load", c->load, "Mpps",
			 v[QUANTILES], "p50 us", v[0], "p99 us", v[1], "p99.9 us", v[2], "max us", v[3],
			 "p99.9 x empty", two(v[2] / middle(empty, 2)), "packets", (json_int_t)c->packets,
			 "stolen turns", (json_int_t)c->stolen);
}

json_t *bench_latency(const struct bench_stage *s)
{
	static struct play l;
	char err[256];
	if (bench_worker(&l.w, s->config) != 0)
		return NULL;
	if (bench_load(&l.load, &l.w, s->paths[0], err, sizeof(err)) < 0) {
		fprintf(stderr, "sluice bench: %s: %s\n", s->paths[0], err);
		return NULL;
	}
	l.p = (struct paced){.w = &l.w, .fill = fill, .arg = &l, .cycle = 1, .speed = SPEED};
	l.p.time_ns = clock_ns(CLOCK_REALTIME);
	begin(&l);
	struct bench_drainer drainer;
	bench_drainer_start(&drainer, &l.w);
	bench_pin(0);
	mem_settle();
	static struct curve c[] = {
		{"empty", "0.5 of the corridor's", calibrate_empty_burst, 0.5, 1, {{0}}, 0, 0},
		{"corridor", "0.5", path_burst, 0.5, 1, {{0}}, 0, 0},
		{"empty", "0.8 of the corridor's", calibrate_empty_burst, 0.8, 1, {{0}}, 0, 0},
		{"corridor", "0.8", path_burst, 0.8, 1, {{0}}, 0, 0},
		{"empty", "0.8 of its own", calibrate_empty_burst, 0.8, 0, {{0}}, 0, 0},
	};
	most(&l, path_burst, s->seconds); // warm
	for (unsigned round = 0; round < ROUNDS; round++) {
		double of[] = {most(&l, calibrate_empty_burst, s->seconds), most(&l, path_burst, s->seconds)};
		for (unsigned i = 0; i < RTE_DIM(c); i++)
			play(&l, &c[i], round, c[i].share * of[c[i].of], s->seconds);
	}
	json_t *rows = json_array();
	for (unsigned i = 0; i < RTE_DIM(c); i++)
		json_array_append_new(rows, row(&c[i], &c[i == 4 ? 4 : i & ~1u]));
	path_drain(&l.w);
	bench_drainer_stop(&drainer);
	return rows;
}
