// SPDX-License-Identifier: BSD-3-Clause
//
// sluice bench --latency: how long a packet is inside, from when it was due until its burst has left. The capture is
// played in a loop by the clock (bench_paced.c), at 50 % and 80 % of what the corridor takes of it in this run; the
// empty loop is given the same packets at the same rate, and once more at 80 % of its own. The loops take turns in
// slices of 20 ms, so that what the machine does meanwhile falls on all alike, and the most is found anew before each
// round of them, and once more behind: where the two differ by more than a tenth, 80 % was not 80 %, and the round
// counts for none of the loops (`unsteady`). The first milliseconds of each slice do not count, in which the loop
// before has left the cache cold.
//
// What is the machine's own: the same packets at the same rate are due to a loop that does nothing but look at the
// clock (`clock`). It is late where the processor was taken away.
//
// A capture begins with flows that begin and ends with flows that end; at 80 % of its average the beginning alone would
// be too much. So it is played by sixteen voices, each at another place of it, a few packets at a time, each time as
// another tenant. The corridor's clock runs 256 times as fast as the source's, so that flows that are over are
// forgotten while the bench runs, and a slice has several of the wheel's slots, each of which ends flows.
#include "bench.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/eal.h"
#include "bench_calibrate.h"
#include "bench_paced.h"
#include "path/path.h"

#define VOICES 16
#define RUN 8u // packets of a voice in turn
#define SPEED 256
#define SLICE 0.02 // seconds
#define WARM 0.003
#define ROUNDS 11 // of --seconds each, in slices
#define STEADY 0.1
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
	unsigned of; // whose most: 0 the empty loop's, 1 the corridor's
	double rates;
	uint64_t stolen, packets;
	uint64_t latency[PACED_BINS];
};

static struct curve curves[] = {
	{.loop = "clock", .load = "0.8 of the corridor's", .share = 0.8, .of = 1},
	{.loop = "empty", .load = "0.5 of the corridor's", .body = calibrate_empty_burst, .share = 0.5, .of = 1},
	{.loop = "corridor", .load = "0.5", .body = path_burst, .share = 0.5, .of = 1},
	{.loop = "empty", .load = "0.8 of the corridor's", .body = calibrate_empty_burst, .share = 0.8, .of = 1},
	{.loop = "corridor", .load = "0.8", .body = path_burst, .share = 0.8, .of = 1},
	{.loop = "empty", .load = "0.8 of its own", .body = calibrate_empty_burst, .share = 0.8, .of = 0},
};
#define CURVES RTE_DIM(curves)

struct slice {
	double rate;
	uint64_t stolen, packets;
	uint64_t latency[PACED_BINS];
};

static void run(struct play *l, void (*body)(struct worker *, struct burst *), double rate, double seconds,
		uint64_t *latency)
{
	l->p.latency = latency;
	l->p.body = body;
	l->p.rate = rate;
	paced_run(&l->p, seconds);
}

static void play(struct play *l, const struct curve *c, struct slice *s, double rate)
{
	memset(s, 0, sizeof(*s));
	run(l, c->body, rate, WARM, NULL);
	run(l, c->body, rate, SLICE, s->latency);
	s->rate = rate;
	s->stolen = l->p.stolen;
	s->packets = l->p.served;
}

static void keep(struct curve *c, const struct slice *s)
{
	for (unsigned i = 0; i < PACED_BINS; i++)
		c->latency[i] += s->latency[i];
	c->rates += s->rate;
	c->stolen += s->stolen;
	c->packets += s->packets;
}

static double most(struct play *l, void (*body)(struct worker *, struct burst *))
{
	run(l, body, 0, WARM, NULL);
	run(l, body, 0, SLICE, NULL);
	return (double)l->p.served / l->p.seconds;
}

// All loops once. False: the machine was not the same behind it.
static bool round_of(struct play *l)
{
	static struct slice slices[CURVES];
	double of[] = {most(l, calibrate_empty_burst), most(l, path_burst)};
	for (unsigned i = 0; i < CURVES; i++)
		play(l, &curves[i], &slices[i], curves[i].share * of[curves[i].of]);
	double change = most(l, path_burst) / of[1];
	if (change < 1 - STEADY || change > 1 + STEADY)
		return false;
	for (unsigned i = 0; i < CURVES; i++)
		keep(&curves[i], &slices[i]);
	return true;
}

static double two(double v)
{
	return (double)(uint64_t)(v * 100 + 0.5) / 100;
}

static json_t *row(const struct curve *c, const struct curve *empty, unsigned rounds, unsigned unsteady)
{
	double v[QUANTILES];
	for (unsigned i = 0; i < QUANTILES; i++)
		v[i] = paced_quantile(c->latency, quantile[i]) / 1e3;
	return json_pack("{s:s,s:s,s:f,s:f,s:f,s:f,s:f,s:f,s:I,s:I,s:i,s:i}", "loop", c->loop, "load", c->load, "Mpps",
			 two(rounds ? c->rates / rounds / 1e6 : 0), "p50 us", two(v[0]), "p99 us", two(v[1]),
			 "p99.9 us", two(v[2]), "max us", two(v[3]), "p99.9 x empty",
			 two(v[2] / paced_quantile(empty->latency, quantile[2]) * 1e3), "packets",
			 (json_int_t)c->packets, "stolen turns", (json_int_t)c->stolen, "rounds", (int)rounds,
			 "unsteady", (int)unsteady);
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
	run(&l, path_burst, 0, s->seconds, NULL); // warm
	unsigned all = (unsigned)(ROUNDS * s->seconds / SLICE) + 1, rounds = 0;
	for (unsigned i = 0; i < all; i++)
		rounds += round_of(&l);
	json_t *rows = json_array();
	for (unsigned i = 0; i < CURVES; i++) // a corridor's empty loop stands before it
		json_array_append_new(
			rows, row(&curves[i], &curves[curves[i].body == path_burst ? i - 1 : i], rounds, all - rounds));
	path_drain(&l.w);
	bench_drainer_stop(&drainer);
	return rows;
}
