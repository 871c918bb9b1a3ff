// SPDX-License-Identifier: BSD-3-Clause
//
// What a frame of a denied flow costs in XDP; what it costs that goes up to a worker by AF_XDP and is dropped by the
// corridor there; and where it is only freed, which is the least that any worker could spend. Frames are fed to a veth
// by the kernel itself (BPF_PROG_TEST_RUN, live frames), so that no sender's cost is in the figures. One thread does
// all, the kernel's part and the worker's, a ring's worth at a time and nothing lost; what counts is its processor
// time. All ways in turn; medians. Needs root. usage: bench_fastpath [ROUNDS [FRAMES]]
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <net/if.h>
#include <rte_ip.h>
#include <rte_ring_elem.h>

#include "base/eal.h"
#include "base/port.h"
#include "ctl/fastpath.h"
#include "path/judge.h"
#include "path/path.h"
#include "policy/compile.h"
#include "policy/policy.h"

#define ROUNDS_MAX 99
#define LIVE_BATCH 64
#define FED_AT_ONCE 1024 // fits the driver's rings

static struct fastpath *f;
static struct port port;
enum way { IN_XDP, IN_CORRIDOR, FREED, FED, WAYS };

static const char policy_text[] = "{\"rules\":[{\"id\":\"r\",\"action\":\"deny\",\"when\":{\"src\":\"10.0.0.0/8\"}}]}";
static struct path_config config = {.flows = 65536,
				    .streams = 1024,
				    .chunks = 1024,
				    .apps = 64,
				    .fragments = 64,
				    .held = 64,
				    .hold_bytes = 65536,
				    .hold_ns = 10000000000,
				    .arena_bytes = 1 << 20,
				    .record_cells = 4096,
				    .payload_depth = 8192,
				    .checksum = CHECKSUM_ENFORCE,
				    .live = true,
				    .seed = 1};
static struct worker worker;
static uint64_t freed, untagged;

static const struct fastpath_key denied = {
	.src = {10, 0, 0, 1}, .dst = {10, 0, 0, 2}, .sport_be = 0xe803, .dport_be = 0xbb01, .version = 4, .proto = 6};
static uint8_t frame[64] = {[12] = 8, [14] = 0x45, [17] = 50, [22] = 64,   [23] = 6, [26] = 10,   [29] = 1,   [30] = 10,
			    [33] = 2, [34] = 0x03, 0xe8,      [36] = 0x01, 0xbb,     [46] = 0x50, [47] = 0x10};

static uint64_t clock_of(clockid_t id)
{
	struct timespec ts;
	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static unsigned work(enum way way)
{
	struct burst b;
	struct fastpath_tag t;
	unsigned n = b.n = port_rx(&port, 0, b.m, BURST_SIZE);
	uint64_t now_ns = clock_of(CLOCK_REALTIME_COARSE);
	for (unsigned i = 0; i < n; i++) {
		untagged += !fastpath_tag_read(pkt_data(b.m[i]) - FASTPATH_TAG_BYTES, b.m[i]->data_len,
					       fastpath_port(f, 0), &t);
		if (way == IN_CORRIDOR)
			pkt_begin(pkt_of(b.m[i]), ++worker.rx, now_ns, now_ns, b.m[i]->data_len, 1, false);
	}
	if (way == IN_CORRIDOR)
		path_burst(&worker, &b);
	else
		rte_pktmbuf_free_bulk(b.m, n);
	freed += n;
	return n;
}

static bool corridor(struct rte_mempool *pool)
{
	struct complaints c = {0};
	char error[256];
	struct policy *policy = policy_parse("p.json", policy_text, strlen(policy_text), &c);
	struct ruleset *rules =
		policy ? compile_ruleset(policy, &(struct compile_options){0}, error, sizeof(error)) : NULL;
	worker.frames = pool;
	worker.giants = eal_pool("giants", 15, 65407);
	if (!rules || !worker.giants || path_init(&worker, &config) < 0)
		return false;
	judge_use(&worker, judge_policy_new(rules, 1));
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(frame + 14);
	uint16_t sum = rte_ipv4_cksum(ip);
	memcpy(frame + 24, &sum, 2);
	sum = rte_ipv4_udptcp_cksum(ip, frame + 34);
	memcpy(frame + 50, &sum, 2);
	return true;
}

static void feed(int program, uint32_t frames)
{
	struct xdp_md in = {.data_end = sizeof(frame), .ingress_ifindex = if_nametoindex("p0")};
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = frame, .data_size_in = sizeof(frame), .ctx_in = &in,
		    .ctx_size_in = sizeof(in), .repeat = frames, .flags = BPF_F_TEST_XDP_LIVE_FRAMES,
		    .batch_size = LIVE_BATCH);
	if (bpf_prog_test_run_opts(program, &o)) {
		perror("BPF_PROG_TEST_RUN");
		exit(1);
	}
}

// The program alone, in ns.
static uint32_t alone(int program, uint32_t times)
{
	struct xdp_md in = {.data_end = sizeof(frame), .ingress_ifindex = if_nametoindex("p0")};
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = frame, .data_size_in = sizeof(frame), .ctx_in = &in,
		    .ctx_size_in = sizeof(in), .repeat = times);
	fastpath_beat(fastpath_port(f, 0), 0, clock_of(CLOCK_MONOTONIC_COARSE));
	return bpf_prog_test_run_opts(program, &o) ? 0 : o.duration;
}

static void verdict(enum fastpath_ask what)
{
	struct fastpath_op op = {.key = denied, .ask = what, .verdict = FASTPATH_DROP};
	struct fastpath_count c;
	rte_ring_sp_enqueue_elem(fastpath_ops(f, 0), &op, sizeof(op));
	usleep(300000);
	while (!rte_ring_sc_dequeue_elem(fastpath_counts(f, 0), &c, sizeof(c)))
		;
}

// Processor time a frame, all the way, in ns.
static double cost(int program, uint32_t frames, enum way way)
{
	uint64_t begin = clock_of(CLOCK_THREAD_CPUTIME_ID);
	for (uint32_t fed = 0; fed < frames; fed += FED_AT_ONCE) {
		fastpath_beat(fastpath_port(f, 0), 0, clock_of(CLOCK_MONOTONIC_COARSE));
		feed(program, FED_AT_ONCE);
		for (unsigned left = way == IN_XDP || way == FED ? 0 : FED_AT_ONCE, polls = 0; left && polls < 100000;
		     polls++)
			left -= work(way);
	}
	return (double)(clock_of(CLOCK_THREAD_CPUTIME_ID) - begin) / frames;
}

// Drops whatever comes: what feeding costs. Attached somewhere, too, or the kernel would patch its dispatcher each
// time.
static int drop_all(void)
{
	static const struct bpf_insn insns[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = XDP_DROP},
						{.code = BPF_JMP | BPF_EXIT}};
	int program = bpf_prog_load(BPF_PROG_TYPE_XDP, "drop_all", "GPL", insns, RTE_DIM(insns), NULL);
	return bpf_xdp_attach(if_nametoindex("c0"), program, 0, NULL) ? -1 : program;
}

static int by_value(const void *a, const void *b)
{
	return *(const double *)a < *(const double *)b ? -1 : 1;
}

static bool start(void)
{
	char why[256];
	struct port_config c = {.name = "p0", .type = PORT_AF_XDP, .device = "p0", .queues = 1, .rx_ring = 2048};
	static const struct fastpath_link link = {.interface = "p0", .peer = -1};
	const struct fastpath_options o = {
		.links = &link, .nlinks = 1, .workers = 1, .ring = 64, .idle_ms = 60000, .stale_ms = 1000};
	if (geteuid() || unshare(CLONE_NEWNS | CLONE_NEWNET) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL) ||
	    system("ip link add p0 type veth peer name c0 && ip link set p0 up && ip link set c0 up"))
		return false;
	if (eal_init_live(&(struct eal_live){.ports = &c, .nports = 1, .mem_mb = 192}) < 0)
		return false;
	struct rte_mempool *pool = eal_pool("bench", 16383, 2048 + 256);
	if (!pool || fastpath_open(&f, &o, why, sizeof(why)))
		return fprintf(stderr, "%s\n", why), false;
	snprintf(c.xdp_prog, sizeof(c.xdp_prog), "%s", fastpath_object(f));
	if (fastpath_take(f, 0, why, sizeof(why)) || port_open(&port, &c, pool, 1, NULL, why, sizeof(why)))
		return fprintf(stderr, "%s\n", why), false;
	return corridor(pool) && fastpath_start(f) == 0;
}

int main(int argc, char **argv)
{
	unsigned rounds = argc > 1 ? atoi(argv[1]) : 5;
	uint32_t frames = (argc > 2 ? atoi(argv[2]) : 2000000) / FED_AT_ONCE * FED_AT_ONCE, id;
	double ns[WAYS][ROUNDS_MAX], m[WAYS];
	if (rounds < 1 || rounds > ROUNDS_MAX || !start() || bpf_xdp_query_id(if_nametoindex("p0"), 0, &id))
		return 77;
	int program = bpf_prog_get_fd_by_id(id), nothing = drop_all();
	for (unsigned i = 0; i < rounds; i++) {
		verdict(FASTPATH_ADD);
		ns[IN_XDP][i] = cost(program, frames, IN_XDP);
		uint32_t itself = alone(program, 1000000);
		verdict(FASTPATH_DEL);
		ns[IN_CORRIDOR][i] = cost(program, frames, IN_CORRIDOR);
		ns[FREED][i] = cost(program, frames, FREED);
		ns[FED][i] = cost(nothing, frames, FED);
		printf("round %u: in XDP %.0f ns (the program alone %u), in the corridor %.0f, freed by a worker "
		       "%.0f\n",
		       i + 1, ns[IN_XDP][i], itself, ns[IN_CORRIDOR][i], ns[FREED][i]);
	}
	struct fastpath_doors d;
	fastpath_doors(f, 0, &d);
	for (unsigned way = 0; way < WAYS; way++) {
		qsort(ns[way], rounds, sizeof(double), by_value);
		m[way] = ns[way][rounds / 2];
	}
	printf("medians of %u: dropped in XDP %.0f ns; in the corridor %.0f ns, %.1f times; freed by a worker %.0f ns, "
	       "%.1f times\n",
	       rounds, m[IN_XDP], m[IN_CORRIDOR], m[IN_CORRIDOR] / m[IN_XDP], m[FREED], m[FREED] / m[IN_XDP]);
	printf("of each, feeding is %.0f ns; without it %.1f times, and %.1f\n", m[FED],
	       (m[IN_CORRIDOR] - m[FED]) / (m[IN_XDP] - m[FED]), (m[FREED] - m[FED]) / (m[IN_XDP] - m[FED]));
	printf("doors: %lu in, %lu denied, %lu up, of which %lu reached the worker, %lu without a tag; policy dropped "
	       "%lu of %lu\n",
	       d.rx, d.frames[FASTPATH_DOOR_DENIED], d.frames[FASTPATH_DOOR_UP_NEW], freed, untagged,
	       worker.drops[REASON_POLICY_DENY], worker.rx);
	port_close(&port);
	fastpath_close(f);
	return m[IN_CORRIDOR] >= 3 * m[IN_XDP] ? 0 : 1;
}
