// SPDX-License-Identifier: BSD-3-Clause
//
// Frames that wait for a verdict (corridor.md 5). Worker's thread. See hold.c.
#pragma once

#include "flow.h"
#include "ruleset.h"

int hold_init(struct worker *w);
void hold_fini(struct worker *w);

// Keeps a frame of the burst in work; tx passes over it (PKT_HELD). TCP: pkt->end says where it ends. False: a bound is
// reached, and what hold_exceeded says was done with it and with those held.
bool hold_frame(struct worker *w, struct flow *f, struct rte_mbuf *m);
// What `undecided` says of a packet, or of the prelude, of an open flow of which nothing was judged.
static inline bool hold_bars(const struct flow *f, uint8_t undecided)
{
	return undecided == UNDECIDED_DROP || (undecided == UNDECIDED_POSSIBLE && (f->flags & FLOW_BARRED));
}
// True: it was dropped, or waits.
bool hold_undecided(struct worker *w, struct flow *f, struct rte_mbuf *m);
// What the server says of an open flow waits, or does not leave, until its client was judged.
bool hold_answers(const struct worker *w, const struct flow *f);
// Lets go, in order, what ends at or below `line` of the initiator's direction; UINT64_MAX: all.
void hold_release(struct worker *w, struct flow *f, uint64_t line);
// Drops by a reason what is held of a flow.
void hold_drop(struct worker *w, struct flow *f, uint16_t reason);
// After a packet was looked at: what it decided is done with what is held.
void hold_settle(struct worker *w, struct flow *f);
// A bound is reached: the flow goes on unjudged, or is refused.
void hold_exceeded(struct worker *w, struct flow *f);
// A flow that is marked brought bytes. True: while it goes on unjudged they make a message that is denied as far as it
// can be read.
bool hold_went_on(struct worker *w, struct flow *f);
// No memory is left to read the flow in.
void hold_starved(struct worker *w, struct flow *f);
// As hold_exceeded, if its first frame has waited for too long.
void hold_due(struct worker *w, struct flow *f, uint64_t time_ns);
// Datagrams: what a hello began on `f` was judged on another flow, for the client has moved.
void hold_follow(struct worker *w, struct flow *f, const struct flow *judged);
// TCP: the direction begins `by` bytes earlier than was thought.
void hold_back(struct worker *w, struct flow *f, uint32_t by);
// The first of what is held of a flow; NULL: nothing.
struct rte_mbuf *hold_first(struct worker *w, struct flow *f);
// What has waited for too long. True: more is due than was done.
bool hold_age(struct worker *w, uint64_t time_ns);
// The flow ends, and all that came was read: what is still held is judged as it stands.
void hold_end(struct worker *w, struct flow *f);
