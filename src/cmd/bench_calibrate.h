// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "path/worker.h"

// The two calibrators against which the corridor is measured in the same run; see bench_calibrate.c.
void calibrate_empty_burst(struct worker *w, struct burst *b);
void calibrate_bare_burst(struct worker *w, struct burst *b);
// Memory of the bare loop: records of flows, a power of two. 0 or -ENOMEM.
int calibrate_init(uint32_t flows);
void calibrate_fini(void);
