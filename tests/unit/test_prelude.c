// SPDX-License-Identifier: BSD-3-Clause
//
// STARTTLS in its languages, and SOCKS: the bytes at which the next protocol begins, on both sides, in any order of
// the directions and any pieces.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "app_player.h"

static struct player *player;

enum order { TURNS, BYTES, CLIENT_FIRST, SERVER_FIRST, ORDERS };

struct turn {
	unsigned dir;
	const char *bytes;
	size_t len;
};
#define T(dir, text)                                                                                                   \
	{                                                                                                              \
		dir, text, sizeof(text) - 1                                                                            \
	}

#define HELLO "\x16\x03\x01\x00\x30\x01\x00\x00\x2c\x03\x03 and so on, forty bytes in all, or nearly..."
#define ANSWER "\x16\x03\x03\x00\x30\x02\x00\x00\x2c\x03\x03 likewise"

static void play(enum order o, const struct turn *t, unsigned n, enum app_step (*data)(struct app_in *))
{
	player_start(player, data, NULL);
	for (unsigned pass = 0; pass < 2; pass++)
		for (unsigned i = 0; i < n; i++) {
			if (o >= CLIENT_FIRST ? t[i].dir != (pass ^ (o == SERVER_FIRST)) : pass != 0)
				continue;
			for (size_t at = 0; at < t[i].len; at += o == BYTES ? 1 : t[i].len)
				player_say(player, t[i].dir, t[i].bytes + at, o == BYTES ? 1 : t[i].len);
		}
}

static void left_is(unsigned dir, const char *want, size_t len)
{
	assert_int_equal(player->side[dir].have - player->side[dir].at, len);
	assert_memory_equal(player_left(player, dir), want, len);
}

// The turns, then a hello and its answer: that is where both sides have to stand.
static void switches(const struct turn *t, unsigned n, enum app_step (*data)(struct app_in *), enum app app)
{
	struct turn all[32];

	memcpy(all, t, n * sizeof(*t));
	all[n] = (struct turn)T(0, HELLO);
	all[n + 1] = (struct turn)T(1, ANSWER);
	for (enum order o = TURNS; o < ORDERS; o++) {
		play(o, all, n + 2, data);
		if (player->fate != APP_SWITCH)
			fail_msg("order %d, turn %s: fate %d", o, t[0].bytes, player->fate);
		left_is(0, HELLO, sizeof(HELLO) - 1);
		left_is(1, ANSWER, sizeof(ANSWER) - 1);
		if (app)
			assert_int_equal(player->f.app, app);
	}
}
#define SWITCHES(t, data, app) switches(t, sizeof(t) / sizeof(t[0]), data, app)

static void smtp(void **state)
{
	static const struct turn t[] = {T(1, "220-mx.example ESMTP\r\n220 hello\r\n"), T(0, "EHLO me\r\n"),
					T(1, "250-mx.example\r\n250-STARTTLS\r\n250 OK\r\n"), T(0, "STARTTLS\r\n"),
					T(1, "220 go ahead\r\n")};
	SWITCHES(t, prelude_data, APP_SMTP);
}

static void smtp_refused_once(void **state)
{
	static const struct turn t[] = {T(1, "220 mx\r\n"),   T(0, "EHLO me\r\n"),     T(1, "250 OK\r\n"),
					T(0, "STARTTLS\r\n"), T(1, "454 not now\r\n"), T(0, "NOOP\r\n"),
					T(1, "250 OK\r\n"),   T(0, "STARTTLS\r\n"),    T(1, "220 go ahead\r\n")};
	play(TURNS, t, sizeof(t) / sizeof(t[0]), prelude_data);
	assert_int_equal(player->fate, APP_SWITCH);
}

static void smtp_plain(void **state)
{
	static const struct turn t[] = {T(1, "220 mx ESMTP\r\n"),  T(0, "EHLO me\r\n"), T(1, "250 OK\r\n"),
					T(0, "MAIL FROM:<a>\r\n"), T(1, "250 OK\r\n"),  T(0, "DATA\r\n")};
	play(TURNS, t, sizeof(t) / sizeof(t[0]), prelude_data);
	assert_int_equal(player->fate, APP_CLOSE);
	assert_int_equal(player->f.app, APP_SMTP);
}

static void ftp(void **state)
{
	static const struct turn t[] = {T(1, "220 (vsFTPd 3.0.3)\r\n"), T(0, "AUTH TLS\r\n"),
					T(1, "234 Proceed with negotiation.\r\n")};
	SWITCHES(t, prelude_data, APP_FTP);
}

// The client's first words are no greeting of any language; the server's tell which it is.
static void ftp_feat_first(void **state)
{
	static const struct turn t[] = {T(0, "FEAT\r\n"), T(1, "220 ready\r\n211 End\r\n"), T(0, "AUTH TLS\r\n"),
					T(1, "234 go\r\n")};
	SWITCHES(t, prelude_data, APP_FTP);
}

static void imap(void **state)
{
	static const struct turn t[] = {T(1, "* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n"),
					T(0, "a001 CAPABILITY\r\n"),
					T(1, "* CAPABILITY IMAP4rev1 STARTTLS\r\na001 OK done\r\n"),
					T(0, "a002 starttls\r\n"), T(1, "a002 OK Begin TLS negotiation now\r\n")};
	SWITCHES(t, prelude_data, APP_IMAP);
}

static void pop3(void **state)
{
	static const struct turn t[] = {T(1, "+OK ready\r\n"), T(0, "CAPA\r\n"), T(1, "+OK list\r\nSTLS\r\n.\r\n"),
					T(0, "STLS\r\n"), T(1, "+OK begin\r\n")};
	SWITCHES(t, prelude_data, APP_POP3);
}

static void xmpp(void **state)
{
	static const struct turn t[] = {
		T(0, "<?xml version='1.0'?><stream:stream to='a' xmlns='jabber:client' version='1.0'>"),
		T(1, "<?xml version='1.0'?><stream:stream from='a' id='x' xmlns='jabber:client'><stream:features>"
		     "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>"),
		T(0, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
		T(1, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")};
	SWITCHES(t, prelude_data, 0);
}

static void postgres(void **state)
{
	static const struct turn t[] = {T(0, "\0\0\0\x08\x04\xd2\x16\x2f"), T(1, "S")};
	static const struct turn gss[] = {T(0, "\0\0\0\x08\x04\xd2\x16\x30"), T(1, "N"),
					  T(0, "\0\0\0\x08\x04\xd2\x16\x2f"), T(1, "S")};
	SWITCHES(t, prelude_data, 0);
	play(TURNS, gss, 4, prelude_data);
	assert_int_equal(player->fate, APP_SWITCH);
}

static void mysql(void **state)
{
	static const struct turn t[] = {
		T(1, "\x2d\0\0\0\x0a"
		     "5.7.1-log\0 and thirty-four more bytes of its..."),
		T(0, "\x20\0\0\x01\x85\xae\xff\x19\0\0\0\x01\x21\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")};
	struct turn exact[2] = {t[0], t[1]};
	exact[0].len = 4 + 0x2d;
	switches(exact, 2, prelude_data, 0);
}

static void ldap(void **state)
{
	static const struct turn t[] = {T(0, "\x30\x1d\x02\x01\x01\x77\x18\x80\x16"
					     "1.3.6.1.4.1.1466.20037"),
					T(1, "\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00")};
	SWITCHES(t, prelude_data, 0);
}

static void rdp(void **state)
{
	static const struct turn t[] = {T(0, "\x03\0\0\x13\x0e\xe0\0\0\0\0\0\x01\0\x08\0\x03\0\0\0"),
					T(1, "\x03\0\0\x13\x0e\xd0\0\0\x12\x34\0\x02\x1f\x08\0\x02\0\0\0")};
	static const struct turn cookie[] = {T(0, "\x03\0\0\x2c\x27\xe0\0\0\0\0\0"
						  "Cookie: mstshash=eltons\r\n"
						  "\x01\0\x08\0\x0b\0\0\0"),
					     T(1, "\x03\0\0\x13\x0e\xd0\0\0\x12\x34\0\x02\x1f\x08\0\x02\0\0\0")};
	SWITCHES(t, prelude_data, 0);
	SWITCHES(cookie, prelude_data, 0);
	// RDP's own cipher: asked for, or chosen; and an industrial protocol on X.224
	static const struct turn no[][2] = {
		{T(0, "\x03\0\0\x0b\x06\xe0\0\0\0\0\0"), T(1, "\x03\0\0\x0b\x06\xd0\0\0\x12\x34\0")},
		{T(0, "\x03\0\0\x13\x0e\xe0\0\0\0\0\0\x01\0\x08\0\x03\0\0\0"),
		 T(1, "\x03\0\0\x13\x0e\xd0\0\0\x12\x34\0\x02\0\x08\0\0\0\0\0")},
		{T(0, "\x03\0\0\x16\x11\xe0\0\0\0\x01\0\xc0\x01\x0a\xc1\x02\x01\0\xc2\x02\x01\x02"),
		 T(1, "\x03\0\0\x16\x11\xd0\0\x01\0\x02\0\xc0\x01\x0a\xc1\x02\x01\0\xc2\x02\x01\x02")},
	};
	for (unsigned i = 0; i < 3; i++) {
		play(TURNS, no[i], 2, prelude_data);
		assert_int_equal(player->fate, APP_CLOSE);
	}
}

static void proxy(void **state)
{
	static const struct turn one[] = {T(0, "PROXY TCP4 192.0.2.1 192.0.2.2 1234 443\r\n")};
	static const struct turn unknown[] = {T(0, "PROXY UNKNOWN\r\n")};
	static const struct turn two[] = {
		T(0, "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x01\x02\x03\x04\x05\x06\x07\x08\0\x01\0\x02")};
	static const struct turn local[] = {T(0, "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0")};
	const struct turn *const all[] = {one, unknown, two, local};
	for (unsigned i = 0; i < 4; i++)
		for (enum order o = TURNS; o <= BYTES; o++) {
			play(o, all[i], 1, prelude_data);
			assert_int_equal(player->fate, APP_SWITCH);
			left_is(0, "", 0);
		}
	static const struct turn none[] = {T(0, "PROXY TCP5 192.0.2.1 192.0.2.2 1234 443\r\n"),
					   T(0, "PROXY TCP4 a\nb\r\n"), T(0, "\r\n\r\n\0\r\nQUIT\n\x31\x11\0\0")};
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(prelude_looks((const uint8_t *)none[i].bytes, (uint32_t)none[i].len), 0);
}

// The directions mixed up so that nothing matches, yet the hello is found.
static void hello_anyway(void **state)
{
	player_start(player, prelude_data, NULL);
	player_text(player, 0, "EHLO me\r\n");
	player_say(player, 0, HELLO, sizeof(HELLO) - 1);
	assert_int_equal(player->fate, APP_SWITCH);
	left_is(0, HELLO, sizeof(HELLO) - 1);
	player_start(player, prelude_data, NULL);
	player->f.flags = 0; // one-way
	player_text(player, 0, "EHLO me\r\nSTARTTLS\r\n");
	player_say(player, 0, HELLO, sizeof(HELLO) - 1);
	assert_int_equal(player->fate, APP_SWITCH);
	left_is(0, HELLO, sizeof(HELLO) - 1);
}

static void socks(void **state)
{
	static const struct turn v5[] = {T(0, "\x05\x02\x00\x01"), T(1, "\x05\x00"),
					 T(0, "\x05\x01\x00\x03\x0b"
					      "example.com\x01\xbb"),
					 T(1, "\x05\x00\x00\x01\0\0\0\0\0\0")};
	static const struct turn password[] = {T(0, "\x05\x01\x02"),
					       T(1, "\x05\x02"),
					       T(0, "\x01\x04user\x06secret"),
					       T(1, "\x01\x00"),
					       T(0, "\x05\x01\x00\x01\x0a\0\0\x01\x01\xbb"),
					       T(1, "\x05\x00\x00\x03\x03"
						    "abc\0\0")};
	static const struct turn v4[] = {T(0, "\x04\x01\x01\xbb\x0a\0\0\x01me\0"), T(1, "\0\x5a\0\0\0\0\0\0")};
	static const struct turn v4a[] = {T(0, "\x04\x01\x01\xbb\0\0\0\x01me\0example.com\0"),
					  T(1, "\0\x5a\0\0\0\0\0\0")};
	SWITCHES(v5, socks_data, 0);
	SWITCHES(password, socks_data, 0);
	SWITCHES(v4, socks_data, 0);
	SWITCHES(v4a, socks_data, 0);
	static const struct turn turned[] = {T(1, "\x4e\x5a\x8d"), T(0, "\x05\x01\x00"), T(1, "\x05\x00"),
					     T(0, "\x05\x01\x00\x01\x0a\0\0\x01\x01\xbb"),
					     T(1, "\x05\x00\x00\x01\0\0\0\0\0\0")};
	play(TURNS, turned, 5, socks_data);
	assert_int_equal(player->fate, APP_SWITCH);
	static const struct turn refused[] = {T(0, "\x05\x01\x00"), T(1, "\x05\xff")};
	play(TURNS, refused, 2, socks_data);
	assert_int_equal(player->fate, APP_CLOSE);
}

static void looks(void **state)
{
	static const struct {
		struct turn t;
		int (*looks)(const uint8_t *, uint32_t);
		int want;
	} cases[] = {
		{T(0, "220 x"), prelude_looks, 1},
		{T(0, "22"), prelude_looks, -1},
		{T(0, "221 x"), prelude_looks, 0},
		{T(0, "EHLO a\r\n"), prelude_looks, 1},
		{T(0, "EHLO a"), prelude_looks, -1},
		{T(0, "* OK IMAP"), prelude_looks, 1},
		{T(0, "+OK"), prelude_looks, 1},
		{T(0, "a1 CAPABILITY\r\n"), prelude_looks, 1},
		{T(0, "<?xml version='1.0'?><a>"), prelude_looks, -1},
		{T(0, "0\x84\x00\x00\x00\x10\x02\x01\x01\x60"), prelude_looks, 1},
		{T(0, "0\x84\x00\x00\x00\x10\x02\x01\x01\x04"), prelude_looks, 0},
		{T(0, "GET / HTTP/1.1\r\n"), prelude_looks, 0},
		{T(0, "\x16\x03\x01\x00\x30\x01\x00\x00"), prelude_looks, 0},
		{T(0, "\x05\x01\x00"), socks_looks, 1},
		{T(0, "\x05\x01"), socks_looks, -1},
		{T(0, "\x05\x01\x00\x07"), socks_looks, 0},
		{T(0, "\x05\x01\x00\x05\x01\x00\x03"), socks_looks, -1},
		{T(0, "\x05\x02\x00\x00"), socks_looks, 0},
		{T(0, "\x04\x01\x00\x50\x01\x02\x03\x04\x00"), socks_looks, 1},
		{T(0, "\x04\x01\x00\x50\x01\x02\x03\x04\x01"), socks_looks, 0},
		{T(0, "\x04\x01\x00\x50\x01\x02\x03\x04\x00\x01"), socks_looks, 0},
		{T(0, "\x00\x5a"), socks_looks, -1},
		{T(0, "\x00\x5a\0\0\0\0\0\0HTTP/1.1 200 OK\r\n"), socks_looks, 1},
		{T(0, "\x00\x5a\0\0\0\0\0\0\x99\x99\x99\x99\x99\x99\x99\x99\x99\x99"), socks_looks, 0},
		{T(0, "GET / HTTP/1.1\r\n"), socks_looks, 0},
	};
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int is = cases[i].looks((const uint8_t *)cases[i].t.bytes, cases[i].t.len);
		if (is != cases[i].want)
			fail_msg("case %u: %d", i, is);
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
		cmocka_unit_test(smtp),           cmocka_unit_test(smtp_refused_once),
		cmocka_unit_test(smtp_plain),     cmocka_unit_test(ftp),
		cmocka_unit_test(ftp_feat_first), cmocka_unit_test(imap),
		cmocka_unit_test(pop3),           cmocka_unit_test(xmpp),
		cmocka_unit_test(postgres),       cmocka_unit_test(mysql),
		cmocka_unit_test(ldap),           cmocka_unit_test(rdp),
		cmocka_unit_test(proxy),          cmocka_unit_test(hello_anyway),
		cmocka_unit_test(socks),          cmocka_unit_test(looks),
	};
	return cmocka_run_group_tests(tests, start_all, stop_all);
}
