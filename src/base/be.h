// SPDX-License-Identifier: BSD-3-Clause
//
// Big-endian numbers as packets have them, at any alignment. The bytes are there: the caller has looked.
// The compiler makes one load and a swap of each.
#pragma once

#include <stdint.h>

static inline uint32_t be16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}
static inline uint32_t be24(const uint8_t *p)
{
	return (uint32_t)p[0] << 16 | be16(p + 1);
}
static inline uint32_t be32(const uint8_t *p)
{
	return be16(p) << 16 | be16(p + 2);
}
