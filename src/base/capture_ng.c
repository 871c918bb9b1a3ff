// SPDX-License-Identifier: BSD-3-Clause
//
// A filter on the bytes of a pcapng file (draft-ietf-opsawg-pcapng). In: blocks. Out: the same blocks, in which the
// descriptions of all interfaces have the link type and snap length of the first; and for each packet block the link
// type that it really has. Everything else (options, time resolutions, names) passes as it is, and so does what is no
// block: to judge it is libpcap's. On the thread that reads; bounded: what the reader has not taken yet is what its
// stdio buffer holds.
// Rejected: a pcapng reader of our own (options, resolutions, sections: all of it is in libpcap); mergecap first.
#include "base/capture_ng.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define SECTION 0x0a0d0d0au
#define ORDER 0x1a2b3c4du
#define INTERFACES 256 // a section; later ones count as the first
#define RUNS 4096      // packets of changing type in the reader's buffer of 8 KiB: at most 8192 / 12

enum block { INTERFACE = 1, PACKET = 2, SIMPLE = 3, ENHANCED = 6 };

struct run {
	uint16_t link_type;
	uint32_t packets;
};

struct capture_ng {
	FILE *below;
	bool swapped, raw; // raw: no blocks any more
	bool any;          // an interface has been seen; the first's:
	uint16_t first_link;
	uint32_t first_snap;
	uint16_t links[INTERFACES]; // of the section
	unsigned ninterfaces;
	uint8_t head[20]; // of a block, to be given out: head[at .. n)
	unsigned at, n;
	uint32_t left; // of the block, behind its head
	struct run runs[RUNS];
	unsigned begin, end;
};

static uint32_t load32(const struct capture_ng *n, unsigned at)
{
	uint32_t v;
	memcpy(&v, n->head + at, 4);
	return n->swapped ? __builtin_bswap32(v) : v;
}

static uint16_t load16(const struct capture_ng *n, unsigned at)
{
	uint16_t v;
	memcpy(&v, n->head + at, 2);
	return n->swapped ? __builtin_bswap16(v) : v;
}

static void interface(struct capture_ng *n)
{
	uint16_t link = load16(n, 8);
	if (n->ninterfaces < INTERFACES)
		n->links[n->ninterfaces++] = link;
	if (!n->any) {
		n->any = true;
		n->first_link = link;
		memcpy(&n->first_snap, n->head + 12, 4);
		return;
	}
	uint16_t as = n->swapped ? __builtin_bswap16(n->first_link) : n->first_link;
	memcpy(n->head + 8, &as, 2);
	memcpy(n->head + 12, &n->first_snap, 4);
}

// False: there is no room to remember it.
static bool packet(struct capture_ng *n, uint32_t id)
{
	uint16_t link = id < n->ninterfaces ? n->links[id] : n->first_link;
	struct run *last = &n->runs[(n->end - 1) % RUNS];
	if (n->begin != n->end && last->link_type == link) {
		last->packets++;
		return true;
	}
	if (n->end - n->begin == RUNS)
		return false;
	n->runs[n->end++ % RUNS] = (struct run){link, 1};
	return true;
}

// Reads up to `to` bytes of the block's head.
static bool more(struct capture_ng *n, unsigned to)
{
	n->n += fread(n->head + n->n, 1, to - n->n, n->below);
	n->raw |= n->n < to;
	return !n->raw;
}

// The next block's head, with what has to be changed in it. False: the reader must stop here.
static bool next_block(struct capture_ng *n)
{
	uint32_t magic;
	n->at = n->n = 0;
	if (!more(n, 8))
		return true;
	memcpy(&magic, n->head, 4);
	if (magic == SECTION) { // the same in both byte orders
		if (!more(n, 12))
			return true;
		memcpy(&magic, n->head + 8, 4);
		bool swapped = magic == __builtin_bswap32(ORDER);
		if (n->any && swapped != n->swapped) // kept as the file has it
			n->first_snap = __builtin_bswap32(n->first_snap);
		n->swapped = swapped;
		n->ninterfaces = 0;
	}
	uint32_t type = load32(n, 0), len = load32(n, 4);
	unsigned want = type == INTERFACE ? 16 : type == ENHANCED || type == PACKET ? 12 : n->n;
	if (len < want + 4 || len % 4) {
		n->raw = true;
		return true;
	}
	if (!more(n, want))
		return true;
	n->left = len - n->n;
	if (type == INTERFACE)
		interface(n);
	else if (type == ENHANCED)
		return packet(n, load32(n, 8));
	else if (type == PACKET)
		return packet(n, load16(n, 8));
	else if (type == SIMPLE)
		return packet(n, 0);
	return true;
}

static ssize_t ng_read(void *cookie, char *p, size_t len)
{
	struct capture_ng *n = cookie;
	if (n->at == n->n && n->left == 0 && !n->raw && !next_block(n))
		return -1;
	if (n->at < n->n) {
		size_t part = n->n - n->at < len ? n->n - n->at : len;
		memcpy(p, n->head + n->at, part);
		n->at += part;
		return part;
	}
	size_t got = fread(p, 1, n->raw || len < n->left ? len : n->left, n->below);
	n->left -= n->raw ? 0 : got;
	return got;
}

static int ng_close(void *cookie)
{
	struct capture_ng *n = cookie;
	int rc = fclose(n->below);
	free(n);
	return rc;
}

struct capture_ng *capture_ng_begin(FILE **stream)
{
	struct capture_ng *n = calloc(1, sizeof(*n));
	FILE *above = n ? fopencookie(n, "r", (cookie_io_functions_t){.read = ng_read, .close = ng_close}) : NULL;
	if (!above) {
		free(n);
		return NULL;
	}
	n->below = *stream;
	*stream = above;
	return n;
}

uint16_t capture_ng_next(struct capture_ng *n)
{
	if (n->begin == n->end)
		return n->first_link;
	struct run *r = &n->runs[n->begin % RUNS];
	uint16_t link = r->link_type;
	if (--r->packets == 0)
		n->begin++;
	return link;
}
