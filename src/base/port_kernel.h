// SPDX-License-Identifier: BSD-3-Clause
//
// What the kernel knows of an interface, and what we ask of it: by ioctl and /sys, on the control thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// 0: there is none (any more).
unsigned port_kernel_index(const char *device);
// 0 or -errno.
int port_kernel_mtu(const char *device, uint16_t *mtu);
int port_kernel_set_mtu(const char *device, uint16_t mtu);
void port_kernel_mac(const char *device, uint8_t mac[6]);
// Brings it up (`ip link set up`).
int port_kernel_up(const char *device);
// Up, and has a carrier.
bool port_kernel_link(const char *device);
// Receive channels (`ethtool -l`): 1 where the driver has none to speak of, as veth.
unsigned port_kernel_channels(const char *device);
// All frames on its wire, as long as the socket is open, which is returned: a flag on the interface would outlive a
// process that is killed. -errno.
int port_kernel_promiscuous(unsigned ifindex);
// What it counts, as /proc/net/dev has it: in /sys stands the network namespace that mounted it, which may be another.
// Names are those of /sys/class/net/X/statistics; rx_dropped has rx_missed_errors in it. False: no such interface.
enum { PORT_KERNEL_RX_DROPPED = 3, PORT_KERNEL_TX_DROPPED = 11, PORT_KERNEL_NUMBERS = 16 };
extern const char *const port_kernel_names[PORT_KERNEL_NUMBERS];
bool port_kernel_counted(const char *device, uint64_t out[PORT_KERNEL_NUMBERS]);
// One of its features by the kernel's name of it (`ethtool -k` has other words for some): "rx-gro".
struct port_feature {
	bool active, wanted; // wanted: by whoever set it; a program may have turned it on beside
};
struct port_feature port_kernel_feature(const char *device, const char *name);
// 0 or -errno; what then is in force is for port_kernel_feature to say.
int port_kernel_set_feature(const char *device, const char *name, bool on);
bool port_kernel_driver_is(const char *device, const char *driver);

// Of DPDK's AF_PACKET driver, which keeps its sockets to itself: those of this process on an interface, at most n. How
// many.
unsigned port_kernel_packet_sockets(unsigned ifindex, int *sockets, unsigned n);
// What they dropped, their rings being full, since the last call.
uint64_t port_kernel_packet_dropped(const int *sockets, unsigned n);
