// SPDX-License-Identifier: BSD-3-Clause
//
// The kind `file`: lines gather here and go to a file (file.c) or to standard output. A regular file is synced before
// the cursor moves behind what is in it, so that what counts as arrived is still there after the power has gone. After
// a crash the lines since the last sync may stand in it twice. Its sink's thread.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "ship/outlet.h"
#include "ship/sink.h"

#define GATHER (256u * 1024)
#define SYNC_NS 1000000000ull
#define SYNC_BYTES (16u << 20)

struct own {
	struct file file;
	char *lines;
	size_t n, room;
	uint64_t put;          // the end of the last record that is in lines, or has gone
	uint64_t gone, synced; // all up to here was written; and is durable
	uint64_t unsynced, since_ns;
	uint64_t shown; // errors of the file
};

static int file_sink_open(struct sink *k)
{
	struct own *o = k->own;
	const struct sink_config *c = k->config;
	o->room = GATHER + OUTLET_LINE_MAX;
	o->lines = malloc(o->room);
	if (!o->lines)
		return -ENOMEM;
	file_open(&o->file, &(struct file_config){.path = c->path,
						  .rotate_bytes = (uint64_t)c->rotate_mb << 20,
						  .rotate_s = c->rotate_s,
						  .keep = c->keep,
						  .unit_max = OUTLET_LINE_MAX});
	return 0;
}

// What is gathered, as far as it goes. False: the file takes nothing now.
static bool write_out(struct sink *k, bool last)
{
	struct own *o = k->own;
	size_t n = file_write(&o->file, o->lines, o->n, last);
	memmove(o->lines, o->lines + n, o->n - n);
	o->n -= n;
	o->unsynced += n;
	if (n)
		sink_sent(k, n);
	if (o->n == 0)
		o->gone = o->put;
	if (o->file.failing) {
		sink_fails(k, "%s: %s", k->config->path, strerror(o->file.error));
		return false;
	}
	sink_works(k);
	char why[SINK_TEXT];
	if (file_trouble(&o->file, &o->shown, why, sizeof(why)))
		sink_troubled(k, why);
	return true;
}

// now: whatever it costs.
static bool sync_out(struct sink *k, bool now)
{
	struct own *o = k->own;
	uint64_t ns = clock_ns(CLOCK_MONOTONIC);
	if (o->gone == o->synced || (!now && o->unsynced < SYNC_BYTES && ns - o->since_ns < SYNC_NS))
		return true;
	if (o->file.regular && fdatasync(o->file.fd) != 0) { // the kernel has forgotten what it could not write
		sink_fails(k, "%s: %s", k->config->path, strerror(errno));
		o->n = 0;
		o->put = o->gone = o->synced;
		sink_rewind(k);
		return false;
	}
	o->synced = o->gone;
	o->since_ns = ns;
	o->unsynced = 0;
	sink_acked(k, o->synced, now);
	return true;
}

static enum sink_took file_sink_put(struct sink *k, const struct sink_item *item)
{
	struct own *o = k->own;
	if (o->n >= GATHER) {
		bool up = write_out(k, false);
		if (o->n >= GATHER)
			return up ? SINK_BUSY : SINK_DOWN;
		if (!sync_out(k, false))
			return SINK_DOWN;
	}
	if (o->n + item->len > o->room) { // facts: many lines of one record
		char *more = realloc(o->lines, o->n + item->len);
		if (!more)
			return SINK_BUSY;
		o->lines = more;
		o->room = o->n + item->len;
	}
	memcpy(o->lines + o->n, item->text, item->len);
	o->n += item->len;
	o->put = item->end;
	return SINK_TOOK;
}

static bool file_sink_idle(struct sink *k)
{
	return write_out(k, false) && sync_out(k, false);
}

static bool file_sink_drain(struct sink *k)
{
	const struct own *o = k->own;
	return write_out(k, true) && sync_out(k, true) && o->n == 0;
}

static void file_sink_reopen(struct sink *k)
{
	struct own *o = k->own;
	o->file.again = true;
}

static void file_sink_close(struct sink *k)
{
	struct own *o = k->own;
	file_close(&o->file);
	free(o->lines);
}

const struct sink_kind sink_file = {
	"file",          sizeof(struct own),         file_sink_open,          file_sink_put, file_sink_idle,
	file_sink_drain, .reopen = file_sink_reopen, .close = file_sink_close};
