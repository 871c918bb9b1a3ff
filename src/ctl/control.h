// SPDX-License-Identifier: BSD-3-Clause
//
// Where people and monitors reach a running appliance: its control socket and HTTP pages, and the rates that they ask
// for. On the control thread.
#pragma once

#include <jansson.h>

#include "ctl/appliance.h"

struct loop;
struct socket_server;
struct socket_counters;
struct control;

struct rates { // of the last whole second
	double rx_pps, rx_bps, tx_pps, tx_bps, drop_pps, flows, records;
};

// Opens what the configuration says. NULL: it was said why not.
struct control *control_open(struct loop *l, struct appliance *a);
void control_close(struct control *k);

struct loop *control_loop(const struct control *k);
struct socket_server *control_socket(const struct control *k);
// The answer to who waits for it (socket_later); where nobody can any more it is let go.
struct call;
void control_answer(const struct control *k, uint64_t later, struct call *c, json_t *result);
struct rates control_rates(const struct control *k);
// What the worker did of the last second that was not sleep.
double control_busy_percent(const struct control *k, unsigned worker);
struct socket_counters control_clients(const struct control *k);
