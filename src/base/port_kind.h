// SPDX-License-Identifier: BSD-3-Clause
//
// What the types of ports differ in, one row each.
#pragma once

#include "base/port.h"

// Headers of Ethernet with two VLAN tags.
#define PORT_L2_BYTES 22

struct port_kind {
	const char *name;
	const char *driver;   // DPDK's name of it; PCI: none, the bus finds one
	const char *plugin;   // shared object that has it
	bool kernel;          // device is an interface of the kernel's, there before us
	bool makes_interface; // one that comes and goes with the port
	enum port_checksum checksum;
	// DPDK's arguments of the device
	int (*args)(const struct port_config *config, unsigned queues, unsigned mtu, char *out, size_t size);
};

extern const struct port_kind port_kinds[PORT_TYPES];

// Shared objects that a port needs, without what their names end in. How many.
#define PORT_PLUGINS_MAX 8
unsigned port_plugins(const struct port_config *config, const char *out[PORT_PLUGINS_MAX]);
