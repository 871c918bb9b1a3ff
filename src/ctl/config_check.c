// SPDX-License-Identifier: BSD-3-Clause
//
// What only several keys together can have wrong.
#include "ctl/config_key.h"

void config_check(struct config *c, struct complaints *to) {}
