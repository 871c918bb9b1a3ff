// SPDX-License-Identifier: BSD-3-Clause
//
// Ports of every type that a machine without a NIC has, in network namespaces of the test's own: frames go out of one
// and come in at another, byte for byte. Needs root; says so and skips where it is not.
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>

#include "../poison.h"
#include "base/eal.h"
#include "base/port.h"
#include "base/port_hold.h"
#include "base/port_kernel.h"
#include "base/port_life.h"
#include "base/port_pci.h"

#define FRAMES 20

static bool alone;          // in a namespace of our own
static char last_said[512]; // DPDK's last line
static struct rte_mempool *pool;

static void heard(void *arg, unsigned level, const char *line)
{
	snprintf(last_said, sizeof(last_said), "%s", line);
	if (getenv("PORT_TEST_LOUD"))
		fprintf(stderr, "dpdk %u: %s\n", level, line);
}

__attribute__((format(printf, 1, 2))) static void sh(const char *format, ...)
{
	char command[512];
	va_list args;
	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}

static void open_port(struct port *p, struct port_config c)
{
	char why[256] = "";
	if (port_open(p, &c, pool, 1, NULL, why, sizeof(why)) != 0)
		fail_msg("%s [%s]", why, last_said);
}

// What the owner was told, and how often workers were asked to leave.
static struct {
	enum port_event_kind kind;
	char text[256];
	unsigned events, left;
	bool seen_up; // while workers leave, nobody may begin
} told;

static void on_event(void *arg, const struct port_event *e)
{
	told.kind = e->kind;
	told.events++;
	snprintf(told.text, sizeof(told.text), "%s", e->text);
}

static void on_quiesce(void *arg, const struct port *p)
{
	told.left++;
	told.seen_up |= atomic_load(&p->up);
}

static const struct port_owner owner = {on_event, on_quiesce, NULL, NULL};

static void open_watched(struct port *p, struct port_config c)
{
	char why[256] = "";
	memset(&told, 0, sizeof(told));
	if (port_open(p, &c, pool, 1, &owner, why, sizeof(why)) != 0)
		fail_msg("%s [%s]", why, last_said);
	told.events = 0;
}

static void frame_write(uint8_t *d, unsigned len, unsigned number)
{
	static const uint8_t head[14] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x88, 0xb5};
	memcpy(d, head, sizeof(head));
	for (unsigned i = sizeof(head); i < len; i++)
		d[i] = (uint8_t)(i * 7 + number);
}

static unsigned send_frames(struct port *p, unsigned len)
{
	unsigned sent = 0;
	for (unsigned i = 0; i < FRAMES; i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
		assert_non_null(m);
		frame_write((uint8_t *)rte_pktmbuf_append(m, (uint16_t)len), len, i);
		if (port_tx(p, 0, &m, 1) == 1)
			sent++;
		else
			rte_pktmbuf_free(m);
	}
	return sent;
}

// Frames of ours that came within a second, each as it was sent and in order.
static unsigned receive_frames(struct port *p, unsigned len)
{
	uint8_t wanted[9000];
	unsigned got = 0;
	for (unsigned wait = 0; wait < 1000 && got < FRAMES; wait++) {
		struct rte_mbuf *m[BURST_SIZE];
		uint16_t n = port_rx(p, 0, m, BURST_SIZE);
		for (uint16_t i = 0; i < n; i++) {
			uint8_t *d = rte_pktmbuf_mtod(m[i], uint8_t *);
			frame_write(wanted, len, got);
			if (d[12] == 0x88 && d[13] == 0xb5) {
				assert_int_equal(rte_pktmbuf_data_len(m[i]), len);
				assert_memory_equal(d, wanted, len);
				got++;
			}
			rte_pktmbuf_free(m[i]);
		}
		if (n == 0)
			usleep(1000);
	}
	return got;
}

static void null_takes_all(void **state)
{
	struct port p;
	open_port(&p, (struct port_config){.name = "sink", .type = PORT_NULL});
	assert_int_equal(send_frames(&p, 60), FRAMES);
	struct rte_mbuf *m[1];
	assert_int_equal(port_rx(&p, 0, m, 1), 0);
	port_close(&p);
	assert_int_equal(port_rx(&p, 0, m, 1), 0);
	assert_int_equal(send_frames(&p, 60), 0);
	open_port(&p, (struct port_config){.name = "sink", .type = PORT_NULL, .flood = true});
	assert_int_equal(port_rx(&p, 0, m, 1), 1);
	rte_pktmbuf_free(m[0]);
	port_close(&p);
}

static void pcap_reads_what_it_wrote(void **state)
{
	char file[] = "/tmp/test_port_XXXXXX";
	struct port p;
	close(mkstemp(file));
	struct port_config c = {.name = "capture", .type = PORT_PCAP};
	snprintf(c.tx_file, sizeof(c.tx_file), "%s", file);
	open_port(&p, c);
	assert_int_equal(send_frames(&p, 200), FRAMES);
	port_close(&p);
	c.tx_file[0] = 0;
	snprintf(c.rx_file, sizeof(c.rx_file), "%s", file);
	open_port(&p, c);
	assert_int_equal(receive_frames(&p, 200), FRAMES);
	port_close(&p);
	unlink(file);
}

static void across(enum port_type type, unsigned mtu, unsigned len)
{
	struct port a, b;
	if (!alone)
		skip();
	sh("ip link add wa type veth peer name wb");
	struct port_config c = {.name = "a", .type = type, .device = "wa", .mtu = (uint16_t)mtu};
	open_port(&a, c);
	snprintf(c.name, sizeof(c.name), "b");
	snprintf(c.device, sizeof(c.device), "wb");
	open_port(&b, c);
	assert_int_equal(a.mtu, mtu);
	assert_int_equal(send_frames(&a, len), FRAMES);
	assert_int_equal(receive_frames(&b, len), FRAMES);
	assert_int_equal(send_frames(&b, 60), FRAMES);
	assert_int_equal(receive_frames(&a, 60), FRAMES);
	port_close(&a);
	port_close(&b);
	sh("ip link del wa");
}

static void af_packet_carries(void **state)
{
	across(PORT_AF_PACKET, 1500, 1514);
}

static void af_packet_carries_jumbo(void **state)
{
	across(PORT_AF_PACKET, 2000, 2014);
}

static void af_xdp_carries(void **state)
{
	across(PORT_AF_XDP, 1500, 1514);
}

static int wire_open(const char *device)
{
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET, .sll_protocol = htons(0x88b5), .sll_ifindex = (int)port_kernel_index(device)};
	int s = socket(AF_PACKET, SOCK_RAW, htons(0x88b5));
	struct timeval second = {1, 0};
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
	assert_int_equal(bind(s, (struct sockaddr *)&to, sizeof(to)), 0);
	return s;
}

static void tap_carries(void **state)
{
	struct port tap;
	uint8_t wanted[1514], came[2048];
	if (!alone)
		skip();
	open_port(&tap, (struct port_config){.name = "t", .type = PORT_TAP, .device = "slt0"});
	assert_int_not_equal(tap.ifindex, 0);
	int wire = wire_open("slt0");
	assert_int_equal(send_frames(&tap, 1514), FRAMES);
	for (unsigned i = 0; i < FRAMES; i++) {
		frame_write(wanted, 1514, i);
		assert_int_equal(recv(wire, came, sizeof(came), 0), 1514);
		assert_memory_equal(came, wanted, 1514);
		frame_write(wanted, 100, i);
		assert_int_equal(send(wire, wanted, 100, 0), 100);
	}
	assert_int_equal(receive_frames(&tap, 100), FRAMES);
	close(wire);
	port_close(&tap);
	assert_int_equal(port_kernel_index("slt0"), 0);
}

static void expect_event(struct port *p, int rc, enum port_event_kind kind, const char *text)
{
	told.events = 0;
	assert_int_equal(port_tick(p), rc);
	assert_int_equal(told.events, 1);
	assert_int_equal(told.kind, kind);
	assert_string_equal(told.text, text);
}

// The interface is deleted under the port and made again, as a container's is.
static void goes_and_comes_back(enum port_type type)
{
	struct port p, far;
	struct port_counters c;
	if (!alone)
		skip();
	sh("ip link add wa type veth peer name wb");
	open_watched(&p, (struct port_config){.name = "lan", .type = type, .device = "wa"});
	sh("ip link set wb up");
	port_tick(&p);
	told.events = 0;
	assert_int_equal(port_tick(&p), 0);
	assert_int_equal(told.events, 0);
	assert_int_equal(send_frames(&p, 60), FRAMES);
	unsigned used = rte_mempool_in_use_count(pool);
	for (unsigned round = 1; round < 4; round++) {
		sh("ip link del wa");
		expect_event(&p, -ENODEV, PORT_GONE, "lan: wa is gone; looked for each second");
		assert_int_equal(told.left, round);
		assert_int_equal(send_frames(&p, 60), 0);
		told.events = 0;
		assert_int_equal(port_tick(&p), -ENODEV);
		assert_int_equal(told.events, 0);
		sh("ip link add wa type veth peer name wb && ip link set wb up");
		expect_event(&p, 0, PORT_BACK, "lan: back after 1 s");
		assert_int_equal(send_frames(&p, 60), FRAMES);
	}
	assert_false(told.seen_up);
	assert_int_equal(rte_mempool_in_use_count(pool), used);
	port_counters(&p, &c);
	assert_int_equal(c.tx, 4 * FRAMES);
	open_port(&far, (struct port_config){.name = "far", .type = PORT_AF_PACKET, .device = "wb"});
	assert_int_equal(send_frames(&far, 60), FRAMES);
	assert_int_equal(receive_frames(&p, 60), FRAMES);
	port_close(&far);
	port_close(&p);
	sh("ip link del wa");
}

static void af_packet_goes_and_comes_back(void **state)
{
	goes_and_comes_back(PORT_AF_PACKET);
}

static void af_xdp_goes_and_comes_back(void **state)
{
	goes_and_comes_back(PORT_AF_XDP);
}

// What a process that was killed leaves on an interface, or somebody else has there: a program that passes all.
static uint32_t leave_program(const char *device, const char *name)
{
	const struct bpf_insn pass[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = XDP_PASS},
					{.code = BPF_JMP | BPF_EXIT}};
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, name, "BSD", pass, RTE_DIM(pass), NULL);
	uint32_t id = 0;
	int index = (int)port_kernel_index(device);
	assert_true(fd >= 0);
	assert_int_equal(bpf_xdp_attach(index, fd, 0, NULL), 0);
	assert_int_equal(bpf_xdp_query_id(index, 0, &id), 0);
	close(fd);
	return id;
}

static void leftovers_of_ours_are_replaced(void **state)
{
	struct port p;
	char why[256], wanted[256];
	uint32_t id = 0;
	if (!alone)
		skip();
	sh("ip link add wa type veth peer name wb && ip link set wb up");
	leave_program("wa", "sluice_old");
	struct port_config c = {.name = "lan", .type = PORT_AF_XDP, .device = "wa"};
	open_watched(&p, c);
	struct port far;
	open_port(&far, (struct port_config){.name = "far", .type = PORT_AF_PACKET, .device = "wb"});
	assert_int_equal(send_frames(&far, 60), FRAMES);
	assert_int_equal(receive_frames(&p, 60), FRAMES);
	// somebody takes it off
	sh("ip link set dev wa xdp off");
	expect_event(&p, 0, PORT_RESET, "lan: was reset");
	assert_int_equal(send_frames(&far, 60), FRAMES);
	assert_int_equal(receive_frames(&p, 60), FRAMES);
	port_close(&far);
	port_close(&p);
	assert_int_equal(bpf_xdp_query_id((int)port_kernel_index("wa"), 0, &id), 0);
	assert_int_equal(id, 0);

	unsigned used = rte_mempool_in_use_count(pool);
	id = leave_program("wa", "firewall");
	assert_int_equal(port_open(&p, &c, pool, 1, NULL, why, sizeof(why)), -EBUSY);
	snprintf(wanted, sizeof(wanted),
		 "lan: another's XDP program is on wa: firewall, id %u (ip link set dev wa xdp off)", id);
	assert_string_equal(why, wanted);
	assert_int_equal(rte_mempool_in_use_count(pool), used);
	sh("ip link del wa");
}

// Frames that the kernel had when the port closed, unread ones and unsent ones, are all given back.
static void af_xdp_gives_all_back(void **state)
{
	struct port p, far;
	if (!alone)
		skip();
	sh("ip link add wa type veth peer name wb && ip link set wb up");
	open_port(&far, (struct port_config){.name = "far", .type = PORT_AF_PACKET, .device = "wb"});
	unsigned used = rte_mempool_in_use_count(pool);
	for (unsigned round = 0; round < 3; round++) {
		open_port(&p, (struct port_config){.name = "lan", .type = PORT_AF_XDP, .device = "wa"});
		assert_true(rte_mempool_in_use_count(pool) >= used + 2048);
		for (unsigned i = 0; i < 5; i++)
			assert_int_equal(send_frames(&far, 60) + send_frames(&p, 60), 2 * FRAMES);
		struct rte_mbuf *m[BURST_SIZE];
		rte_pktmbuf_free_bulk(m, port_rx(&p, 0, m, FRAMES));
		port_close(&p);
		for (uint16_t n; (n = port_rx(&far, 0, m, BURST_SIZE)) > 0;)
			rte_pktmbuf_free_bulk(m, n);
		assert_int_equal(rte_mempool_in_use_count(pool), used);
	}
	port_close(&far);
	sh("ip link del wa");
}

// As many sockets as channels, or frames of the others would go by us.
static void af_xdp_has_a_socket_a_channel(void **state)
{
	struct port p, far;
	char why[256] = "";
	unsigned used = rte_mempool_in_use_count(pool), got = 0;
	if (!alone)
		skip();
	sh("ip link add wa numrxqueues 2 numtxqueues 2 type veth peer name wb numrxqueues 2 numtxqueues 2 &&"
	   " ip link set wb up");
	struct port_config c = {.name = "lan", .type = PORT_AF_XDP, .device = "wa"};
	assert_int_equal(port_open(&p, &c, pool, 1, NULL, why, sizeof(why)), -EINVAL);
	assert_string_equal(why, "lan: wa has 2 channels for 1 workers (ethtool -L wa combined 1)");
	if (port_open(&p, &c, pool, 2, NULL, why, sizeof(why)) != 0)
		fail_msg("%s", why);
	assert_int_equal(p.queues, 2);
	open_port(&far, (struct port_config){.name = "far", .type = PORT_AF_PACKET, .device = "wb"});
	assert_int_equal(send_frames(&far, 60), FRAMES);
	for (unsigned wait = 0; wait < 1000 && got < FRAMES; wait++) {
		for (uint16_t q = 0; q < 2; q++) {
			struct rte_mbuf *m[BURST_SIZE];
			uint16_t n = port_rx(&p, q, m, BURST_SIZE);
			rte_pktmbuf_free_bulk(m, n);
			got += n;
		}
		usleep(1000);
	}
	assert_int_equal(got, FRAMES);
	port_close(&far);
	port_close(&p);
	assert_int_equal(rte_mempool_in_use_count(pool), used);
	sh("ip link del wa");
}

static void an_mtu_that_is_refused_is_said(void **state)
{
	struct port p;
	char why[256] = "";
	if (!alone)
		skip();
	sh("ip link add wa type veth peer name wb && ip link set wb up");
	struct port_config c = {.name = "lan", .type = PORT_AF_PACKET, .device = "wa", .mtu = 40};
	assert_int_equal(port_open(&p, &c, pool, 1, NULL, why, sizeof(why)), -EINVAL);
	assert_string_equal(
		why, "lan: wa does not take an MTU of 40: Invalid argument (ip -d link show wa says its limits)");
	sh("ip link set wa mtu 1500 && ip link set wb mtu 9000");
	c = (struct port_config){.name = "lan", .type = PORT_AF_XDP, .device = "wa"};
	assert_int_equal(port_open(&p, &c, pool, 1, NULL, why, sizeof(why)), -ERANGE);
	assert_string_equal(why,
			    "lan: wa takes no XDP program: Numerical result out of range (the MTU of its peer is too "
			    "large: veth takes 3,506)");
	sh("ip link del wa");
}

// What it cannot lend to the kernel it copies: a chain, another's pool, a frame that somebody else looks at, too.
static void af_xdp_copies_what_it_must(void **state)
{
	struct port p;
	uint8_t wanted[400], came[2048];
	if (!alone)
		skip();
	sh("ip link add wa type veth peer name wb && ip link set wb up");
	open_port(&p, (struct port_config){.name = "lan", .type = PORT_AF_XDP, .device = "wa"});
	unsigned used = rte_mempool_in_use_count(pool);
	int wire = wire_open("wb");
	frame_write(wanted, sizeof(wanted), 7);
	struct rte_mempool *other = eal_pool("other", 63, 2048);
	struct rte_mbuf *chain = rte_pktmbuf_alloc(pool), *rest = rte_pktmbuf_alloc(pool);
	struct rte_mbuf *foreign = rte_pktmbuf_alloc(other), *shared = rte_pktmbuf_alloc(pool);
	memcpy(rte_pktmbuf_append(chain, 100), wanted, 100);
	memcpy(rte_pktmbuf_append(rest, 300), wanted + 100, 300);
	rte_pktmbuf_chain(chain, rest);
	memcpy(rte_pktmbuf_append(foreign, 400), wanted, 400);
	memcpy(rte_pktmbuf_append(shared, 400), wanted, 400);
	rte_mbuf_refcnt_update(shared, 1);
	struct rte_mbuf *all[] = {chain, foreign, shared};
	assert_int_equal(port_tx(&p, 0, all, 3), 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(recv(wire, came, sizeof(came), 0), 400);
		assert_memory_equal(came, wanted, 400);
	}
	assert_int_equal(rte_mbuf_refcnt_read(shared), 1);
	rte_pktmbuf_free(shared);
	assert_int_equal(rte_mempool_in_use_count(other), 0);
	port_tx(&p, 0, all, 0); // what was sent comes back at the next call
	assert_int_equal(rte_mempool_in_use_count(pool), used);
	rte_mempool_free(other);
	close(wire);
	port_close(&p);
	sh("ip link del wa");
}

static void pools_that_do_not_fit_are_said(void **state)
{
	struct port p;
	char why[256];
	unsigned least, most;
	if (!alone)
		skip();
	sh("ip link add wa type veth peer name wb && ip link set wb up");
	struct port_config c = {.name = "lan", .type = PORT_AF_XDP, .device = "wa", .mtu = 3400};
	assert_int_equal(port_open(&p, &c, pool, 1, NULL, why, sizeof(why)), -EINVAL);
	assert_string_equal(why, "lan: an MTU of 3400 is more than AF_XDP carries: ip link set wa mtu 3250");
	c.mtu = 1500;
	port_room(&c, &least, &most);
	for (int fits = 0; fits < 2; fits++) {
		struct rte_mempool *big = eal_pool("big", 4095, fits ? most : most + 64);
		assert_int_equal(port_open(&p, &c, big, 1, NULL, why, sizeof(why)), fits ? 0 : -EINVAL);
		if (fits)
			port_close(&p);
		rte_mempool_free(big);
	}
	sh("ip link del wa");
}

static void link_is_told(void **state)
{
	struct port p;
	if (!alone)
		skip();
	sh("ip link add wa type veth peer name wb && ip link set wb up");
	open_watched(&p, (struct port_config){.name = "lan", .type = PORT_AF_PACKET, .device = "wa"});
	assert_int_equal(port_tick(&p), 0);
	sh("ip link set wb down");
	expect_event(&p, 0, PORT_LINK_DOWN,
		     "lan: no link: nothing comes in or goes out until it is back (ip link show wa)");
	assert_true(p.up && !p.sends);
	sh("ip link set wb up");
	expect_event(&p, 0, PORT_LINK_UP, "lan: link up");
	assert_true(p.sends);
	sh("ip link set wa mtu 1300");
	expect_event(&p, 0, PORT_RESET, "lan: was reset");
	assert_int_equal(p.mtu, 1300);
	port_close(&p);
	sh("ip link del wa");
}

// DPDK's own, for drivers: how a watchdog like ENA's asks for a reset.
struct rte_eth_dev *rte_eth_dev_get_by_name(const char *name);
int rte_eth_dev_callback_process(struct rte_eth_dev *dev, enum rte_eth_event_type event, void *param);

static void driver_asks_for_a_reset(void **state)
{
	struct port p;
	open_watched(&p, (struct port_config){.name = "sink", .type = PORT_NULL});
	assert_int_equal(port_tick(&p), 0);
	rte_eth_dev_callback_process(rte_eth_dev_get_by_name("net_null_sink"), RTE_ETH_EVENT_INTR_RESET, NULL);
	expect_event(&p, 0, PORT_RESET, "sink: was reset");
	assert_int_equal(told.left, 1);
	assert_int_equal(send_frames(&p, 60), FRAMES);
	rte_eth_dev_callback_process(rte_eth_dev_get_by_name("net_null_sink"), RTE_ETH_EVENT_INTR_RMV, NULL);
	expect_event(&p, -ENODEV, PORT_GONE, "sink: its device is gone; looked for each second");
	expect_event(&p, 0, PORT_BACK, "sink: back after 0 s");
	port_close(&p);
}

static void queues_spread_alike(void **state)
{
	struct port p;
	char why[256] = "";
	struct port_config c = {.name = "sink", .type = PORT_NULL};
	assert_int_equal(port_open(&p, &c, pool, 4, NULL, why, sizeof(why)), 0);
	assert_int_equal(p.queues, 4);
	assert_true(p.symmetric);
	port_close(&p);
}

static void marks_are_on_frames(void **state)
{
	static const struct {
		enum port_checksum checksum;
		uint64_t mark;
	} cases[] = {{PORT_CHECKSUM_AUTO, RTE_MBUF_F_RX_L4_CKSUM_GOOD},
		     {PORT_CHECKSUM_GOOD, RTE_MBUF_F_RX_L4_CKSUM_GOOD},
		     {PORT_CHECKSUM_PARTIAL, RTE_MBUF_F_RX_L4_CKSUM_NONE},
		     {PORT_CHECKSUM_CHECK, 0}};
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct port p;
		struct rte_mbuf *m;
		open_port(&p, (struct port_config){
				      .name = "sink", .type = PORT_NULL, .flood = true, .checksum = cases[i].checksum});
		assert_int_equal(port_rx(&p, 0, &m, 1), 1);
		assert_int_equal(m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK, cases[i].mark);
		rte_pktmbuf_free(m);
		port_close(&p);
	}
}

// A frame that was never on a wire so long: veth hands over what TSO left whole.
static void too_long_is_counted(void **state)
{
	struct port p;
	struct port_counters c;
	uint8_t frame[1900];
	if (!alone)
		skip();
	sh("ip link add wa mtu 1500 type veth peer name wb mtu 1900 && ip link set wb up");
	open_port(&p, (struct port_config){.name = "lan", .type = PORT_AF_PACKET, .device = "wa"});
	int wire = wire_open("wb");
	frame_write(frame, sizeof(frame), 0);
	p.frame_max = 1000; // veth drops itself what is longer than wa's MTU, but not GSO's
	assert_int_equal(send(wire, frame, 1001, 0), 1001);
	assert_int_equal(send(wire, frame, 1000, 0), 1000);
	struct rte_mbuf *m[4];
	unsigned got = 0;
	for (unsigned wait = 0; wait < 5000 && !got; wait++) {
		got = port_rx(&p, 0, m, 4);
		usleep(1000);
	}
	assert_int_equal(got, 1);
	assert_int_equal(rte_pktmbuf_pkt_len(m[0]), 1000);
	rte_pktmbuf_free(m[0]);
	port_counters(&p, &c);
	assert_int_equal(c.too_long, 1);
	assert_int_equal(c.rx, 2);
	port_counters_clear(&p);
	port_counters(&p, &c);
	assert_int_equal(c.too_long + c.rx + c.rx_bytes, 0);
	close(wire);
	port_close(&p);
	sh("ip link del wa");
}

static void holder_is_named(void **state)
{
	int ready[2];
	char who[64], why[256] = "", wanted[256];
	struct port p;
	assert_int_equal(pipe(ready), 0);
	pid_t child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); // nothing of a test that fails stays
		int rc = port_hold_take("slhold0", who, sizeof(who));
		rc = write(ready[1], &rc, sizeof(rc)) == sizeof(rc);
		pause();
		_exit(rc);
	}
	int rc = -1;
	assert_int_equal(read(ready[0], &rc, sizeof(rc)), sizeof(rc));
	assert_true(rc >= 0);
	struct port_config c = {.name = "lan", .type = PORT_AF_PACKET, .device = "slhold0"};
	assert_int_equal(port_open(&p, &c, pool, 1, NULL, why, sizeof(why)), -EBUSY);
	snprintf(wanted, sizeof(wanted), "lan: slhold0 is held by %s, pid %d", program_invocation_short_name, child);
	assert_string_equal(why, wanted);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	rc = port_hold_take("slhold0", who, sizeof(who));
	assert_true(rc >= 0);
	close(rc);
	close(ready[0]);
	close(ready[1]);
}

static void count_name(void *arg, const char *name, uint64_t value)
{
	if (strcmp(name, "tx_good_packets") == 0 || strcmp(name, "kernel_tx_packets") == 0)
		assert_int_equal(value, FRAMES), ++*(unsigned *)arg;
}

static void all_counters_have_names(void **state)
{
	struct port p;
	unsigned found = 0;
	if (!alone)
		skip();
	sh("ip link add wa type veth peer name wb && ip link set wb up");
	open_port(&p, (struct port_config){.name = "lan", .type = PORT_AF_PACKET, .device = "wa"});
	assert_int_equal(send_frames(&p, 60), FRAMES);
	port_xstats(&p, count_name, &found);
	assert_int_equal(found, 2);
	port_close(&p);
	sh("ip link del wa");
}

// Both ends in this process; the connection is made by DPDK's interrupt thread, a moment later.
static void memif_carries(void **state)
{
	struct port a, b;
	char dir[] = "/tmp/test_port_XXXXXX";
	if (THREADS_SANITIZED)
		skip();
	assert_non_null(mkdtemp(dir));
	struct port_config c = {.name = "ma", .type = PORT_MEMIF, .server = true};
	snprintf(c.device, sizeof(c.device), "%s/m.sock", dir);
	open_watched(&a, c);
	c.server = false;
	snprintf(c.name, sizeof(c.name), "mb");
	open_port(&b, c);
	assert_int_equal(port_tick(&a) + port_tick(&b), 0);
	assert_true(a.sends && b.sends); // who never said that there is a link is not believed that it is lost
	for (unsigned wait = 0; wait < 500 && !(a.link && b.link); wait++) {
		usleep(10000);
		assert_int_equal(port_tick(&a), 0);
		assert_int_equal(port_tick(&b), 0);
	}
	assert_true(a.link && b.link && a.sends && b.sends);
	struct rte_mbuf *none[1];
	assert_int_equal(port_rx(&b, 0, none, 1), 0); // by which the client offers room, as a worker's polling does
	assert_int_equal(send_frames(&a, 1514), FRAMES);
	assert_int_equal(receive_frames(&b, 1514), FRAMES);
	assert_int_equal(send_frames(&b, 60), FRAMES);
	assert_int_equal(receive_frames(&a, 60), FRAMES);
	port_close(&b);
	for (unsigned wait = 0; wait < 500 && told.kind != PORT_LINK_DOWN; wait++) {
		usleep(10000);
		port_tick(&a);
	}
	assert_int_equal(told.kind, PORT_LINK_DOWN);
	assert_true(a.up && !a.sends);
	port_close(&a);
	unlink(c.device);
	assert_int_equal(rmdir(dir), 0);
}

// /sys of a machine with cards, as far as it is looked at.
static void pci_is_looked_at_first(void **state)
{
	char dir[] = "/tmp/test_port_XXXXXX", why[256] = "", args[256], list[64];
	const struct port_why to = {why, sizeof(why)};
	const char *plugins[PORT_PLUGINS_MAX];
	struct port_config c = {.name = "wan", .type = PORT_PCI, .device = "0000:00:06.0", .large_headers = true};
	assert_non_null(mkdtemp(dir));
	snprintf(list, sizeof(list), "%s/list", dir);
	port_pci_root(dir, list);
	assert_int_equal(port_pci_ready(&c, &to), -ENODEV);
	assert_string_equal(why, "wan: no PCI device 0000:00:06.0 (lspci -D)");
	sh("cd %s && mkdir -p drivers/ena drivers/vfio-pci 0000:00:06.0 0000:00:07.0 &&"
	   " echo 0x1d0f > 0000:00:06.0/vendor && echo 0x8086 > 0000:00:07.0/vendor &&"
	   " ln -s ../drivers/ena 0000:00:06.0/driver && ln -s ../drivers/vfio-pci 0000:00:07.0/driver",
	   dir);
	assert_int_equal(port_pci_ready(&c, &to), -EBUSY);
	assert_non_null(strstr(why, "wan: 0000:00:06.0 belongs to ena, not to us (dpdk-devbind.py --bind="));
	assert_int_equal(port_pci_plugins(c.device, plugins), 1);
	assert_string_equal(plugins[0], "librte_net_ena");
	port_pci_args(&c, 1, 0, args, sizeof(args));
	assert_string_equal(args, "large_llq_hdr=1");
	snprintf(c.extra, sizeof(c.extra), "miss_txc_to=0");
	port_pci_args(&c, 1, 0, args, sizeof(args));
	assert_string_equal(args, "large_llq_hdr=1,miss_txc_to=0");
	snprintf(c.device, sizeof(c.device), "0000:00:07.0");
	assert_int_equal(port_pci_ready(&c, &to), 0);
	assert_true(port_pci_plugins(c.device, plugins) > 3);
	port_pci_args(&c, 1, 0, args, sizeof(args));
	assert_string_equal(args, "miss_txc_to=0");
	c.device[9] = '6';
	assert_int_equal(port_pci_combines(c.device), -1);
	sh("cd %s && printf '0x%%016x 0x%%016x 0x%%016x\\n' 0xfeb00000 0xfeb03fff 1 0 0 0 0x40000000 0x400fffff 2 > "
	   "%s/resource",
	   dir, c.device);
	assert_int_equal(port_pci_combines(c.device), -1); // who is not root sees no list
	sh("echo 'PAT: [mem 0x00000000feb00000-0x00000000feb04000] write-combining' > %s", list);
	assert_int_equal(port_pci_combines(c.device), 0);
	sh("echo 'PAT: [mem 0x0000000040000000-0x0000000040100000] write-combining' >> %s", list);
	assert_int_equal(port_pci_combines(c.device), 1);
	port_pci_root("/sys/bus/pci/devices", "/sys/kernel/debug/x86/pat_memtype_list");
	sh("rm -r %s", dir);
}

// ENA's limits, and a driver's that has none.
static void rings_are_as_asked(void **state)
{
	static const struct rte_eth_desc_lim ena = {.nb_max = 1024, .nb_min = 128}, any = {0},
					     by32 = {4096, 64, 32, 0, 0};
	assert_int_equal(port_ring(0, 1024, &ena), 1024);
	assert_int_equal(port_ring(0, 1024, &(struct rte_eth_desc_lim){.nb_max = 512, .nb_min = 128}),
			 512); // large_llq_hdr
	assert_int_equal(port_ring(1000, 1024, &ena), 1024);
	assert_int_equal(port_ring(16384, 1024, &ena), 1024);
	assert_int_equal(port_ring(10, 1024, &ena), 128);
	assert_int_equal(port_ring(0, 0, &any), 512);
	assert_int_equal(port_ring(16384, 0, &any), 16384);
	assert_int_equal(port_ring(0, 0, &by32), 512);
	assert_int_equal(port_ring(0, 100, &by32), 128);
}

// What came while nobody looked, and was more than the ring holds.
static void a_full_ring_is_counted(void **state)
{
	struct port p;
	struct port_counters c;
	uint8_t frame[60];
	if (!alone)
		skip();
	sh("ip link add wa type veth peer name wb && ip link set wb up");
	open_port(&p, (struct port_config){.name = "lan", .type = PORT_AF_PACKET, .device = "wa", .rx_ring = 64});
	assert_true(port_fd(&p, 0) >= 0);
	int wire = wire_open("wb");
	frame_write(frame, sizeof(frame), 0);
	for (unsigned i = 0; i < 200; i++)
		assert_int_equal(send(wire, frame, sizeof(frame), 0), sizeof(frame));
	struct pollfd in = {.fd = port_fd(&p, 0), .events = POLLIN};
	assert_int_equal(poll(&in, 1, 1000), 1);
	assert_int_equal(port_tick(&p), 0);
	unsigned got = 0;
	struct rte_mbuf *m[BURST_SIZE];
	for (uint16_t n; (n = port_rx(&p, 0, m, BURST_SIZE)) > 0; got += n)
		rte_pktmbuf_free_bulk(m, n);
	port_counters(&p, &c);
	assert_int_equal(c.rx, got);
	assert_int_equal(c.rx + c.missed, 200);
	close(wire);
	port_close(&p);
	sh("ip link del wa");
}

static void what_is_not_there_is_said(void **state)
{
	char why[256] = "";
	struct port p;
	struct port_config c = {.name = "lan", .type = PORT_AF_PACKET, .device = "slno0"};
	assert_int_equal(port_open(&p, &c, pool, 1, NULL, why, sizeof(why)), -ENODEV);
	assert_string_equal(why, "lan: no interface slno0 here (ip link)");
	port_close(&p);
}

// What a test that failed has left.
static int clean(void **state)
{
	return alone && system("ip link del wa 2>/dev/null") < 0 ? -1 : 0;
}

static int set_up(void **state)
{
	static const struct port_config all[] = {{.type = PORT_AF_XDP}, {.type = PORT_AF_PACKET}, {.type = PORT_TAP},
						 {.type = PORT_MEMIF},  {.type = PORT_NULL},      {.type = PORT_PCAP}};
	alone = geteuid() == 0 && unshare(CLONE_NEWNET | CLONE_NEWNS) == 0;
	if (alone) {
		mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
		alone = system("ip link set lo up && sysctl -qw net.ipv6.conf.default.disable_ipv6=1 && ip link add "
			       "slprobe type veth peer name slprobe2 &&"
			       " ip link del slprobe") == 0;
	}
	if (!alone)
		print_message("not root, or no namespaces with veth: ports of the kernel are not tested\n");
	if (eal_init_live(&(struct eal_live){
		    .ports = all, .nports = RTE_DIM(all), .mem_mb = 160, .pages = EAL_PAGES_SMALL, .say = heard}) != 0)
		return -1;
	pool = eal_pool("frames", 16383, 3072);
	return pool ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(null_takes_all, clean),
		cmocka_unit_test_teardown(pcap_reads_what_it_wrote, clean),
		cmocka_unit_test_teardown(what_is_not_there_is_said, clean),
		cmocka_unit_test_teardown(af_packet_carries, clean),
		cmocka_unit_test_teardown(af_packet_carries_jumbo, clean),
		cmocka_unit_test_teardown(tap_carries, clean),
		cmocka_unit_test_teardown(af_xdp_carries, clean),
		cmocka_unit_test_teardown(af_packet_goes_and_comes_back, clean),
		cmocka_unit_test_teardown(af_xdp_goes_and_comes_back, clean),
		cmocka_unit_test_teardown(leftovers_of_ours_are_replaced, clean),
		cmocka_unit_test_teardown(af_xdp_gives_all_back, clean),
		cmocka_unit_test_teardown(af_xdp_copies_what_it_must, clean),
		cmocka_unit_test_teardown(pools_that_do_not_fit_are_said, clean),
		cmocka_unit_test_teardown(memif_carries, clean),
		cmocka_unit_test_teardown(pci_is_looked_at_first, clean),
		cmocka_unit_test(rings_are_as_asked),
		cmocka_unit_test_teardown(a_full_ring_is_counted, clean),
		cmocka_unit_test_teardown(af_xdp_has_a_socket_a_channel, clean),
		cmocka_unit_test_teardown(an_mtu_that_is_refused_is_said, clean),
		cmocka_unit_test_teardown(link_is_told, clean),
		cmocka_unit_test_teardown(driver_asks_for_a_reset, clean),
		cmocka_unit_test_teardown(queues_spread_alike, clean),
		cmocka_unit_test_teardown(marks_are_on_frames, clean),
		cmocka_unit_test_teardown(too_long_is_counted, clean),
		cmocka_unit_test_teardown(holder_is_named, clean),
		cmocka_unit_test_teardown(all_counters_have_names, clean),
	};
	return cmocka_run_group_tests(tests, set_up, NULL);
}
