// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define DOMAIN_MAX 253 // RFC 1035 2.3.4, as text

// Writes a name as names are compared (lower case, no trailing dot, A-labels; an IP literal as it is) to out, which has
// room for len bytes or DOMAIN_MAX, whichever is more; out may be p where the name is ASCII. Returns its length; 0: it
// is no name, and *why says so. Names of letters, digits, hyphens and underscores take one pass; others go through IDNA
// 2008 (RFC 5891).
uint32_t domain_normal(const char *p, uint32_t len, uint8_t *out, const char **why);
// A part of a name, for prefix, suffix and contains: lower case; `ends` (suffix) loses a trailing dot and may be
// written in Unicode from a label's beginning on. Returns its length; 0: *why.
uint32_t domain_part(const char *p, uint32_t len, bool ends, uint8_t *out, const char **why);
// An address in a form that a host may have: "192.0.2.1", "2001:db8::1", "[2001:db8::1]".
bool domain_is_address(const uint8_t *p, uint32_t len);
