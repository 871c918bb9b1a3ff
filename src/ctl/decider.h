// SPDX-License-Identifier: BSD-3-Clause
//
// The decider as part of the appliance: opened and closed with it, and what is shown of it. See decider.c.
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

struct appliance;
struct call;
struct record_out;

// Workers that it is: 1, or 0 where the configuration has none.
unsigned decider_workers(const struct appliance *a);
// 0; -EINVAL: what is wrong with it was said.
int decider_open(struct appliance *a);
// NULL: there is none.
struct record_out *decider_records(const struct appliance *a);
int decider_start(struct appliance *a);
// What was taken is answered, and the group left, within so long. False: the broker did not say so: nothing is freed.
bool decider_stop(struct appliance *a, unsigned within_ms);
void decider_free(struct appliance *a); // stopped; nobody reads its records any more

json_t *decider_show(struct appliance *a, struct call *c);
void decider_metrics(const struct appliance *a, FILE *f);
