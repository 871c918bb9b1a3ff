// SPDX-License-Identifier: BSD-3-Clause
//
// Commands that change what the appliance does.
#pragma once

#include "ctl/command.h"
#include "ctl/view.h"

// "90", "30s", "10m", "2h"; 0: it is none.
uint64_t change_seconds(const char *text);

json_t *change_start(struct appliance *a, struct call *c);
json_t *change_stop(struct appliance *a, struct call *c);
json_t *change_bypass(struct appliance *a, struct call *c);
json_t *change_verbose(struct appliance *a, struct call *c);
json_t *change_policy_load(struct appliance *a, struct call *c);
json_t *change_policy_history(struct appliance *a, struct call *c);
json_t *change_policy_rollback(struct appliance *a, struct call *c);
void view_load(struct view *v, const json_t *result);

// change_set.c
json_t *change_set_add(struct appliance *a, struct call *c);
json_t *change_set_del(struct appliance *a, struct call *c);
