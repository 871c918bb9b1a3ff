// SPDX-License-Identifier: BSD-3-Clause
//
// Between the files of a port: attach and detach are port.c's, and port_watch.c calls them again when a port comes
// back.
#pragma once

#include "base/port.h"

struct port_why {
	char *at;
	size_t size;
};
__attribute__((format(printf, 3, 4))) int port_because(const struct port_why *why, int rc, const char *format, ...);
__attribute__((format(printf, 3, 4))) void port_say(const struct port *p, enum port_event_kind kind, const char *format,
						    ...);

// DPDK's device is made, configured and started; nothing is left of it where that fails. Workers do not see it yet.
int port_attach(struct port *p, const struct port_why *why);
// The same for a device that asks for a reset: DPDK's, where the driver has one, else made anew.
int port_reset(struct port *p, const struct port_why *why);
// Workers have left; the device is unmade.
void port_detach(struct port *p);
// Descriptors of a queue: asked for, or as the driver likes.
uint16_t port_ring(uint16_t asked, uint16_t likes, const struct rte_eth_desc_lim *takes);
// up, for workers, after attach; and the other way: returns when none is in it.
void port_raise(struct port *p);
void port_lower(struct port *p);
// DPDK's interrupt thread tells of resets and removals through port->signal.
void port_watch_begin(struct port *p);
void port_watch_end(struct port *p);
// Around the time that it is up: port_count_end before it is lowered.
void port_count_begin(struct port *p);
void port_count_end(struct port *p);
uint64_t port_too_long(const struct port *p);
