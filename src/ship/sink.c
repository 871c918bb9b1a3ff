// SPDX-License-Identifier: BSD-3-Clause
//
// Records of all workers come in, one after the other; out come lines of one face to one place. A place that takes
// nothing harms nobody: what finds no room is counted here and said in the stream (event_type gap) when there is room
// again, so that who reads the file knows what he has not read. Shipper's thread.
#include "ship/sink.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "record.h"

static const struct face *const faces[SHIP_FORMATS] = {&table_face, &eve_face, &facts_face, &raw_face};

int sink_open(struct sink *k, const struct ship_config *config, unsigned number, struct communityid *communityid)
{
	const struct ship_sink *s = &config->sinks[number];
	k->config = *s;
	k->face = faces[s->format];
	k->render.config = config;
	k->render.sink = &k->config;
	k->render.communityid = communityid;
	k->file.fd = -1;
	k->refused = calloc(config->nsources, sizeof(*k->refused));
	int rc = k->refused ? outlet_open(&k->render.out, s->fd, s->path ? &k->file : NULL) : -ENOMEM;
	if (rc == 0)
		rc = k->face->open(&k->render);
	if (rc == 0 && s->path)
		file_open(&k->file, &(struct file_config){s->path, s->rotate_bytes, s->rotate_s, s->keep});
	return rc;
}

void sink_close(struct sink *k)
{
	if (k->face && k->face->close)
		k->face->close(&k->render);
	outlet_close(&k->render.out);
	file_close(&k->file);
	free(k->refused);
}

void sink_gap(struct sink *k, uint16_t worker, uint32_t first, uint32_t last, uint64_t n, bool ring, uint64_t time_ns)
{
	struct record gap = {.len = sizeof(gap),
			     .kind = RECORD_GAP,
			     .time_ns = time_ns,
			     .worker = worker,
			     .seq = first,
			     .tx_kind = ring,
			     .tx_id = last,
			     .pkts = {n}};
	sink_record(k, &gap);
}

static void say_refused(struct sink *k, uint64_t time_ns)
{
	k->refuses = false;
	for (unsigned i = 0; i < k->render.config->nsources; i++) {
		struct sink_refused was = k->refused[i];
		k->refused[i] = (struct sink_refused){0};
		if (was.n)
			sink_gap(k, (uint16_t)i, was.first, was.last, was.n, false, time_ns);
	}
}

// Replay's are numbered as they are shipped and never refused.
static void refuse(struct sink *k, const struct record *rec)
{
	bool gap = rec->kind == RECORD_GAP;
	struct sink_refused *r = &k->refused[rec->worker];
	if (r->n == 0)
		r->first = rec->seq;
	r->last = gap ? rec->tx_id : rec->seq;
	r->n += gap ? rec->pkts[0] : 1;
	k->refuses = true;
	k->lost += !gap;
}

void sink_record(struct sink *k, const struct record *rec)
{
	if (!outlet_takes(&k->render.out)) {
		refuse(k, rec);
		return;
	}
	if (k->refuses)
		say_refused(k, rec->time_ns);
	k->face->record(&k->render, rec);
	k->records++;
}

void sink_flush(struct sink *k, bool last)
{
	outlet_flush(&k->render.out);
	if (k->refuses && outlet_takes(&k->render.out))
		say_refused(k, clock_ns(CLOCK_REALTIME));
	if (last)
		outlet_end(&k->render.out);
}
