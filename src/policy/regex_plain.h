// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdbool.h>
#include <stdint.h>

// True: a regex of the plain kind, which Hyperscan takes and which matches no empty text. False: it may be one, too.
bool regex_plain(const uint8_t *p, uint32_t len);
