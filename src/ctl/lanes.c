// SPDX-License-Identifier: BSD-3-Clause
//
// Each port's lane: where frames lead to that came in by it. In comes the config, with ports that are open; out goes
// what a worker's egress and queues are before it starts. Control thread; afterwards only MTUs change.
#include "ctl/lanes.h"

#include <string.h>

#include "base/log.h"
#include "ctl/kernel.h"

static unsigned send_frames(void *arg, unsigned port, struct rte_mbuf **m, unsigned n)
{
	struct poll *p = arg;
	return port_tx(p->port[port], p->tx_queue[port], m, (uint16_t)n);
}

uint32_t lanes_transports(const struct config_path *path)
{
	if (path->mode == CONFIG_GWLB)
		return TRANSPORT_GWLB;
	static const uint32_t of[] = {[CONFIG_TRANSPORT_GWLB] = TRANSPORT_GWLB,
				      [CONFIG_TRANSPORT_VXLAN] = TRANSPORT_VXLAN,
				      [CONFIG_TRANSPORT_VLAN] = TRANSPORT_VLAN,
				      [CONFIG_TRANSPORT_NONE] = 0};
	return of[path->transport];
}

static void addressed(struct appliance *a, struct lane *l, unsigned port)
{
	const struct config_port *c = &a->config->ports[port];
	l->kernel = kernel_end(a, port);
	l->nnets = (uint8_t)kernel_nets(a, port, l->net, EGRESS_NETS);
	for (unsigned i = 0; i < c->nnext_hop; i++) {
		unsigned v6 = c->next_hop[i].len == 16;
		memcpy(l->hop[v6], c->next_hop[i].bytes, c->next_hop[i].len);
		l->has_hop[v6] = true;
	}
}

static void lane(struct appliance *a, struct egress *e, const struct config_path *path, unsigned from, unsigned to)
{
	static const enum path_mode modes[] = {[CONFIG_BRIDGE] = PATH_BRIDGE,
					       [CONFIG_ROUTED] = PATH_ROUTED,
					       [CONFIG_MIRROR] = PATH_MIRROR,
					       [CONFIG_GWLB] = PATH_GWLB};
	struct lane *l = &e->lane[from];
	*l = (struct lane){.mode = modes[path->mode],
			   .out = (uint8_t)to,
			   .kernel = EGRESS_NO_PORT,
			   .mss = path->mss_clamp_bytes,
			   .transports = lanes_transports(path),
			   .up = &a->ports[to].sends,
			   .mac = a->ports[from].mac.addr_bytes,
			   .other_l2 = path->other_l2,
			   .link_local = path->link_local,
			   .nexcept = path->nother_l2_except};
	l->strict = path->mode == CONFIG_BRIDGE && (!l->other_l2 || !l->link_local || l->nexcept);
	memcpy(l->except, path->other_l2_except, sizeof(l->except));
	if (kernel_wanted(path))
		addressed(a, l, from);
}

static void queue(struct appliance *a, struct poll *p, unsigned port, uint64_t tenant, enum poll_kind kind)
{
	if (p->w.id >= a->ports[port].queues)
		return; // others receive for it
	p->rx[p->nrx++] = (struct poll_queue){.port = &a->ports[port],
					      .queue = p->w.id,
					      .number = (uint8_t)port,
					      .kind = (uint8_t)kind,
					      .tenant = tenant};
}

static void path_mtu(struct appliance *a, struct poll *p, const struct config_path *path)
{
	for (unsigned j = 0; j < path->nports; j++) {
		const struct port *in = &a->ports[path->ports[j]], *out = &a->ports[path->ports[path->nports - 1 - j]];
		struct lane *l = &p->egress.lane[path->ports[j]];
		l->narrow = out->mtu < in->mtu;
		l->mtu = path->mtu_clamp ? RTE_MIN(in->mtu, out->mtu) : out->mtu;
		if (l->kernel != EGRESS_NO_PORT)
			p->egress.lane[l->kernel].mtu = in->mtu;
		if (l->narrow && path->fast_path && p->w.id == 0)
			log_say(LOG_NOTICE, "fastpath",
				"port=%s mtu=%u: the other port's is smaller; what settles comes up all the same",
				in->config.name, in->mtu);
	}
}

static void of_path(struct appliance *a, struct poll *p, const struct config_path *path)
{
	unsigned first = path->ports[0], last = path->ports[path->nports - 1];
	lane(a, &p->egress, path, first, last);
	lane(a, &p->egress, path, last, first);
	for (unsigned j = 0; j < path->nports; j++) {
		unsigned n = path->ports[j], end = p->egress.lane[n].kernel;
		queue(a, p, n, path->tenant == CONFIG_TENANT_PORT ? n + 1 : 0,
		      kernel_wanted(path) ? POLL_QUEUE_OWN : POLL_QUEUE_PATH);
		if (end == EGRESS_NO_PORT)
			continue;
		p->egress.lane[end] = (struct lane){
			.mode = PATH_KERNEL, .out = (uint8_t)n, .kernel = EGRESS_NO_PORT, .up = &a->ports[n].sends};
		queue(a, p, end, 0, POLL_QUEUE_KERNEL);
	}
	path_mtu(a, p, path);
}

void lanes_mtu(struct appliance *a)
{
	for (unsigned w = 0; w < a->nworkers && a->polls[w]; w++)
		for (unsigned i = 0; i < a->config->npaths; i++)
			path_mtu(a, a->polls[w], &a->config->paths[i]);
}

void lanes_set(struct appliance *a, struct poll *p)
{
	p->egress.nports = a->nports;
	p->egress.send = send_frames;
	p->egress.ask = kernel_ask;
	p->egress.neighbours = kernel_neighbours(a, &p->ask_fd);
	p->egress.arg = p;
	for (unsigned i = 0; i < a->nports; i++) {
		p->port[i] = &a->ports[i];
		p->tx_queue[i] = (uint16_t)(p->w.id % RTE_MAX(a->ports[i].queues, 1));
	}
	for (unsigned i = 0; i < a->config->npaths; i++)
		of_path(a, p, &a->config->paths[i]);
}
