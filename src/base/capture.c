// SPDX-License-Identifier: BSD-3-Clause
//
// The reader of captures: rx of replay and bench. libpcap understands pcap (both byte orders, micro- and
// nanoseconds) and pcapng; the stream under it understands gzip, zstd and pipes (capture_file.c). Bytes are copied
// once out of libpcap's buffer into an mbuf. Runs on the thread of the corridor's front; memory is bounded by the
// buffer and the pools.
//
// Hostile input: lengths are libpcap's to check (it refuses records beyond 262,144 bytes); a frame of no bytes is a
// frame. What is wrong with a file is one line of words and the frames before it.
//
// The snap length in a pcap header is a lie often enough: libpcap shortens longer records to it, which would lose
// bytes that are there. The header that libpcap sees therefore has the largest one. Rejected: an own pcap parser
// (pcapng and its options would need one too).
#include "base/capture.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include <pcap/pcap.h>

#include "base/capture_file.h"
#include "base/capture_ng.h"

#define NS 1000000000ull
#define GIANT_TRIES 100000
#define PCAP_RECORD 16 // bytes of header of a classic pcap's record

struct capture {
	pcap_t *pcap;
	struct capture_file *file; // lives as long as pcap
	struct capture_ng *ng;     // likewise; NULL: not a pcapng
	struct capture_format format;
	uint64_t frames, clock_ns;
	uint64_t used;  // bytes of a classic pcap that have been read
	bool old_times; // 32-bit seconds, unsigned
	enum capture_state state;
	char error[CAPTURE_ERROR_MAX];

	// while a burst is read
	struct rte_mbuf *spare[BURST_SIZE];
	unsigned nspare;
	struct worker *w;
	struct burst *b;
};

// DLT_ values that libpcap gives for a file, and the LINKTYPE_ number we give (pcap-linktype(7)).
static const struct {
	int dlt;
	uint16_t link_type;
} links[] = {
	{0, 0},     {1, 1},     {9, 9},     {12, 101},  {14, 101},  {101, 101},
	{104, 104}, {108, 108}, {113, 113}, {228, 228}, {229, 229}, {276, 276},
};

static bool link_known(int dlt, uint16_t *link_type)
{
	for (unsigned i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		if (links[i].dlt == dlt) {
			*link_type = links[i].link_type;
			return true;
		}
	}
	return false;
}

// Of one interface among several: what we do not know passes, as other_l2.
static uint16_t link_of(uint16_t number)
{
	uint16_t link_type = number;
	link_known(number, &link_type);
	return link_type;
}

static void read_header(struct capture *c)
{
	size_t len;
	const uint8_t *head = capture_file_head(c->file, &len);
	uint32_t magic;
	if (len < CAPTURE_HEAD)
		return;
	memcpy(&magic, head, 4);
	bool swapped = magic == 0xd4c3b2a1 || magic == 0x4d3cb2a1 || magic == 0x34cdb2a1;
	uint32_t native = swapped ? __builtin_bswap32(magic) : magic;
	if (native != 0xa1b2c3d4 && native != 0xa1b23c4d && native != 0xa1b2cd34)
		return;
	c->old_times = true;
	c->format.swapped = swapped;
	c->format.nanoseconds = native == 0xa1b23c4d;
	// Kuznetzov's variant (0xa1b2cd34) has longer record headers: it is read, not imitated
	c->format.header_len = native == 0xa1b2cd34 ? 0 : CAPTURE_HEAD;
	memcpy(c->format.header, head, CAPTURE_HEAD);
	uint32_t snaplen = swapped ? __builtin_bswap32(CAPTURE_SNAPLEN_MAX) : CAPTURE_SNAPLEN_MAX;
	for (unsigned i = 0; i < 4; i++)
		capture_file_patch(c->file, 16 + i, ((uint8_t *)&snaplen)[i]);
}

// Words for a file that is no capture at all: what libpcap says of it is for programmers.
static bool obviously_not(struct capture_file *f, char *err, size_t err_len)
{
	size_t len;
	const uint8_t *head = capture_file_head(f, &len);
	unsigned text = 0;
	for (size_t i = 0; i < len; i++)
		text += (head[i] >= 0x20 && head[i] < 0x7f) || head[i] == '\n' || head[i] == '\r' || head[i] == '\t';
	if (len == 0)
		snprintf(err, err_len, "is empty");
	else if (text == len)
		snprintf(err, err_len, "is a text file, not a capture");
	else if (len < 4)
		snprintf(err, err_len, "is too short to be a capture (%zu bytes)", len);
	else
		return false;
	return true;
}

static bool is_ng(const struct capture_file *f)
{
	size_t len;
	const uint8_t *head = capture_file_head(f, &len);
	return len >= 4 && memcmp(head, "\n\r\r\n", 4) == 0;
}

static struct capture *begin(struct capture_file *f, size_t buffer_bytes, char *err, size_t err_len)
{
	char pcap_err[PCAP_ERRBUF_SIZE] = "";
	struct capture *c = f && !obviously_not(f, err, err_len) ? calloc(1, sizeof(*c)) : NULL;
	if (!c) {
		capture_file_close(f);
		return NULL;
	}
	c->file = f;
	c->used = CAPTURE_HEAD;
	c->format.nanoseconds = true; // pcapng: what a writer should keep
	read_header(c);
	FILE *stream = capture_file_stream(f, buffer_bytes);
	c->format.pcapng = is_ng(f);
	if (stream && c->format.pcapng)
		c->ng = capture_ng_begin(&stream);
	c->pcap =
		stream ? pcap_fopen_offline_with_tstamp_precision(stream, PCAP_TSTAMP_PRECISION_NANO, pcap_err) : NULL;
	if (!c->pcap) {
		const char *below = capture_file_error(f);
		snprintf(err, err_len, "is not a capture that can be read: %s", below ? below : pcap_err);
		if (stream)
			fclose(stream);
		else
			capture_file_close(f);
		free(c);
		return NULL;
	}
	int dlt = pcap_datalink(c->pcap);
	if (!link_known(dlt, &c->format.link_type)) {
		const char *name = pcap_datalink_val_to_name(dlt);
		snprintf(err, err_len, "link type %d (%s) is not supported", dlt, name ? name : "unnamed");
		capture_close(c);
		return NULL;
	}
	return c;
}

struct capture *capture_open(const char *path, size_t buffer_bytes, char *err, size_t err_len)
{
	return begin(capture_file_open(path, err, err_len), buffer_bytes, err, err_len);
}

struct capture *capture_open_memory(const void *p, size_t len, char *err, size_t err_len)
{
	return begin(capture_file_memory(p, len, err, err_len), 4096, err, err_len);
}

void capture_close(struct capture *c)
{
	if (!c)
		return;
	pcap_close(c->pcap); // closes the stream, and with it the file
	free(c);
}

// Segments for what does not fit in the first one. False: pools are dry; what was hung on stays.
static bool add_tail(struct worker *w, struct rte_mbuf *m, const uint8_t *p, uint32_t len)
{
	while (len) {
		struct rte_mbuf *seg = rte_pktmbuf_alloc(len > CAPTURE_FRAME_ROOM ? w->giants : w->frames);
		if (!seg)
			seg = rte_pktmbuf_alloc(w->frames);
		if (!seg)
			return false;
		uint32_t n = RTE_MIN(len, rte_pktmbuf_tailroom(seg));
		memcpy(rte_pktmbuf_append(seg, n), p, n);
		rte_pktmbuf_chain(m, seg);
		p += n;
		len -= n;
	}
	return true;
}

uint64_t capture_clock(struct worker *w, uint64_t *clock_ns, uint64_t stamp_ns)
{
	if (stamp_ns >= *clock_ns)
		*clock_ns = stamp_ns;
	else
		count(w, COUNTER_TIME_BACKWARDS);
	return *clock_ns;
}

static void fill(struct capture *c, struct rte_mbuf *m, const struct pcap_pkthdr *h)
{
	struct pkt *p = pkt_of(m);
	uint64_t seconds = c->old_times ? (uint32_t)h->ts.tv_sec : (uint64_t)h->ts.tv_sec;
	uint64_t stamp_ns = seconds * NS + (uint64_t)h->ts.tv_usec; // "usec" are nanoseconds at this precision
	uint16_t link_type = c->format.link_type;
	if (c->ng)
		link_type = link_of(capture_ng_next(c->ng));
	pkt_begin(p, ++c->frames, stamp_ns, capture_clock(c->w, &c->clock_ns, stamp_ns), h->len, link_type,
		  h->len > m->data_len || m->next);
}

// Others may have them all and be about to give them back. Held ones (fragments) never come: hence the end.
static struct rte_mbuf *take_giant(struct worker *w)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(w->giants);
	for (unsigned tries = 0; !m && w->wait && tries < GIANT_TRIES; tries++) {
		w->wait(w);
		m = rte_pktmbuf_alloc(w->giants);
	}
	return m;
}

static void take(u_char *arg, const struct pcap_pkthdr *h, const u_char *data)
{
	struct capture *c = (struct capture *)arg;
	struct rte_mbuf *m = c->spare[--c->nspare];
	if (unlikely(h->caplen > rte_pktmbuf_tailroom(m))) {
		struct rte_mbuf *giant = take_giant(c->w);
		if (giant) {
			rte_pktmbuf_free(m);
			m = giant;
		}
	}
	uint32_t n = RTE_MIN(h->caplen, rte_pktmbuf_tailroom(m));
	memcpy(rte_pktmbuf_mtod(m, void *), data, n);
	m->data_len = n;
	m->pkt_len = n;
	if (unlikely(n < h->caplen) && !add_tail(c->w, m, data + n, h->caplen - n))
		c->state = CAPTURE_STARVED; // this frame is shorter than it was: cut like by a snap length
	fill(c, m, h);
	c->w->rx++;
	c->w->rx_bytes += h->caplen;
	c->used += PCAP_RECORD + h->caplen;
	c->b->m[c->b->n++] = m;
}

static enum capture_state ended(struct capture *c, int rc)
{
	const char *below = capture_file_error(c->file);
	if ((rc == 0 && !below) || capture_stop) // where somebody stops it, it may be in the middle of a frame
		return CAPTURE_END;
	snprintf(c->error, sizeof(c->error), "%s", below ? below : pcap_geterr(c->pcap));
	return CAPTURE_DAMAGED;
}

// From a pipe, what came is not kept waiting for what may come.
static int read_some(struct capture *c)
{
	int rc = 1;
	if (c->ng || capture_seekable(c))
		return pcap_dispatch(c->pcap, c->nspare, take, (u_char *)c);
	do
		rc = pcap_dispatch(c->pcap, 1, take, (u_char *)c);
	while (rc > 0 && c->nspare && !capture_file_waits(c->file, c->used));
	return rc;
}

enum capture_state capture_burst(struct capture *c, struct worker *w, struct burst *b)
{
	if (c->state == CAPTURE_END || c->state == CAPTURE_DAMAGED)
		return c->state;
	c->state = CAPTURE_MORE;
	c->nspare = BURST_SIZE - b->n;
	if (c->nspare == 0)
		return CAPTURE_MORE;
	if (rte_pktmbuf_alloc_bulk(w->frames, c->spare, c->nspare) != 0)
		return CAPTURE_STARVED;
	c->w = w;
	c->b = b;
	int rc = read_some(c);
	if (c->nspare)
		rte_pktmbuf_free_bulk(c->spare, c->nspare);
	if (rc <= 0)
		c->state = ended(c, rc);
	return c->state == CAPTURE_STARVED ? CAPTURE_MORE : c->state;
}

const struct capture_format *capture_format(const struct capture *c)
{
	return &c->format;
}

const char *capture_error(const struct capture *c)
{
	return c->error;
}

uint64_t capture_frames(const struct capture *c)
{
	return c->frames;
}

uint64_t capture_taken(const struct capture *c)
{
	return capture_file_taken(c->file);
}

uint64_t capture_size(const struct capture *c)
{
	return capture_file_size(c->file);
}

bool capture_seekable(const struct capture *c)
{
	return capture_file_seekable(c->file);
}
