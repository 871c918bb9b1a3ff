// SPDX-License-Identifier: BSD-3-Clause
//
// The XDP program by BPF_PROG_TEST_RUN, loaded as the AF_XDP driver loads it, under maps that ctl/fastpath.c made:
// every door, both carriers of the tag, and entries from a worker's ring to the map and back. In a network namespace of
// its own, whose lo is the port. Skipped without root or BPF. With captures as arguments: what the program takes for a
// flow is what decap and parse take for one.
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <setjmp.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>
#define PCAP_DONT_INCLUDE_PCAP_BPF_H // linux/bpf.h has structs of the same names
#include <pcap/pcap.h>
#include <rte_ring_elem.h>

#include "base/clock.h"
#include "ctl/fastpath.h"
#include "../frames.h"

#define LO 1 // its number in a new namespace
#define STALE_MS 1000

static struct fastpath *f;
static struct bpf_object *object; // the driver's
static int program, sockets;
static struct fastpath_port *port;
static struct frames rooms;
static char **captures;

static uint64_t monotonic_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int open_with(struct fastpath **out, char *why, size_t size)
{
	static const struct fastpath_link lo = {.interface = "lo", .peer = 0, .own = true};
	const struct fastpath_options o = {
		.links = &lo, .nlinks = 1, .workers = 2, .ring = 1024, .idle_ms = 1500, .stale_ms = STALE_MS};
	return fastpath_open(out, &o, why, size);
}

static void load_as_driver(void)
{
	object = bpf_object__open_file(fastpath_object(f), NULL);
	assert_non_null(object);
	assert_int_equal(bpf_object__load(object), 0);
	program = bpf_program__fd(bpf_object__next_program(object, NULL));
	uint32_t queue = 0;
	sockets = socket(AF_XDP, SOCK_RAW, 0);
	assert_int_equal(bpf_map_update_elem(bpf_object__find_map_fd_by_name(object, "xsks_map"), &queue, &sockets, 0),
			 0);
}

static void open_lo(void)
{
	char why[256];
	if (open_with(&f, why, sizeof(why)) || fastpath_take(f, 0, why, sizeof(why)))
		fail_msg("%s", why);
	load_as_driver();
	assert_int_equal(fastpath_start(f), 0);
}

static void close_lo(void)
{
	close(sockets);
	bpf_object__close(object);
	fastpath_close(f);
}

// One frame.

struct frame {
	uint8_t d[2048];
	uint32_t len;
};

static void put(struct frame *m, const void *bytes, uint32_t len)
{
	memcpy(m->d + m->len, bytes, len);
	m->len += len;
}

static void put16(struct frame *m, uint16_t v)
{
	put(m, (uint8_t[]){v >> 8, v}, 2);
}

static void ether(struct frame *m, uint16_t type)
{
	*m = (struct frame){.len = 12};
	put16(m, type);
}

static void tag(struct frame *m, uint16_t id, uint16_t type)
{
	put16(m, id);
	put16(m, type);
}

static const uint8_t a4[] = {10, 0, 0, 1}, b4[] = {10, 0, 0, 2};
static const uint8_t a6[16] = {0x20, 1, 0xd, 0xb8, [15] = 1}, b6[16] = {0x20, 1, 0xd, 0xb8, [15] = 2};

static void ip4(struct frame *m, uint8_t proto, uint16_t fragment, unsigned options, uint16_t payload)
{
	put(m, (uint8_t[]){0x45 + options / 4, 0}, 2);
	put16(m, 20 + options + payload);
	put16(m, 1);
	put16(m, fragment);
	put(m, (uint8_t[]){64, proto, 0, 0}, 4);
	put(m, a4, 4);
	put(m, b4, 4);
	put(m, (uint8_t[40]){[0 ... 39] = 1}, options);
}

static void ip6(struct frame *m, uint8_t next, uint16_t payload)
{
	put(m, (uint8_t[]){0x60, 0, 0, 0}, 4);
	put16(m, payload);
	put(m, (uint8_t[]){next, 64}, 2);
	put(m, a6, 16);
	put(m, b6, 16);
}

static void tcp(struct frame *m, uint8_t flags)
{
	put16(m, 1000);
	put16(m, 443);
	put(m, (uint8_t[16]){[8] = 0x50, [9] = flags}, 16);
}

static void udp(struct frame *m, uint16_t from, uint16_t to, uint8_t first)
{
	put16(m, from);
	put16(m, to);
	put16(m, 8 + 30);
	put16(m, 0);
	put(m, (uint8_t[30]){first}, 30);
}

// A run of the program over it, as many times as said; what it left in the frame's place, metadata before it.
struct run {
	uint32_t action;
	uint8_t out[2048 + FASTPATH_TAG_BYTES];
	uint32_t meta, len; // bytes of metadata, and of all
};

static struct run run(const struct frame *m, int repeat)
{
	struct run r = {0};
	struct xdp_md in = {.data_end = m->len, .ingress_ifindex = LO}, out = {0};
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = m->d, .data_size_in = m->len, .data_out = r.out,
		    .data_size_out = sizeof(r.out), .ctx_in = &in, .ctx_size_in = sizeof(in), .ctx_out = &out,
		    .ctx_size_out = sizeof(out), .repeat = repeat);
	assert_int_equal(bpf_prog_test_run_opts(program, &o), 0);
	r.action = o.retval;
	r.meta = out.data;
	r.len = o.data_size_out;
	return r;
}

static struct fastpath_doors doors(void)
{
	struct fastpath_doors d;
	uint64_t frames = 0, bytes = 0;
	assert_int_equal(fastpath_doors(f, 0, &d), 0);
	for (unsigned i = 0; i < FASTPATH_DOOR_COUNT; i++) {
		frames += d.frames[i];
		bytes += d.bytes[i];
	}
	assert_int_equal(frames, d.rx);
	assert_int_equal(bytes, d.rx_bytes);
	return d;
}

static void beat(void)
{
	fastpath_beat(port, 0, monotonic_ns());
}

// The door that a frame takes.
static enum fastpath_door door_of(const struct frame *m, uint32_t action)
{
	struct fastpath_doors before = doors(), after;
	beat();
	assert_int_equal(run(m, 1).action, action);
	after = doors();
	for (unsigned i = 0; i < FASTPATH_DOOR_COUNT; i++)
		if (after.frames[i] != before.frames[i])
			return i;
	return FASTPATH_DOOR_COUNT;
}

static const struct fastpath_key tcp4_key = {
	.src = {10, 0, 0, 1}, .dst = {10, 0, 0, 2}, .sport_be = 0xe803, .dport_be = 0xbb01, .version = 4, .proto = 6};

static struct frame tcp4(uint8_t flags)
{
	struct frame m;
	ether(&m, 0x0800);
	ip4(&m, 6, 0, 0, 20);
	tcp(&m, flags);
	return m;
}

static struct frame udp4(uint16_t from, uint16_t to, uint8_t first)
{
	struct frame m;
	ether(&m, 0x0800);
	ip4(&m, 17, 0, 0, 38);
	udp(&m, from, to, first);
	return m;
}

static void ask(unsigned worker, enum fastpath_ask what, const struct fastpath_key *key, enum fastpath_verdict verdict,
		uint64_t flow)
{
	struct fastpath_op op = {.key = *key, .ask = what, .verdict = verdict, .dir = 1, .hint = 77, .flow = flow};
	assert_int_equal(rte_ring_sp_enqueue_elem(fastpath_ops(f, worker), &op, sizeof(op)), 0);
}

static void sleep_ms(unsigned ms)
{
	usleep(ms * 1000);
}

// All that a worker is told until the end of an entry.
static struct fastpath_count told(unsigned worker, unsigned ms)
{
	struct fastpath_count c, sum = {0};
	for (; ms && !sum.end; ms--, sleep_ms(1)) {
		while (!rte_ring_sc_dequeue_elem(fastpath_counts(f, worker), &c, sizeof(c))) {
			sum.packets += c.packets;
			sum.bytes += c.bytes;
			sum.flow = c.flow;
			sum.hint = c.hint;
			sum.dir = c.dir;
			sum.end = c.end;
			sum.last_ns = c.last_ns;
		}
	}
	return sum;
}

static uint64_t done_so_far(void)
{
	struct fastpath_numbers n;
	fastpath_numbers(f, &n);
	return n.added + n.changed + n.refused;
}

// Until the thread has done so many things.
static void wait_done(uint64_t n)
{
	for (unsigned ms = 0; ms < 10000 && done_so_far() < n; ms++)
		sleep_ms(1);
	assert_true(done_so_far() >= n);
}

// An entry, once it is in the map; and its end.
static void settle(unsigned worker, const struct fastpath_key *key, enum fastpath_verdict verdict, uint64_t flow)
{
	struct fastpath_count c = {.end = FASTPATH_REFUSED};
	ask(worker, FASTPATH_ADD, key, verdict, flow);
	for (unsigned ms = 0; ms < 5000 && rte_ring_sc_dequeue_elem(fastpath_counts(f, worker), &c, sizeof(c)); ms++)
		sleep_ms(1);
	assert_int_equal(c.end, FASTPATH_LIVES);
	assert_int_equal(fastpath_slots(f)[c.slot].flow, flow);
}

static void end(unsigned worker, const struct fastpath_key *key, uint64_t flow)
{
	ask(worker, FASTPATH_DEL, key, 0, flow);
	assert_int_equal(told(worker, 10000).end, FASTPATH_DELETED);
}

static void goes_up(void **state)
{
	struct frame m = tcp4(0x10);
	assert_int_equal(door_of(&m, XDP_REDIRECT), FASTPATH_DOOR_UP_NEW);
	for (uint8_t flags = 1; flags <= 4; flags *= 2) {
		m = tcp4(flags | 0x10);
		assert_int_equal(door_of(&m, XDP_REDIRECT), FASTPATH_DOOR_UP_TCP);
	}
	static const uint16_t tunnels[] = {4789, 8472, 4790, 6081, 2152, 3544, 5072, 1701, 4754};
	for (unsigned i = 0; i < RTE_DIM(tunnels); i++) {
		m = udp4(3000, tunnels[i], 0);
		assert_int_equal(door_of(&m, XDP_REDIRECT), FASTPATH_DOOR_UP_TUNNEL);
		m = udp4(tunnels[i], 3000, 0);
		assert_int_equal(door_of(&m, XDP_REDIRECT), FASTPATH_DOOR_UP_TUNNEL);
	}
	static const struct {
		uint8_t proto;
		uint16_t fragment;
		enum fastpath_door door;
	} of4[] = {{4, 0, FASTPATH_DOOR_UP_TUNNEL},        {41, 0, FASTPATH_DOOR_UP_TUNNEL},
		   {47, 0, FASTPATH_DOOR_UP_TUNNEL},       {97, 0, FASTPATH_DOOR_UP_TUNNEL},
		   {137, 0, FASTPATH_DOOR_UP_TUNNEL},      {1, 0, FASTPATH_DOOR_UP_OTHER},
		   {132, 0, FASTPATH_DOOR_UP_OTHER},       {50, 0, FASTPATH_DOOR_UP_NEW},
		   {6, 0x2000, FASTPATH_DOOR_UP_FRAGMENT}, {6, 0x0010, FASTPATH_DOOR_UP_FRAGMENT},
		   {6, 0x4000, FASTPATH_DOOR_UP_NEW}};
	for (unsigned i = 0; i < RTE_DIM(of4); i++) {
		ether(&m, 0x0800);
		ip4(&m, of4[i].proto, of4[i].fragment, 0, 20);
		tcp(&m, 0x10);
		assert_int_equal(door_of(&m, XDP_REDIRECT), of4[i].door);
		ether(&m, 0x0800); // with options
		ip4(&m, of4[i].proto, of4[i].fragment, 8, 20);
		tcp(&m, 0x10);
		assert_int_equal(door_of(&m, XDP_REDIRECT), of4[i].door == FASTPATH_DOOR_UP_FRAGMENT
								    ? FASTPATH_DOOR_UP_FRAGMENT
								    : FASTPATH_DOOR_UP_OTHER);
	}
	ether(&m, 0x88cc);
	assert_int_equal(door_of(&m, XDP_REDIRECT), FASTPATH_DOOR_UP_OTHER);
	m = tcp4(0x10);
	for (uint32_t whole = m.len; m.len > 14; m.len--) // cut anywhere
		if (m.len < whole)
			assert_int_equal(door_of(&m, XDP_REDIRECT), FASTPATH_DOOR_UP_OTHER);
}

static void goes_up6(void **state)
{
	static const struct {
		uint8_t next;
		enum fastpath_door door;
	} of6[] = {{6, FASTPATH_DOOR_UP_NEW},       {0, FASTPATH_DOOR_UP_OTHER},   {43, FASTPATH_DOOR_UP_OTHER},
		   {60, FASTPATH_DOOR_UP_OTHER},    {51, FASTPATH_DOOR_UP_OTHER},  {58, FASTPATH_DOOR_UP_OTHER},
		   {44, FASTPATH_DOOR_UP_FRAGMENT}, {41, FASTPATH_DOOR_UP_TUNNEL}, {4, FASTPATH_DOOR_UP_TUNNEL},
		   {47, FASTPATH_DOOR_UP_TUNNEL}};
	struct frame m;
	for (unsigned i = 0; i < RTE_DIM(of6); i++) {
		ether(&m, 0x86dd);
		ip6(&m, of6[i].next, 28);
		if (of6[i].next != 6)
			put(&m, (uint8_t[8]){6, 0, 1, 4}, 8);
		tcp(&m, 0x10);
		if (of6[i].next == 6)
			put(&m, (uint8_t[8]){0}, 8);
		assert_int_equal(door_of(&m, XDP_REDIRECT), of6[i].door);
	}
}

static void reads_tag(const struct frame *m, const struct fastpath_tag *expect)
{
	struct fastpath_tag t;
	beat();
	for (unsigned carrier = FASTPATH_METADATA; carrier <= FASTPATH_PREFIX; carrier++) {
		port->carrier = carrier;
		struct run r = run(m, 1);
		assert_int_equal(r.action, XDP_REDIRECT);
		assert_int_equal(r.len, m->len + FASTPATH_TAG_BYTES);
		assert_int_equal(r.meta, carrier == FASTPATH_METADATA ? FASTPATH_TAG_BYTES : 0);
		assert_memory_equal(r.out + FASTPATH_TAG_BYTES, m->d, m->len);
		assert_true(fastpath_tag_read(r.out, m->len, port, &t));
		assert_false(fastpath_tag_read(r.out, m->len + 1, port, &t));
		t.check = 0;
		assert_memory_equal(&t, expect, sizeof(t));
		r.out[4 + rand() % 12] ^= 1 << rand() % 8;
		assert_false(fastpath_tag_read(r.out, m->len, port, &t));
	}
	port->carrier = FASTPATH_METADATA;
}

static void tags(void **state)
{
	struct frame m = tcp4(0x10);
	reads_tag(&m,
		  &(struct fastpath_tag){.l3 = 14, .l4 = 34, .proto = 6, .why = FASTPATH_DOOR_UP_NEW, .version = 4});
	m = tcp4(2);
	reads_tag(&m,
		  &(struct fastpath_tag){.l3 = 14, .l4 = 34, .proto = 6, .why = FASTPATH_DOOR_UP_TCP, .version = 4});
	ether(&m, 0x88a8);
	tag(&m, 5, 0x8100);
	tag(&m, 6, 0x86dd);
	ip6(&m, 6, 20);
	tcp(&m, 0x10);
	reads_tag(&m, &(struct fastpath_tag){
			      .l3 = 22, .l4 = 62, .proto = 6, .why = FASTPATH_DOOR_UP_NEW, .vlans = 2, .version = 6});
	ether(&m, 0x0800);
	ip4(&m, 6, 0x2000, 0, 20);
	tcp(&m, 0x10);
	reads_tag(&m, &(struct fastpath_tag){.why = FASTPATH_DOOR_UP_FRAGMENT}); // void
}

static void an_entry_acts(void **state)
{
	struct frame m = tcp4(0x10), fin = tcp4(0x11), other = tcp4(0x10);
	uint64_t done;
	other.d[29]++; // source
	settle(0, &tcp4_key, FASTPATH_DROP, 1);
	assert_int_equal(door_of(&m, XDP_DROP), FASTPATH_DOOR_DENIED);
	assert_int_equal(door_of(&fin, XDP_REDIRECT), FASTPATH_DOOR_UP_TCP);
	assert_int_equal(door_of(&other, XDP_REDIRECT), FASTPATH_DOOR_UP_NEW);
	done = done_so_far();
	ask(0, FASTPATH_CHANGE, &tcp4_key, FASTPATH_FORWARD, 1);
	wait_done(done + 1);
	struct run r = run(&m, 1);
	assert_int_equal(r.action, XDP_REDIRECT);
	assert_memory_equal(r.out, m.d, m.len); // TTL and all
	assert_int_equal(r.len, m.len);
	assert_int_equal(door_of(&m, XDP_REDIRECT), FASTPATH_DOOR_FORWARDED);
	done = done_so_far();
	ask(0, FASTPATH_CHANGE, &tcp4_key, FASTPATH_UP, 1);
	wait_done(done + 1);
	assert_int_equal(door_of(&m, XDP_REDIRECT), FASTPATH_DOOR_UP_KNOWN);
	reads_tag(&m, &(struct fastpath_tag){
			      .hint = 77, .l3 = 14, .l4 = 34, .proto = 6, .why = FASTPATH_DOOR_UP_KNOWN, .version = 4});
	ask(0, FASTPATH_DEL, &tcp4_key, 0, 1);
	struct fastpath_count c = told(0, 10000);
	assert_int_equal(c.end, FASTPATH_DELETED);
	assert_int_equal(c.packets, 3);
	assert_int_equal(c.bytes, 3 * m.len);
	assert_true(c.dir == 1 && c.flow == 1 && c.hint == 77);
	assert_in_range(clock_steady_ns() / 1000000000 - c.last_ns / 1000000000, 0, 2);
	assert_int_equal(door_of(&m, XDP_REDIRECT), FASTPATH_DOOR_UP_NEW);
}

// A segment comes up where its number (here 0) lies below what its entry says; numbers wrap.
static void cares(void **state)
{
	static const struct {
		uint32_t care;
		bool up;
	} cases[] = {{0, false}, {1, true}, {UINT32_MAX, false}, {INT32_MAX, true}, {0x80000001, false}};
	struct frame m = tcp4(0x10);
	struct fastpath_op op = {
		.key = tcp4_key, .ask = FASTPATH_CHANGE, .verdict = FASTPATH_FORWARD, .hint = 5, .flow = 9};
	settle(0, &tcp4_key, FASTPATH_FORWARD, 9);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t done = done_so_far();
		op.care = cases[i].care;
		assert_int_equal(rte_ring_sp_enqueue_elem(fastpath_ops(f, 0), &op, sizeof(op)), 0);
		wait_done(done + 1);
		assert_int_equal(door_of(&m, XDP_REDIRECT),
				 cases[i].up ? FASTPATH_DOOR_UP_TCP : FASTPATH_DOOR_FORWARDED);
	}
	end(0, &tcp4_key, 9);
}

// The key has the tags and the port: other tenants' addresses are others.
static void tenants(void **state)
{
	struct fastpath_key key = tcp4_key;
	struct frame m;
	key.vlan[0] = FASTPATH_TAGGED | 5;
	key.vlan[1] = FASTPATH_TAGGED | 6;
	settle(0, &key, FASTPATH_DROP, 2);
	key.port = 3;
	key.vlan[1] = FASTPATH_TAGGED | 8;
	settle(0, &key, FASTPATH_DROP, 3);
	for (unsigned inner = 6; inner < 9; inner++) {
		ether(&m, 0x8100);
		tag(&m, 0x2005, 0x8100); // the priority is no part of it
		tag(&m, inner, 0x0800);
		ip4(&m, 6, 0, 0, 20);
		tcp(&m, 0x10);
		assert_int_equal(door_of(&m, inner == 6 ? XDP_DROP : XDP_REDIRECT),
				 inner == 6 ? FASTPATH_DOOR_DENIED : FASTPATH_DOOR_UP_NEW);
	}
	ether(&m, 0x8100); // three
	tag(&m, 5, 0x8100);
	tag(&m, 6, 0x8100);
	tag(&m, 6, 0x0800);
	ip4(&m, 6, 0, 0, 20);
	tcp(&m, 0x10);
	assert_int_equal(door_of(&m, XDP_REDIRECT), FASTPATH_DOOR_UP_OTHER);
	fastpath_void(f, false);
	assert_int_equal(told(0, 10000).end, FASTPATH_VOIDED);
	told(0, 200);
}

static void settled6(void **state)
{
	struct fastpath_key key = {.sport_be = 0xe803, .dport_be = 0xbb01, .version = 6, .proto = 17};
	struct frame m;
	memcpy(key.src, a6, 16);
	memcpy(key.dst, b6, 16);
	struct fastpath_op op = {.key = key, .verdict = FASTPATH_FORWARD, .hint = 5, .flow = 9};
	for (unsigned quic = 0; quic < 2; quic++) {
		op.ask = quic ? FASTPATH_CHANGE : FASTPATH_ADD;
		op.care = quic;
		uint64_t done = done_so_far();
		assert_int_equal(rte_ring_sp_enqueue_elem(fastpath_ops(f, 1), &op, sizeof(op)), 0);
		wait_done(done + 1);
		for (unsigned first = 0; first < 256; first += 0x40) {
			ether(&m, 0x86dd);
			ip6(&m, 17, 38);
			udp(&m, 1000, 443, first);
			assert_int_equal(door_of(&m, XDP_REDIRECT), (quic ? first != 0x40 : first == 0xc0)
									    ? FASTPATH_DOOR_UP_QUIC
									    : FASTPATH_DOOR_FORWARDED);
		}
	}
	assert_int_equal(told(1, 30000).end, FASTPATH_AGED); // 1.5 s, and a sweep is a second
}

static void every_byte(void **state)
{
	struct frame m = tcp4(0x10);
	settle(0, &tcp4_key, FASTPATH_DROP, 1);
	beat();
	for (unsigned i = 0; i < 20; i++) {
		run(&m, 5000);
		beat();
		if (i == 10) { // another flow has the key: the first one gets its own frames, the second its own
			ask(0, FASTPATH_ADD, &tcp4_key, FASTPATH_DROP, 2);
			struct fastpath_count c = told(0, 10000);
			assert_int_equal(c.flow, 1);
			assert_int_equal(c.packets, 11 * 5000);
			assert_int_equal(c.bytes, 11 * 5000 * m.len);
			beat();
		}
	}
	ask(0, FASTPATH_DEL, &tcp4_key, 0, 2);
	struct fastpath_count c = told(0, 10000);
	assert_int_equal(c.flow, 2);
	assert_int_equal(c.packets, 9 * 5000);
	struct fastpath_numbers n;
	fastpath_numbers(f, &n);
	assert_int_equal(n.entries, 0);
}

// More flows than there are places: each is told so, and the rest is not disturbed. Who floods us with denied ones
// comes first, and gets his half.
static void full(void **state)
{
	struct fastpath_key key = tcp4_key;
	unsigned refused = 0, others = 0, floods = FASTPATH_FLOWS / 2 + 5000,
		 asked = floods + FASTPATH_FLOWS / 2 + 1000;
	unsigned flooded = 0;
	struct fastpath_numbers before, n;
	struct fastpath_count c;
	fastpath_numbers(f, &before);
	n = before;
	for (unsigned i = 0; refused + n.added - before.added < asked; fastpath_numbers(f, &n)) {
		struct fastpath_op op = {
			.key = key, .verdict = i < floods ? FASTPATH_DROP : FASTPATH_FORWARD, .flow = i + 1};
		memcpy(op.key.src, &i, 4);
		if (i < asked && !rte_ring_sp_enqueue_elem(fastpath_ops(f, 0), &op, sizeof(op)))
			i++;
		else
			sleep_ms(1);
		while (!rte_ring_sc_dequeue_elem(fastpath_counts(f, 0), &c, sizeof(c))) {
			flooded += c.end == FASTPATH_REFUSED && c.flow <= floods;
			refused += c.end == FASTPATH_REFUSED;
			others += c.end && c.end != FASTPATH_REFUSED;
		}
	}
	print_message("full: %lu entries, %u refused, %u of them denied, %u aged\n", n.entries, refused, flooded,
		      others);
	assert_int_equal(n.added - before.added + refused, asked);
	if (others == 0) { // on a slow machine the first are aged before the last are there
		assert_true(n.entries > FASTPATH_FLOWS / 10 * 9 && refused >= 6000 && flooded >= 5000);
		assert_true(flooded < 6000); // hardly a bucket is full
	}
	fastpath_void(f, false);
	for (unsigned ms = 0; n.entries && ms < 20000; ms++, sleep_ms(1)) {
		while (!rte_ring_sc_dequeue_elem(fastpath_counts(f, 0), &c, sizeof(c)))
			;
		fastpath_numbers(f, &n);
	}
	assert_int_equal(n.entries, 0);
}

// What an operator turns off stays off, whatever was asked for before he did.
static void paused(void **state)
{
	struct frame m = tcp4(0x10);
	for (unsigned i = 0; i < 50; i++) {
		ask(0, FASTPATH_ADD, &tcp4_key, FASTPATH_DROP, 1);
		fastpath_void(f, true);
		assert_int_equal(door_of(&m, XDP_REDIRECT), FASTPATH_DOOR_UP_NEW);
		struct fastpath_count c = told(0, 10000);
		assert_true(c.end == FASTPATH_VOIDED || c.end == FASTPATH_REFUSED);
	}
	ask(0, FASTPATH_ADD, &tcp4_key, FASTPATH_DROP, 1);
	assert_int_equal(told(0, 10000).end, FASTPATH_REFUSED);
	fastpath_void(f, false);
	settle(0, &tcp4_key, FASTPATH_DROP, 1);
	assert_int_equal(door_of(&m, XDP_DROP), FASTPATH_DOOR_DENIED);
	end(0, &tcp4_key, 1);
}

// The sum of the pseudo header, by RFC 9293 3.1 and RFC 8200 8.1.
static uint32_t pseudo(const struct frame *m, unsigned l3, unsigned version, unsigned proto, unsigned length)
{
	uint32_t sum = proto + length;
	unsigned from = l3 + (version == 4 ? 12 : 8), size = version == 4 ? 8 : 32;
	for (unsigned i = from; i < from + size; i += 2)
		sum += m->d[i] << 8 | m->d[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

// A settled frame whose checksum a card was to make comes up; one that is whole, or broken otherwise, does not.
static void checksums(void **state)
{
	struct fastpath_key key[4] = {tcp4_key, tcp4_key, tcp4_key, tcp4_key};
	for (unsigned i = 0; i < 4; i++) {
		bool v6 = i & 1, is_udp = i & 2;
		unsigned l4 = v6 ? 54 : 34, at = l4 + (is_udp ? 6 : 16);
		struct frame m;
		ether(&m, v6 ? 0x86dd : 0x0800);
		if (v6)
			ip6(&m, is_udp ? 17 : 6, is_udp ? 38 : 20);
		else
			ip4(&m, is_udp ? 17 : 6, 0, 0, is_udp ? 38 : 20);
		if (is_udp)
			udp(&m, 1000, 443, 0);
		else
			tcp(&m, 0x10);
		key[i].version = v6 ? 6 : 4;
		key[i].proto = is_udp ? 17 : 6;
		memcpy(key[i].src, v6 ? a6 : a4, v6 ? 16 : 4);
		memcpy(key[i].dst, v6 ? b6 : b4, v6 ? 16 : 4);
		uint32_t sum = pseudo(&m, 14, key[i].version, key[i].proto, m.len - l4);
		settle(0, &key[i], FASTPATH_FORWARD, 1);
		for (unsigned more = 0; more < 3; more++) {
			m.d[at] = (sum + more) >> 8;
			m.d[at + 1] = sum + more;
			assert_int_equal(door_of(&m, XDP_REDIRECT),
					 more ? FASTPATH_DOOR_FORWARDED : FASTPATH_DOOR_UP_CHECKSUM);
		}
		end(0, &key[i], 1);
	}
}

// Nothing settled leaves by a port that cannot send it.
static void nobody_across(void **state)
{
	struct frame m = tcp4(0x10);
	settle(0, &tcp4_key, FASTPATH_FORWARD, 1);
	assert_int_equal(door_of(&m, XDP_REDIRECT), FASTPATH_DOOR_FORWARDED);
	fastpath_across(f, 0, false);
	assert_int_equal(door_of(&m, XDP_REDIRECT), FASTPATH_DOOR_UP_KNOWN);
	fastpath_across(f, 0, true);
	assert_int_equal(door_of(&m, XDP_REDIRECT), FASTPATH_DOOR_FORWARDED);
	end(0, &tcp4_key, 1);
}

// A frame that brings a tag along, even one of ours: it stands behind the one that the program writes, as its payload.
static void forged(void **state)
{
	struct frame m = tcp4(0x10), f2 = {0};
	struct fastpath_tag t;
	for (unsigned carrier = FASTPATH_METADATA; carrier <= FASTPATH_PREFIX; carrier++) {
		port->carrier = carrier;
		beat();
		struct run mine = run(&m, 1);
		f2.len = 0;
		put(&f2, mine.out, mine.len);
		struct run r = run(&f2, 1);
		assert_int_equal(r.len, f2.len + FASTPATH_TAG_BYTES);
		assert_memory_equal(r.out + FASTPATH_TAG_BYTES, f2.d, f2.len);
		assert_true(fastpath_tag_read(r.out, f2.len, port, &t));
		assert_int_equal(t.why, FASTPATH_DOOR_UP_OTHER);
		assert_int_equal(t.l4, 0);
		assert_false(fastpath_tag_read(f2.d, f2.len, port, &t)); // nor as one of this frame
		assert_false(fastpath_tag_read(m.d, m.len - FASTPATH_TAG_BYTES, port, &t));
	}
	port->carrier = FASTPATH_METADATA;
}

static void own_machine(void **state)
{
	struct frame m = tcp4(0x10), arp;
	ether(&arp, 0x0806);
	assert_int_equal(fastpath_own(f, 0, 4, b4, true), 0);
	assert_int_equal(door_of(&m, XDP_PASS), FASTPATH_DOOR_OWN);
	assert_int_equal(door_of(&arp, XDP_PASS), FASTPATH_DOOR_OWN);
	m.d[30] = 224, m.d[31] = m.d[32] = 0;
	assert_int_equal(door_of(&m, XDP_PASS), FASTPATH_DOOR_OWN);
	port->beat_ns[0] = 0; // management stays when the workers are gone
	assert_int_equal(run(&arp, 1).action, XDP_PASS);
	port->own = 0;
	assert_int_equal(door_of(&arp, XDP_REDIRECT), FASTPATH_DOOR_UP_OTHER);
	m = tcp4(0x10);
	assert_int_equal(door_of(&m, XDP_REDIRECT), FASTPATH_DOOR_UP_NEW);
	port->own = 1;
	assert_int_equal(fastpath_own(f, 0, 4, b4, false), 0);
	m = tcp4(0x10);
	assert_int_equal(door_of(&m, XDP_REDIRECT), FASTPATH_DOOR_UP_NEW);
}

static void nobody_there(void **state)
{
	static const struct {
		enum fastpath_fail mode;
		uint32_t action;
		enum fastpath_door door;
	} modes[] = {{FASTPATH_CLOSED, XDP_DROP, FASTPATH_DOOR_FAIL_DROPPED},
		     {FASTPATH_OPEN_PEER, XDP_REDIRECT, FASTPATH_DOOR_FAIL_FORWARDED},
		     {FASTPATH_OPEN_KERNEL, XDP_PASS, FASTPATH_DOOR_FAIL_KERNEL}};
	struct frame m = tcp4(0x10);
	for (unsigned i = 0; i < RTE_DIM(modes); i++) {
		port->fail = modes[i].mode;
		struct fastpath_doors before = doors();
		fastpath_beat(port, 0, monotonic_ns() - (STALE_MS + 20) * 1000000ull);
		struct run r = run(&m, 1);
		assert_int_equal(r.action, modes[i].action);
		assert_int_equal(r.len, m.len); // and no tag that nobody would take off
		fastpath_beat(port, 0, monotonic_ns() - (STALE_MS - 200) * 1000000ull);
		assert_int_equal(run(&m, 1).action, XDP_REDIRECT);
		uint32_t queue = 0;
		int map = bpf_object__find_map_fd_by_name(object, "xsks_map");
		assert_int_equal(bpf_map_delete_elem(map, &queue), 0); // as the kernel does when the process is killed
		beat();
		r = run(&m, 1);
		assert_int_equal(r.action, modes[i].action);
		assert_int_equal(r.len, m.len);
		assert_int_equal(bpf_map_update_elem(map, &queue, &sockets, 0), 0);
		assert_int_equal(doors().frames[modes[i].door], before.frames[modes[i].door] + 2);
	}
	port->fail = FASTPATH_CLOSED;
}

// What is open stays of use when root is given up.
static void not_root(void **state)
{
	struct fastpath_doors d;
	int status;
	pid_t child = fork();
	if (child == 0)
		_exit(setresuid(65534, 65534, 65534) || fastpath_doors(f, 0, &d) || fastpath_own(f, 0, 4, a4, true));
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
	assert_int_equal(fastpath_own(f, 0, 4, a4, false), 0);
}

// Held while its holder lives, and swept when it is gone, whatever it left.
static void one_at_a_time(void **state)
{
	struct fastpath *second;
	char why[256];
	assert_int_equal(open_with(&second, why, sizeof(why)), -EBUSY);
	assert_non_null(strstr(why, "held by"));
	struct frame old = tcp4(0x10);
	struct fastpath_tag t;
	beat();
	struct run of_before = run(&old, 1);
	assert_true(fastpath_tag_read(of_before.out, old.len, port, &t));
	close_lo();
	pid_t child = fork();
	if (child == 0) {
		int rc = open_with(&second, why, sizeof(why));
		_exit(rc ? 1 : 42); // leaves all as a kill would
	}
	int status;
	waitpid(child, &status, 0);
	assert_int_equal(WEXITSTATUS(status), 42);
	assert_int_equal(access("/sys/fs/bpf/sluice_slots", F_OK), 0);
	open_lo();
	port = fastpath_port(f, 0);
	assert_int_equal(door_of(&old, XDP_REDIRECT), FASTPATH_DOOR_UP_NEW);
	assert_false(fastpath_tag_read(of_before.out, old.len, port, &t)); // another start, another secret
}

// A frame as the rooms read it: the flow of the tag, or one that comes up in any case.
static unsigned claimed, dropped[REASON_COUNT];

static void agrees(const uint8_t *d, uint32_t len)
{
	struct frame m = {.len = len};
	struct fastpath_tag t = {0};
	memcpy(m.d, d, len);
	beat();
	struct run r = run(&m, 1);
	if (r.action != XDP_REDIRECT || !fastpath_tag_read(r.out, len, port, &t))
		fail_msg("no tag");
	if (t.l4 == 0)
		return;
	struct burst b = {.n = 1};
	b.m[0] = frames_add(&rooms, d, len, len, 1);
	frames_walk(&rooms, &b);
	claimed++;
	if (b.n == 1) {
		const struct pkt *p = pkt_of(b.m[0]);
		const struct layer *l = &p->layer[0];
		dropped[p->reason]++;
		if (!pkt_decided(p) && (p->nlayers != 1 || l->l3 != t.l3 || l->l4 != t.l4 || l->proto != t.proto ||
					l->version != t.version || p->nvlans != t.vlans))
			fail_msg("another flow: l3 %u %u l4 %u %u", l->l3, t.l3, l->l4, t.l4);
	}
	tx_burst(&rooms.w, &b);
}

// So many frames of a capture, each as it is and with some of its headers' bits turned.
static unsigned capture(const char *path, unsigned most)
{
	char why[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *h;
	const u_char *d;
	unsigned frames = 0;
	uint8_t other[2048];
	pcap_t *p = pcap_open_offline(path, why);
	for (unsigned n = 0; p && pcap_datalink(p) == 1 && n < most && pcap_next_ex(p, &h, &d) == 1; n++) {
		if (h->caplen != h->len || h->len < 14 || h->len > sizeof(other))
			continue;
		frames++;
		agrees(d, h->len);
		memcpy(other, d, h->len);
		for (unsigned turned = 1 + rand() % 3; turned; turned--)
			other[12 + rand() % RTE_MIN(h->len - 12, 70u)] ^= 1 << rand() % 8;
		agrees(other, h->len);
	}
	if (p)
		pcap_close(p);
	return frames;
}

static unsigned corpus_frames;

static int corpus_file(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	if (kind == FTW_F && strstr(path, "/pcap/"))
		corpus_frames += capture(path, 40);
	return 0;
}

static void captured(void **state)
{
	const char *corpora = getenv("SLUICE_CORPORA");
	unsigned frames = 0;
	port->own = 0;
	srand(1);
	for (char **path = captures; *path; path++)
		frames += capture(*path, 400);
	if (corpora)
		nftw(corpora, corpus_file, 16, FTW_PHYS);
	print_message("captured: %u frames, %u of the corpora%s; %u claimed\n", frames, corpus_frames,
		      corpora ? "" : " (SLUICE_CORPORA is not set)", claimed);
	for (unsigned i = 1; i < REASON_COUNT; i++)
		if (dropped[i])
			print_message("claimed, and dropped by the rooms: %u %s\n", dropped[i], reason_names[i]);
	frames_close(&rooms);
}

int main(int argc, char **argv)
{
	if (geteuid() || unshare(CLONE_NEWNS | CLONE_NEWNET) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL)) {
		printf("skipped: needs root, namespaces and a bpffs\n");
		return 77;
	}
	captures = argv + 1;
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(goes_up),       cmocka_unit_test(goes_up6),     cmocka_unit_test(tags),
		cmocka_unit_test(an_entry_acts), cmocka_unit_test(tenants),      cmocka_unit_test(settled6),
		cmocka_unit_test(every_byte),    cmocka_unit_test(full),         cmocka_unit_test(own_machine),
		cmocka_unit_test(paused),        cmocka_unit_test(checksums),    cmocka_unit_test(nobody_across),
		cmocka_unit_test(forged),        cmocka_unit_test(nobody_there), cmocka_unit_test(not_root),
		cmocka_unit_test(one_at_a_time), cmocka_unit_test(captured),     cmocka_unit_test(cares),
	};
	frames_open(&rooms, (struct path_config){.fragments = 64, .checksum = CHECKSUM_IGNORE});
	char why[256];
	if (open_with(&f, why, sizeof(why)) || fastpath_take(f, 0, why, sizeof(why))) {
		printf("skipped: %s\n", why);
		return 77;
	}
	fastpath_close(f);
	open_lo();
	port = fastpath_port(f, 0);
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	close_lo();
	return rc;
}
