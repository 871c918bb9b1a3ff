// SPDX-License-Identifier: BSD-3-Clause
//
// A spool's segment or a cursor, of any bytes. The first byte says which and how it is made:
//
//   1     heads' checksums are made right, 2: frames', too, so that what is behind a checksum is met
//   4     a start reads it as a cursor, not as a segment
//   8     the rest is a program (see `make`): what the spool itself would write is made, and then changed
//   0x20  the file cannot be read, 0x40: it is shorter than was said
//   0xf0  a whole start over a folder with it, too
//
// Checked beyond the sanitizers: what is given has a right checksum and a form that faces can walk, positions grow, and
// it ends; of what was made and not changed all comes back, byte for byte.
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_hash_crc.h>

#include "base/log.h"
#include "ship/spool_disk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void mend(uint8_t *bytes, size_t len, bool frames)
{
	struct segment_head *h = (struct segment_head *)bytes;
	if (len < sizeof(*h))
		return;
	memcpy(h->magic, SEGMENT_MAGIC, sizeof(h->magic));
	h->version = SEGMENT_VERSION;
	h->layout = frame_layout();
	segment_head_stamp(h);
	for (size_t at = sizeof(*h); frames && len - at >= sizeof(struct frame);) {
		struct frame *f = (struct frame *)(bytes + at);
		if (frame_len(f) < sizeof(*f) || frame_len(f) & 7 || frame_len(f) > len - at)
			return;
		frame_stamp(f, h->crc);
		at += frame_len(f);
	}
}

// Each byte of each value, as a face would.
static void walk(const struct record *r)
{
	volatile uint8_t sum = 0;
	unsigned n = 0;
	RECORD_EACH(f, r) {
		n += f->field < FACT_COUNT;
		for (uint32_t i = 0; i < f->len; i++)
			sum = (uint8_t)(sum + f->value[i]);
	}
	if (n != r->nfacts)
		abort();
}

// -> frames that were given.
static unsigned read_all(struct scan *c, const struct segment_head *h)
{
	uint64_t pos = h->base, at = c->at;
	unsigned n = 0;
	for (const struct frame *f; (f = scan_next(c)); at = c->at, n++) {
		struct frame *copy = malloc(frame_len(f)); // behind its end nothing may be read
		memcpy(copy, f, frame_len(f));
		frame_stamp(copy, h->crc);
		if (copy->crc != f->crc || f->pos < pos || c->at <= at)
			abort();
		pos = f->pos + frame_counts(f);
		if (frame_counts(f))
			walk((const struct record *)copy->body);
		free(copy);
	}
	if (c->error > 0 || (c->error == 0 && c->at != c->end))
		abort();
	return n;
}

// -> frames that were given, -1: the head is not believed, or the file could not be made.
static int segment(const uint8_t *bytes, size_t len, uint8_t how)
{
	struct segment_head h;
	struct scan c;
	int fd = memfd_create("fuzz", 0), n = -1;
	if (len >= sizeof(h) && write(fd, bytes, len) == (ssize_t)len) {
		memcpy(&h, bytes, sizeof(h));
		if (segment_head_check(&h) == 0 && scan_open(&c, how & 0x20 ? -1 : fd, &h, len + (how & 0x40)) == 0) {
			n = (int)read_all(&c, &h);
			scan_close(&c);
		}
	}
	close(fd);
	return n;
}

// ---- what the spool would write ----------------------------------------------------------------------------------

#define IMAGE_ROOM (96 * 1024)

struct program {
	const uint8_t *at, *end;
	uint8_t *out;
	size_t len, last; // last: place of the last frame
	uint64_t pos;
	uint32_t seed;
	int frames; // -1: what was made is not what the spool makes
};

static unsigned take(struct program *p)
{
	return p->at < p->end ? *p->at++ : 0;
}

static unsigned take2(struct program *p)
{
	unsigned high = take(p);
	return high << 8 | take(p);
}

// As many of the program's bytes as are there, the rest zero.
static void take_bytes(struct program *p, void *to, size_t n)
{
	size_t have = (size_t)(p->end - p->at) < n ? (size_t)(p->end - p->at) : n;
	memset(to, 0, n);
	memcpy(to, p->at, have);
	p->at += have;
}

static void *body(struct program *p)
{
	return p->out + p->len + sizeof(struct frame);
}

static void put(struct program *p, unsigned class, size_t len)
{
	struct frame *f = (struct frame *)(p->out + p->len);
	frame_set(f, class, FRAME_LEN(len), p->pos);
	frame_stamp(f, p->seed);
	p->pos += frame_counts(f);
	p->last = p->len;
	p->len += frame_len(f);
	p->frames += p->frames >= 0;
}

static void put_begin(struct program *p)
{
	struct begin *b = body(p);
	if (p->len != sizeof(struct segment_head)) // the second is refused
		p->frames = -1;
	b->nworkers = take(p);
	b->node_len = take(p);
	size_t n = b->nworkers * sizeof(b->worker[0]) + b->node_len;
	take_bytes(p, b->worker, n);
	put(p, FRAME_BEGIN, sizeof(*b) + n);
}

static void put_meta(struct program *p)
{
	struct meta *m = body(p);
	m->key = take(p);
	m->standing = take(p) % (META_ENDS + 1);
	m->len = take(p);
	take_bytes(p, m->bytes, m->len);
	put(p, SPOOL_META, sizeof(*m) + m->len);
}

// Right facts: wrong ones are made by `change`.
static void put_record(struct program *p)
{
	struct record *r = body(p);
	unsigned class = take(p) % SPOOL_GAP, facts = take(p);
	*r = (struct record){.kind = RECORD_HTTP, .nfacts = facts, .len = sizeof(*r)};
	for (; facts; facts--) {
		struct fact *f = (struct fact *)((uint8_t *)r + r->len);
		unsigned field = take(p), len = take2(p) % 1024;
		*f = (struct fact){.field = (uint16_t)(FACT_NONE + 1 + field % (FACT_COUNT - 1)), .len = len};
		if (fact_types[f->field] == FACT_TYPE_NUM)
			f->len = sizeof(uint64_t);
		if (fact_types[f->field] == FACT_TYPE_IP)
			f->len = len & 1 ? 4 : 16;
		if (p->len + r->len + 2048 > IMAGE_ROOM || r->len + FACT_SIZE(f->len) > RECORD_MAX)
			break;
		take_bytes(p, f->value, f->len);
		r->len += FACT_SIZE(f->len);
	}
	r->nfacts -= (uint16_t)facts;
	put(p, class, r->len);
}

static void put_gap(struct program *p)
{
	unsigned cause = take(p) % GAP_CAUSE_COUNT, class = take(p) % (SPOOL_LOSABLE + 1), first = take(p), n = take(p);
	struct record r = frame_gap(cause, 1, class, first, first + n, n, 7);
	memcpy(body(p), &r, sizeof(r));
	put(p, SPOOL_GAP, sizeof(r));
}

// Two bytes of the last frame's become others, and its checksum is right again.
static void change(struct program *p)
{
	struct frame *f = (struct frame *)(p->out + p->last);
	unsigned at = take2(p), bytes = take2(p);
	if (p->len == p->last)
		return;
	if (at + 2u <= frame_len(f) - sizeof(*f))
		memcpy((uint8_t *)f->body + at, &bytes, 2);
	frame_stamp(f, p->seed);
	p->frames = -1;
}

// Its length and class become others.
static void change_head(struct program *p)
{
	uint32_t word = take2(p) << 8;
	word |= take(p);
	if (p->len > p->last)
		memcpy(p->out + p->last, &word, sizeof(word));
	p->last = p->len; // it is no frame any more
	p->frames = -1;
}

// An operation a byte, and its arguments.
static void make(struct program *p)
{
	struct segment_head h;
	segment_head_make(&h, 1, 1, 7);
	memcpy(p->out, &h, sizeof(h));
	p->len = p->last = sizeof(h);
	p->seed = h.crc;
	p->pos = h.base;
	static void (*const put_one[])(struct program *) = {put_begin, put_meta, put_record, put_gap, change};
	while (p->at < p->end && p->len + 8192 < IMAGE_ROOM) {
		unsigned op = take(p);
		if (op < sizeof(put_one) / sizeof(put_one[0]))
			put_one[op](p);
		else if (op == 0xff)
			change_head(p);
		else
			put(p, FRAME_END, 0);
	}
}

// -> bytes of it; they are freed.
static uint8_t *made(const uint8_t *program, size_t size, uint8_t how, size_t *len)
{
	struct program p = {.at = program, .end = program + size, .out = calloc(1, IMAGE_ROOM)};
	make(&p);
	int n = segment(p.out, p.len, how);
	if (how & 0x20 ? n > 0 : p.frames >= 0 && n != p.frames)
		abort();
	*len = p.len;
	return p.out;
}

// A whole start over a folder with these files.
static void folder(const uint8_t *bytes, size_t len, bool cursor)
{
	static const char *const sinks[] = {"a"};
	char error[SPOOL_ERROR], path[] = "/dev/shm/fuzz-spool.XXXXXX", name[96], state[SPOOL_STATE_MAX];
	uint32_t n;
	if (!mkdtemp(path))
		return;
	snprintf(name, sizeof(name), cursor ? "%s/a.cur" : "%s/00000000000000000001.seg", path);
	int fd = open(name, O_WRONLY | O_CREAT, 0600);
	if (fd < 0 || write(fd, bytes, len) != (ssize_t)len)
		abort();
	close(fd);
	struct spool_config c = {.path = path,
				 .max_bytes = 1 << 20,
				 .tail_bytes = 1 << 19,
				 .flush_ms = 1,
				 .sinks = sinks,
				 .nsinks = 1,
				 .workers = 2,
				 .boot = 2};
	struct spool *s = spool_open(&c, error);
	struct spool_reader *r = s ? spool_reader_open(s, "a", state, &n) : NULL;
	uint64_t pos = 0;
	if (r)
		spool_seek(r, 0);
	for (const struct spool_frame *f; r && (f = spool_next(r, 0));) {
		if (f->record && f->pos < pos)
			abort();
		pos = f->pos;
	}
	if (r)
		spool_reader_close(r);
	if (s)
		spool_close(s);
	static const char *const ends[] = {"00000000000000000001.seg", "00000000000000000001.seg.damaged", "a.cur",
					   "pid", "reserve.tmp"};
	for (unsigned i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		snprintf(name, sizeof(name), "%s/%s", path, ends[i]);
		unlink(name);
	}
	rmdir(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool quiet;
	if (!quiet)
		log_set(NULL, "error"), log_set("ship", "error");
	quiet = true;
	if (size < 2)
		return 0;
	uint8_t how = data[0], *bytes;
	size_t len = size - 1;
	if (how & 8) {
		bytes = made(data + 1, len, how, &len);
	} else {
		bytes = aligned_alloc(64, (size + 63) & ~63ull);
		memcpy(bytes, data + 1, len);
		if (how & 1)
			mend(bytes, len, how & 2);
		segment(bytes, len, how);
	}
	if ((how & 0xf0) == 0xf0) // a start costs as much as a thousand segments
		folder(bytes, len, how & 4);
	free(bytes);
	return 0;
}
