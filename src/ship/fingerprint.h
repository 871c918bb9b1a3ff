// SPDX-License-Identifier: BSD-3-Clause
//
// Puts JA3 and JA4 into a record in place of the lists they are made of.
#pragma once

struct fingerprint;
struct record;

struct fingerprint *fingerprint_new(void); // NULL: no memory
void fingerprint_free(struct fingerprint *f);
// The record as it is to be rendered: itself, or, where it carries a hello's lists, a copy that lives until the next
// call.
const struct record *fingerprint_record(struct fingerprint *f, const struct record *r);
