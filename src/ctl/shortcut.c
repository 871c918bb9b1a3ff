// SPDX-License-Identifier: BSD-3-Clause
//
// Paths with `fast_path` in, ports with our XDP program out. It runs in the order that fastpath.h asks for:
//
//   shortcut_open -> (take -> port) each -> start -> workers beat ... drain -> workers end -> ports close -> close
//
// A bridge's settled frames go across as they came. A routed path's do not: its MAC addresses and TTL are the
// corridor's to write, so that XDP drops its denied flows and brings the rest up. What is for the appliance itself
// comes up, too: its kernel's end is another port (kernel.c).
//
// Everything is voided, and asked for again by what comes up, when a port leaves (XDP would send into nothing), and
// when a person turns the corridor off (`stop`, `bypass on`): what he says holds for frames in XDP, too.
#include "ctl/shortcut.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "ctl/fastpath.h"
#include "path/settle.h"

#define ROOM "fastpath"
#define RING 4096
#define IDLE_MS 60000   // an entry without frames: shorter than what flows age by, so that its count comes in time
#define DRAIN_ROUNDS 50 // of 20 ms: entries end 100 ms after they were voided
#define DRAIN_NS 20000000

struct shortcut {
	struct fastpath *fast;
	struct fastpath_port *place[EGRESS_PORTS]; // by port; moves with fastpath_take
	struct settle_config settle;               // of each worker, but for its rings
};
static_assert(FASTPATH_PORTS >= CONFIG_PORTS, "ports are the appliance's");

static struct fastpath_link *link_new(struct shortcut *s, const struct config *c, struct fastpath_options *o,
				      struct fastpath_link *links, unsigned port)
{
	struct fastpath_link *l = &links[o->nlinks];
	s->settle.link[port] = (int16_t)o->nlinks++;
	*l = (struct fastpath_link){.peer = -1, .fail = c->stalled_closed ? FASTPATH_CLOSED : FASTPATH_OPEN_KERNEL};
	snprintf(l->interface, sizeof(l->interface), "%.*s", (int)sizeof(l->interface) - 1, c->ports[port].port.device);
	return l;
}

static void links_of(struct appliance *a, struct shortcut *s, struct fastpath_options *o, struct fastpath_link *links)
{
	const struct config *c = a->config;
	for (unsigned i = 0; i < c->npaths; i++) {
		const struct config_path *p = &c->paths[i];
		struct fastpath_link *l[2];
		for (unsigned j = 0; j < p->nports && p->fast_path; j++)
			l[j] = link_new(s, c, o, links, p->ports[j]);
		if (p->fast_path && p->mode != CONFIG_BRIDGE)
			log_say(LOG_NOTICE, ROOM,
				"path=%u mode=routed: XDP drops denied flows; settled ones come up, their MAC "
				"addresses and "
				"TTL are written by the worker",
				i);
		if (!p->fast_path || p->mode != CONFIG_BRIDGE)
			continue;
		for (unsigned j = 0; j < 2; j++) {
			l[j]->peer = s->settle.link[p->ports[!j]];
			l[j]->fail = c->stalled_closed ? FASTPATH_CLOSED : FASTPATH_OPEN_PEER;
			s->settle.across[p->ports[j]] = &a->ports[p->ports[!j]].sends;
		}
	}
}

int shortcut_open(struct appliance *a)
{
	struct fastpath_link links[2 * CONFIG_PATHS];
	struct fastpath_options o = {.links = links,
				     .workers = a->nworkers,
				     .ring = RING,
				     .idle_ms = IDLE_MS,
				     .stale_ms = FASTPATH_STALE_MS};
	char why[256];
	struct shortcut *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	memset(s->settle.link, -1, sizeof(s->settle.link));
	s->settle.flows = a->path.flows;
	s->settle.least = SETTLE_LEAST;
	links_of(a, s, &o, links);
	int rc = o.nlinks ? fastpath_open(&s->fast, &o, why, sizeof(why)) : 0;
	if (rc < 0)
		log_say(LOG_ERROR, ROOM, "%s; or \"fast_path\": false", why);
	if (rc < 0 || o.nlinks == 0)
		free(s);
	else
		a->shortcut = s;
	return rc;
}

void shortcut_config(const struct appliance *a, unsigned port, struct port_config *c)
{
	if (!a->shortcut || a->shortcut->settle.link[port] < 0)
		return;
	snprintf(c->xdp_prog, sizeof(c->xdp_prog), "%s", fastpath_object(a->shortcut->fast));
	c->xdp_maps = fastpath_maps(a->shortcut->fast);
}

int shortcut_take(struct appliance *a, unsigned port, char *why, size_t why_size)
{
	struct shortcut *s = a->shortcut;
	if (!s || s->settle.link[port] < 0)
		return 0;
	unsigned link = (unsigned)s->settle.link[port];
	int rc = fastpath_take(s->fast, link, why, why_size);
	s->place[port] = fastpath_port(s->fast, link);
	return rc;
}

int shortcut_start(struct appliance *a)
{
	int rc = a->shortcut ? fastpath_start(a->shortcut->fast) : 0;
	if (rc < 0)
		log_say(LOG_ERROR, ROOM, "no thread: %s", strerror(-rc));
	return rc;
}

bool shortcut_join(struct appliance *a, struct poll *p)
{
	struct shortcut *s = a->shortcut;
	if (!s)
		return true;
	struct settle_config c = s->settle;
	c.ops = fastpath_ops(s->fast, p->w.id);
	c.counts = fastpath_counts(s->fast, p->w.id);
	c.slots = fastpath_slots(s->fast);
	p->fast = s->place;
	p->w.settle = settle_new(&c);
	return p->w.settle;
}

void shortcut_void(struct appliance *a)
{
	if (a->shortcut)
		fastpath_void(a->shortcut->fast, a->stopped || a->bypass);
}

void shortcut_across(struct appliance *a, unsigned port, bool there)
{
	if (a->shortcut && a->shortcut->settle.link[port] >= 0)
		fastpath_across(a->shortcut->fast, (unsigned)a->shortcut->settle.link[port], there);
}

void shortcut_drain(struct appliance *a)
{
	struct fastpath_numbers n = {0};
	if (!a->shortcut || !a->forwarding)
		return;
	for (unsigned i = 0; i < a->nworkers; i++)
		settle_no_more(a->polls[i]->w.settle);
	for (unsigned i = 0; i < DRAIN_ROUNDS && (i < 2 || n.entries); i++) { // twice: what was asked for meanwhile
		fastpath_void(a->shortcut->fast, true);
		nanosleep(&(struct timespec){.tv_nsec = DRAIN_NS}, NULL);
		fastpath_numbers(a->shortcut->fast, &n);
	}
	if (n.entries)
		log_say(LOG_ERROR, ROOM, "%lu entries did not end: their last frames are in no record", n.entries);
}

// ---- what was counted --------------------------------------------------------------------------------------------

bool shortcut_doors(const struct appliance *a, unsigned port, struct fastpath_doors *doors)
{
	const struct shortcut *s = a->shortcut;
	return s && s->settle.link[port] >= 0 && fastpath_doors(s->fast, (unsigned)s->settle.link[port], doors) == 0;
}

uint64_t shortcut_sum(const struct fastpath_doors *doors, enum fastpath_whose whose)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < FASTPATH_DOOR_COUNT; i++)
		sum += fastpath_door_rows[i].whose == whose ? doors->frames[i] : 0;
	return sum;
}

static bool ledger_holds(const struct appliance *a, unsigned port)
{
	struct fastpath_doors d;
	if (!shortcut_doors(a, port, &d))
		return true;
	uint64_t tx = shortcut_sum(&d, FASTPATH_TX), drop = shortcut_sum(&d, FASTPATH_DROPPED),
		 worker = shortcut_sum(&d, FASTPATH_WORKER), kernel = shortcut_sum(&d, FASTPATH_KERNEL);
	bool holds = d.rx == tx + drop + worker + kernel;
	log_say(holds ? LOG_NOTICE : LOG_ERROR, ROOM,
		"port=%s xdp_rx=%lu xdp_tx=%lu xdp_drop=%lu to_worker=%lu to_kernel=%lu%s",
		a->config->ports[port].port.name, d.rx, tx, drop, worker, kernel,
		holds ? "" : ": they do not add up; this is a bug of sluice");
	return holds;
}

bool shortcut_close(struct appliance *a)
{
	bool holds = true;
	for (unsigned i = 0; i < a->nports; i++)
		holds &= ledger_holds(a, i);
	for (unsigned i = 0; i < a->nworkers && a->shortcut; i++)
		if (a->polls[i] && a->polls[i]->w.settle)
			settle_free(a->polls[i]->w.settle);
	if (a->shortcut)
		fastpath_close(a->shortcut->fast);
	free(a->shortcut);
	a->shortcut = NULL;
	return holds;
}
