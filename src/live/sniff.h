// SPDX-License-Identifier: BSD-3-Clause
//
// A capture of live frames into a pcapng file: what ports receive, what leaves by them, and what is dropped and why.
// See sniff.c.
#pragma once

#include <pthread.h>

#include "live/errand.h"
#include "path/egress.h"
#include "policy_names.h"

#define SNIFF_FILE 1024
#define SNIFF_FILTER 4096
#define SNIFF_WHY 512
#define SNIFF_SNAPLEN 65535

enum sniff_way { SNIFF_IN = 1, SNIFF_OUT = 2, SNIFF_DROPPED = 4 };
enum sniff_state { SNIFF_OPENING, SNIFF_FAILED, SNIFF_RUNS, SNIFF_ENDED };

struct sniff_config {
	char file[SNIFF_FILE], filter[SNIFF_FILTER]; // filter: as for tcpdump; "": everything
	unsigned ways;                               // bits of enum sniff_way
	uint32_t ports;                              // bits
	uint32_t snaplen, ring_bytes;                // of each frame; of each worker, a power of two
	uint64_t frames, bytes, for_ns;              // it ends by itself at the first of these; frames 0: not by them
	unsigned workers, nports;
	const char *port[EGRESS_PORTS];             // names
	const struct policy_names *const *policies; // by version, from 1
	unsigned npolicies;
	void (*said)(void *arg); // on its thread: it runs, or failed; and if it ran, it has ended
	void *arg;
};

struct sniff;
struct sniff_counts {
	uint64_t frames, bytes, lost; // written, of the file; that found no room on their way to it
};

// Its thread opens what is needed, and says so. NULL: no memory, no thread.
struct sniff *sniff_new(const struct sniff_config *config);
enum sniff_state sniff_state(const struct sniff *s);
// FAILED: why; ENDED: which of its limits it was, or what went wrong with the file ("": it was stopped).
const char *sniff_why(const struct sniff *s);
struct sniff_counts sniff_counts(const struct sniff *s);
// Errands to all workers, one after the other: they look from now on; they look no more.
struct errand *sniff_attach(struct sniff *s);
struct errand *sniff_detach(struct sniff *s);
// No worker looks (any more): it ends when what they saw is written.
void sniff_stop(struct sniff *s);
// It has failed or ended, or will within some milliseconds. False: it has not within wait_s, and lives on.
bool sniff_free(struct sniff *s, unsigned wait_s);

// Worker: a frame came; where nobody captures (w->seer is NULL) it is not called.
void sniff_in(struct worker *w, struct rte_mbuf *m);
