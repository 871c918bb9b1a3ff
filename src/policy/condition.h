// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "policy/reading.h"

// Reads a `when`: an object of fields and `any`. NULL: said.
struct condition *condition_read(struct reading *r, uint32_t node);
