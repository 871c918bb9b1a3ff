// SPDX-License-Identifier: BSD-3-Clause
//
// /metrics: the same numbers as `show ledger`, `show drops` and `show port stats`, in OpenMetrics 1.0
// (https://github.com/OpenObservability/OpenMetrics, specification/OpenMetrics.md). Families are tables here; label
// values are names of ours and of the configuration, and of the policy's rules, and are escaped. What could make
// thousands of series (flows, addresses, names) is no label.
#include "ctl/metrics.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "ctl/captures.h"
#include "ctl/control.h"
#include "ctl/copies.h"
#include "ctl/decider.h"
#include "ctl/fastpath.h"
#include "ctl/shortcut.h"
#include "ctl/show.h"
#include "ctl/from_kafka.h"
#include "ctl/show_kafka.h"
#include "ctl/socket.h"
#include "live/standing.h"
#include "ship/deliver.h"
#include "ship/spool.h"
#ifdef HAVE_KAFKA
#include "remote/kafka.h"
#endif

#define RULES_MAX 10000 // of which hits are told: beyond it a scrape would be all of the work

// name without _total and unit, as OpenMetrics has it: the unit is part of the name.
static void family(FILE *f, const char *name, const char *type, const char *unit, const char *help)
{
	fprintf(f, "# TYPE sluice_%s %s\n", name, type);
	if (unit)
		fprintf(f, "# UNIT sluice_%s %s\n", name, unit);
	fprintf(f, "# HELP sluice_%s %s\n", name, help);
}

void metrics_family(FILE *f, const char *name, const char *type, const char *unit, const char *help)
{
	family(f, name, type, unit, help);
}

// Escapes of label values: backslash, quote, line feed.
static void label(FILE *f, const char *name, const char *value)
{
	fprintf(f, "%s=\"", name);
	for (; *value; value++) {
		if (*value == '\n')
			fputs("\\n", f);
		else if (*value == '"' || *value == '\\')
			fprintf(f, "\\%c", *value);
		else
			fputc(*value, f);
	}
	fputc('"', f);
}

static void sample(FILE *f, const char *name, const char *key, const char *value, uint64_t n)
{
	fprintf(f, "sluice_%s{", name);
	label(f, key, value);
	fprintf(f, "} %lu\n", n);
}

static void ledger(FILE *f, const struct totals *t)
{
	const struct {
		const char *name, *unit, *help;
		uint64_t n;
	} all[] = {{"rx_frames", NULL, "Frames that workers were given.", t->rx},
		   {"own_frames", NULL, "Frames made by the appliance: resets, pages, answers.", t->own},
		   {"tx_frames", NULL, "Frames that left by a port.", t->tx},
		   {"kernel_frames", NULL, "Frames for the appliance itself, handed to the kernel.", t->kernel},
		   {"mirrored_frames", NULL, "Frames of mirror paths, looked at.", t->mirrored},
		   {"bypassed_frames", NULL, "Frames that passed unjudged while the bypass was on.", t->bypassed},
		   {"rx_bytes", "bytes", "Bytes of these frames.", t->rx_bytes},
		   {"tx_bytes", "bytes", "Bytes of frames that left.", t->tx_bytes}};
	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		family(f, all[i].name, "counter", all[i].unit, all[i].help);
		fprintf(f, "sluice_%s_total %lu\n", all[i].name, all[i].n);
	}
	family(f, "inside_frames", "gauge", NULL, "Frames that came in and have not left: held, or on their way.");
	fprintf(f, "sluice_inside_frames %lu\n", appliance_inside(t));
	family(f, "drops", "counter", NULL, "Frames that do not leave, by the reason of docs/ctl.md.");
	for (unsigned i = 1; i < REASON_COUNT; i++)
		sample(f, "drops_total", "reason", reason_names[i], t->drops[i]);
	family(f, "events", "counter", NULL, "What happened besides: counters of the corridor.");
	for (unsigned i = 0; i < COUNTER_COUNT; i++)
		sample(f, "events_total", "event", counter_names[i], t->counters[i]);
	family(f, "anomalies", "counter", NULL, "Oddities of the traffic, each of them in a record, too.");
	for (unsigned i = 1; i < ANOMALY_COUNT; i++)
		sample(f, "anomalies_total", "anomaly", anomaly_names[i], t->anomalies[i]);
}

static void ports(FILE *f, struct appliance *a)
{
	struct port_counters c[EGRESS_PORTS];
	for (unsigned i = 0; i < a->nports; i++)
		port_counters(&a->ports[i], &c[i]);
	for (unsigned k = 0; k < show_nport_counters; k++) {
		const struct show_port_counter *row = &show_port_counters[k];
		char name[64];
		snprintf(name, sizeof(name), "%s_total", row->metric);
		family(f, row->metric, "counter", row->unit, row->help);
		for (unsigned i = 0; i < a->nports; i++)
			sample(f, name, "port", a->ports[i].config.name, show_port_counter(&c[i], k));
	}
	family(f, "port_up", "gauge", NULL, "1: the port works and has a link.");
	for (unsigned i = 0; i < a->nports; i++)
		sample(f, "port_up", "port", a->ports[i].config.name, atomic_load(&a->ports[i].up) && a->ports[i].link);
}

static void in_xdp(FILE *f, struct appliance *a)
{
	static const struct {
		const char *name, *unit, *help;
		size_t rx, of;
	} all[] = {
#define OF(member) offsetof(struct fastpath_doors, member)
		{"xdp", NULL, "Frames in XDP, by the door of docs/fastpath.md; rx: all that came.", OF(rx), OF(frames)},
		{"xdp_bytes", "bytes", "Their bytes.", OF(rx_bytes), OF(bytes)},
#undef OF
	};
	struct fastpath_doors d[EGRESS_PORTS];
	bool has[EGRESS_PORTS];
	for (unsigned i = 0; i < a->nports; i++)
		has[i] = shortcut_doors(a, i, &d[i]);
	for (unsigned k = 0; k < 2 && a->shortcut; k++) {
		family(f, all[k].name, "counter", all[k].unit, all[k].help);
		for (unsigned i = 0; i < a->nports; i++) {
			const uint64_t *rx = (const void *)((const char *)&d[i] + all[k].rx);
			const uint64_t *of = (const void *)((const char *)&d[i] + all[k].of);
			for (unsigned door = 0; door <= FASTPATH_DOOR_COUNT && has[i]; door++) {
				bool sum = door == FASTPATH_DOOR_COUNT;
				fprintf(f, "sluice_%s_total{", all[k].name);
				label(f, "port", a->ports[i].config.name);
				fprintf(f, ",door=\"%s\"} %lu\n", sum ? "rx" : fastpath_door_rows[door].word,
					sum ? *rx : of[door]);
			}
		}
	}
}

static void workers(FILE *f, struct appliance *a)
{
	char id[16];
	family(f, "worker_beats", "counter", NULL, "Turns of the worker's loop: its heartbeat.");
	for (unsigned i = 0; i < a->nworkers; i++) {
		snprintf(id, sizeof(id), "%u", i);
		sample(f, "worker_beats_total", "worker", id, atomic_load(&a->polls[i]->beats));
	}
	family(f, "worker_busy_ratio", "gauge", "ratio", "What the worker did of the last second that was not sleep.");
	for (unsigned i = 0; i < a->nworkers; i++)
		fprintf(f, "sluice_worker_busy_ratio{worker=\"%u\"} %.4f\n", i,
			control_busy_percent(a->control, i) / 100);
	family(f, "workers_stalled", "gauge", NULL, "Workers without a turn for a second.");
	fprintf(f, "sluice_workers_stalled %u\n", a->nstalled);
}

static void policy(FILE *f, struct appliance *a)
{
	bool last_good = from_kafka_last_good(a); // which looks, too
	const struct standing_view *v = standing_look(a->standing);
	family(f, "enforcing", "gauge", NULL, "1: a policy is in force and no bypass is on.");
	fprintf(f, "sluice_enforcing %d\n", v && !a->bypass);
	family(f, "policy_last_good", "gauge", NULL,
	       "1: the config's was broken at start, the history's newest good one is in force.");
	fprintf(f, "sluice_policy_last_good %d\n", last_good);
	if (v) {
		family(f, "policy_rules", "gauge", NULL, "Rules of the policy in force.");
		fprintf(f, "sluice_policy_rules %u\n", v->policy->nrules);
		family(f, "policy_since_seconds", "gauge", "seconds", "When it came into force (Unix time).");
		fprintf(f, "sluice_policy_since_seconds %.3f\n", (double)v->since_ns / 1e9);
		family(f, "rule_hits", "counter", NULL, "Verdicts by rule.");
		for (uint32_t i = 0; i <= v->policy->nrules && i < RULES_MAX; i++)
			sample(f, "rule_hits_total", "rule", i < v->policy->nrules ? v->policy->rules[i].id : "default",
			       standing_hits(v, i));
	}
	standing_let_go(a->standing);
}

static void clients(FILE *f, struct appliance *a)
{
	struct socket_counters c = control_clients(a->control);
	family(f, "control_clients", "gauge", NULL, "Clients of the control socket.");
	fprintf(f, "sluice_control_clients %lu\n", c.clients);
	family(f, "control_requests", "counter", NULL, "Requests that they made.");
	fprintf(f, "sluice_control_requests_total %lu\n", c.requests);
	family(f, "control_turned_away", "counter", NULL, "Clients that were refused or cut off.");
	sample(f, "control_turned_away_total", "why", "refused", c.refused);
	sample(f, "control_turned_away_total", "why", "too_many", c.too_many);
	sample(f, "control_turned_away_total", "why", "evicted", c.evicted);
	sample(f, "control_turned_away_total", "why", "cut_off", c.cut_off);
}

static void captures(FILE *f, struct appliance *a)
{
	struct captures_sum c = captures_sum(a);
	family(f, "captures", "gauge", NULL, "Captures by `capture start` that run.");
	fprintf(f, "sluice_captures %u\n", c.running);
	family(f, "capture_frames", "counter", NULL, "Frames that they wrote.");
	fprintf(f, "sluice_capture_frames_total %lu\n", c.frames);
	family(f, "capture_lost", "counter", NULL, "Frames that found no room on their way to the file.");
	fprintf(f, "sluice_capture_lost_total %lu\n", c.lost);
}

struct sink_row {
	struct sink_counts is;
	uint64_t up, oldest_s;
};

static void sinks(FILE *f, struct appliance *a)
{
	struct sink_row rows[CONFIG_SINKS];
#define AT(field) offsetof(struct sink_row, field)
	static const struct {
		const char *name, *type, *unit, *help;
		size_t at;
	} all[] = {
		{"sink_up", "gauge", NULL,
		 "0: its place takes nothing now; records wait in the spool, copies of frames are lost.", AT(up)},
		{"sink_units", "counter", NULL, "Records, of pcapng frames, that it was given.", AT(is.units)},
		{"sink_bytes", "counter", "bytes", "Bytes that went there.", AT(is.bytes)},
		{"sink_lost", "counter", NULL, "Records and frames that it never got.", AT(is.lost)},
		{"sink_refused", "counter", NULL, "Records that its place refused for what they are.", AT(is.refused)},
		{"sink_errors", "counter", NULL, "Attempts that failed.", AT(is.errors)},
		{"sink_behind_bytes", "gauge", "bytes", "Of the spool, that it has not acknowledged.",
		 AT(is.behind_bytes)},
		{"sink_oldest_seconds", "gauge", "seconds", "Age of the oldest record that it has not acknowledged.",
		 AT(oldest_s)}};
	uint64_t now = clock_ns(CLOCK_REALTIME);
	unsigned n = a->config->nsinks;
	for (unsigned i = 0; i < n; i++) {
		struct sink_row *r = &rows[i];
		show_sink(a, i, &r->is);
		r->up = r->is.up;
		r->oldest_s = r->is.oldest_ns && r->is.oldest_ns < now ? (now - r->is.oldest_ns) / 1000000000 : 0;
	}
	for (unsigned k = 0; k < sizeof(all) / sizeof(all[0]) && n; k++) {
		char name[32];
		bool total = *all[k].type == 'c';
		snprintf(name, sizeof(name), "%s%s", all[k].name, total ? "_total" : "");
		family(f, all[k].name, all[k].type, all[k].unit, all[k].help);
		for (unsigned i = 0; i < n; i++)
			sample(f, name, "sink", rows[i].is.name,
			       *(const uint64_t *)(const void *)((const char *)&rows[i] + all[k].at));
	}
}

#ifdef HAVE_KAFKA
struct kafka_samples {
	FILE *f;
	const char *name;
	int number; // -1: is it up?
};

static void kafka_sample(void *arg, const struct kafka_client *k)
{
	const struct kafka_samples *s = arg;
	sample(s->f, s->name, "client", k->name, s->number < 0 ? k->up : show_kafka_number(k, (unsigned)s->number));
}

static void kafka(FILE *f)
{
	family(f, "kafka_up", "gauge", NULL, "1: a broker has answered, and not all have gone.");
	kafka_each(kafka_sample, &(struct kafka_samples){f, "kafka_up", -1});
	for (unsigned i = 0; i < show_nkafka_numbers; i++) {
		const struct show_kafka_number *n = &show_kafka_numbers[i];
		char name[64];
		snprintf(name, sizeof(name), "%s%s", n->metric, *n->type == 'c' ? "_total" : "");
		family(f, n->metric, n->type, n->unit, n->help);
		kafka_each(kafka_sample, &(struct kafka_samples){f, name, (int)i});
	}
}
#else
static void kafka(FILE *f) {}
#endif

static void spool(FILE *f, struct appliance *a)
{
	struct spool_look l;
	if (!a->records.spool)
		return;
	spool_look(a->records.spool, &l);
	family(f, "spool_bytes", "gauge", "bytes", "What waits in the spool.");
	fprintf(f, "sluice_spool_bytes %lu\n", l.bytes);
	family(f, "spool_max_bytes", "gauge", "bytes",
	       "What may wait there: beyond it the lowest class is lost first.");
	fprintf(f, "sluice_spool_max_bytes %lu\n", l.max_bytes);
	family(f, "spool_failing", "gauge", NULL, "1: nothing can be written to it now.");
	fprintf(f, "sluice_spool_failing %d\n", l.failing);
	family(f, "spool_lost", "counter", NULL, "Records that it could not keep, by cause and class.");
	for (unsigned i = 0; i < SPOOL_LOSS_COUNT; i++)
		for (unsigned c = 0; c < SPOOL_LOSABLE; c++)
			fprintf(f, "sluice_spool_lost_total{cause=\"%s\",class=\"%s\"} %lu\n", spool_loss_names[i],
				spool_class_names[c], l.lost[i][c]);
}

unsigned metrics_write(struct appliance *a, FILE *f)
{
	struct totals t;
	appliance_totals(a, &t);
	family(f, "build", "info", NULL, "Which program this is.");
	fputs("sluice_build_info{version=\"" SLUICE_VERSION "\",", f);
	label(f, "node", a->config->node);
	fputs("} 1\n", f);
	family(f, "start_time_seconds", "gauge", "seconds", "When it was started (Unix time).");
	fprintf(f, "sluice_start_time_seconds %.3f\n", (double)a->started_ns / 1e9);
	ledger(f, &t);
	ports(f, a);
	in_xdp(f, a);
	workers(f, a);
	policy(f, a);
	sinks(f, a);
	spool(f, a);
	clients(f, a);
	from_kafka_metrics(a, f);
	kafka(f);
	captures(f, a);
	decider_metrics(a, f);
	fputs("# EOF\n", f);
	return 200;
}

unsigned metrics_health(struct appliance *a, FILE *out)
{
	fputs("{\"ok\":true}\n", out);
	return 200;
}

unsigned metrics_ready(struct appliance *a, FILE *out)
{
	bool kafka_ready = from_kafka_ready(a);
	bool none = !*a->config->policy.file && !a->config->policy.kafka, enforcing = atomic_load(&a->enforcing);
	bool policy = kafka_ready && (none || enforcing);
	bool beats = a->forwarding && a->nstalled == 0, stopped = a->stopped;
	struct spool_look l = {0};
	if (a->records.spool)
		spool_look(a->records.spool, &l);
	// records are lost: who can choose, sends elsewhere
	bool failing = l.failing || l.losing;
	bool ready = policy && beats && !stopped && !failing;
	fprintf(out, "{\"ready\":%s,\"data_path\":\"%s\",\"policy\":\"%s\",\"spool\":\"%s\"}\n",
		ready ? "true" : "false",
		stopped ? "stopped"
		: beats ? "running"
			: "stalled",
		!kafka_ready              ? "not read"
		: !enforcing              ? none ? "none" : "not loaded"
		: from_kafka_last_good(a) ? "last good"
					  : "loaded",
		l.failing ? "failing"
		: failing ? "full"
			  : "writing");
	return ready ? 200 : 503;
}
