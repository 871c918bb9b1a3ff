// SPDX-License-Identifier: BSD-3-Clause
//
// replay --fast-path: what settled flows say goes by the corridor as it would under `sluice run` with a fast path.
#pragma once

#include "path/worker.h"

struct replay_fast;

// Of this worker, which walks the whole corridor; least: as in struct settle_config. NULL: no memory. Freed with the
// worker at rest.
struct replay_fast *replay_fast_new(struct worker *w, uint32_t least);
void replay_fast_free(struct replay_fast *x);
// Walks a burst, consumes it.
void replay_fast_burst(struct replay_fast *x, struct burst *b);
// Frames that went by, and those of them that were dropped.
void replay_fast_sums(const struct replay_fast *x, uint64_t *frames, uint64_t *dropped);
