// SPDX-License-Identifier: BSD-3-Clause
//
// pcapng with interfaces of different link types and snap lengths, for libpcap, which reads one of each.
#pragma once

#include <stdint.h>
#include <stdio.h>

struct capture_ng;

// Stands between the stream of a pcapng file and its reader: *stream becomes one in which every interface looks like
// the first. fclose of it closes both and frees. NULL: no memory, nothing changed.
struct capture_ng *capture_ng_begin(FILE **stream);
// LINKTYPE_* of the next packet that the reader has been given; called once a packet, in their order.
uint16_t capture_ng_next(struct capture_ng *n);
