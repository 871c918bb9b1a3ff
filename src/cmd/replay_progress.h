// SPDX-License-Identifier: BSD-3-Clause
//
// One line on the terminal while a replay takes long; nothing on a pipe.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool terminal, shown;
	uint64_t total, done; // bytes of all captures (0: not known), and of those that are behind us
	uint64_t started_ns, shown_ns;
};

void progress_start(struct progress *p, char **paths, unsigned npaths);
bool progress_due(struct progress *p);
// taken: bytes of the captures in work.
void progress_show(struct progress *p, uint64_t taken, uint64_t frames);
void progress_clear(struct progress *p);
double progress_seconds(const struct progress *p);
