// SPDX-License-Identifier: BSD-3-Clause
//
// The socket, the pages and a look at the counters each second, from which rates are made: whoever asks gets the last
// whole second, and two who ask at once get the same.
#include "ctl/control.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "ctl/http.h"
#include "ctl/loop.h"
#include "ctl/metrics.h"
#include "base/clock.h"
#include "ctl/socket.h"

#define TICK_MS 1000

struct control {
	struct appliance *appliance;
	struct loop *loop;
	struct socket_server *socket;
	struct http *http;
	int timer;
	uint64_t at_ns, idle_ns[POLL_WORKERS];
	struct totals last;
	struct rates rates;
	double busy_percent[POLL_WORKERS];
};

static const struct http_page pages[] = {
	{"/metrics", "application/openmetrics-text; version=1.0.0; charset=utf-8", metrics_write},
	{"/healthz", "application/json", metrics_health},
	{"/readyz", "application/json", metrics_ready},
	{0},
};

static uint64_t drops(const struct totals *t)
{
	uint64_t sum = 0;
	for (unsigned i = 1; i < REASON_COUNT; i++)
		sum += t->drops[i];
	return sum;
}

static double rate(uint64_t now, uint64_t before, double s)
{
	return now > before ? (double)(now - before) / s : 0;
}

static void tick(void *arg)
{
	struct control *k = arg;
	struct totals t, *b = &k->last;
	uint64_t now = clock_ns(CLOCK_MONOTONIC);
	double s = (double)(now - k->at_ns) / 1e9;
	appliance_totals(k->appliance, &t);
	k->rates = (struct rates){
		.rx_pps = rate(t.rx, b->rx, s),
		.rx_bps = 8 * rate(t.rx_bytes, b->rx_bytes, s),
		.tx_pps = rate(t.tx, b->tx, s),
		.tx_bps = 8 * rate(t.tx_bytes, b->tx_bytes, s),
		.drop_pps = rate(drops(&t), drops(b), s),
		.flows = rate(t.counters[COUNTER_FLOWS], b->counters[COUNTER_FLOWS], s),
		.records = rate(t.counters[COUNTER_RECORDS], b->counters[COUNTER_RECORDS], s),
	};
	for (unsigned i = 0; i < k->appliance->nworkers; i++) {
		uint64_t idle = atomic_load(&k->appliance->polls[i]->idle_ns);
		double slept = rate(idle, k->idle_ns[i], s) / 1e9;
		k->busy_percent[i] = 100 * (slept < 1 ? 1 - slept : 0);
		k->idle_ns[i] = idle;
	}
	k->last = t;
	k->at_ns = now;
}

static int open_socket(struct control *k, const struct config_control *c)
{
	char why[512] = "no memory";
	gid_t gid = (gid_t)-1;
	const struct group *g = *c->group ? getgrnam(c->group) : NULL;
	if (*c->group && !g) {
		log_say(LOG_ERROR, "ctl", "no group is called %s: control.group", c->group);
		return -ENOENT;
	}
	if (g)
		gid = g->gr_gid;
	k->socket = *c->socket ? socket_open(k->loop, c->socket, gid, k->appliance, why, sizeof(why)) : NULL;
	if (!*c->socket || k->socket)
		return 0;
	log_say(LOG_ERROR, "ctl", "no control socket: %s", why);
	return -EIO;
}

static int open_http(struct control *k, const struct config_control *c)
{
	char why[512] = "no memory";
	k->http = *c->http ? http_open(k->loop, c->http, pages, k->appliance, why, sizeof(why)) : NULL;
	if (!*c->http || k->http)
		return 0;
	log_say(LOG_ERROR, "http", "no pages: %s", why);
	return -EIO;
}

struct control *control_open(struct loop *l, struct appliance *a)
{
	struct control *k = calloc(1, sizeof(*k));
	if (!k)
		return NULL;
	*k = (struct control){.appliance = a, .loop = l, .timer = -1};
	a->control = k;
	tick(k);
	if (open_socket(k, &a->config->control) == 0 && open_http(k, &a->config->control) == 0 &&
	    (k->timer = loop_timer(l, TICK_MS, TICK_MS, tick, k)) >= 0)
		return k;
	control_close(k);
	return NULL;
}

void control_close(struct control *k)
{
	if (!k)
		return;
	loop_timer_stop(k->loop, k->timer);
	socket_close(k->socket);
	http_close(k->http);
	k->appliance->control = NULL;
	free(k);
}

struct loop *control_loop(const struct control *k)
{
	return k->loop;
}

struct socket_server *control_socket(const struct control *k)
{
	return k->socket;
}

void control_answer(const struct control *k, uint64_t later, struct call *c, json_t *result)
{
	if (k && later)
		socket_answer(k->socket, later, c, result);
	else
		json_decref(result);
}

struct rates control_rates(const struct control *k)
{
	return k->rates;
}

double control_busy_percent(const struct control *k, unsigned worker)
{
	return k->busy_percent[worker];
}

struct socket_counters control_clients(const struct control *k)
{
	return k->socket ? socket_counters(k->socket) : (struct socket_counters){0};
}
