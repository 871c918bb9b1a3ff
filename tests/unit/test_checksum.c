// SPDX-License-Identifier: BSD-3-Clause
//
// Sums against the plainest way to make them, at every length and alignment.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <netinet/in.h>

#include "path/checksum.h"

#define ROOM 300

static uint8_t bytes[ROOM + 16];

static void fill(void)
{
	for (uint32_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 2654435761u >> 13);
}

static void test_add(void **state)
{
	fill();
	for (uint32_t at = 0; at < 8; at++) {
		for (uint32_t len = 0; len < ROOM; len++) {
			uint32_t sum = 0;
			for (uint32_t i = 0; i < len; i++) // RFC 1071, words of the machine's order
				sum += (uint32_t)bytes[at + i] << (i & 1 ? 8 : 0);
			while (sum >> 16)
				sum = (sum & 0xffff) + (sum >> 16);
			assert_int_equal(checksum_fold(checksum_add(bytes + at, len)), sum);
		}
	}
}

// RFC 9260 appendix A, a bit at a time.
static uint32_t crc32c(const uint8_t *p, uint32_t len)
{
	uint32_t crc = ~0u;
	for (uint32_t i = 0; i < len; i++) {
		crc ^= p[i];
		for (unsigned bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
	}
	return ~crc;
}

// Also where words lie across their alignment, as behind an Ethernet header they do.
static void test_sctp(void **state)
{
	fill();
	for (uint32_t at = 0; at < 9; at++) {
		for (uint32_t len = 12; len < 60; len++) {
			struct layer l = {.version = 4, .proto = IPPROTO_SCTP, .l4 = at, .payload = at + 12};
			l.payload_len = len - 12;
			memset(bytes + at + 8, 0, 4);
			uint32_t crc = crc32c(bytes + at, len);
			memcpy(bytes + at + 8, &crc, 4);
			assert_int_equal(checksum_l4(bytes, &l), CHECKSUM_GOOD);
			bytes[at + len - 1] ^= 1;
			assert_int_equal(checksum_l4(bytes, &l), CHECKSUM_BAD);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_add), cmocka_unit_test(test_sctp)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
