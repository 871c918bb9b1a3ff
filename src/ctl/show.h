// SPDX-License-Identifier: BSD-3-Clause
//
// What commands say, one function a row of the table (command_table.c), as JSON; and how it looks where the usual view
// (view_any) will not do.
#pragma once

#include "ctl/command.h"
#include "ctl/view.h"

// show_version.c
json_t *show_version(struct appliance *a, struct call *c);
json_t *show_help(struct appliance *a, struct call *c);
json_t *show_values(struct appliance *a, struct call *c);
json_t *show_log_level(struct appliance *a, struct call *c);
json_t *show_log_rooms(struct appliance *a);
json_t *show_log_levels(struct appliance *a);

// show_port.c
json_t *show_port(struct appliance *a, struct call *c);
json_t *clear_port_stats(struct appliance *a, struct call *c);
extern const struct show_port_counter {
	const char *name, *metric, *unit, *help; // unit of the metric: NULL, it is frames
	size_t at;                               // in struct port_counters
} show_port_counters[];
extern const unsigned show_nport_counters;
struct port_counters;
uint64_t show_port_counter(const struct port_counters *c, unsigned i);
json_t *show_port_names(struct appliance *a);
void view_port(struct view *v, const json_t *result);

// show_drops.c
json_t *show_drops(struct appliance *a, struct call *c);
void view_drops(struct view *v, const json_t *result);

// show_policy.c
json_t *show_policy(struct appliance *a, struct call *c);
json_t *show_rules(struct appliance *a, struct call *c);
json_t *show_rules_most_hit(struct appliance *a, unsigned n);
json_t *show_rule_ids(struct appliance *a);
json_t *show_sets(struct appliance *a, struct call *c);
json_t *show_set_names(struct appliance *a);

// show_worker.c
json_t *show_workers(struct appliance *a, struct call *c);
json_t *show_ledger(struct appliance *a, struct call *c);
json_t *show_sinks(struct appliance *a, struct call *c);
struct sink_counts;
// Of the config's i-th sink, whatever it takes.
void show_sink(const struct appliance *a, unsigned i, struct sink_counts *to);
json_t *show_config(struct appliance *a, struct call *c);
json_t *show_rates(struct appliance *a);

// show_kafka.c
json_t *show_kafka(struct appliance *a, struct call *c);

// show_diff.c
json_t *show_policy_diff(struct appliance *a, struct call *c);
void view_policy_diff(struct view *v, const json_t *result);

// show_flows.c
json_t *show_top(struct appliance *a, struct call *c);
json_t *show_flows(struct appliance *a, struct call *c);
json_t *show_flow_kill(struct appliance *a, struct call *c);

// show_explain.c
json_t *show_explain(struct appliance *a, struct call *c);
void view_explain(struct view *v, const json_t *result);
