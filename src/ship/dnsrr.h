// SPDX-License-Identifier: BSD-3-Clause
//
// DNS in words: names of types, codes and opcodes, and resource records as eve and facts show them.
#pragma once

#include <stdint.h>

#include "ship/jsonl.h"

struct fact;
struct record;

// "A", "HTTPS", ...; TYPE1234 where it has no name (RFC 3597), made in buf.
const char *dnsrr_type(uint16_t type, char buf[12]);
// "NOERROR", "NXDOMAIN", ...; RCODE24 else.
const char *dnsrr_rcode(uint16_t rcode, char buf[12]);

// One resource record as a line: "example.com 300 A 192.0.2.1", a JSON string.
void dnsrr_line(struct jsonl *j, const struct fact *f);
// What an answer says, short, for the table: address or name, bytes as they are. Returns its length, 0: nothing short.
unsigned dnsrr_short(const struct fact *f, char *out, unsigned room);
// Suricata's dns object, version 3.
void dnsrr_eve(struct jsonl *j, const struct record *r);
// OCSF's answers; header: the message's flags. Its other sections as lists of lines.
void dnsrr_ocsf(struct jsonl *j, const struct record *r, uint16_t header, unsigned id);
void dnsrr_lines(struct jsonl *j, const struct record *r);
