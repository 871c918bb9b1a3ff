// SPDX-License-Identifier: BSD-3-Clause
//
// The process's side of the eBPF fast path: maps, ports, and a thread between the workers and the map of verdicts.
//
//   worker --ops--> [ ring ] --> thread --stores--> buckets, slots
//   worker <-counts-- [ ring ] <-- thread <--loads-- slots
//
// Order of a start: fastpath_open; for each port fastpath_take, then the port itself with xdp_prog=fastpath_object();
// fastpath_start; workers beat. Until the first beat, and whenever it stops, the program acts by the fail mode.
// Order of an end: fastpath_void; workers take their counts until entries are 0; ports close; fastpath_close.
// All of it is the control thread's, but for what workers do with the rings and fastpath_beat.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <fastpath.h> // of include/, not this one

struct fastpath;
struct port_map;
struct rte_ring;

struct fastpath_link {
	char interface[16];
	int peer; // number of the link across, -1: none, and nothing is forwarded
	enum fastpath_fail fail;
	bool own; // what is for this machine goes to its kernel
};

struct fastpath_options {
	const struct fastpath_link *links;
	unsigned nlinks; // a link's number is its place in the list
	unsigned workers;
	uint32_t ring;     // ops and counts that wait, of each worker; a power of two
	uint32_t idle_ms;  // an entry that no frame met for so long ends
	uint32_t stale_ms; // a worker that did not beat for so long is gone
	const char *pins;  // folder in a bpffs; NULL: /sys/fs/bpf, where the driver looks
};

// -EBUSY: another process has it (why says which); what a dead one left is swept.
int fastpath_open(struct fastpath **out, const struct fastpath_options *options, char *why, size_t why_size);
void fastpath_close(struct fastpath *f);
// Just before its port is opened, the first time and whenever it comes back: finds the interface, and takes off the
// program that a dead process left there.
int fastpath_take(struct fastpath *f, unsigned link, char *why, size_t why_size);
// What xdp_prog= takes. Valid until fastpath_close, in this process only.
const char *fastpath_object(const struct fastpath *f);
// And the maps of it that are there, up to one without a name: a port that comes back without root has no way to pins.
const struct port_map *fastpath_maps(const struct fastpath *f);
int fastpath_start(struct fastpath *f);

// A worker's rings: struct fastpath_op, which only it enqueues, and struct fastpath_count, which only it dequeues
// (rte_ring_*_elem). A worker that leaves its counts lying is not served.
struct rte_ring *fastpath_ops(const struct fastpath *f, unsigned worker);
struct rte_ring *fastpath_counts(const struct fastpath *f, unsigned worker);
// Shared with the program, by number: what workers read at a flow's end.
struct fastpath_slot *fastpath_slots(const struct fastpath *f);
// Shared with the program: for fastpath_beat and fastpath_tag_read. It moves with fastpath_take.
struct fastpath_port *fastpath_port(const struct fastpath *f, unsigned link);

// Every entry ends, at once as far as frames go, those that were asked for and are not yet there too. pause: and none
// is taken in until the next call.
void fastpath_void(struct fastpath *f, bool pause);
// Its interface goes away, or has no link: nothing settled leaves by it until fastpath_take, or it is there.
void fastpath_across(struct fastpath *f, unsigned link, bool there);
// Addresses of this machine on a link; version 4 or 6.
int fastpath_own(struct fastpath *f, unsigned link, unsigned version, const uint8_t *addr, bool is);

struct fastpath_numbers {
	uint64_t entries; // in the map, or not yet told that they ended
	uint64_t added, changed, deleted, aged, refused, voided;
};
void fastpath_numbers(struct fastpath *f, struct fastpath_numbers *n);
// Frames of a link by the door they took, of all processors.
int fastpath_doors(const struct fastpath *f, unsigned link, struct fastpath_doors *sum);

extern const struct fastpath_door_row {
	const char *word, *help;
	enum fastpath_whose whose;
} fastpath_door_rows[FASTPATH_DOOR_COUNT];
