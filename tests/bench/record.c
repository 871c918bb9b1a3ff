// SPDX-License-Identifier: BSD-3-Clause
//
// What a record costs the worker: records that a replay wrote down as they are (--format raw) are put together once
// more, each of its flow and fact by fact, and given to a ring as large as `run` has it. What they are made of is at
// hand, as the bytes of a packet in work are: of many records as many are taken as the second cache holds. CPU time of
// the worker, a record: with nobody at the ring's far end (it is emptied between rounds, off the clock), and with a
// reader on another processor that copies each record, as the shipper does. Beside them, of the same run: the walk over
// what they are made of, which is subtracted, and their bytes copied into a place of the ring's size.
//
//   sluice replay CAPTURES... --format raw -o records.raw
//   record records.raw 200
//   valgrind --tool=callgrind --toggle-collect=bench_record record records.raw 1     (runs once)
//
// usage: record RECORDS ROUNDS
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_byteorder.h>

#include "base/clock.h"
#include "base/eal.h"
#include "path/flow.h"
#include "path/record_out.h"
#include "record_ring.h"

#define AT_HAND (256u << 10) // bytes
#define CELLS 32768

static char *raw;
static size_t nraw;
static unsigned long nrecords;
static size_t nbytes;
static struct flow *flows; // by record
static struct path_config config = {.record_cells = CELLS};
static struct worker w;
static _Atomic bool stop;
static _Atomic unsigned long taken; // by the reader

static const struct record *at(size_t i)
{
	return (const struct record *)(raw + i);
}

static bool is_shown(const struct record *r)
{
	return r->kind != RECORD_NONE && r->kind != RECORD_FLOW_START;
}

// Of all of them each so many-th stays.
static void thin(void)
{
	unsigned nth = 1, n = 0;
	size_t all = 0, kept = 0;
	for (size_t i = 0; i < nraw; i += at(i)->len)
		all += is_shown(at(i)) ? at(i)->len : 0;
	nth += (unsigned)(all / AT_HAND);
	for (size_t i = 0, next; i < nraw; i = next) {
		uint32_t len = at(i)->len;
		next = i + len;
		if (!is_shown(at(i)) || n++ % nth)
			continue;
		memmove(raw + kept, raw + i, len);
		kept += len;
		nrecords++;
	}
	nraw = nbytes = kept;
}

static void load(const char *path)
{
	FILE *f = fopen(path, "rb");
	if (!f || fseek(f, 0, SEEK_END))
		exit((perror(path), 2));
	nraw = (size_t)ftell(f);
	rewind(f);
	raw = malloc(nraw + 1);
	if (!raw || fread(raw, 1, nraw, f) != nraw)
		exit((perror(path), 2));
	fclose(f);
	thin();
}

static void flow_of(const struct record *r, struct flow *f)
{
	*f = (struct flow){.key = {.tenant = r->tenant,
				   .aport_be = rte_cpu_to_be_16(r->sport),
				   .bport_be = rte_cpu_to_be_16(r->dport),
				   .version = r->ip_version,
				   .proto = r->proto,
				   .outer = r->layer != 0},
			   .bytes = {r->bytes[0], r->bytes[1]},
			   .pkts = {(uint32_t)r->pkts[0], (uint32_t)r->pkts[1]},
			   .start_ns = r->start_ns,
			   .last_ns = r->end_ns,
			   .id = r->flow_id,
			   .app = r->app};
	memcpy(f->key.a, r->src, 16);
	memcpy(f->key.b, r->dst, 16);
}

// The worker puts these together in its arena, where they wait for their answer.
static bool is_transaction(const struct record *r)
{
	return r->kind >= RECORD_TLS && r->kind <= RECORD_SSH && r->kind != RECORD_DNS;
}

// One walk over all. Not inlined: instruction counts begin and end here.
__attribute__((noinline)) static void bench_record(void)
{
	const struct flow *f = flows;
	for (size_t i = 0; i < nraw; i += at(i)->len) {
		const struct record *r = at(i);
		w.frame = r->packet;
		w.now_ns = r->time_ns;
		struct record *out = is_transaction(r) ? record_begin_aside(&w, r->kind) : record_begin(&w, r->kind);
		flow_record(&w, f++, out);
		out->dir = r->dir;
		out->tx_kind = r->tx_kind;
		out->anomaly = r->anomaly;
		RECORD_EACH(fact, r)
			record_fact(&w, fact->field, fact->value, fact->len, fact->origin);
		record_write(&w);
	}
}

// What bench_record reads, and nothing more.
__attribute__((noinline)) static void walk(void)
{
	const struct flow *f = flows;
	for (size_t i = 0; i < nraw; i += at(i)->len, f++) {
		const struct record *r = at(i);
		__asm__ volatile("" ::"r"(r->packet), "r"(r->time_ns), "r"(r->kind), "r"(f));
		RECORD_EACH(fact, r)
			__asm__ volatile("" ::"r"(fact->field), "r"(fact->value), "r"(fact->len),
					 "r"(fact->origin.frame), "r"(fact->origin.off), "r"(fact->origin.len));
	}
}

static unsigned long drain(bool copies)
{
	static uint8_t seen[RECORD_MAX];
	unsigned long n = 0;
	for (const struct record *r; (r = record_peek(w.records)); record_done(w.records, r), n++)
		if (copies)
			memcpy(seen, r, r->len);
	return n;
}

static void *reader(void *arg)
{
	while (!atomic_load_explicit(&stop, memory_order_acquire)) {
		atomic_fetch_add_explicit(&taken, drain(true), memory_order_release);
		sched_yield();
	}
	return NULL;
}

static void pin(unsigned cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

// ---- nanoseconds a record
static double walk_all(unsigned rounds)
{
	uint64_t began = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	for (unsigned i = 0; i < rounds; i++)
		walk();
	return (double)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - began) / rounds / (double)nrecords;
}

// A round fits the ring, and begins when that is empty.
static double put_all(unsigned rounds, bool drains)
{
	uint64_t spent = 0;
	for (unsigned i = 0; i < rounds; i++) {
		while (!drains && atomic_load_explicit(&taken, memory_order_acquire) < i * nrecords)
			sched_yield();
		uint64_t began = clock_ns(CLOCK_THREAD_CPUTIME_ID);
		bench_record();
		spent += clock_ns(CLOCK_THREAD_CPUTIME_ID) - began;
		if (drains)
			drain(false);
	}
	return (double)spent / rounds / (double)nrecords;
}

static double copy_all(unsigned rounds)
{
	const size_t size = CELLS * RECORD_CELL;
	char *to = malloc(size + RECORD_MAX);
	size_t end = 0;
	memset(to, 1, size + RECORD_MAX);
	uint64_t began = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	for (unsigned i = 0; i < rounds; i++)
		for (size_t k = 0; k < nraw; k += at(k)->len) {
			memcpy(to + end, raw + k, at(k)->len);
			end = (end + (at(k)->len | 63) + 1) % size;
			__asm__ volatile("" ::: "memory");
		}
	uint64_t spent = clock_ns(CLOCK_THREAD_CPUTIME_ID) - began;
	free(to);
	return (double)spent / rounds / (double)nrecords;
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return fputs("usage: record RECORDS ROUNDS\n", stderr), 2;
	unsigned rounds = (unsigned)atoi(argv[2]);
	load(argv[1]);
	flows = calloc(nrecords, sizeof(*flows));
	if (!nrecords || !flows || eal_init(64) < 0)
		return 2;
	struct flow *f = flows;
	for (size_t i = 0; i < nraw; i += at(i)->len)
		flow_of(at(i), f++);
	w = (struct worker){.config = &config, .wall_ns = 1};
	if (record_out_init(&w) < 0)
		return 2;
	pin(1);
	put_all(1, true);
	if (rounds < 2)
		return 0;
	double walked = walk_all(rounds), alone = put_all(rounds, true) - walked, copied = copy_all(rounds);
	pthread_t thread;
	pin(0);
	pthread_create(&thread, NULL, reader, NULL);
	pin(1);
	double read = put_all(rounds, false) - walked;
	atomic_store_explicit(&stop, true, memory_order_release);
	pthread_join(thread, NULL);
	printf("%lu records, %.0f bytes each: %.1f ns a record, %.1f beside a reader; not counted %.1f, the walk over "
	       "what "
	       "they are made of; %.1f the copy of their bytes\n",
	       nrecords, (double)nbytes / (double)nrecords, alone, read, walked, copied);
	record_out_fini(&w);
	return 0;
}
