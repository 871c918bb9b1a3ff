// SPDX-License-Identifier: BSD-3-Clause
//
// All that can be said to a running appliance, in the order of `help`. A command is here when it works.
#include "ctl/command.h"
#include "ctl/show.h"

const struct command command_table[] = {
	{"show version", "which program this is, and of what it is made", show_version, NULL},
	{"log level [all|<room>] [<level>]", "what is said on standard error: levels, or another level", show_log_level,
	 NULL},
	{"help [<command...>]", "commands, or those that begin so", show_help, NULL},
	{"values <kind>", "values that can stand for <kind>: for completion", show_values, NULL},
};
const unsigned command_count = sizeof(command_table) / sizeof(command_table[0]);

const struct command_kind command_kinds[] = {
	{"room", "who says it: a part of the program", show_log_rooms},
	{"level", "how bad it is, or how much is said", show_log_levels},
};
const unsigned command_nkinds = sizeof(command_kinds) / sizeof(command_kinds[0]);
