// SPDX-License-Identifier: BSD-3-Clause
//
// Frames of any link type through decap, parse and defrag. The input: one byte of how (checksum mode, live, transports,
// a small hold, the first pass over a capture), then frames: a byte (link type; 0x40: 20 s later, 0x80: cut), two of length, the bytes. Checked
// beyond the sanitizers: layers lie inside the frame and in order, the ledger holds, no mbuf stays.
#include "../frames.h"
#include "base/senders.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint16_t links[16] = {1, 0, 108, 9, 104, 12, 14, 101, 113, 276, 228, 229, 1, 1, 1, 101};
	if (size < 1)
		return 0;
	struct frames t;
	uint8_t how = data[0];
	frames_open(&t, (struct path_config){.checksum = (how & 3) % 3,
					     .live = how & 4,
					     .transports = how >> 3 & 7,
					     .fragments = how & 64 ? 3 : 64});
	struct senders *senders = senders_new(64, 1);
	if (!senders)
		return 0;
	*(how & 0x80 ? &t.w.senders_pass : &t.w.senders) = senders;
	struct burst b = {0};
	for (size_t at = 1; at + 3 <= size;) {
		uint8_t kind = data[at];
		size_t len = RTE_MIN((size_t)be16(data + at + 1), size - at - 3);
		if (kind & 0x40)
			t.w.now_ns += 20000000000;
		b.m[b.n++] = frames_add(&t, data + at + 3, len, kind & 0x80 ? len + 1000 : len, links[kind & 15]);
		at += 3 + len;
		if (b.n == BURST_SIZE || at + 3 > size) {
			frames_walk(&t, &b);
			tx_burst(&t.w, &b);
			defrag_age(&t.w, t.w.now_ns);
		}
	}
	frames_close(&t);
	senders_free(senders);
	return 0;
}
