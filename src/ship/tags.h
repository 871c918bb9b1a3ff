// SPDX-License-Identifier: BSD-3-Clause
//
// Puts a flow's VLANs and VNIs into each of its records.
#pragma once

struct record;
struct tags;

struct tags *tags_new(void); // NULL: no memory
void tags_free(struct tags *t);
// A capture begins: flow ids are numbers of frames, and start anew.
void tags_forget(struct tags *t);
// The record with its flow's tags as facts: itself where there are none, else a copy that lives until the next call.
const struct record *tags_record(struct tags *t, const struct record *r);
