// SPDX-License-Identifier: BSD-3-Clause
//
// The source that does not wait: packet k is due k intervals after the start, by the TSC. In each turn what has become
// due since the last is put into a queue as a NIC's is (lossy: what finds no room is lost, the newest first), and the
// worker takes a burst of it. A packet's latency counts from when it was due until its burst has left the corridor, so
// that a worker that falls behind cannot hide it. Timers are looked at as often as a live worker does. New flows are
// refused (shed.h) only where the queue loses, as a flood's does: else the most would be found with most new flows
// refused, and four fifths of it would be more than can be kept up with all of them begun (p50 of 0.25 ms was that).
//
// A turn that took longer than STOLEN cannot be the corridor's (32 packets and 64 flows that end): the machine gave the
// processor to somebody else. The source's clock is set back by it, and how often that was is said. The empty loop is
// measured the same way, so a corridor that had such turns of its own would show by having more of them.
//
// Latencies are counted in bins of 1/32 of a power of two of cycles: exact to 3 %.
#include "bench_paced.h"

#include <math.h>
#include <string.h>

#include "path/path.h"
#include "path/shed.h"

#define STOLEN_US 100

static void came(struct paced *p, uint64_t from, uint64_t to)
{
	uint64_t room = p->lossy ? PACED_QUEUE - p->n : UINT64_MAX, k = from, cycle = p->cycle;
	for (; k < to && room; k++, room--)
		if (p->lossy)
			p->kind[(p->head + p->n++) % PACED_QUEUE] = k % cycle != 0;
	uint64_t first = (to + cycle - 1) / cycle, lost = (k + cycle - 1) / cycle;
	p->lost[0] += first - lost;
	p->lost[1] += to - k - (first - lost);
	lost = (from + cycle - 1) / cycle;
	p->offered[0] += first - lost;
	p->offered[1] += to - from - (first - lost);
}

static unsigned bin(uint64_t cycles)
{
	unsigned top = 63 - (unsigned)__builtin_clzll(cycles | 32);
	return (top - 5) * 32 + (unsigned)(cycles >> (top - 5));
}

double paced_quantile(const uint64_t *latency, double share)
{
	uint64_t all = 0, below = 0;
	unsigned i = 0;
	for (unsigned j = 0; j < PACED_BINS; j++)
		all += latency[j];
	for (; i < PACED_BINS - 1 && (below += latency[i]) < share * (double)all; i++)
		;
	unsigned top = i < 64 ? 0 : i / 32 - 1;
	return (double)((uint64_t)(i - top * 32) << top) * 1e9 / (double)rte_get_tsc_hz();
}

static void left(struct paced *p, uint64_t first, unsigned n, uint64_t now, double interval)
{
	for (unsigned i = 0; i < n; i++) {
		uint64_t due = (uint64_t)((double)(first + i) * interval);
		p->latency[bin(now > due ? now - due : 0)]++;
	}
}

void paced_run(struct paced *p, double seconds)
{
	struct burst b;
	const double hz = (double)rte_get_tsc_hz(), interval = p->rate > 0 ? hz / p->rate : 0;
	const uint64_t stolen = (uint64_t)(hz / 1e6 * STOLEN_US), tick = (uint64_t)(hz / 1e9 * PATH_AGE_NS);
	const uint64_t soon = (uint64_t)(hz / 1e9 * PATH_AGE_SOON_NS);
	const uint64_t span = (uint64_t)(hz * seconds), time_ns = p->time_ns;
	uint64_t begin = rte_rdtsc(), was = begin, now = begin, age = 0, arrived = 0, served = 0;
	const double ns = (p->speed > 0 ? p->speed : 1) * 1e9 / hz;
	memset(p->offered, 0, sizeof(p->offered));
	memset(p->lost, 0, sizeof(p->lost));
	p->stolen = 0;
	p->head = p->n = 0;
	for (;;) {
		uint64_t at = now - begin, due = p->rate > 0 ? (uint64_t)((double)at / interval) + 1 : UINT64_MAX;
		bool over = at >= span;
		if (!over && p->rate <= 0)
			due = arrived + (p->lossy ? PACED_QUEUE - p->n : BURST_SIZE);
		if (!over && due > arrived) {
			came(p, arrived, due);
			arrived = due;
		}
		uint64_t waiting = p->lossy ? p->n : arrived - served;
		unsigned n = waiting < BURST_SIZE || !p->body ? (unsigned)waiting : BURST_SIZE;
		if (over && n == 0)
			break;
		p->w->now_ns = time_ns + (uint64_t)((double)at * ns);
		if (n && p->body) {
			p->fill(p, &b, n);
			b.n = (uint16_t)n;
			p->w->rx += n;
			p->head = (p->head + n) % PACED_QUEUE;
			p->n -= p->lossy ? n : 0;
			if (p->lossy)
				shed_turn(p->w, n == BURST_SIZE);
			p->body(p->w, &b);
		}
		bool more = p->body && at >= age && path_age(p->w, p->w->now_ns, p->w->frame);
		while (more && p->rate <= 0) // the most is what can be kept up: nothing is put off
			more = path_age(p->w, p->w->now_ns, p->w->frame);
		if (at >= age)
			age = at + (more ? soon : tick);
		was = now;
		now = rte_rdtsc();
		if (unlikely(now - was > stolen)) {
			p->stolen++;
			begin += now - was;
		}
		if (p->latency)
			left(p, served, n, now - begin, interval);
		served += n;
	}
	p->served = served;
	p->seconds = (double)(now - begin) / hz;
	p->time_ns = RTE_MAX(p->w->now_ns, time_ns);
}
