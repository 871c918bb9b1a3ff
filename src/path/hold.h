// SPDX-License-Identifier: BSD-3-Clause
//
// Frames that wait for a verdict (corridor.md 5). Worker's thread. See hold.c.
#pragma once

#include "flow.h"

int hold_init(struct worker *w);
void hold_fini(struct worker *w);

// Keeps a frame of the burst in work; tx passes over it (PKT_HELD). False: a bound is reached, and what
// hold_exceeded says was done with it.
bool hold_frame(struct worker *w, struct flow *f, struct rte_mbuf *m);
// TCP: lets go, in order, what ends at or below `line` of the direction; UINT64_MAX: all.
void hold_release(struct worker *w, struct flow *f, unsigned dir, uint64_t line);
// Drops by a reason what is held of a flow.
void hold_drop(struct worker *w, struct flow *f, uint16_t reason);
// What has waited for too long. True: more is due than was done.
bool hold_age(struct worker *w, uint64_t time_ns);
