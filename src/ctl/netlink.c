// SPDX-License-Identifier: BSD-3-Clause
//
// rtnetlink(7), the few words of it that we need: a message is a header, a struct of its kind, and attributes. In come
// requests of ctl/kernel.c; out goes what the kernel says of neighbours. Control thread. Rejected: libnl (a dependency
// for six messages), ip(8) (a process for each).
#include "ctl/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LEAST_PREFERRED 20000 // metric: any route that somebody made for this machine comes first

struct request {
	struct nlmsghdr head;
	uint8_t room[256];
};

int netlink_open(bool hears)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | (hears ? SOCK_NONBLOCK : 0), NETLINK_ROUTE);
	struct sockaddr_nl self = {.nl_family = AF_NETLINK, .nl_groups = hears ? RTMGRP_NEIGH : 0};
	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&self, sizeof(self)) == 0)
		return fd;
	int rc = -errno;
	close(fd);
	return rc;
}

static struct request begin(uint16_t type, uint16_t flags, const void *kind, size_t len)
{
	struct request q = {.head = {.nlmsg_len = (uint32_t)NLMSG_LENGTH(len),
				     .nlmsg_type = type,
				     .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags)}};
	memcpy(q.room, kind, len);
	return q;
}

static void add(struct request *q, uint16_t type, const void *value, size_t len)
{
	struct rtattr *a = (struct rtattr *)((uint8_t *)q + NLMSG_ALIGN(q->head.nlmsg_len));
	a->rta_type = type;
	a->rta_len = (uint16_t)RTA_LENGTH(len);
	memcpy(RTA_DATA(a), value, len);
	q->head.nlmsg_len = NLMSG_ALIGN(q->head.nlmsg_len) + RTA_ALIGN(a->rta_len);
}

static int tell(int fd, struct request *q)
{
	struct {
		struct nlmsghdr head;
		struct nlmsgerr error;
		uint8_t room[512];
	} r;
	q->head.nlmsg_flags |= NLM_F_ACK;
	if (send(fd, q, q->head.nlmsg_len, 0) < 0)
		return -errno;
	ssize_t n = recv(fd, &r, sizeof(r), 0);
	if (n < (ssize_t)NLMSG_LENGTH(sizeof(r.error)) || r.head.nlmsg_type != NLMSG_ERROR)
		return n < 0 ? -errno : -EPROTO;
	return r.error.error;
}

static uint8_t family(unsigned len)
{
	return len == 4 ? AF_INET : AF_INET6;
}

int netlink_set(int fd, unsigned ifindex, const struct netlink_link *link)
{
	struct ifinfomsg m = {.ifi_index = (int)ifindex, .ifi_flags = link->up /* IFF_UP */, .ifi_change = 1};
	struct request q = begin(RTM_NEWLINK, 0, &m, sizeof(m));
	if (link->mac)
		add(&q, IFLA_ADDRESS, link->mac, 6);
	if (link->mtu)
		add(&q, IFLA_MTU, &link->mtu, 4);
	return tell(fd, &q);
}

// Without duplicate address detection: who brings an address by its config has looked, and a probe comes now.
int netlink_address(int fd, unsigned ifindex, const struct netlink_address *a)
{
	struct ifaddrmsg m = {
		.ifa_family = family(a->len), .ifa_prefixlen = a->bits, .ifa_flags = IFA_F_NODAD, .ifa_index = ifindex};
	struct request q = begin(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &m, sizeof(m));
	add(&q, IFA_LOCAL, a->bytes, a->len);
	add(&q, IFA_ADDRESS, a->bytes, a->len);
	int rc = tell(fd, &q);
	return rc == -EEXIST ? 0 : rc;
}

int netlink_default(int fd, unsigned ifindex, const struct netlink_address *hop)
{
	struct rtmsg m = {.rtm_family = family(hop->len),
			  .rtm_table = RT_TABLE_MAIN,
			  .rtm_protocol = RTPROT_STATIC,
			  .rtm_scope = RT_SCOPE_UNIVERSE,
			  .rtm_type = RTN_UNICAST};
	struct request q = begin(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &m, sizeof(m));
	uint32_t metric = LEAST_PREFERRED + ifindex % 1000;
	add(&q, RTA_GATEWAY, hop->bytes, hop->len);
	add(&q, RTA_OIF, &ifindex, 4);
	add(&q, RTA_PRIORITY, &metric, 4);
	int rc = tell(fd, &q);
	return rc == -EEXIST ? 0 : rc;
}

void netlink_ask(int fd, unsigned ifindex, const struct netlink_address *a)
{
	struct ndmsg m = {.ndm_family = family(a->len), .ndm_ifindex = (int)ifindex, .ndm_flags = NTF_USE};
	struct request q = begin(RTM_NEWNEIGH, NLM_F_CREATE, &m, sizeof(m));
	add(&q, NDA_DST, a->bytes, a->len);
	tell(fd, &q);
}

void netlink_neighbours(int fd)
{
	struct ndmsg m = {.ndm_family = AF_UNSPEC};
	struct request q = begin(RTM_GETNEIGH, NLM_F_DUMP, &m, sizeof(m));
	(void)!send(fd, &q, q.head.nlmsg_len, 0); // asked again before long
}

static bool neighbour_of(const struct nlmsghdr *h, struct netlink_neighbour *n)
{
	const struct ndmsg *m = NLMSG_DATA(h);
	const uint16_t usable = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT;
	if (h->nlmsg_len < NLMSG_LENGTH(sizeof(*m)) || (m->ndm_family != AF_INET && m->ndm_family != AF_INET6))
		return false;
	*n = (struct netlink_neighbour){.ifindex = (unsigned)m->ndm_ifindex, .stale = m->ndm_state & NUD_STALE};
	int left = (int)(h->nlmsg_len - NLMSG_LENGTH(sizeof(*m)));
	for (struct rtattr *a = (struct rtattr *)((uint8_t *)NLMSG_DATA(h) + NLMSG_ALIGN(sizeof(*m))); RTA_OK(a, left);
	     a = RTA_NEXT(a, left)) {
		size_t len = RTA_PAYLOAD(a);
		if (a->rta_type == NDA_DST && (len == 4 || len == 16)) {
			memcpy(n->address, RTA_DATA(a), len);
			n->len = (uint8_t)len;
		} else if (a->rta_type == NDA_LLADDR && len == 6 && (m->ndm_state & usable) &&
			   h->nlmsg_type == RTM_NEWNEIGH) {
			memcpy(&n->mac, RTA_DATA(a), 6);
		}
	}
	return n->len != 0;
}

bool netlink_hear(int fd, void (*each)(void *arg, const struct netlink_neighbour *n), void *arg)
{
	_Alignas(struct nlmsghdr) uint8_t room[16384];
	for (unsigned i = 0; i < 64; i++) { // then others have their turn
		ssize_t got = recv(fd, room, sizeof(room), 0);
		if (got < 0)
			return errno != ENOBUFS;
		int left = (int)got;
		for (struct nlmsghdr *h = (struct nlmsghdr *)room; NLMSG_OK(h, (unsigned)left);
		     h = NLMSG_NEXT(h, left)) {
			struct netlink_neighbour n;
			bool about = h->nlmsg_type == RTM_NEWNEIGH || h->nlmsg_type == RTM_DELNEIGH;
			if (about && neighbour_of(h, &n))
				each(arg, &n);
		}
	}
	return true;
}
