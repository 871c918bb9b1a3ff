// SPDX-License-Identifier: BSD-3-Clause
//
// Ports of every type that a machine without a NIC has, in network namespaces of the test's own: frames go out of one
// and come in at another, byte for byte. Needs root; says so and skips where it is not.
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/eal.h"
#include "base/port.h"

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

static void tap_carries(void **state)
{
	struct port tap, sock;
	if (!alone)
		skip();
	open_port(&tap, (struct port_config){.name = "t", .type = PORT_TAP, .device = "slt0"});
	open_port(&sock, (struct port_config){.name = "s", .type = PORT_AF_PACKET, .device = "slt0"});
	assert_int_equal(send_frames(&tap, 1514), FRAMES);
	assert_int_equal(receive_frames(&sock, 1514), FRAMES);
	assert_int_equal(send_frames(&sock, 100), FRAMES);
	assert_int_equal(receive_frames(&tap, 100), FRAMES);
	port_close(&sock);
	port_close(&tap);
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

static void types_have_names(void **state)
{
	for (int i = 0; i < PORT_TYPES; i++)
		assert_int_equal(port_type_of(port_type_name(i)), i);
	assert_int_equal(port_type_of("ethernet"), -1);
}

static int set_up(void **state)
{
	static const struct port_config all[] = {{.type = PORT_AF_XDP}, {.type = PORT_AF_PACKET}, {.type = PORT_TAP},
						 {.type = PORT_MEMIF},  {.type = PORT_NULL},      {.type = PORT_PCAP}};
	alone = geteuid() == 0 && unshare(CLONE_NEWNET | CLONE_NEWNS) == 0;
	if (alone) {
		mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
		alone = system("ip link set lo up && ip link add slprobe type veth peer name slprobe2 &&"
			       " ip link del slprobe") == 0;
	}
	if (!alone)
		print_message("not root, or no namespaces with veth: ports of the kernel are not tested\n");
	if (eal_init_live(&(struct eal_live){.ports = all, .nports = RTE_DIM(all), .mem_mb = 160, .say = heard}) != 0)
		return -1;
	pool = eal_pool("frames", 16383, 3072);
	return pool ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(types_have_names),
		cmocka_unit_test(null_takes_all),
		cmocka_unit_test(pcap_reads_what_it_wrote),
		cmocka_unit_test(what_is_not_there_is_said),
		cmocka_unit_test(af_packet_carries),
		cmocka_unit_test(af_packet_carries_jumbo),
		cmocka_unit_test(tap_carries),
		cmocka_unit_test(af_xdp_carries),
	};
	return cmocka_run_group_tests(tests, set_up, NULL);
}
