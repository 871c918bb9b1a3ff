// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "policy/reading.h"

// {"days": "mon-fri", "from": "08:00", "to": "18:00", "zone": "Europe/Berlin"}. NULL: said.
struct schedule *schedule_read(struct reading *r, uint32_t node);
// RFC 3339 in nanoseconds of the epoch. false: none.
bool schedule_instant(const char *p, uint32_t len, uint64_t *ns);
