// SPDX-License-Identifier: BSD-3-Clause
//
// What ports count: the driver's numbers, the kernel's of the interface beneath, and what a cloud dropped before
// either. Read by the control thread while workers run; a number may be some frames old.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/port_kernel.h"
#include "base/port_kind.h"
#include "base/port_life.h"
#include "base/port_xsk.h"

static bool has_interface(const struct port *p)
{
	return port_kinds[p->config.type].kernel || port_kinds[p->config.type].makes_interface;
}

static void each_driver(const struct port *p, void (*each)(void *arg, const char *name, uint64_t value), void *arg)
{
	int n = rte_eth_xstats_get_names(p->id, NULL, 0);
	if (n <= 0)
		return;
	struct rte_eth_xstat_name *names = calloc((size_t)n, sizeof(*names));
	struct rte_eth_xstat *values = calloc((size_t)n, sizeof(*values));
	if (names && values && rte_eth_xstats_get_names(p->id, names, (unsigned)n) == n &&
	    rte_eth_xstats_get(p->id, values, (unsigned)n) == n) {
		for (int i = 0; i < n; i++)
			each(arg, names[values[i].id].name, values[i].value);
	}
	free(names);
	free(values);
}

void port_xstats(const struct port *p, void (*each)(void *arg, const char *name, uint64_t value), void *arg)
{
	if (p->xsk)
		port_xsk_xstats(p->xsk, each, arg);
	else if (p->id != PORT_NO_ID)
		each_driver(p, each, arg);
	uint64_t numbers[PORT_KERNEL_NUMBERS];
	if (!has_interface(p) || !port_kernel_counted(p->config.device, numbers))
		return;
	for (unsigned i = 0; i < PORT_KERNEL_NUMBERS; i++) {
		char name[64];
		snprintf(name, sizeof(name), "kernel_%s", port_kernel_names[i]);
		each(arg, name, numbers[i]);
	}
}

// bw_in_allowance_exceeded, pps_allowance_exceeded, ...: ENA's frames that the instance's shape did not allow.
static void add_allowance(void *arg, const char *name, uint64_t value)
{
	uint64_t *sum = arg;
	if (strstr(name, "_allowance_exceeded"))
		*sum += value;
}

uint64_t port_too_long(const struct port *p)
{
	uint64_t n = 0;
	for (unsigned q = 0; q < p->queues && q < PORT_QUEUES_MAX; q++)
		n += atomic_load_explicit(&p->too_long[q], memory_order_relaxed);
	return n;
}

// As the driver and the kernel have them now.
static void counted(const struct port *p, struct port_counters *c)
{
	struct rte_eth_stats s;
	memset(c, 0, sizeof(*c));
	c->too_long = port_too_long(p);
	if (p->xsk)
		port_xsk_counters(p->xsk, c);
	else if (p->id != PORT_NO_ID && rte_eth_stats_get(p->id, &s) == 0) {
		c->rx = s.ipackets;
		c->rx_bytes = s.ibytes;
		c->tx = s.opackets;
		c->tx_bytes = s.obytes;
		c->missed = s.imissed;
		c->rx_errors = s.ierrors;
		c->tx_errors = s.oerrors;
		c->no_mbuf = s.rx_nombuf;
	}
	c->missed += p->ring_full;
	uint64_t numbers[PORT_KERNEL_NUMBERS];
	if (has_interface(p) && port_kernel_counted(p->config.device, numbers)) {
		c->kernel_rx_dropped = numbers[PORT_KERNEL_RX_DROPPED];
		c->kernel_tx_dropped = numbers[PORT_KERNEL_TX_DROPPED];
	}
	if (p->config.type == PORT_PCI && p->id != PORT_NO_ID)
		each_driver(p, add_allowance, &c->cloud);
}

#define NUMBERS (sizeof(struct port_counters) / sizeof(uint64_t))

// A device that comes back counts from 0, and one of the kernel may have counted long before it was ours: what is told
// is what was counted up to the last loss (past) and since the last begin.
void port_counters(const struct port *p, struct port_counters *c)
{
	*c = p->past;
	if (!atomic_load_explicit(&p->up, memory_order_relaxed))
		return;
	struct port_counters now;
	counted(p, &now);
	for (size_t i = 0; i < NUMBERS; i++)
		((uint64_t *)c)[i] += ((uint64_t *)&now)[i] - ((const uint64_t *)&p->begin)[i];
}

void port_count_begin(struct port *p)
{
	counted(p, &p->begin);
}

void port_count_end(struct port *p)
{
	port_counters(p, &p->past);
}

void port_counters_clear(struct port *p)
{
	memset(&p->past, 0, sizeof(p->past));
	counted(p, &p->begin);
}
