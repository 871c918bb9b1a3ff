// SPDX-License-Identifier: BSD-3-Clause
//
// Frames longer than a wire has them, and how an interface of AF_PACKET's is kept from making them. See port_giant.c.
#pragma once

#include "base/port.h"

// MTU of a veth's peer, at most, for an XDP program at our end (drivers/net/veth.c, veth_xdp_set).
#define PORT_GIANT_MTU 3506

// While the port is open: says what it turned off, or what that cannot be.
void port_giant_stop(struct port *p);
// As it was found, where it still is the same interface.
void port_giant_allow(struct port *p);
