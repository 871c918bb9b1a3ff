// SPDX-License-Identifier: BSD-3-Clause
//
// The kernel's part in routed and gwlb paths: what is for the appliance itself, and who is one hop away. See kernel.c.
#pragma once

#include "ctl/appliance.h"

struct loop;
struct neighbours;

// Does a path have addresses of its own?
bool kernel_wanted(const struct config_path *path);
// Ports are open, workers not yet made: opens the kernel's ends and gives them their addresses. 0 or -errno, said.
int kernel_ports(struct appliance *a, const struct port_owner *owner);
// From here on neighbours are heard of, and health probes are answered. 0 or -errno, said.
int kernel_listen(struct appliance *a, struct loop *l);
// A port is back, has its link again, or another MTU: its end gets what an interface loses by that.
void kernel_again(struct appliance *a, unsigned port);
// Workers are at rest, ports still open.
void kernel_close(struct appliance *a);

// Of a port: the number of its end, EGRESS_NO_PORT where the kernel has its frames anyhow; and its addresses.
unsigned kernel_end(const struct appliance *a, unsigned port);
unsigned kernel_nets(const struct appliance *a, unsigned port, struct lane_net *out, unsigned max);
// Workers': the table, and where to ask for who is not in it (-1: nowhere). kernel_ask is struct egress's ask.
const struct neighbours *kernel_neighbours(const struct appliance *a, int *ask_fd);
void kernel_ask(void *arg, unsigned port, const uint8_t *address, unsigned len);
