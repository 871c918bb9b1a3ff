// SPDX-License-Identifier: BSD-3-Clause
//
// All that can be said to a running appliance, in the order of `help` and of docs/ctl.md. A command is here when it
// works. The first ones are testpmd's.
#include "ctl/captures.h"
#include "ctl/change.h"
#include "ctl/command.h"
#include "ctl/decider.h"
#include "ctl/flow_words.h"
#include "ctl/publish.h"
#include "ctl/show.h"

const struct command command_table[] = {
	{"show port info|stats|xstats all|<port>", "what a port is; what it counted; all that its driver counts",
	 show_port, view_port},
	{"clear port stats all|<port>", "its counters begin at 0 again; the ledger goes on", clear_port_stats,
	 view_quiet},
	{"start", "workers fetch frames", change_start, NULL},
	{"stop", "workers fetch no frames: nothing passes any more", change_stop, NULL},
	{"set verbose <n>", "what is said on standard error, 0 (errors) to 4 (all)", change_verbose, NULL},
	{"show drops", "am I losing packets? all that came, by where it went", show_drops, view_drops},
	{"show flows [<filter...>]", "live flows, the largest first, such as dport 443 verdict deny limit 50",
	 show_flows, NULL},
	{"show flow <id>", "one of them, with all that is known of it", show_flows, NULL},
	{"show rules [hits]", "rules of the policy in force; those that were hit, the most first", show_rules, NULL},
	{"show sets", "sets of the policy in force: items as loaded, added and removed since", show_sets, NULL},
	{"show policy", "the policy in force", show_policy, NULL},
	{"show workers", "workers, and how much they have to do", show_workers, NULL},
	{"show sinks", "where records go, and what was lost", show_sinks, NULL},
	{"show kafka", "clients of Kafka: connected since, sent, read, behind, last error", show_kafka, NULL},
	{"show decisions", "requests that were asked over Kafka, and how they were answered", decider_show, NULL},
	{"show ledger", "every frame that came, by how it left; counters and anomalies", show_ledger, NULL},
	{"show config", "every value in force, and where it came from", show_config, NULL},
	{"show version", "which program this is, and of what it is made", show_version, NULL},
	{"explain flow <id>", "a live flow: by which rule it stands, and whether more of it is looked at", show_flows,
	 NULL},
	{"explain <field...>", "what the policy in force decides, and why: --src 10.0.0.7 --host casino.example",
	 show_explain, view_explain},
	{"policy publish <publishing...>",
	 "FILE [-c CONFIG] [--author WHO] [--why TEXT] [--dry-run]: the next version of swg_rules, for all appliances",
	 publish_elsewhere, publish_view},
	{"policy diff kafka [<publishing...>]",
	 "what swg_rules changes in what is in force; with FILE: what publishing it would change there",
	 show_policy_diff, view_policy_diff},
	{"policy diff <file>", "rules and sets that a file adds to what is in force, removes and changes",
	 show_policy_diff, view_policy_diff},
	{"policy load <file>", "another policy; one with errors changes nothing", change_policy_load, view_load},
	{"policy history", "policies that were in force, the newest first, and which one is", change_policy_history,
	 NULL},
	{"policy rollback [<n>]",
	 "the kept policy before the one in force (again: one further back), or that of a number",
	 change_policy_rollback, view_load},
	{"set add <set> <item>", "one item more in a set of the policy in force, until a policy is loaded",
	 change_set_add, NULL},
	{"set del <set> <item>", "one item less", change_set_del, NULL},
	{"flow kill <filter...>", "ends live flows, by id or filter: nothing of them passes, both ends are reset",
	 show_flow_kill, NULL},
	{"capture start <file> [<option...>]",
	 "frames into a new pcapng file, until it is stopped or a limit is reached", captures_start, NULL},
	{"capture stop [<capture>]", "ends it; without a number the one that runs", captures_stop, NULL},
	{"show captures", "captures that run, and the last that ended", captures_show, NULL},
	{"bypass on|off [<time>]", "everything passes unjudged, for so long (30s, 10m, 2h) or until off", change_bypass,
	 NULL},
	{"log level [all|<room>] [<level>]", "what is said on standard error, by part of the program", show_log_level,
	 NULL},
	{"top", "rates of the last second, busy flows, rules most hit; at a terminal each second until Enter", show_top,
	 NULL},
	{"help [<command...>]", "commands, or those that begin so", show_help, NULL},
	{"values <kind>", "values that can stand for <kind>: for completion", show_values, NULL},
};
const unsigned command_count = sizeof(command_table) / sizeof(command_table[0]);

const struct command_kind command_kinds[] = {
	{"port", "a port, by its name", show_port_names},
	{"rule", "a rule of the policy in force, by its id", show_rule_ids},
	{"set", "a set of the policy in force, by its name", show_set_names},
	{"item", "as in the set's own text: a name, a network, a string, a port, a fingerprint", NULL},
	{"room", "a part of the program", show_log_rooms},
	{"level", "how bad it is, or how much is said", show_log_levels},
	{"file", "a file, as the appliance may read it", NULL},
	{"field", "--FIELD VALUE, as for `sluice explain`", NULL},
	{"filter", "KEY VALUE: src dst ip NET, sport dport port N, proto, app, verdict, rule, tenant, id, limit N",
	 flow_word_kinds},
	{"id", "of a flow, as in records: flow_id", NULL},
	{"publishing", "FILE [-c CONFIG] [--set kafka.KEY=VALUE] [--author WHO] [--why TEXT] [--dry-run]", NULL},
	{"time", "30s, 10m, 2h", NULL},
	{"capture", "a capture that runs, by its number", captures_numbers},
	{"option",
	 "KEY VALUE: port, direction in|out|dropped|all, frames N, megabytes N, time 10m, snaplen N, "
	 "buffer_kb N; at the end filter and an expression as for tcpdump",
	 captures_options},
	{"n", "a number", NULL},
};
const unsigned command_nkinds = sizeof(command_kinds) / sizeof(command_kinds[0]);
