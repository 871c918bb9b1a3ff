// SPDX-License-Identifier: BSD-3-Clause
//
// Community ID flow hash, version 1: the same text for a flow in Zeek, Suricata, Arkime and here.
// Source: corelight/community-id-spec.
#pragma once

#include <stdint.h>

struct record;
struct communityid;

#define COMMUNITYID_LEN 30 // "1:" and base64 of 20 bytes

// A maker keeps the digest's context (creating one costs more than the digest). NULL: no memory.
struct communityid *communityid_new(uint16_t seed);
void communityid_free(struct communityid *c);

// The id of the record's flow: COMMUNITYID_LEN characters and a NUL, valid until the next call.
const char *communityid_of(struct communityid *c, const struct record *r);
