// SPDX-License-Identifier: BSD-3-Clause
//
// A worker of the appliance: a thread that polls its ports' queues, walks what comes through the corridor, and sends
// what leaves. See poll.c.
#pragma once

#include <pthread.h>

#include "live/errand.h"
#include "path/egress.h"
#include "path/publish.h"

#define POLL_WORKERS 32
#define POLL_RING 1024 // frames on their way from one worker to another

struct fastpath_port;
struct port;
struct rte_ring;

// POLL_INTERRUPT: all its queues have something to wait on (port_fd); what other workers hand over waits for WAIT_MS.
enum poll_idle { POLL_BUSY, POLL_ADAPTIVE, POLL_INTERRUPT };

// Whose frames come by a queue: all are the path's; some are the appliance's own; the kernel's answers to those.
enum poll_kind { POLL_QUEUE_PATH, POLL_QUEUE_OWN, POLL_QUEUE_KERNEL };

struct poll_queue {
	const struct port *port;
	uint16_t queue;
	uint8_t number;  // of the port
	uint8_t kind;    // enum poll_kind
	uint64_t tenant; // of all that comes by it; 0: what the frames say
};

struct poll {
	struct worker w;
	struct egress egress;
	struct poll_queue rx[EGRESS_PORTS];
	unsigned nrx;
	struct port *port[EGRESS_PORTS]; // all of them, by number, and where this worker sends
	uint16_t tx_queue[EGRESS_PORTS];
	// by port, which moves while the port is not up: where the XDP program sees that we live. NULL: no fast path
	struct fastpath_port *const *fast;
	struct publish *publish;
	struct rte_ring *to[POLL_WORKERS]; // packets whose flows are others', by owner; NULL: itself
	struct rte_ring *from[POLL_WORKERS];
	unsigned nworkers;
	int ask_fd; // who is one hop away is asked for here (ctl/kernel.c); -1: nobody asks
	int core;   // -1: any
	enum poll_idle idle;
	void (*begun)(struct poll *p); // on the worker's thread, before its first turn; NULL: nothing

	// read by the control thread, written by the worker
	_Alignas(64) _Atomic uint64_t beats; // turns of the loop
	_Atomic int tid;                     // the thread, as the kernel numbers it
	_Atomic uint64_t idle_ns;            // slept
	_Atomic uint64_t burst_max_ns;       // longest turn since the control thread set it to 0
	_Atomic bool resting;                // it is not on the ports, and will not be until `rest` is taken back
	uint64_t bypassed;
	// written by the control thread
	_Alignas(64) _Atomic bool stop, rest, bypass;
	struct errand *_Atomic errand; // set by the control thread, taken back to NULL by the worker when it is done
	pthread_t thread;
	bool running;
};

// Once w, rx, publish and rings are set and path_init was called. 0 or -errno.
int poll_start(struct poll *p);
// Takes nothing more in, lets what is inside run out and end, and ends the thread. Others hand over to it until they
// rest: all have to, before the first of them is stopped.
void poll_stop(struct poll *p);
// Off the ports, so that one can be closed; and back. Returns when it is so, or -ETIMEDOUT: the worker is stalled.
int poll_rest(struct poll *p);
void poll_resume(struct poll *p);
