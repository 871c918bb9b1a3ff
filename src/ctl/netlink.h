// SPDX-License-Identifier: BSD-3-Clause
//
// What is asked of the kernel about its interfaces, by rtnetlink(7). Control thread; it waits for the kernel's answer,
// which comes at once.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Opens a socket; hears: what changes among neighbours is told on it, and it does not block. -errno.
int netlink_open(bool hears);

struct netlink_address {
	const uint8_t *bytes;
	uint8_t len, bits; // len 4 or 16
};
// Interface up or down, with a MAC address (NULL: as it is) and MTU (0: as it is). The address on it, usable at once; a
// default route by it of the lowest preference: what is there already stays as it is. All 0 or -errno.
struct netlink_link {
	const uint8_t *mac;
	uint32_t mtu;
	bool up;
};
int netlink_set(int fd, unsigned ifindex, const struct netlink_link *link);
int netlink_address(int fd, unsigned ifindex, const struct netlink_address *a);
int netlink_default(int fd, unsigned ifindex, const struct netlink_address *hop);
// The kernel asks the network who has the address, as if it had something for it.
void netlink_ask(int fd, unsigned ifindex, const struct netlink_address *a);

// Asks for all neighbours; they come on the socket that hears.
void netlink_neighbours(int fd);
struct netlink_neighbour {
	unsigned ifindex;
	uint8_t address[16], len;
	uint64_t mac; // its six bytes as they lie in memory; 0: it has none (any more)
	bool stale;   // the kernel would ask again before it used it
};
// Calls each for what has come. False: something was lost, all have to be asked for again.
bool netlink_hear(int fd, void (*each)(void *arg, const struct netlink_neighbour *n), void *arg);
