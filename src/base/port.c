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

#include "base/port_giant.h"
#include "base/port_hold.h"
#include "base/port_kernel.h"
#include "base/port_kind.h"
#include "base/port_life.h"
#include "base/port_pci.h"
#include "base/port_xsk.h"

#define ARGS_BYTES 512
#define MTU_USUAL 1500

int port_because(const struct port_why *why, int rc, const char *format, ...)
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
static int kernel_ready(struct port *p, const struct port_why *why)
{
	const char *dev = p->config.device;
	p->ifindex = port_kernel_index(dev);
	if (p->ifindex == 0)
		return port_because(why, -ENODEV, "%s: no interface %s here (ip link)", p->config.name, dev);
	int rc = p->config.mtu ? port_kernel_set_mtu(dev, p->config.mtu) : 0;
	if (rc < 0)
		return port_because(why, rc,
				    "%s: %s does not take an MTU of %u: %s (ip -d link show %s says its limits)",
				    p->config.name, dev, p->config.mtu, strerror(-rc), dev);
	rc = port_kernel_mtu(dev, &p->mtu);
	if (rc == 0)
		rc = port_kernel_up(dev);
	if (rc < 0)
		return port_because(why, rc, "%s: %s: %s", p->config.name, dev, strerror(-rc));
	if (p->config.type == PORT_AF_PACKET)
		p->frame_max = p->mtu + PORT_L2_BYTES;
	return 0;
}

static int room_enough(const struct port *p, const struct port_why *why)
{
	struct port_config c = p->config;
	unsigned least, most, has = rte_pktmbuf_data_room_size(p->pool) - RTE_PKTMBUF_HEADROOM;
	c.mtu = p->mtu;
	port_room(&c, &least, &most);
	if (p->config.type == PORT_AF_XDP && p->mtu > PORT_XDP_MTU)
		return port_because(why, -EINVAL, "%s: an MTU of %u is more than AF_XDP carries: ip link set %s mtu %u",
				    p->config.name, p->mtu, p->config.device, PORT_XDP_MTU);
	if (has < least)
		return port_because(why, -EINVAL,
				    "%s: an MTU of %u needs mbufs of %u bytes, the pool has %u: a restart takes larger "
				    "ones, but beside an af_xdp port %u is the most",
				    p->config.name, p->mtu, least, has, PORT_XDP_MTU);
	if (most && has > most)
		return port_because(
			why, -EINVAL,
			"%s: mbufs of an af_xdp port have %u bytes at most, the pool has %u: no port beside "
			"it may have an MTU over %u",
			p->config.name, most, has, PORT_XDP_MTU);
	return 0;
}

static int probe(struct port *p, const struct port_why *why)
{
	char name[RTE_ETH_NAME_MAX_LEN], args[ARGS_BYTES];
	const struct port_kind *kind = kind_of(p);
	device_name(p, name, sizeof(name));
	int n = kind->args(&p->config, p->queues, p->mtu, args, sizeof(args));
	if ((size_t)n >= sizeof(args))
		return port_because(why, -ENAMETOOLONG, "%s: arguments too long", p->config.name);
	int rc = 0;
	if (rte_eth_dev_get_port_by_name(name, &p->id) != 0) {
		rc = rte_eal_hotplug_add(kind->driver ? "vdev" : "pci", name, args);
		if (rc == 0)
			rc = rte_eth_dev_get_port_by_name(name, &p->id);
	}
	if (rc != 0) {
		p->id = PORT_NO_ID;
		return port_because(why, rc, "%s: DPDK does not open %s (%s): %s", p->config.name, name, args,
				    strerror(-rc));
	}
	return 0;
}

// Of nothing asked for DPDK makes the least that a driver takes (ENA: 128), and ENA takes powers of two alone.
uint16_t port_ring(uint16_t asked, uint16_t likes, const struct rte_eth_desc_lim *takes)
{
	uint32_t n = asked ? rte_align32pow2(asked) : likes ? likes : RTE_ETH_DEV_FALLBACK_RX_RINGSIZE;
	n = RTE_MIN(n, takes->nb_max ? takes->nb_max : (uint16_t)(UINT16_MAX / 2 + 1));
	return (uint16_t)RTE_ALIGN_CEIL(RTE_MAX(n, takes->nb_min), RTE_MAX(takes->nb_align, 1u));
}

static int queues_setup(struct port *p, const struct rte_eth_dev_info *info)
{
	uint16_t rx = port_ring(p->config.rx_ring, info->default_rxportconf.ring_size, &info->rx_desc_lim);
	uint16_t tx = port_ring(p->config.tx_ring, info->default_txportconf.ring_size, &info->tx_desc_lim);
	int socket = rte_eth_dev_socket_id(p->id), rc = 0;
	for (uint16_t q = 0; rc == 0 && q < p->queues; q++) {
		rc = rte_eth_rx_queue_setup(p->id, q, rx, socket, &info->default_rxconf, p->pool);
		if (rc == 0)
			rc = rte_eth_tx_queue_setup(p->id, q, tx, socket, &info->default_txconf);
	}
	return rc;
}

// Toeplitz over both directions of a flow gives the same where the key repeats every 16 bits (Woo, Park 2012).
static uint8_t symmetric_key[52];

static void key_make(void)
{
	for (size_t i = 0; i < sizeof(symmetric_key); i += 2) {
		symmetric_key[i] = 0x6d;
		symmetric_key[i + 1] = 0x5a;
	}
}

#define RSS_FIELDS (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_SCTP)

static void spread_ask(const struct port *p, const struct rte_eth_dev_info *info, struct rte_eth_conf *conf)
{
	uint64_t fields = RSS_FIELDS & info->flow_type_rss_offloads;
	if (p->queues < 2 || fields == 0)
		return;
	conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	if (strcmp(info->driver_name, "net_ena") == 0) // its fields are what they are, asking for others is an error
		return;
	conf->rx_adv_conf.rss_conf =
		(struct rte_eth_rss_conf){.rss_key = symmetric_key,
					  .rss_key_len = RTE_MIN(info->hash_key_size, sizeof(symmetric_key)),
					  .rss_hf = fields};
}

// After start, and read back: not every driver heeds what configure was told. ENA takes the key alone, and only some
// generations do; without it two directions of a flow come by two queues, and the corridor's own steering joins them.
static void spread_settle(struct port *p, const struct rte_eth_dev_info *info)
{
	uint8_t key[sizeof(symmetric_key)];
	bool ena = strcmp(info->driver_name, "net_ena") == 0;
	uint8_t len = info->hash_key_size ? RTE_MIN(info->hash_key_size, sizeof(key)) : 40;
	struct rte_eth_rss_conf mine = {symmetric_key, len, ena ? 0 : RSS_FIELDS & info->flow_type_rss_offloads};
	struct rte_eth_rss_conf read = {.rss_key = key, .rss_key_len = len};
	p->symmetric = p->queues < 2;
	if (p->symmetric)
		return;
	if (rte_eth_dev_rss_hash_update(p->id, &mine) == 0)
		p->symmetric = ena || (rte_eth_dev_rss_hash_conf_get(p->id, &read) == 0 &&
				       memcmp(key, symmetric_key, len) == 0);
	if (!p->symmetric)
		port_say(p, PORT_NOTE, "%s: %s spreads the two directions of a flow apart; workers hand frames over",
			 p->config.name, info->driver_name);
}

static int configure(struct port *p, const struct port_why *why)
{
	struct rte_eth_dev_info info;
	struct rte_eth_conf conf = {0};
	int rc = rte_eth_dev_info_get(p->id, &info);
	if (rc < 0)
		return port_because(why, rc, "%s: no information: %s", p->config.name, strerror(-rc));
	p->queues = RTE_MIN(p->queues, RTE_MIN(info.max_rx_queues, info.max_tx_queues));
	if (p->config.type == PORT_PCI)
		conf.rxmode.mtu = p->mtu;
	spread_ask(p, &info, &conf);
	rc = rte_eth_dev_configure(p->id, p->queues, p->queues, &conf);
	if (rc < 0)
		return port_because(why, rc,
				    "%s: %u queues and an MTU of %u refused (%u queues and %u bytes at most): %s",
				    p->config.name, p->queues, p->mtu, info.max_rx_queues, info.max_mtu, strerror(-rc));
	rc = queues_setup(p, &info);
	if (rc < 0)
		return port_because(why, rc, "%s: a queue is refused: %s", p->config.name, strerror(-rc));
	rc = rte_eth_dev_start(p->id);
	if (rc < 0)
		return port_because(why, rc, "%s: does not start: %s", p->config.name, strerror(-rc));
	spread_settle(p, &info);
	return 0;
}

static void started(struct port *p)
{
	rte_eth_macaddr_get(p->id, &p->mac);
	if (kind_of(p)->makes_interface)
		p->ifindex = port_kernel_index(p->config.device);
	if (kind_of(p)->kernel)
		p->promiscuous = port_kernel_promiscuous(p->ifindex);
	else
		rte_eth_promiscuous_enable(p->id); // ENA has none: a VPC brings what is for us
	if (p->config.type == PORT_PCI)
		rte_eth_dev_get_mtu(p->id, &p->mtu);
	if (p->config.type == PORT_AF_PACKET)
		p->nsockets = port_kernel_packet_sockets(p->ifindex, p->sockets, PORT_QUEUES_MAX);
	p->link = true;
	port_watch_begin(p);
}

static void let_go(int *socket)
{
	if (*socket >= 0)
		close(*socket);
	*socket = -1;
}

static void unmake(struct port *p)
{
	char name[RTE_ETH_NAME_MAX_LEN];
	device_name(p, name, sizeof(name));
	port_watch_end(p);
	rte_eth_dev_stop(p->id);
	rte_eth_dev_close(p->id);
	rte_eal_hotplug_remove(kind_of(p)->driver ? "vdev" : "pci", name);
	p->id = PORT_NO_ID;
}

void port_detach(struct port *p)
{
	let_go(&p->promiscuous);
	port_giant_allow(p);
	p->nsockets = 0;
	if (p->xsk)
		port_xsk_close(p->xsk);
	p->xsk = NULL;
	if (p->id != PORT_NO_ID)
		unmake(p);
}

static int make(struct port *p, const struct port_why *why)
{
	if (p->config.type == PORT_AF_PACKET)
		port_giant_stop(p); // before its sockets are there
	int rc = probe(p, why);
	if (rc == 0)
		rc = configure(p, why);
	if (rc == 0)
		started(p);
	return rc;
}

// Frames of a channel without a socket would go by us, through the kernel.
static int make_xsk(struct port *p, const struct port_why *why)
{
	unsigned channels = port_kernel_channels(p->config.device);
	if (channels > p->queues)
		return port_because(why, -EINVAL, "%s: %s has %u channels for %u workers (ethtool -L %s combined %u)",
				    p->config.name, p->config.device, channels, p->queues, p->config.device, p->queues);
	int rc = 0;
	p->queues = (uint16_t)channels;
	p->symmetric = channels == 1;
	p->xsk = port_xsk_open(p, why, &rc);
	if (!p->xsk)
		return rc;
	port_kernel_mac(p->config.device, p->mac.addr_bytes);
	p->promiscuous = port_kernel_promiscuous(p->ifindex);
	p->link = true;
	return 0;
}

int port_attach(struct port *p, const struct port_why *why)
{
	p->queues = (uint16_t)p->wanted;
	int rc = kind_of(p)->kernel           ? kernel_ready(p, why)
		 : p->config.type == PORT_PCI ? port_pci_ready(&p->config, why)
					      : 0;
	if (rc == 0)
		rc = room_enough(p, why);
	if (rc == 0 && p->owner.before)
		rc = p->owner.before(p->owner.arg, p, why->at, why->size);
	if (rc == 0)
		rc = p->config.type == PORT_AF_XDP ? make_xsk(p, why) : make(p, why);
	if (rc < 0)
		port_detach(p);
	return rc;
}

int port_reset(struct port *p, const struct port_why *why)
{
	if (p->id != PORT_NO_ID && rte_eth_dev_reset(p->id) == 0 && configure(p, why) == 0) {
		started(p);
		return 0;
	}
	port_detach(p);
	return port_attach(p, why);
}

int port_fd(const struct port *p, uint16_t queue)
{
	if (p->xsk)
		return port_xsk_fd(p->xsk, queue);
	return p->nsockets == 1 && queue == 0 ? p->sockets[0] : -1; // of several it is not known which is whose
}

void port_raise(struct port *p)
{
	port_count_begin(p);
	atomic_store(&p->sends, true);
	atomic_store_explicit(&p->up, true, memory_order_release);
}

void port_lower(struct port *p)
{
	if (!atomic_load(&p->up))
		return;
	port_count_end(p);
	atomic_store(&p->sends, false);
	atomic_store(&p->up, false);
	if (p->owner.quiesce)
		p->owner.quiesce(p->owner.arg, p);
}

static void marks(struct port *p)
{
	enum port_checksum checksum = p->config.checksum ? p->config.checksum : kind_of(p)->checksum;
	p->marks = checksum == PORT_CHECKSUM_GOOD      ? RTE_MBUF_F_RX_L4_CKSUM_GOOD
		   : checksum == PORT_CHECKSUM_PARTIAL ? RTE_MBUF_F_RX_L4_CKSUM_NONE
						       : 0;
}

static int hold(struct port *p, const struct port_why *why)
{
	char who[64] = "", key[128];
	if (!p->config.device[0])
		return 0;
	if (p->config.type == PORT_MEMIF) // a socket has many connections, each of two ends
		snprintf(key, sizeof(key), "%u%c %s", p->config.id, p->config.server ? 's' : 'c', p->config.device);
	else
		snprintf(key, sizeof(key), "%s", p->config.device);
	p->hold = port_hold_take(key, who, sizeof(who));
	if (p->hold == -EBUSY)
		return port_because(why, -EBUSY, "%s: %s is held by %s", p->config.name, p->config.device, who);
	return 0; // without it the kernel still refuses what cannot be shared
}

int port_open(struct port *p, const struct port_config *config, struct rte_mempool *pool, unsigned queues,
	      const struct port_owner *owner, char *why_text, size_t why_size)
{
	const struct port_why why = {why_text, why_size};
	memset(p, 0, sizeof(*p));
	key_make();
	p->config = *config;
	p->id = PORT_NO_ID;
	p->pool = pool;
	p->hold = p->promiscuous = p->pass = -1;
	p->mtu = config->mtu ? config->mtu : MTU_USUAL;
	p->senders = (uint16_t)queues;
	p->wanted = RTE_MIN(RTE_MAX(1u, config->queues ? config->queues : queues), (unsigned)PORT_QUEUES_MAX);
	if (owner)
		p->owner = *owner;
	marks(p);
	int rc = hold(p, &why);
	if (rc == 0)
		rc = port_attach(p, &why);
	if (rc == 0)
		port_raise(p);
	else
		let_go(&p->hold);
	return rc;
}

void port_close(struct port *p)
{
	port_lower(p);
	port_detach(p);
	let_go(&p->hold);
}

// Frames that GRO or TSO made of several come cut at the ring's slot: they cannot go on, and are counted.
uint16_t port_sift(const struct port *p, uint16_t queue, struct rte_mbuf **m, uint16_t n)
{
	uint16_t kept = 0;
	for (uint16_t i = 0; i < n; i++) {
		if (unlikely(p->frame_max && rte_pktmbuf_pkt_len(m[i]) > p->frame_max)) {
			_Atomic uint64_t *count = &((struct port *)p)->too_long[queue]; // this worker's alone
			atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + 1,
					      memory_order_relaxed);
			rte_pktmbuf_free(m[i]);
			continue;
		}
		m[i]->ol_flags |= p->marks;
		m[kept++] = m[i];
	}
	return kept;
}
