// SPDX-License-Identifier: BSD-3-Clause
//
// What servers and files say to src/remote: the first byte says who is asked, the rest is what is answered, in pieces
// that end with 0x1e. Servers are one thread here on a port of 127.0.0.1, which gives a piece a connection and closes
// it, so that all of libcurl and of what reads its answers runs as it does in the appliance.
//
//   0 shared files (credentials, config), then STS    1 container    2 instance: token, role, keys    3 STS
//   4 S3: list of uploads, aborts                     5 any answer   6 XML                            7 a time
//
// Checked beyond the sanitizers: credentials that are given fit into headers and have not expired, and where none are
// given it is said why, in plain text; no answer is longer than its room; what was quoted for XML is read as it was.
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "remote/credentials_in.h"
#include "remote/http.h"
#include "remote/s3.h"
#include "remote/xml.h"
#include "ship/s3_abort.h"
#include "ship/s3_object.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PIECES 8
#define ROOM 64 // of an answer

static struct {
	pthread_mutex_t lock;
	const uint8_t *p[PIECES];
	size_t len[PIECES];
	unsigned n, next;
	int fd;
	char url[64];
} server = {.lock = PTHREAD_MUTEX_INITIALIZER};

// ---- the server ----------------------------------------------------------------------------------------------------

// A request, head and body; what is not read would reset the connection. False: it ended before.
static bool request(int fd)
{
	static char text[64 * 1024];
	size_t n = 0, want = 0;
	while (n < sizeof(text) - 1) {
		ssize_t got = recv(fd, text + n, sizeof(text) - 1 - n, 0);
		if (got <= 0)
			return false;
		text[n += (size_t)got] = 0;
		char *end = strstr(text, "\r\n\r\n"), *length = strcasestr(text, "\r\nContent-Length:");
		want = end ? (size_t)(end + 4 - text) + (length ? strtoul(length + 17, NULL, 10) : 0) : 0;
		if (want && n >= want)
			return true;
	}
	return false;
}

static void *serve(void *arg)
{
	static uint8_t answer[65536];
	for (;;) {
		int fd = accept(server.fd, NULL, NULL);
		size_t len = 0;
		if (request(fd)) {
			pthread_mutex_lock(&server.lock);
			unsigned i = server.next++;
			len = i < server.n ? server.len[i] : 0;
			memcpy(answer, i < server.n ? server.p[i] : answer, len);
			pthread_mutex_unlock(&server.lock);
		}
		if (len && send(fd, answer, len, MSG_NOSIGNAL) < 0)
			len = 0;
		close(fd);
	}
	return arg;
}

static void begin(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(at);
	pthread_t thread;
	log_set(NULL, "error");
	server.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(server.fd, (struct sockaddr *)&at, n) || listen(server.fd, 64) ||
	    getsockname(server.fd, (struct sockaddr *)&at, &n) || pthread_create(&thread, NULL, serve, NULL))
		abort();
	snprintf(server.url, sizeof(server.url), "http://127.0.0.1:%u", ntohs(at.sin_port));
}

static void pieces(const uint8_t *p, size_t len)
{
	pthread_mutex_lock(&server.lock);
	server.n = server.next = 0;
	while (server.n < PIECES && (len || !server.n)) {
		const uint8_t *end = memchr(p, 0x1e, len);
		size_t n = end ? (size_t)(end - p) : len;
		server.p[server.n] = p;
		server.len[server.n++] = n;
		p += n + (end != NULL);
		len -= n + (end != NULL);
	}
	pthread_mutex_unlock(&server.lock);
}

static bool all_given(void)
{
	pthread_mutex_lock(&server.lock);
	bool all = server.next > server.n;
	pthread_mutex_unlock(&server.lock);
	return all;
}

// ---- who asks ------------------------------------------------------------------------------------------------------

static bool plain(const char *text)
{
	return text[strspn(text, " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`"
				 "abcdefghijklmnopqrstuvwxyz{|}~")] == 0;
}

// Piece i as a file, for the variable that names it.
static void file(const char *variable, int *fd, unsigned i)
{
	char path[32];
	if (!*fd)
		*fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (ftruncate(*fd, 0) || (i < server.n && pwrite(*fd, server.p[i], server.len[i], 0) < 0))
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", *fd);
	setenv(variable, path, 1);
}

static void get(const char *profile)
{
	struct credentials *c = credentials_new(&(struct credentials_config){.profile = profile});
	struct sigv4_identity id;
	int64_t now = time(NULL);
	if (credentials_get(c, now, &id)) {
		if (!*credentials_why(c) || !plain(credentials_why(c)))
			abort();
	} else if (!*id.key_id || !*id.secret || !plain(id.key_id) || !plain(id.secret) || !plain(id.token) ||
		   (credentials_expire(c) && credentials_expire(c) <= now)) {
		abort();
	}
	credentials_free(c);
}

static const char *const variables[] = {"AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE",
					"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_WEB_IDENTITY_TOKEN_FILE"};

// Nothing of an input stays for the next one: what is found is found again.
static void forget(void)
{
	for (unsigned i = 0; i < sizeof(variables) / sizeof(*variables); i++)
		unsetenv(variables[i]);
}

static void region_is_plain(const struct s3 *s)
{
	if (!plain(s3_region(s)) || strlen(s3_region(s)) >= 64) {
		fprintf(stderr, "region \"%s\"\n", s3_region(s));
		abort();
	}
}

// The region of a file
static void region_of(const char *profile)
{
	char why[S3_WHY];
	struct s3 *s = s3_new(&(struct s3_config){.bucket = "b", .endpoint = server.url, .profile = profile}, why);
	if (s)
		region_is_plain(s);
	else if (!*why || !plain(why))
		abort();
	s3_free(s);
}

static void credentials_of(unsigned who)
{
	static int fds[3];
	forget();
	setenv("HOME", "/nonexistent", 1);
	setenv("AWS_ENDPOINT_URL_STS", server.url, 1);
	setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url, 1);
	setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/r", 1);
	if (who == 0) {
		file(variables[0], &fds[0], 0);
		file(variables[1], &fds[1], 1);
		server.next = 2;
	} else if (who == 1) {
		setenv(variables[2], server.url, 1);
	} else if (who == 3) {
		file(variables[3], &fds[2], PIECES);
		if (pwrite(fds[2], "token", 5, 0) != 5)
			abort();
	}
	get(who == 0 ? "p" : NULL);
	if (who == 0)
		region_of("p");
}

static void bucket(void)
{
	char why[S3_WHY];
	forget();
	setenv("AWS_ACCESS_KEY_ID", "id", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
	struct s3 *s = s3_new(&(struct s3_config){.bucket = "b", .endpoint = server.url}, why);
	struct s3_target to = {.s3 = s, .prefix = "p"};
	struct s3_abort *a = s3_abort_new(&to);
	s3_abort_begin(a, "n");
	for (unsigned i = 0; i < 30 && !s3_abort_ready(a) && !all_given(); i++)
		s3_run(s, 1);
	if (s3_down(s) && !plain(s3_down(s)))
		abort();
	region_is_plain(s);
	s3_abort_free(a);
	s3_free(s);
	unsetenv("AWS_ACCESS_KEY_ID");
	unsetenv("AWS_SECRET_ACCESS_KEY");
}

static void any(void)
{
	struct http *h = http_new(&(struct http_config){.connect_ms = 1000, .stall_s = 1});
	struct http_call c = {.method = "GET", .url = server.url, .reply = malloc(ROOM), .reply_room = ROOM};
	int rc = http_do(h, &c);
	if (c.reply_len >= ROOM || c.reply[c.reply_len] || (rc && !*c.why) || (!rc && !c.status))
		abort();
	http_free(h);
	free(c.reply);
}

static void xml(const uint8_t *p, size_t len)
{
	static const char *const names[] = {"Code", "Credentials", "Key", "x"};
	char *text = strndup((const char *)p, len), *quoted = malloc(6 * len + 16), *out;
	const char *end;
	for (unsigned i = 0; i < 4; i++)
		for (const char *at = text; at; at = xml_element(at, names[i], &end) ? end : NULL) {
			size_t room = 1 + strlen(text) % 9;
			out = malloc(room);
			xml_text(at, names[i], out, room);
			if (strlen(out) >= room)
				abort();
			free(out);
		}
	memcpy(quoted, "<q>", 3);
	size_t n = 3 + xml_quote(text, quoted + 3, 6 * len + 1);
	strcpy(quoted + n, "</q>");
	out = malloc(strlen(text) + 1);
	if (n > 6 * len + 3 || !xml_text(quoted, "q", out, strlen(text) + 1) || strcmp(out, text) != 0)
		abort();
	free(out);
	free(quoted);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!server.fd)
		begin();
	if (size < 1)
		return 0;
	unsigned who = data[0] & 7;
	pieces(data + 1, size - 1);
	if (who < 4) {
		credentials_of(who);
	} else if (who == 4) {
		bucket();
	} else if (who == 5) {
		any();
	} else if (who == 6) {
		xml(data + 1, size - 1);
	} else {
		char *text = strndup((const char *)data + 1, size - 1);
		credentials_time(text);
		free(text);
	}
	return 0;
}
