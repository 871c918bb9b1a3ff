// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "policy/reading.h"

// Warns of what is right but looks wrong, in a policy without errors.
void lint_policy(struct reading *r);
