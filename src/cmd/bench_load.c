// SPDX-License-Identifier: BSD-3-Clause
//
// Preloading: the capture lies in memory before the clock starts, so that the bench measures the corridor and not
// the reader. Frames are packed one behind the other; as they come, mbufs from a small pool are pointed at them, and go
// back to it when they are sent. So the mbufs stay in the cache and only frames come from memory, as behind a NIC,
// which writes each frame into the last-level cache: for that, the first line of each is asked for one burst ahead.
// Bytes behind it are met where the corridor reads them.
//
// Rejected: an mbuf a frame, made before the clock starts (512 bytes of descriptors a packet that no driver has: they
// were half of what the bench measured, for the corridor and the calibrators alike).
#include "bench_load.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>

#include <rte_prefetch.h>

#include "base/capture.h"
#include "base/eal.h"

#define POOL_MBUFS 16383 // held fragments, the burst in work, and the pool's own cache

// First pass: how many frames and bytes.
static int measure(struct load *l, struct worker *w, const char *path, char *err, size_t err_len)
{
	struct capture *c = capture_open(path, 1 << 20, err, err_len);
	if (!c)
		return -ENOENT;
	struct burst b = {.n = 0};
	enum capture_state s;
	do {
		s = capture_burst(c, w, &b);
		for (unsigned i = 0; i < b.n; i++) {
			l->data_bytes += RTE_ALIGN(rte_pktmbuf_data_len(b.m[i]), 64) + 64;
			rte_pktmbuf_free(b.m[i]);
		}
		l->n += b.n;
		b.n = 0;
	} while (s == CAPTURE_MORE);
	if (s == CAPTURE_DAMAGED)
		snprintf(err, err_len, "%s", capture_error(c));
	capture_close(c);
	if (s == CAPTURE_DAMAGED)
		return -EINVAL;
	if (!l->n)
		snprintf(err, err_len, "no frames");
	return l->n ? 0 : -ENODATA;
}

static void copy(struct load *l, struct load_frame *f, uint8_t *at, struct rte_mbuf *from)
{
	const struct pkt *p = pkt_of(from);
	*f = (struct load_frame){.data = at,
				 .time_ns = p->time_ns,
				 .wire_len = p->wire_len,
				 .len = rte_pktmbuf_data_len(from),
				 .link_type = p->link_type};
	memcpy(at, pkt_data(from), f->len);
	l->bytes += f->len;
}

struct rte_mempool *bench_mbufs(void)
{
	static unsigned n;
	char name[16];
	snprintf(name, sizeof(name), "load%u", n++);
	struct rte_mempool *pool = eal_pool(name, POOL_MBUFS, 0);
	if (pool)
		eal_pool_touch(pool);
	return pool;
}

int bench_load(struct load *l, struct worker *w, const char *path, char *err, size_t err_len)
{
	memset(l, 0, sizeof(*l));
	int rc = measure(l, w, path, err, err_len);
	if (rc < 0)
		return rc;
	l->frames = calloc(l->n, sizeof(*l->frames));
	l->data = mem_take(l->data_bytes);
	l->pool = bench_mbufs();
	if (!l->frames || !l->data || !l->pool) {
		snprintf(err, err_len, "not enough memory for %lu frames", l->n);
		return -ENOMEM;
	}
	struct capture *c = capture_open(path, 1 << 20, err, err_len);
	struct burst b = {.n = 0};
	uint8_t *at = l->data;
	for (uint64_t i = 0; c && i < l->n;) {
		capture_burst(c, w, &b);
		for (unsigned j = 0; j < b.n && i < l->n; j++, i++) {
			copy(l, &l->frames[i], at, b.m[j]);
			at += RTE_ALIGN(rte_pktmbuf_data_len(b.m[j]), 64) + 64;
		}
		rte_pktmbuf_free_bulk(b.m, b.n);
		b.n = 0;
	}
	capture_close(c);
	l->span_ns = l->frames[l->n - 1].time_ns - l->frames[0].time_ns;
	return 0;
}

void bench_unload(struct load *l)
{
	free(l->frames);
	mem_give(l->data, l->data_bytes);
	rte_mempool_free(l->pool);
}

// An mbuf comes from the pool as it was given back: one segment, one reference.
static inline void point(struct rte_mbuf *m, const struct load_frame *f)
{
	m->buf_addr = f->data;
	m->buf_len = f->len;
	m->data_off = 0;
	m->data_len = f->len;
	m->pkt_len = f->len;
}

unsigned BENCH_APART bench_fill(struct load *l, struct burst *b, uint64_t at, unsigned most, uint64_t offset_ns)
{
	const struct load_frame *f = &l->frames[at];
	unsigned n = RTE_MIN((uint64_t)most, l->n - at), ahead = RTE_MIN((uint64_t)most, l->n - at - n);
	if (rte_mempool_get_bulk(l->pool, (void **)b->m, n) < 0)
		abort(); // more held than POOL_MBUFS: no configuration of the bench can
	for (unsigned i = 0; i < ahead; i++)
		rte_prefetch0(f[n + i].data);
	for (unsigned i = 0; i < n; i++, f++) {
		point(b->m[i], f);
		uint64_t time_ns = f->time_ns + offset_ns;
		pkt_begin(pkt_of(b->m[i]), at + i + 1, time_ns, time_ns, f->wire_len, f->link_type,
			  f->wire_len > f->len);
	}
	b->n = n;
	return n;
}
