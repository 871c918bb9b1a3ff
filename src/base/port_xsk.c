// SPDX-License-Identifier: BSD-3-Clause
//
// The rings of AF_XDP, on the worker of their queue. Which mbufs the kernel has (in its fill ring, in a tx ring, or on
// their way) is noted a byte each, so that a port that closes gives every one back. No division: mbufs are at least
// 2,048 bytes apart, and bytes are found by address >> 11.
#include "base/port_xsk_in.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define EXPECTED (sizeof(struct rte_mbuf) + 192) // of what stands behind the mbuf, what the first rooms touch
#define KICKS_MAX 64                             // a socket in copy mode sends 32 frames a call

static struct rte_mbuf *mbuf_at(const struct xsk_queue *q, uint64_t addr)
{
	return (struct rte_mbuf *)(q->base + addr + q->header);
}

static uint64_t addr_of(const struct xsk_queue *q, const struct rte_mbuf *m)
{
	return (uint64_t)((const uint8_t *)m - q->base - q->header);
}

// Mbufs as they lie in the pool: what they hold is made when a frame is in them, not twice.
bool xsk_fill(struct xsk_queue *q, uint32_t n)
{
	struct rte_mbuf *m[XSK_BURST];
	uint32_t at = 0;
	if (rte_mempool_get_bulk(q->pool, (void **)m, n) != 0) {
		count(&q->no_mbuf, n);
		return false;
	}
	if (xsk_ring_prod__reserve(&q->fill, n, &at) != n) {
		rte_mempool_put_bulk(q->pool, (void **)m, n);
		return false;
	}
	for (uint32_t i = 0; i < n; i++) {
		uint64_t addr = addr_of(q, m[i]);
		q->lent[addr >> XSK_LENT_SHIFT] = 1;
		*xsk_ring_prod__fill_addr(&q->fill, at + i) = addr;
	}
	xsk_ring_prod__submit(&q->fill, n);
	return true;
}

// The fill ring holds 2,048: what came lies in no cache, neither the mbuf nor what is kept of the frame behind it.
static inline void expect(const struct xsk_queue *q, uint32_t at, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		const struct xdp_desc *d = xsk_ring_cons__rx_desc(&q->rx, at + i);
		uint64_t addr = xsk_umem__extract_addr(d->addr);
		const uint8_t *m = (const uint8_t *)mbuf_at(q, addr);
		for (uint32_t line = 0; line < EXPECTED; line += RTE_CACHE_LINE_SIZE)
			rte_prefetch0_write(m + line);
		rte_prefetch0(q->base + addr + xsk_umem__extract_offset(d->addr));
	}
}

static struct rte_mbuf *received(struct xsk_queue *q, const struct xdp_desc *d)
{
	uint64_t addr = xsk_umem__extract_addr(d->addr);
	struct rte_mbuf *m = mbuf_at(q, addr);
	q->lent[addr >> XSK_LENT_SHIFT] = 0;
	rte_pktmbuf_reset(m);
	m->data_off = (uint16_t)(q->base + addr + xsk_umem__extract_offset(d->addr) - (uint8_t *)m->buf_addr);
	m->data_len = (uint16_t)d->len;
	m->pkt_len = d->len;
	return m;
}

uint16_t port_xsk_rx(struct port_xsk *x, uint16_t queue, struct rte_mbuf **m, uint16_t n)
{
	struct xsk_queue *q = &x->queue[queue];
	uint32_t at = 0, bytes = 0;
	const uint32_t most = RTE_MIN(n, (uint16_t)XSK_BURST);
	n = (uint16_t)xsk_ring_cons__peek(&q->rx, most, &at);
	if (n == 0 && (q->busy || xsk_ring_prod__needs_wakeup(&q->fill))) {
		// busy polling: the driver's receive work is done in this call, on this core, and what it brought is
		// there now, not only when the other queues have been looked at
		recv(q->fd, NULL, 0, MSG_DONTWAIT);
		n = (uint16_t)xsk_ring_cons__peek(&q->rx, most, &at);
	}
	if (n == 0)
		return 0;
	expect(q, at, n);
	if (unlikely(!xsk_fill(q, n))) { // they wait in the ring; what comes meanwhile the kernel drops and counts
		xsk_ring_cons__cancel(&q->rx, n);
		return 0;
	}
	for (uint16_t i = 0; i < n; i++) {
		m[i] = received(q, xsk_ring_cons__rx_desc(&q->rx, at + i));
		bytes += m[i]->pkt_len;
	}
	xsk_ring_cons__release(&q->rx, n);
	count(&q->rx_frames, n);
	count(&q->rx_bytes, bytes);
	return n;
}

static void reap(struct xsk_queue *q)
{
	uint32_t at = 0, n = xsk_ring_cons__peek(&q->done, XSK_RING, &at);
	for (uint32_t i = 0; i < n; i++) {
		uint64_t addr = xsk_umem__extract_addr(*xsk_ring_cons__comp_addr(&q->done, at + i));
		q->lent[addr >> XSK_LENT_SHIFT] = 0;
		rte_pktmbuf_free(mbuf_at(q, addr));
	}
	if (n)
		xsk_ring_cons__release(&q->done, n);
}

static void kick(struct xsk_queue *q)
{
	for (unsigned i = 0; i < KICKS_MAX; i++) {
		if (send(q->fd, NULL, 0, MSG_DONTWAIT) >= 0 || (errno != EAGAIN && errno != EBUSY && errno != EINTR))
			return;
		reap(q);
	}
}

// One mbuf of the pool with the frame in it: the same, or a copy where others look at it, too, or it is elsewhere or in
// pieces. NULL: none left, or too long.
static struct rte_mbuf *sendable(struct xsk_queue *q, struct rte_mbuf *m)
{
	if (likely(m->pool == q->pool && m->nb_segs == 1 && rte_mbuf_refcnt_read(m) == 1 && RTE_MBUF_DIRECT(m)))
		return m;
	if (m->pkt_len + RTE_PKTMBUF_HEADROOM > rte_pktmbuf_data_room_size(q->pool))
		return NULL;
	struct rte_mbuf *copy = rte_pktmbuf_alloc(q->pool);
	if (!copy)
		return NULL;
	uint8_t *to = (uint8_t *)rte_pktmbuf_append(copy, (uint16_t)m->pkt_len);
	for (const struct rte_mbuf *s = m; s; s = s->next) {
		memcpy(to, rte_pktmbuf_mtod(s, const uint8_t *), s->data_len);
		to += s->data_len;
	}
	rte_pktmbuf_free(m);
	return copy;
}

static void put(struct xsk_queue *q, struct rte_mbuf *m, struct xdp_desc *d)
{
	uint64_t addr = addr_of(q, m);
	uint64_t offset = (uint64_t)(rte_pktmbuf_mtod(m, uint8_t *) - q->base) - addr;
	q->lent[addr >> XSK_LENT_SHIFT] = 1;
	*d = (struct xdp_desc){.addr = addr | offset << XSK_UNALIGNED_BUF_OFFSET_SHIFT, .len = m->pkt_len};
}

uint16_t port_xsk_tx(struct port_xsk *x, uint16_t queue, struct rte_mbuf **m, uint16_t n)
{
	struct xsk_queue *q = &x->queue[queue];
	uint32_t at = 0, bytes = 0;
	uint16_t sent = 0;
	reap(q);
	for (; sent < n; sent++) {
		struct rte_mbuf *s = sendable(q, m[sent]);
		if (!s)
			break;
		m[sent] = s; // where there is no place, the copy is the caller's
		if (xsk_ring_prod__reserve(&q->tx, 1, &at) != 1)
			break;
		bytes += s->pkt_len;
		put(q, s, xsk_ring_prod__tx_desc(&q->tx, at));
	}
	xsk_ring_prod__submit(&q->tx, sent);
	if (xsk_ring_prod__needs_wakeup(&q->tx))
		kick(q);
	reap(q);
	count(&q->tx_frames, sent);
	count(&q->tx_bytes, bytes);
	count(&q->tx_left, n - sent);
	return sent;
}
