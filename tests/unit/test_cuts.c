// SPDX-License-Identifier: BSD-3-Clause
//
// What stands beside an S3 sink's cursor, how its objects are packed, and what is read of S3's XML.
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>
#include <zstd.h>

#include "remote/xml.h"
#include "ship/cuts.h"
#include "ship/pack.h"
#include "ship/spool.h"

static void cuts(void **state)
{
	static struct cuts a, b;
	uint8_t bytes[SPOOL_STATE_MAX];

	for (unsigned i = 0; i < CUTS_MAX; i++)
		cuts_set(&a, i % 3, i * 10, i * 10 + 10)->done = i % 2;
	assert_null(cuts_set(&a, 9, 1, 2));
	assert_ptr_equal(cuts_find(&a, 1, 15), &a.of[1]);
	assert_null(cuts_find(&a, 2, 15));
	assert_null(cuts_find(&a, 1, 20));
	size_t n = cuts_write(&a, bytes, sizeof(bytes));
	assert_true(n);
	assert_int_equal(cuts_write(&a, bytes, n - 1), 0);
	cuts_read(&b, bytes, n);
	assert_int_equal(b.n, CUTS_MAX);
	for (unsigned i = 0; i < b.n; i++) {
		assert_int_equal(b.of[i].first, a.of[i].first);
		assert_int_equal(b.of[i].end, a.of[i].end);
		assert_int_equal(b.of[i].key, a.of[i].key);
		assert_int_equal(b.of[i].done, a.of[i].done);
		assert_true(b.of[i].durable);
	}
	cuts_set(&b, 1, 10, 12); // another end has to be written first
	assert_false(cuts_find(&b, 1, 10)->durable);
	cuts_forget(&b, CUTS_MAX * 10 - 5);
	assert_int_equal(b.n, 1);
	for (size_t i = 0; i < n; i++) { // cut anywhere it is none
		cuts_read(&b, bytes, i);
		assert_int_equal(b.n, 0);
	}
	bytes[5] = 0xff;
	cuts_read(&b, bytes, n);
	assert_int_equal(b.n, 0);
}

static size_t unpack(enum pack_kind kind, const struct pack_bytes *b, char *out, size_t size)
{
	if (kind == PACK_ZSTD)
		return ZSTD_decompress(out, size, b->p, b->n);
	z_stream z = {
		.next_in = (Bytef *)b->p, .avail_in = (uInt)b->n, .next_out = (Bytef *)out, .avail_out = (uInt)size};
	if (kind == PACK_GZIP) {
		assert_int_equal(inflateInit2(&z, 31), Z_OK);
		assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
		inflateEnd(&z);
		return z.total_out;
	}
	memcpy(out, b->p, b->n);
	return b->n;
}

// Of any size, in any pieces: what comes back is what went in, and the same each time.
static void packs(void **state)
{
	static const size_t sizes[] = {0, 1, 1000, 256 * 1024 - 1, 256 * 1024, 3000000};
	char *text = malloc(3000000), *back = malloc(3000000);

	for (unsigned i = 0; i < 3000000; i++)
		text[i] = (char)('a' + (i * 2654435761u >> 28));
	for (unsigned kind = 0; kind < PACK_KINDS; kind++)
		for (unsigned s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
			struct pack_bytes out[2] = {{0}};
			for (unsigned turn = 0; turn < 2; turn++) {
				struct pack k = {.kind = kind};
				for (size_t at = 0, n; at < sizes[s]; at += n) {
					n = sizes[s] - at < 777 ? sizes[s] - at : 777;
					assert_true(pack_add(&k, text + at, n, &out[turn]));
				}
				assert_true(pack_end(&k, &out[turn]));
				assert_int_equal(pack_memory(&k), 0);
			}
			assert_int_equal(out[0].n, out[1].n);
			assert_true(!out[0].n || !memcmp(out[0].p, out[1].p, out[0].n));
			if (out[0].n)
				assert_int_equal(unpack(kind, &out[0], back, 3000000), sizes[s]);
			assert_memory_equal(text, back, out[0].n ? sizes[s] : 0);
			free(out[0].p);
			free(out[1].p);
		}
	free(text);
	free(back);
}

static void xml(void **state)
{
	static const char answer[] =
		"<?xml version=\"1.0\"?><A xmlns=\"x\"><Key/><Keys>no</Keys><Key a=\"b\">a&amp;b&lt;&quot;&#39;</Key>"
		"<Key>second</Key><Open>never";
	char out[16];
	const char *p = xml_text(answer, "Key", out, sizeof(out));

	assert_string_equal(out, "a&b<\"'");
	assert_non_null(p);
	assert_non_null(xml_text(p, "Key", out, 4));
	assert_string_equal(out, "sec");
	assert_null(xml_text(answer, "Open", out, sizeof(out)));
	assert_string_equal(out, "");
	assert_null(xml_text("", "Key", out, sizeof(out)));
	assert_null(xml_text("<Key", "Key", out, sizeof(out)));
	assert_null(xml_text("<Key>", "Key", out, sizeof(out)));
	assert_int_equal(xml_quote("\"a&b\"", out, sizeof(out)), 19);
	assert_int_equal(xml_quote("\"a\"", out, sizeof(out)), 13);
	assert_string_equal(out, "&quot;a&quot;");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(cuts), cmocka_unit_test(packs), cmocka_unit_test(xml)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
