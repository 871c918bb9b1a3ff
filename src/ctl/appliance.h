// SPDX-License-Identifier: BSD-3-Clause
//
// The appliance as a whole: its ports, workers, policy and records, as the config says. Opened, watched and closed by
// the control thread; commands and metrics read it. See appliance.c.
#pragma once

#include "ctl/config.h"
#include "ctl/records.h"
#include "live/poll.h"

struct control;
struct kernel;
struct requests;
struct ship;
struct standing;
struct limits;
struct shortcut;
struct rules;

struct appliance {
	const struct config *config;
	struct path_config path;
	struct rte_mempool *frames, *giants;
	struct port ports[EGRESS_PORTS]; // the config's, then the kernel's ends of some of them
	const char *names[EGRESS_PORTS]; // of ports
	unsigned nports;
	struct kernel *kernel; // what is for the appliance itself; NULL: all paths pass that on
	struct poll *polls[POLL_WORKERS];
	unsigned nworkers;
	struct limits *limits;
	struct shortcut *shortcut; // NULL: no path has the fast path
	struct standing *standing;
	struct rules *rules;      // from_kafka.c's; NULL: the policy does not come from there
	struct requests *decider; // decider.c's; NULL: requests are not answered here
	struct ship *ship;
	struct records records;
	struct copies *copies;       // NULL: the config has no sink for them
	struct control *control;     // NULL: nobody can ask
	struct ship_source *sources; // workers', and the speaker's
	struct worker *speaker;      // state.c's: for records of the control thread
	uint64_t started_ns, boot;   // CLOCK_REALTIME; which start of this node
	bool forwarding;             // workers run
	_Atomic bool enforcing;      // a policy was loaded
	pthread_t reloading;         // reload.c's
	bool reload_runs;
	void (*reload_next)(void *arg); // when it is over; NULL: nothing
	void *reload_next_arg;
	bool last_good;      // in force is the history's, since the config's file was broken at start
	pthread_t comparing; // show_diff.c's
	bool compares;
	struct captures *captures;   // captures.c's; NULL: there was none yet
	bool stopped;                // by `stop`
	struct errand_post *errands; // under way, and those that wait their turn; see errands.c
	bool bypass;
	uint64_t bypass_until_ns; // 0: no end
	struct stalled {
		uint64_t beats, since_ns, ran_ns;
		bool said;
		bool starved; // it would run, and gets no core: nothing that a start afresh mends
	} stalled[POLL_WORKERS];
	unsigned nstalled;
	uint64_t watched_ns;
	uint64_t ends_ns;           // CLOCK_MONOTONIC: when sinks have had their time; 0: it does not end
	const char *volatile waits; // what the end waits for, should it not come in time
	bool abandoned;             // by who waits for others for good: what it uses is not freed, and the process ends
};

// Ports, memory, sinks. 0, or -errno after it was said.
int appliance_open(struct appliance *a, const struct config *config);
// Workers: frames pass from here on, by the fail mode no_policy.
int appliance_start(struct appliance *a);
// The end begins, and its time, workers.drain_ms.
void appliance_end(struct appliance *a);
// Takes nothing more in, lets what is inside leave and end within the config's deadline, writes all records. False:
// frames or mbufs are left inside, which is a bug.
bool appliance_close(struct appliance *a);
// The last records leave, until the deadline (CLOCK_MONOTONIC); what does not stays in the spool. appliance_close does
// it.
void appliance_ship(struct appliance *a, uint64_t deadline_ns);
// Each 100 ms: heartbeats, the end of a bypass. Each second: ports.
void appliance_watch(struct appliance *a);
// A worker does not move, and nothing takes its place: the process has to start again.
bool appliance_stuck(const struct appliance *a);
void appliance_tick(struct appliance *a);

// Workers fetch frames, or do not. How many are stalled and did not hear.
int appliance_forward(struct appliance *a, bool on);
void appliance_bypass(struct appliance *a, bool on, uint64_t for_ns);

// The ledger (corridor.md 6) and the counters, summed over workers as they are now.
struct totals {
	uint64_t rx, own, tx, kernel, mirrored, held, bypassed;
	uint64_t rx_bytes, tx_bytes;
	uint64_t drops[REASON_COUNT], counters[COUNTER_COUNT], anomalies[ANOMALY_COUNT];
};
void appliance_totals(const struct appliance *a, struct totals *t);
// Frames that came in and have not left: what is held, and what is under way between workers.
uint64_t appliance_inside(const struct totals *t);
