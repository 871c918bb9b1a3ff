// SPDX-License-Identifier: BSD-3-Clause
//
// Preloading: the capture lies in memory before the clock starts, so that the bench measures the corridor and not
// the reader. Frames are packed one behind the other and attached to small mbufs (a 2 KiB buffer a frame would make
// the working set three times what it is on a machine with a NIC).
//
// The corridor frees what it sends. Each mbuf therefore carries a second reference, renewed when it is filled in again:
// freeing then costs one atomic decrement, about what putting it back into its pool costs.
#include "bench_load.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>

#include "base/capture.h"
#include "base/eal.h"

static struct rte_mbuf_ext_shared_info shared;

static void keep(void *addr, void *arg)
{
	(void)addr, (void)arg;
}

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

static int copy(struct load *l, uint64_t i, uint8_t *at, const struct rte_mbuf *from)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(l->pool);
	uint16_t len = rte_pktmbuf_data_len(from);
	if (!m)
		return -ENOMEM;
	rte_pktmbuf_attach_extbuf(m, at, 0, len, &shared);
	m->data_off = 0;
	memcpy(at, rte_pktmbuf_mtod(from, void *), len);
	m->data_len = len;
	m->pkt_len = len;
	memcpy(pkt_of(m), pkt_of((struct rte_mbuf *)(uintptr_t)from), sizeof(struct pkt));
	l->m[i] = m;
	l->time_ns[i] = pkt_of(m)->time_ns;
	l->bytes += len;
	return 0;
}

int bench_load(struct load *l, struct worker *w, const char *path, char *err, size_t err_len)
{
	memset(l, 0, sizeof(*l));
	int rc = measure(l, w, path, err, err_len);
	if (rc < 0)
		return rc;
	shared.free_cb = keep;
	rte_mbuf_ext_refcnt_set(&shared, 1);
	l->m = calloc(l->n, sizeof(*l->m));
	l->time_ns = calloc(l->n, sizeof(*l->time_ns));
	l->data = mem_take(l->data_bytes);
	l->pool = eal_pool("load", l->n, 0);
	if (!l->m || !l->time_ns || !l->data || !l->pool) {
		snprintf(err, err_len, "not enough memory for %lu frames", l->n);
		return -ENOMEM;
	}
	struct capture *c = capture_open(path, 1 << 20, err, err_len);
	struct burst b = {.n = 0};
	uint8_t *at = l->data;
	for (uint64_t i = 0; c && i < l->n;) {
		capture_burst(c, w, &b);
		for (unsigned j = 0; j < b.n && i < l->n; j++, i++) {
			copy(l, i, at, b.m[j]);
			at += RTE_ALIGN(rte_pktmbuf_data_len(b.m[j]), 64) + 64;
		}
		rte_pktmbuf_free_bulk(b.m, b.n);
		b.n = 0;
	}
	capture_close(c);
	l->span_ns = l->time_ns[l->n - 1] - l->time_ns[0];
	return 0;
}

void bench_unload(struct load *l)
{
	for (uint64_t i = 0; i < l->n; i++)
		rte_pktmbuf_free(l->m[i]);
	free(l->m);
	free(l->time_ns);
	mem_give(l->data, l->data_bytes);
	rte_mempool_free(l->pool);
}

void BENCH_APART bench_fill(struct load *l, struct burst *b, uint64_t at, unsigned n, uint64_t offset_ns)
{
	uint16_t link_type = pkt_of(l->m[0])->link_type;
	for (unsigned i = 0; i < n; i++) {
		struct rte_mbuf *m = l->m[at + i];
		struct pkt *p = pkt_of(m);
		rte_mbuf_refcnt_set(m, 2);
		uint64_t time_ns = l->time_ns[at + i] + offset_ns;
		pkt_begin(p, p->frame, time_ns, time_ns, p->wire_len, link_type, p->flags & PKT_CUT);
		b->m[i] = m;
	}
	b->n = n;
}
