// SPDX-License-Identifier: BSD-3-Clause
//
// TLS over TCP: each handshake is played in many cuts and orders and must say the same in all of them; hellos made by
// hand for what no honest client sends. Expected fingerprints of the recorded handshakes are tshark's.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "app_player.h"
#include "hello_builder.h"
#include "tls_handshakes.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct player *player;

enum order { WHOLE, BYTES, SERVER_FIRST, CLIENT_FIRST, SERVER_FIRST_BYTES, TINY_RECORDS, INTERLEAVED_CCS, ORDERS };

// Handshake records in clear, cut into records of one byte, with empty ones and, where asked, warnings between.
static uint32_t shred(uint8_t *to, const uint8_t *p, uint32_t len, bool warn)
{
	static const uint8_t warning[] = {21, 3, 3, 0, 2, 1, 112};
	uint32_t n = 0, at = 0;
	bool clear = true;
	while (at + 5 <= len) {
		uint32_t body = RTE_MIN((uint32_t)(p[at + 3] << 8 | p[at + 4]), len - at - 5); // the last may be cut
		clear &= p[at] != 20 || (at + 5 + body < len && p[at + 5 + body] == 22);
		for (uint32_t i = 0; p[at] == 22 && clear && i < body; i++) {
			memcpy(to + n, (const uint8_t[]){22, 3, 1, 0, 1, p[at + 5 + i]}, 6);
			n += 6;
			if (i % 16 == 3)
				memcpy(to + n, (const uint8_t[]){22, 3, 1, 0, 0}, 5), n += 5;
			if (warn && i % 64 == 5)
				memcpy(to + n, warning, sizeof(warning)), n += sizeof(warning);
		}
		if (p[at] != 22 || !clear)
			memcpy(to + n, p + at, 5 + body), n += 5 + body;
		at += 5 + body;
	}
	return n;
}

static void say_bytes(unsigned dir, const uint8_t *p, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		player_say(player, dir, p + i, 1);
}

static void say_part(const struct said_bytes *s, bool bytes)
{
	if (bytes)
		say_bytes(s->dir, s->bytes, s->len);
	else
		player_say(player, s->dir, s->bytes, s->len);
}

static void play(enum order o, const struct said_bytes *s, unsigned n)
{
	static uint8_t room[65536];
	int first = o == CLIENT_FIRST ? 0 : 1;
	player_start(player, tls_data, tls_end);
	player->f.app = APP_TLS;
	if (o == SERVER_FIRST || o == SERVER_FIRST_BYTES || o == CLIENT_FIRST) {
		for (int pass = 0; pass < 2; pass++)
			for (unsigned i = 0; i < n; i++)
				if (s[i].dir == (pass ? !first : first))
					say_part(&s[i], o == SERVER_FIRST_BYTES);
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		if (o == TINY_RECORDS || o == INTERLEAVED_CCS)
			player_say(player, s[i].dir, room, shred(room, s[i].bytes, s[i].len, o == INTERLEAVED_CCS));
		else
			say_part(&s[i], o == BYTES);
	}
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

// Lines of each record sorted: the side that comes first writes first.
static char *sorted(char *to, const char *said)
{
	static char copy[1 << 16];
	char *line[512], *save = NULL, *o = to;
	unsigned n = 0;
	snprintf(copy, sizeof(copy), "%s", said);
	*o = 0;
	for (char *l = strtok_r(copy, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		if (strcmp(l, "--")) {
			line[n++] = l;
			continue;
		}
		qsort(line, n, sizeof(line[0]), compare);
		for (unsigned i = 0; i < n; i++)
			o += sprintf(o, "%s\n", line[i]);
		o += sprintf(o, "--\n");
		n = 0;
	}
	for (unsigned i = 0; i < n; i++)
		o += sprintf(o, "%s\n", line[i]);
	return to;
}

static void says(const struct said_bytes *s, unsigned n, const char *expect)
{
	static char want[1 << 16], got[1 << 16];
	sorted(want, expect);
	for (enum order o = WHOLE; o < ORDERS; o++) {
		play(o, s, n);
		if (strcmp(sorted(got, player_end(player)), want))
			fail_msg("order %d:\n%s\nwanted:\n%s", o, got, want);
	}
}

#define SLUICE "tls.sni=www.Sluice.test\nhost=www.sluice.test\n"
#define ALPN "tls.alpn=h2\ntls.alpn=http/1.1\n"
#define NUMBERS13 "771,4866-4867-4865-49196-49200-49195-49199-52393-52392-49188-49192-49187-49191-159-158-107-103-255,"
#define GROUPS13 ",29-23-30-25-24-256-257-258-259-260,0-1-2\n"
#define HELLO13                                                                                                        \
	SLUICE ALPN "tls.ja3=304734bb1c086c3453b387400cf83f11\n"                                                       \
		    "tls.ja3_full=" NUMBERS13 "0-11-10-35-16-22-23-13-43-45-51-21" GROUPS13                            \
		    "tls.ja4=t13d1812h2_85036bcba153_d41ae481755e\n"

static void tls_1_3(void **state)
{
	says(tls13, COUNT(tls13), HELLO13 "tls.version=TLS 1.3\ntls.cipher=4866\n--\n");
	assert_int_equal(player->fate, APP_CLOSE);
}

static void tls_1_2(void **state)
{
	says(tls12, COUNT(tls12),
	     SLUICE ALPN
	     "tls.ja3=104774240db569f8f87b1a28206b25e5\n"
	     "tls.ja3_full=771,49196-49200-49195-49199-52393-52392-49188-49192-49187-49191-159-158-107-103-255,"
	     "0-11-10-35-16-22-23-13,29-23-30-25-24,0-1-2\n"
	     "tls.ja4=t12d1508h2_d68b136fe8d9_e7e480e5a997\n"
	     "tls.version=TLS 1.2\ntls.cipher=49196\ntls.server_alpn=h2\n--\n");
}

static void retried(void **state)
{
	says(retry, COUNT(retry),
	     HELLO13 "tls.version=TLS 1.3\ntls.cipher=4866\n--\n" HELLO13 "tls.version=TLS 1.3\ntls.cipher=4866\n--\n");
}

static void resumed(void **state)
{
	says(resumed12, COUNT(resumed12),
	     SLUICE ALPN
	     "tls.ja3=5976f1e477cd6e42ea87626b5a4d8c1b\n"
	     "tls.ja3_full=771,49196-49200-49195-49199-52393-52392-49188-49192-49187-49191-159-158-107-103-255,"
	     "0-11-10-35-16-22-23-13-21,29-23-30-25-24,0-1-2\n"
	     "tls.ja4=t12d1509h2_d68b136fe8d9_8932e62835fd\n"
	     "tls.version=TLS 1.2\ntls.cipher=49196\ntls.server_alpn=h2\ntls.resumed=1\n--\n");
	says(resumed13, COUNT(resumed13),
	     SLUICE ALPN "tls.ja3=8f455a09e5590b12687541bbf0bb62e0\n"
			 "tls.ja3_full=" NUMBERS13 "0-11-10-35-16-22-23-13-43-45-51-41" GROUPS13
			 "tls.ja4=t13d1812h2_85036bcba153_dbd39dd1d406\n"
			 "tls.version=TLS 1.3\ntls.cipher=4866\ntls.resumed=1\n--\n");
}

static void one_way(void **state)
{
	play(WHOLE, tls12, 1);
	assert_non_null(strstr(player_end(player), "tls.sni=www.Sluice.test"));
	assert_null(strstr(player->said, "tls.version"));
	play(WHOLE, tls12 + 1, 1);
	assert_string_equal(player_end(player), "tls.version=TLS 1.2\ntls.cipher=49196\ntls.server_alpn=h2\n--\n");
}

static void midstream(void **state)
{
	assert_int_equal(tls_looks(tls13_2 + 6, sizeof(tls13_2) - 6), 0);
	assert_int_equal(tls_looks(tls13_0, sizeof(tls13_0)), 1);
	assert_int_equal(tls_looks(tls13_1, sizeof(tls13_1)), 1);
	for (uint32_t n = 0; n < 11; n++)
		assert_int_equal(tls_looks(tls13_0, n), -1);
	assert_int_equal(tls_looks(tls13_0, 11), 1);
}

// ---- hellos made by hand --------------------------------------------------------------------------------------------

static const char *said_of(const struct hello_made *h)
{
	static uint8_t bytes[200000];
	uint32_t len = hello_record(bytes, h, 16384);
	player_start(player, tls_data, tls_end);
	player_say(player, 0, bytes, len);
	return player_end(player);
}

static const char *said_of_name(const char *name, uint32_t len)
{
	struct hello_made h = {0};
	hello_name(&h, name, len);
	return said_of(&h);
}

static void bad(const char *said)
{
	if (!strstr(said, "anomaly tls.bad_name"))
		fail_msg("no tls.bad_name in:\n%s", said);
	assert_int_equal(player->drop, REASON_TLS_BAD_NAME);
}

// No host name, but the same for every reader.
static void odd(const char *said, const char *host)
{
	if (!strstr(said, "anomaly tls.bad_name") || (host ? !strstr(said, host) : !!strstr(said, "host=")))
		fail_msg("no tls.bad_name, or not %s, in:\n%s", host, said);
	assert_int_equal(player->drop, 0);
}

static void names(void **state)
{
	char label[64], longest[256];
	memset(label, 'a', 63);
	label[63] = '.';
	for (unsigned i = 0; i < 4; i++)
		memcpy(longest + 64 * i, label, 64);
	assert_non_null(strstr(said_of_name("Example.COM.", 12), "tls.sni=Example.COM.\nhost=example.com\n"));
	assert_int_equal(player->drop, 0);
	said_of_name(longest, 253);
	assert_int_equal(player->drop, 0);
	bad(said_of_name(longest, 255));
	bad(said_of_name("a\0b.com", 7));
	odd(said_of_name("", 0), NULL);
	odd(said_of_name(".", 1), NULL);
	odd(said_of_name("a..b", 4), "host=a..b\n");
	odd(said_of_name("A b", 3), "host=a b\n");
	odd(said_of_name("b\xc3\xbc"
			 "cher.example",
			 15),
	    "cher.example\n");
	memset(longest, 'a', 64);
	bad(said_of_name(longest, 64));
	assert_null(strstr(player->said, "host="));
}

static void two_names(void **state)
{
	struct hello_made h = {0};
	hello_name(&h, "a.example", 9);
	hello_name(&h, "b.example", 9);
	bad(said_of(&h));
	assert_non_null(strstr(player->said, "tls.sni=a.example\n"));
	assert_non_null(strstr(player->said, "tls.sni=b.example\n"));
	struct hello_made one = {0};
	hello_extension(&one, 0, "\x00\x0c\x00\x00\x03one\x00\x00\x03two", 14);
	bad(said_of(&one));
	assert_non_null(strstr(player->said, "host=one\ntls.sni=two\nhost=two\n"));
	struct hello_made none = {0};
	hello_extension(&none, 0, "", 0);
	bad(said_of(&none));
}

static void ip_names(void **state)
{
	static const char *const ips[] = {"192.0.2.1", "2001:db8::1", "[::1]"};
	for (unsigned i = 0; i < COUNT(ips); i++)
		assert_non_null(strstr(said_of_name(ips[i], strlen(ips[i])), "anomaly tls.ip_name"));
	assert_int_equal(player->drop, 0);
	assert_null(strstr(said_of_name("1.2.3.example", 13), "anomaly"));
}

static void grease_and_ech(void **state)
{
	struct hello_made h = {0};
	hello_extension(&h, 0x1a1a, "", 0);
	hello_extension(&h, 0xfe0d, "\x00\x01", 2);
	hello_extension(&h, 16, "\x00\x06\x02\x0a\x0a\x02h2", 8);
	const char *s = said_of(&h);
	assert_non_null(strstr(s, "tls.ech=1\n"));
	assert_non_null(strstr(s, "tls.alpn=h2\n"));
	assert_null(strstr(s, "\x0a\x0a\x0a"));
	assert_non_null(strstr(s, "tls.ja4=t12i0102h2_"));
}

static void malformed(void **state)
{
	struct hello_made h = {0};
	hello_name(&h, "a.example", 9);
	hello_extension(&h, 10, "\x00\x04\x00\x17", 4);
	assert_non_null(strstr(said_of(&h), "anomaly tls.malformed"));
	assert_non_null(strstr(player->said, "tls.sni=a.example\n"));
	assert_null(strstr(player->said, "tls.ja"));
	struct hello_made twice = {0};
	hello_extension(&twice, 23, "", 0);
	hello_extension(&twice, 23, "", 0);
	assert_non_null(strstr(said_of(&twice), "anomaly tls.malformed"));
}

// A second hello that names another server.
static void differs(void **state)
{
	static uint8_t bytes[4096];
	struct hello_made a = {0}, b = {0};
	hello_name(&a, "a.example", 9);
	hello_name(&b, "b.example", 9);
	player_start(player, tls_data, tls_end);
	player_say(player, 0, bytes, hello_record(bytes, &a, 16384));
	player_say(player, 1, retry_1, sizeof(retry_1));
	player_say(player, 0, bytes, hello_record(bytes, &b, 16384));
	player_say(player, 1, retry_3, sizeof(retry_3));
	const char *s = player_end(player);
	assert_non_null(strstr(s, "anomaly tls.sni_differs"));
	assert_non_null(strstr(s, "host=a.example"));
	assert_non_null(strstr(s, "host=b.example"));
}

static unsigned calls;

static enum app_step counted(struct app_in *in)
{
	calls++;
	return tls_data(in);
}

// 60 KB of hello, over records and segments: few calls, whole facts.
static void large(void **state)
{
	static uint8_t bytes[200000], padding[60000];
	struct hello_made h = {0};
	hello_extension(&h, 21, padding, sizeof(padding));
	hello_name(&h, "large.example", 13);
	for (unsigned record = 251; record <= 16384; record += 5377) {
		uint32_t len = hello_record(bytes, &h, record);
		player_start(player, counted, tls_end);
		calls = 0;
		for (uint32_t at = 0; at < len; at += 1448)
			player_say(player, 0, bytes + at, len - at < 1448 ? len - at : 1448);
		const char *s = player_end(player);
		assert_non_null(strstr(s, "tls.sni=large.example\nhost=large.example\n"));
		assert_non_null(strstr(s, "tls.ja4=t12d010200_"));
		assert_true(calls <= 8); // of 42 segments
	}
}

// The end of what a capture has: whole facts are said, fingerprints are not.
static void cut(void **state)
{
	player_start(player, tls_data, tls_end);
	player_say(player, 0, tls13_0, 260);
	const char *s = player_end(player);
	assert_non_null(strstr(s, SLUICE));
	assert_null(strstr(s, "tls.ja"));
	assert_null(strstr(s, "anomaly"));
}

static void refused(void **state)
{
	player_start(player, tls_data, tls_end);
	player_say(player, 0, tls13_0, sizeof(tls13_0));
	player_say(player, 1, "\x15\x03\x03\x00\x02\x01\x70", 7); // a warning: goes on
	player_collect(player);
	assert_int_equal(player->nsaid, 0);
	player_say(player, 1, "\x15\x03\x03\x00\x02\x02\x28", 7);
	player_collect(player);
	assert_non_null(strstr(player->said, SLUICE));
	assert_null(strstr(player->said, "tls.version"));
}

// RFC 5246 E.2, and the answer of SSL 2
static void version_2(void **state)
{
	static const char hello[] =
		"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10\x00\x00\x39\x00\x00\x38\x00\x00\x35\x00\x00"
		"\x16\x00\x00\x13\x07\x00\xc0\x03\x00\x80"
		"0123456789abcdef";
	static const char answer[] = "\x80\x0f\x04\x00\x01\x00\x02\x00\x01\x00\x03\x00\x00";
	player_start(player, tls_data, tls_end);
	player_say(player, 0, hello, sizeof(hello) - 1);
	player_say(player, 1, tls12_1, sizeof(tls12_1));
	assert_string_equal(player_end(player), "tls.version=TLS 1.2\ntls.cipher=49196\ntls.server_alpn=h2\n--\n");
	assert_int_equal(tls_looks((const uint8_t *)hello, sizeof(hello) - 1), 1);
	assert_int_equal(tls_looks((const uint8_t *)answer, sizeof(answer) - 1), 0);
}

// What is not TLS ends the direction and says nothing.
static void not_tls(void **state)
{
	static const char others[][24] = {"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\xff\xff\x01\x00\x00",
					  "\x16\x03\x01\x00\x06\x01\xff\xff\xff\x03\x03", "\x17\x03\x03\x00\x01x"};
	for (unsigned i = 0; i < COUNT(others); i++) {
		player_start(player, tls_data, tls_end);
		player_say(player, 0, others[i], 12);
		assert_null(strstr(player_end(player), "tls.version"));
	}
}

static void random_never_looks(void **state)
{
	uint64_t x = 88172645463325252ull;
	uint8_t b[64];
	for (unsigned i = 0; i < 2000000; i++) {
		for (unsigned k = 0; k < sizeof(b); k += 8) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			memcpy(b + k, &x, 8);
		}
		b[0] = i & 1 ? 22 : i & 2 ? 0x80 : 21;
		if (tls_looks(b, sizeof(b)) > 0)
			fail_msg("random bytes are TLS: %02x %02x %02x %02x", b[0], b[1], b[2], b[3]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tls_1_3),        cmocka_unit_test(tls_1_2),
		cmocka_unit_test(retried),        cmocka_unit_test(resumed),
		cmocka_unit_test(one_way),        cmocka_unit_test(midstream),
		cmocka_unit_test(names),          cmocka_unit_test(two_names),
		cmocka_unit_test(ip_names),       cmocka_unit_test(differs),
		cmocka_unit_test(grease_and_ech), cmocka_unit_test(malformed),
		cmocka_unit_test(large),          cmocka_unit_test(cut),
		cmocka_unit_test(refused),        cmocka_unit_test(version_2),
		cmocka_unit_test(not_tls),        cmocka_unit_test(random_never_looks),
	};
	player = player_new();
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	player_free(player);
	return failed;
}
