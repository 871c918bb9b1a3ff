// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define REGEX_MAX 4096 // bytes

// Flags that every regex of a policy is compiled with, in Hyperscan's bits.
unsigned regex_flags(bool nocase);
// What a regex is that needs none: REGEX_NEEDED: it does. The literal is written to out (len bytes at most).
enum regex_kind { REGEX_NEEDED, REGEX_CONTAINS, REGEX_PREFIX, REGEX_SUFFIX, REGEX_WHOLE };
enum regex_kind regex_literal(const uint8_t *p, uint32_t len, uint8_t *out, uint32_t *out_len);
