// SPDX-License-Identifier: BSD-3-Clause
//
// The worker's end of the record ring: one crossing out of the corridor. The far end is record_ring.h.
#pragma once

#include "worker.h"

int record_out_init(struct worker *w);
void record_out_fini(struct worker *w);

// A record being put together outside the arena, in the worker's scratch: begin, add facts, write.
struct record *record_begin(struct worker *w, enum record_kind kind);
void record_fact(struct worker *w, enum fact_field f, const void *value, uint32_t len, struct origin o);
void record_num(struct worker *w, enum fact_field f, uint64_t value, struct origin o);
void record_write(struct worker *w);
// Writes a finished record from anywhere (the arena), whose memory can be read up to a whole number of cells. Sets seq
// and worker. Waits (replay) or counts when full.
void record_put(struct worker *w, struct record *r);
// Appends a fact to any record under construction that has room bytes in all; shortens or leaves out what does not fit.
void record_add(struct record *r, uint32_t room, enum fact_field field, const void *value, uint32_t len,
		struct origin o);
// The same for a value that the caller writes into the place returned. NULL: it does not fit, nothing was added.
void *record_reserve(struct record *r, uint32_t room, enum fact_field field, uint32_t len, struct origin o);
