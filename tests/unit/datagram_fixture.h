// SPDX-License-Identifier: BSD-3-Clause
//
// A worker with a record ring and nothing else, a flow, and a packet to put a datagram into: what the parsers of
// datagrams need to run by themselves. Records are read back as text: "kind field=value field=value".
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../poison.h"
#include "path/inspect.h"
#include "path/record_out.h"
#include "record_ring.h"
#include "ship/fingerprint.h"

#define FIXTURE_HEADROOM 64 // bytes of frame before the payload

struct fixture {
	struct path_config config;
	struct worker w;
	struct flow f;
	struct inspect inspect;
	struct {
		struct rte_mbuf m;
		struct pkt k;
		uint8_t frame[70000];
	} packet;
	uint8_t state[APP_STATE_BYTES];
	struct app_in in;
	char said[400000];
};

static inline void fixture_ports(struct fixture *x, uint16_t sport, uint16_t dport)
{
	x->f.key.aport_be = htons(sport);
	x->f.key.bport_be = htons(dport);
}

static inline struct fixture *fixture_new(uint8_t proto, uint16_t sport, uint16_t dport)
{
	struct fixture *x = aligned_alloc(64, (sizeof(*x) + 63) & ~63ul); // an mbuf stands on a cache line
	memset(x, 0, sizeof(*x));
	x->config = (struct path_config){.apps = 64, .record_cells = 1 << 14, .arena_bytes = 1 << 20, .seed = 1};
	x->w.config = &x->config;
	if (record_out_init(&x->w) < 0)
		abort();
	x->inspect.scratch = malloc(APP_SCRATCH_BYTES);
	x->inspect.arena = txn_arena_new(x->config.arena_bytes);
	x->w.inspect = &x->inspect;
	x->f.key.proto = proto;
	x->f.key.version = 4;
	x->f.id = 8;
	fixture_ports(x, sport, dport);
	return x;
}

static inline void fixture_free(struct fixture *x)
{
	record_out_fini(&x->w);
	free(x->inspect.scratch);
	txn_arena_free(x->inspect.arena);
	free(x);
}

// The datagram p[0..len) of `wire` bytes, as frame number `frame`; ready for <proto>_datagram(&x->in).
static inline struct app_in *fixture_datagram(struct fixture *x, const void *p, uint32_t len, uint32_t wire,
					      uint64_t frame, uint8_t dir)
{
	uint8_t *end = x->packet.frame + FIXTURE_HEADROOM + len;
	ASAN_UNPOISON_MEMORY_REGION(x->packet.frame, sizeof(x->packet.frame));
	memset(&x->packet.m, 0, sizeof(x->packet.m));
	memcpy(x->packet.frame + FIXTURE_HEADROOM, p, len);
	ASAN_POISON_MEMORY_REGION(end, x->packet.frame + sizeof(x->packet.frame) - end);
	x->packet.m.buf_addr = x->packet.frame;
	x->packet.k.frame = frame;
	x->w.frame = frame;
	x->in = (struct app_in){.w = &x->w,
				.f = &x->f,
				.data = x->packet.frame + FIXTURE_HEADROOM,
				.len = len,
				.dir = dir,
				.end = true,
				.cut = wire > len,
				.m = &x->packet.m,
				.scratch = x->inspect.scratch};
	return &x->in;
}

// All records since the last call, one a line.
static inline const char *fixture_said(struct fixture *x)
{
	size_t n = 0, room = sizeof(x->said);
	const struct record *r;
	x->said[0] = 0;
	while ((r = record_peek(x->w.records))) {
		n += snprintf(x->said + n, room - n, "%s", record_kind_names[r->kind]);
		if (r->kind == RECORD_ANOMALY)
			n += snprintf(x->said + n, room - n, ":%s", anomaly_names[r->anomaly]);
		struct fingerprint *fingerprint = fingerprint_new();
		const struct record *said = fingerprint_record(fingerprint, r);
		const struct fact *f = record_first(said);
		for (unsigned i = 0; i < said->nfacts; i++, f = fact_next(f)) {
			n += snprintf(x->said + n, room - n, " %s=", fact_names[f->field]);
			if (fact_types[f->field] == FACT_TYPE_NUM)
				n += snprintf(x->said + n, room - n, "%lu", *(const uint64_t *)f->value);
			else
				for (uint32_t b = 0; b < f->len && n + 8 < room; b++)
					n += snprintf(x->said + n, room - n,
						      f->value[b] > 31 && f->value[b] < 127 ? "%c" : "\\x%02x",
						      f->value[b]);
		}
		n += snprintf(x->said + n, room - n, "\n");
		fingerprint_free(fingerprint);
		record_done(x->w.records, r);
	}
	return x->said;
}
