// SPDX-License-Identifier: BSD-3-Clause
//
// What is said of a PCI device before DPDK sees it: /sys has its maker and the kernel's driver that has it.
#pragma once

#include "base/port_kind.h"

struct port_why;

// It is there, and bound to a driver that gives it to user space. -errno, and why names the command that binds it.
int port_pci_ready(const struct port_config *config, const struct port_why *why);
// Shared objects that may know it; 0: none that we know of.
unsigned port_pci_plugins(const char *device, const char *out[PORT_PLUGINS_MAX]);
int port_pci_args(const struct port_config *config, unsigned queues, unsigned mtu, char *out, size_t size);
// Whether what is written to its push buffers (ENA's LLQ: BAR 2) goes out in whole lines: 1, 0, -1: not known.
int port_pci_combines(const char *device);
// Where PCI devices stand, and the kernel's list of how memory is mapped; tests have their own.
void port_pci_root(const char *folder, const char *mapped);
