// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "policy/arena.h"

#define SOURCE_STDIN "-"

// All of a file, of a pipe, or of standard input ("-"): more than `most` bytes say only that there are more. NULL: *why
// says so. The text is the arena's and has a byte of room behind it. What is no file is kept, so that it can be read
// again by its name, in this process and in those that it forks.
char *source_read(const char *file, size_t most, struct arena *a, size_t *len, const char **why);
