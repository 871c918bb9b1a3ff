// SPDX-License-Identifier: BSD-3-Clause
//
// From a port's configuration to DPDK's words for it: driver, shared object, arguments. All that knows of one type
// of port and is not the kernel's business (port_kernel.c) stands in this table.
#include "base/port_kind.h"

#include <stdio.h>
#include <string.h>

#include "base/port_kernel.h"
#include "base/port_pci.h"
#include "pkt.h"

// tpacket2_hdr, aligned, and sockaddr_ll before the frame, with what the kernel aligns (packet(7), TPACKET2_HDRLEN).
#define RING_HEADER 96

// Slots of the kernel's ring lie back to back, in blocks of whole pages: a multiple of 512 bytes, eight to a block. A
// frame that is longer than the MTU allows (GRO, TSO) is cut to the slot, and so still seen to be too long.
#define SLOT_UNIT 512
#define SLOTS_A_BLOCK 8

static unsigned ring_slot(unsigned mtu)
{
	return RTE_ALIGN_CEIL(mtu + PORT_L2_BYTES + RING_HEADER, SLOT_UNIT);
}

static int args_af_packet(const struct port_config *c, unsigned queues, unsigned mtu, char *out, size_t size)
{
	unsigned slot = ring_slot(mtu);
	return snprintf(out, size, "iface=%s,qpairs=%u,blocksz=%u,framesz=%u,framecnt=%u,qdisc_bypass=1", c->device,
			queues, slot * SLOTS_A_BLOCK, slot, c->rx_ring ? RTE_MAX(c->rx_ring, SLOTS_A_BLOCK) : 1024);
}

static int args_tap(const struct port_config *c, unsigned queues, unsigned mtu, char *out, size_t size)
{
	return snprintf(out, size, "iface=%s%s%s", c->device, *c->extra ? "," : "", c->extra);
}

static int args_memif(const struct port_config *c, unsigned queues, unsigned mtu, char *out, size_t size)
{
	return snprintf(out, size, "id=%u,role=%s,socket=%s,socket-abstract=no,bsize=%u", c->id,
			c->server ? "server" : "client", c->device, rte_align32pow2(mtu + PORT_L2_BYTES));
}

static int args_null(const struct port_config *c, unsigned queues, unsigned mtu, char *out, size_t size)
{
	return snprintf(out, size, "%s", c->flood ? "copy=1" : "no-rx=1");
}

static int args_pcap(const struct port_config *c, unsigned queues, unsigned mtu, char *out, size_t size)
{
	return snprintf(out, size, "%s%s%s%s%s%s", c->rx_file[0] ? "rx_pcap=" : "", c->rx_file,
			c->rx_file[0] && c->tx_file[0] ? "," : "", c->tx_file[0] ? "tx_pcap=" : "", c->tx_file,
			c->rewind ? ",infinite_rx=1" : "");
}

const struct port_kind port_kinds[PORT_TYPES] = {
	[PORT_PCI] = {"pci", NULL, NULL, false, false, PORT_CHECKSUM_CHECK, port_pci_args},
	[PORT_AF_XDP] = {"af_xdp", NULL, NULL, true, false, PORT_CHECKSUM_PARTIAL, port_pci_args},
	[PORT_AF_PACKET] = {"af_packet", "net_af_packet", "librte_net_af_packet", true, false, PORT_CHECKSUM_PARTIAL,
			    args_af_packet},
	[PORT_TAP] = {"tap", "net_tap", "librte_net_tap", false, true, PORT_CHECKSUM_CHECK, args_tap},
	[PORT_MEMIF] = {"memif", "net_memif", "librte_net_memif", false, false, PORT_CHECKSUM_CHECK, args_memif},
	[PORT_NULL] = {"null", "net_null", "librte_net_null", false, false, PORT_CHECKSUM_GOOD, args_null},
	[PORT_PCAP] = {"pcap", "net_pcap", "librte_net_pcap", false, false, PORT_CHECKSUM_CHECK, args_pcap},
};

unsigned port_plugins(const struct port_config *config, const char *out[PORT_PLUGINS_MAX])
{
	if (config->type != PORT_PCI) {
		out[0] = port_kinds[config->type].plugin;
		return out[0] ? 1 : 0;
	}
	return port_pci_plugins(config->device, out);
}

const char *port_type_name(enum port_type type)
{
	return port_kinds[type].name;
}

// Of an object of a pool a page is left to the frame after header, mbuf, struct pkt, headroom, and what XDP keeps free.
#define XDP_HEADROOM 256
#define XSK_ROOM_MIN (2048 - 64 - sizeof(struct rte_mbuf) - sizeof(struct pkt) - RTE_PKTMBUF_HEADROOM)
#define XSK_ROOM_MAX (4096 - 64 - sizeof(struct rte_mbuf) - sizeof(struct pkt) - RTE_PKTMBUF_HEADROOM)

static_assert(XSK_ROOM_MAX - XDP_HEADROOM - PORT_L2_BYTES == PORT_XDP_MTU, "what the pages say");

void port_room(const struct port_config *config, unsigned *least, unsigned *most)
{
	uint16_t mtu = config->mtu;
	if (!mtu && (!port_kinds[config->type].kernel || port_kernel_mtu(config->device, &mtu) < 0))
		mtu = 1500;
	*least = mtu + PORT_L2_BYTES;
	*most = 0;
	if (config->type == PORT_AF_PACKET) // the driver wants room for a slot of the ring, whatever is in it
		*least = ring_slot(mtu) - 32;
	if (config->type == PORT_AF_XDP) {
		*least = RTE_MAX(*least + XDP_HEADROOM, XSK_ROOM_MIN);
		*most = XSK_ROOM_MAX;
	}
}

#define RING_USUAL 1024

unsigned port_buffers(const struct port_config *c, unsigned workers)
{
	return (c->queues ? c->queues : workers) *
	       ((c->rx_ring ? c->rx_ring : RING_USUAL) + (c->tx_ring ? c->tx_ring : RING_USUAL));
}
