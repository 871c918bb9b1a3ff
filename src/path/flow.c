// SPDX-License-Identifier: BSD-3-Clause
#include "rooms.h"
#include "flow.h"

int flow_init(struct worker *w) { return 0; }
void flow_fini(struct worker *w) {}
void flow_burst(struct worker *w, struct burst *b) {}
void flow_outer_burst(struct worker *w, struct burst *b) {}
bool flow_age(struct worker *w, uint64_t time_ns, uint64_t frame) { return false; }
void flow_drain(struct worker *w) {}
void flow_record(const struct worker *w, const struct flow *f, struct record *r, uint16_t kind) {}
