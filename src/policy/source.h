// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stddef.h>

// All of a file, or of a pipe: at most DOC_BYTES_MAX and a little more, so that what is too long is seen to be. NULL:
// errno says why. The caller frees it.
char *source_read(const char *file, size_t *len);
