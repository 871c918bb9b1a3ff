// SPDX-License-Identifier: BSD-3-Clause
//
// What needs no appliance: which program this is, its commands, what it says on standard error.
#include "ctl/show.h"

#include <stdio.h>
#include <string.h>

#include <rte_version.h>

#include "base/log.h"

json_t *show_version(struct appliance *a, struct call *c)
{
	return json_pack("{s:s,s:s}", "sluice", SLUICE_VERSION, "dpdk", rte_version());
}

// Does the row begin with these words, the last of which may be cut short?
static bool begins(const struct command *row, const struct call *c)
{
	char said[256] = "";
	size_t at = 0;
	for (unsigned i = 1; i < c->n && at < sizeof(said); i++)
		at += (size_t)snprintf(said + at, sizeof(said) - at, "%s%s", i > 1 ? " " : "", c->word[i]);
	return !strncmp(row->words, said, at);
}

json_t *show_help(struct appliance *a, struct call *c)
{
	json_t *list = json_array();
	for (unsigned i = 0; i < command_count; i++)
		if (begins(&command_table[i], c))
			json_array_append_new(list, json_pack("{s:s,s:s}", "command", command_table[i].words, "help",
							      command_table[i].help));
	if (json_array_size(list))
		return json_pack("{s:o}", "commands", list);
	json_decref(list);
	return call_fail(c, CALL_USAGE, "no command begins so; help lists all of them");
}

json_t *show_values(struct appliance *a, struct call *c)
{
	const char *kind = call_value(c, "kind");
	for (unsigned i = 0; i < command_nkinds; i++)
		if (!strcmp(command_kinds[i].name, kind) && command_kinds[i].values)
			return json_pack("{s:o}", "values", command_kinds[i].values(a));
	return call_fail(c, CALL_USAGE, "no values are known of \"%.40s\"", kind);
}

json_t *show_log_rooms(struct appliance *a)
{
	return command_strings(log_room_names, LOG_ROOM_COUNT);
}

json_t *show_log_levels(struct appliance *a)
{
	return command_strings(log_level_names, LOG_LEVELS);
}

json_t *show_log_level(struct appliance *a, struct call *c)
{
	const char *room = call_value(c, "room"), *level = call_value(c, "level");
	bool all = !room || !strcmp(room, "all");
	if (level && log_set(all ? NULL : room, level) < 0)
		return call_fail(c, CALL_USAGE,
				 "\"%.40s\" is no room, or \"%.40s\" no level: `values room`, `values level`", room,
				 level);
	json_t *o = json_object();
	for (unsigned i = 0; i < LOG_ROOM_COUNT; i++)
		if (all || !strcmp(room, log_room_names[i]))
			json_object_set_new(o, log_room_names[i], json_string(log_level_names[log_get(i)]));
	if (json_object_size(o))
		return o;
	json_decref(o);
	return call_fail(c, CALL_USAGE, "\"%.40s\" is no room: `values room` lists them", room);
}
