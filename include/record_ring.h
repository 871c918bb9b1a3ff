// SPDX-License-Identifier: BSD-3-Clause
//
// The far end of a worker's record ring: what leaves the corridor is read here, by one other thread.
// (The near end is path/record_out.h.)
#pragma once

#include "record.h"

struct record_out;

// The next record, or NULL where there is none yet. The pointer is valid until record_done.
const struct record *record_peek(struct record_out *o);
void record_done(struct record_out *o, const struct record *r);
// The number that the next one would have. The worker is at rest.
uint32_t record_next(const struct record_out *o);
