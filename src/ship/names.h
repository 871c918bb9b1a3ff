// SPDX-License-Identifier: BSD-3-Clause
//
// What records need to be rendered by somebody else, later: who wrote them, what ports and rules are called. See
// names.c.
#pragma once

#include <stddef.h>

#include "ship/ship.h"

// The near end, on the shipper's thread: tells the spool what a record needs to be named, once a segment.
struct namer;
struct namer *namer_new(const struct ship_config *c); // c->spool is told; NULL: no memory
void namer_free(struct namer *n);
// A replay's, from here on.
void namer_captures(struct namer *n, const char *const *names, unsigned many);
void namer_tell(struct namer *n, const struct record *rec);

// The far end: a ship_config that faces take, filled in by what is read.
struct names;
struct names *names_new(void); // NULL: no memory
void names_free(struct names *n);
const struct ship_config *names_config(const struct names *n);
// 0; 1: captures begin, and *captures is a list of their names; -EINVAL: it is not ours; -ENOMEM. What begins another
// start of the node forgets the policies of the one before.
int names_read(struct names *n, const void *text, size_t len, const char *const **captures, unsigned *ncaptures);
// Who wrote the records that come. They stay.
void names_by(struct names *n, const char *node, uint64_t boot);
