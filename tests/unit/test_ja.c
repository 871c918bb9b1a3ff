// SPDX-License-Identifier: BSD-3-Clause
//
// Fingerprints by themselves: the worked examples of their authors, and the corners: empty lists, GREASE, counts
// beyond 99, ALPN that is no text, lists as long as they may be (against qsort).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/evp.h>

#include "base/ja.h"

static struct ja_hello h;
static char full[JA3_FULL_MAX], text[64];

static struct ja_list list(const uint16_t *v, uint32_t n)
{
	static uint8_t room[8][2 * JA_LIST_MAX];
	static unsigned next;
	uint8_t *p = room[next++ % 8];
	for (uint32_t i = 0; i < n; i++) {
		p[2 * i] = v[i] >> 8;
		p[2 * i + 1] = v[i] & 255;
	}
	return (struct ja_list){p, n};
}

#define LIST(...) list((uint16_t[]){__VA_ARGS__}, sizeof((uint16_t[]){__VA_ARGS__}) / 2)
#define EXTS(...)                                                                                                      \
	do {                                                                                                           \
		uint16_t e_[] = {__VA_ARGS__};                                                                         \
		memcpy(h.exts, e_, sizeof(e_));                                                                        \
		h.nexts = sizeof(e_) / 2;                                                                              \
	} while (0)

static const char *ja3(void)
{
	static char said[JA3_FULL_MAX];
	uint32_t n = ja_ja3(&h, full, text);
	snprintf(said, sizeof(said), "%.*s %.32s", (int)n, full, text);
	return said;
}

static const char *ja4(void)
{
	ja_ja4(&h, full, text);
	text[JA4_LEN] = 0;
	return text;
}

// The examples of the JA3 README.
static void ja3_examples(void **state)
{
	h = (struct ja_hello){.transport = 't', .version = 769, .points = (const uint8_t *)"", .npoints = 1};
	h.ciphers = LIST(47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4);
	h.groups = LIST(23, 24, 25);
	EXTS(0, 10, 11);
	assert_string_equal(ja3(), "769,47-53-5-10-49161-49162-49171-49172-50-56-19-4,0-10-11,23-24-25,0 "
				   "ada70206e40642a3e4461f35503241d5");
	h = (struct ja_hello){.transport = 't', .version = 769};
	h.ciphers = LIST(4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99);
	assert_string_equal(ja3(), "769,4-5-10-9-100-98-3-6-19-18-99,,, de350869b8c85de67a350c8d186f11e6");
}

// The example of FoxIO's technical details, GREASE included.
static void ja4_example(void **state)
{
	h = (struct ja_hello){
		.transport = 't', .version = 0x0303, .sni = true, .alpn = (const uint8_t *)"h2", .alpn_len = 2};
	h.ciphers = LIST(0x9a9a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014,
			 0x009c, 0x009d, 0x002f, 0x0035);
	EXTS(0x3a3a, 0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005, 0x0023, 0x0012, 0x002b,
	     0xff01, 0x000b, 0x000a, 0x0015, 0x6a6a);
	h.sigalgs = LIST(0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601);
	h.versions = LIST(0xdada, 0x0304, 0x0303);
	assert_string_equal(ja4(), "t13d1516h2_8daaf6152771_e5627efa2ab1");
}

static void ja4_empty(void **state)
{
	h = (struct ja_hello){.transport = 't', .version = 0x0301};
	assert_string_equal(ja4(), "t10i000000_000000000000_000000000000");
	EXTS(0, 16);
	h.sni = true;
	assert_string_equal(ja4(), "t10d000200_000000000000_000000000000");
	h.ciphers = LIST(0x0a0a);
	assert_string_equal(ja4(), "t10d000200_000000000000_000000000000");
}

static void ja4_versions(void **state)
{
	static const struct {
		char transport;
		uint16_t version;
		const char *head;
	} rows[] = {{'t', 0x0304, "t13"}, {'t', 0x0303, "t12"}, {'t', 0x0302, "t11"}, {'t', 0x0301, "t10"},
		    {'t', 0x0300, "ts3"}, {'t', 0x0002, "ts2"}, {'d', 0xfeff, "dd1"}, {'d', 0xfefd, "dd2"},
		    {'d', 0xfefc, "dd3"}, {'q', 0x0304, "q13"}, {'t', 0x7f17, "t00"}};
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		h = (struct ja_hello){.transport = rows[i].transport, .version = rows[i].version};
		assert_memory_equal(ja4(), rows[i].head, 3);
	}
	h = (struct ja_hello){.transport = 'd', .version = 0xfefd};
	h.versions = LIST(0xfefd, 0xfefc);
	assert_memory_equal(ja4(), "dd3", 3);
}

static void ja4_alpn(void **state)
{
	static const struct {
		const char *alpn, *part;
	} rows[] = {{"http/1.1", "h1"}, {"h2", "h2"}, {"x", "xx"}, {"\xab\xcd", "ad"}, {"a-", "6d"}, {"-a", "21"}};
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		h = (struct ja_hello){.transport = 't', .version = 0x0303};
		h.alpn = (const uint8_t *)rows[i].alpn;
		h.alpn_len = strlen(rows[i].alpn);
		assert_memory_equal(ja4() + 8, rows[i].part, 2);
	}
}

static int compare(const void *a, const void *b)
{
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

static void longest(void **state)
{
	for (uint32_t n = 60; n <= JA_LIST_MAX; n += n < 70 ? 1 : 318) {
		uint16_t v[JA_LIST_MAX];
		char want[8 * JA_LIST_MAX], *o = want;
		unsigned char sum[32];
		h = (struct ja_hello){.transport = 't', .version = 0x0303};
		for (uint32_t i = 0; i < n; i++)
			v[i] = (uint16_t)(i * 40503 + 7);
		h.ciphers = list(v, n);
		memcpy(h.exts, v, n * 2);
		h.nexts = n;
		qsort(v, n, 2, compare);
		for (uint32_t i = 0; i < n; i++)
			if (!ja_grease(v[i]))
				o += sprintf(o, "%s%04x", o == want ? "" : ",", v[i]);
		EVP_Digest(want, o - want, sum, NULL, EVP_sha256(), NULL);
		for (unsigned i = 0; i < 6; i++)
			sprintf(want + 2 * i, "%02x", sum[i]);
		assert_memory_equal(ja4() + 11, want, 12);
		assert_false(ja_repeats(h.exts, n));
		h.exts[n / 2] = h.exts[n - 1];
		assert_true(ja_repeats(h.exts, n));
	}
	assert_memory_equal(ja4(), "t12i9999", 8);
}

// Every number there is, as printf writes it.
static void numbers(void **state)
{
	char want[64];
	for (uint32_t v = 0; v < 65536; v++) {
		h = (struct ja_hello){.transport = 't', .version = v};
		uint32_t n = ja_ja3(&h, full, text);
		int len = sprintf(want, "%u,,,,", v);
		assert_int_equal(n, len);
		assert_memory_equal(full, want, n);
	}
}

// What is packed and unpacked has the same fingerprints; what is shorter than it says is refused.
static void packed(void **state)
{
	static const uint16_t ciphers[] = {0x1301, 0x1302, 0x0a0a}, groups[] = {29, 23}, sigalgs[] = {0x0403};
	static uint8_t room[512];
	static struct ja_hello back;
	h = (struct ja_hello){.transport = 'q', .sni = true, .version = 0x0303};
	h.ciphers = list(ciphers, 3);
	h.groups = list(groups, 2);
	h.sigalgs = list(sigalgs, 1);
	EXTS(0, 16, 43, 0x1a1a);
	h.points = (const uint8_t *)"\0\1";
	h.npoints = 2;
	h.alpn = (const uint8_t *)"h2";
	h.alpn_len = 2;
	char want3[256], want4[64];
	strcpy(want3, ja3());
	strcpy(want4, ja4());
	uint32_t n = ja_packed_size(&h);
	ja_pack(&h, room);
	assert_true(ja_unpack(&back, room, n));
	for (uint32_t i = 0; i < n; i++)
		assert_false(ja_unpack(&back, room, i));
	assert_true(ja_unpack(&back, room, n));
	h = back;
	assert_string_equal(ja3(), want3);
	assert_string_equal(ja4(), want4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ja3_examples), cmocka_unit_test(ja4_example), cmocka_unit_test(ja4_empty),
		cmocka_unit_test(ja4_versions), cmocka_unit_test(ja4_alpn),    cmocka_unit_test(longest),
		cmocka_unit_test(numbers),      cmocka_unit_test(packed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
