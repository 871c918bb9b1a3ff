// SPDX-License-Identifier: BSD-3-Clause
//
// Giants. AF_PACKET shows frames as the kernel's stack has them: merged by GRO or LRO, or, from the peer of a veth,
// never cut up, since cutting was left to a card that is not there (TSO). None is a frame of a wire, and nothing past
// the port could send it on. In: an interface that is opened. Out: one that brings frames of its MTU: merging is turned
// off, and a veth gets an XDP program that lets all pass, for which the kernel takes TSO from its peer. Control thread.
//
// The program is attached by a link, which ends with the process, however that ends; what merges stays off after a
// kill -9. Rejected: cutting giants up ourselves (librte_gso: TCP and UDP of IPv4 alone, slots and buffers of 64 KiB).
#include "base/port_giant.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/port_kernel.h"
#include "base/port_life.h"

static const char *const merging[] = {"rx-gro", "rx-lro", "rx-gro-hw"}; // bits of port->merging

// One for all ports, and kept: who has given up root may attach it again, not load it.
static int program(void)
{
	static int fd = -1;
	const struct bpf_insn pass[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = XDP_PASS},
					{.code = BPF_JMP | BPF_EXIT}};
	if (fd < 0)
		fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "sluice_pass", "BSD", pass, RTE_DIM(pass), NULL);
	return fd < 0 ? -errno : fd;
}

static void stop_peer(struct port *p)
{
	int fd = program();
	p->pass = fd < 0 ? fd : bpf_link_create(fd, (int)p->ifindex, BPF_XDP, NULL);
	if (p->pass < 0 && p->pass != -EBUSY && p->pass != -EEXIST) // another's program does the same to its peer
		port_say(p, PORT_NOTE,
			 "%s: what the peer of %s leaves to a card to cut up will be lost: no XDP program there: %s%s "
			 "(where it is sent: ethtool -K DEV tso off gso off)",
			 p->config.name, p->config.device, strerror(-p->pass),
			 p->pass == -ERANGE ? ", an MTU of 3,506 is its most" : "");
}

void port_giant_stop(struct port *p)
{
	char names[64] = "", what[sizeof(names) + 8];
	const char *dev = p->config.device;
	if (port_kernel_driver_is(dev, "veth")) // first: with the program comes GRO
		stop_peer(p);
	for (unsigned i = 0; i < RTE_DIM(merging); i++) {
		struct port_feature was = port_kernel_feature(dev, merging[i]);
		if (!was.active && !was.wanted)
			continue;
		if (port_kernel_set_feature(dev, merging[i], false) < 0 ||
		    port_kernel_feature(dev, merging[i]).active) {
			port_say(p, PORT_NOTE,
				 "%s: %s stays on at %s: what it merges is longer than the MTU and dropped (ethtool -K "
				 "%s %s off)",
				 p->config.name, merging[i], dev, dev, merging[i]);
			continue;
		}
		if (!was.wanted) // the program's
			continue;
		p->merging |= 1u << i;
		snprintf(what, sizeof(what), "%s%s", names[0] ? ", " : "", merging[i]);
		strncat(names, what, sizeof(names) - strlen(names) - 1);
	}
	if (names[0])
		port_say(p, PORT_NOTE, "%s: %s of %s off while it is open", p->config.name, names, dev);
}

void port_giant_allow(struct port *p)
{
	bool same = p->ifindex && port_kernel_index(p->config.device) == p->ifindex;
	for (unsigned i = 0; i < RTE_DIM(merging); i++) {
		if (same && p->merging & 1u << i && port_kernel_set_feature(p->config.device, merging[i], true) < 0)
			port_say(p, PORT_NOTE, "%s: %s of %s stays off (ethtool -K %s %s on)", p->config.name,
				 merging[i], p->config.device, p->config.device, merging[i]);
	}
	p->merging = 0;
	if (p->pass >= 0)
		close(p->pass);
	p->pass = -1;
}
