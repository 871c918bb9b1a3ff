// SPDX-License-Identifier: BSD-3-Clause
//
// The kind `syslog`: a line of a face becomes a message of RFC 5424, which goes by TCP with its length before it (RFC
// 6587 3.4.1) or by TLS (RFC 5425). Its sink's thread.
//
//   312 <132>1 2026-11-22T08:01:02.287123Z edge-1 sluice 1795334 alert [sluice@32473 worker="0" seq="17"]
//   {"timestamp":...
//        |     |                           node          boot     kind
//        |     time of the record
//        facility * 8 + severity
//
// Nobody acknowledges here. A message counts as arrived when the far kernel has had it for settle_ms on a connection
// that still stands; at the end, when the far end has read up to our FIN and closes. What was written and has not so
// arrived when a connection goes is written again on the next, so what stands twice is more likely than what is
// missing. Missing is what the far kernel took, and its program had not read, settle_ms later: docs/durability.md.
//
// The MSG has no BOM: it is RFC 5424's MSG-ANY, and who reads JSON out of it would stumble over one. The SD-ID's
// number is that of documentation (RFC 5612): there is none of ours.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "ruleset.h"
#include "ship/sink.h"
#include "ship/text.h"
#include "ship/wire.h"

#define GATHER (64u * 1024)
#define HEAD_MAX 700            // RFC 5424 6: the head of a message at its longest, as it is made here
#define MARKS 65536             // writes under way: 4 GiB in pieces of GATHER
#define STANDS_NS 1000000000ull // a client that is not welcome hears it later than its handshake ends (TLS 1.3)
#define FINISH_NS 2000000000ull

struct own {
	struct wire *wire;
	struct text_clock clock;
	char *bytes; // GATHER + HEAD_MAX + message_bytes
	size_t n, went;
	uint64_t put; // the end of the last record that is in bytes, or has gone
	struct mark { // all up to `end` has gone when so many bytes have arrived; when they had, 0: not yet
		uint64_t sent, end, ns;
	} * marks;
	uint32_t first, last; // of marks, without end
	uint32_t seen;        // those before it have arrived
	uint64_t finish_ns;   // since when all has
	uint64_t connected_ns;
	bool connected;
};

static int syslog_open(struct sink *k)
{
	struct own *o = k->own;
	const struct sink_config *c = k->config;
	char why[WIRE_TEXT];
	o->bytes = malloc(GATHER + HEAD_MAX + c->message_bytes);
	o->marks = malloc(MARKS * sizeof(*o->marks));
	if (!o->bytes || !o->marks)
		return -ENOMEM;
	o->wire = wire_new(
		&(struct wire_config){c->server, c->tls, c->ca_file, c->cert_file, c->key_file, c->server_name}, why);
	if (!o->wire)
		log_say(LOG_ERROR, "ship", "sink=%s: %s", c->name, why);
	return o->wire ? 0 : -EINVAL;
}

// ---- a message ---------------------------------------------------------------------------------------------------

// RFC 5424 6.2.1.
static unsigned severity(const struct record *r)
{
	enum { ERROR = 3, WARNING, NOTICE, INFO };
	if (r->kind == RECORD_GAP)
		return ERROR;
	if (r->kind == RECORD_ALERT || r->kind == RECORD_FLOOD)
		return WARNING;
	if ((r->judged & RECORD_JUDGED) && r->action != ACTION_ALLOW)
		return WARNING;
	return r->kind == RECORD_ANOMALY || r->kind == RECORD_STATE ? NOTICE : INFO;
}

// HOSTNAME: printable ASCII without spaces (RFC 5424 6), at most 255.
static void host(const char *node, char to[256])
{
	size_t n = 0;
	for (; node && node[n] && n < 255; n++)
		to[n] = node[n] > ' ' && node[n] < 0x7f ? node[n] : '_';
	to[n] = 0;
	if (n == 0)
		memcpy(to, "-", 2);
}

static void add_message(struct own *o, const struct sink_config *c, const struct sink_item *item, const char *line,
			size_t len)
{
	char head[HEAD_MAX], name[256], stamp[TEXT_TIME_LEN + 1];
	const struct record *r = item->record;
	bool cut = len > c->message_bytes;
	host(item->node, name);
	*text_time(stamp, &o->clock, r->time_ns) = 0;
	stamp[26] = 'Z'; // "2026-11-22T08:01:02.287123+0000"
	stamp[27] = 0;
	int n = snprintf(head, sizeof(head), "<%u>1 %s %s sluice %lu %s [sluice@32473 worker=\"%u\" seq=\"%u\"%s] ",
			 c->facility * 8u + severity(r), stamp, name, item->boot, record_kind_names[r->kind], r->worker,
			 r->seq, cut ? " cut=\"1\"" : "");
	if (cut) // not within a character of UTF-8
		for (len = c->message_bytes; len && ((uint8_t)line[len] & 0xc0) == 0x80; len--)
			;
	o->n += (size_t)sprintf(o->bytes + o->n, "%zu ", (size_t)n + len);
	memcpy(o->bytes + o->n, head, (size_t)n);
	memcpy(o->bytes + o->n + n, line, len);
	o->n += (size_t)n + len;
}

// ---- what has arrived --------------------------------------------------------------------------------------------

static struct mark *mark_at(struct own *o, uint32_t n)
{
	return &o->marks[n % MARKS];
}

static void arrived(struct sink *k, bool now)
{
	struct own *o = k->own;
	uint64_t there = wire_arrived(o->wire), ns = clock_ns(CLOCK_MONOTONIC), end = 0;
	for (; o->seen != o->last && mark_at(o, o->seen)->sent <= there; o->seen++)
		mark_at(o, o->seen)->ns = ns;
	for (; o->first != o->seen; o->first++) {
		const struct mark *m = mark_at(o, o->first);
		if (!now && ns - m->ns < k->config->settle_ms * 1000000ull)
			break;
		end = m->end;
	}
	if (end)
		sink_acked(k, end, now);
}

// The connection is gone, and with it what had not arrived: all that is not acknowledged goes again.
static bool gone(struct sink *k, const char *why)
{
	struct own *o = k->own;
	sink_fails(k, "%s", why);
	wire_close(o->wire);
	bool any = o->n || o->first != o->last;
	o->n = o->went = 0;
	o->first = o->seen = o->last;
	o->connected = false;
	o->finish_ns = 0;
	if (any)
		sink_rewind(k);
	return false;
}

// What is gathered, as far as it goes. False: it is down.
static bool write_out(struct sink *k)
{
	struct own *o = k->own;
	char why[WIRE_TEXT] = "";
	if (o->connected && !wire_alive(o->wire, why))
		return gone(k, why);
	if (!o->connected) {
		if (!wire_open(o->wire, why))
			return gone(k, why);
		o->connected = true;
		o->connected_ns = clock_ns(CLOCK_MONOTONIC);
	}
	long n = 1;
	while (o->went < o->n && n > 0 && o->last - o->first < MARKS) {
		n = wire_write(o->wire, o->bytes + o->went, o->n - o->went, why);
		if (n < 0)
			return gone(k, why);
		o->went += (size_t)n;
		if (n)
			sink_sent(k, (uint64_t)n);
	}
	if (o->n && o->went == o->n) {
		*mark_at(o, o->last++) = (struct mark){wire_sent(o->wire), o->put, 0};
		o->n = o->went = 0;
	}
	arrived(k, false);
	if (clock_ns(CLOCK_MONOTONIC) - o->connected_ns > STANDS_NS)
		sink_works(k);
	return true;
}

// ---- the kind ----------------------------------------------------------------------------------------------------

static enum sink_took syslog_put(struct sink *k, const struct sink_item *item)
{
	struct own *o = k->own;
	if (o->n >= GATHER) {
		if (!write_out(k))
			return SINK_DOWN;
		if (o->n)
			return SINK_BUSY;
	}
	const char *end = item->text + item->len - 1, *before = memrchr(item->text, '\n', (size_t)(end - item->text));
	const char *line = before ? before + 1 : item->text; // a table's first row has its header before it
	add_message(o, k->config, item, line, (size_t)(end - line));
	o->put = item->end;
	return SINK_TOOK;
}

static bool syslog_idle(struct sink *k)
{
	return write_out(k);
}

static bool syslog_drain(struct sink *k)
{
	struct own *o = k->own;
	uint64_t ns = clock_ns(CLOCK_MONOTONIC);
	if (!o->finish_ns) { // not all has been given to the wire, or is known to have arrived
		if (!o->connected && !o->n && o->first == o->last)
			return true;
		if (!write_out(k) || o->n || wire_arrived(o->wire) < wire_sent(o->wire))
			return false;
		o->finish_ns = ns;
	}
	int read = wire_finish(o->wire);
	if (read < 0)
		return gone(k, "it closed the connection before it had read all");
	if (read == 0 && ns - o->finish_ns < FINISH_NS)
		return false;
	arrived(k, true);
	wire_close(o->wire);
	o->connected = false;
	return true;
}

static void syslog_close(struct sink *k)
{
	struct own *o = k->own;
	wire_free(o->wire);
	free(o->bytes);
	free(o->marks);
}

const struct sink_kind sink_syslog = {"syslog",    sizeof(struct own), syslog_open,          syslog_put,
				      syslog_idle, syslog_drain,       .close = syslog_close};
