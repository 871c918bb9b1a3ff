// SPDX-License-Identifier: BSD-3-Clause
#include "rooms.h"

void steer_burst(struct worker *w, struct burst *b) {}
