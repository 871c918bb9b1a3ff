// SPDX-License-Identifier: BSD-3-Clause
//
// The pages for monitors. Each writes its body and answers the HTTP status.
#pragma once

#include <stdio.h>

struct appliance;

// OpenMetrics 1.0: docs/ctl.md lists the families.
unsigned metrics_write(struct appliance *a, FILE *out);
// The process answers.
unsigned metrics_health(struct appliance *a, FILE *out);
// It does its work: workers have their heartbeats, and a policy is in force or is not asked for. Else 503 and why.
unsigned metrics_ready(struct appliance *a, FILE *out);
// Begins a metric: its type, unit (NULL: none) and help.
void metrics_family(FILE *f, const char *name, const char *type, const char *unit, const char *help);
