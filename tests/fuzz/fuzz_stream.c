// SPDX-License-Identifier: BSD-3-Clause
//
// The input is a program of segments: what a sender that means harm, a receiver that acknowledges, and a parser do,
// in any order. The oracle: whatever overlap policy a receiver has, of what left the room it reassembles the
// bytes that the parser was shown. Every third program is of an open flow: what is beyond the line waits, the parser
// moves the line, and no byte leaves that lies beyond it. Some programs are of a flow that is seen from its midst on,
// so that what comes first need not be what stands first. Policies after Ptacek and Newsham (1998) and Novak and
// Sturges (2007).
#include <stdio.h>

#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "../segments.h"
#include "base/be.h"
#include "path/hold.h"
#include "path/stream_pool.h"

#define SPACE (1u << 17) // offsets of the program's stream
#define DIR 0
#define GIVEN_MAX (4 * SPACE) // bytes sent in one program: longer ones find no more, and take half a second each

enum policy { POLICY_FIRST, POLICY_LAST, POLICY_BSD, POLICY_LINUX, POLICIES };

static struct segments t;
static struct segment_out out;
static bool opened;

// Receivers: bytes below `next` are delivered and final; above it lies the queue of what came out of order.
static struct receiver {
	uint8_t byte[SPACE], have[SPACE];
	uint32_t begin[SPACE]; // of the segment that the byte came in: what BSD and Linux go by
	uint32_t next;
} receivers[POLICIES];
static uint8_t shown[SPACE], shown_have[SPACE];
static uint32_t fin_at, top, given;  // top: no byte was sent from here on
static bool differing, cutting;      // never both: what nobody captured cannot be compared
static bool losing;                  // some segment was lost between the room and the receivers
static struct stream_pool *pools[2]; // plenty of chunks, and few
static bool holding;                 // the flow is open: verdicts are what `parse` says
static bool midstream;               // its SYN was not seen: the program's first segment is at MIDST
#define MIDST 20000

static void broken(const char *what, uint32_t at)
{
	fprintf(stderr, "stream: %s at %u\n", what, at);
	abort();
}

static uint8_t truth(uint32_t at, uint8_t variant)
{
	return (uint8_t)((at * 2654435761u >> 21) ^ variant);
}

static bool takes(enum policy y, const struct receiver *r, uint32_t o, uint32_t at)
{
	switch (y) {
	case POLICY_FIRST:
		return false;
	case POLICY_LAST:
		return true;
	case POLICY_BSD:
		return at < r->begin[o];
	default:
		return at <= r->begin[o];
	}
}

static void receive(uint32_t at, uint32_t len, const uint8_t *data)
{
	for (enum policy y = 0; y < POLICIES; y++) {
		struct receiver *r = &receivers[y];
		for (uint32_t i = 0; i < len; i++) {
			uint32_t o = at + i;
			if (o < r->next || o >= fin_at || (r->have[o] && !takes(y, r, o, at)))
				continue;
			r->byte[o] = data[i];
			r->have[o] = 1;
			r->begin[o] = at;
		}
		while (r->next < top && r->have[r->next])
			r->next++;
	}
}

// The program's offset of the stream's offset 0.
static uint32_t origin(void)
{
	const struct stream *st = stream_of(&t.w, &t.f);
	if (!midstream || !st || !(st->side[DIR].flags & (STREAM_BASED | STREAM_ASKED)))
		return midstream ? MIDST : 0;
	return st->side[DIR].base_seq - (t.isn[DIR] + 1);
}

// The lists are sound: ascending, sums right, marks where they belong.
static void check_chain(void)
{
	const struct stream *st = stream_of(&t.w, &t.f);
	if (!st)
		return;
	const struct stream_side *s = &st->side[DIR];
	uint32_t n = 0, kept = 0, history = 0, parse = 0, prev = 0;
	uint64_t end = 0;
	for (uint32_t i = s->head; i; i = t.w.streams->chunks[i].next) {
		const struct chunk *c = &t.w.streams->chunks[i];
		if (c->prev != prev || c->len == 0 || (prev && c->start < end))
			broken("list out of order", (uint32_t)c->start);
		end = chunk_end(c);
		if (end <= s->parsed)
			history += c->len;
		else if (!parse)
			parse = i;
		kept += c->len;
		prev = i;
		n++;
	}
	if (s->tail != prev || n != s->nchunks || kept != s->kept || history != s->history || parse != s->parse)
		broken("sums of the list", n);
	if (s->fill && chunk_end(&t.w.streams->chunks[s->fill]) != s->next)
		broken("fill", (uint32_t)s->next);
	if (s->parsed > s->next || n > STREAM_CHUNKS_MAX || s->history > STREAM_HISTORY_MAX + CHUNK_ROOM)
		broken("bounds", n);
}

static void look(uint32_t at, const uint8_t *data, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++) {
		uint32_t o = at + i;
		if (o >= top || (shown_have[o] && shown[o] != data[i]))
			broken("shown otherwise before", o);
		shown[o] = data[i];
		shown_have[o] = 1;
	}
}

static void compare(void)
{
	for (enum policy y = 0; y < POLICIES; y++)
		for (uint32_t o = 0; o < top; o++)
			if (shown_have[o] && (receivers[y].have[o] ? receivers[y].byte[o] != shown[o] : !losing))
				broken(receivers[y].have[o] ? "receiver has another byte" : "shown, but never left", o);
}

// Of an open flow nothing leaves that was not judged.
static void check_line(uint32_t at, uint32_t len)
{
	if (holding && len && at + len > stream_line(&t.w, &t.f, DIR))
		broken("left before it was judged", at);
}

// What hold.c has let go.
static void released(void)
{
	struct exit e;
	while (rte_ring_sc_dequeue_elem(t.w.exits, &e, sizeof(e)) == 0) {
		if (!e.m)
			continue;
		const uint8_t *d = pkt_data(e.m);
		uint32_t len = rte_pktmbuf_data_len(e.m) - SEGMENTS_PAYLOAD;
		uint32_t at = be32(d + SEGMENTS_L4 + 4) - t.isn[DIR] - 1;
		check_line(at, len);
		receive(at, len, d + SEGMENTS_PAYLOAD);
		if (d[SEGMENTS_L4 + 13] & RTE_TCP_FIN_FLAG)
			fin_at = at + len;
		rte_pktmbuf_free(e.m);
	}
}

// variant: how it differs from the stream's bytes; LOST: it does not reach the receivers.
#define LOST 0x20
static void give(uint32_t at, uint32_t len, uint8_t variant, uint8_t bits)
{
	static uint8_t bytes[SPACE];
	struct segment_in in = {.at = at, .data = bytes, .len = len, .tcp_flags = RTE_TCP_ACK_FLAG};
	const struct stream *st = stream_of(&t.w, &t.f);
	uint64_t highest = origin() + (st ? st->side[DIR].highest : 0);
	bool lost = (variant & LOST) && !holding;
	variant = cutting || midstream ? 0 : variant & ~LOST; // receivers of a midst know nothing final
	top = RTE_MAX(top, at + len);
	given += len;
	for (uint32_t i = 0; i < len; i++)
		bytes[i] = truth(at + i, variant);
	if ((bits & 1) && !differing && !holding && variant == 0)
		in.cut = len / 2;
	cutting |= in.cut != 0;
	if ((bits & 6) == 6 && (st || len) && at + len >= highest && fin_at == SPACE)
		in.tcp_flags |= RTE_TCP_FIN_FLAG;
	if ((bits & 24) == 24)
		in.pkt_flags |= PKT_NO_EVIDENCE;
	if ((bits & 96) == 96 && !holding) // its fragments are told apart elsewhere
		in.pkt_flags |= PKT_VIRTUAL;
	if (bits & 128) {
		in.tcp_flags |= RTE_TCP_URG_FLAG;
		in.urgent = (uint16_t)(len / 2);
	}
	differing |= variant != 0;
	segments_send(&t, &in, &out);
	if (!out.csum_ok)
		broken("checksum", at);
	if ((out.flags & PKT_REWRITTEN) && !differing && !(in.tcp_flags & RTE_TCP_URG_FLAG))
		broken("clean segment rewritten", at);
	if (holding)
		released();
	if ((out.flags & PKT_HELD) || out.reason || (in.pkt_flags & PKT_NO_EVIDENCE))
		return;
	check_line(at, len);
	losing |= lost;
	if (lost)
		return;
	if (in.cut) // the wire carried all of it
		memcpy(out.data, bytes, len);
	receive(at, len, out.data);
	if (in.tcp_flags & RTE_TCP_FIN_FLAG)
		fin_at = at + len;
}

static void parse(uint8_t how, uint32_t n)
{
	struct stream_view v;
	if (!stream_view(&t.w, &t.f, DIR, &v))
		return;
	if (v.len) {
		struct origin o = stream_origin(&t.w, &t.f, DIR, v.offset + n % v.len, 1);
		if (o.frame == 0 || o.frame > t.frame || o.off < SEGMENTS_L4)
			broken("origin", (uint32_t)v.offset);
	}
	n = how & 1 ? v.len : RTE_MIN(n, v.len);
	look(origin() + (uint32_t)v.offset, v.data, n); // what is skipped instead is no evidence
	stream_consume(&t.w, &t.f, DIR, n);
	if (!holding)
		return;
	if (!(how & 2))
		stream_let_parsed(&t.w, &t.f, DIR);
	hold_settle(&t.w, &t.f);
	released();
}

static void begin(uint32_t isn)
{
	if (!opened) {
		segments_open(&t, 0, 0, 1024);
		pools[0] = t.w.streams;
		t.config.chunks = 12;
		if (stream_init(&t.w) < 0)
			abort();
		pools[1] = t.w.streams;
		t.config.held = 40; // of 63 frames
		t.config.hold_bytes = 16384;
		t.config.hold_ns = 10000000000;
		t.config.fail.hold_exceeded = HOLD_PASS;
		t.config.fail.memory_open = true;
		t.w.exits = rte_ring_create_elem("left", sizeof(struct exit), 1024, SOCKET_ID_ANY,
						 RING_F_SP_ENQ | RING_F_SC_DEQ);
		if (!t.w.exits || hold_init(&t.w) < 0)
			abort();
	}
	opened = true;
	t.w.streams = pools[isn % 5 == 1];
	for (enum policy y = 0; y < POLICIES; y++) {
		memset(receivers[y].have, 0, top);
		receivers[y].next = 0;
	}
	memset(shown_have, 0, top);
	top = given = 0;
	memset(&t.f.side, 0, sizeof(t.f.side));
	holding = isn % 3 == 2;
	t.f.flags = holding ? FLOW_APP_DONE : 0; // nobody but this program reads
	midstream = !holding && isn % 7 == 3;
	if (midstream)
		t.f.flags |= FLOW_MIDSTREAM;
	t.f.policy = holding ? POLICY_JUDGED | POLICY_OPEN : 0;
	fin_at = SPACE;
	differing = cutting = losing = false;
	t.frame = 0;
	t.isn[0] = isn;
	for (unsigned d = 0; d < 2; d++) {
		t.f.side[d].isn = t.isn[d];
		t.f.side[d].flags = midstream ? SIDE_SEEN : SIDE_SEEN | SIDE_SYN;
	}
}

static uint32_t number(const uint8_t **p, const uint8_t *end, unsigned n)
{
	uint32_t v = 0;
	for (; n && *p < end; n--)
		v = v << 8 | *(*p)++;
	return v;
}

static void step(const uint8_t **p, const uint8_t *end)
{
	struct stream *st = stream_of(&t.w, &t.f);
	uint8_t op = number(p, end, 1);
	uint32_t highest = origin() + (st ? (uint32_t)st->side[DIR].highest : 0);
	uint32_t next = origin() + (st ? (uint32_t)st->side[DIR].next : 0);
	uint32_t at = next, len;
	switch (op & 7) {
	case 0: // in order
		break;
	case 1: // somewhat before
		at = next - RTE_MIN(next, number(p, end, 2));
		break;
	case 2: // behind a hole
		at = highest + number(p, end, 1);
		break;
	case 3: // near the end of all
		at = highest - RTE_MIN(highest, number(p, end, 1));
		break;
	case 4:
		parse(op >> 3, number(p, end, 2));
		return;
	case 5:
		for (unsigned n = op >> 3; n; n--) // many small ones
			if (highest + 2 * n < SPACE)
				give(highest + 2 * n, 1, 0, 0);
		return;
	case 6: {
		struct segment_in in = {
			.dir = !DIR, .tcp_flags = RTE_TCP_ACK_FLAG, .ack = midstream ? MIDST : receivers[0].next};
		in.ack -= RTE_MIN(in.ack, (uint32_t)(op >> 3));
		segments_send(&t, &in, &out);
		return;
	}
	default:
		if (op >> 3 == 0) { // what comes after a RST may have been sent before it
			struct segment_in in = {
				.dir = number(p, end, 1) & 1, .at = highest, .tcp_flags = RTE_TCP_RST_FLAG};
			segments_send(&t, &in, &out);
		} else if (op >> 3 == 1)
			stream_stop(&t.w, &t.f, DIR);
		else if (op >> 3 == 2 && holding) {
			t.w.now_ns += number(p, end, 1) * 100000000ull;
			hold_age(&t.w, t.w.now_ns);
			released();
		} else if (op >> 3 < 8)
			stream_skip(&t.w, &t.f, DIR, number(p, end, 2));
		else if (op >> 3 < 12)
			stream_flush(&t.w, &t.f, DIR);
		else
			stream_need(&t.w, &t.f, DIR, number(p, end, 2));
		return;
	}
	len = number(p, end, 2) % 9000;
	if (at >= SPACE - 1 || at + len >= SPACE)
		return;
	uint8_t variant = number(p, end, 1);
	give(at, len, variant & 0xc0 ? 0 : variant, op >> 3 == 31 ? number(p, end, 1) : 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *p = data, *end = data + size;
	begin(number(&p, end, 4));
	for (unsigned n = 0; p < end && n < 2000 && given < GIVEN_MAX; n++) {
		step(&p, end);
		check_chain();
	}
	for (unsigned n = 0; n < 2 * STREAM_CHUNKS_MAX; n++) { // the flow ends
		parse(1, 0);
		parse(1, 0);
		if (!stream_flush(&t.w, &t.f, DIR))
			break;
		check_chain();
	}
	if (holding) {
		stream_let_all(&t.w, &t.f, DIR);
		hold_release(&t.w, &t.f, UINT64_MAX);
		released();
	}
	compare();
	stream_end(&t.w, &t.f);
	const struct record *r;
	while ((r = record_peek(t.w.records)))
		record_done(t.w.records, r);
	return 0;
}
