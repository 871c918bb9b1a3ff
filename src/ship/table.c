// SPDX-License-Identifier: BSD-3-Clause
//
// The face for eyes: a row for each transaction and each flow as it ends.
//
//   TIME         PROTO  SOURCE            DESTINATION       APP     PKTS   BYTES  STATE   WHAT
//   0.021331     tcp    10.0.0.1:40000 -> 10.0.0.2:443      tls                           example.com  TLS 1.3  h2
//   0.144002     tcp    10.0.0.1:40000 -> 10.0.0.2:443      tls       21    9800  closed  0.123 s
//
// What comes first decides: columns stand where the eye expects them, what has no fixed length comes last and is cut
// to the terminal's width with an ellipsis; nothing is cut where there is no terminal. The columns of addresses are
// made for IPv4, and widen once, for IPv6, under a header of their own. Rejected: to wait for the longest (a table of a
// live pipe would stand still), or to widen with each longer one (no two rows agree). On a terminal of less than NARROW
// columns milliseconds do, one column says the protocol, a flow's counters stand in its WHAT, and long addresses lose
// their middle. Control bytes, broken UTF-8 and invisible characters never reach the terminal: they are shown as \xHH.
// Shipper's thread.
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record.h"
#include "ship/dnsrr.h"
#include "ship/face.h"
#include "ship/judged.h"
#include "ship/proto.h"
#include "verdict.h"

#define CELL_MAX 8192

struct table {
	uint64_t start_ns; // of the capture: its first record
	bool started, utf8;
	unsigned captures; // that have a header
	unsigned endpoint; // width of SOURCE and DESTINATION
	unsigned endpoint_max;
	bool narrow;
	// the row in work
	char *at, *end;
	unsigned column, width; // where the cursor stands; width 0: no limit
	bool cut;
};

enum {
	WIDTH_TIME = 12,
	WIDTH_TIME_NARROW = 9,
	WIDTH_PROTO = 6,
	WIDTH_ENDPOINT = 21, // 255.255.255.255:65535
	WIDTH_ENDPOINT_NARROW = 15,
	WIDTH_ENDPOINT_WIDE = 41, // nearly all of IPv6 with a port; 47 is the longest
	WIDTH_APP = 8,
	WIDTH_PKTS = 7,
	WIDTH_BYTES = 7,
	WIDTH_STATE = 12,
	WIDTH_VERDICT = 24,       // where there is a policy: what it said, and by which rule
	WIDTH_VERDICT_NARROW = 6, // what it said
	WIDTH_FIXED_NARROW = WIDTH_TIME_NARROW + WIDTH_APP + 5, // all but endpoints and WHAT
	WIDTH_FIXED = WIDTH_TIME + WIDTH_PROTO + WIDTH_APP + WIDTH_PKTS + 2 + WIDTH_BYTES + 2 + WIDTH_STATE + 5,
	WHAT_MIN = 24,
	NARROW = 140,
};

static void widths(struct table *t, unsigned columns)
{
	t->narrow = columns && columns < NARROW;
	unsigned least = t->narrow ? WIDTH_ENDPOINT_NARROW : WIDTH_ENDPOINT;
	unsigned rest = WHAT_MIN + (t->narrow ? WIDTH_FIXED_NARROW : WIDTH_FIXED);
	t->endpoint = least;
	t->endpoint_max = columns == 0 ? UINT_MAX : columns > rest + 2 * least ? (columns - rest) / 2 : least;
}

static int table_open(struct render *r)
{
	struct table *t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	widths(t, r->sink->width);
	// A terminal that is not in UTF-8 could take its bytes for C1 controls.
	const char *locale = getenv("LC_ALL");
	if (!locale || !*locale)
		locale = getenv("LC_CTYPE");
	if (!locale || !*locale)
		locale = getenv("LANG");
	t->utf8 = r->sink->width == 0 || (locale && (strcasestr(locale, "UTF-8") || strcasestr(locale, "utf8")));
	r->state = t;
	return 0;
}

static void table_close(struct render *r)
{
	free(r->state);
}

// ---- characters into the row ------------------------------------------------------------------------------------
static void raw(struct table *t, const char *p, size_t len)
{
	if ((size_t)(t->end - t->at) < len)
		return;
	memcpy(t->at, p, len);
	t->at += len;
}

// `columns` more on the screen. False: they do not fit, and the ellipsis has been put.
static bool fits(struct table *t, unsigned columns)
{
	if (t->cut)
		return false;
	if (t->width == 0 || t->column + columns < t->width) {
		t->column += columns;
		return true;
	}
	if (t->column < t->width)
		t->utf8 ? raw(t, "\xe2\x80\xa6", 3) : raw(t, "~", 1);
	t->column++;
	t->cut = true;
	return false;
}

static void bytes(struct table *t, const void *value, size_t len)
{
	const uint8_t *p = value;
	for (size_t i = 0; i < len && !t->cut;) {
		size_t run = 0; // of plain ASCII, where nothing is cut
		while (t->width == 0 && i + run < len && p[i + run] >= 0x20 && p[i + run] < 0x7f)
			run++;
		if (run) {
			raw(t, (const char *)p + i, run);
			t->column += (unsigned)run;
			i += run;
			continue;
		}
		uint32_t c = 0;
		unsigned n = text_utf8(p + i, len - i, &c);
		if (n && !text_harmful(c) && (c < 0x80 || t->utf8)) {
			if (fits(t, text_columns(c)))
				raw(t, (const char *)p + i, n);
			i += n;
			continue;
		}
		for (unsigned k = 0; k < (n ? n : 1); k++, i++) {
			char hex[4] = "\\x";
			text_hex(hex + 2, p + i, 1);
			if (fits(t, 4))
				raw(t, hex, 4);
		}
	}
}

static void text(struct table *t, const char *s)
{
	bytes(t, s, strlen(s));
}

static void pad(struct table *t, unsigned to)
{
	static const char spaces[65] = "                                                                ";
	while (t->column < to && t->width == 0) {
		unsigned n = to - t->column < 64 ? to - t->column : 64;
		raw(t, spaces, n);
		t->column += n;
	}
	while (t->column < to && fits(t, 1))
		raw(t, " ", 1);
}

// Colours take no columns.
static void colour(const struct render *r, struct table *t, const char *sgr)
{
	if (r->sink->colour)
		raw(t, sgr, strlen(sgr));
}

#define BOLD "\033[1m"
#define OFF "\033[0m"

static const char *const colours[RECORD_KIND_COUNT] = {
	[RECORD_FLOW] = "\033[90m",    [RECORD_TLS] = "\033[32m",   [RECORD_QUIC] = "\033[35m",
	[RECORD_HTTP] = "\033[36m",    [RECORD_DNS] = "\033[33m",   [RECORD_SSH] = "\033[34m",
	[RECORD_ANOMALY] = "\033[31m", [RECORD_ALERT] = "\033[31m", [RECORD_GAP] = "\033[31m",
	[RECORD_FLOOD] = "\033[31m",
};

static void cell(struct table *t, const char *s, unsigned width)
{
	unsigned from = t->column;
	text(t, s);
	if (t->column >= from + width) // never two values without a space between
		pad(t, t->column + 1);
	pad(t, from + width);
}

static void cell_right(struct table *t, const char *s, unsigned width)
{
	unsigned len = (unsigned)strlen(s);
	pad(t, t->column + (len < width ? width - len : 0));
	text(t, s);
	pad(t, t->column + 2);
}

// ---- rows ---------------------------------------------------------------------------------------------------------
static struct jsonl row(struct render *r)
{
	struct table *t = r->state;
	struct jsonl j = outlet_line(&r->out);
	t->at = j.at;
	t->end = j.end - 16; // for the end of the row
	t->column = 0;
	t->width = r->sink->width;
	t->cut = false;
	return j;
}

static void row_end(struct render *r, struct jsonl *j)
{
	struct table *t = r->state;
	while (t->at > j->at && t->at[-1] == ' ')
		t->at--;
	t->end += 16;
	colour(r, t, OFF);
	raw(t, "\n", 1);
	j->at = t->at;
	outlet_put(&r->out, j);
}

static void columns(struct render *r);

static void header(struct render *r)
{
	struct table *t = r->state;
	struct jsonl j;
	if (t->captures++ > 0) { // a line between two
		j = row(r);
		row_end(r, &j);
	}
	for (unsigned i = 0; i < r->npaths; i++) {
		j = row(r);
		colour(r, t, BOLD);
		text(t, r->paths[i].plain);
		row_end(r, &j);
	}
	columns(r);
}

static void columns(struct render *r)
{
	struct table *t = r->state;
	struct jsonl j = row(r);
	colour(r, t, BOLD);
	cell(t, "TIME", t->narrow ? WIDTH_TIME_NARROW : WIDTH_TIME);
	if (t->narrow)
		cell(t, "APP", WIDTH_APP);
	else
		cell(t, "PROTO", WIDTH_PROTO);
	cell(t, "SOURCE", t->endpoint + 4);
	cell(t, "DESTINATION", t->endpoint + 1);
	if (!t->narrow) {
		cell(t, "APP", WIDTH_APP);
		cell_right(t, "PKTS", WIDTH_PKTS);
		cell_right(t, "BYTES", WIDTH_BYTES);
		cell(t, "STATE", WIDTH_STATE);
	}
	if (r->config->npolicies)
		cell(t, "VERDICT", t->narrow ? WIDTH_VERDICT_NARROW + 2 : WIDTH_VERDICT);
	text(t, "WHAT");
	row_end(r, &j);
}

static void table_capture(struct render *r)
{
	struct table *t = r->state;
	t->started = false;
}

// The middle of s gives way to an ellipsis, so that len is max. The end has the port.
static unsigned squeeze(struct table *t, char *s, unsigned len, unsigned max)
{
	unsigned tail = max / 2, head = max - tail - 1;
	const char *dots = t->utf8 ? "\xe2\x80\xa6" : "~";
	if (len <= max)
		return len;
	memmove(s + head + strlen(dots), s + len - tail, tail + 1);
	memcpy(s + head, dots, strlen(dots));
	return max;
}

#define ENDPOINT_MAX (TEXT_IP_MAX + 16)

static unsigned endpoint_text(struct table *t, const struct record *rec, const uint8_t *addr, uint16_t port,
			      char s[ENDPOINT_MAX])
{
	char *at = s;
	bool bracket = rec->ip_version == 6 && port;
	if (rec->ip_version) {
		if (bracket)
			*at++ = '[';
		at = text_ip(at, addr, rec->ip_version);
		if (bracket)
			*at++ = ']';
	}
	if (port) {
		*at++ = ':';
		at = text_u64(at, port);
	}
	*at = 0;
	return squeeze(t, s, (unsigned)(at - s), t->endpoint_max);
}

static void endpoint(struct table *t, const struct record *rec, const uint8_t *addr, uint16_t port, unsigned width)
{
	char s[ENDPOINT_MAX];
	unsigned from = t->column;
	endpoint_text(t, rec, addr, port, s);
	text(t, s);
	pad(t, from + width);
}

// The columns are made wide enough for the record. True: they moved.
static bool widen(struct table *t, const struct record *rec)
{
	char s[ENDPOINT_MAX];
	unsigned src = endpoint_text(t, rec, rec->src, rec->sport, s),
		 dst = endpoint_text(t, rec, rec->dst, rec->dport, s);
	unsigned need = src > dst ? src : dst,
		 wide = t->endpoint_max < WIDTH_ENDPOINT_WIDE ? t->endpoint_max : WIDTH_ENDPOINT_WIDE;
	if (need <= t->endpoint)
		return false;
	t->endpoint = need > wide ? need : wide;
	return true;
}

static const char *const ends[] = {
	[FLOW_END_NONE] = "open",           [FLOW_END_TIMEOUT] = "timeout", [FLOW_END_CLOSED] = "closed",
	[FLOW_END_RESET] = "reset",         [FLOW_END_REUSED] = "reused",   [FLOW_END_EVICTED] = "evicted",
	[FLOW_END_SHUTDOWN] = "still open",
};

// A fact's value, with two spaces before it where something precedes.
static bool say(struct table *t, const struct record *rec, enum fact_field field, bool precedes)
{
	const struct fact *f = record_find(rec, field);
	char n[24];
	if (!f || (field == FACT_ANOMALY && !f->len)) // an anomaly's place, without a value
		return precedes;
	if (precedes)
		text(t, "  ");
	if (fact_types[field] == FACT_TYPE_NUM) {
		*text_u64(n, fact_number(f)) = 0;
		text(t, n);
	} else {
		bytes(t, f->value, f->len);
	}
	return true;
}

static void list(struct table *t, const struct record *rec, enum fact_field field, bool precedes)
{
	const char *before = precedes ? "  " : "";
	RECORD_EACH(f, rec) {
		if (f->field != field)
			continue;
		text(t, before);
		bytes(t, f->value, f->len);
		before = ",";
	}
}

static void what_http(struct table *t, const struct record *rec)
{
	const struct fact *uri = record_find(rec, FACT_HTTP_URI);
	bool any = say(t, rec, FACT_HTTP_METHOD, false);
	if (any)
		text(t, " ");
	// origin-form has no host of its own (RFC 9112 3.2)
	if (!uri || (uri->len && uri->value[0] == '/'))
		any = say(t, rec, FACT_HTTP_HOST, false) || any;
	if (uri)
		bytes(t, uri->value, uri->len);
	say(t, rec, FACT_HTTP_STATUS, any || uri);
}

static void what_dns(struct table *t, const struct record *rec)
{
	const struct fact *name = record_find(rec, FACT_DNS_QNAME), *type = record_find(rec, FACT_DNS_QTYPE);
	const struct fact *rcode = record_find(rec, FACT_DNS_RCODE);
	char buf[12], short_form[512];
	if (name && name->len)
		bytes(t, name->value, name->len);
	else if (name)
		text(t, "<root>");
	if (type) {
		text(t, " ");
		text(t, dnsrr_type((uint16_t)fact_number(type), buf));
	}
	if (!rec->tx_kind)
		return;
	const char *before = " -> ";
	RECORD_EACH(f, rec) {
		unsigned len = f->field == FACT_DNS_RR && !t->cut ? dnsrr_short(f, short_form, sizeof(short_form)) : 0;
		if (len == 0)
			continue;
		text(t, before);
		bytes(t, short_form, len);
		before = ", ";
	}
	if ((rcode && fact_number(rcode)) || before[0] == ' ') {
		text(t, " -> ");
		text(t, dnsrr_rcode(rcode ? (uint16_t)fact_number(rcode) : 0, buf));
	}
}

static const char *ending(const struct record *rec)
{
	return rec->flow_end < sizeof(ends) / sizeof(ends[0]) ? ends[rec->flow_end] : "";
}

static void what_flow(struct table *t, const struct record *rec)
{
	char s[96], n[2][16];
	uint64_t ms = rec->end_ns > rec->start_ns ? (rec->end_ns - rec->start_ns) / 1000000 : 0;
	if (t->narrow) {
		snprintf(s, sizeof(s), "%s, %s pkts, %s bytes, ", ending(rec),
			 text_size(rec->pkts[0] + rec->pkts[1], n[0]), text_size(rec->bytes[0] + rec->bytes[1], n[1]));
		text(t, s);
	}
	snprintf(s, sizeof(s), "%lu.%03lu s", (unsigned long)(ms / 1000), (unsigned long)(ms % 1000));
	text(t, s);
	bool cut = rec->proto == IPPROTO_TCP || (rec->proto == IPPROTO_UDP && !rec->sport && !rec->dport);
	if (rec->layer)
		text(t, cut ? "  cut off" : "  outer layer");
}

static void what_flood(struct table *t, const struct record *rec)
{
	char s[64], n[16], prefix[16] = "elsewhere";
	if (rec->ip_version)
		snprintf(prefix, sizeof(prefix), "/%u", rec->tx_kind);
	snprintf(s, sizeof(s), "flood: %s half-open flows from %s", text_size(rec->tx_count, n), prefix);
	text(t, s);
}

static void what(const struct render *r, const struct record *rec)
{
	struct table *t = r->state;
	const struct policy_names *p = judged_policy(r, rec);
	const struct rule_name *says = p ? policy_names_rule(p, rec->alert) : NULL;
	const char *before = judged_before(r, rec, &(unsigned){0});
	char event[REASON_EVENT_MAX];
	bool any;
	switch (rec->kind) {
	case RECORD_FLOW:
		what_flow(t, rec);
		break;
	case RECORD_TLS:
		any = say(t, rec, FACT_TLS_SNI, false);
		any = say(t, rec, FACT_TLS_VERSION, any);
		list(t, rec, FACT_TLS_ALPN, any);
		break;
	case RECORD_QUIC:
		any = say(t, rec, FACT_QUIC_SNI, false);
		any = say(t, rec, FACT_QUIC_VERSION, any);
		list(t, rec, FACT_QUIC_ALPN, any);
		break;
	case RECORD_HTTP:
		what_http(t, rec);
		break;
	case RECORD_DNS:
		what_dns(t, rec);
		break;
	case RECORD_SSH:
		any = say(t, rec, FACT_SSH_SOFTWARE, false);
		if (record_find(rec, FACT_SSH_SERVER_SOFTWARE))
			text(t, any ? " -> " : "-> ");
		say(t, rec, FACT_SSH_SERVER_SOFTWARE, false);
		break;
	case RECORD_ALERT:
		text(t, "alert  ");
		text(t, says ? says->reason ? says->reason : says->id : "");
		say(t, rec, FACT_HOST, true);
		break;
	case RECORD_ANOMALY:
		text(t, rec->reason ? reason_event(rec->reason, event) : anomaly_names[rec->anomaly]);
		if (rec->reason)
			text(t, "  dropped");
		if (rec->reason == REASON_LIMIT_EXCEEDED) { // so many since the record before
			text(t, " frames: ");
			text(t, text_size(rec->pkts[0], (char[16]){0}));
		}
		say(t, rec, FACT_ANOMALY, true);
		text(t, before ? " by " : "");
		text(t, before ? before : "");
		break;
	case RECORD_FLOOD:
		what_flood(t, rec);
		break;
	default: // of our own: gap, state
		text(t, rec->kind == RECORD_GAP ? "missing records: " : "");
		text(t, rec->kind == RECORD_GAP ? text_size(rec->pkts[0], (char[16]){0}) : "");
		list(t, rec, FACT_STATE, false);
	}
}

static void when(struct table *t, uint64_t time_ns)
{
	char s[40];
	uint64_t us = time_ns > t->start_ns ? (time_ns - t->start_ns) / 1000 : 0;
	snprintf(s, sizeof(s), "%lu.%06lu", (unsigned long)(us / 1000000), (unsigned long)(us % 1000000));
	unsigned width = t->narrow ? WIDTH_TIME_NARROW : WIDTH_TIME, keep = width - 1;
	if (t->narrow)
		s[strlen(s) - 3] = 0;
	if (us / 1000000 >= (t->narrow ? 10000 : 100000)) // the more seconds, the fewer of their parts
		s[keep - (s[keep - 1] == '.')] = 0;
	cell(t, s, width);
}

static void counters(struct table *t, const struct record *rec)
{
	char s[16];
	bool flow = rec->kind == RECORD_FLOW || rec->kind == RECORD_FLOOD;
	cell_right(t, flow ? text_size(rec->pkts[0] + rec->pkts[1], s) : "", WIDTH_PKTS);
	cell_right(t, flow ? text_size(rec->bytes[0] + rec->bytes[1], s) : "", WIDTH_BYTES);
	cell(t, flow ? ending(rec) : "", WIDTH_STATE);
}

static void verdict(struct render *r, const struct record *rec)
{
	struct table *t = r->state;
	const struct policy_names *p = judged_policy(r, rec);
	unsigned end = t->column + (t->narrow ? WIDTH_VERDICT_NARROW + 2 : WIDTH_VERDICT);
	if (p && (rec->judged & RECORD_JUDGED)) {
		char id[WIDTH_VERDICT - 5] = "";
		text(t, judged_action(rec->action));
		if (!t->narrow &&
		    snprintf(id, sizeof(id), " %s", policy_names_rule(p, rec->rule)->id) >= (int)sizeof(id))
			memcpy(id + sizeof(id) - 4, "...", 4);
		text(t, id);
	}
	pad(t, end);
}

static void table_record(struct render *r, const struct record *rec)
{
	struct table *t = r->state;
	bool begins = !t->started;
	if (begins) {
		t->started = true;
		t->start_ns = rec->time_ns;
	}
	bool moved = widen(t, rec);
	if (begins)
		header(r);
	else if (moved)
		columns(r);
	if (rec->kind == RECORD_FLOW_START)
		return;
	struct jsonl j = row(r);
	colour(r, t, colours[rec->kind]);
	when(t, rec->kind == RECORD_FLOW ? rec->end_ns : rec->time_ns); // a flow is written later than it ends
	const char *app = rec->app == APP_NONE ? "-" : app_names[rec->app];
	if (t->narrow)
		cell(t, rec->app == APP_NONE || rec->app == APP_OTHER ? proto_name(rec->proto) : app, WIDTH_APP);
	else
		cell(t, rec->ip_version ? proto_name(rec->proto) : "-", WIDTH_PROTO);
	endpoint(t, rec, rec->src, rec->sport, t->endpoint);
	text(t, rec->kind != RECORD_FLOW && rec->dir ? " <- " : " -> ");
	endpoint(t, rec, rec->dst, rec->dport, t->endpoint);
	pad(t, t->column + 1);
	if (!t->narrow) {
		cell(t, app, WIDTH_APP);
		counters(t, rec);
	}
	if (r->config->npolicies)
		verdict(r, rec);
	what(r, rec);
	if (rec->tenant) {
		char n[24];
		*text_u64(n, rec->tenant) = 0;
		text(t, "  tenant ");
		text(t, n);
	}
	row_end(r, &j);
}

const struct face table_face = {table_open, table_capture, table_record, table_close};
