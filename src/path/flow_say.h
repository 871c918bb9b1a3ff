// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "flow.h"

struct burst;

// RECORD_FLOW_START: what the first frame of a direction says about a flow. Tags and network ids are said of the
// innermost tuple only: they are known to lie outside of it, but not between which of the layers.
void flow_say_start(struct worker *w, struct flow *f, const struct pkt *p, unsigned layer, unsigned dir,
		    const uint8_t *frame);
// RECORD_FLOW, what the policy lets be said of it; or it counts in a flood's sum.
void flow_say_end(struct worker *w, struct flow *f, enum flow_end why);
// Frames of one flow may be tagged in more than one way (routers, bonds). What no first frame showed is said once more;
// a third stack is not, lest two ways that alternate are said with each frame.
void flow_say_tags(struct worker *w, const struct burst *b);
