// SPDX-License-Identifier: BSD-3-Clause
//
// Frames of any link type through decap, parse and defrag, walked as path.c walks them. The input:
//
//	| link type: index 1 byte | settings 1 byte | frames: how 1 byte, length 2 bytes, what `how` asks for, bytes ...
//|
//
// settings: transports (bits 0-2), checksums (3-4), live (5), a first pass over a capture (6), a small hold (7).
// how: 1 the wire had more (a byte, times 8), 2 time passes (a byte, seconds), 4 the burst ends here, 8 the frame must
// also pass when it is cut (2 bytes: where), 16 the frame and the packet in it, which takes decap's long way, must be
// read alike.
//
// Checked beyond the sanitizers (in frames.h): layers lie inside the frame and in order, the ledger holds, no mbuf
// stays. And here: what passes whole passes cut, since a capture's cut is nobody's fault.
#include "../frames.h"
#include "base/senders.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FRAMES_MAX 4096

static struct frames t;

struct input {
	const uint8_t *p, *end;
};

static uint32_t number(struct input *in, unsigned n)
{
	uint32_t v = 0;
	for (; n; n--)
		v = v << 8 | (in->p < in->end ? *in->p++ : 0);
	return v;
}

static void leave(struct burst *b)
{
	frames_walk(&t, b);
	tx_burst(&t.w, b);
	while (defrag_age(&t.w, t.w.now_ns))
		;
}

// By itself: what becomes of it depends on nothing that came before. Fragments are not put together here.
static uint16_t reason_alone(const uint8_t *bytes, uint32_t len, uint32_t wire_len, uint16_t link_type)
{
	struct burst b = {.m = {frames_add(&t, bytes, len, wire_len, link_type)}, .n = 1};
	decap_burst(&t.w, &b);
	parse_burst(&t.w, &b);
	uint16_t reason = pkt_of(b.m[0])->reason;
	tx_burst(&t.w, &b);
	return reason;
}

static void must_pass_cut(const uint8_t *bytes, uint32_t len, uint32_t at, uint16_t link_type)
{
	if (len && !reason_alone(bytes, len, len, link_type) && reason_alone(bytes, at % len, len, link_type))
		frames_broken("passes whole, but not cut");
}

static void same_the_long_way(const uint8_t *bytes, uint32_t len)
{
	uint16_t type = len > 14 ? be16(bytes + 12) : 0;
	if (!(type == 0x0800 && bytes[14] >> 4 == 4) && !(type == 0x86dd && bytes[14] >> 4 == 6))
		return;
	struct burst b = {
		.m = {frames_add(&t, bytes, len, len, 1), frames_add(&t, bytes + 14, len - 14, len - 14, 101)}, .n = 2};
	decap_burst(&t.w, &b);
	const struct pkt *p = pkt_of(b.m[0]), *q = pkt_of(b.m[1]);
	if (p->decided != q->decided || p->nlayers != q->nlayers || ((p->flags ^ q->flags) & PKT_DEEPER))
		frames_broken("short way and long way differ");
	for (unsigned i = 0; i < p->nlayers; i++) {
		struct layer l = q->layer[i];
		l.l3 += 14;
		l.l4 += 14;
		l.payload += 14;
		if (memcmp(&l, &p->layer[i], sizeof(l)))
			frames_broken("short way and long way read another layer");
	}
	tx_burst(&t.w, &b);
}

static void step(struct input *in, struct burst *b, uint16_t link_type)
{
	uint8_t how = number(in, 1);
	uint32_t len = number(in, 2), more = how & 1 ? number(in, 1) * 8 : 0;
	if (how & 2)
		t.w.now_ns += number(in, 1) * 1000000000ull;
	uint32_t cut = how & 8 ? number(in, 2) : 0;
	len = RTE_MIN(len, (uint32_t)(in->end - in->p));
	if (how & 8)
		must_pass_cut(in->p, len, cut, link_type);
	if (how & 16)
		same_the_long_way(in->p, len);
	b->m[b->n++] = frames_add(&t, in->p, len, len + more, link_type);
	in->p += len;
	if (b->n == BURST_SIZE || (how & 4))
		leave(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint16_t links[] = {1, 0, 9, 12, 14, 101, 104, 108, 113, 228, 229, 276, 147};
	static struct senders *senders;
	struct input in = {data, data + size};
	struct burst b = {.n = 0};
	if (!senders && !(senders = senders_new(64, 1)))
		return 0;
	senders_clear(senders);
	uint16_t link_type = links[number(&in, 1) % RTE_DIM(links)];
	uint8_t bits = number(&in, 1);
	frames_open(&t, (struct path_config){.transports = bits & 7,
					     .checksum = (bits >> 3 & 3) % 3,
					     .live = bits & 32,
					     .fragments = bits & 128 ? 4 : 64});
	*(bits & 64 ? &t.w.senders_pass : &t.w.senders) = senders;
	while (in.p < in.end && t.w.rx < FRAMES_MAX)
		step(&in, &b, link_type);
	leave(&b);
	frames_close(&t);
	return 0;
}
