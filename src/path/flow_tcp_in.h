// SPDX-License-Identifier: BSD-3-Clause
//
// Sequence numbers as the flow_tcp_* files of this folder reckon with them.
#pragma once

#include "flow_tcp.h"

#define SLACK_MIN (4u << 20) // replay: 64 places of 64 KiB, the most that one segment brings or acknowledges
#define SLACK_MAX (1u << 28)
#define NS_MS 1000000ull

enum { FIN = 0x01, SYN = 0x02, RST = 0x04, PSH = 0x08, ACK = 0x10, URG = 0x20 }; // RFC 9293 3.1

// RFC 9293 3.4: sequence numbers are compared modulo 2^32.
static inline int32_t diff(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b);
}
static inline uint32_t later(uint32_t a, uint32_t b)
{
	return diff(a, b) > 0 ? a : b;
}

// First sequence number after the segment.
static inline uint32_t end_of(const struct segment *s)
{
	return s->seq + s->len + ((s->flags & SYN) != 0) + ((s->flags & FIN) != 0);
}

// The largest window a side ever offered; where its scale was not seen, the largest it can have meant.
static inline uint32_t window(const struct flow_side *s)
{
	return unlikely(s->wscale == TCP_WSCALE_UNKNOWN) ? RTE_MIN(s->win_max << 14, SLACK_MAX) : s->win_max;
}

static inline uint32_t slack(const struct flow_side *s, bool live)
{
	return live ? 0 : RTE_MAX(RTE_MIN(window(s), SLACK_MAX / 4) * 4, SLACK_MIN);
}

// The highest sequence number of a side that is known to exist.
static inline uint32_t frontier(const struct flow_side *s)
{
	if (!(s->flags & SIDE_ACKED))
		return s->next;
	return s->flags & SIDE_SEEN ? later(s->next, s->acked) : s->acked;
}

static inline bool known(const struct flow_side *s)
{
	return s->flags & (SIDE_SEEN | SIDE_ACKED);
}
