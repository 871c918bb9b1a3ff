// SPDX-License-Identifier: BSD-3-Clause
//
// The kernel's side of a port. In the network namespace of the calling thread, as DPDK's drivers are.
#include "base/port_kernel.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rte_common.h>

// In libc's place, for DPDK's AF_PACKET driver alone: it has the kernel put fragments of IPv4 together before they are
// spread over queues, also where there is one, and what comes is then longer than any frame: every such datagram would
// be lost. The driver has no option for it, and a socket leaves its group only when it is closed. Fragments of a
// datagram still come by one queue: the kernel spreads them by their addresses.
int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	int fanout;
	if (level == SOL_PACKET && name == PACKET_FANOUT && len == sizeof(fanout)) {
		memcpy(&fanout, value, sizeof(fanout));
		fanout &= (int)~((unsigned)PACKET_FANOUT_FLAG_DEFRAG << 16);
		value = &fanout;
	}
	return (int)syscall(SYS_setsockopt, fd, level, name, value, len);
}

static int ask(const char *device, unsigned long request, struct ifreq *r)
{
	if (strlen(device) >= IFNAMSIZ)
		return -ENAMETOOLONG;
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s < 0)
		return -errno;
	snprintf(r->ifr_name, IFNAMSIZ, "%s", device);
	int rc = ioctl(s, request, r) < 0 ? -errno : 0;
	close(s);
	return rc;
}

unsigned port_kernel_index(const char *device)
{
	struct ifreq r = {0};
	return ask(device, SIOCGIFINDEX, &r) == 0 ? (unsigned)r.ifr_ifindex : 0;
}

int port_kernel_mtu(const char *device, uint16_t *mtu)
{
	struct ifreq r = {0};
	int rc = ask(device, SIOCGIFMTU, &r);
	if (rc == 0)
		*mtu = r.ifr_mtu < UINT16_MAX ? (uint16_t)r.ifr_mtu : UINT16_MAX;
	return rc;
}

int port_kernel_set_mtu(const char *device, uint16_t mtu)
{
	struct ifreq r = {.ifr_mtu = mtu};
	return ask(device, SIOCSIFMTU, &r);
}

void port_kernel_mac(const char *device, uint8_t mac[6])
{
	struct ifreq r = {0};
	if (ask(device, SIOCGIFHWADDR, &r) == 0)
		memcpy(mac, r.ifr_hwaddr.sa_data, 6);
}

int port_kernel_up(const char *device)
{
	struct ifreq r = {0};
	int rc = ask(device, SIOCGIFFLAGS, &r);
	if (rc < 0 || (r.ifr_flags & IFF_UP))
		return rc;
	r.ifr_flags |= IFF_UP;
	return ask(device, SIOCSIFFLAGS, &r);
}

int port_kernel_promiscuous(unsigned ifindex)
{
	struct packet_mreq all = {.mr_ifindex = (int)ifindex, .mr_type = PACKET_MR_PROMISC};
	int s = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0); // protocol 0: no frame comes to it
	if (s < 0)
		return -errno;
	if (setsockopt(s, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)) == 0)
		return s;
	int rc = -errno;
	close(s);
	return rc;
}

const char *const port_kernel_names[PORT_KERNEL_NUMBERS] = {
	"rx_bytes",       "rx_packets", "rx_errors",         "rx_dropped",   "rx_fifo_errors", "rx_frame_errors",
	"rx_compressed",  "multicast",  "tx_bytes",          "tx_packets",   "tx_errors",      "tx_dropped",
	"tx_fifo_errors", "collisions", "tx_carrier_errors", "tx_compressed"};

static bool counted_line(const char *line, const char *device, uint64_t out[PORT_KERNEL_NUMBERS])
{
	size_t n = strlen(device);
	line += strspn(line, " ");
	if (strncmp(line, device, n) != 0 || line[n] != ':')
		return false;
	char *at = (char *)line + n + 1;
	for (unsigned i = 0; i < PORT_KERNEL_NUMBERS; i++)
		out[i] = strtoull(at, &at, 10);
	return true;
}

bool port_kernel_counted(const char *device, uint64_t out[PORT_KERNEL_NUMBERS])
{
	char line[512];
	bool found = false;
	memset(out, 0, PORT_KERNEL_NUMBERS * sizeof(*out));
	FILE *f = fopen("/proc/thread-self/net/dev", "re");
	while (f && !found && fgets(line, sizeof(line), f))
		found = counted_line(line, device, out);
	if (f)
		fclose(f);
	return found;
}

static int ethtool(const char *device, void *request)
{
	struct ifreq r = {.ifr_data = request};
	return ask(device, SIOCETHTOOL, &r);
}

#define FEATURES_MAX 256 // 65 in Linux 6.1

// Its number in this kernel, of so many words of 32; FEATURES_MAX: none such.
static unsigned feature_number(const char *device, const char *name, uint32_t *words)
{
	union {
		struct ethtool_sset_info info;
		uint8_t room[sizeof(struct ethtool_sset_info) + sizeof(uint32_t)];
	} set = {.info = {.cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ull << ETH_SS_FEATURES}};
	union {
		struct ethtool_gstrings list;
		uint8_t room[sizeof(struct ethtool_gstrings) + FEATURES_MAX * ETH_GSTRING_LEN];
	} names;
	if (ethtool(device, &set) < 0 || set.info.data[0] > FEATURES_MAX)
		return FEATURES_MAX;
	names.list =
		(struct ethtool_gstrings){ETHTOOL_GSTRINGS, .string_set = ETH_SS_FEATURES, .len = set.info.data[0]};
	unsigned n = ethtool(device, &names) < 0 ? 0 : names.list.len;
	*words = (n + 31) / 32;
	for (unsigned i = 0; i < n; i++) {
		if (strncmp((char *)names.list.data + i * ETH_GSTRING_LEN, name, ETH_GSTRING_LEN) == 0)
			return i;
	}
	return FEATURES_MAX;
}

struct port_feature port_kernel_feature(const char *device, const char *name)
{
	union {
		struct ethtool_gfeatures list;
		uint8_t room[sizeof(struct ethtool_gfeatures) +
			     FEATURES_MAX / 32 * sizeof(struct ethtool_get_features_block)];
	} has = {.list = {.cmd = ETHTOOL_GFEATURES}};
	unsigned i = feature_number(device, name, &has.list.size);
	if (i == FEATURES_MAX || ethtool(device, &has) < 0)
		return (struct port_feature){0};
	const struct ethtool_get_features_block *b = &has.list.features[i / 32];
	return (struct port_feature){b->active >> i % 32 & 1, b->requested >> i % 32 & 1};
}

int port_kernel_set_feature(const char *device, const char *name, bool on)
{
	union {
		struct ethtool_sfeatures list;
		uint8_t room[sizeof(struct ethtool_sfeatures) +
			     FEATURES_MAX / 32 * sizeof(struct ethtool_set_features_block)];
	} want = {.list = {.cmd = ETHTOOL_SFEATURES}};
	unsigned i = feature_number(device, name, &want.list.size);
	if (i == FEATURES_MAX)
		return -EOPNOTSUPP;
	want.list.features[i / 32] = (struct ethtool_set_features_block){1u << i % 32, (uint32_t)on << i % 32};
	return ethtool(device, &want);
}

bool port_kernel_driver_is(const char *device, const char *driver)
{
	struct ethtool_drvinfo has = {.cmd = ETHTOOL_GDRVINFO};
	return ethtool(device, &has) == 0 && strncmp(has.driver, driver, sizeof(has.driver)) == 0;
}

// The carrier by ethtool, which is at once; IFF_RUNNING, for drivers without, may be a second late.
bool port_kernel_link(const char *device)
{
	struct ethtool_value v = {.cmd = ETHTOOL_GLINK};
	struct ifreq flags = {0};
	if (ask(device, SIOCGIFFLAGS, &flags) < 0 || !(flags.ifr_flags & IFF_UP))
		return false;
	return ethtool(device, &v) == 0 ? v.data != 0 : (flags.ifr_flags & IFF_RUNNING) != 0;
}

unsigned port_kernel_channels(const char *device)
{
	struct ethtool_channels c = {.cmd = ETHTOOL_GCHANNELS};
	if (ethtool(device, &c) < 0)
		return 1;
	return RTE_MAX(1u, c.combined_count + c.rx_count);
}

static bool receives(int fd, unsigned ifindex)
{
	struct sockaddr_ll on = {0};
	int domain = 0;
	socklen_t domain_len = sizeof(domain), on_len = sizeof(on);
	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &domain_len) == 0 && domain == AF_PACKET &&
	       getsockname(fd, (struct sockaddr *)&on, &on_len) == 0 && on.sll_ifindex == (int)ifindex &&
	       on.sll_protocol == htons(ETH_P_ALL);
}

unsigned port_kernel_packet_sockets(unsigned ifindex, int *sockets, unsigned n)
{
	unsigned found = 0;
	DIR *d = opendir("/proc/self/fd");
	for (const struct dirent *e; d && found < n && (e = readdir(d));) {
		int fd = (int)strtol(e->d_name, NULL, 10);
		if (e->d_name[0] != '.' && receives(fd, ifindex))
			sockets[found++] = fd;
	}
	if (d)
		closedir(d);
	return found;
}

uint64_t port_kernel_packet_dropped(const int *sockets, unsigned n)
{
	uint64_t dropped = 0;
	for (unsigned i = 0; i < n; i++) {
		struct tpacket_stats s = {0}; // reading them sets them to 0
		socklen_t len = sizeof(s);
		if (getsockopt(sockets[i], SOL_PACKET, PACKET_STATISTICS, &s, &len) == 0)
			dropped += s.tp_drops;
	}
	return dropped;
}
