// SPDX-License-Identifier: BSD-3-Clause
//
// Who offloads checksums. A capture taken on the sending machine shows what the host handed to its network card,
// which fills in the checksums later: they are all wrong, and nothing is wrong. A *sender* is the source address of
// a layer and its L4 protocol; it offloads where at least one of its checksums is wrong and none is right. Its TCP
// segments without data, its fragments, and its UDP datagrams that came in fragments (tools that edit captures mend the
// sums of whole packets), are excused by themselves where that holds for them.
//
// parse.c, for each L4 checksum that it can verify (whole, not a fragment):
//   w->senders_pass != NULL   first pass: senders_note(w->senders_pass, ..., good), then go on as if good
//   wrong, mode offload-aware: w->senders && senders_offload(w->senders, ...)
//                              -> LAYER_CSUM_BAD, COUNTER_CSUM_OFFLOADED; else PARSE_L4_CSUM
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct senders;

// "Protocols" (reserved numbers of IANA's) under which are noted
#define SENDERS_IP 0            // sums of IPv4 headers
#define SENDERS_UDP_JOINED 252  // UDP datagrams put together, of anybody (address 0) and several; 17 has all
#define SENDERS_IP_EMPTY 253    // the same before TCP segments without data
#define SENDERS_IP_FRAGMENT 254 // the same of fragments
#define SENDERS_TCP_EMPTY 255   // TCP segments without data; 6 has all

// Room for `capacity` senders (rounded up to a power of two). NULL: no memory.
struct senders *senders_new(uint32_t capacity, uint64_t seed);
void senders_free(struct senders *s);
void senders_clear(struct senders *s);

// One checksum that was verified. version 4 or 6, addr 4 or 16 bytes in the frame, unaligned. When the table is full,
// new senders stay unknown: they do not offload.
void senders_note(struct senders *s, uint8_t version, const uint8_t *addr, uint8_t proto, bool good);
bool senders_offload(struct senders *s, uint8_t version, const uint8_t *addr, uint8_t proto);

// Who fills the table when it is first asked: most captures have no wrong checksum, and are then read only once.
// learn runs inside senders_offload, once after each senders_clear; NULL: what has been noted is all there is.
void senders_learn(struct senders *s, void (*learn)(void *arg), void *arg);

// Those who offload. i: cursor, from 0. Returns false at the end.
struct sender {
	uint8_t addr[16];
	uint8_t version, proto;
};
bool senders_next(const struct senders *s, uint32_t *i, struct sender *out);
