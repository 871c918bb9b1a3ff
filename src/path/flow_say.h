// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "flow.h"

struct burst;

// RECORD_FLOW_START: what the first frame of a direction says about a flow. Tags and network ids are said of the
// innermost tuple only: they are known to lie outside of it, but not between which of the layers.
void flow_say_start(struct worker *w, struct flow *f, const struct pkt *p, unsigned layer, unsigned dir,
		    const uint8_t *frame);
// The same of a flow that flood.c kept quiet about, and is no flood's after all, when it ends.
void flow_say_late(struct worker *w, struct flow *f);
// Frames of one flow may be tagged in more than one way (routers, bonds). What no first frame showed is said once more;
// a third stack is not, lest two ways that alternate are said with each frame.
void flow_say_tags(struct worker *w, const struct burst *b);
