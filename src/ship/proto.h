// SPDX-License-Identifier: BSD-3-Clause
//
// Names of IP protocols, as each face spells them.
#pragma once

#include <stdint.h>

// "tcp", "udp", "icmp", "icmp6", ...; the number as text where it has no name.
const char *proto_name(uint8_t proto);
// As Suricata: "TCP", "IPv6-ICMP", ...; three digits where it has no name.
const char *proto_eve(uint8_t proto);
