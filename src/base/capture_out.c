// SPDX-License-Identifier: BSD-3-Clause
//
// Writes pcap (draft-ietf-opsawg-pcap): a file header, then for each frame 16 bytes of record header and its bytes.
// For an input that was a classic pcap, header, byte order and resolution are the input's: a frame that the corridor
// did not touch gives the same bytes again. Blocks of 1 MiB go to write(2) directly, so that a full disk is known
// where it happens. Runs on the thread that drains the exits.
// What was a pcapng becomes one (draft-ietf-opsawg-pcapng): a section, an interface for each link type, in nanoseconds,
// and the packets; names, comments and counters of the input are not kept.
// Rejected: pcap_dump (always our byte order, no errors before the end, one link type a file).
#include "base/capture_out.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK (1024 * 1024)
#define LINKS 16 // there are 12 that we read; one that we do not know leaves as it came

struct capture_out {
	int fd, error;
	bool swapped, nanoseconds, ng;
	uint16_t link_type;
	uint16_t links[LINKS]; // of a pcapng: its interfaces
	unsigned nlinks;
	uint64_t left_out;
	size_t len;
	uint8_t block[BLOCK];
};

static void flush(struct capture_out *o)
{
	size_t at = 0;
	while (at < o->len && !o->error) {
		ssize_t n = write(o->fd, o->block + at, o->len - at);
		if (n > 0)
			at += n;
		else if (n == 0 || errno != EINTR)
			o->error = n == 0 ? -EIO : -errno;
	}
	o->len = 0;
}

static void put(struct capture_out *o, const void *p, size_t n)
{
	while (n) {
		size_t part = RTE_MIN(n, BLOCK - o->len);
		memcpy(o->block + o->len, p, part);
		o->len += part;
		p = (const uint8_t *)p + part;
		n -= part;
		if (o->len == BLOCK)
			flush(o);
	}
}

static uint32_t order(const struct capture_out *o, uint32_t v)
{
	return o->swapped ? __builtin_bswap32(v) : v;
}

// Number of the interface with this link type, which is described first where it is new. LINKS: there are too many.
static unsigned interface_of(struct capture_out *o, uint16_t link_type)
{
	unsigned i = 0;
	while (i < o->nlinks && o->links[i] != link_type)
		i++;
	if (i < o->nlinks || i == LINKS)
		return i;
	o->links[o->nlinks++] = link_type;
	// if_tsresol (9), 1 byte: 10^-9 s; then the end of options
	uint32_t block[] = {1, 32, link_type, CAPTURE_SNAPLEN_MAX, 9 | 1 << 16, 9, 0, 32};
	put(o, block, sizeof(block));
	return i;
}

static void put_file_header(struct capture_out *o, const struct capture_format *f)
{
	uint8_t header[24] = {0};
	uint32_t magic = 0xa1b23c4d, snaplen = CAPTURE_SNAPLEN_MAX, link = f->link_type;
	uint16_t version[2] = {2, 4};
	if (f->header_len) {
		put(o, f->header, f->header_len);
		return;
	}
	if (o->ng) {
		uint32_t section[] = {0x0a0d0d0a, 28, 0x1a2b3c4d, 1, UINT32_MAX, UINT32_MAX, 28}; // version 1.0
		put(o, section, sizeof(section));
		interface_of(o, f->link_type); // first here too
		return;
	}
	memcpy(header, &magic, 4);
	memcpy(header + 4, version, 4);
	memcpy(header + 16, &snaplen, 4);
	memcpy(header + 20, &link, 4);
	put(o, header, sizeof(header));
}

struct capture_out *capture_out_open(const char *path, const struct capture_format *f)
{
	struct capture_out *o = malloc(sizeof(*o));
	if (!o)
		return NULL;
	o->fd = strcmp(path, "-") ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : STDOUT_FILENO;
	if (o->fd < 0) {
		free(o);
		return NULL;
	}
	o->error = 0;
	o->len = 0;
	o->left_out = 0;
	o->link_type = f->link_type;
	o->swapped = f->header_len && f->swapped;
	o->nanoseconds = !f->header_len || f->nanoseconds;
	o->ng = !f->header_len && f->pcapng;
	o->nlinks = 0;
	put_file_header(o, f);
	return o;
}

// options: bytes of what stands behind the frame.
static bool put_header(struct capture_out *o, uint16_t link_type, uint64_t stamp_ns, uint32_t len, uint32_t wire_len,
		       uint32_t options)
{
	unsigned interface = o->ng ? interface_of(o, link_type) : 0;
	if (o->ng ? interface == LINKS : link_type != o->link_type) {
		o->left_out++;
		return false;
	}
	if (o->error)
		return false;
	if (o->ng) {
		uint32_t all = 32 + RTE_ALIGN(len, 4) + options;
		uint32_t head[] = {6, all, interface, stamp_ns >> 32, stamp_ns, len, wire_len};
		put(o, head, sizeof(head));
		return true;
	}
	uint32_t fraction = stamp_ns % 1000000000u;
	uint32_t head[4] = {order(o, stamp_ns / 1000000000u), order(o, o->nanoseconds ? fraction : fraction / 1000),
			    order(o, len), order(o, wire_len)};
	put(o, head, sizeof(head));
	return true;
}

static void pad(struct capture_out *o, uint32_t len)
{
	uint32_t padding = 0;
	put(o, &padding, RTE_ALIGN(len, 4) - len);
}

static void put_end(struct capture_out *o, uint32_t len, uint32_t options)
{
	uint32_t all = 32 + RTE_ALIGN(len, 4) + options;
	if (o->ng)
		put(o, &all, 4);
}

void capture_out_frame(struct capture_out *o, const struct rte_mbuf *m)
{
	const struct pkt *p = pkt_of((struct rte_mbuf *)(uintptr_t)m);
	uint32_t len = rte_pktmbuf_pkt_len(m);
	if (!put_header(o, p->link_type, p->stamp_ns, len, p->wire_len, 0))
		return;
	for (; m; m = m->next)
		put(o, rte_pktmbuf_mtod(m, const void *), m->data_len);
	if (o->ng)
		pad(o, len);
	put_end(o, len, 0);
}

void capture_out_record(struct capture_out *o, const struct capture_record *r)
{
	capture_out_said(o, r, NULL, 0);
}

// An option is its code (opt_comment is 1), its length and its bytes, padded; the last has code 0.
void capture_out_said(struct capture_out *o, const struct capture_record *r, const char *const *comments, unsigned n)
{
	uint32_t options = n ? 4 : 0, last = 0;
	for (unsigned i = 0; i < n; i++)
		options += 4 + RTE_ALIGN((uint32_t)strlen(comments[i]), 4);
	if (!put_header(o, r->link_type, r->stamp_ns, r->len, r->wire_len, options))
		return;
	put(o, r->data, r->len);
	if (o->ng)
		pad(o, r->len);
	for (unsigned i = 0; i < n; i++) {
		uint32_t len = (uint32_t)strlen(comments[i]), head = 1 | len << 16;
		put(o, &head, 4);
		put(o, comments[i], len);
		pad(o, len);
	}
	if (n)
		put(o, &last, 4);
	put_end(o, r->len, options);
}

struct capture_record *capture_record_of(const struct rte_mbuf *m)
{
	const struct pkt *p = pkt_of((struct rte_mbuf *)(uintptr_t)m);
	struct capture_record *r = malloc(sizeof(*r) + rte_pktmbuf_pkt_len(m));
	if (!r)
		return NULL;
	r->stamp_ns = p->stamp_ns;
	r->wire_len = p->wire_len;
	r->link_type = p->link_type;
	r->len = 0;
	for (; m; m = m->next) {
		memcpy(r->data + r->len, rte_pktmbuf_mtod(m, const void *), m->data_len);
		r->len += m->data_len;
	}
	return r;
}

void capture_out_flush(struct capture_out *o)
{
	flush(o);
}

uint64_t capture_out_left_out(const struct capture_out *o)
{
	return o->left_out;
}

int capture_out_error(const struct capture_out *o)
{
	return o->error;
}

int capture_out_close(struct capture_out *o)
{
	if (!o)
		return 0;
	flush(o);
	if (o->fd != STDOUT_FILENO && close(o->fd) < 0 && !o->error)
		o->error = -errno;
	int rc = o->error;
	free(o);
	return rc;
}
