// SPDX-License-Identifier: BSD-3-Clause
//
// sluice bench: the corridor alone. Packets are preloaded, one worker walks them, records are drained and thrown
// away by another thread. Printed are CPU time of the worker (not wall) for three bodies over the same packets in the
// same run: the empty loop, the bare loop (bench_calibrate.c), the corridor; then the corridor room by room.
//
// Each loop over the capture is a world later than all timeouts of the one before, so that flows begin and end anew
// in each; with --steady time goes on, and from the second loop on every flow is known.
//
// For instruction counts: valgrind --tool=callgrind --toggle-collect=bench_corridor (tests/gates/instructions.sh).
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sched.h>

#include <rte_cycles.h>

#include "base/capture.h"
#include "base/clock.h"
#include "base/eal.h"
#include "base/word.h"
#include "bench.h"
#include "bench_calibrate.h"
#include "cmd.h"
#include "option.h"
#include "path/flood.h"
#include "path/flow.h"
#include "path/flow_table.h"
#include "path/judge.h"
#include "path/path.h"
#include "record_ring.h"
#include "replay_policy.h"

#define BETWEEN_LOOPS_NS (4000ull * 1000000000) // later than the longest timeout (established TCP, 3,600 s)
#define BODIES 3
#define PARTS (PATH_ROOMS + 1) // the rooms, and ageing

typedef void body_fn(struct worker *w, struct burst *b);

struct bench {
	struct worker w;
	struct load load;
	const char *path;
	const char *policy_file;
	json_t *(*mode)(const struct bench_stage *); // NULL: the corridor room by room
	struct bench_stage stage;
	struct replay_policies policies;
	struct path_config config;
	unsigned loops;
	bool json, steady, inline_drain;
	const char *only; // name of one body: for instruction counts
	uint64_t offset_ns, age_ns;
	uint64_t room_cycles[PARTS], best_cycles[PARTS]; // this loop's, and of the loop that took least
	double seconds[BODIES];                          // best loop of each body
	struct bench_drainer drainer;
};

static const char *const body_names[BODIES] = {"empty", "bare", "corridor"};

uint64_t bench_drain(struct worker *w)
{
	uint64_t n = 0;
	for (const struct record *r; (r = record_peek(w->records)); n++)
		record_done(w->records, r);
	return n;
}

static void *drainer(void *arg)
{
	struct bench_drainer *d = arg;
	bench_pin(1);
	while (!atomic_load_explicit(&d->stop, memory_order_acquire))
		if (bench_drain(d->w) == 0)
			sched_yield();
	bench_drain(d->w);
	return NULL;
}

void bench_drainer_start(struct bench_drainer *d, struct worker *w)
{
	*d = (struct bench_drainer){.w = w};
	pthread_create(&d->thread, NULL, drainer, d);
}

void bench_drainer_stop(struct bench_drainer *d)
{
	atomic_store_explicit(&d->stop, true, memory_order_release);
	pthread_join(d->thread, NULL);
}

static void wait_ring(struct worker *w)
{
	struct bench *b = w->wait_arg;
	if (b->inline_drain)
		bench_drain(w);
	else
		sched_yield();
}

void bench_pin(unsigned n)
{
	cpu_set_t may, one;
	CPU_ZERO(&one);
	sched_getaffinity(0, sizeof(may), &may);
	n %= (unsigned)CPU_COUNT(&may);
	for (unsigned cpu = CPU_SETSIZE; cpu-- > 0;)
		if (CPU_ISSET(cpu, &may) && n-- == 0) {
			CPU_SET(cpu, &one);
			pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
			return;
		}
}

double bench_cpu_seconds(void)
{
	return (double)clock_ns(CLOCK_THREAD_CPUTIME_ID) / 1e9;
}

static void tick(struct bench *b, uint64_t time_ns, uint64_t frame)
{
	b->w.now_ns = time_ns;
	if (time_ns < b->age_ns)
		return;
	uint64_t t = rte_rdtsc();
	while (path_age(&b->w, time_ns, frame))
		;
	b->room_cycles[PATH_ROOMS] += rte_rdtsc() - t;
	b->age_ns = time_ns + 1000000000ull;
}

static void timed_rooms(struct bench *b, struct burst *burst)
{
	uint64_t t = rte_rdtsc();
	for (unsigned i = 0; i < PATH_ROOMS; i++) {
		path_rooms[i].burst(&b->w, burst);
		uint64_t now = rte_rdtsc();
		b->room_cycles[i] += now - t;
		t = now;
		if (i == PATH_ROOMS - 1 && flow_rest(&b->w, burst))
			i = PATH_BACK - 1; // the burst was cut: its rest walks the back once more
	}
}

// One walk over the capture. Not inlined: instruction counts begin and end here.
static BENCH_APART void bench_corridor(struct bench *b, body_fn *body)
{
	struct burst burst;
	struct load *l = &b->load;
	for (uint64_t at = 0, n; at < l->n; at += n) {
		n = bench_fill(l, &burst, at, BURST_SIZE, b->offset_ns);
		b->w.rx += n;
		tick(b, l->frames[at].time_ns + b->offset_ns, at + 1);
		if (body)
			body(&b->w, &burst);
		else
			timed_rooms(b, &burst);
	}
}

static double loop(struct bench *b, body_fn *body)
{
	double begin = bench_cpu_seconds();
	bench_corridor(b, body);
	double took = bench_cpu_seconds() - begin;
	b->offset_ns += b->load.span_ns + (b->steady ? 1000000 : BETWEEN_LOOPS_NS);
	if (b->inline_drain)
		bench_drain(&b->w);
	return took;
}

static uint64_t cycles(const uint64_t part[PARTS])
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < PARTS; i++)
		sum += part[i];
	return sum;
}

static void run(struct bench *b)
{
	static body_fn *const bodies[BODIES] = {calibrate_empty_burst, calibrate_bare_burst, path_burst};
	for (unsigned i = 0; i < BODIES; i++) {
		if (b->only && strcmp(b->only, body_names[i]))
			continue;
		for (unsigned n = 0; n < b->loops; n++) {
			double took = loop(b, bodies[i]);
			if (n == 0 || took < b->seconds[i])
				b->seconds[i] = took;
		}
	}
	for (unsigned n = 0; n < b->loops && !b->only; n++) {
		memset(b->room_cycles, 0, sizeof(b->room_cycles));
		loop(b, NULL);
		if (n == 0 || cycles(b->room_cycles) < cycles(b->best_cycles))
			memcpy(b->best_cycles, b->room_cycles, sizeof(b->best_cycles));
	}
	path_drain(&b->w);
}

static json_t *figures(const struct bench *b)
{
	json_t *all = json_object();
	for (unsigned i = 0; i < BODIES; i++) {
		double ns = b->seconds[i] * 1e9 / b->load.n;
		if (b->seconds[i] > 0)
			json_object_set_new(all, body_names[i],
					    json_pack("{s:f,s:f,s:f}", "ns_a_packet", ns, "mpps", 1e3 / ns, "gbps",
						      b->load.bytes * 8 / b->seconds[i] / 1e9));
	}
	return all;
}

static const char *part_name(unsigned i)
{
	return i < PATH_ROOMS ? path_rooms[i].name : "ageing";
}

// A room's part of the corridor's time: what the clock between the rooms costs, and what else the machine did
// meanwhile, is spread over all of them.
static double part_ns(const struct bench *b, unsigned i)
{
	uint64_t sum = cycles(b->best_cycles);
	return sum ? (double)b->best_cycles[i] / sum * b->seconds[BODIES - 1] * 1e9 / b->load.n : 0;
}

static json_t *rooms(const struct bench *b)
{
	json_t *all = json_object();
	for (unsigned i = 0; i < PARTS; i++)
		json_object_set_new(all, part_name(i), json_real(part_ns(b, i)));
	return all;
}

// Hits are of all loops and bodies together.
static void hits(const struct bench *b, uint64_t *all, uint32_t *rules)
{
	struct judge_sums sums;
	judge_sums(b->policies.list[0].published.of[0], &sums);
	*all = *rules = 0;
	for (uint32_t i = 0; i < b->policies.names[0]->nrules; i++) {
		*all += sums.hits[i];
		*rules += sums.hits[i] > 0;
	}
}

static json_t *judged(const struct bench *b)
{
	uint64_t all;
	uint32_t rules;
	hits(b, &all, &rules);
	return json_pack("{s:s,s:I,s:I,s:I}", "policy", b->policy_file, "rules",
			 (json_int_t)b->policies.names[0]->nrules, "hits", (json_int_t)all, "rules_hit",
			 (json_int_t)rules);
}

static json_t *report(const struct bench *b, double flow_bytes)
{
	return json_pack("{s:s,s:I,s:f,s:i,s:o,s:o,s:f,s:I,s:I}", "capture", b->path, "packets", (json_int_t)b->load.n,
			 "bytes_a_packet", (double)b->load.bytes / b->load.n, "loops", b->loops, "bodies", figures(b),
			 "rooms_ns_a_packet", rooms(b), "bytes_a_flow", flow_bytes, "flows",
			 (json_int_t)b->w.counters[COUNTER_FLOWS], "records",
			 (json_int_t)b->w.counters[COUNTER_RECORDS]);
}

static void print_judged(const struct bench *b)
{
	uint64_t all;
	uint32_t rules;
	hits(b, &all, &rules);
	size_t bytes;
	uint32_t payloads = judge_policy_payloads(b->policies.list[0].published.of[0], &bytes);
	printf("%s: %u rules, %u of them hit, %lu hits in all loops\n", b->policy_file, b->policies.names[0]->nrules,
	       rules, all);
	if (payloads)
		printf("payload of %u flows at a time in %.1f MiB; of others, segment by segment: %lu segments\n",
		       payloads, (double)bytes / (1 << 20), b->w.counters[COUNTER_PAYLOAD_BLOCK]);
}

static void print(const struct bench *b, double flow_bytes)
{
	double bare = b->seconds[1];
	printf("%s: %lu packets, %.0f bytes a packet, best of %u loops, CPU time of the worker\n\n", b->path, b->load.n,
	       (double)b->load.bytes / b->load.n, b->loops);
	printf("%-12s %12s %10s %10s %12s\n", "", "ns/packet", "Mpps", "Gbit/s", "x bare loop");
	for (unsigned i = 0; i < BODIES; i++) {
		double s = b->seconds[i], ns = s * 1e9 / b->load.n;
		if (s > 0)
			printf("%-12s %12.1f %10.2f %10.2f %12.2f\n", body_names[i], ns, 1e3 / ns,
			       b->load.bytes * 8 / s / 1e9, bare > 0 ? s / bare : 0);
	}
	double corridor = b->seconds[BODIES - 1] * 1e9 / b->load.n;
	if (!b->only)
		printf("\n%-12s %12s %10s   (decap also does parse's work for plain frames)\n", "room", "ns/packet",
		       "share");
	for (unsigned i = 0; i < PARTS && !b->only; i++)
		printf("%-12s %12.1f %9.1f%%\n", part_name(i), part_ns(b, i), 100 * part_ns(b, i) / corridor);
	printf("\n%.1f bytes a flow, %lu flows, %lu records\n", flow_bytes, b->w.counters[COUNTER_FLOWS],
	       b->w.counters[COUNTER_RECORDS]);
}

static void usage(FILE *f)
{
	fputs("usage: sluice bench [OPTION]... PCAP...\n\n"
	      "The corridor alone, packets preloaded: Mpps, Gbit/s, ns a packet, room by room, beside an empty and a\n"
	      "bare loop over the same packets.\n\n"
	      "  -j, --json        figures as one JSON object\n"
	      "  -p, --policy FILE judge by it, as live: names and heads are held until they are judged\n"
	      "  -n, --loops N     loops over the capture for each body, the best counts (default 5)\n"
	      "      --payload-depth BYTES\n"
	      "                    bytes of each direction that rules on payload see (default 8192)\n"
	      "      --flows N     flow table entries (default 1048576)\n"
	      "      --steady      time goes on between loops: from the second on every flow is known\n"
	      "      --only BODY   empty, bare or corridor alone, records drained in line (instruction counts)\n"
	      "  -h, --help        this\n\n"
	      "One of these instead gives a table of its own, without a policy:\n"
	      "      --flood       what established flows keep while four times as many packets of PCAP come, for "
	      "each\n"
	      "      --established N\n"
	      "                    flows of --flood (default 10000)\n"
	      "      --latency     PCAP paced by the clock at 50 % and 80 % of the most; 11 rounds\n"
	      "      --workers     two workers beside one, PCAP's flows split between them; 11 pairs\n"
	      "      --seconds S   of one trial (default 1)\n\n"
	      "examples: sluice bench -n 3 mix.pcap\n"
	      "          sluice bench --flood syn.pcap udp.pcap hello.pcap frag.pcap\n",
	      f);
}

static const char *set_body(void *verb, const char *v)
{
	struct bench *b = verb;
	b->only = v;
	b->inline_drain = true;
	return word_find(body_names, BODIES, v, strlen(v)) < BODIES ? NULL : "";
}

static const char *set_flood(void *verb, const char *v)
{
	((struct bench *)verb)->mode = bench_flood;
	return NULL;
}

static const char *set_latency(void *verb, const char *v)
{
	((struct bench *)verb)->mode = bench_latency;
	return NULL;
}

static const char *set_workers(void *verb, const char *v)
{
	struct bench *b = verb;
	b->mode = bench_workers;
	b->config.record_cells = 1 << 16; // of one loop; it is to stay in the cache
	return NULL;
}

static const char *set_seconds(void *verb, const char *v)
{
	struct bench *b = verb;
	b->stage.seconds = atof(v);
	return b->stage.seconds > 0 && b->stage.seconds <= 3600 ? NULL : "";
}

// -1: go on
static int options(int argc, char **argv, struct bench *b)
{
#define O(field) OPTION_AT(struct bench, field)
	static const struct option_row rows[] = {
		{"json", 'j', NULL, OPTION_FLAG, O(json)},
		{"policy", 'p', "FILE", OPTION_TEXT, O(policy_file), .twice = "--policy is given twice"},
		{"loops", 'n', "N", OPTION_NUMBER, O(loops), .low = 1, .high = 10000000},
		{"flows", 0, "N", OPTION_NUMBER, O(config.flows), .low = 64, .high = 1u << 24},
		{"payload-depth", 0, "BYTES", OPTION_NUMBER, O(config.payload_depth), .low = 0, .high = UINT32_MAX},
		{"steady", 0, NULL, OPTION_FLAG, O(steady)},
		{"only", 0, "BODY", OPTION_CALL, .set = set_body, .range = "empty, bare or corridor"},
		{"flood", 0, NULL, OPTION_CALL, .set = set_flood},
		{"latency", 0, NULL, OPTION_CALL, .set = set_latency},
		{"workers", 0, NULL, OPTION_CALL, .set = set_workers},
		{"established", 0, "N", OPTION_NUMBER, O(stage.established), .low = 1, .high = UINT32_MAX},
		{"seconds", 0, "S", OPTION_CALL, .set = set_seconds, .range = "a number above 0, at most 3600"},
		{"help", 'h', NULL, OPTION_SHOW, .show = usage}};
#undef O
	static const struct option_table table = OPTION_TABLE("bench", rows);
	int rc = option_read(&table, b, argc, argv);
	if (rc >= 0)
		return rc;
	b->stage.paths = argv + optind;
	b->stage.npaths = (unsigned)(argc - optind);
	b->path = argv[optind];
	if (b->stage.npaths < 1 || (b->mode != bench_flood && b->stage.npaths > 1))
		return option_mistake("bench", "one capture is expected; of --flood several");
	if (b->mode && b->policy_file)
		return option_mistake("bench", "--flood, --latency and --workers are without a policy");
	if (b->mode == bench_flood && b->stage.established > b->config.flows / 2)
		return option_mistake("bench", "--established can be half of --flows at most");
	return -1;
}

// What a worker takes at start follows from the policy. 0 or an exit code
static int load_policy(struct bench *b)
{
	struct path_config *c = &b->config;
	if (!b->policy_file)
		return 0;
	int rc = replay_policies_load(&b->policies, b->policy_file, NULL, 0, NULL, c->seed);
	if (rc < 0)
		return rc == -EINVAL ? EXIT_FINDINGS : EXIT_ENVIRONMENT;
	c->policy_fields = b->policies.wants.fields;
	c->held = 8192;
	c->hold_bytes = 65536;
	c->hold_ns = 10ull * 1000000000;
	return 0;
}

// 0 or an exit code
static int judge_by(struct bench *b)
{
	if (!b->policy_file)
		return 0;
	struct replay_policy *p = &b->policies.list[0];
	p->published.of[0] = judge_policy_new(p->rules, 1);
	p->nof = 1;
	if (!p->published.of[0]) {
		fprintf(stderr, "sluice bench: not enough memory for the policy\n");
		return EXIT_ENVIRONMENT;
	}
	judge_use(&b->w, p->published.of[0]);
	return 0;
}

int bench_worker(struct worker *w, const struct path_config *c)
{
	static unsigned n;
	char frames[16], giants[16];
	snprintf(frames, sizeof(frames), "frames%u", n);
	snprintf(giants, sizeof(giants), "giants%u", n++);
	w->frames = eal_pool(frames, 1023, CAPTURE_FRAME_ROOM);
	w->giants = eal_pool(giants, 255, CAPTURE_GIANT_ROOM);
	if (!w->frames || !w->giants || path_init(w, c) < 0) {
		fprintf(stderr, "sluice bench: not enough memory\n");
		return EXIT_ENVIRONMENT;
	}
	eal_pool_touch(w->frames);
	eal_pool_touch(w->giants);
	return 0;
}

static int measure(struct bench *b)
{
	const struct path_config *c = &b->config;
	char err[CAPTURE_ERROR_MAX];
	struct worker *w = &b->w;
	int rc = load_policy(b);
	w->wait = wait_ring;
	w->wait_arg = b;
	if (rc == 0)
		rc = bench_worker(w, c);
	if (rc)
		return rc;
	if (calibrate_init(c->flows) < 0) {
		fprintf(stderr, "sluice bench: not enough memory\n");
		return EXIT_ENVIRONMENT;
	}
	if (bench_load(&b->load, w, b->path, err, sizeof(err)) < 0) {
		fprintf(stderr, "sluice bench: %s: %s\n", b->path, err);
		return EXIT_ENVIRONMENT;
	}
	rc = judge_by(b);
	if (rc)
		return rc;
	mem_settle();
	memset(w->counters, 0, sizeof(w->counters));
	if (!b->inline_drain)
		bench_drainer_start(&b->drainer, w);
	run(b);
	if (!b->inline_drain)
		bench_drainer_stop(&b->drainer);
	return EXIT_DONE;
}

// Rows of one shape as a table for a text.
static void print_rows(const json_t *rows)
{
	const char *key;
	json_t *row, *v;
	size_t i;
	json_object_foreach(json_array_get(rows, 0), key, v)
		printf("| %s ", key);
	printf("|\n");
	json_object_foreach(json_array_get(rows, 0), key, v)
		printf("|---");
	printf("|\n");
	json_array_foreach(rows, i, row) {
		json_object_foreach(row, key, v) {
			if (json_is_string(v))
				printf("| %s ", json_string_value(v));
			else
				printf("| %.4g ", json_number_value(v));
		}
		printf("|\n");
	}
}

static int mode(struct bench *b)
{
	b->stage.config = &b->config;
	json_t *rows = b->mode(&b->stage);
	if (!rows)
		return EXIT_ENVIRONMENT;
	if (b->json) {
		json_dumpf(rows, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
		putchar('\n');
	} else {
		print_rows(rows);
	}
	json_decref(rows);
	return EXIT_DONE;
}

int bench_main(int argc, char **argv)
{
	static struct bench b = {
		.loops = 5,
		.stage = {.established = 10000, .seconds = 1},
		.config = {.flows = 1 << 20,
			   .streams = 65536,
			   .chunks = 16384,
			   .apps = 4096,
			   .fragments = 4096,
			   .arena_bytes = 16 << 20,
			   .quiet_starts = true, // as in `run`
			   .record_cells = 1 << 18,
			   .flood = FLOOD_TOLD,
			   .transports = TRANSPORT_GWLB | TRANSPORT_VLAN,
			   .payload_depth = 8192,
			   .checksum = CHECKSUM_IGNORE,
			   .live = true,
			   .seed = 0x5eed},
	};
	int rc = options(argc, argv, &b);
	if (rc >= 0)
		return rc;
	// reserved, touched only as far as the capture needs it
	if (eal_init(8192) < 0)
		return EXIT_ENVIRONMENT;
	if (b.mode)
		return mode(&b);
	rc = measure(&b);
	if (rc != EXIT_DONE)
		return rc;
	double flow_bytes = (double)flow_table_bytes(b.config.flows) / b.config.flows;
	if (b.json) {
		json_t *j = report(&b, flow_bytes);
		if (b.policy_file)
			json_object_set_new(j, "judged", judged(&b));
		json_dumpf(j, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(j);
	} else {
		print(&b, flow_bytes);
		if (b.policy_file)
			print_judged(&b);
	}
	replay_policies_free(&b.policies);
	return EXIT_DONE;
}
