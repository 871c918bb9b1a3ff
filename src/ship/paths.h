// SPDX-License-Identifier: BSD-3-Clause
//
// The captures that a replay's records are of, by name.
#pragma once

#include "ship/face.h"

// Replaces r's; none without memory. The strings are copied.
void paths_set(struct render *r, const char *const *names, unsigned n);
void paths_forget(struct render *r);
