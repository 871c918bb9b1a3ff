// SPDX-License-Identifier: BSD-3-Clause
//
// The way of what is for the appliance itself, ARP, neighbour discovery, pings, probes, management: to the kernel,
// which answers as it does for any interface. And back from it who is one hop away. Control thread, but for kernel_ask.
//
//   port "lan"  <--- worker --->  TAP "lan-own", of the port's MAC address and with its addresses  <--->  kernel
//
// A port of AF_PACKET has no TAP: the kernel has each of its frames anyhow, and answers by the interface itself. So the
// addresses are the interface's there, and what is for us is counted and let go.
//
// What the kernel takes off an interface that goes down (addresses of IPv6, routes), or that is made anew (all), is put
// on again: at once where the port's life tells of it, else within a second. Rejected: netlink's news of it, which can
// be lost (ENOBUFS).
//
// Neighbours are the kernel's: it asks (ARP, ND), hears, ages, and tells of it by netlink; each change goes to the
// table that workers read. A worker that misses one writes its address to a pipe, and the kernel is made to ask for it.
// Rejected: ARP and ND of our own (the kernel's are better, and ping, probes and management need it anyway), frames
// sent by the kernel's routing (it would have to see each of them).
#include "ctl/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/filter.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/eal.h"
#include "base/log.h"
#include "ctl/health.h"
#include "ctl/loop.h"
#include "ctl/netlink.h"
#include "path/neighbour.h"

#define ROOM "port"
#define TICK_MS 1000
#define GENEVE_PORT 6081 // RFC 8926 3.3
#define REFRESH_TICKS 30 // then all are asked for again, and those that the kernel doubts are probed

struct end {
	unsigned ifindex;
	char device[IF_NAMESIZE];
	uint8_t port, nnets; // the TAP's number; EGRESS_NO_PORT
	struct lane_net net[EGRESS_NETS];
};

struct kernel {
	int deaf[CONFIG_PATHS * EGRESS_NETS];
	unsigned ndeaf;
	struct neighbours *neighbours;
	struct end end[CONFIG_PORTS]; // ifindex 0: the port has none
	struct loop *loop;
	struct health *health;
	int tells, hears, asked[2], timer;
	unsigned ticks;
	bool full_said;
};

struct asked {
	uint8_t port, len, address[16];
};

bool kernel_wanted(const struct config_path *path)
{
	return path->mode == CONFIG_ROUTED || path->mode == CONFIG_GWLB;
}

// ---- ends --------------------------------------------------------------------------------------------------------

static void write_setting(const char *family, const char *interface, const char *what, const char *value)
{
	char path[160];
	snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", family, interface, what);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return; // no IPv6 here, or not ours to set
	(void)!write(fd, value, strlen(value));
	close(fd);
}

static int open_tap(struct appliance *a, unsigned i, struct end *e, const struct port_owner *owner)
{
	const struct port *of = &a->ports[i];
	const uint8_t *m = of->mac.addr_bytes;
	struct port_config c = {.type = PORT_TAP, .mtu = of->mtu};
	char why[512];
	snprintf(c.name, sizeof(c.name), "%.*s-own", IFNAMSIZ - 5, of->config.name);
	snprintf(c.device, sizeof(c.device), "%s", c.name);
	snprintf(c.extra, sizeof(c.extra), "mac=%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
	int rc = port_open(&a->ports[a->nports], &c, a->frames, a->nworkers, owner, why, sizeof(why));
	if (rc < 0) {
		log_say(LOG_ERROR, ROOM, "%s", why);
		return rc;
	}
	e->port = (uint8_t)a->nports++;
	snprintf(e->device, sizeof(e->device), "%.*s", IFNAMSIZ - 1, c.device);
	write_setting("ipv6", c.device, "accept_ra", "0");
	write_setting("ipv6", c.device, "accept_dad", "0"); // whose address it is was looked at by who wrote the config
	write_setting("ipv4", c.device, "arp_notify", "1"); // who knew the port by another MAC address hears of it
	write_setting("ipv6", c.device, "ndisc_notify", "1");
	return 0;
}

static int refused(const struct port *p, const char *what, int rc)
{
	log_say(LOG_ERROR, ROOM, "%s port=%s: %s", what, p->config.name, strerror(-rc));
	return rc;
}

static int put_addresses(const struct appliance *a, unsigned i)
{
	const struct config_port *c = &a->config->ports[i];
	int rc = 0;
	for (unsigned n = 0; n < c->naddresses && rc == 0; n++) {
		const struct config_net *net = &c->addresses[n];
		rc = netlink_address(a->kernel->tells, a->kernel->end[i].ifindex,
				     &(struct netlink_address){net->bytes, net->len, net->bits});
	}
	return rc;
}

static int put_routes(const struct appliance *a, unsigned i)
{
	const struct config_port *c = &a->config->ports[i];
	int worst = 0;
	for (unsigned n = 0; n < c->nnext_hop; n++) {
		struct netlink_address hop = {c->next_hop[n].bytes, c->next_hop[n].len, 0};
		worst = RTE_MIN(worst, netlink_default(a->kernel->tells, a->kernel->end[i].ifindex, &hop));
	}
	return worst;
}

static int give_addresses(struct appliance *a, unsigned i, struct end *e)
{
	const struct config_port *c = &a->config->ports[i];
	const struct port *p = &a->ports[i];
	struct netlink_link up = {.mtu = e->port == EGRESS_NO_PORT ? 0 : p->mtu, .up = true};
	int rc = netlink_set(a->kernel->tells, e->ifindex, &up);
	if (rc < 0)
		return refused(p, "cannot set its interface up", rc);
	rc = put_addresses(a, i);
	if (rc < 0)
		return refused(p, "cannot give its address to the kernel", rc);
	for (unsigned n = 0; n < c->naddresses; n++) {
		const struct config_net *net = &c->addresses[n];
		e->net[e->nnets] = (struct lane_net){.len = net->len, .bits = net->bits};
		memcpy(e->net[e->nnets++].bytes, net->bytes, net->len);
	}
	if (put_routes(a, i) < 0)
		log_say(LOG_WARNING, ROOM, "no default route of the kernel by port=%s", p->config.name);
	return 0;
}

static unsigned prefix_of(const uint8_t *mask, unsigned len)
{
	unsigned bits = 0;
	while (bits < len * 8 && (mask[bits / 8] >> (7 - bits % 8) & 1))
		bits++;
	return bits;
}

// Those that the interface has.
static void take_addresses(struct end *e)
{
	struct ifaddrs *list = NULL;
	if (getifaddrs(&list) != 0)
		return;
	for (const struct ifaddrs *i = list; i && e->nnets < EGRESS_NETS; i = i->ifa_next) {
		if (!i->ifa_addr || !i->ifa_netmask || strcmp(i->ifa_name, e->device) != 0)
			continue;
		bool v6 = i->ifa_addr->sa_family == AF_INET6;
		if (!v6 && i->ifa_addr->sa_family != AF_INET)
			continue;
		size_t at = v6 ? offsetof(struct sockaddr_in6, sin6_addr) : offsetof(struct sockaddr_in, sin_addr);
		struct lane_net *n = &e->net[e->nnets];
		n->len = v6 ? 16 : 4;
		memcpy(n->bytes, (const uint8_t *)i->ifa_addr + at, n->len);
		n->bits = (uint8_t)prefix_of((const uint8_t *)i->ifa_netmask + at, n->len);
		e->nnets += !(v6 && n->bytes[0] == 0xfe && (n->bytes[1] & 0xc0) == 0x80);
	}
	freeifaddrs(list);
}

static void warn_forwarding(void)
{
	static const char *const files[] = {"/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding"};
	for (unsigned i = 0; i < 2; i++) {
		char c = '0';
		int fd = open(files[i], O_RDONLY | O_CLOEXEC);
		if (fd >= 0 && read(fd, &c, 1) == 1 && c != '0')
			log_say(LOG_WARNING, ROOM, "the kernel forwards too, unjudged: echo 0 > %s", files[i]);
		if (fd >= 0)
			close(fd);
	}
}

static int open_end(struct appliance *a, unsigned i, const struct port_owner *owner)
{
	struct end *e = &a->kernel->end[i];
	int rc = 0;
	e->port = EGRESS_NO_PORT;
	if (a->config->ports[i].port.type == PORT_AF_PACKET) {
		snprintf(e->device, sizeof(e->device), "%.*s", IFNAMSIZ - 1, a->ports[i].config.device);
		warn_forwarding();
	} else {
		rc = open_tap(a, i, e, owner);
	}
	e->ifindex = rc == 0 ? if_nametoindex(e->device) : 0;
	rc = rc == 0 ? give_addresses(a, i, e) : rc;
	if (rc == 0 && e->nnets == 0)
		take_addresses(e);
	if (rc == 0 && e->nnets == 0)
		log_say(LOG_WARNING, ROOM,
			"no address port=%s: nobody can reach it, and nothing can be routed to its "
			"network; give it \"addresses\"",
			a->ports[i].config.name);
	return rc;
}

// A load balancer's GENEVE is a worker's; the kernel, which may see it, too, would answer that nobody listens. So
// somebody does, who hears nothing.
static void be_deaf(struct kernel *k, const struct end *e)
{
	struct sock_filter nothing[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
	const struct sock_fprog program = {1, nothing};
	for (unsigned i = 0; i < e->nnets; i++) {
		struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(GENEVE_PORT)};
		int fd = e->net[i].len == 4 ? socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;
		if (fd < 0)
			continue;
		memcpy(&at.sin_addr, e->net[i].bytes, 4);
		k->deaf[k->ndeaf++] = fd;
		if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) != 0 ||
		    (bind(fd, (const struct sockaddr *)&at, sizeof(at)) != 0 && errno != EADDRINUSE))
			log_say(LOG_WARNING, ROOM, "the kernel may answer GENEVE as unreachable: %s", strerror(errno));
	}
}

static int begin(struct appliance *a)
{
	struct kernel *k = a->kernel = calloc(1, sizeof(*k));
	if (!k || !(k->neighbours = mem_take(sizeof(*k->neighbours))))
		return -ENOMEM;
	k->asked[0] = k->asked[1] = k->timer = -1;
	k->tells = netlink_open(false);
	k->hears = netlink_open(true);
	if (k->tells < 0 || k->hears < 0)
		return k->tells < 0 ? k->tells : k->hears;
	return pipe2(k->asked, O_NONBLOCK | O_CLOEXEC) == 0 ? 0 : -errno;
}

int kernel_ports(struct appliance *a, const struct port_owner *owner)
{
	for (unsigned i = 0; i < a->config->npaths; i++) {
		const struct config_path *path = &a->config->paths[i];
		int rc = kernel_wanted(path) && !a->kernel ? begin(a) : 0;
		if (rc < 0) {
			log_say(LOG_ERROR, ROOM, "no rtnetlink: %s", strerror(-rc));
			return rc;
		}
		for (unsigned j = 0; kernel_wanted(path) && j < path->nports; j++)
			if ((rc = open_end(a, path->ports[j], owner)) < 0)
				return rc;
		if (path->mode == CONFIG_GWLB)
			be_deaf(a->kernel, &a->kernel->end[path->ports[0]]);
	}
	return 0;
}

unsigned kernel_end(const struct appliance *a, unsigned port)
{
	return a->kernel->end[port].port;
}

unsigned kernel_nets(const struct appliance *a, unsigned port, struct lane_net *out, unsigned max)
{
	const struct end *e = &a->kernel->end[port];
	unsigned n = RTE_MIN(max, (unsigned)e->nnets);
	memcpy(out, e->net, n * sizeof(*out));
	return n;
}

// ---- neighbours --------------------------------------------------------------------------------------------------

const struct neighbours *kernel_neighbours(const struct appliance *a, int *ask_fd)
{
	*ask_fd = a->kernel ? a->kernel->asked[1] : -1;
	return a->kernel ? a->kernel->neighbours : NULL;
}

// On a worker, which may not wait: what the pipe has no room for is asked again with the next packet.
void kernel_ask(void *arg, unsigned port, const uint8_t *address, unsigned len)
{
	const struct poll *p = arg;
	struct asked q = {.port = (uint8_t)port, .len = (uint8_t)len};
	memcpy(q.address, address, len);
	(void)!write(p->ask_fd, &q, sizeof(q));
}

static void asked(void *arg, uint32_t events)
{
	struct appliance *a = arg;
	struct asked q;
	(void)events;
	for (unsigned i = 0; i < 64 && read(a->kernel->asked[0], &q, sizeof(q)) == sizeof(q); i++)
		netlink_ask(a->kernel->tells, a->kernel->end[q.port].ifindex,
			    &(struct netlink_address){q.address, q.len, 0});
}

static void heard_of(void *arg, const struct netlink_neighbour *n)
{
	struct appliance *a = arg;
	struct kernel *k = a->kernel;
	for (unsigned i = 0; i < CONFIG_PORTS; i++) {
		if (!k->end[i].ifindex || k->end[i].ifindex != n->ifindex)
			continue;
		if (!neighbour_set(k->neighbours, i, n->address, n->len, n->mac) && !k->full_said) {
			log_say(LOG_WARNING, ROOM, "too many neighbours port=%s: some are not routed to",
				a->ports[i].config.name);
			k->full_said = true;
		}
		if (n->stale && k->ticks % REFRESH_TICKS == 0) // it asks, and says when nobody is there
			netlink_ask(k->tells, n->ifindex, &(struct netlink_address){n->address, n->len, 0});
	}
}

static void hears(void *arg, uint32_t events)
{
	struct appliance *a = arg;
	(void)events;
	if (!netlink_hear(a->kernel->hears, heard_of, a))
		netlink_neighbours(a->kernel->hears);
}

// A TAP goes down first: by that the kernel forgets who was one hop away, and whoever is there now is another, maybe.
// Of an interface that is no more it has forgotten all.
void kernel_again(struct appliance *a, unsigned port)
{
	struct kernel *k = a->kernel;
	struct end *e = k && port < CONFIG_PORTS ? &k->end[port] : NULL;
	const struct port *p = &a->ports[port];
	if (!e || !e->device[0])
		return;
	e->ifindex = if_nametoindex(e->device);
	if (e->port != EGRESS_NO_PORT) {
		const struct netlink_link anew = {.mac = p->mac.addr_bytes, .mtu = p->mtu};
		int rc = netlink_set(k->tells, e->ifindex, &anew);
		rc = rc < 0 ? rc : netlink_set(k->tells, e->ifindex, &(struct netlink_link){.up = true});
		if (rc < 0)
			refused(p, "its end of the kernel does not follow it", rc);
	}
	neighbour_forget(k->neighbours, port);
	int rc = put_addresses(a, port);
	if (rc < 0)
		refused(p, "cannot give its address to the kernel again", rc);
	put_routes(a, port);
	netlink_neighbours(k->hears);
}

// Next hops are known before the first frame wants them.
static void tick(void *arg)
{
	struct appliance *a = arg;
	struct kernel *k = a->kernel;
	for (unsigned i = 0; i < a->config->nports; i++) {
		const struct config_port *c = &a->config->ports[i];
		if (k->end[i].ifindex && a->ports[i].link) {
			put_addresses(a, i);
			put_routes(a, i);
		}
		for (unsigned h = 0; k->end[i].ifindex && h < c->nnext_hop; h++)
			netlink_ask(k->tells, k->end[i].ifindex,
				    &(struct netlink_address){c->next_hop[h].bytes, c->next_hop[h].len, 0});
	}
	if (++k->ticks % REFRESH_TICKS == 0)
		netlink_neighbours(k->hears);
}

int kernel_listen(struct appliance *a, struct loop *l)
{
	struct kernel *k = a->kernel;
	if (!k)
		return 0;
	k->loop = l;
	int rc = loop_add(l, k->hears, EPOLLIN, hears, a);
	rc = rc < 0 ? rc : loop_add(l, k->asked[0], EPOLLIN, asked, a);
	k->timer = rc < 0 ? rc : loop_timer(l, 0, TICK_MS, tick, a);
	if (k->timer < 0) {
		log_say(LOG_ERROR, ROOM, "neighbours cannot be heard of: %s", strerror(-k->timer));
		return k->timer;
	}
	netlink_neighbours(k->hears);
	return health_open(a, l, &k->health);
}

void kernel_close(struct appliance *a)
{
	struct kernel *k = a->kernel;
	if (!k)
		return;
	health_close(k->health);
	if (k->loop) {
		loop_remove(k->loop, k->hears);
		loop_remove(k->loop, k->asked[0]);
		if (k->timer >= 0)
			loop_timer_stop(k->loop, k->timer);
	}
	const int fds[] = {k->tells, k->hears, k->asked[0], k->asked[1]};
	for (unsigned i = 0; i < 4; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	while (k->ndeaf)
		close(k->deaf[--k->ndeaf]);
	mem_give(k->neighbours, sizeof(*k->neighbours));
	free(k);
	a->kernel = NULL;
}
