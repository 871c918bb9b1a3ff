// SPDX-License-Identifier: BSD-3-Clause
//
// HTTP/2: header blocks as RFC 7541's appendix C has them and as nghttp2 reads them, whole, cut and changed;
// conversations in any pieces and any order of the directions.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <nghttp2/nghttp2.h>

#include "app_player.h"
#include "path/app/hpack.h"

#define TEXT 65536

static struct player *player;

static size_t unhex(const char *hex, uint8_t *out)
{
	size_t n = 0;
	for (; *hex; hex++) {
		unsigned byte;
		if (*hex == ' ')
			continue;
		assert_int_equal(sscanf(hex++, "%2x", &byte), 1);
		out[n++] = (uint8_t)byte;
	}
	return n;
}

// The block's fields, a line each; NULL: it is none.
static const char *read_block(struct hpack *h, const uint8_t *p, size_t len, uint32_t room, enum hpack_step *end)
{
	static uint8_t text[TEXT + 1];
	uint8_t *copy = malloc(len ? len : 1); // exact, for the sanitizers
	memcpy(copy, p, len);
	struct hpack_block b = {.p = copy, .len = (uint32_t)len, .out = text, .room = room};
	struct hpack_field f;
	enum hpack_step s;
	while ((s = hpack_next(h, &b, &f)) == HPACK_FIELD)
		;
	assert_true(b.used <= room && b.at <= b.len);
	text[b.used] = 0;
	free(copy);
	if (end)
		*end = s;
	return s == HPACK_END ? (const char *)text : NULL;
}

static const char *block(struct hpack *h, const char *hex)
{
	uint8_t b[TEXT];
	return read_block(h, b, unhex(hex, b), TEXT, NULL);
}

static enum hpack_step fails(struct hpack *h, const char *hex)
{
	uint8_t b[TEXT];
	enum hpack_step s;
	hpack_start(h, 4096);
	read_block(h, b, unhex(hex, b), 64, &s);
	return s;
}

// ---- RFC 7541 appendix C
// -----------------------------------------------------------------------------------------------

#define ONE ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\n"
#define TWO ONE "cache-control: no-cache\n"
#define THREE                                                                                                          \
	":method: GET\n:scheme: https\n:path: /index.html\n:authority: www.example.com\ncustom-key: custom-value\n"

static void requests(void **state)
{
	struct hpack h;
	hpack_start(&h, 4096); // C.3
	assert_string_equal(block(&h, "828684410f7777772e6578616d706c652e636f6d"), ONE);
	assert_int_equal(h.size, 57);
	assert_string_equal(block(&h, "828684be58086e6f2d6361636865"), TWO);
	assert_int_equal(h.size, 110);
	assert_string_equal(block(&h, "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565"), THREE);
	assert_int_equal(h.size, 164);
	hpack_start(&h, 4096); // C.4, Huffman
	assert_string_equal(block(&h, "828684418cf1e3c2e5f23a6ba0ab90f4ff"), ONE);
	assert_string_equal(block(&h, "828684be5886a8eb10649cbf"), TWO);
	assert_string_equal(block(&h, "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf"), THREE);
	assert_int_equal(h.size, 164);
}

#define DATED "cache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\nlocation: https://www.example.com\n"
#define COOKIE "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"

static void responses(void **state)
{
	static const char *const blocks[2][3] = {
		{"3fe101 "
		 "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e176874747"
		 "0"
		 "733a2f2f7777772e6578616d706c652e636f6d",
		 "4803333037c1c0bf",
		 "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4"
		 "b48514b"
		 "425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31"}, // C.5
		{"3fe101 "
		 "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae8"
		 "2ae"
		 "43d3",
		 "4883640effc1c0bf",
		 "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d"
		 "5af2708"
		 "7f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007"}}; // C.6
	for (unsigned i = 0; i < 2; i++) {
		struct hpack h;
		hpack_start(&h, 4096);
		assert_string_equal(block(&h, blocks[i][0]), ":status: 302\n" DATED);
		assert_int_equal(h.size, 222);
		assert_string_equal(block(&h, blocks[i][1]), ":status: 307\n" DATED);
		assert_int_equal(h.size, 222);
		assert_string_equal(block(&h, blocks[i][2]),
				    ":status: 200\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:22 GMT\n"
				    "location: https://www.example.com\ncontent-encoding: gzip\nset-cookie: " COOKIE
				    "\n");
		assert_int_equal(h.size, 215);
		assert_int_equal(h.count, 3);
	}
}

static void refused(void **state)
{
	struct hpack h;
	static const char *const bad[] = {
		"80",               // no entry 0
		"be",               // none there yet
		"ff808080808000",   // a number without end
		"ffffffffff0f",     // and one that is too large
		"8220",             // a size behind a field
		"3fe21f",           // a table of 4,097, and 4,096 were offered
		"00",               // a literal without a name
		"000161",           // without a value
		"00016105",         // that is longer than what is there
		"00016181fe",       // padded by a zero
		"00016182ffff",     // by more than a byte
		"00016184ffffffff", // by the code for the end
	};
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (fails(&h, bad[i]) != HPACK_BAD)
			fail_msg("%s is read", bad[i]);
	char longer[200] = "00016140";
	for (unsigned i = 0; i < 64; i++)
		strcat(longer, "62");
	assert_int_equal(fails(&h, longer), HPACK_LONG);
	hpack_start(&h, UINT32_MAX);
	uint8_t size[] = {0x3f, 0xe2, 0x7f}; // 16,385
	enum hpack_step s;
	read_block(&h, size, 3, TEXT, &s);
	assert_int_equal(s, HPACK_BIG);
}

// ---- the other reading
// ---------------------------------------------------------------------------------------------------

static uint32_t random_of(uint32_t n)
{
	static uint64_t x = 88172645463325252ull;
	x ^= x << 13, x ^= x >> 7, x ^= x << 17;
	return (uint32_t)(x >> 16) % n;
}

// nghttp2's, as lines; false: it refuses.
static bool other_reads(nghttp2_hd_inflater *in, const uint8_t *p, size_t len, char *text)
{
	size_t n = 0;
	for (;;) {
		nghttp2_nv nv;
		int flags = 0;
		ssize_t took = nghttp2_hd_inflate_hd2(in, &nv, &flags, p, len, 1);
		if (took < 0)
			return false;
		p += took;
		len -= (size_t)took;
		if (flags & NGHTTP2_HD_INFLATE_EMIT) {
			memcpy(text + n, nv.name, nv.namelen);
			memcpy(text + n + nv.namelen, ": ", 2);
			memcpy(text + n + nv.namelen + 2, nv.value, nv.valuelen);
			n += nv.namelen + nv.valuelen + 3;
			text[n - 1] = '\n';
			assert_true(n < TEXT / 2);
		}
		if (flags & NGHTTP2_HD_INFLATE_FINAL) {
			nghttp2_hd_inflate_end_headers(in);
			text[n] = 0;
			return true;
		}
	}
}

// Lists of fields, among them some that were there before, of all bytes.
static size_t fields_of(nghttp2_nv *nv, uint8_t *bytes)
{
	size_t n = random_of(12);
	for (size_t i = 0; i < n; i++) {
		uint8_t *name = bytes + i * 512, *value = name + 64;
		nv[i] = (nghttp2_nv){name, value, 1 + random_of(random_of(8) ? 4 : 40),
				     random_of(random_of(8) ? 6 : 400), 0};
		for (size_t k = 0; k < nv[i].namelen; k++)
			name[k] = (uint8_t)(random_of(9) ? 'a' + random_of(3) : 1 + random_of(255));
		for (size_t k = 0; k < nv[i].valuelen; k++)
			value[k] = (uint8_t)(random_of(9) ? '0' + random_of(3) : 1 + random_of(255));
		nv[i].flags = random_of(8) ? 0 : NGHTTP2_NV_FLAG_NO_INDEX;
	}
	return n;
}

static void as_others_read(void **state)
{
	static uint8_t bytes[12 * 512], out[TEXT];
	static char theirs[TEXT];
	unsigned refusals = 0, read = 0;
	for (unsigned round = 0; round < 3000; round++) {
		nghttp2_hd_deflater *d;
		nghttp2_hd_inflater *in;
		nghttp2_nv nv[12];
		struct hpack h;
		hpack_start(&h, 4096);
		assert_int_equal(nghttp2_hd_deflate_new(&d, 4096), 0);
		assert_int_equal(nghttp2_hd_inflate_new(&in), 0);
		for (unsigned k = 0; k < 12; k++) {
			if (random_of(6) == 0)
				nghttp2_hd_deflate_change_table_size(d, random_of(4097));
			ssize_t len = nghttp2_hd_deflate_hd(d, out, sizeof(out), nv, fields_of(nv, bytes));
			assert_true(len >= 0);
			for (unsigned i = random_of(3) ? 0 : 1 + random_of(4); len && i; i--)
				out[random_of((uint32_t)len)] = (uint8_t)random_of(256);
			bool reads = other_reads(in, out, (size_t)len, theirs);
			const char *ours = read_block(&h, out, (size_t)len, TEXT, NULL);
			assert_int_equal(reads, ours != NULL);
			refusals += !reads;
			if (!reads)
				break;
			read++;
			assert_string_equal(ours, theirs);
		}
		nghttp2_hd_deflate_del(d);
		nghttp2_hd_inflate_del(in);
	}
	assert_true(refusals > 300 && read > 3000); // both kinds were met
}

// ---- conversations
// -------------------------------------------------------------------------------------------------------

#define PREFACE "505249202a20485454502f322e300d0a0d0a534d0d0a0d0a"
#define SETTINGS "000000040000000000"

// Played whole, byte by byte, and with the server first: it says the same.
static const char *say(const char *client, const char *server)
{
	static char first[sizeof(player->said)];
	uint8_t bytes[2][8192];
	size_t len[2] = {unhex(client, bytes[0]), unhex(server, bytes[1])};
	for (unsigned way = 0; way < 6; way++) {
		player_start(player, http2_data, http2_end);
		for (unsigned side = 0; side < 2; side++) {
			unsigned d = side ^ way % 2;
			size_t piece = way < 2 ? len[d] : way < 4 ? 1 : 7;
			for (size_t at = 0; at < len[d]; at += piece)
				player_say(player, d, bytes[d] + at, piece < len[d] - at ? piece : len[d] - at);
		}
		player_end(player);
		if (way == 0)
			strcpy(first, player->said);
		else
			assert_string_equal(player->said, first);
	}
	return player->said;
}

#define has(said, what)                                                                                                \
	do {                                                                                                           \
		if (!strstr(said, what))                                                                               \
			fail_msg("%s is not in:\n%s", what, said);                                                     \
	} while (0)

static void conversation(void **state)
{
	const char *s = say(PREFACE SETTINGS "00001401050000000182868441 0f7777772e6578616d706c652e636f6d" // a request
					     "000004080000000000 00010000"                    // WINDOW_UPDATE
					     "00000e010400000003828684be58086e6f2d6361636865" // another
					     "0000010001000000 0378",                         // its body
			    SETTINGS "000000040100000000"
				     "0000010104000000038d"
				     "000003000100000003616263"
				     "00000101050000000188");
	has(s, "http.method=GET\nhttp.uri=/\nhttp.path=/\nhttp.protocol=HTTP/2\nhttp.host=www.example.com\n"
	       "host=www.example.com\nhttp.status=404\n--\n");
	has(s, "host=www.example.com\nhttp.status=200\n--\n");
	assert_null(strstr(s, "anomaly"));
	assert_int_equal(player->f.app, APP_NONE); // inspect's to say
}

// The stream is reset: its request is said without an answer. Another is never answered.
static void unanswered(void **state)
{
	const char *s = say(PREFACE SETTINGS "00001401050000000182868441 0f7777772e6578616d706c652e636f6d"
					     "000004010500000003828684be",
			    SETTINGS "00000403000000000100000008");
	has(s, "http.uri=/");
	assert_null(strstr(s, "status"));
	assert_non_null(strstr(strstr(s, "--\n") + 1, "http.uri=/"));
}

// More streams than are waited for, each in turn: none is lost. The pool has one connection, and gets it back.
static void many_streams(void **state)
{
	static uint8_t bytes[64 * 1024];
	for (unsigned again = 0; again < 3; again++) {
		size_t n = unhex(PREFACE SETTINGS, bytes);
		for (unsigned i = 0; i < 500; i++) {
			n += unhex("0000130105", bytes + n);
			uint32_t id = rte_cpu_to_be_32(2 * i + 1);
			memcpy(bytes + n, &id, 4);
			n += 4 + unhex("828684", bytes + n + 4);
			n += (size_t)sprintf((char *)bytes + n, "\x41\x0ehost%03u.sample", i);
			assert_true(n < sizeof(bytes));
		}
		player_start(player, http2_data, http2_end);
		player_say(player, 0, bytes, n);
		const char *s = player_end(player);
		unsigned said = 0;
		for (s = strstr(s, "\nhost="); s; s = strstr(s + 1, "\nhost="))
			said++;
		assert_int_equal(said, 500);
	}
}

// Each cut of a conversation, and each change of a byte in it, is met without harm.
static void cut_and_changed(void **state)
{
	uint8_t bytes[512];
	size_t n = unhex(PREFACE SETTINGS "00001401050000000182868441 0f7777772e6578616d706c652e636f6d"
					  "00000e012900000003 01 0000000010 828684be 00000000"
					  "000003090400000003 be8200",
			 bytes);
	for (size_t at = 0; at < n; at++)
		for (unsigned way = 0; way < 12; way++) {
			uint8_t was = bytes[at];
			bytes[at] = way < 8 ? (uint8_t)(was ^ 1u << way) : way == 8 ? 0xff : was;
			player_start(player, http2_data, http2_end);
			player_say(player, 0, bytes, way < 9 ? n : at);
			if (way == 10) {
				player->side[0].gap = true;
				player_say(player, 0, bytes + at, n - at);
			}
			player_end(player);
			bytes[at] = was;
		}
}

static int start_all(void **state)
{
	player = player_new();
	return 0;
}

static int stop_all(void **state)
{
	player_free(player);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests),       cmocka_unit_test(responses),       cmocka_unit_test(refused),
		cmocka_unit_test(as_others_read), cmocka_unit_test(conversation),    cmocka_unit_test(unanswered),
		cmocka_unit_test(many_streams),   cmocka_unit_test(cut_and_changed),
	};
	return cmocka_run_group_tests(tests, start_all, stop_all);
}
