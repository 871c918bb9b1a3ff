// SPDX-License-Identifier: BSD-3-Clause
//
// A TCP header, read: numbers in host order, and of the options the three that say whether a receiver believes the
// segment (window scale, timestamps, signatures). In comes a layer that parse has found sound; a frame may be cut, so
// options are read as far as they go. Worker's thread.
#include "flow_tcp.h"

#include "base/be.h"

enum { OPT_END = 0, OPT_NOP = 1, OPT_WSCALE = 3, OPT_TS = 8, OPT_MD5 = 19, OPT_AO = 29 };

static void read_options(const uint8_t *o, const uint8_t *end, struct segment *s)
{
	while (o < end && *o != OPT_END) {
		if (*o == OPT_NOP) {
			o++;
			continue;
		}
		if (end - o < 2 || o[1] < 2 || o[1] > end - o)
			return;
		if (*o == OPT_TS && o[1] == 10) {
			s->options |= SEGMENT_TS;
			s->ts = be32(o + 2);
		} else if (*o == OPT_WSCALE && o[1] == 3) {
			s->options |= SEGMENT_WSCALE;
			s->wscale = RTE_MIN(o[2], 14); // RFC 7323 2.3
		} else if ((*o == OPT_MD5 && o[1] == 18) || (*o == OPT_AO && o[1] >= 4)) {
			s->options |= SEGMENT_SIGNED;
		}
		o += o[1];
	}
}

bool flow_tcp_read(const struct layer *l, const uint8_t *frame, uint32_t frame_len, struct segment *s)
{
	static const uint8_t usual[4] = {OPT_NOP, OPT_NOP, OPT_TS, 10}; // RFC 7323 appendix A
	const uint8_t *t = frame + l->l4;
	if (unlikely(l->l4 + 20u > frame_len))
		return false;
	uint32_t room = frame_len - l->l4, head = (t[12] >> 4) * 4u;
	s->seq = be32(t + 4);
	s->ack = be32(t + 8);
	s->win = (uint16_t)be16(t + 14);
	s->flags = t[13];
	s->len = l->wire_len;
	s->options = 0;
	s->ts = 0;
	s->wscale = 0;
	if (head == 20)
		return true;
	if (likely(head == 32 && room >= 32 && memcmp(t + 20, usual, sizeof(usual)) == 0)) {
		s->options = SEGMENT_TS;
		s->ts = be32(t + 24);
		return true;
	}
	read_options(t + 20, t + RTE_MIN(room, head), s);
	return true;
}
