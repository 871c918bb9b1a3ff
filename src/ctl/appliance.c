// SPDX-License-Identifier: BSD-3-Clause
//
// From a config to a running appliance, and back. In comes a struct config; out come open ports, workers that poll them
// and a shipper that writes what they say. Control thread; workers are started last and stopped first.
//
//   EAL -> pool -> fast path -> ports -> standing policy (none yet) -> workers -> shipper -> forward ... -> policy ->
//   enforce
//
// Frames pass before a policy is there, or do not, as fail.no_policy says: a box that blocks its network while it
// compiles has taken the network down.
#include "ctl/appliance.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rte_mempool.h>
#include <rte_ring.h>

#include "base/eal.h"
#include "base/log.h"
#include "base/task.h"
#include "ctl/captures.h"
#include "ctl/copies.h"
#include "ctl/decider.h"
#include "ctl/kernel.h"
#include "ctl/lanes.h"
#include "ctl/privilege.h"
#include "ctl/reload.h"
#include "ctl/shortcut.h"
#include "ctl/state.h"
#include "ctl/errands.h"
#include "live/standing.h"
#include "path/limit.h"
#include "path/mirror.h"
#include "path/path.h"
#include "base/clock.h"
#include "ship/ship.h"

#define ROOM "run"
#define STALLED_NS 800000000ull // with WATCH_MS of run.c, within a second
#define LATE_NS 400000000ull    // the control thread itself did not run: nothing is known of the workers
#define XDP_NS 10000000000ull   // XDP forwards in a worker's place, unjudged, for so long
#define FRAME_ROOM 2048
#define GIANT_ROOM 65535
#define GIANTS 512

// ---- what workers are asked for ----------------------------------------------------------------------------------

static void path_of(const struct config *c, struct path_config *p, uint64_t seed)
{
	struct mirror_to to[CONFIG_SINKS];
	const struct config_memory *m = &c->memory;
	*p = (struct path_config){.quiet_starts = !records_starts(c),
				  .flows = m->flows,
				  .streams = m->streams,
				  .chunks = m->chunks,
				  .apps = m->handshakes,
				  .fragments = m->fragments,
				  .held = m->held_frames,
				  .hold_bytes = m->hold_bytes,
				  .hold_ns = m->hold_ms * 1000000ull,
				  .fail = c->fail,
				  .payload_depth = c->policy.payload_depth_bytes,
				  .arena_bytes = m->facts_bytes,
				  .record_cells = m->record_cells,
				  .flood = c->workers.flood_flows,
				  .kept_bytes = m->kept_bytes,
				  .checksum = CHECKSUM_ENFORCE,
				  .seed = seed,
				  .policy_fields = UINT64_MAX, // of a policy that may be loaded later
				  .policy_acts = true,
				  .live = true,
				  .copies = copies_sinks(c, to) > 0};
	p->before = p->copies ? m->before_frames : 0;
	for (unsigned i = 0; i < c->npaths; i++) {
		p->transports |= lanes_transports(&c->paths[i]);
		if (c->paths[i].mode == CONFIG_MIRROR) // may miss frames, or have them out of order (corridor.md 3)
			p->passive |= 1u << c->paths[i].ports[0];
	}
}

// ---- ports -------------------------------------------------------------------------------------------------------

static void port_said(void *arg, const struct port_event *e)
{
	static const char *const events[] = {[PORT_LINK_UP] = "port_up",
					     [PORT_LINK_DOWN] = "port_down",
					     [PORT_GONE] = "port_gone",
					     [PORT_RESET] = "port_reset",
					     [PORT_BACK] = "port_back"};
	bool bad = e->kind == PORT_LINK_DOWN || e->kind == PORT_GONE;
	log_say(bad ? LOG_WARNING : LOG_NOTICE, "port", "%s port=%s %s", port_event_name(e->kind), e->port->config.name,
		e->text ? e->text : "");
	if (e->kind != PORT_NOTE)
		STATE_SAY(arg, events[e->kind], STATE_TEXT("port", e->port->config.name),
			  STATE_TEXT("detail", e->text ? e->text : ""));
	unsigned port = (unsigned)(e->port - ((struct appliance *)arg)->ports);
	if (e->kind == PORT_LINK_UP || e->kind == PORT_LINK_DOWN)
		shortcut_across(arg, port, e->kind == PORT_LINK_UP);
	if (e->kind == PORT_LINK_UP || e->kind == PORT_RESET || e->kind == PORT_BACK)
		kernel_again(arg, port);
}

// A port is about to be closed: nobody may be inside it.
static void port_quiesce(void *arg, const struct port *port)
{
	struct appliance *a = arg;
	shortcut_across(a, (unsigned)(port - a->ports), false);
	for (unsigned i = 0; i < a->nworkers && a->forwarding; i++)
		if (poll_rest(a->polls[i]) < 0)
			log_say(LOG_ERROR, "worker", "stalled worker=%u: a port cannot be closed safely", i);
	shortcut_void(a); // with what they asked for on their way
	for (unsigned i = 0; i < a->nworkers && !a->stopped; i++)
		poll_resume(a->polls[i]);
}

static int port_before(void *arg, const struct port *port, char *why, size_t why_size)
{
	struct appliance *a = arg;
	lanes_mtu(a); // workers do not use it yet
	return shortcut_take(a, (unsigned)(port - a->ports), why, why_size);
}

// One pool for all: a frame that came by one port leaves by another.
static unsigned frame_room(const struct config *c)
{
	unsigned room = FRAME_ROOM, bound = UINT32_MAX;
	for (unsigned i = 0; i < c->nports; i++) {
		unsigned least, most;
		port_room(&c->ports[i].port, &least, &most);
		room = RTE_MAX(room, least);
		bound = most ? RTE_MIN(bound, most) : bound;
	}
	return RTE_MIN(room, bound);
}

static unsigned frames_wanted(const struct appliance *a)
{
	const struct config_memory *m = &a->config->memory;
	unsigned each = m->held_frames + m->fragments + POLL_RING + 512 + 256 * 3 / 2;
	each += a->path.copies ? 1024 : 0; // rings.c's
	each += a->path.before ? mirror_frames(&a->path) : 0;
	unsigned want = a->nworkers * each;
	for (unsigned i = 0; i < a->config->nports; i++)
		want += RTE_MAX(8192u, port_buffers(&a->config->ports[i].port, a->nworkers));
	return m->frames ? m->frames : RTE_MAX(want, 16384u);
}

static unsigned giants_wanted(const struct appliance *a)
{
	return GIANTS + (a->path.before ? a->nworkers * mirror_giants(&a->path) : 0);
}

static void heard_dpdk(void *arg, unsigned level, const char *line)
{
	(void)arg;
	log_say(level <= 4   ? LOG_ERROR
		: level == 5 ? LOG_WARNING
		: level <= 7 ? LOG_INFO
			     : LOG_DEBUG,
		"dpdk", "%s", line);
}

static int open_eal(struct appliance *a)
{
	struct port_config ports[CONFIG_PORTS + 1];
	unsigned n = 0;
	for (; n < a->config->nports; n++)
		ports[n] = a->config->ports[n].port;
	ports[n++] = (struct port_config){.type = PORT_TAP}; // the kernel's ends
	size_t object = sizeof(struct rte_mbuf) + sizeof(struct pkt) + RTE_PKTMBUF_HEADROOM + 128;
	size_t bytes = frames_wanted(a) * RTE_ALIGN(object + frame_room(a->config), 4096) +
		       giants_wanted(a) * (object + GIANT_ROOM + 4096);
	unsigned mb = a->config->memory.dpdk_mb ? a->config->memory.dpdk_mb : (unsigned)(bytes >> 20) + 64;
	struct eal_live live = {
		.ports = ports, .nports = n, .mem_mb = mb, .pages = a->config->memory.pages, .say = heard_dpdk};
	int rc = eal_init_live(&live);
	if (rc == -ENOMEM && live.pages == EAL_PAGES_HUGE)
		log_say(LOG_ERROR, ROOM,
			"%u MiB of huge pages are wanted (memory.pages) and not free: "
			"echo %u > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages",
			mb, mb / 2 + 1);
	else if (rc == -EAGAIN)
		log_say(LOG_WARNING, ROOM, "others have taken the huge pages: starting again with small ones");
	else if (rc < 0)
		log_say(LOG_ERROR, ROOM, "DPDK does not start: %s; sluice doctor says what is missing", strerror(-rc));
	else
		log_say(LOG_INFO, ROOM, "memory pages=%s dpdk_mb=%u", eal_huge() ? "huge" : "small", mb);
	return rc;
}

static int open_pools(struct appliance *a)
{
	a->frames = eal_pool("frames", frames_wanted(a), frame_room(a->config));
	a->giants = eal_pool("giants", giants_wanted(a), GIANT_ROOM);
	if (a->frames && a->giants)
		return 0;
	log_say(LOG_ERROR, ROOM, "no memory for %u frames: lower memory.frames, or give hugepages: sluice doctor",
		frames_wanted(a));
	return -ENOMEM;
}

static int open_ports(struct appliance *a)
{
	const struct port_owner owner = {.event = port_said, .quiesce = port_quiesce, .arg = a, .before = port_before};
	for (; a->nports < a->config->nports; a->nports++) {
		char why[512];
		struct port_config c = a->config->ports[a->nports].port;
		shortcut_config(a, a->nports, &c);
		int rc = port_open(&a->ports[a->nports], &c, a->frames, a->nworkers, &owner, why, sizeof(why));
		if (rc < 0) {
			log_say(LOG_ERROR, "port", "%s", why);
			return rc;
		}
	}
	return kernel_ports(a, &owner);
}

// ---- workers -----------------------------------------------------------------------------------------------------

static void begun(struct poll *p)
{
	if (!privilege_worker())
		log_say(LOG_WARNING, "worker", "worker=%u keeps the privileges of the control thread", p->w.id);
}

// What has nothing to wait on is looked at again and again.
static void idle_as_can(struct poll *p)
{
	for (unsigned i = 0; i < p->nrx && p->idle == POLL_INTERRUPT; i++) {
		if (port_fd(p->rx[i].port, p->rx[i].queue) >= 0)
			continue;
		log_say(LOG_WARNING, "worker",
			"worker=%u idles as adaptive: port %s (%s) gives nothing to wait on for an interrupt", p->w.id,
			p->rx[i].port->config.name, port_type_name(p->rx[i].port->config.type));
		p->idle = POLL_ADAPTIVE;
	}
}

static void worker_free(const struct appliance *a, struct poll *p)
{
	path_fini(&p->w);
	mem_give(p->w.came, a->path.flows);
	mem_give(p, sizeof(*p));
}

static struct poll *worker_new(struct appliance *a, unsigned id)
{
	struct poll *p = mem_take(sizeof(*p));
	if (!p)
		return NULL;
	const struct config_workers *c = &a->config->workers;
	p->w.id = (uint16_t)id;
	p->w.frames = a->frames;
	p->w.giants = a->giants;
	p->w.limits = a->limits;
	p->core = id < c->ncores ? c->cores[id] : -1;
	p->idle = c->idle == CONFIG_IDLE_BUSY        ? POLL_BUSY
		  : c->idle == CONFIG_IDLE_INTERRUPT ? POLL_INTERRUPT
						     : POLL_ADAPTIVE;
	p->begun = begun;
	p->nworkers = a->nworkers;
	p->publish = standing_publish(a->standing);
	p->w.egress = &p->egress;
	lanes_set(a, p);
	idle_as_can(p);
	p->w.came = mem_take(a->path.flows);
	if (p->w.came && path_init(&p->w, &a->path) == 0 && shortcut_join(a, p))
		return p;
	worker_free(a, p);
	return NULL;
}

static int connect_workers(struct appliance *a)
{
	for (unsigned i = 0; i < a->nworkers; i++) {
		for (unsigned j = 0; j < a->nworkers; j++) {
			char name[RTE_RING_NAMESIZE];
			if (i == j)
				continue;
			snprintf(name, sizeof(name), "steer%u_%u", i, j);
			struct rte_ring *r =
				rte_ring_create(name, POLL_RING, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
			if (!r)
				return -ENOMEM;
			a->polls[i]->to[j] = a->polls[j]->from[i] = r;
		}
	}
	return 0;
}

static int open_workers(struct appliance *a)
{
	a->sources = calloc(a->nworkers + decider_workers(a) + 1, sizeof(*a->sources));
	for (unsigned i = 0; i < a->nworkers && a->sources; i++) {
		a->polls[i] = worker_new(a, i);
		if (!a->polls[i])
			break;
		a->sources[i].ring = a->polls[i]->w.records;
	}
	if (a->sources)
		a->sources[a->nworkers + decider_workers(a)].ring = a->speaker->records;
	if (a->sources && a->polls[a->nworkers - 1] && connect_workers(a) == 0)
		return 0;
	log_say(LOG_ERROR, ROOM, "no memory for %u workers of %u flows: lower memory.flows", a->nworkers,
		a->path.flows);
	return -ENOMEM;
}

static int open_standing(struct appliance *a)
{
	const struct config_policy *c = &a->config->policy;
	struct standing_config config = {.workers = a->nworkers + decider_workers(a), .seed = a->path.seed};
	for (unsigned i = 0; i < c->nguard; i++)
		if (!guard_add(&config.guard, c->guard[i]))
			return -EINVAL; // the config was checked
	a->standing = standing_new(&config);
	return a->standing ? 0 : -ENOMEM;
}

// ---- records -----------------------------------------------------------------------------------------------------

static int open_records(struct appliance *a)
{
	const struct records_writer by = {.boot = a->boot, .workers = a->nworkers + decider_workers(a) + 1};
	int rc = records_open(&a->records, a->config, &by);
	if (rc < 0)
		return rc;
	state_recovered(a);
	if (a->decider)
		a->sources[a->nworkers].ring = decider_records(a);
	for (unsigned i = 0; i < a->nports; i++)
		a->names[i] = a->ports[i].config.name;
	struct ship_config config = {.spool = a->records.spool,
				     .node = a->config->node,
				     .boot = a->boot,
				     .live = true,
				     .starts = records_starts(a->config),
				     .ports = a->names,
				     .nports = a->nports,
				     .sources = a->sources,
				     .nsources = a->nworkers + decider_workers(a) + 1,
				     .policies = standing_names(a->standing),
				     .npolicies = STANDING_VERSIONS};
	a->ship = ship_start(&config);
	return a->ship ? 0 : -errno;
}

void appliance_ship(struct appliance *a, uint64_t deadline_ns)
{
	if (a->ship)
		log_say(LOG_NOTICE, "ship", "records written=%lu", ship_stop(a->ship).records);
	a->ship = NULL;
	records_close(&a->records, deadline_ns);
}

// ---- open and close ----------------------------------------------------------------------------------------------

int appliance_start(struct appliance *a)
{
	for (unsigned i = 0; i < a->nworkers; i++) {
		int rc = poll_start(a->polls[i]);
		if (rc < 0) {
			log_say(LOG_ERROR, "worker", "cannot start worker=%u: %s", i, strerror(-rc));
			return rc;
		}
	}
	a->forwarding = true;
	return decider_start(a);
}

static uint64_t seed_new(void)
{
	uint64_t seed;
	if (getentropy(&seed, sizeof(seed)) != 0)
		abort();
	return seed;
}

int appliance_open(struct appliance *a, const struct config *config)
{
	*a = (struct appliance){.config = config,
				.nworkers = config->workers.ncores ? config->workers.ncores : 1,
				.started_ns = clock_ns(CLOCK_REALTIME)};
	a->boot = a->started_ns / 1000000;
	clock_follow(clock_ns(CLOCK_MONOTONIC), clock_ns(CLOCK_REALTIME));
	path_of(config, &a->path, seed_new());
	int (*const steps[])(struct appliance *) = {open_eal,      state_open,   open_pools,     open_standing,
						    shortcut_open, open_ports,   shortcut_start, open_workers,
						    copies_open,   decider_open, open_records};
	a->limits = limits_new(a->path.seed);
	for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		int rc = a->limits ? steps[i](a) : -ENOMEM;
		if (rc < 0)
			return rc;
	}
	return 0;
}

// AF_XDP's driver leaves what it has lent to the kernel when it closes.
static unsigned mbufs_inside(const struct appliance *a)
{
	for (unsigned i = 0; i < a->nports; i++)
		if (a->ports[i].config.type == PORT_AF_XDP)
			return 0;
	return rte_mempool_in_use_count(a->frames) + rte_mempool_in_use_count(a->giants);
}

static bool ledger_holds(struct appliance *a)
{
	struct totals t;
	appliance_totals(a, &t);
	unsigned mbufs = mbufs_inside(a);
	if (appliance_inside(&t) == 0 && t.held == 0 && mbufs == 0)
		return true;
	log_say(LOG_ERROR, ROOM, "frames are left inside: held=%lu unaccounted=%lu mbufs=%u; this is a bug of sluice",
		t.held, appliance_inside(&t) - t.held, mbufs);
	return false;
}

// Sinks have three quarters of the time to drain: closing the spool soundly is worth more than one more batch.
void appliance_end(struct appliance *a)
{
	a->ends_ns = clock_ns(CLOCK_MONOTONIC) + a->config->workers.drain_ms * 750000ull;
	a->waits = "while clients of Kafka were closed; what sinks have not taken stays in the spool";
}

bool appliance_close(struct appliance *a)
{
	a->abandoned |= !decider_stop(a, a->config->workers.drain_ms / 3);
	a->waits = "with frames inside";
	shortcut_drain(a);
	for (unsigned i = 0; i < a->nworkers; i++)
		if (a->polls[i])
			poll_rest(a->polls[i]);
	for (unsigned i = 0; i < a->nworkers; i++)
		if (a->polls[i])
			poll_stop(a->polls[i]);
	kernel_close(a);
	errands_close(a);
	for (unsigned i = 0; i < a->nports; i++)
		port_close(&a->ports[i]);
	copies_close(a);
	bool holds = !a->forwarding || ledger_holds(a);
	holds &= shortcut_close(a);
	a->waits = "while records were written; what sinks have not taken stays in the spool";
	appliance_ship(a, a->ends_ns);
	if ((a->abandoned |= !captures_close(a) || !reload_ended(a)))
		return holds; // who was left behind reads what would be freed, and the process ends anyway
	for (unsigned i = 0; i < a->nworkers; i++) {
		if (a->polls[i])
			worker_free(a, a->polls[i]);
	}
	decider_free(a);
	standing_free(a->standing);
	limits_free(a->limits);
	free(a->sources);
	state_close(a);
	return holds;
}

// ---- watching ----------------------------------------------------------------------------------------------------

static bool starves(const struct appliance *a, unsigned i, uint64_t now_ns)
{
	const struct stalled *s = &a->stalled[i];
	struct task t;
	return task_look(atomic_load(&a->polls[i]->tid), &t) && t.state == 'R' &&
	       t.ran_ns - s->ran_ns < (now_ns - s->since_ns) / 8;
}

static uint64_t ran_ns(const struct appliance *a, unsigned i)
{
	struct task t = {0};
	task_look(atomic_load(&a->polls[i]->tid), &t);
	return t.ran_ns;
}

static void watch_worker(struct appliance *a, unsigned i, uint64_t now_ns)
{
	struct stalled *s = &a->stalled[i];
	if (now_ns - a->watched_ns > LATE_NS && !s->said)
		s->since_ns = 0;
	uint64_t beats = atomic_load_explicit(&a->polls[i]->beats, memory_order_acquire);
	if (beats != s->beats || s->since_ns == 0) {
		if (s->said) {
			uint64_t ms = (now_ns - s->since_ns) / 1000000;
			log_say(LOG_NOTICE, "worker", "polls again worker=%u after_ms=%lu", i, ms);
			STATE_SAY(a, "worker_back", STATE_NUMBER("worker", i), STATE_NUMBER("after_ms", ms));
		}
		a->nstalled -= s->said;
		*s = (struct stalled){.beats = beats, .since_ns = now_ns};
		return;
	}
	if (!s->ran_ns) // since it was last seen to turn, or a look later
		s->ran_ns = ran_ns(a, i);
	if (now_ns - s->since_ns < STALLED_NS)
		return;
	s->starved = starves(a, i, now_ns);
	if (s->said)
		return;
	s->said = true;
	a->nstalled++;
	log_say(LOG_ERROR, "worker", "stalled worker=%u: no turn for %lu ms%s", i, (now_ns - s->since_ns) / 1000000,
		s->starved ? ": its core is given to others; a core of its own mends that (workers.cores)" : "");
	STATE_SAY(a, "worker_stalled", STATE_NUMBER("worker", i));
}

static bool all_xdp(const struct appliance *a)
{
	for (unsigned i = 0; i < a->nports; i++)
		if (a->ports[i].config.type != PORT_AF_XDP)
			return false;
	return true;
}

bool appliance_stuck(const struct appliance *a)
{
	uint64_t most_ns = all_xdp(a) ? XDP_NS : 0;
	for (unsigned i = 0; i < a->nworkers; i++)
		if (a->stalled[i].said && !a->stalled[i].starved && a->watched_ns - a->stalled[i].since_ns >= most_ns)
			return true;
	return false;
}

void appliance_watch(struct appliance *a)
{
	uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
	int64_t step_ns = clock_follow(now_ns, clock_ns(CLOCK_REALTIME));
	if (step_ns) {
		bool back = step_ns < 0;
		uint64_t ms = (uint64_t)llabs(step_ns) / 1000000;
		log_say(LOG_WARNING, ROOM, "the time of day was set %s by_ms=%lu: records follow, timers go on",
			back ? "back" : "forward", ms);
		STATE_SAY(a, back ? "clock_back" : "clock_forward", STATE_NUMBER("by_ms", ms));
	}
	for (unsigned i = 0; i < a->nworkers; i++)
		watch_worker(a, i, now_ns);
	a->watched_ns = now_ns;
	if (a->bypass && a->bypass_until_ns && now_ns >= a->bypass_until_ns)
		appliance_bypass(a, false, 0);
}

void appliance_tick(struct appliance *a)
{
	for (unsigned i = 0; i < a->nports; i++)
		port_tick(&a->ports[i]);
}

int appliance_forward(struct appliance *a, bool on)
{
	int stalled = 0;
	a->stopped = !on;
	shortcut_void(a);
	for (unsigned i = 0; i < a->nworkers; i++) {
		if (on)
			poll_resume(a->polls[i]);
		else
			stalled += poll_rest(a->polls[i]) < 0;
	}
	return stalled;
}

void appliance_bypass(struct appliance *a, bool on, uint64_t for_ns)
{
	a->bypass = on;
	a->bypass_until_ns = on && for_ns ? clock_ns(CLOCK_MONOTONIC) + for_ns : 0;
	for (unsigned i = 0; i < a->nworkers; i++)
		atomic_store_explicit(&a->polls[i]->bypass, on, memory_order_relaxed);
	shortcut_void(a);
	state_say(a, on ? "bypass_on" : "bypass_off",
		  &(struct state_fact)STATE_NUMBER("for_s", (for_ns + 999999999) / 1000000000), on && for_ns);
	if (on && for_ns)
		log_say(LOG_WARNING, ROOM, "BYPASS ON: everything passes unjudged for_s=%lu", for_ns / 1000000000);
	else
		log_say(LOG_WARNING, ROOM,
			on ? "BYPASS ON: everything passes unjudged until `bypass off`"
			   : "bypass off: the policy is enforced again");
}

void appliance_totals(const struct appliance *a, struct totals *t)
{
	*t = (struct totals){0};
	for (unsigned i = 0; i < a->nworkers && a->polls[i]; i++) {
		const struct worker *w = &a->polls[i]->w;
		t->own += w->own;
		t->tx += w->tx;
		t->kernel += w->kernel;
		t->mirrored += w->mirrored;
		t->held += w->held;
		t->bypassed += a->polls[i]->bypassed;
		t->rx_bytes += w->rx_bytes;
		t->tx_bytes += w->tx_bytes;
		for (unsigned j = 0; j < REASON_COUNT; j++)
			t->drops[j] += w->drops[j];
		for (unsigned j = 0; j < COUNTER_COUNT; j++)
			t->counters[j] += w->counters[j];
		for (unsigned j = 0; j < ANOMALY_COUNT; j++)
			t->anomalies[j] += w->anomalies[j];
		t->rx += w->rx; // last: what is inside is never less than nothing
	}
	t->counters[COUNTER_RECORDS_LOST] += records_lost(&a->records);
}

uint64_t appliance_inside(const struct totals *t)
{
	uint64_t left = t->tx + t->kernel + t->mirrored;
	for (unsigned i = 0; i < REASON_COUNT; i++)
		left += t->drops[i];
	return t->rx + t->own - left;
}
