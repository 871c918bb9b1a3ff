// SPDX-License-Identifier: BSD-3-Clause
//
// A host name that was sent as UTF-8, as the A-labels by which DNS and policies know it.
#pragma once

#include <stdint.h>

#define IDN_NAME_MAX 253 // RFC 1035 2.3.4, as text

// Writes the ASCII form of p[0..len) to out, IDN_NAME_MAX bytes, and returns its length. 0: it is ASCII as it stands,
// or there is none (not UTF-8, an empty label, one of more than 63 bytes).
uint32_t idn_ascii(const uint8_t *p, uint32_t len, uint8_t *out);
