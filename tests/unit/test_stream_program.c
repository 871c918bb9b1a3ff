// SPDX-License-Identifier: BSD-3-Clause
//
// The fuzz target of stream, run on programs from a fixed seed, so that every build walks it; and streams in any
// order that a network may give, with nothing lost.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../fuzz/fuzz_stream.c"
#include "../poison.h"

static uint64_t seed = 88172645463325252ull;

static uint32_t any(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 32) % below;
}

static void programs(void **state)
{
	uint8_t bytes[1024];
	for (unsigned n = 0; n < rounds(800); n++) {
		uint32_t len = 16 + any(sizeof(bytes) - 16), clean = any(3) == 0;
		for (uint32_t i = 0; i < len; i++)
			bytes[i] = clean && any(2) ? (uint8_t)(any(7) | any(4) << 3) : (uint8_t)any(256);
		LLVMFuzzerTestOneInput(bytes, len);
	}
}

// Pieces of `size` bytes, each moved by up to 64 places, some twice: the parser sees every byte, in order, no gap.
static void shuffled(uint32_t size, uint32_t total)
{
	static uint32_t order[SPACE], key[SPACE];
	uint32_t n = total / size, read = 0;
	begin(any(UINT32_MAX) / 5 * 5);
	for (uint32_t i = 0; i < n; i++) { // insertion by key: nothing moves by more than 64 places
		uint32_t k = i + any(64), at = i;
		while (at && key[at - 1] > k) {
			order[at] = order[at - 1];
			key[at] = key[at - 1];
			at--;
		}
		order[at] = i;
		key[at] = k;
	}
	for (uint32_t i = 0; i < n; i++) {
		struct stream_view v;
		for (unsigned twice = any(4) == 0; twice < 2; twice++)
			give(order[i] * size, size, 0, 0);
		if (any(4) == 0) { // and some that overlap both neighbours
			uint32_t before = any(RTE_MIN(order[i] * size, 3 * size) + 1),
				 len = size + before + any(size + 1);
			if (order[i] * size - before + len <= total / size * size)
				give(order[i] * size - before, len, 0, 0);
		}
		if (!stream_view(&t.w, &t.f, DIR, &v))
			continue;
		assert_int_equal(v.offset, read);
		assert_false(v.after_gap);
		look(read, v.data, v.len);
		stream_consume(&t.w, &t.f, DIR, v.len);
		read += v.len;
	}
	assert_int_equal(read, n * size);
	compare();
	stream_end(&t.w, &t.f);
}

static void any_order(void **state)
{
	static const uint32_t sizes[] = {1, 2, 3, 100, 536, 1460};
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		shuffled(sizes[i], sizes[i] < 100 ? 20000 : 120000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(programs), cmocka_unit_test(any_order)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
