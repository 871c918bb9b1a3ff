// SPDX-License-Identifier: BSD-3-Clause
#include "rooms.h"

int defrag_init(struct worker *w) { return 0; }
void defrag_fini(struct worker *w) {}
unsigned defrag_burst(struct worker *w, struct burst *b) { return 0; }
bool defrag_age(struct worker *w, uint64_t time_ns) { return false; }
void defrag_drain(struct worker *w) {}
