// SPDX-License-Identifier: BSD-3-Clause
//
// The value of the fact dns.rr: a resource record as path/app/dns.c hands it to the faces of ship/.
#pragma once

#include <stdint.h>

enum dns_section { DNS_ANSWER = 1, DNS_AUTHORITY = 2, DNS_ADDITIONAL = 3 }; // in an update: prerequisite, update

// How the rdata stands after the owner's name. Numbers are in host byte order; names are text: labels as sent, dots
// between, none at the end, the root empty.
enum dns_rdata {
	DNS_RDATA_RAW,     // as on the wire (TXT: strings, each after its length byte)
	DNS_RDATA_ADDRESS, // 4 or 16 bytes
	DNS_RDATA_NAME,    // CNAME, NS, PTR, DNAME
	DNS_RDATA_MX,      // uint16_t preference, name
	DNS_RDATA_SRV,     // uint16_t priority, weight, port, name
	DNS_RDATA_SOA,     // uint32_t serial, refresh, retry, expire, minimum; uint16_t length of mname; mname, rname
};

// Unaligned inside the fact: copy before reading.
struct dns_rr {
	uint32_t ttl;
	uint16_t type, class;
	uint16_t name_len;  // bytes of the owner's name, which follow
	uint16_t rdata_len; // bytes of rdata in its form, which follow the name
	uint8_t section;    // enum dns_section
	uint8_t form;       // enum dns_rdata
	uint8_t cut;        // 1: rdata was longer than what is kept of it
	uint8_t pad;
	uint8_t bytes[];
};
