// SPDX-License-Identifier: BSD-3-Clause
//
// The policy from Kafka, as the control thread sees it: its start and end, what it tells of itself. See from_kafka.c.
// In a build without Kafka nothing comes from there.
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

#include "ctl/appliance.h"
#include "live/history.h"

struct loop;

// Where the config says so. False: it was said why not.
bool from_kafka_start(struct appliance *a, struct loop *loop);
void from_kafka_stop(struct appliance *a);
// Has the topic been read, or does the last good policy hold in its place? True where no policy comes from there.
bool from_kafka_ready(const struct appliance *a);
// What judges is of the history, since what the configuration names was broken, or not there, at start.
bool from_kafka_last_good(const struct appliance *a);
// Something was written to swg_rules that no version has yet.
bool from_kafka_uncommitted(const struct appliance *a);
// For `show policy`; NULL: it does not come from there.
json_t *from_kafka_show(const struct appliance *a);
void from_kafka_metrics(const struct appliance *a, FILE *out);
// A policy of the topic as it is now (or of what is in force of it; NULL where that is another), free() it.
char *from_kafka_policy(const struct appliance *a, bool force, size_t *len);
// Of the history's list, which entry a rollback leads to: history_before, but from N.m, which machines wrote over
// people's version N, kept or not, to N.0. -1: none.
int from_kafka_back(const struct appliance *a, const struct history_entry *list, int n, const char *hash);
// What is in force as a row of the history, where it is not kept yet. NULL: it does not come from there.
json_t *from_kafka_row(const struct appliance *a);
// A policy of the history, as it was put there by what came from Kafka; free() it. NULL: errno.
char *from_kafka_kept(const struct appliance *a, const char *file, size_t *len, char hash[65]);
