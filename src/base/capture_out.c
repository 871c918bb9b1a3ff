// SPDX-License-Identifier: BSD-3-Clause
//
// Writes pcap (draft-ietf-opsawg-pcap): a file header, then for each frame 16 bytes of record header and its bytes.
// For an input that was a classic pcap, header, byte order and resolution are the input's: a frame that the corridor
// did not touch gives the same bytes again. Blocks of 1 MiB go to write(2) directly, so that a full disk is known
// where it happens. Runs on the thread that drains the exits.
// What was a pcapng becomes one (draft-ietf-opsawg-pcapng): a section, an interface for each link type, in nanoseconds,
// and the packets; names, comments and counters of the input are not kept. Of a live capture each port is an interface.
// One without a descriptor gathers for somebody else's (live/mirror_file.c): then there is always a whole block, or
// none. Rejected: pcap_dump (always our byte order, no errors before the end, one link type a file).
#include "base/capture_out.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK (1024 * 1024)
#define SECTION 28   // bytes of a section's header
#define INTERFACE 32 // of an interface without a name
#define LINKS 48     // there are 12 that we read, one that we do not know leaves as it came; live: as many as ports

struct capture_out {
	int fd, error; // fd -1: it gathers
	bool swapped, nanoseconds, ng;
	uint16_t link_type;
	struct {
		uint16_t link_type;
		const char *name;
	} links[LINKS]; // of a pcapng: its interfaces
	unsigned nlinks;
	uint64_t left_out, bytes;
	size_t len, nhead;
	uint8_t head[SECTION + LINKS * INTERFACE]; // of one that gathers
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
	o->bytes += n;
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

static void pad(struct capture_out *o, uint32_t len)
{
	uint32_t padding = 0;
	put(o, &padding, RTE_ALIGN(len, 4) - len);
}

// An option of a block: its code, its length and its bytes, padded.
static void put_option(struct capture_out *o, uint32_t code, const void *value, uint32_t len)
{
	uint32_t head = code | len << 16;
	put(o, &head, 4);
	put(o, value, len);
	pad(o, len);
}

static uint32_t option_bytes(size_t len)
{
	return 4 + RTE_ALIGN((uint32_t)len, 4);
}

static void put_interface(struct capture_out *o, unsigned i)
{
	const char *name = o->links[i].name;
	uint32_t all = INTERFACE + (name ? option_bytes(strlen(name)) : 0);
	uint32_t head[] = {1, all, o->links[i].link_type, CAPTURE_SNAPLEN_MAX}, tail[] = {0, all}; // the end of options
	put(o, head, sizeof(head));
	if (name)
		put_option(o, 2, name, (uint32_t)strlen(name)); // if_name
	put_option(o, 9, "\x09", 1);                            // if_tsresol: 10^-9 s
	put(o, tail, sizeof(tail));
}

// With all interfaces that are known.
static void put_section(struct capture_out *o)
{
	static const uint32_t section[] = {0x0a0d0d0a, SECTION,    0x1a2b3c4d, 1, // version 1.0
					   UINT32_MAX, UINT32_MAX, SECTION};
	size_t at = o->len;
	put(o, section, sizeof(section));
	for (unsigned i = 0; i < o->nlinks; i++)
		put_interface(o, i);
	if (o->fd < 0)
		memcpy(o->head, o->block + at, o->nhead = o->len - at);
}

// Number of the interface with this link type and name (NULL: none), which is described first where it is new. LINKS:
// there are too many.
static unsigned interface_of(struct capture_out *o, uint16_t link_type, const char *name)
{
	unsigned i = 0;
	while (i < o->nlinks && (o->links[i].link_type != link_type || o->links[i].name != name))
		i++;
	if (i < o->nlinks || i == LINKS)
		return i;
	o->links[i].link_type = link_type;
	o->links[i].name = name;
	o->nlinks++;
	if (o->fd < 0)
		put_section(o);
	else
		put_interface(o, i);
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
		put_section(o);
		if (!f->named)
			interface_of(o, f->link_type, NULL); // first here too
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
	int fd = strcmp(path, "-") ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : STDOUT_FILENO;
	return fd < 0 ? NULL : capture_out_on(fd, f);
}

struct capture_out *capture_out_on(int fd, const struct capture_format *f)
{
	struct capture_out *o = malloc(sizeof(*o));
	if (!o) {
		close(fd);
		return NULL;
	}
	o->fd = fd;
	o->error = 0;
	o->len = 0;
	o->left_out = o->bytes = 0;
	o->link_type = f->link_type;
	o->swapped = f->header_len && f->swapped;
	o->nanoseconds = !f->header_len || f->nanoseconds;
	o->ng = !f->header_len && f->pcapng;
	o->nlinks = 0;
	put_file_header(o, f);
	return o;
}

struct capture_out *capture_out_gather(uint16_t link_type)
{
	struct capture_out *o = capture_out_on(-1, &(struct capture_format){.link_type = link_type, .pcapng = true});
	if (o)
		o->len = 0; // it is the head
	return o;
}

const uint8_t *capture_out_head(const struct capture_out *o, size_t *n)
{
	*n = o->nhead;
	return o->head;
}

const uint8_t *capture_out_gathered(const struct capture_out *o, size_t *n)
{
	*n = o->len;
	return o->block;
}

void capture_out_gone(struct capture_out *o, size_t n)
{
	memmove(o->block, o->block + n, o->len -= n);
}

uint32_t capture_out_block(const uint8_t *block, uint32_t *type)
{
	uint32_t head[2];
	memcpy(head, block, sizeof(head));
	if (type)
		*type = head[0];
	return head[1];
}

// options: bytes of what stands behind the frame.
static bool put_header(struct capture_out *o, const struct capture_record *r, uint32_t options)
{
	uint64_t stamp_ns = r->stamp_ns;
	unsigned interface = o->ng ? interface_of(o, r->link_type, r->port) : 0;
	if (o->ng ? interface == LINKS : r->link_type != o->link_type) {
		o->left_out++;
		return false;
	}
	if (o->error)
		return false;
	if (o->ng) {
		uint32_t all = 32 + RTE_ALIGN(r->len, 4) + options;
		uint32_t head[] = {CAPTURE_PACKET, all, interface, stamp_ns >> 32, stamp_ns, r->len, r->wire_len};
		put(o, head, sizeof(head));
		return true;
	}
	uint32_t fraction = stamp_ns % 1000000000u;
	uint32_t head[4] = {order(o, stamp_ns / 1000000000u), order(o, o->nanoseconds ? fraction : fraction / 1000),
			    order(o, r->len), order(o, r->wire_len)};
	put(o, head, sizeof(head));
	return true;
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
	const struct capture_record r = {
		.stamp_ns = p->stamp_ns, .wire_len = p->wire_len, .len = len, .link_type = p->link_type};
	if (!put_header(o, &r, 0))
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

bool capture_out_said(struct capture_out *o, const struct capture_record *r, const char *const *comments, unsigned n)
{
	uint32_t way = r->way, options = n || way ? 4 : 0, last = 0;
	options += way ? option_bytes(4) : 0;
	for (unsigned i = 0; i < n; i++)
		options += option_bytes(strlen(comments[i]));
	if (o->fd < 0 && sizeof(o->head) + 32 + RTE_ALIGN(r->len, 4) + options > BLOCK - o->len - 1)
		return false;
	if (!put_header(o, r, options))
		return true;
	put(o, r->data, r->len);
	if (o->ng)
		pad(o, r->len);
	if (way)
		put_option(o, 2, &way, 4); // epb_flags, of which these are the lowest bits
	for (unsigned i = 0; i < n; i++)
		put_option(o, 1, comments[i], (uint32_t)strlen(comments[i])); // opt_comment
	if (options)
		put(o, &last, 4);
	put_end(o, r->len, options);
	return true;
}

struct capture_record *capture_record_of(const struct rte_mbuf *m)
{
	const struct pkt *p = pkt_of((struct rte_mbuf *)(uintptr_t)m);
	struct capture_record *r = malloc(sizeof(*r) + rte_pktmbuf_pkt_len(m));
	if (!r)
		return NULL;
	*r = (struct capture_record){.stamp_ns = p->stamp_ns, .wire_len = p->wire_len, .link_type = p->link_type};
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

uint64_t capture_out_bytes(const struct capture_out *o)
{
	return o->bytes;
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
	if (o->fd >= 0)
		flush(o);
	if (o->fd >= 0 && o->fd != STDOUT_FILENO && close(o->fd) < 0 && !o->error)
		o->error = -errno;
	int rc = o->error;
	free(o);
	return rc;
}
