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
// Brings it up (`ip link set up`).
int port_kernel_up(const char *device);
// Up, and has a carrier.
bool port_kernel_link(const char *device);
// All frames on its wire, as long as the socket is open, which is returned: a flag on the interface would outlive a
// process that is killed. -errno.
int port_kernel_promiscuous(unsigned ifindex);
