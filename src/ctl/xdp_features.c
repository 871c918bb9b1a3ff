// SPDX-License-Identifier: BSD-3-Clause
//
// Asks the kernel by generic netlink, family `netdev`. In: an interface's number. Out: its features, or that nobody
// knows. One thread at a time; needs no privilege, and no other system calls than sendto and recvfrom once it is open.
//
// Rejected: bpf_xdp_query's feature_flags, which libbpf 1.1 does not have; ethtool's features, which do not say it.
#include "ctl/xdp_features.h"

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEV_GET 1      // NETDEV_CMD_DEV_GET
#define DEV_IFINDEX 1  // NETDEV_A_DEV_IFINDEX, 32 bits
#define DEV_FEATURES 3 // NETDEV_A_DEV_XDP_FEATURES, 64 bits

struct question {
	struct nlmsghdr n;
	struct genlmsghdr g;
	struct nlattr a;
	uint8_t value[16];
};

// The attribute of the answer, copied to out. False: there is none of that size or more.
static bool attribute(const uint8_t *d, size_t len, uint16_t type, void *out, size_t size)
{
	struct nlattr a;
	for (size_t at = NLMSG_HDRLEN + GENL_HDRLEN; at + sizeof(a) <= len; at += NLA_ALIGN(a.nla_len)) {
		memcpy(&a, d + at, sizeof(a));
		if (a.nla_len < sizeof(a) || at + a.nla_len > len)
			return false;
		if ((a.nla_type & NLA_TYPE_MASK) != type)
			continue;
		if (a.nla_len < sizeof(a) + size)
			return false;
		memcpy(out, d + at + sizeof(a), size);
		return true;
	}
	return false;
}

static bool ask(int fd, uint16_t family, uint8_t command, uint16_t attr, const void *value, uint16_t size,
		uint16_t want, void *out, size_t out_size)
{
	struct question q = {.n = {.nlmsg_type = family, .nlmsg_flags = NLM_F_REQUEST},
			     .g = {.cmd = command, .version = 1},
			     .a = {.nla_len = (uint16_t)(NLA_HDRLEN + size), .nla_type = attr}};
	uint8_t answer[8192];
	struct nlmsghdr n;
	memcpy(q.value, value, size);
	q.n.nlmsg_len = NLMSG_HDRLEN + GENL_HDRLEN + NLA_ALIGN(q.a.nla_len);
	if (sendto(fd, &q, q.n.nlmsg_len, 0, NULL, 0) < 0)
		return false;
	ssize_t len = recv(fd, answer, sizeof(answer), MSG_DONTWAIT); // it is there when sendto returns
	if (len < (ssize_t)sizeof(n))
		return false;
	memcpy(&n, answer, sizeof(n));
	return n.nlmsg_type == family && n.nlmsg_len <= (size_t)len &&
	       attribute(answer, n.nlmsg_len, want, out, out_size);
}

void xdp_features_open(struct xdp_features *x)
{
	static const char name[] = "netdev";
	x->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	if (x->fd >= 0 && !ask(x->fd, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME, name, sizeof(name),
			       CTRL_ATTR_FAMILY_ID, &x->family, sizeof(x->family)))
		xdp_features_close(x);
}

void xdp_features_close(struct xdp_features *x)
{
	if (x->fd >= 0)
		close(x->fd);
	x->fd = -1;
}

uint64_t xdp_features_of(const struct xdp_features *x, uint32_t ifindex)
{
	uint64_t features;
	if (x->fd < 0 || !ask(x->fd, x->family, DEV_GET, DEV_IFINDEX, &ifindex, sizeof(ifindex), DEV_FEATURES,
			      &features, sizeof(features)))
		return XDP_FEATURES_UNKNOWN;
	return features;
}
