// SPDX-License-Identifier: BSD-3-Clause
//
// The command line: words and the table, and the control socket with clients of every kind. The server runs on a thread
// of its own, as in the appliance; no appliance is there.
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "ctl/ask.h"
#include "ctl/http.h"
#include "ctl/loop.h"
#include "ctl/socket.h"
#include "ctl/view.h"

static char folder[] = "/tmp/sluice_ctl_XXXXXX", path[64];
static struct loop *l;
static struct socket_server *server;
static pthread_t thread;

static void split(void **state)
{
	const char *word[COMMAND_WORDS_MAX];
	char line[] = "  set add\tblocked \"a b\\\"c\" x\\ y # rest";
	assert_int_equal(command_split(line, word), 5);
	assert_string_equal(word[3], "a b\"c");
	assert_string_equal(word[4], "x y");
	char open[] = "a \"b", empty[] = "", quotes[] = "\"\" \"\"", many[3 * COMMAND_WORDS_MAX];
	assert_int_equal(command_split(open, word), -1);
	assert_int_equal(command_split(empty, word), 0);
	assert_int_equal(command_split(quotes, word), 2);
	assert_string_equal(word[1], "");
	for (unsigned i = 0; i <= COMMAND_WORDS_MAX; i++)
		memcpy(many + 2 * i, "a ", 3);
	assert_int_equal(command_split(many, word), -1);
}

static json_t *serve(const char *line)
{
	char copy[COMMAND_BYTES_MAX];
	struct call c = {0};
	snprintf(copy, sizeof(copy), "%s", line);
	return command_serve(NULL, copy, &c);
}

static void expect_error(const char *line, const char *error)
{
	json_t *o = serve(line);
	assert_false(json_is_true(json_object_get(o, "ok")));
	assert_int_equal(json_integer_value(json_object_get(o, "exit")), CALL_USAGE);
	assert_string_equal(json_string_value(json_object_get(o, "error")), error);
	json_decref(o);
}

static void dispatch(void **state)
{
	json_t *o = serve("show version");
	assert_true(json_is_true(json_object_get(o, "ok")));
	assert_string_equal(json_string_value(json_object_get(json_object_get(o, "result"), "sluice")), SLUICE_VERSION);
	json_decref(o);
	json_decref(serve("help"));
	json_decref(serve("help show version"));
	expect_error("help me", "no command begins so; help lists all of them");
	expect_error("show versoin", "unknown word \"versoin\" (did you mean \"version\"?)");
	expect_error("shwo version", "unknown word \"shwo\" (did you mean \"show\"?)");
	expect_error("show version please", "unknown word \"please\": show version");
	expect_error("values", "more is needed: values <kind>");
	expect_error("quit\xff", "what was said is not UTF-8");
}

// What stands in the table is what people can say: each row's words, with values for <kinds>, are found again.
static void rows(void **state)
{
	for (unsigned i = 0; i < command_count; i++) {
		char line[512] = "", words[512];
		snprintf(words, sizeof(words), "%s", command_table[i].words);
		for (char *save, *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
			w[strcspn(w, "|]")] = '\0';
			w += *w == '[';
			snprintf(line + strlen(line), sizeof(line) - strlen(line), "%s ", *w == '<' ? "1" : w);
		}
		struct call c = {0};
		c.n = (unsigned)command_split(line, c.word);
		assert_ptr_equal(command_find(&c), &command_table[i]);
		char place[128];
		assert_true(command_next(&command_table[i], c.word, 0, place, sizeof(place)));
		assert_int_equal(strncmp(place, c.word[0], strlen(place)), 0);
	}
}

static void levels(void **state)
{
	assert_int_equal(log_set("nobody", "info"), -EINVAL);
	assert_int_equal(log_set("port", "loud"), -EINVAL);
	json_decref(serve("log level port debug"));
	assert_true(log_wants(LOG_DEBUG, "port"));
	assert_false(log_wants(LOG_DEBUG, "policy"));
	json_decref(serve("log level all error"));
	assert_false(log_wants(LOG_WARNING, "port"));
	log_set(NULL, "info");
}

static void *turns(void *arg)
{
	loop_run(l);
	return NULL;
}

static void ended(void *arg)
{
	loop_stop(l, 0);
}

static int begin(void **state)
{
	char why[256];
	l = loop_new();
	server = socket_open(l, path, (gid_t)-1, NULL, why, sizeof(why));
	return !server || pthread_create(&thread, NULL, turns, NULL);
}

static int end(void **state)
{
	loop_post(l, ended, NULL);
	pthread_join(thread, NULL);
	socket_close(server);
	loop_free(l);
	return access(path, F_OK) == 0;
}

static struct ask *client(void)
{
	char why[256];
	struct ask *k = ask_open(path, why, sizeof(why));
	assert_non_null(k);
	return k;
}

static bool answers(struct ask *k)
{
	json_t *o = ask(k, "show version");
	bool ok = json_is_true(json_object_get(o, "ok"));
	json_decref(o);
	return ok;
}

static void socket_mode(void **state)
{
	struct stat st;
	char why[256];
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	assert_null(socket_open(l, path, (gid_t)-1, NULL, why, sizeof(why))); // somebody listens there: ourselves
	char pid[32];
	snprintf(pid, sizeof(pid), "process %d", (int)getpid());
	assert_non_null(strstr(why, pid));
}

static void many(void **state)
{
	struct ask *k[SOCKET_CLIENTS_MAX];
	for (unsigned i = 0; i < SOCKET_CLIENTS_MAX; i++)
		k[i] = client();
	for (unsigned i = 0; i < SOCKET_CLIENTS_MAX; i++)
		assert_true(answers(k[i]));
	struct ask *more = client(); // all are busy: none of them was idle for ten seconds
	json_t *o = ask(more, "show version");
	assert_int_equal(json_integer_value(json_object_get(o, "exit")), CALL_ENVIRONMENT);
	json_decref(o);
	ask_close(more);
	for (unsigned i = 0; i < SOCKET_CLIENTS_MAX; i++)
		ask_close(k[i]);
	for (unsigned i = 0;; i++) { // the server sees one after the other go
		struct ask *again = client();
		bool ok = answers(again);
		ask_close(again);
		if (ok)
			break;
		assert_true(i < 1000);
		usleep(1000);
	}
}

static int raw(void)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

static void hostile(void **state)
{
	char junk[2 * COMMAND_BYTES_MAX];
	memset(junk, 'x', sizeof(junk));
	int endless = raw(), zero = raw(), gone = raw(), flood = raw();
	send(endless, junk, sizeof(junk), MSG_NOSIGNAL);
	assert_true(recv(endless, junk, sizeof(junk), 0) <= 0); // cut off
	assert_int_equal(send(zero, "show\0version\n", 13, 0), 13);
	ssize_t n = recv(zero, junk, sizeof(junk), 0);
	assert_true(n > 0 && memmem(junk, (size_t)n, "\"exit\":2", 8));
	assert_int_equal(send(gone, "show version\nshow version\n", 26, 0), 26);
	close(gone);
	for (int i = 0; i < 100000; i++) // does not read its answers
		if (send(flood, "help\n", 5, MSG_DONTWAIT) < 0)
			break;
	struct ask *k = client();
	assert_true(answers(k)); // the others do not notice
	ask_close(k);
	close(endless), close(zero), close(flood);
}

static unsigned page_hello(struct appliance *a, FILE *out)
{
	fputs("hello\n", out);
	return 200;
}

static unsigned page_sick(struct appliance *a, FILE *out)
{
	fputs("sick\n", out);
	return 503;
}

static void expect_reply(unsigned port, const char *request, const char *status, const char *body)
{
	char reply[4096];
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_true(send(fd, request, strlen(request), MSG_NOSIGNAL) > 0);
	size_t len = 0;
	for (ssize_t n; len < sizeof(reply) - 1; len += (size_t)n)
		if ((n = recv(fd, reply + len, sizeof(reply) - 1 - len, 0)) <= 0)
			break;
	reply[len] = '\0';
	close(fd);
	assert_non_null(strstr(reply, status));
	const char *end = strstr(reply, "\r\n\r\n");
	assert_non_null(end);
	assert_string_equal(end + 4, body);
}

static const struct http_page pages[] = {{"/hello", "text/plain", page_hello}, {"/sick", "text/plain", page_sick}, {0}};

static void http_pages(void **state)
{
	char why[256];
	struct http *h = *state;
	unsigned port = http_port(h);
	expect_reply(port, "GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 ", "hello\n");
	expect_reply(port, "HEAD /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 ", "");
	expect_reply(port, "GET /sick HTTP/1.0\r\n\r\n", " 503 ", "sick\n");
	expect_reply(port, "GET /other HTTP/1.0\r\n\r\n", " 404 ", "no such page; there are /hello /sick\n");
	expect_reply(port, "POST /hello HTTP/1.0\r\n\r\n", " 405 ", "GET and HEAD are all there is\n");
	assert_null(http_open(l, "localhost:80", pages, NULL, why, sizeof(why)));
	assert_string_equal(why, "localhost:80: no address and port, such as 127.0.0.1:9180");
	char taken[32];
	snprintf(taken, sizeof(taken), "127.0.0.1:%u", port);
	assert_null(http_open(l, taken, pages, NULL, why, sizeof(why)));
	assert_non_null(strstr(why, "in use"));
}

static int http_begin(void **state)
{
	char why[256];
	l = loop_new();
	*state = http_open(l, "127.0.0.1:0", pages, NULL, why, sizeof(why));
	return !*state || pthread_create(&thread, NULL, turns, NULL);
}

static int http_end(void **state)
{
	loop_post(l, ended, NULL);
	pthread_join(thread, NULL);
	http_close(*state);
	loop_free(l);
	return 0;
}

// What a terminal would act on stays words.
static void harmless(void **state)
{
	char out[64];
	json_t *o =
		json_pack("{s:s,s:I,s:I,s:I,s:f}", "host", "a\033[2Jb\n\xc2\x9b", "rx_bytes", (json_int_t)1234567890,
			  "n", (json_int_t)1234567, "up_s", (json_int_t)93784, "x_ns", 1530.0);
	const char *const as[][2] = {{"host", "a\\x1b[2Jb\\x0a\\x9b"},
				     {"rx_bytes", "1.23 GB"},
				     {"n", "1,234,567"},
				     {"up_s", "1 d 02:03:04"},
				     {"x_ns", "1.53 µs"}};
	for (unsigned i = 0; i < 5; i++) {
		view_value(as[i][0], json_object_get(o, as[i][0]), out, sizeof(out));
		assert_string_equal(out, as[i][1]);
	}
	json_decref(o);
}

int main(void)
{
	log_set(NULL, "error");
	if (!mkdtemp(folder))
		return 1;
	snprintf(path, sizeof(path), "%s/ctl.sock", folder);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(split),
		cmocka_unit_test(dispatch),
		cmocka_unit_test(rows),
		cmocka_unit_test(levels),
		cmocka_unit_test(harmless),
		cmocka_unit_test_setup_teardown(http_pages, http_begin, http_end),
		cmocka_unit_test_setup_teardown(socket_mode, begin, end),
		cmocka_unit_test_setup_teardown(many, begin, end),
		cmocka_unit_test_setup_teardown(hostile, begin, end),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(folder);
	return rc;
}
