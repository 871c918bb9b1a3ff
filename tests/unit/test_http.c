// SPDX-License-Identifier: BSD-3-Clause
//
// HTTP/1: framing, pairing, names, and what is ambiguous. Each conversation is played whole, byte by byte, and with
// the server's bytes before the client's: it must say the same each time.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "app_player.h"
#include "path/app/http_head.h"

static struct player *player;

enum order { WHOLE, BYTES, SERVER_FIRST, ALTERNATE, ORDERS };

static void play(enum order o, const char *client, size_t nclient, const char *server, size_t nserver)
{
	const char *text[2] = {client, server};
	size_t len[2] = {nclient, nserver}, at[2] = {0, 0};

	player_start(player, http_data, http_end);
	if (o == WHOLE || o == SERVER_FIRST) {
		player_say(player, o == SERVER_FIRST, text[o == SERVER_FIRST], len[o == SERVER_FIRST]);
		player_say(player, o != SERVER_FIRST, text[o != SERVER_FIRST], len[o != SERVER_FIRST]);
		return;
	}
	for (unsigned d = 0; at[0] < len[0] || at[1] < len[1]; d ^= o == ALTERNATE || at[d] == len[d]) {
		if (at[d] == len[d])
			continue;
		player_say(player, d, text[d] + at[d], 1);
		at[d]++;
	}
}

// What is said in each order; compared with the first.
static const char *say(const char *client, const char *server)
{
	char first[65536] = "";

	for (enum order o = WHOLE; o < ORDERS; o++) {
		play(o, client, strlen(client), server, strlen(server));
		const char *said = player_end(player);
		if (o == WHOLE)
			snprintf(first, sizeof(first), "%s", said);
		else
			assert_string_equal(said, first);
	}
	return player->said;
}

#define has(said, what)                                                                                                \
	do {                                                                                                           \
		if (!strstr(said, what))                                                                               \
			fail_msg("%s is not in:\n%s", what, said);                                                     \
	} while (0)
#define has_not(said, what)                                                                                            \
	do {                                                                                                           \
		if (strstr(said, what))                                                                                \
			fail_msg("%s is in:\n%s", what, said);                                                         \
	} while (0)

static void one_request(void **state)
{
	const char *s =
		say("GET /a/../b?x=1 HTTP/1.1\r\nHost: Example.COM.:8080\r\nUser-Agent: t/1\r\nReferer: http://r/\r\n"
		    "X-Forwarded-For: 1.2.3.4\r\n\r\n",
		    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nhello");
	assert_string_equal(s,
			    "http.method=GET\nhttp.uri=/a/../b?x=1\nhttp.path=/b\nhttp.protocol=HTTP/1.1\n"
			    "http.host=example.com\nhttp.port=8080\nhost=example.com\nhttp.user_agent=t/1\n"
			    "http.referer=http://r/\nhttp.xff=1.2.3.4\nhttp.status=200\nhttp.content_type=text/html\n"
			    "http.length=5\n--\n");
}

static void pipelined(void **state)
{
	const char *s =
		say("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 18\r\n\r\n"
		    "GET /x HTTP/1.1\r\n\nHEAD /3 HTTP/1.1\r\nHost: a\r\n\r\nGET /4 HTTP/1.1\r\nHost: a\r\n\r\n",
		    "HTTP/1.1 201 A\r\nTransfer-Encoding: "
		    "chunked\r\n\r\n5;x=\"y\"\r\nhello\r\nA\r\n0123456789\r\n0\r\nT: x\r\n\r\n"
		    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 B\r\nContent-Length: 0\r\n\r\n"
		    "HTTP/1.1 203 C\r\nContent-Length: 100\r\n\r\nHTTP/1.1 304 D\r\nContent-Length: 7\r\n\r\n");
	has(s, "http.uri=/1\nhttp.path=/1\nhttp.protocol=HTTP/1.1\nhttp.host=a\nhost=a\nhttp.status=201\n--\n");
	has(s, "http.uri=/2\nhttp.path=/2\nhttp.protocol=HTTP/1.1\nhttp.host=a\nhost=a\nhttp.status=202\n");
	has(s, "http.uri=/3\nhttp.path=/3\nhttp.protocol=HTTP/1.1\nhttp.host=a\nhost=a\nhttp.status=203\n");
	has(s, "http.uri=/4\nhttp.path=/4\nhttp.protocol=HTTP/1.1\nhttp.host=a\nhost=a\nhttp.status=304\n");
	has_not(s, "/x");
	has_not(s, "anomaly");
}

static void many_pipelined(void **state)
{
	char client[8192] = "", server[8192] = "", want[64];
	for (int i = 0; i < 40; i++) {
		sprintf(client + strlen(client), "GET /%d HTTP/1.1\r\nHost: a\r\n\r\n", i);
		sprintf(server + strlen(server), "HTTP/1.1 %d X\r\nContent-Length: 1\r\n\r\nx", 210 + i);
	}
	const char *s = say(client, server);
	for (int i = 0; i < 40; i++) {
		sprintf(want, "http.uri=/%d\n", i);
		has(s, want);
		char *at = strstr(s, want);
		sprintf(want, "http.status=%d\nhttp.length=1\n--\n", 210 + i);
		assert_memory_equal(strstr(at, "http.status"), want, strlen(want));
	}
}

static void until_close(void **state)
{
	const char *s = say("GET / HTTP/1.0\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\nHTTP/1.1 404 not a head\r\n\r\n");
	has(s, "http.status=200");
	has_not(s, "404");
}

static void continues(void **state)
{
	const char *s = say("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: Chunked\r\n\r\n"
			    "fFf\r\n",
			    "HTTP/1.1 100 Continue\r\n\r\n");
	has(s, "http.method=POST");
	has_not(s, "http.status");
	has_not(s, "ambiguous");
}

static void connects(void **state)
{
	for (enum order o = WHOLE; o < ORDERS; o++) {
		const char *c = "CONNECT www.Example.com:443 HTTP/1.1\r\nHost: www.example.com:443\r\n\r\nGET / inner",
			   *v = "HTTP/1.1 200 Connection established\r\n\r\ninner answer";
		play(o, c, strlen(c), v, strlen(v));
		assert_int_equal(player->fate, APP_SWITCH);
		assert_string_equal(player_left(player, 0), "GET / inner");
		assert_string_equal(player_left(player, 1), "inner answer");
		const char *s = player_end(player);
		has(s, "http.uri=www.Example.com:443\n");
		has(s, "host=www.example.com\nhttp.host=www.example.com\nhttp.port=443\n");
		has(s, "http.status=200");
		has_not(s, "http.path");
	}
	// refused, then accepted
	const char *s =
		say("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n",
		    "HTTP/1.1 407 No\r\nContent-Length: 2\r\n\r\nnoHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	has(s, "http.status=407");
	has(s, "http.uri=/next");
	has(s, "http.status=200");
	assert_int_equal(player->fate, APP_MORE);
}

static void upgrades(void **state)
{
	for (enum order o = WHOLE; o < ORDERS; o++) {
		const char *c = "POST /ws HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nContent-Length: 4\r\n\r\nbodyPRI * x",
			   *v = "HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\nframes";
		play(o, c, strlen(c), v, strlen(v));
		assert_int_equal(player->fate, APP_UPGRADE);
		assert_string_equal(player_left(player, 0), "PRI * x");
		assert_string_equal(player_left(player, 1), "frames");
	}
	const char *s = say("GET /1 HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
			    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 204 No\r\n\r\n");
	has(s, "http.uri=/2");
	has(s, "http.status=204");
}

static void one_way(void **state)
{
	player_start(player, http_data, http_end);
	player->f.flags = 0;
	player_text(player, 0, "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n");
	player_text(player, 0, "\x16\x03\x01");
	assert_int_equal(player->fate, APP_SWITCH);
	assert_string_equal(player_left(player, 0), "\x16\x03\x01");
	has(player_end(player), "http.method=CONNECT");

	player_start(player, http_data, http_end);
	player->f.flags = 0;
	player_text(player, 1,
		    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
	assert_string_equal(player_end(player),
			    "http.status=200\nhttp.length=0\n--\nhttp.status=404\nhttp.length=0\n--\n");
}

static void swapped_roles(void **state)
{
	player_start(player, http_data, http_end);
	player->f.flags = FLOW_REPLIED | FLOW_MIDSTREAM;
	player_text(player, 0, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	player_text(player, 1, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
	player_text(player, 0, "HTTP/1.1 404 OK\r\nContent-Length: 0\r\n\r\n");
	const char *s = player_end(player);
	has(s, "http.status=200\nhttp.length=0\n--\nhttp.method=GET");
	has(s, "host=a\nhttp.status=404");
}

static void gaps(void **state)
{
	player_start(player, http_data, http_end);
	player_text(player, 0, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
	player->side[0].gap = true;
	player_text(player, 0, "e line that was cut\r\nHost: b\r\n\r\nmore: GET /not HTTP/1.1\r\n");
	player_text(player, 0, "GET /2 HTTP/1.1\r\nHost: c\r\n\r\n");
	const char *s = player_end(player);
	has(s, "http.uri=/1");
	has(s, "http.uri=/2");
	has(s, "http.host=c");
	has_not(s, "/not");
	has_not(s, "http.host=b");
}

static void in_pieces(unsigned dir, const char *text, unsigned piece)
{
	for (unsigned n = strlen(text), at = 0; at < n; at += piece)
		player_say(player, dir, text + at, n - at < piece ? n - at : piece);
}

// Where no message begins the place of the next follows from the bytes, not from how they were cut.
static void lost_place(void **state)
{
	static const char *const broken[] = {"SIP/2.0 200 ok\r\n", " ", "0HTTP/"};
	static const char good[] = "HTTP/1.1 204 ok\r\n\r\n", last[] = "HTTP/1.1 299 ok\r\nContent-Type: a/b\r\n\r\n";
	char answers[200];
	for (unsigned i = 0; i < 3; i++)
		for (unsigned piece = 1; piece < 70; piece++) {
			player_start(player, http_data, http_end);
			player_text(player, 0, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: b\r\n\r\n");
			sprintf(answers, "%s%s%s", good, broken[i], last);
			in_pieces(1, answers, piece);
			const char *s = player_end(player);
			has(s, "http.status=204");
			has(s, "http.status=299");
			has(s, "http.content_type=a/b");
			// the first answer has to begin with a status line, else all of it is a body
			player_start(player, http_data, http_end);
			player_text(player, 0, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
			sprintf(answers, "%s%s", broken[i], last);
			in_pieces(1, answers, piece);
			s = player_end(player);
			has(s, "http.uri=/1");
			has_not(s, "http.status");
		}
	static const char requests[] = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n\1\2 GET /not HTTP/1.1\r\n"
				       "Host: b\r\n\r\nGET /2 HTTP/1.1\r\nHost: c\r\n\r\n";
	for (unsigned piece = 1; piece < sizeof(requests); piece++) {
		player_start(player, http_data, http_end);
		in_pieces(0, requests, piece);
		const char *s = player_end(player);
		has(s, "http.uri=/2");
		has(s, "http.host=c");
		has_not(s, "/not");
		has_not(s, "http.host=b");
	}
}

static void cut_head(void **state)
{
	player_start(player, http_data, http_end);
	player_text(player, 0, "GET /1 HTTP/1.1\r\nHost: a\r\nUser-Agent: never who");
	const char *s = player_end(player);
	has(s, "http.uri=/1");
	has(s, "http.host=a");
	has_not(s, "never");
	player_start(player, http_data, http_end);
	player_text(player, 1, "HTTP/1.1 101 Switch");
	assert_string_equal(player_end(player), "");
}

static void long_head(void **state)
{
	static char big[200000];
	int n = sprintf(big, "GET /1 HTTP/1.1\r\nHost: a\r\nX: ");
	memset(big + n, 'x', 100000);
	n += 100000;
	n += sprintf(big + n, "\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
	player_start(player, http_data, http_end);
	for (int i = 0; i < n; i += 1460)
		player_say(player, 0, big + i, n - i < 1460 ? n - i : 1460);
	const char *s = player_end(player);
	has(s, "http.uri=/1");
	has(s, "http.ambiguous=head-long");
	has(s, "http.uri=/2");
}

static void ambiguous(void **state)
{
	static const struct {
		const char *head, *cause;
		bool drop;
	} cases[] = {
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		 "cl-te", true},
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", "cl-differ", true},
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 2\r\n\r\nx", "cl-differ", true},
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", "cl-bad", true},
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", "cl-bad", true},
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", "cl-bad", true},
		{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", "te-bad", true},
		{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", "te-bad", true},
		{"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "te-http10", true},
		{"GET / HTTP/1.1\nHost: a\n\n", "bare-lf", false},
		{"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", "mixed-line-ends", true},
		{"GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n", "bare-cr", true},
		{"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", "obs-fold", true},
		{"GET / HTTP/1.1\r\n X: y\r\nHost: a\r\n\r\n", "leading-space", true},
		{"GET / HTTP/1.1\r\nHost : a\r\n\r\n", "space-colon", true},
		{"GET / HTTP/1.1\r\nHost: a\r\nline\r\n\r\n", "no-colon", false},
		{"GET / HTTP/1.1\r\nHost: a\r\na b: c\r\n\r\n", "field-name", false},
		{"GET /  HTTP/1.1\r\nHost: a\r\n\r\n", "request-line", false},
		{"GET / HTTP/1.7\r\nHost: a\r\n\r\n", "version", false},
		{"GET / HTTP/1.1\r\nX: a\r\n\r\n", "host-missing", false},
		{"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "host-two", false},
		{"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", "host-bad", false},
		{"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", "host-differs", false},
		{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "chunk-size", true},
		{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", "chunk-end", true},
		{"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 3\r\n\r\n", "body-forbidden", false},
	};
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char want[64];
		snprintf(want, sizeof(want), "http.ambiguous=%s\n", cases[i].cause);
		const char *s = say(cases[i].head, "");
		has(s, want);
		has(s, "anomaly http.ambiguous");
		assert_int_equal(player->drop, cases[i].drop ? REASON_HTTP_AMBIGUOUS : 0);
	}
	static const char nul[] = "GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n";
	play(WHOLE, nul, sizeof(nul) - 1, "", 0);
	has(player_end(player), "http.ambiguous=nul\n");
	assert_int_equal(player->drop, REASON_HTTP_AMBIGUOUS);
	has_not(say("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\nx", ""), "ambiguous");
}

static void names(void **state)
{
	const char *s = say("GET http://u:p@%41.example:81/p HTTP/1.1\r\nHost: b.example\r\n\r\n", "");
	has(s, "host=a.example\n");
	has(s, "host=b.example\n");
	has(s, "http.uri=http://u:p@%41.example:81/p\nhttp.path=/p\n");
	has(s, "anomaly http.userinfo");
	s = say("GET / HTTP/1.1\r\nHost: [2001:DB8::1]:80\r\n\r\n", "");
	has(s, "http.host=[2001:db8::1]\nhttp.port=80\nhost=2001:db8::1\n");
}

static void paths(void **state)
{
	static const char *const cases[][2] = {
		{"/", "/"},
		{"/a", "/a"},
		{"/a/", "/a/"},
		{"/a//b", "/a/b"},
		{"//", "/"},
		{"/.", "/"},
		{"/..", "/"},
		{"/../../a", "/a"},
		{"/a/./b/../c", "/a/c"},
		{"/a/..", "/"},
		{"/a/b/..", "/a/"},
		{"/%41%2f%2E%2e/b", "/b"},
		{"/a;x=1/b;y?q#f", "/a;x=1/b;y"},
		{"/a#f?q", "/a"},
		{"/%252e", "/%2e"},
		{"/%zz%4", "/%zz%4"},
		{"*", "*"},
		{"http://h", "/"},
		{"http://h?x", "/"},
		{"http://h/a/../b", "/b"},
		{"/...", "/..."},
		{"/a/.../..", "/a/"},
		{"/.a/..b", "/.a/..b"},
		{"///a///..///b", "/b"},
	};
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t out[64];
		struct http_span t = {(const uint8_t *)cases[i][0], strlen(cases[i][0])};
		uint32_t n = http_name_path(t, out, sizeof(out) - 1);
		out[n] = 0;
		assert_string_equal((char *)out, cases[i][1]);
	}
}

static void looks(void **state)
{
	static const struct {
		const char *text;
		int want;
	} cases[] = {
		{"GET / HTTP/1.1\r\n", 1},
		{"GET /", 1},
		{"GE", -1},
		{"", -1},
		{"HTTP/1.1 200 OK\r\n", 1},
		{"HTTP/1", -1},
		{"HTTP/1.1 200\r\n", 1},
		{"HTTP/2.0 200 OK\r\n", 0},
		{"FOO bar HTTP/1.1\r\n", 1},
		{"FOO bar", -1},
		{"OPTIONS rtsp://a RTSP/1.0\r\nCSeq: 1\r\n", 0},
		{"OPTIONS sip:a SIP/2.0\r\nVia: x\r\n", 0},
		{"EHLO a\r\n", 0},
		{"SSH-2.0-x\r\n", 0},
		{"GET /x\r\n", 1},
		{"GET /x\r\n\r\n", 1},
		{"GET /x\r\nHost: a\r\n", 1},
		{"GET / HTTP/1.\r\nHost: a\r\n", 1},
		{"OPTIONS HTTP/1.1\r\nHost: a\r\n", 1},
		{"GET/ HTTP/1.1\r\nHost: a", 0},
		{"FOO / HTTP/1.\r\nHost: a\r\n", 0},
		{"\r\n\r\nGET / HTTP/1.1\r\n", 1},
		{"\x16\x03\x01", 0},
		{"USER anonymous\r\n", 0},
		{"GET http://a", 1},
		{"GET HTTP://a", 1},
		{"GET http:/", -1},
		{"GET file 1\r\n", 0},
		{"NOTIFY sip:a@b\r\n", 0},
		{"GET /a RTSP/1.0\r\nHost: a\r\n", 0},
		{"ICY 200 OK\r\n", 0},
		{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 1},
		{"POST icap://a ICAP/1.0\r\nHost: a\r\n", 0},
	};
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (http_looks((const uint8_t *)cases[i].text, strlen(cases[i].text)) != cases[i].want)
			fail_msg("%s", cases[i].text);
}

static void http09(void **state)
{
	const char *s = say("GET /x\r\n\r\n", "<html>HTTP/1.1 200 OK\r\n\r\n");
	has(s, "http.method=GET\nhttp.uri=/x\nhttp.path=/x\nhttp.protocol=HTTP/0.9\nhttp.ambiguous=");
	has_not(s, "malformed");
	has_not(s, "status");
	s = say("GET http://a.example/x\n", "");
	has(s, "http.uri=http://a.example/x\nhttp.path=/x\nhttp.protocol=HTTP/0.9\nhost=a.example\n");
	has_not(say("GET /x\r\nHost: a\r\n\r\n", ""), "HTTP/0.9");
	has_not(say("GET x\r\n", ""), "http.method");
	has_not(say("POST http://a.example/x\r\n", ""), "http.method");
}

// A chunked that is not the last coding: refused by some, read as chunked by the others.
static void chunked_not_last(void **state)
{
	const char *s = say("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"
			    "GET /next HTTP/1.1\r\nHost: a\r\n\r\n",
			    "");
	has(s, "http.ambiguous=te-bad");
	has(s, "http.uri=/next");
	has_not(say("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", ""),
		"ambiguous");
}

static void http2(void **state)
{
	say("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "");
	assert_int_equal(player->f.app, APP_HTTP2);
	assert_string_equal(player->said, "");
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
		cmocka_unit_test(one_request),    cmocka_unit_test(pipelined),
		cmocka_unit_test(many_pipelined), cmocka_unit_test(until_close),
		cmocka_unit_test(continues),      cmocka_unit_test(connects),
		cmocka_unit_test(upgrades),       cmocka_unit_test(one_way),
		cmocka_unit_test(swapped_roles),  cmocka_unit_test(gaps),
		cmocka_unit_test(lost_place),     cmocka_unit_test(cut_head),
		cmocka_unit_test(long_head),      cmocka_unit_test(ambiguous),
		cmocka_unit_test(names),          cmocka_unit_test(paths),
		cmocka_unit_test(looks),          cmocka_unit_test(http2),
		cmocka_unit_test(http09),         cmocka_unit_test(chunked_not_last),
	};
	return cmocka_run_group_tests(tests, start_all, stop_all);
}
