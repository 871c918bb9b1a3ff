// SPDX-License-Identifier: BSD-3-Clause
//
// The summary of a replay. Same keys in words and in JSON; what is zero is left out of the words. Called once, at
// the end, when all workers are at rest.
#include "replay_summary.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/fail.h"
#include "path/keep.h"
#include "live/mirrors.h"
#include "replay_fast.h"
#include "ship/text.h"

static const char *const judge_again_names[JUDGE_AGAIN_COUNT] = {
#define X(symbol, name) name,
	JUDGE_AGAINS(X)
#undef X
};

void summary_add(struct summary *s, const struct crew *c)
{
	const struct worker *w;
	for (unsigned i = 0; (w = crew_worker(c, i)); i++) {
		s->rx += w->rx;
		s->own += w->own;
		s->tx += w->tx;
		s->kernel += w->kernel;
		s->mirrored += w->mirrored;
		s->held += w->held;
		s->rx_bytes += w->rx_bytes;
		s->tx_bytes += w->tx_bytes;
		for (unsigned j = 0; j < REASON_COUNT; j++)
			s->drops[j] += w->drops[j];
		for (unsigned j = 0; j < COUNTER_COUNT; j++)
			s->counters[j] += w->counters[j];
		for (unsigned j = 0; j < ANOMALY_COUNT; j++)
			s->anomalies[j] += w->anomalies[j];
		struct keep_sums kept;
		keep_sums(w, &kept);
		s->kept_bytes += kept.bytes;
		s->kept_most += kept.most;
	}
	s->mbufs_in_use = crew_mbufs_in_use(c);
	if ((s->fast = c->fast))
		replay_fast_sums(c->fast, &s->settled, &s->settled_dropped);
}

void summary_policy(struct summary *s, struct replay_policies *p)
{
	replay_policies_sum(p);
	s->policies = p;
}

static int by_address(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct offloader));
}

void summary_senders(struct summary *s, const struct senders *senders, unsigned outcome)
{
	struct offloader o = {.outcome = outcome};
	uint64_t first = s->noffloaders;
	for (uint32_t i = 0; senders_next(senders, &i, &o.sender); s->noffloaders++) {
		if (s->noffloaders < SUMMARY_SENDERS)
			s->offloaders[s->noffloaders] = o;
	}
	// the table's own order follows its seed
	if (first < SUMMARY_SENDERS)
		qsort(s->offloaders + first, RTE_MIN(s->noffloaders, SUMMARY_SENDERS) - first, sizeof(o), by_address);
}

static uint64_t dropped(const struct summary *s)
{
	uint64_t sum = 0;
	for (unsigned i = 1; i < REASON_COUNT; i++)
		sum += s->drops[i];
	return sum;
}

bool summary_sound(const struct summary *s)
{
	uint64_t out = s->tx + s->kernel + s->mirrored + dropped(s) + s->held;
	if (s->held == 0 && s->mbufs_in_use == 0 && s->rx + s->own == out)
		return true;
	fprintf(stderr, "sluice: this is a bug: the ledger is open (held %lu, mbufs in use %u)\n", s->held,
		s->mbufs_in_use);
	return false;
}

const char *summary_printable(const char *text, char *buf, size_t len)
{
	size_t at = 0, left = strlen(text);
	while (left && at + 5 < len) {
		uint32_t code;
		unsigned n = text_utf8((const uint8_t *)text, left, &code);
		if (n && !text_harmful(code)) {
			memcpy(buf + at, text, n);
			at += n;
		} else {
			n = 1;
			at += snprintf(buf + at, len - at, "\\x%02X", (uint8_t)*text);
		}
		text += n;
		left -= n;
	}
	buf[at] = '\0';
	return buf;
}

static const char *proto_name(uint8_t proto, char *buf, size_t len)
{
	snprintf(buf, len,
		 proto == SENDERS_IP || proto == SENDERS_IP_EMPTY ? "ip"
		 : proto == SENDERS_IP_FRAGMENT                   ? "ip/frag"
		 : proto == SENDERS_UDP_JOINED                    ? "udp/frag"
		 : proto == SENDERS_TCP_EMPTY                     ? "tcp/ack"
		 : proto == 6                                     ? "tcp"
		 : proto == 17                                    ? "udp"
		 : proto == 1                                     ? "icmp"
		 : proto == 58                                    ? "icmp6"
		 : proto == 132                                   ? "sctp"
								  : "%u",
		 proto);
	return buf;
}

// ---- words -------------------------------------------------------------------------------------------------------

static const char *scaled(double v, const char *const *units, char *buf, size_t len)
{
	unsigned i = 0;
	for (; v >= 1000 && i < 4; i++)
		v /= 1000;
	snprintf(buf, len, i ? "%.1f %s" : "%.0f %s", v, units[i]);
	return buf;
}

static void heading(FILE *out, bool colour, const char *name)
{
	fprintf(out, colour ? "\033[1m%-11s\033[0m" : "%-11s", name);
}

static void list(FILE *out, bool colour, const char *name, const uint64_t *v, unsigned first, unsigned n,
		 const char *const *names, const char *const *help)
{
	for (unsigned i = first; i < n; i++) {
		if (!v[i])
			continue;
		heading(out, colour, name);
		fprintf(out, help ? "%-22s %10lu  %s\n" : "%-22s %10lu\n", names[i], v[i], help ? help[i] : "");
		name = "";
	}
}

static void words_senders(const struct summary *s, FILE *out, bool colour)
{
	enum { SHOWN = 8 };
	char address[INET6_ADDRSTRLEN], proto[12];
	if (!s->noffloaders)
		return;
	heading(out, colour, "offloading");
	fprintf(out, "%lu sender%s, whose checksums are all wrong:", s->noffloaders, s->noffloaders == 1 ? "" : "s");
	for (unsigned i = 0; i < s->noffloaders && i < SHOWN; i++) {
		const struct sender *o = &s->offloaders[i].sender;
		inet_ntop(o->version == 4 ? AF_INET : AF_INET6, o->addr, address, sizeof(address));
		fprintf(out, "%s %s %s", i ? "," : "", address, proto_name(o->proto, proto, sizeof(proto)));
	}
	fputs(s->noffloaders > SHOWN ? ", ...\n" : "\n", out);
}

// Of one policy.
static void words_hits(const struct replay_names *n, FILE *out, bool colour, bool several)
{
	enum { SHOWN = 16 };
	unsigned shown = 0, more = 0;
	for (uint32_t i = 0; i <= n->names.nrules; i++) {
		if (!n->hits[i])
			continue;
		if (shown == SHOWN) {
			more++;
			continue;
		}
		heading(out, colour, shown ? "" : "rules");
		fprintf(out, "%-22s %10lu%s%s\n", n->names.rule[i].id, n->hits[i], several && !shown ? "  of " : "",
			several && !shown ? n->names.file : "");
		shown++;
	}
	if (more)
		fprintf(out, "%-11sand %u more\n", "", more);
}

static void words_again(const struct summary *s, FILE *out, bool colour)
{
	static const char *const bytes[] = {"B", "kB", "MB", "GB", "TB"};
	char a[32], b[32];
	const uint64_t *n = s->policies ? s->policies->sums.rejudged : NULL;
	bool any = false;
	for (unsigned i = 0; n && i < JUDGE_AGAIN_COUNT; i++) {
		if (!n[i])
			continue;
		if (!any)
			heading(out, colour, "rejudged");
		fprintf(out, "%s%lu %s", any ? ", " : "", n[i], judge_again_names[i]);
		any = true;
	}
	if (any)
		fprintf(out, "; facts kept %s of %s at most\n", scaled(s->kept_most, bytes, a, sizeof(a)),
			scaled(s->kept_bytes, bytes, b, sizeof(b)));
}

// What is in shadow: rules, or a whole policy, which is named even where it would do the same.
static void words_would(const struct summary *s, FILE *out, bool colour)
{
	const struct judge_sums *v = &s->policies->sums;
	const char *second = s->policies->second.file;
	if (!second && !(v->would_differ[0] | v->would_differ[1] | v->would_unknown))
		return;
	heading(out, colour, "would");
	fprintf(out, "%lu transactions, and %lu flows without any, decided otherwise by %s", v->would_differ[1],
		v->would_differ[0], second ? second : "shadow rules");
	if (v->would_unknown)
		fprintf(out, "; %lu unknown, for it would have to know more", v->would_unknown);
	fputs(" (records: verdict.would)\n", out);
}

static void words_policy(const struct summary *s, FILE *out, bool colour)
{
	if (!s->policies)
		return;
	const struct judge_sums *v = &s->policies->sums;
	heading(out, colour, "verdicts");
	fprintf(out, "%lu flows allowed, %lu denied; %lu transactions allowed, %lu denied\n", v->flows[0], v->flows[1],
		v->transactions[0], v->transactions[1]);
	words_would(s, out, colour);
	for (const struct replay_names *n = s->policies->known; n; n = n->next)
		words_hits(n, out, colour, s->policies->known->next != NULL);
	words_again(s, out, colour);
}

static void words_mirrors(const struct summary *s, FILE *out, bool colour)
{
	struct mirror_sum m;
	char file[4096], sink[512];
	for (unsigned i = 0; mirrors_sum(s->mirrors, i, &m); i++) {
		heading(out, colour, i ? "" : "mirror");
		summary_printable(m.sink, sink, sizeof(sink));
		if (m.file)
			fprintf(out, "%-22s %10lu  frames copied to %s\n", sink, m.frames,
				summary_printable(m.file, file, sizeof(file)));
		else
			fprintf(out, "%-22s %10s  nothing is copied: no --mirror FILE, no sink\n", sink, "-");
	}
}

static void words_fail(const struct summary *s, FILE *out, bool colour)
{
	bool any = false;
	for (unsigned i = 0; i < FAIL_ROWS; i++) {
		if (fail_usual(s->fail, &fail_rows[i]))
			continue;
		if (!any)
			heading(out, colour, "fail");
		fprintf(out, "%s%s=%s", any ? ", " : "", fail_rows[i].key, fail_value(s->fail, &fail_rows[i]));
		any = true;
	}
	if (any)
		fputc('\n', out);
}

void summary_words(const struct summary *s, FILE *out, bool colour)
{
	static const char *const bytes[] = {"B", "kB", "MB", "GB", "TB"};
	static const char *const frames[] = {"frames/s", "k frames/s", "M frames/s", "G frames/s", "T frames/s"};
	char a[32], b[32];
	uint64_t drops = dropped(s);
	double seconds = s->seconds > 0 ? s->seconds : 1e-9;
	heading(out, colour, "read");
	fprintf(out, "%u capture%s, %lu frames, %s in %.2f s (%s)\n", s->noutcomes, s->noutcomes == 1 ? "" : "s", s->rx,
		scaled(s->rx_bytes, bytes, a, sizeof(a)), s->seconds, scaled(s->rx / seconds, frames, b, sizeof(b)));
	heading(out, colour, "ledger");
	fprintf(out, "rx %lu + own %lu = tx %lu + kernel %lu + mirrored %lu + dropped %lu + held %lu\n", s->rx, s->own,
		s->tx, s->kernel, s->mirrored, drops, s->held);
	if (s->fast) {
		heading(out, colour, "settled");
		fprintf(out, "%.1f %% of the frames went by the corridor: %lu, %lu of them denied\n",
			s->rx ? 100.0 * s->settled / s->rx : 0.0, s->settled, s->settled_dropped);
	}
	words_fail(s, out, colour);
	words_policy(s, out, colour);
	words_mirrors(s, out, colour);
	list(out, colour, "drops", s->drops, 1, REASON_COUNT, reason_names, reason_help);
	list(out, colour, "anomalies", s->anomalies, 1, ANOMALY_COUNT, anomaly_names, NULL);
	list(out, colour, "counters", s->counters, 0, COUNTER_COUNT, counter_names, counter_help);
	words_senders(s, out, colour);
}

// ---- JSON --------------------------------------------------------------------------------------------------------

static json_t *json_counts(const uint64_t *v, unsigned first, unsigned n, const char *const *names, bool zeros)
{
	json_t *o = json_object();
	for (unsigned i = first; i < n; i++) {
		if (v[i] || zeros)
			json_object_set_new(o, names[i], json_integer(v[i]));
	}
	return o;
}

static json_t *json_ledger(const struct summary *s)
{
	json_t *o = json_object();
	json_object_set_new(o, "rx", json_integer(s->rx));
	if (s->fast)
		json_object_set_new(o, "settled", json_integer(s->settled));
	json_object_set_new(o, "own", json_integer(s->own));
	json_object_set_new(o, "tx", json_integer(s->tx));
	json_object_set_new(o, "kernel", json_integer(s->kernel));
	json_object_set_new(o, "mirrored", json_integer(s->mirrored));
	json_object_set_new(o, "drops", json_counts(s->drops, 1, REASON_COUNT, reason_names, false));
	json_object_set_new(o, "held", json_integer(s->held));
	return o;
}

static json_t *json_captures(const struct summary *s)
{
	json_t *a = json_array();
	char path[4096 * 4];
	for (unsigned i = 0; i < s->noutcomes; i++) {
		const struct outcome *c = &s->outcomes[i];
		json_t *o = json_object();
		json_object_set_new(o, "path", json_string(summary_printable(c->path, path, sizeof(path))));
		json_object_set_new(o, "frames", json_integer(c->frames));
		if (c->error[0])
			json_object_set_new(o, "error", json_string(c->error));
		json_array_append_new(a, o);
	}
	return a;
}

static json_t *json_senders(const struct summary *s)
{
	json_t *a = json_array();
	char address[INET6_ADDRSTRLEN], proto[12], path[4096 * 4];
	for (unsigned i = 0; i < s->noffloaders && i < SUMMARY_SENDERS; i++) {
		const struct sender *sender = &s->offloaders[i].sender;
		const char *of = s->outcomes[s->offloaders[i].outcome].path;
		json_t *o = json_object();
		inet_ntop(sender->version == 4 ? AF_INET : AF_INET6, sender->addr, address, sizeof(address));
		json_object_set_new(o, "ip", json_string(address));
		json_object_set_new(o, "proto", json_string(proto_name(sender->proto, proto, sizeof(proto))));
		json_object_set_new(o, "path", json_string(summary_printable(of, path, sizeof(path))));
		json_array_append_new(a, o);
	}
	return a;
}

static json_t *json_pair(const uint64_t n[2])
{
	return json_pack("{s:I,s:I}", "allow", (json_int_t)n[0], "deny", (json_int_t)n[1]);
}

static json_t *json_verdicts(const struct summary *s)
{
	json_t *o = json_object();
	if (!s->policies)
		return o;
	const struct judge_sums *v = &s->policies->sums;
	const struct policy_names *first = s->policies->names[0];
	json_object_set_new(o, "policy", first ? json_string(first->hash) : json_null());
	json_object_set_new(o, "flows", json_pair(v->flows));
	json_object_set_new(o, "transactions", json_pair(v->transactions));
	json_object_set_new(o, "open", json_integer((json_int_t)v->open));
	json_object_set_new(o, "would_differ", json_integer((json_int_t)v->would_differ[1]));
	json_object_set_new(o, "would_differ_flows", json_integer((json_int_t)v->would_differ[0]));
	json_object_set_new(o, "would_unknown", json_integer((json_int_t)v->would_unknown));
	json_object_set_new(o, "rejudged", json_counts(v->rejudged, 0, JUDGE_AGAIN_COUNT, judge_again_names, true));
	json_object_set_new(
		o, "kept",
		json_pack("{s:I,s:I}", "bytes", (json_int_t)s->kept_bytes, "most", (json_int_t)s->kept_most));
	return o;
}

// Hits by id, in the order of the rules; those without are left out.
static json_t *json_rules(const struct summary *s)
{
	json_t *o = json_object();
	for (const struct replay_names *n = s->policies ? s->policies->known : NULL; n; n = n->next) {
		for (uint32_t i = 0; i <= n->names.nrules; i++) {
			json_int_t before = json_integer_value(json_object_get(o, n->names.rule[i].id));
			if (n->hits[i])
				json_object_set_new(o, n->names.rule[i].id,
						    json_integer(before + (json_int_t)n->hits[i]));
		}
	}
	return o;
}

static json_t *json_mirrors(const struct summary *s)
{
	json_t *a = json_array();
	char path[4096 * 4], sink[512];
	struct mirror_sum m;
	for (unsigned i = 0; mirrors_sum(s->mirrors, i, &m); i++) {
		json_t *o = json_object();
		json_object_set_new(o, "sink", json_string(summary_printable(m.sink, sink, sizeof(sink))));
		json_object_set_new(o, "path",
				    m.file ? json_string(summary_printable(m.file, path, sizeof(path))) : json_null());
		json_object_set_new(o, "frames", json_integer((json_int_t)m.frames));
		json_object_set_new(o, "bytes", json_integer((json_int_t)m.bytes));
		json_array_append_new(a, o);
	}
	return a;
}

// Those that are not the default.
static json_t *json_fail(const struct summary *s)
{
	json_t *o = json_object();
	for (unsigned i = 0; i < FAIL_ROWS; i++)
		if (!fail_usual(s->fail, &fail_rows[i]))
			json_object_set_new(o, fail_rows[i].key, json_string(fail_value(s->fail, &fail_rows[i])));
	return o;
}

int summary_json(const struct summary *s, FILE *out)
{
	json_t *o = json_object();
	json_object_set_new(o, "ledger", json_ledger(s));
	json_object_set_new(o, "fail", json_fail(s));
	json_object_set_new(o, "counters", json_counts(s->counters, 0, COUNTER_COUNT, counter_names, true));
	json_object_set_new(o, "anomalies", json_counts(s->anomalies, 1, ANOMALY_COUNT, anomaly_names, false));
	json_object_set_new(o, "records", json_integer(s->records));
	json_object_set_new(o, "captures", json_captures(s));
	json_object_set_new(o, "offloading_count", json_integer(s->noffloaders));
	json_object_set_new(o, "offloading", json_senders(s));
	json_object_set_new(o, "mbufs_in_use", json_integer(s->mbufs_in_use));
	json_object_set_new(o, "verdicts", json_verdicts(s));
	json_object_set_new(o, "rules", json_rules(s));
	json_object_set_new(o, "mirror", json_mirrors(s));
	errno = 0;
	int rc = json_dumpf(o, out, JSON_INDENT(2)) < 0 || fputc('\n', out) == EOF || fflush(out) == EOF;
	json_decref(o);
	return rc ? -(errno ? errno : EIO) : 0;
}
