// SPDX-License-Identifier: BSD-3-Clause
//
// Frames and heads of segments: made, and believed only when whole. What a crc admits is looked at once more (lengths,
// numbers that faces look up in tables), since who can write the file can compute the crc.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_hash_crc.h>

#include "ruleset.h"
#include "ship/spool_disk.h"
#include "verdict.h"

#define SCAN_READ (256 * 1024)

static uint32_t names_crc(uint32_t crc, const char *const *names, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		for (const char *at = names[i]; at; at = *at ? at + 1 : NULL)
			crc = rte_hash_crc_1byte((uint8_t)*at, crc);
	return crc;
}

uint32_t frame_layout(void)
{
	uint32_t crc = sizeof(struct record) << 16 | sizeof(struct fact);
	crc = names_crc(crc, record_kind_names, RECORD_KIND_COUNT);
	crc = names_crc(crc, fact_names, FACT_COUNT);
	crc = rte_hash_crc(fact_types, sizeof(fact_types), crc);
	crc = names_crc(crc, app_names, APP_COUNT);
	crc = names_crc(crc, action_names, ACTION_COUNT);
	crc = names_crc(crc, response_names, RESPONSE_COUNT);
	crc = names_crc(crc, reason_names, REASON_COUNT);
	crc = names_crc(crc, anomaly_names, ANOMALY_COUNT);
	return crc;
}

static uint32_t frame_crc(const struct frame *f, uint32_t seed)
{
	uint32_t before = offsetof(struct frame, pos); // what follows is aligned
	return rte_hash_crc(&f->pos, frame_len(f) - before, rte_hash_crc_4byte(f->len_class, seed));
}

void frame_set(struct frame *f, unsigned class, uint32_t len, uint64_t pos)
{
	f->len_class = len << 8 | class;
	f->pos = pos;
}

void frame_stamp(struct frame *f, uint32_t seed)
{
	f->crc = frame_crc(f, seed);
}

struct record frame_gap(enum gap_cause cause, uint16_t worker, unsigned class, uint32_t first, uint32_t last,
			uint64_t n, uint64_t time_ns)
{
	return (struct record){.len = sizeof(struct record),
			       .kind = RECORD_GAP,
			       .time_ns = time_ns,
			       .worker = worker,
			       .seq = first,
			       .tx_kind = (uint8_t)cause,
			       .anomaly = class < SPOOL_LOSABLE ? (uint16_t)(class + 1) : 0,
			       .tx_id = last,
			       .pkts = {n}};
}

void segment_head_make(struct segment_head *h, uint64_t base, uint64_t boot, uint64_t time_ns)
{
	*h = (struct segment_head){.version = SEGMENT_VERSION, .layout = frame_layout(), .base = base, .boot = boot};
	memcpy(h->magic, SEGMENT_MAGIC, sizeof(h->magic));
	h->time_ns = time_ns;
	segment_head_stamp(h);
}

void segment_head_stamp(struct segment_head *h)
{
	h->crc = rte_hash_crc(h, offsetof(struct segment_head, crc), 0);
}

int segment_head_check(const struct segment_head *h)
{
	static const struct segment_head none;
	if (!memcmp(h, &none, sizeof(none)))
		return -ENODATA;
	if (memcmp(h->magic, SEGMENT_MAGIC, sizeof(h->magic)) != 0 ||
	    h->crc != rte_hash_crc(h, offsetof(struct segment_head, crc), 0))
		return -EBADMSG;
	return h->version != SEGMENT_VERSION || h->layout != frame_layout() ? -EPROTO : 0;
}

// ---- is it what it says? -----------------------------------------------------------------------------------------

static bool facts_valid(const struct record *r)
{
	const uint8_t *at = (const uint8_t *)(r + 1), *end = (const uint8_t *)r + r->len;
	unsigned n = 0;
	for (; at < end; n++) {
		const struct fact *f = (const struct fact *)at;
		size_t room = (size_t)(end - at);
		if (room < sizeof(*f) || f->len > FACT_VALUE_MAX || FACT_SIZE(f->len) > room || f->field == FACT_NONE ||
		    f->field >= FACT_COUNT)
			return false;
		if (fact_types[f->field] == FACT_TYPE_NUM && f->len != sizeof(uint64_t))
			return false;
		if (fact_types[f->field] == FACT_TYPE_IP && f->len != 4 && f->len != 16)
			return false;
		at += FACT_SIZE(f->len);
	}
	return n == r->nfacts;
}

static bool gap_valid(const struct record *r)
{
	return r->tx_kind < GAP_CAUSE_COUNT && r->anomaly <= SPOOL_LOSABLE;
}

static bool kind_valid(const struct record *r)
{
	if (r->kind == RECORD_GAP)
		return gap_valid(r);
	if (r->kind == RECORD_ALERT)
		return r->anomaly > RECORD_NONE && r->anomaly < RECORD_ALERT;
	return r->kind > RECORD_NONE && r->kind < RECORD_KIND_COUNT &&
	       (r->kind != RECORD_ANOMALY || r->anomaly < ANOMALY_COUNT);
}

static bool record_valid(const struct frame *f, uint32_t body)
{
	const struct record *r = (const struct record *)f->body;
	return body >= sizeof(*r) && r->len == body && body <= RECORD_MAX && kind_valid(r) &&
	       (r->kind == RECORD_GAP) == (frame_class(f) == SPOOL_GAP) && r->app < APP_COUNT &&
	       r->reason < REASON_COUNT && r->action < ACTION_COUNT && r->would_action < ACTION_COUNT &&
	       r->response < RESPONSE_COUNT && r->flow_end <= FLOW_END_SHUTDOWN && facts_valid(r);
}

static bool begin_valid(const struct begin *b, uint32_t body)
{
	return body >= sizeof(*b) && b->nworkers <= BEGIN_WORKERS_MAX && b->node_len <= BEGIN_NODE_MAX &&
	       sizeof(*b) + b->nworkers * sizeof(b->worker[0]) + b->node_len <= body;
}

static bool meta_valid(const struct meta *m, uint32_t body)
{
	return body >= sizeof(*m) && m->len <= SPOOL_META_MAX && sizeof(*m) + m->len <= body &&
	       m->standing <= META_ENDS;
}

// Frames of a class that no version has written yet are none.
static bool body_valid(const struct frame *f)
{
	uint32_t body = frame_len(f) - (uint32_t)sizeof(*f);
	switch (frame_class(f)) {
	case FRAME_BEGIN:
		return begin_valid((const struct begin *)f->body, body);
	case SPOOL_META:
		return meta_valid((const struct meta *)f->body, body);
	case FRAME_END:
		return body == 0;
	default:
		return frame_class(f) < SPOOL_META && record_valid(f, body);
	}
}

// ---- one after the other -----------------------------------------------------------------------------------------

int scan_open(struct scan *c, int fd, const struct segment_head *h, uint64_t end)
{
	*c = (struct scan){.fd = fd, .seed = h->crc, .at = sizeof(*h), .end = end, .pos = h->base, .until = UINT64_MAX};
	c->buf = malloc(SCAN_READ + FRAME_MAX);
	return c->buf ? 0 : -ENOMEM;
}

void scan_close(struct scan *c)
{
	free(c->buf);
	c->buf = NULL;
}

// As much from `at` on as there is room for.
static int fill(struct scan *c)
{
	size_t keep = c->have && c->at < c->from + c->have ? (size_t)(c->from + c->have - c->at) : 0;
	memmove(c->buf, c->buf + c->have - keep, keep);
	c->from = c->at;
	c->have = keep;
	while (c->have < SCAN_READ && c->from + c->have < c->end) {
		size_t want = SCAN_READ + FRAME_MAX - c->have;
		if (want > c->end - c->from - c->have)
			want = (size_t)(c->end - c->from - c->have);
		ssize_t n = pread(c->fd, c->buf + c->have, want, (off_t)(c->from + c->have));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break; // shorter than it was: what is missing is not whole
		c->have += (size_t)n;
	}
	return 0;
}

// The bytes at `at` that are in memory; read where they are less than `need` and there may be more.
static size_t reach(struct scan *c, size_t need)
{
	size_t in = c->at >= c->from && c->at < c->from + c->have ? (size_t)(c->from + c->have - c->at) : 0;
	if (in >= need || c->at + in >= c->end)
		return in;
	c->error = fill(c);
	return c->error < 0 ? 0 : c->have;
}

static const struct frame *whole(struct scan *c)
{
	if (reach(c, sizeof(struct frame)) < sizeof(struct frame))
		return NULL;
	const struct frame *f = (const struct frame *)(c->buf + (c->at - c->from));
	uint32_t len = frame_len(f);
	if (len < sizeof(*f) || len > FRAME_MAX || len & 7 || reach(c, len) < len)
		return NULL;
	f = (const struct frame *)(c->buf + (c->at - c->from));
	bool stray = frame_class(f) == FRAME_BEGIN && c->at != sizeof(struct segment_head); // it begins nothing
	bool good = f->crc == frame_crc(f, c->seed) && f->pos >= c->pos && f->pos < FRAME_POS_MAX;
	return good && !stray && body_valid(f) ? f : NULL;
}

const struct frame *scan_next(struct scan *c)
{
	c->error = 0;
	if (c->at >= c->end)
		return NULL;
	const struct frame *f = whole(c);
	if (!f) {
		c->error = c->error ? c->error : -EBADMSG;
		return NULL;
	}
	if (f->pos >= c->until && (frame_counts(f) || f->pos > c->until)) {
		c->at = c->end;
		return NULL;
	}
	c->at += frame_len(f);
	c->pos = f->pos + frame_counts(f);
	return f;
}
