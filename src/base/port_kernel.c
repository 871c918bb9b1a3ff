// SPDX-License-Identifier: BSD-3-Clause
//
// The kernel's side of a port. In the network namespace of the calling thread, as DPDK's drivers are.
#include "base/port_kernel.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

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

int port_kernel_up(const char *device)
{
	struct ifreq r = {0};
	int rc = ask(device, SIOCGIFFLAGS, &r);
	if (rc < 0 || (r.ifr_flags & IFF_UP))
		return rc;
	r.ifr_flags |= IFF_UP;
	return ask(device, SIOCSIFFLAGS, &r);
}

bool port_kernel_link(const char *device)
{
	struct ifreq r = {0};
	return ask(device, SIOCGIFFLAGS, &r) == 0 && (r.ifr_flags & IFF_UP) && (r.ifr_flags & IFF_RUNNING);
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
