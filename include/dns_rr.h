// SPDX-License-Identifier: BSD-3-Clause
//
// The value of the fact dns.rr: a resource record as path/app/dns.c hands it to the faces of ship/.
#pragma once

#include <stdint.h>

// IANA "Domain Name System (DNS) Parameters", 2024-10. Those that a resolver or a server may meet.
// X(number, name)
// clang-format off
#define DNS_TYPES(X)                                                                                                   \
	X(1, "A") X(2, "NS") X(3, "MD") X(4, "MF") X(5, "CNAME") X(6, "SOA") X(7, "MB") X(8, "MG")                     \
	X(9, "MR") X(10, "NULL") X(11, "WKS") X(12, "PTR") X(13, "HINFO") X(14, "MINFO") X(15, "MX")                   \
	X(16, "TXT") X(17, "RP") X(18, "AFSDB") X(19, "X25") X(20, "ISDN") X(21, "RT") X(22, "NSAP")                   \
	X(23, "NSAPPTR") X(24, "SIG") X(25, "KEY") X(26, "PX") X(27, "GPOS") X(28, "AAAA") X(29, "LOC")                \
	X(30, "NXT") X(31, "EID") X(32, "NIMLOC") X(33, "SRV") X(34, "ATMA") X(35, "NAPTR") X(36, "KX")                \
	X(37, "CERT") X(38, "A6") X(39, "DNAME") X(40, "SINK") X(41, "OPT") X(42, "APL") X(43, "DS")                   \
	X(44, "SSHFP") X(45, "IPSECKEY") X(46, "RRSIG") X(47, "NSEC") X(48, "DNSKEY") X(49, "DHCID")                   \
	X(50, "NSEC3") X(51, "NSEC3PARAM") X(52, "TLSA") X(53, "SMIMEA") X(55, "HIP") X(56, "NINFO")                   \
	X(57, "RKEY") X(58, "TALINK") X(59, "CDS") X(60, "CDNSKEY") X(61, "OPENPGPKEY") X(62, "CSYNC")                 \
	X(63, "ZONEMD") X(64, "SVCB") X(65, "HTTPS") X(66, "DSYNC") X(99, "SPF") X(100, "UINFO")                       \
	X(101, "UID") X(102, "GID") X(103, "UNSPEC") X(104, "NID") X(105, "L32") X(106, "L64") X(107, "LP")            \
	X(108, "EUI48") X(109, "EUI64") X(128, "NXNAME") X(249, "TKEY") X(250, "TSIG") X(251, "IXFR")                  \
	X(252, "AXFR") X(253, "MAILB") X(254, "MAILA") X(255, "ANY") X(256, "URI") X(257, "CAA")                       \
	X(258, "AVC") X(259, "DOA") X(260, "AMTRELAY") X(261, "RESINFO") X(262, "WALLET")
// clang-format on

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
