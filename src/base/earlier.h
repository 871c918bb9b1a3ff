// SPDX-License-Identifier: BSD-3-Clause
//
// Earlier files of a name that is written again and again: eve.json.20261121T093005.123456Z beside eve.json. The names
// sort as the files came.
#pragma once

#include <stdint.h>

// Puts the file away: its name is free. stamp_us: of the last one that was; to: what it is called now, PATH_MAX. 0, or
// -1 and errno.
int earlier_put(const char *path, uint64_t *stamp_us, char *to);
// Deletes the oldest beyond so many; 0: all stay.
void earlier_prune(const char *path, unsigned keep);
