// SPDX-License-Identifier: BSD-3-Clause
//
// What commands do, one function a row of the table (command_table.c); each says what it knows as JSON.
#pragma once

#include "ctl/command.h"

// show_version.c
json_t *show_version(struct appliance *a, struct call *c);
json_t *show_help(struct appliance *a, struct call *c);
json_t *show_values(struct appliance *a, struct call *c);
json_t *show_log_level(struct appliance *a, struct call *c);
json_t *show_log_rooms(struct appliance *a);
json_t *show_log_levels(struct appliance *a);
