// SPDX-License-Identifier: BSD-3-Clause
//
// HPACK (RFC 7541), the reading half. In come whole header blocks of one direction, in their order; out go fields, and
// the dynamic table, of fixed size, moves on. Pure functions over their arguments; each byte of a block is looked at
// once. A block that is refused leaves a table of which nothing is known: no later block can be read.
//
// Rejected: nghttp2's inflater. It takes three blocks of memory a field, of 33 to 120,041 bytes, and frees them in any
// order: measured with small fields 364 blocks and 21 KB for a table of 4 KiB, 1,447 and 83 KB for one of 16 KiB.
// Behind it the path would need an allocator for any size, and how many connections fit would depend on what each of
// them says. Here a table is 20 KB, always. The unit tests hold the two readings against each other.
#include "hpack.h"

#include <rte_common.h>

#include "hpack_table.h"

#define OVERHEAD 32 // of an entry: 4.1

void hpack_start(struct hpack *h, uint32_t allowed)
{
	h->allowed = allowed;
	h->max = HPACK_TABLE_FIRST;
	h->size = h->newest = h->count = h->head = 0;
}

// ---- the table (2.3.2, 4) ------------------------------------------------------------------------------------------

static struct hpack_entry *entry(struct hpack *h, uint32_t age)
{
	return &h->entry[(h->newest + HPACK_ENTRIES_MAX - age) % HPACK_ENTRIES_MAX];
}

static void evict(struct hpack *h, uint32_t to)
{
	while (h->size > to) {
		const struct hpack_entry *e = entry(h, --h->count);
		h->size -= OVERHEAD + e->name + e->value;
	}
}

static void store(struct hpack *h, struct http_span s)
{
	uint32_t end = RTE_MIN(s.len, HPACK_TABLE_MAX - h->head);
	memcpy(h->bytes + h->head, s.p, end);
	memcpy(h->bytes, s.p + end, s.len - end);
	h->head = (h->head + s.len) % HPACK_TABLE_MAX;
}

static void insert(struct hpack *h, const struct hpack_field *f)
{
	uint32_t size = OVERHEAD + f->name.len + f->value.len;
	evict(h, size < h->max ? h->max - size : 0);
	if (size > h->max) // 4.4: no error
		return;
	h->newest = (h->newest + 1) % HPACK_ENTRIES_MAX;
	h->count++;
	h->size += size;
	*entry(h, 0) = (struct hpack_entry){(uint16_t)h->head, (uint16_t)f->name.len, (uint16_t)f->value.len};
	store(h, f->name);
	store(h, f->value);
}

// ---- the block (5, 6), into the text -------------------------------------------------------------------------------

static bool fail(struct hpack_block *b, enum hpack_step s)
{
	b->fault = s;
	return false;
}

static bool put(struct hpack_block *b, const void *p, uint32_t n)
{
	if (n > b->room - b->used)
		return fail(b, HPACK_LONG);
	memcpy(b->out + b->used, p, n);
	b->used += n;
	return true;
}

// Name (0) or value (1) of entry i, from 1.
static bool put_entry(struct hpack *h, struct hpack_block *b, uint32_t i, unsigned part)
{
	if (i == 0 || i - 1 >= FIXED + h->count)
		return fail(b, HPACK_BAD);
	if (i > FIXED) {
		const struct hpack_entry *e = entry(h, i - FIXED - 1);
		uint32_t at = (e->at + (part ? e->name : 0u)) % HPACK_TABLE_MAX, n = part ? e->value : e->name;
		uint32_t end = RTE_MIN(n, HPACK_TABLE_MAX - at);
		return put(b, h->bytes + at, end) && put(b, h->bytes, n - end);
	}
	const char *p = hpack_fixed(2 * (i - 1) + part);
	return put(b, p, (uint32_t)(strchr(p, '\n') - p));
}

// 5.2. What is left at the end is the beginning of the code for the end, and less than a byte.
static bool put_decoded(struct hpack_block *b, const uint8_t *p, uint32_t n)
{
	uint32_t code = 0, first = 0, index = 0, bits = 0; // first: of the codes of so many bits; index: its meaning
	for (uint32_t i = 0; i < 8 * n; i++) {
		code = code << 1 | (p[i / 8] >> (7 - i % 8) & 1);
		first <<= 1;
		bits++;
		if (code - first >= codes[bits]) {
			first += codes[bits];
			index += codes[bits];
			continue;
		}
		index += code - first;
		if (index == END_OF_STRING)
			return fail(b, HPACK_BAD);
		if (!put(b, &meaning[index], 1))
			return false;
		code = first = index = bits = 0;
	}
	return (bits < 8 && code == (1u << bits) - 1) || fail(b, HPACK_BAD);
}

// 5.1
static bool integer(struct hpack_block *b, unsigned prefix, uint32_t *n)
{
	uint64_t most = (1u << prefix) - 1;
	if (b->at == b->len)
		return fail(b, HPACK_BAD);
	uint64_t v = b->p[b->at++] & most;
	bool more = v == most;
	for (unsigned shift = 0; more && shift < 35 && b->at < b->len; shift += 7) {
		v += (uint64_t)(b->p[b->at] & 0x7f) << shift;
		more = b->p[b->at++] & 0x80;
	}
	*n = (uint32_t)v;
	return (!more && v <= INT32_MAX) || fail(b, HPACK_BAD);
}

static bool string(struct hpack_block *b)
{
	bool coded = b->at < b->len && (b->p[b->at] & 0x80);
	uint32_t n;
	if (!integer(b, 7, &n) || n > b->len - b->at)
		return fail(b, HPACK_BAD);
	b->at += n;
	return coded ? put_decoded(b, b->p + b->at - n, n) : put(b, b->p + b->at - n, n);
}

// 6.3, and 4.2: only where a block begins.
static bool resize(struct hpack *h, struct hpack_block *b)
{
	uint32_t n;
	if (!integer(b, 5, &n) || b->begun || n > h->allowed)
		return fail(b, HPACK_BAD);
	if (n > HPACK_TABLE_MAX)
		return fail(b, HPACK_BIG);
	h->max = n;
	evict(h, n);
	return true;
}

enum hpack_step hpack_next(struct hpack *h, struct hpack_block *b, struct hpack_field *f)
{
	uint32_t i, name = b->used;
	while (b->at < b->len && (b->p[b->at] & 0xe0) == 0x20)
		if (!resize(h, b))
			return b->fault;
	if (b->at == b->len)
		return HPACK_END;
	bool indexed = b->p[b->at] & 0x80, kept = (b->p[b->at] & 0xc0) == 0x40;
	b->begun = true;
	if (!integer(b, indexed ? 7 : kept ? 6 : 4, &i) || !(indexed || i ? put_entry(h, b, i, 0) : string(b)))
		return b->fault;
	f->name = (struct http_span){b->out + name, b->used - name};
	uint32_t value = b->used + 2;
	if (!put(b, ": ", 2) || !(indexed ? put_entry(h, b, i, 1) : string(b)))
		return b->fault;
	f->value = (struct http_span){b->out + value, b->used - value};
	if (kept)
		insert(h, f);
	return put(b, "\n", 1) ? HPACK_FIELD : b->fault;
}
