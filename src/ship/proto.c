// SPDX-License-Identifier: BSD-3-Clause
//
// One table of IP protocols (IANA protocol numbers), made once into two arrays of 256 names.
#include "ship/proto.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>

// X(number, facts and table, eve)
#define PROTOS(X)                                                                                                      \
	X(0, "hopopt", "HOPOPT")                                                                                       \
	X(IPPROTO_ICMP, "icmp", "ICMP")                                                                                \
	X(IPPROTO_IGMP, "igmp", "IGMP")                                                                                \
	X(IPPROTO_IPIP, "ipip", "IP-ENCAP")                                                                            \
	X(IPPROTO_TCP, "tcp", "TCP")                                                                                   \
	X(IPPROTO_UDP, "udp", "UDP")                                                                                   \
	X(IPPROTO_IPV6, "ipv6", "IPv6")                                                                                \
	X(IPPROTO_GRE, "gre", "GRE")                                                                                   \
	X(IPPROTO_ESP, "esp", "ESP")                                                                                   \
	X(IPPROTO_AH, "ah", "AH")                                                                                      \
	X(IPPROTO_ICMPV6, "icmp6", "IPv6-ICMP")                                                                        \
	X(IPPROTO_NONE, "none", "IPv6-NONXT")                                                                          \
	X(88, "eigrp", "EIGRP")                                                                                        \
	X(89, "ospf", "OSPFIGP")                                                                                       \
	X(IPPROTO_PIM, "pim", "PIM")                                                                                   \
	X(112, "vrrp", "VRRP")                                                                                         \
	X(115, "l2tp", "L2TP")                                                                                         \
	X(IPPROTO_SCTP, "sctp", "SCTP")

static const char *const names[256] = {
#define X(number, name, eve) [number] = name,
	PROTOS(X)
#undef X
};

static const char *const eve_names[256] = {
#define X(number, name, eve) [number] = eve,
	PROTOS(X)
#undef X
};

static char numbers[256][4], padded[256][4];

static void make(void)
{
	for (unsigned i = 0; i < 256; i++) {
		snprintf(numbers[i], sizeof(numbers[i]), "%u", i);
		snprintf(padded[i], sizeof(padded[i]), "%03u", i);
	}
}

static pthread_once_t made = PTHREAD_ONCE_INIT;

const char *proto_name(uint8_t proto)
{
	if (names[proto])
		return names[proto];
	pthread_once(&made, make);
	return numbers[proto];
}

const char *proto_eve(uint8_t proto)
{
	if (eve_names[proto])
		return eve_names[proto];
	pthread_once(&made, make);
	return padded[proto];
}
