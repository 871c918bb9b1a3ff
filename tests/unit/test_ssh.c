// SPDX-License-Identifier: BSD-3-Clause
//
// SSH identification strings (RFC 4253 4.2), whole and byte by byte.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "app_player.h"

static struct player *player;

static const char *say(const char *client, const char *server, bool bytes)
{
	const char *text[2] = {client, server};

	player_start(player, ssh_data, ssh_end);
	for (unsigned d = 2; d-- > 0;)
		for (size_t at = 0; at < strlen(text[d]); at += bytes ? 1 : strlen(text[d]))
			player_say(player, d, text[d] + at, bytes ? 1 : strlen(text[d]));
	return player_end(player);
}

static void both(void **state)
{
	for (int bytes = 0; bytes < 2; bytes++) {
		assert_string_equal(
			say("SSH-2.0-OpenSSH_9.2 Debian\r\nKEX", "Welcome\r\nto us\r\nSSH-1.99-dropbear\n\0KEX", bytes),
			"ssh.server_proto=1.99\nssh.server_software=dropbear\nssh.proto=2.0\n"
			"ssh.software=OpenSSH_9.2\n--\n");
		assert_true(player->side[0].done && player->side[1].done);
	}
}

static void one_side(void **state)
{
	assert_string_equal(say("SSH-2.0-x\r\n", "", false), "ssh.proto=2.0\nssh.software=x\n--\n");
	assert_string_equal(say("SSH-2.0-cut", "", false), "");
}

static void malformed(void **state)
{
	assert_string_equal(say("SSH-2.0\r\n", "SSH-2.0-s\r\n", false),
			    "anomaly ssh.malformed\nssh.server_proto=2.0\nssh.server_software=s\n--\n");
	char longer[400];
	memset(longer, 'x', sizeof(longer));
	memcpy(longer, "SSH-2.0-", 8);
	longer[399] = 0;
	assert_string_equal(say(longer, "", false), "anomaly ssh.malformed\n");
}

static void looks(void **state)
{
	assert_int_equal(ssh_looks((const uint8_t *)"SSH", 3), -1);
	assert_int_equal(ssh_looks((const uint8_t *)"SSH-2", 5), 1);
	assert_int_equal(ssh_looks((const uint8_t *)"SSH-x", 5), 0);
	assert_int_equal(ssh_looks((const uint8_t *)"SSL-2", 5), 0);
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
	const struct CMUnitTest tests[] = {cmocka_unit_test(both), cmocka_unit_test(one_side),
					   cmocka_unit_test(malformed), cmocka_unit_test(looks)};
	return cmocka_run_group_tests(tests, start_all, stop_all);
}
