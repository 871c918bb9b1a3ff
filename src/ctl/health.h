// SPDX-License-Identifier: BSD-3-Clause
//
// Where a load balancer's health checks are answered. See health.c.
#pragma once

struct appliance;
struct health;
struct loop;

// On the health_port of each gwlb path, at each of its port's addresses. None asked for: *h is NULL. 0 or -errno, said.
int health_open(struct appliance *a, struct loop *l, struct health **h);
void health_close(struct health *h);
