// SPDX-License-Identifier: BSD-3-Clause
//
// Ports through DPDK's ethdev: opened by name, queues given out, started, closed. On the control thread, which may
// wait; the rest of a port's life (link, reset, gone and back) is port_watch.c's, and what it counts port_count.c's.
#include "base/port.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_errno.h>

#include "base/port_kernel.h"
#include "base/port_kind.h"

#define ARGS_BYTES 512
#define MTU_USUAL 1500

struct why {
	char *at;
	size_t size;
};

__attribute__((format(printf, 3, 4))) static int because(const struct why *why, int rc, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	if (why->size)
		vsnprintf(why->at, why->size, format, args);
	va_end(args);
	return rc;
}

static const struct port_kind *kind_of(const struct port *p)
{
	return &port_kinds[p->config.type];
}

static void device_name(const struct port *p, char *out, size_t size)
{
	if (kind_of(p)->driver)
		snprintf(out, size, "%s_%s", kind_of(p)->driver, p->config.name);
	else
		snprintf(out, size, "%.*s", (int)size - 1, p->config.device);
}

// The interface is there, up, and has the MTU that is wanted.
static int kernel_ready(struct port *p, const struct why *why)
{
	const char *dev = p->config.device;
	p->ifindex = port_kernel_index(dev);
	if (p->ifindex == 0)
		return because(why, -ENODEV, "%s: no interface %s here (ip link)", p->config.name, dev);
	int rc = p->config.mtu ? port_kernel_set_mtu(dev, p->config.mtu) : 0;
	if (rc < 0)
		return because(why, rc, "%s: %s does not take an MTU of %u: %s (ip -d link show %s says its limits)",
			       p->config.name, dev, p->config.mtu, strerror(-rc), dev);
	rc = port_kernel_mtu(dev, &p->mtu);
	if (rc == 0)
		rc = port_kernel_up(dev);
	if (rc < 0)
		return because(why, rc, "%s: %s: %s", p->config.name, dev, strerror(-rc));
	return 0;
}

static int room_enough(const struct port *p, const struct why *why)
{
	struct port_config c = p->config;
	unsigned least, most, has = rte_pktmbuf_data_room_size(p->pool) - RTE_PKTMBUF_HEADROOM;
	c.mtu = p->mtu;
	port_room(&c, &least, &most);
	if (has < least || (most && has > most))
		return because(why, -EINVAL, "%s: an MTU of %u needs mbufs of %u bytes%s, the pool has %u",
			       p->config.name, p->mtu, has < least ? least : most, has < least ? "" : " at most", has);
	return 0;
}

static int probe(struct port *p, const struct why *why)
{
	char name[RTE_ETH_NAME_MAX_LEN], args[ARGS_BYTES];
	const struct port_kind *kind = kind_of(p);
	device_name(p, name, sizeof(name));
	int n = kind->args(&p->config, p->queues, p->mtu, args, sizeof(args));
	if ((size_t)n >= sizeof(args))
		return because(why, -ENAMETOOLONG, "%s: arguments too long", p->config.name);
	int rc = 0;
	if (rte_eth_dev_get_port_by_name(name, &p->id) != 0) {
		rc = rte_eal_hotplug_add(kind->driver ? "vdev" : "pci", name, args);
		if (rc == 0)
			rc = rte_eth_dev_get_port_by_name(name, &p->id);
	}
	if (rc != 0) {
		p->id = PORT_NO_ID;
		return because(why, rc, "%s: DPDK does not open %s (%s): %s", p->config.name, name, args,
			       strerror(-rc));
	}
	return 0;
}

static int queues_setup(struct port *p, const struct rte_eth_dev_info *info)
{
	uint16_t rx = p->config.rx_ring, tx = p->config.tx_ring;
	int socket = rte_eth_dev_socket_id(p->id);
	int rc = rte_eth_dev_adjust_nb_rx_tx_desc(p->id, &rx, &tx);
	for (uint16_t q = 0; rc == 0 && q < p->queues; q++) {
		rc = rte_eth_rx_queue_setup(p->id, q, rx, socket, &info->default_rxconf, p->pool);
		if (rc == 0)
			rc = rte_eth_tx_queue_setup(p->id, q, tx, socket, &info->default_txconf);
	}
	return rc;
}

static int configure(struct port *p, const struct why *why)
{
	struct rte_eth_dev_info info;
	struct rte_eth_conf conf = {0};
	int rc = rte_eth_dev_info_get(p->id, &info);
	if (rc < 0)
		return because(why, rc, "%s: no information: %s", p->config.name, strerror(-rc));
	p->queues = RTE_MIN(p->queues, RTE_MIN(info.max_rx_queues, info.max_tx_queues));
	rc = rte_eth_dev_configure(p->id, p->queues, p->queues, &conf);
	if (rc == 0)
		rc = queues_setup(p, &info);
	if (rc < 0)
		return because(why, rc, "%s: %u queues refused: %s", p->config.name, p->queues, strerror(-rc));
	return 0;
}

static int start(struct port *p, const struct why *why)
{
	int rc = rte_eth_dev_start(p->id);
	if (rc < 0)
		return because(why, rc, "%s: does not start: %s", p->config.name, strerror(-rc));
	rte_eth_macaddr_get(p->id, &p->mac);
	if (kind_of(p)->kernel)
		p->promiscuous = port_kernel_promiscuous(p->ifindex);
	else
		rte_eth_promiscuous_enable(p->id); // ENA has none: a VPC brings what is for us
	return 0;
}

static void detach(struct port *p)
{
	char name[RTE_ETH_NAME_MAX_LEN];
	if (p->id == PORT_NO_ID)
		return;
	device_name(p, name, sizeof(name));
	rte_eth_dev_stop(p->id);
	rte_eth_dev_close(p->id);
	if (kind_of(p)->driver)
		rte_eal_hotplug_remove("vdev", name);
	p->id = PORT_NO_ID;
}

static int attach(struct port *p, const struct why *why)
{
	int rc = kind_of(p)->kernel ? kernel_ready(p, why) : 0;
	if (rc == 0)
		rc = room_enough(p, why);
	if (rc == 0)
		rc = probe(p, why);
	if (rc == 0)
		rc = configure(p, why);
	if (rc == 0)
		rc = start(p, why);
	if (rc < 0)
		detach(p);
	return rc;
}

int port_open(struct port *p, const struct port_config *config, struct rte_mempool *pool, unsigned queues,
	      const struct port_owner *owner, char *why, size_t why_size)
{
	memset(p, 0, sizeof(*p));
	p->config = *config;
	p->id = PORT_NO_ID;
	p->pool = pool;
	p->hold = p->promiscuous = -1;
	p->mtu = config->mtu ? config->mtu : MTU_USUAL;
	p->queues = kind_of(p)->one_queue ? 1 : RTE_MAX(1u, config->queues ? config->queues : queues);
	p->checksum = config->checksum ? config->checksum : kind_of(p)->checksum;
	if (owner)
		p->owner = *owner;
	int rc = attach(p, &(struct why){why, why_size});
	if (rc == 0)
		atomic_store_explicit(&p->up, true, memory_order_release);
	return rc;
}

void port_close(struct port *p)
{
	if (atomic_exchange(&p->up, false) && p->owner.quiesce)
		p->owner.quiesce(p->owner.arg, p);
	detach(p);
	if (p->promiscuous >= 0)
		close(p->promiscuous);
	p->promiscuous = -1;
}
