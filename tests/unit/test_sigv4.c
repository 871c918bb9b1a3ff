// SPDX-License-Identifier: BSD-3-Clause
//
// Signatures that AWS published ("Examples: Signature Calculations" and "Authenticating Requests: Using Query
// Parameters" of the S3 API reference), and bounds. Random requests beside botocore: tests/remote/sigv4_test.py.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "remote/sigv4.h"

static const struct sigv4_identity example = {"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", NULL};

#define EXAMPLE(verb, what, ...)                                                                                       \
	{                                                                                                              \
		.method = verb, .origin = "https://examplebucket.s3.amazonaws.com", .path = what,                      \
		.region = "us-east-1", .service = "s3", .now_s = 1369353600, __VA_ARGS__                               \
	}

static void published_headers(void **state)
{
	static const struct sigv4_pair range[] = {{"Range", "bytes=0-9"}}, lifecycle[] = {{"lifecycle", ""}},
				       list[] = {{"prefix", "J"}, {"max-keys", "2"}},
				       put[] = {{"Date", "Fri, 24 May 2013 00:00:00 GMT"},
						{"x-amz-storage-class", "REDUCED_REDUNDANCY"}};
	char body[SIGV4_SHA256];
	sigv4_sha256("Welcome to Amazon S3.", 21, body);
	const struct {
		struct sigv4_request q;
		const char *signature;
	} cases[] = {
		{EXAMPLE("GET", "/test.txt", .headers = range, .nheaders = 1),
		 "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
		{EXAMPLE("PUT", "/test$file.text", .headers = put, .nheaders = 2, .content_sha256 = body),
		 "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
		{EXAMPLE("GET", "/", .query = lifecycle, .nquery = 1),
		 "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
		{EXAMPLE("GET", "/", .query = list, .nquery = 2),
		 "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
	};
	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char date[SIGV4_DATE], authorization[SIGV4_AUTHORIZATION];
		assert_int_equal(sigv4_sign(&example, &cases[i].q, date, authorization), 0);
		assert_string_equal(date, "20130524T000000Z");
		assert_string_equal(strstr(authorization, "Signature=") + 10, cases[i].signature);
	}
}

static void published_query(void **state)
{
	struct sigv4_request q = EXAMPLE("GET", "/test.txt");
	char url[1024];

	assert_int_equal(sigv4_presign(&example, &q, 86400, url, sizeof(url)), 0);
	assert_string_equal(strstr(url, "Signature=") + 10,
			    "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
}

// Everything has an end, and says so instead of being cut.
static void bounds(void **state)
{
	char date[SIGV4_DATE], authorization[SIGV4_AUTHORIZATION], url[400], token[2048], longest[4096];
	static struct sigv4_pair many[SIGV4_PAIRS + 1];
	struct sigv4_request q = EXAMPLE("GET", "/x");

	memset(longest, 'k', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	for (unsigned i = 0; i <= SIGV4_PAIRS; i++)
		many[i] = (struct sigv4_pair){"x-a", "b"};
	for (unsigned n = 1; n < sizeof(url); n += 7) { // of any room, what stands behind it is left alone
		memset(url, 7, sizeof(url));
		int rc = sigv4_presign(&example, &q, 1, url, n);
		assert_true(rc == 0 || rc == -E2BIG);
		assert_int_equal(url[n], 7);
	}
	q.headers = q.query = many;
	q.nheaders = q.nquery = SIGV4_PAIRS;
	assert_int_equal(sigv4_sign(&example, &q, date, authorization), 0);
	q.nheaders++;
	assert_int_equal(sigv4_sign(&example, &q, date, authorization), -E2BIG);
	q.nheaders = 0, q.nquery++;
	assert_int_equal(sigv4_sign(&example, &q, date, authorization), -E2BIG);
	q.nquery = 0, q.path = longest; // only the text that is given out is bounded
	assert_int_equal(sigv4_sign(&example, &q, date, authorization), 0);
	assert_int_equal(sigv4_url(&q, url, sizeof(url)), -E2BIG);
	const struct sigv4_identity wide[] = {{longest, "s", NULL}, {"k", longest, NULL}};
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(sigv4_sign(&wide[i], &q, date, authorization), -E2BIG);
		assert_int_equal(sigv4_presign_msk(&wide[i], "us-east-1", 0, "a", token, sizeof(token)), -E2BIG);
	}
	assert_int_equal(sigv4_presign_msk(&example, longest, 0, "a", token, sizeof(token)), -E2BIG);
	assert_int_equal(sigv4_presign_msk(&example, "us-east-1", 0, "a", token, 100), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_headers),
		cmocka_unit_test(published_query),
		cmocka_unit_test(bounds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
