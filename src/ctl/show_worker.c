// SPDX-License-Identifier: BSD-3-Clause
//
// Workers, the ledger and the configuration: what is in memory anyway, as it is now. Counters are the workers' own
// words, read while they are written; each may be a burst old.
#include "ctl/show.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "ctl/appliance.h"
#include "ctl/control.h"
#include "ctl/copies.h"
#include "ctl/fastpath.h"
#include "ctl/shortcut.h"
#include "ship/deliver.h"
#include "ship/ship.h"
#include "ship/spool.h"

static const char *state(const struct appliance *a, unsigned i)
{
	const struct poll *p = a->polls[i];
	if (a->stalled[i].said)
		return "stalled";
	if (atomic_load(&p->resting))
		return "stopped";
	return atomic_load(&p->bypass) ? "bypass" : "running";
}

json_t *show_workers(struct appliance *a, struct call *c)
{
	json_t *list = json_array();
	for (unsigned i = 0; i < a->nworkers; i++) {
		struct poll *p = a->polls[i];
		uint64_t longest_ns = atomic_exchange(&p->burst_max_ns, 0);
		json_array_append_new(list,
				      json_pack("{s:i,s:i,s:s,s:I,s:I,s:I,s:I,s:I,s:f,s:I}", "worker", (int)i, "core",
						p->core, "state", state(a, i), "rx", (json_int_t)p->w.rx, "tx",
						(json_int_t)p->w.tx, "rx_bytes", (json_int_t)p->w.rx_bytes, "held",
						(json_int_t)p->w.held, "turns", (json_int_t)atomic_load(&p->beats),
						"busy_percent", control_busy_percent(a->control, i), "longest_turn_ns",
						(json_int_t)longest_ns));
	}
	return json_pack("{s:o}", "workers", list);
}

static json_t *named(const uint64_t *values, const char *const *names, unsigned from, unsigned n)
{
	json_t *o = json_object();
	for (unsigned i = from; i < n; i++)
		if (values[i])
			json_object_set_new(o, names[i], json_integer((json_int_t)values[i]));
	return o;
}

// Of AF_XDP ports apart: what XDP did with frames before workers saw any (corridor.md 6).
static json_t *in_xdp(const struct appliance *a)
{
	json_t *o = json_object();
	for (unsigned i = 0; i < a->nports; i++) {
		struct fastpath_doors d;
		if (!shortcut_doors(a, i, &d))
			continue;
		json_t *doors = json_object();
		for (unsigned k = 0; k < FASTPATH_DOOR_COUNT; k++)
			if (d.frames[k])
				json_object_set_new(doors, fastpath_door_rows[k].word,
						    json_integer((json_int_t)d.frames[k]));
		json_object_set_new(o, a->ports[i].config.name,
				    json_pack("{s:I,s:I,s:I,s:I,s:I,s:o}", "xdp_rx", (json_int_t)d.rx, "xdp_tx",
					      (json_int_t)shortcut_sum(&d, FASTPATH_TX), "xdp_drop",
					      (json_int_t)shortcut_sum(&d, FASTPATH_DROPPED), "to_worker",
					      (json_int_t)shortcut_sum(&d, FASTPATH_WORKER), "to_kernel",
					      (json_int_t)shortcut_sum(&d, FASTPATH_KERNEL), "doors", doors));
	}
	return o;
}

json_t *show_ledger(struct appliance *a, struct call *c)
{
	struct totals t;
	appliance_totals(a, &t);
	return json_pack("{s:I,s:I,s:I,s:I,s:I,s:o,s:I,s:I,s:o,s:o,s:o}", "rx", (json_int_t)t.rx, "own",
			 (json_int_t)t.own, "tx", (json_int_t)t.tx, "kernel", (json_int_t)t.kernel, "mirrored",
			 (json_int_t)t.mirrored, "drops", named(t.drops, reason_names, 1, REASON_COUNT), "held",
			 (json_int_t)t.held, "inside", (json_int_t)appliance_inside(&t), "counters",
			 named(t.counters, counter_names, 0, COUNTER_COUNT), "anomalies",
			 named(t.anomalies, anomaly_names, 1, ANOMALY_COUNT), "xdp", in_xdp(a));
}

void show_sink(const struct appliance *a, unsigned i, struct sink_counts *to)
{
	const char *name = a->config->sinks[i].name;
	if (!copies_counts(a, name, to) && !deliver_counts(a->records.deliver, name, to))
		sink_counts_begin(to, name);
}

static json_t *one_sink(struct appliance *a, unsigned i)
{
	const struct sink_config *s = &a->config->sinks[i];
	bool frames = sink_of_frames(s);
	struct sink_counts n;
	show_sink(a, i, &n);
	uint64_t now = clock_ns(CLOCK_REALTIME);
	return json_pack("{s:s,s:s,s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:s}", "name", n.name, "type",
			 sink_type_names[s->type], "format", frames ? "pcapng" : ship_format_names[s->format], "state",
			 n.up ? "up" : "down", "since_s", (json_int_t)((now - n.since_ns) / 1000000000),
			 frames ? "frames" : "records", (json_int_t)n.units, "bytes", (json_int_t)n.bytes,
			 "behind_bytes", (json_int_t)n.behind_bytes, "oldest_s",
			 (json_int_t)(n.oldest_ns && n.oldest_ns < now ? (now - n.oldest_ns) / 1000000000 : 0), "lost",
			 (json_int_t)n.lost, "refused", (json_int_t)n.refused, "errors", (json_int_t)n.errors,
			 "last_error", n.error);
}

static json_t *spool(struct appliance *a)
{
	struct spool_look l;
	if (!a->records.spool)
		return json_null();
	spool_look(a->records.spool, &l);
	json_t *lost = json_object();
	for (unsigned c = 0; c < SPOOL_LOSABLE; c++) {
		uint64_t n = 0;
		for (unsigned i = 0; i < SPOOL_LOSS_COUNT; i++)
			n += l.lost[i][c];
		json_object_set_new(lost, spool_class_names[c], json_integer((json_int_t)n));
	}
	return json_pack("{s:s,s:s,s:I,s:I,s:f,s:I,s:I,s:o,s:I,s:s}", "path", a->config->spool.path, "state",
			 l.failing  ? "failing"
			 : l.losing ? "full"
				    : "writing",
			 "bytes", (json_int_t)l.bytes, "max_bytes", (json_int_t)l.max_bytes, "percent",
			 100.0 * (double)l.bytes / (double)l.max_bytes, "segments", (json_int_t)l.segments,
			 "in_memory_bytes", (json_int_t)l.waits, "lost", lost, "errors", (json_int_t)l.errors,
			 "last_error", l.error ? strerror(l.error) : "");
}

json_t *show_sinks(struct appliance *a, struct call *c)
{
	struct totals t;
	appliance_totals(a, &t);
	json_t *list = json_array();
	for (unsigned i = 0; i < a->config->nsinks; i++)
		json_array_append_new(list, one_sink(a, i));
	return json_pack("{s:o,s:o,s:I,s:I,s:I,s:I}", "sinks", list, "spool", spool(a), "records",
			 (json_int_t)t.counters[COUNTER_RECORDS], "records_lost",
			 (json_int_t)t.counters[COUNTER_RECORDS_LOST], "copies",
			 (json_int_t)t.counters[COUNTER_MIRROR_COPIES], "copies_lost",
			 (json_int_t)t.counters[COUNTER_MIRROR_LOST]);
}

static void add_key(void *arg, const char *key, const char *text, const char *origin)
{
	json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
	json_array_append_new(arg, json_pack("{s:s,s:o,s:s}", "key", key, "value", value ? value : json_string(text),
					     "from", origin));
}

json_t *show_config(struct appliance *a, struct call *c)
{
	json_t *list = json_array();
	config_each(a->config, add_key, list);
	return json_pack("{s:s,s:o}", "file", a->config->file, "values", list);
}

json_t *show_rates(struct appliance *a)
{
	struct rates r = control_rates(a->control);
	struct totals t;
	appliance_totals(a, &t);
	json_t *busy = json_array();
	for (unsigned i = 0; i < a->nworkers; i++)
		json_array_append_new(busy, json_real(control_busy_percent(a->control, i)));
	return json_pack("{s:s,s:f,s:f,s:f,s:f,s:f,s:f,s:f,s:I,s:o}", "node", a->config->node, "rx_pps", r.rx_pps,
			 "rx_bps", r.rx_bps, "tx_pps", r.tx_pps, "tx_bps", r.tx_bps, "drop_pps", r.drop_pps,
			 "flows_a_second", r.flows, "records_a_second", r.records, "inside",
			 (json_int_t)appliance_inside(&t), "busy_percent", busy);
}
