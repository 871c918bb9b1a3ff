// SPDX-License-Identifier: BSD-3-Clause
//
// What an interface can do with XDP, as the kernel says it (6.3 and later). See xdp_features.c.
#pragma once

#include <stdint.h>

// NETDEV_XDP_ACT_* of linux/netdev.h, which Debian 12 does not have.
#define XDP_FEATURE_BASIC 1ull // runs programs in its driver
#define XDP_FEATURE_XMIT 4ull  // sends what another interface's program redirects to it
#define XDP_FEATURES_UNKNOWN UINT64_MAX

struct xdp_features {
	int fd; // -1: the kernel is older, or says nothing
	uint16_t family;
};

void xdp_features_open(struct xdp_features *x);
void xdp_features_close(struct xdp_features *x);
uint64_t xdp_features_of(const struct xdp_features *x, uint32_t ifindex);
