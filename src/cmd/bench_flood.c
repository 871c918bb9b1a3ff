// SPDX-License-Identifier: BSD-3-Clause
//
// sluice bench --flood: what is left to established flows under a flood on the same core. The legitimate traffic is
// made here: TCP connections whose handshake the worker has seen, which take turns, a segment of data each way. The
// flood is a capture, over and over. Both come by one queue, four packets of the flood for each legitimate one, by the
// clock (bench_paced.c); a worker that does not keep up loses at the queue whatever comes then, as behind a NIC.
//
// "Keep": legitimate packets that left, as a share of those that left at the same rate without a flood. Rates are
// shares of what the worker takes of legitimate traffic alone, found in the same run; at a fifth the whole load is as
// many packets as that. "Holds to" is the largest share at which 0.9 is kept, by bisection. A lost segment is sent
// again: a connection's numbers move with what was taken.
//
// None evicted: after the flood each connection sends once more, and not one may begin a flow. Memory flat: pages that
// the worker touched anew and packets that stayed inside are said.
#include "bench.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <rte_byteorder.h>
#include <rte_mempool.h>

#include "base/clock.h"
#include "base/eal.h"
#include "bench_paced.h"
#include "path/flow_table.h"
#include "path/path.h"

#define FLOOD 4     // packets for each legitimate one
#define PAYLOAD 600 // bytes: frames of 654, the mix's average
#define FRAME_ROOM 704
#define FRAMES 4096 // legitimate frames in memory, as in a NIC's rings
#define HEAD 54
#define WARM 64 // segments of each connection before anything counts: whatever it may be was looked for
#define KEPT 0.9
#define STEPS 6 // of the bisection
#define SYN 2
#define ACK 16

struct flood {
	struct worker w;
	struct paced p;
	struct load load; // the flood
	struct rte_mempool *pool;
	uint8_t *frames;
	struct line {
		uint32_t next[2];
	} * lines; // a connection: next sequence number of each end
	uint32_t nlines;
	uint64_t sent, flood_at, frame;
	double max;
};

static const uint8_t head[HEAD] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6};

static void put16(uint8_t *at, uint32_t v)
{
	uint16_t be = rte_cpu_to_be_16((uint16_t)v);
	memcpy(at, &be, 2);
}

static void put32(uint8_t *at, uint32_t v)
{
	uint32_t be = rte_cpu_to_be_32(v);
	memcpy(at, &be, 4);
}

static void begin(struct flood *f, struct rte_mbuf *m, uint8_t *d, uint16_t len)
{
	m->buf_addr = d;
	m->buf_len = m->data_len = len;
	m->pkt_len = len;
	m->data_off = 0;
	f->frame++;
	pkt_begin(pkt_of(m), f->frame, f->w.now_ns, f->w.now_ns, len, 1, false);
}

// A segment of connection i. Checksums are not asked for (bench's configuration).
static void segment(struct flood *f, struct rte_mbuf *m, uint32_t i, unsigned dir, uint8_t flags, uint32_t payload)
{
	uint8_t *d = f->frames + f->frame % FRAMES * FRAME_ROOM;
	struct line *l = &f->lines[i];
	uint32_t client = 0x64400000 + i, server = 0xcb007101, ports = 20000u << 16 | 9999;
	memcpy(d, head, HEAD);
	put16(d + 16, 40 + payload);
	put32(d + 26, dir ? server : client);
	put32(d + 30, dir ? client : server);
	put32(d + 34, dir ? ports << 16 | ports >> 16 : ports);
	put32(d + 38, l->next[dir]);
	put32(d + 42, flags == SYN ? 0 : l->next[!dir]);
	d[46] = 0x50;
	d[47] = flags;
	put16(d + 48, 65535);
	l->next[dir] += payload + (flags & SYN ? 1 : 0);
	begin(f, m, d, (uint16_t)(HEAD + payload));
}

static void next_legit(struct flood *f, struct rte_mbuf *m)
{
	segment(f, m, (uint32_t)(f->sent % f->nlines), f->sent / f->nlines & 1, ACK, PAYLOAD);
	f->sent++;
}

static void next_flood(struct flood *f, struct rte_mbuf *m)
{
	const struct load_frame *l = &f->load.frames[f->flood_at], *ahead = l + BURST_SIZE;
	f->flood_at = f->flood_at + 1 == f->load.n ? 0 : f->flood_at + 1;
	if (ahead < f->load.frames + f->load.n)
		rte_prefetch0(ahead->data);
	begin(f, m, l->data, l->len);
}

static void take(struct flood *f, struct burst *b, unsigned n)
{
	if (rte_mempool_get_bulk(f->pool, (void **)b->m, n) < 0)
		abort(); // more held than there are: no configuration of the bench can
}

static void fill(struct paced *p, struct burst *b, unsigned n)
{
	struct flood *f = p->arg;
	take(f, b, n);
	for (unsigned i = 0; i < n; i++)
		if (paced_first(p, i))
			next_legit(f, b->m[i]);
		else
			next_flood(f, b->m[i]);
}

static void shake_hands(struct flood *f)
{
	static const uint8_t flags[] = {SYN, SYN | ACK, ACK};
	for (uint32_t i = 0; i < f->nlines; i++) {
		struct burst b = {.n = 3};
		take(f, &b, 3);
		f->lines[i] = (struct line){{i * 7919u, i * 104729u}};
		for (unsigned k = 0; k < 3; k++)
			segment(f, b.m[k], i, k == 1, flags[k], 0);
		f->w.rx += 3;
		path_burst(&f->w, &b);
	}
}

// Everything that is not legitimate is forgotten, and the connections are where they were.
static void calm(struct flood *f)
{
	f->p.rate = 0;
	f->p.cycle = 1;
	path_drain(&f->w);
	f->w.shed = (struct shed){0}; // nobody is behind: what sheds would shed handshakes
	shake_hands(f);
	paced_run(&f->p, 0.05 + 3e-7 * WARM * f->nlines);
}

// Legitimate packets a second that left, at `rate` of them and that of the flood. lost: share of them
static double trial(struct flood *f, double rate, unsigned flood, double seconds)
{
	struct paced *p = &f->p;
	p->cycle = 1 + flood;
	p->rate = rate * p->cycle;
	uint64_t before = f->sent;
	paced_run(p, seconds);
	return (double)(f->sent - before) / p->seconds;
}

static double kept(struct flood *f, double rate, double seconds)
{
	double alone = trial(f, rate, 0, seconds / 2);
	return trial(f, rate, FLOOD, seconds) / alone;
}

// Connections that the worker no longer knows.
static uint64_t gone(struct flood *f)
{
	uint64_t flows = f->w.counters[COUNTER_FLOWS];
	f->w.shed = (struct shed){0}; // one that is not known begins a flow
	for (uint32_t i = 0; i < 2 * f->nlines; i++) {
		struct burst b = {.n = 1};
		take(f, &b, 1);
		next_legit(f, b.m[0]);
		f->w.rx++;
		path_burst(&f->w, &b);
	}
	return f->w.counters[COUNTER_FLOWS] - flows;
}

static uint64_t faults(void)
{
	struct rusage r;
	getrusage(RUSAGE_THREAD, &r);
	return (uint64_t)r.ru_minflt;
}

static double holds_to(struct flood *f, double seconds)
{
	double low = 0, high = 1;
	for (unsigned i = 0; i < STEPS; i++) {
		double share = (low + high) / 2;
		*(kept(f, share * f->max, seconds / STEPS) >= KEPT ? &low : &high) = share;
	}
	return low;
}

static double round_to(double v, double unit)
{
	return (double)(uint64_t)(v / unit + 0.5) * unit;
}

static json_t *row(struct flood *f, const struct bench_stage *s, const char *path)
{
	char err[256];
	const struct worker *w = &f->w;
	if (bench_load(&f->load, &f->w, path, err, sizeof(err)) < 0) {
		fprintf(stderr, "sluice bench: %s: %s\n", path, err);
		return NULL;
	}
	calm(f);
	f->max = trial(f, 0, 0, s->seconds / 2);
	f->flood_at = 0;
	trial(f, f->max / 5, FLOOD, s->seconds / 2); // the table is as full as it gets
	uint64_t pages = faults(), stolen = 0, records = w->counters[COUNTER_RECORDS_LOST];
	double tenth = kept(f, f->max / 10, s->seconds), fifth = kept(f, f->max / 5, s->seconds);
	double most = holds_to(f, s->seconds * 3);
	stolen = f->p.stolen;
	uint64_t left = gone(f);
	pages = faults() - pages;
	const char *name = strrchr(path, '/');
	json_t *r = json_pack(
		"{s:s,s:f,s:f,s:f,s:f,s:f,s:f,s:I,s:I,s:I,s:I,s:I,s:I}", "flood", name ? name + 1 : path,
		"legit alone Mpps", round_to(f->max / 1e6, 0.01), "kept at 0.1", round_to(tenth, 0.001), "kept at 0.2",
		round_to(fifth, 0.001), "holds to", round_to(most, 0.001), "legit Mpps then",
		round_to(most * f->max / 1e6, 0.01), "flood Mpps then", round_to(most * f->max * FLOOD / 1e6, 0.01),
		"connections lost", (json_int_t)left, "flows", (json_int_t)w->flows->used, "frames inside",
		(json_int_t)w->held, "pages touched anew", (json_int_t)pages, "records lost",
		(json_int_t)(w->counters[COUNTER_RECORDS_LOST] - records), "stolen turns", (json_int_t)stolen);
	path_drain(&f->w);
	bench_unload(&f->load);
	return r;
}

json_t *bench_flood(const struct bench_stage *s)
{
	static struct flood f;
	f.nlines = s->established;
	f.p = (struct paced){.w = &f.w, .body = path_burst, .fill = fill, .arg = &f, .lossy = true, .cycle = 1};
	f.p.time_ns = f.w.now_ns = clock_ns(CLOCK_REALTIME);
	if (bench_worker(&f.w, s->config) != 0)
		return NULL;
	f.pool = bench_mbufs();
	f.frames = mem_take((size_t)FRAMES * FRAME_ROOM);
	f.lines = mem_take(f.nlines * sizeof(*f.lines));
	if (!f.pool || !f.frames || !f.lines)
		return NULL;
	struct bench_drainer drainer;
	bench_drainer_start(&drainer, &f.w);
	bench_pin(0);
	mem_settle();
	json_t *rows = json_array(), *r = rows;
	for (unsigned i = 0; i < s->npaths && (r = row(&f, s, s->paths[i])); i++)
		json_array_append_new(rows, r);
	bench_drainer_stop(&drainer);
	if (r)
		return rows;
	json_decref(rows);
	return NULL;
}
