// SPDX-License-Identifier: BSD-3-Clause
//
// Hostile bytes as harmless text, and numbers, addresses and times as digits, by hand: this runs for each value of
// each record. Nothing here allocates or looks at the locale.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Bytes of the valid UTF-8 sequence at p (1 to 4; RFC 3629: no surrogates, nothing over-long), 0 where there is none.
// code: the code point.
unsigned text_utf8(const uint8_t *p, size_t len, uint32_t *code);

// True for code points that make a terminal act or hide what stands beside them: C0, DEL, C1 controls, bidirectional
// overrides and isolates, zero-width characters, line and paragraph separators, tags.
bool text_harmful(uint32_t code);

// Columns a code point takes on a terminal: 0 (combining), 1 or 2 (East Asian wide, pictographs).
unsigned text_columns(uint32_t code);

// Writes digits at `at` and returns the place after them. Room needed: U64 20, HEX 2 * len, IP TEXT_IP_MAX.
char *text_u64(char *at, uint64_t v);
char *text_hex(char *at, const uint8_t *p, size_t len);
// As people read it: 99999, 100k, 1.23M.
const char *text_size(uint64_t n, char out[16]);
// version 4: dotted; 6: RFC 5952 (lower case, longest run of zeros cut, mapped addresses dotted).
char *text_ip(char *at, const uint8_t *addr, unsigned version);
#define TEXT_IP_MAX 46

// 2026-11-21T09:30:05.123456+0000 (31 bytes; years over 9999 do not fit in 64 bits of nanoseconds).
#define TEXT_TIME_LEN 31
struct text_clock { // the last second asked for: most records share it with the one before
	uint64_t second;
	char stamp[TEXT_TIME_LEN + 1];
};
char *text_time(char *at, struct text_clock *c, uint64_t time_ns);
